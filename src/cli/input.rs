//! Inputs: a file or standard input, plain or compressed with gzip or Zstandard.
//!
//! The format is told by the first bytes; a name that promises another one is
//! an error, not a guess. Errors of the readers are whole sentences.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use super::progress::Progress;

const BUFFER_BYTES: usize = 256 * 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Compression {
    None,
    Gzip,
    Zstd,
}

impl Compression {
    fn by_first_bytes(bytes: &[u8]) -> Self {
        match bytes {
            [0x1f, 0x8b, ..] => Self::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd] => Self::Zstd,
            _ => Self::None,
        }
    }

    fn by_extension(path: &Path) -> Self {
        let extension = path.extension().unwrap_or_default().to_ascii_lowercase();
        match extension.to_str() {
            Some("gz" | "gzip") => Self::Gzip,
            Some("zst" | "zstd") => Self::Zstd,
            _ => Self::None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::None => "plain",
            Self::Gzip => "gzip",
            Self::Zstd => "Zstandard",
        }
    }
}

/// Opens a file, or standard input for `-`. With `watch` a bar on the terminal
/// shows how much of the file has been read.
///
/// # Errors
/// The file is missing, a folder, unreadable, or not compressed as its name
/// says; later, from the reader, an archive that is cut off or damaged. Each
/// error prints as a sentence; the exit code is 65.
pub fn open_input(path: &Path, watch: bool) -> io::Result<Box<dyn BufRead + Send>> {
    if path == Path::new("-") {
        return decompress("standard input", Compression::None, Box::new(io::stdin()));
    }
    let name = path.display().to_string();
    let file = File::open(path).map_err(|error| sentence(&error, format!("cannot open {name}: {}", plain(&error))))?;
    let metadata = file
        .metadata()
        .map_err(|error| sentence(&error, format!("cannot read {name}: {}", plain(&error))))?;
    if metadata.is_dir() {
        return Err(io::Error::new(
            io::ErrorKind::IsADirectory,
            format!("{name} is a folder; name a file in it"),
        ));
    }
    let raw: Box<dyn Read + Send> = if watch && metadata.is_file() {
        Box::new(Progress::bytes(metadata.len()).watching(file))
    } else {
        Box::new(file)
    };
    decompress(&name, Compression::by_extension(path), raw)
}

fn decompress(name: &str, promised: Compression, mut raw: Box<dyn Read + Send>) -> io::Result<Box<dyn BufRead + Send>> {
    let mut first = Vec::with_capacity(4);
    raw.by_ref()
        .take(4)
        .read_to_end(&mut first)
        .map_err(|error| sentence(&error, format!("cannot read {name}: {}", plain(&error))))?;
    let found = Compression::by_first_bytes(&first);
    if promised != Compression::None && found != promised {
        let what = if first.is_empty() {
            "is empty"
        } else {
            "does not begin so"
        };
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!(
                "{name} should hold {} data by its name, but {what}; fetch it again, or rename it if it is not compressed",
                promised.name()
            ),
        ));
    }
    let raw = Explained {
        inner: Cursor::new(first).chain(raw),
        name: name.to_owned(),
        compression: Compression::None,
    };
    let raw = BufReader::with_capacity(BUFFER_BYTES, raw);
    let decoded: Box<dyn Read + Send> = match found {
        Compression::None => return Ok(Box::new(raw)),
        Compression::Gzip => Box::new(MultiGzDecoder::new(raw)),
        Compression::Zstd => Box::new(zstd::stream::read::Decoder::with_buffer(raw)?),
    };
    let explained = Explained {
        inner: decoded,
        name: name.to_owned(),
        compression: found,
    };
    Ok(Box::new(BufReader::with_capacity(BUFFER_BYTES, explained)))
}

/// Turns a reader's errors into sentences that name the file.
struct Explained<R> {
    inner: R,
    name: String,
    compression: Compression,
}

