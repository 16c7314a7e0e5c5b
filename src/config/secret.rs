//! Secrets: read once from files, never printed.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Serialize, Serializer};
use thiserror::Error;

/// The largest file that is read as a secret: 64 KiB.
pub const SECRET_BYTES_MAX: u64 = 64 * 1024;

/// What stands for a secret wherever it might be printed.
pub const REDACTED: &str = "<redacted>";

/// A value that `Debug` and `Serialize` show as `<redacted>`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Box<[u8]>);

impl Secret {
    /// Wraps a value.
    pub fn new(value: impl Into<Vec<u8>>) -> Self {
        Self(value.into().into_boxed_slice())
    }

    /// The bytes themselves: for the place that uses them, and nowhere else.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// The same as text; `None` when it is not UTF-8.
    pub fn expose_str(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(REDACTED)
    }
}

/// Why a secret could not be read. The messages go on after "`key`: ".
#[derive(Debug, Error)]
pub enum SecretError {
    /// The file is missing or may not be read.
    #[error("cannot read the secret file {path}: {reason}; create it, or let this user read it")]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        reason: String,
    },
    /// Far more than a secret.
    #[error("the secret file {0} holds more than {SECRET_BYTES_MAX} bytes; name the file that holds the secret alone")]
    TooLarge(PathBuf),
    /// Nothing in it.
    #[error("the secret file {0} is empty; write the secret into it")]
    Empty(PathBuf),
}

/// Reads a secret and cuts the newline that editors put at a file's end.
///
/// # Errors
/// The file cannot be read, is empty, or is larger than [`SECRET_BYTES_MAX`].
pub fn read_secret(path: &Path) -> Result<Secret, SecretError> {
    use std::io::Read;

    let unreadable = |error: std::io::Error| SecretError::Unreadable {
        path: path.to_owned(),
        reason: plain_io_reason(&error),
    };
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    file.take(SECRET_BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    if bytes.len() as u64 > SECRET_BYTES_MAX {
        return Err(SecretError::TooLarge(path.to_owned()));
    }
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
        if bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
    }
    if bytes.is_empty() {
        return Err(SecretError::Empty(path.to_owned()));
    }
    Ok(Secret::new(bytes))
}

/// The system's reason without "(os error 2)", which helps nobody.
pub(super) fn plain_io_reason(error: &std::io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_newline_is_cut() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        for (written, read) in [("a\n", "a"), ("a\r\n", "a"), ("a\n\n", "a\n"), (" a ", " a ")] {
            std::fs::write(&path, written).unwrap();
            assert_eq!(read_secret(&path).unwrap().expose(), read.as_bytes());
        }
    }

    #[test]
    fn empty_missing_and_huge_files_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        assert!(matches!(read_secret(&path), Err(SecretError::Unreadable { .. })));
        std::fs::write(&path, "\n").unwrap();
        assert!(matches!(read_secret(&path), Err(SecretError::Empty(_))));
        std::fs::write(&path, vec![b'x'; SECRET_BYTES_MAX as usize + 1]).unwrap();
        assert!(matches!(read_secret(&path), Err(SecretError::TooLarge(_))));
    }

    #[test]
    fn nothing_prints_a_secret() {
        let secret = Secret::new("hunter2hunter2");
        assert_eq!(format!("{secret:?}"), REDACTED);
        assert_eq!(serde_json::to_string(&secret).unwrap(), format!("\"{REDACTED}\""));
    }
}
