//! The folder of a `bauta dev`: marked as ours, and one process at a time.

use std::{
    fs::{self, File, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};

use crate::cli::init::private_folder;

/// A folder that is ours and nobody else's until this is dropped.
pub struct Place {
    folder: PathBuf,
    _lock: File,
}

impl Place {
    /// Takes `folder`, made when absent. Nothing in it is changed but our mark.
    ///
    /// # Errors
    ///
    /// When it was not made by `bauta dev`, or another one runs in it.
    pub fn take(folder: &Path) -> anyhow::Result<Self> {
        let mark = Self::mark(folder)?;
        if mark.try_lock().is_err() {
            bail!(
                "another `bauta dev` runs on {}; nothing in it was changed. End that one, or name \
                 another folder with --data",
                folder.display()
            );
        }
        Ok(Self {
            folder: folder.to_owned(),
            _lock: mark,
        })
    }

    /// Marks `folder` as ours for what is to be made in a folder of it, whoever runs in it.
    ///
    /// # Errors
    ///
    /// When it was not made by `bauta dev`.
    pub fn beside(folder: &Path) -> anyhow::Result<()> {
        Self::mark(folder).map(drop)
    }

    fn mark(folder: &Path) -> anyhow::Result<File> {
        refuse_foreign(folder)?;
        private_folder(folder)?;
        let path = folder.join(MARK);
        let mut mark = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .with_context(|| format!("{} cannot be written", path.display()))?;
        if mark.metadata()?.len() == 0 {
            mark.write_all(WORDS.as_bytes())?;
        }
        Ok(mark)
    }

    /// Deletes everything in it but the mark, which holds the lock.
    ///
    /// # Errors
    ///
    /// When something cannot be deleted.
    pub fn forget(&self) -> anyhow::Result<()> {
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                fs::remove_dir_all(entry.path())?;
            } else if entry.file_name() != MARK {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }
}

/// A folder that holds something and not our mark is somebody's, perhaps a production server's.
fn refuse_foreign(folder: &Path) -> anyhow::Result<()> {
    let empty = !folder.exists() || fs::read_dir(folder)?.next().is_none();
    if empty || folder.join(MARK).is_file() {
        return Ok(());
    }
    bail!(
        "{} was not made by `bauta dev`; nothing in it was changed. Name another folder with --data",
        folder.display()
    )
}

const MARK: &str = "made-by-bauta-dev";
const WORDS: &str = "Made by `bauta dev`, which may delete what is in this folder with --reset.\n";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_of_somebody_else_is_never_taken() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("keys")).unwrap();

        assert!(Place::take(folder.path()).is_err());
        assert!(folder.path().join("keys").is_dir());
        assert!(!folder.path().join(MARK).exists());
    }

    #[test]
    fn a_folder_of_ours_is_forgotten_whole() {
        let folder = tempfile::tempdir().unwrap();
        let ours = folder.path().join("dev");
        let place = Place::take(&ours).unwrap();
        fs::create_dir(ours.join("keys")).unwrap();
        fs::write(ours.join("bauta.toml"), "x").unwrap();

        place.forget().unwrap();

        let left: Vec<_> = fs::read_dir(&ours).unwrap().collect();
        assert_eq!(left.len(), 1, "{left:?}");
    }

    #[test]
    fn a_folder_in_use_is_neither_taken_nor_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let first = Place::take(folder.path()).unwrap();

        let second = Place::take(folder.path()).err().unwrap().to_string();

        assert!(second.contains("another `bauta dev`"), "{second}");
        drop(first);
        assert!(Place::take(folder.path()).is_ok());
    }
}
