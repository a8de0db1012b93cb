//! Where log lines go. What may be in them is decided where they are written: from structs whose
//! fields are the allow-list.

use std::{
    fs::OpenOptions,
    io::{self, Write},
    mem,
    os::unix::fs::OpenOptionsExt,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use tracing::{Level, Metadata};
use tracing_subscriber::{
    EnvFilter,
    fmt::{self, MakeWriter},
    prelude::*,
};

mod line;
pub(crate) mod otlp;

/// JSON lines to standard error, or to `file` (made with mode 0600) when one is named. Many lines are
/// one write, a tenth of a second late at most; a warning is written at once with all before it.
///
/// `BAUTA_LOG` sets the level, as in `info` or `bauta_proxy=debug`; the default is `info`.
///
/// # Errors
///
/// When the file cannot be opened.
pub fn start(file: Option<&Path>) -> io::Result<Log> {
    let log = Log::new(open(file)?);
    let flushed = log.clone();
    thread::Builder::new()
        .name("log".to_owned())
        .spawn(move || {
            loop {
                thread::sleep(LATEST);
                flushed.flush();
            }
        })?;
    begin("info", log.clone());
    Ok(log)
}

/// Each line at once, with another default level.
///
/// # Errors
///
/// When the file cannot be opened.
pub fn start_at(level: &str, file: Option<&Path>) -> io::Result<()> {
    begin(level, Mutex::new(open(file)?));
    Ok(())
}

fn open(file: Option<&Path>) -> io::Result<Box<dyn Write + Send>> {
    Ok(match file {
        Some(path) => Box::new(
            OpenOptions::new()
                .create(true)
                .append(true)
                .mode(0o600)
                .open(path)?,
        ),
        None => Box::new(io::stderr()),
    })
}

fn begin<W>(level: &str, writer: W)
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let filter = EnvFilter::try_from_env("BAUTA_LOG").unwrap_or_else(|_| EnvFilter::new(level));
    let line = fmt::layer().event_format(line::Line);
    let registry = tracing_subscriber::registry().with(filter);
    // A second call, as in a test binary, keeps the first subscriber.
    drop(registry.with(line.with_writer(writer)).try_init());
}

/// Lines on their way out. To be flushed before the process ends.
#[derive(Clone)]
#[must_use = "what it holds is lost when the process ends before it is flushed"]
pub struct Log(Arc<Mutex<Lines>>);

struct Lines {
    waiting: Vec<u8>,
    to: Box<dyn Write + Send>,
}

impl Log {
    fn new(to: Box<dyn Write + Send>) -> Self {
        let waiting = Vec::new();
        Self(Arc::new(Mutex::new(Lines { waiting, to })))
    }

    /// Writes what waits. A log that cannot be written stops nothing.
    pub fn flush(&self) {
        self.lines().flush();
    }

    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lines {
    fn flush(&mut self) {
        if self.waiting.is_empty() {
            return;
        }
        let waiting = mem::take(&mut self.waiting);
        drop(self.to.write_all(&waiting));
        self.waiting = waiting;
        self.waiting.clear();
        self.waiting.shrink_to(MOST_WAITING);
    }
}

impl<'w> MakeWriter<'w> for Log {
    type Writer = Writing<'w>;

    fn make_writer(&'w self) -> Writing<'w> {
        Writing {
            lines: self.lines(),
            at_once: true,
        }
    }

    fn make_writer_for(&'w self, meta: &Metadata<'_>) -> Writing<'w> {
        Writing {
            lines: self.lines(),
            at_once: *meta.level() <= Level::WARN,
        }
    }
}

/// One event being written.
pub struct Writing<'w> {
    lines: MutexGuard<'w, Lines>,
    at_once: bool,
}

impl Write for Writing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.lines.waiting.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.lines.flush();
        Ok(())
    }
}

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        if self.at_once || self.lines.waiting.len() >= MOST_WAITING {
            self.lines.flush();
        }
    }
}

/// How late a line may be.
const LATEST: Duration = Duration::from_millis(100);
/// More than this does not wait.
const MOST_WAITING: usize = 32 * 1024;

#[cfg(test)]
mod tests {
    use tracing::subscriber::with_default;

    use super::*;

    /// What was written, for a test to look at.
    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Written {
        fn lines(&self) -> usize {
            let text = self.0.lock().unwrap();
            text.split(|byte| *byte == b'\n').count().strict_sub(1)
        }
    }

    #[test]
    fn lines_wait_for_a_flush_and_a_warning_waits_for_nothing() {
        let written = Written::default();
        let log = Log::new(Box::new(written.clone()));
        let line = fmt::layer()
            .event_format(line::Line)
            .with_writer(log.clone());
        let subscriber = tracing_subscriber::registry().with(line);

        let counts = with_default(subscriber, || {
            tracing::info!("one");
            let before = written.lines();
            tracing::warn!("two");
            let warned = written.lines();
            tracing::info!("three");
            log.flush();
            [before, warned, written.lines()]
        });

        assert_eq!(counts, [0, 2, 3]);
    }

    #[test]
    fn a_busy_log_does_not_grow_without_end() {
        let written = Written::default();
        let log = Log::new(Box::new(written.clone()));
        let line = fmt::layer()
            .event_format(line::Line)
            .with_writer(log.clone());
        let subscriber = tracing_subscriber::registry().with(line);

        with_default(subscriber, || {
            for _ in 0..1_000 {
                tracing::info!("a line of a hundred bytes or so");
            }
        });

        assert!(written.lines() > 500, "{}", written.lines());
        assert!(log.lines().waiting.len() < MOST_WAITING);
    }
}