impl<R: Read> Read for Explained<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.inner.read(buffer).map_err(|error| {
            let (name, kind) = (&self.name, self.compression.name());
            match (self.compression, error.kind()) {
                (_, io::ErrorKind::Interrupted) => error,
                (Compression::None, _) => sentence(&error, format!("cannot read {name}: {}", plain(&error))),
                (_, io::ErrorKind::UnexpectedEof) => sentence(
                    &error,
                    format!("{name} ends in the middle of its {kind} data; it was cut off, fetch it again"),
                ),
                // The raw reader below has made its sentence already.
                _ if error
                    .get_ref()
                    .is_some_and(<dyn std::error::Error + Send + Sync>::is::<Sentence>) =>
                {
                    error
                }
                _ => sentence(
                    &error,
                    format!(
                        "the {kind} data of {name} are damaged ({}); fetch it again",
                        plain(&error)
                    ),
                ),
            }
        })
    }
}

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Sentence(String);

fn sentence(cause: &io::Error, text: String) -> io::Error {
    io::Error::new(cause.kind(), Sentence(text))
}

fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::path::PathBuf;

    /// Lines that do not repeat, so that a cut falls into compressed data.
    fn text() -> String {
        let lines: Vec<String> = (0..20_000_u64)
            .map(|n| format!("{n} {}", n.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
            .collect();
        lines.join("\n")
    }

    fn gzip(text: &str) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    }

    fn zstandard(text: &str) -> Vec<u8> {
        let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
        // As the zstd program does: without it, damage may go unnoticed.
        encoder.include_checksum(true).unwrap();
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    }

    fn written(dir: &tempfile::TempDir, name: &str, bytes: &[u8]) -> PathBuf {
        let path = dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    fn read(path: &Path) -> io::Result<String> {
        let mut text = String::new();
        open_input(path, false)?.read_to_string(&mut text)?;
        Ok(text)
    }

    #[test]
    fn compression_is_told_by_the_first_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let text = text();
        let twice = [gzip("one\n"), gzip("two\n")].concat();
        for (name, bytes, expected) in [
            ("plain.ndjson", text.clone().into_bytes(), text.as_str()),
            ("a.ndjson.gz", gzip(&text), &text),
            ("a.ndjson.zst", zstandard(&text), &text),
            ("no-extension", gzip(&text), &text),
            ("misleading.json", zstandard(&text), &text),
            ("parts.gz", twice, "one\ntwo\n"),
            ("empty", Vec::new(), ""),
            ("short", b"ab".to_vec(), "ab"),
        ] {
            assert_eq!(read(&written(&dir, name, &bytes)).unwrap(), expected, "{name}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_said_in_a_sentence() {
        let dir = tempfile::tempdir().unwrap();
        let (gz, zst) = (gzip(&text()), zstandard(&text()));
        let mut damaged_gz = gz.clone();
        damaged_gz[30_000..30_100].fill(0xff);
        let mut damaged_zst = zst.clone();
        damaged_zst[30_000..30_100].fill(0xff);
        for (name, bytes, part) in [
            (
                "cut.gz",
                &gz[..gz.len() / 2],
                "cut.gz ends in the middle of its gzip data",
            ),
            (
                "cut.zst",
                &zst[..zst.len() / 2],
                "cut.zst ends in the middle of its Zstandard data",
            ),
            ("tail.gz", &gz[..gz.len() - 4], "tail.gz ends in the middle"),
            ("damaged.gz", &damaged_gz, "the gzip data of"),
            ("damaged.zst", &damaged_zst, "the Zstandard data of"),
            (
                "plain.gz",
                b"{}\n",
                "plain.gz should hold gzip data by its name, but does not begin so",
            ),
            (
                "empty.zst",
                b"",
                "empty.zst should hold Zstandard data by its name, but is empty",
            ),
        ] {
            let said = read(&written(&dir, name, bytes)).map_or_else(|error| error.to_string(), |_| "read".into());
            assert!(said.contains(part), "{name}: {said}");
        }
        let error = read(&dir.path().join("missing")).unwrap_err().to_string();
        assert!(
            error.starts_with("cannot open ") && error.ends_with("No such file or directory"),
            "{error}"
        );
        let error = read(dir.path()).unwrap_err().to_string();
        assert!(error.ends_with("is a folder; name a file in it"), "{error}");
    }
}
