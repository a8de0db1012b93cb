//! A file that only its owner may read.

use std::{
    fs::{self, DirBuilder, File, Metadata, OpenOptions, TryLockError},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use zeroize::Zeroizing;

use super::{Held, Keep, KeepError, text};
use crate::grant::SignIn;

/// A sign-in in a file of mode 0600, in a folder of mode 0700.
pub struct FileKeep {
    folder: PathBuf,
}

impl FileKeep {
    /// Keeps under `folder`, which is made when it is not there.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
        }
    }
}

impl Keep for FileKeep {
    /// The lock is the system's own: it ends with the process, however that ends.
    fn try_hold(&self) -> Result<Option<Box<dyn Held>>, KeepError> {
        let failed = |cause| io_at(&self.folder, cause);
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.folder)
            .map_err(failed)?;
        private(&self.folder, &fs::metadata(&self.folder).map_err(failed)?)?;
        let path = self.folder.join(LOCK);
        let lock = strict()
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(|cause| io_at(&path, cause))?;
        match lock.try_lock() {
            Ok(()) => Ok(Some(Box::new(HeldFile {
                path: self.folder.join(FILE),
                folder: self.folder.clone(),
                next: None,
                _lock: lock,
            }))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(cause)) => Err(io_at(&path, cause)),
        }
    }

    fn place(&self) -> String {
        self.folder.join(FILE).display().to_string()
    }
}

struct HeldFile {
    folder: PathBuf,
    path: PathBuf,
    /// What [`Held::ready`] opened.
    next: Option<File>,
    /// Dropped last, and with it the hold.
    _lock: File,
}

impl HeldFile {
    fn beside(&self) -> PathBuf {
        self.folder.join(NEW)
    }

    fn open_next(&mut self) -> io::Result<File> {
        if let Some(file) = self.next.take() {
            return Ok(file);
        }
        // Left by a process that ended before it was done; ours is the only hold.
        match fs::remove_file(self.beside()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => strict().create_new(true).open(self.beside()),
        }
    }

    /// A rename outlives a power cut once its folder is on disk.
    fn settle(&self) -> io::Result<()> {
        File::open(&self.folder)?.sync_all()
    }
}

impl Held for HeldFile {
    fn read(&self) -> Result<Option<SignIn>, KeepError> {
        let failed = |cause| io_at(&self.path, cause);
        let file = match File::open(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(failed)?,
        };
        // Asked of the open file, not of the path: what is checked is what is read.
        let about = file.metadata().map_err(failed)?;
        private(&self.path, &about)?;
        let size = usize::try_from(about.len().min(LIMIT)).unwrap_or(0);
        let mut bytes = Zeroizing::new(Vec::with_capacity(size.saturating_add(1)));
        file.take(LIMIT).read_to_end(&mut bytes).map_err(failed)?;
        let broken = || KeepError::Broken {
            path: self.path.clone(),
        };
        text::read(&bytes).map(Some).ok_or_else(broken)
    }

    fn ready(&mut self) -> Result<(), KeepError> {
        let file = self.open_next();
        self.next = Some(file.map_err(|cause| io_at(&self.beside(), cause))?);
        Ok(())
    }

    fn write(&mut self, sign_in: &SignIn) -> Result<(), KeepError> {
        let bytes = text::write(sign_in).ok_or_else(|| KeepError::Broken {
            path: self.path.clone(),
        })?;
        let kept = self.open_next().and_then(|mut file| {
            file.write_all(&bytes)?;
            file.sync_all()?;
            fs::rename(self.beside(), &self.path)?;
            self.settle()
        });
        kept.map_err(|cause| io_at(&self.path, cause))
    }

    fn forget(&mut self) -> Result<(), KeepError> {
        let gone = match fs::remove_file(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            gone => gone,
        };
        gone.and_then(|()| self.settle())
            .map_err(|cause| io_at(&self.path, cause))
    }
}

impl Drop for HeldFile {
    /// Leaves no empty file behind that was made ready and not written.
    fn drop(&mut self) {
        if self.next.take().is_some() {
            drop(fs::remove_file(self.beside()));
        }
    }
}

fn strict() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).mode(0o600);
    options
}

fn private(path: &Path, about: &Metadata) -> Result<(), KeepError> {
    let path = || path.to_owned();
    if about.uid() != rustix::process::geteuid().as_raw() {
        return Err(KeepError::Foreign { path: path() });
    }
    if about.mode() & 0o077 != 0 {
        return Err(KeepError::Loose {
            path: path(),
            mode: about.mode() & 0o777,
            folder: about.is_dir(),
        });
    }
    Ok(())
}

fn io_at(path: &Path, cause: io::Error) -> KeepError {
    KeepError::Io {
        path: path.to_owned(),
        cause,
    }
}

const FILE: &str = "sign-in.json";
const NEW: &str = "sign-in.json.new";
const LOCK: &str = "lock";
/// Sixty scopes of the longest tokens.
const LIMIT: u64 = 1 << 20;
