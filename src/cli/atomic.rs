//! Output files that are there whole or not at all.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::error::{CliError, Exit};

/// A file that appears under its name only at [`AtomicFile::commit`]. Until then
/// it has another name in the same folder, and it is removed when dropped. A
/// device or a pipe (`/dev/null`, `/dev/stdout`) is written directly.
#[derive(Debug)]
pub struct AtomicFile {
    shown: PathBuf,
    /// Where it is now and where it shall be; `None` when written directly or done.
    pending: Option<(PathBuf, PathBuf)>,
    writer: BufWriter<File>,
}

impl AtomicFile {
    /// Begins the file.
    ///
    /// # Errors
    /// The folder is missing or may not be written (exit code 2).
    pub fn create(path: &Path) -> Result<Self, CliError> {
        let refuse = |error: &io::Error| {
            CliError::new(
                Exit::Usage,
                format!(
                    "cannot write {}: {error}; name a file in a folder that can be written",
                    path.display()
                ),
            )
        };
        // A link keeps pointing at the file that is replaced.
        let target = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let is_special = target.metadata().is_ok_and(|found| !found.is_file());
        if is_special {
            let file = OpenOptions::new()
                .write(true)
                .open(&target)
                .map_err(|error| refuse(&error))?;
            return Ok(Self::over(path, file, None));
        }
        let Some(name) = target.file_name() else {
            return Err(CliError::new(
                Exit::Usage,
                format!("{} is not the name of a file", path.display()),
            ));
        };
        for attempt in 0..100 {
            let mut temporary_name = std::ffi::OsString::from(".");
            temporary_name.push(name);
            temporary_name.push(format!(".{}-{attempt}.part", std::process::id()));
            let temporary = target.with_file_name(temporary_name);
            match OpenOptions::new().write(true).create_new(true).open(&temporary) {
                Ok(file) => return Ok(Self::over(path, file, Some((temporary, target)))),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(refuse(&error)),
            }
        }
        Err(refuse(&io::ErrorKind::AlreadyExists.into()))
    }

    fn over(path: &Path, file: File, pending: Option<(PathBuf, PathBuf)>) -> Self {
        Self {
            shown: path.to_owned(),
            pending,
            writer: BufWriter::with_capacity(256 * 1024, file),
        }
    }

    /// Writes everything to disk and gives the file its name.
    ///
    /// # Errors
    /// The disk is full or failed (exit code 70); nothing appears under the name then.
    pub fn commit(mut self) -> Result<(), CliError> {
        self.try_commit().map_err(|error| {
            if error.kind() == io::ErrorKind::BrokenPipe {
                return CliError::ReaderGone;
            }
            CliError::new(
                Exit::Internal,
                format!("cannot write {}: {error}; is the disk full?", self.shown.display()),
            )
        })
    }

    fn try_commit(&mut self) -> io::Result<()> {
        self.writer.flush()?;
        if let Some((temporary, target)) = &self.pending {
            self.writer.get_ref().sync_all()?;
            std::fs::rename(temporary, target)?;
            self.pending = None;
        }
        Ok(())
    }
}

impl Write for AtomicFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writer.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

impl Drop for AtomicFile {
    fn drop(&mut self) {
        if let Some((temporary, _)) = self.pending.take() {
            // Nothing better can be done about a leftover than to leave it.
            let _ = std::fs::remove_file(temporary);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(dir: &tempfile::TempDir) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(dir.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_appears_whole_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("alerts.ndjson");
        std::fs::write(&path, "old").unwrap();

        let mut dropped = AtomicFile::create(&path).unwrap();
        dropped.write_all(b"half").unwrap();
        dropped.flush().unwrap();
        drop(dropped);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "old");
        assert_eq!(names(&dir), ["alerts.ndjson"]);

        let mut first = AtomicFile::create(&path).unwrap();
        let second = AtomicFile::create(&path).unwrap();
        first.write_all(b"new").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "old");
        first.commit().unwrap();
        drop(second);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(names(&dir), ["alerts.ndjson"]);
    }

    #[cfg(unix)]
    #[test]
    fn devices_are_written_directly_and_links_are_followed() {
        let mut null = AtomicFile::create(Path::new("/dev/null")).unwrap();
        null.write_all(b"x").unwrap();
        null.commit().unwrap();

        let dir = tempfile::tempdir().unwrap();
        let (real, link) = (dir.path().join("real"), dir.path().join("link"));
        std::fs::write(&real, "old").unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        let mut file = AtomicFile::create(&link).unwrap();
        file.write_all(b"new").unwrap();
        file.commit().unwrap();
        assert_eq!(std::fs::read_to_string(&real).unwrap(), "new");
        assert!(link.is_symlink());
    }

    #[test]
    fn a_missing_folder_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let error = AtomicFile::create(&dir.path().join("no/such")).unwrap_err();
        assert!(error.to_string().contains("no/such"), "{error}");
    }
}
