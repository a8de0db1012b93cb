//! One event as one line of JSON, spelled straight into the line, without a map of values in between,
//! and without a character that moves a terminal.

use std::fmt::{self, Debug, Write};

use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    fmt::{
        FmtContext, FormatEvent, FormatFields,
        format::Writer,
        time::{FormatTime, SystemTime},
    },
    registry::LookupSpan,
};

/// `{"timestamp":…,"level":…,FIELDS,"target":…}`. There are no spans to tell of.
pub(super) struct Line;

impl<S, N> FormatEvent<S, N> for Line
where
    S: Subscriber + for<'l> LookupSpan<'l>,
    N: for<'w> FormatFields<'w> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut to: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let meta = event.metadata();
        to.write_str("{\"timestamp\":\"")?;
        SystemTime.format_time(&mut to)?;
        to.write_str("\",\"level\":\"")?;
        to.write_str(meta.level().as_str())?;
        to.write_char('"')?;
        let mut fields = Fields {
            to: to.by_ref(),
            done: Ok(()),
        };
        event.record(&mut fields);
        fields.done?;
        to.write_str(",\"target\":")?;
        text(&mut to, meta.target())?;
        to.write_str("}\n")
    }
}

/// Each field as a member.
struct Fields<'w> {
    to: Writer<'w>,
    done: fmt::Result,
}

impl Fields<'_> {
    fn member(&mut self, field: &Field, value: impl FnOnce(&mut Writer<'_>) -> fmt::Result) {
        if self.done.is_ok() {
            self.done = self.key(field).and_then(|()| value(&mut self.to));
        }
    }

    fn key(&mut self, field: &Field) -> fmt::Result {
        self.to.write_char(',')?;
        text(&mut self.to, field.name())?;
        self.to.write_char(':')
    }
}

impl Visit for Fields<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.member(field, |to| text(to, value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.member(field, |to| write!(to, "{value}"));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.member(field, |to| write!(to, "{value}"));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.member(field, |to| write!(to, "{value}"));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.member(field, |to| {
            if value.is_finite() {
                write!(to, "{value}")
            } else {
                // JSON has no word for them.
                to.write_str("null")
            }
        });
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.member(field, |to| {
            to.write_char('"')?;
            write!(Escaped(to), "{value:?}")?;
            to.write_char('"')
        });
    }
}

fn text(to: &mut Writer<'_>, text: &str) -> fmt::Result {
    to.write_char('"')?;
    Escaped(to).write_str(text)?;
    to.write_char('"')
}

/// What is written stands within a JSON text, and moves no terminal: also what JSON lets pass, DEL
/// and the C1 controls, is spelled out.
struct Escaped<'w, 't>(&'w mut Writer<'t>);

impl Write for Escaped<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some((at, odd)) = rest.char_indices().find(|(_, c)| is_odd(*c)) {
            let (plain, more) = rest.split_at(at);
            self.0.write_str(plain)?;
            match odd {
                '"' => self.0.write_str("\\\"")?,
                '\\' => self.0.write_str("\\\\")?,
                '\n' => self.0.write_str("\\n")?,
                other => write!(self.0, "\\u{:04x}", u32::from(other))?,
            }
            rest = more.split_at_checked(odd.len_utf8()).map_or("", |it| it.1);
        }
        self.0.write_str(rest)
    }
}

fn is_odd(c: char) -> bool {
    matches!(c, '"' | '\\') || c.is_control()
}

#[cfg(test)]
mod tests {
    use std::{
        io,
        sync::{Arc, Mutex},
    };

    use serde_json::{Value, json};
    use tracing::subscriber::with_default;
    use tracing_subscriber::{fmt::MakeWriter, prelude::*};

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl<'w> MakeWriter<'w> for Written {
        type Writer = Self;

        fn make_writer(&'w self) -> Self {
            self.clone()
        }
    }

    fn written(say: impl FnOnce()) -> String {
        let written = Written::default();
        let layer = tracing_subscriber::fmt::layer().event_format(Line);
        let subscriber = tracing_subscriber::registry().with(layer.with_writer(written.clone()));
        with_default(subscriber, say);
        String::from_utf8(written.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn an_event_is_one_line_of_json_with_its_fields() {
        let line = written(|| {
            tracing::info!(
                target: "here",
                request = %"01M8",
                n = -3_i64,
                most = u64::MAX,
                yes = true,
                half = 0.5,
                nothing = f64::NAN,
                why = ?Some("a"),
                "done"
            );
        });

        let mut read: Value = serde_json::from_str(&line).unwrap();
        let at = read.as_object_mut().unwrap().remove("timestamp").unwrap();
        assert!(at.as_str().unwrap().ends_with('Z'), "{at}");
        assert_eq!(
            read,
            json!({
                "level": "INFO", "target": "here", "message": "done", "request": "01M8", "n": -3,
                "most": u64::MAX, "yes": true, "half": 0.5, "nothing": null, "why": "Some(\"a\")"
            })
        );
        assert_eq!(line.matches('\n').count(), 1);
    }

    #[test]
    fn prv_13_no_control_character_of_a_value_reaches_the_line() {
        let evil = "\u{1b}[2J\r\n\t\u{7f}\u{9b}31m\0\"\\ü漢";

        let line = written(|| tracing::info!(plain = evil, shown = %evil, debugged = ?evil, "x"));

        let body = line.strip_suffix('\n').unwrap();
        assert!(!body.chars().any(char::is_control), "{body:?}");
        let read: Value = serde_json::from_str(body).unwrap();
        assert_eq!(read["plain"], evil);
        assert_eq!(read["shown"], evil);
    }
}
