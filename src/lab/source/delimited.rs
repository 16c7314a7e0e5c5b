//! The rows of a text file: CSV, TSV and their kin, with a header.

use std::io::{self, BufRead, Chain, Cursor, Read};
use std::str::from_utf8;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use csv::{ByteRecord, ReaderBuilder};

use super::cell::Cell;
use super::table::{Row, Rows};
use super::{Refused, SourceError};

/// The longest row. A quote that is never closed would swallow the whole file.
const ROW_BYTES_MAX: u64 = 1 << 20;

/// What parts the cells of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Separator {
    /// The one of comma, semicolon, tab and bar that the header holds most of.
    Guessed,
    /// A tab.
    Tab,
}

/// The header's bytes, then the rest.
type Input = Chain<Cursor<Vec<u8>>, Box<dyn BufRead + Send>>;

/// The rows of a file of text.
pub struct Delimited {
    name: String,
    reader: csv::Reader<Bounded<Input>>,
    read: Arc<AtomicU64>,
    columns: Vec<String>,
    record: ByteRecord,
    row: u64,
}

impl std::fmt::Debug for Delimited {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Delimited")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Delimited {
    /// Reads the header; `name` stands for the file in messages.
    ///
    /// # Errors
    /// There is no header, or it is not text.
    pub fn open(name: &str, mut input: Box<dyn BufRead + Send>, separator: Separator) -> Result<Self, SourceError> {
        // A buffer may hold less than a line: the header is read by itself.
        let mut start = Vec::new();
        input.by_ref().take(ROW_BYTES_MAX).read_until(b'\n', &mut start)?;
        if start.starts_with(b"\xef\xbb\xbf") {
            start.drain(..3);
        }
        if start.is_empty() {
            return Err(SourceError::Table(format!(
                "{name} is empty; its first line must name the columns"
            )));
        }
        if start.contains(&0) || start.starts_with(b"PAR1") {
            return Err(SourceError::Table(format!(
                "{name} holds no text; is it a table of another kind? Say so with --as"
            )));
        }
        let delimiter = match separator {
            Separator::Tab => b'\t',
            Separator::Guessed => guess(&start),
        };
        let read = Arc::new(AtomicU64::new(0));
        let bounded = Bounded {
            inner: Cursor::new(start).chain(input),
            read: Arc::clone(&read),
        };
        let mut reader = ReaderBuilder::new()
            .delimiter(delimiter)
            .flexible(true)
            .from_reader(bounded);
        let header = reader.byte_headers().map_err(|error| failure(name, 0, error))?;
        let columns = header
            .iter()
            .map(|column| from_utf8(column).map(|column| column.trim().to_owned()))
            .collect::<Result<Vec<_>, _>>();
        let columns = columns.map_err(|_| {
            SourceError::Table(format!(
                "the header of {name} is not UTF-8 text; export it anew as UTF-8"
            ))
        })?;
        Ok(Self {
            name: name.to_owned(),
            reader,
            read,
            columns,
            record: ByteRecord::new(),
            row: 0,
        })
    }
}

impl Rows for Delimited {
    fn columns(&self) -> &[String] {
        &self.columns
    }

    fn next_row(&mut self) -> Result<Option<Row<'_>>, SourceError> {
        self.read.store(0, Ordering::Relaxed);
        let more = self.reader.read_byte_record(&mut self.record);
        if !more.map_err(|error| failure(&self.name, self.row + 1, error))? {
            return Ok(None);
        }
        self.row += 1;
        if self.record.len() != self.columns.len() {
            return Ok(Some(Row::Refused(Refused {
                class: "invalid_row",
                detail: format!(
                    "the row has {} cells and the header {}",
                    self.record.len(),
                    self.columns.len()
                ),
            })));
        }
        let cells = self.record.iter().map(|cell| from_utf8(cell).map(Cell::of_text));
        Ok(Some(match cells.collect::<Result<Vec<_>, _>>() {
            Ok(cells) => Row::Cells(cells),
            Err(_) => Row::Refused(Refused {
                class: "invalid_utf8",
                detail: "the row is not UTF-8 text".into(),
            }),
        }))
    }
}

/// The likeliest separator of a header.
fn guess(header: &[u8]) -> u8 {
    let count = |byte: u8| header.split(|b| *b == byte).count();
    // Of equal counts the last wins: the comma.
    let best = [b'|', b'\t', b';', b','].into_iter().max_by_key(|byte| count(*byte));
    best.unwrap_or(b',')
}

fn failure(name: &str, row: u64, error: csv::Error) -> SourceError {
    let text = error.to_string();
    match error.into_kind() {
        csv::ErrorKind::Io(error)
            if error
                .get_ref()
                .is_some_and(<dyn std::error::Error + Send + Sync>::is::<TooLong>) =>
        {
            SourceError::Table(format!(
                "row {row} of {name} has more than {} KiB; is a quote opened there and never closed?",
                ROW_BYTES_MAX >> 10
            ))
        }
        csv::ErrorKind::Io(error) => SourceError::Io(error),
        _ => SourceError::Table(format!("row {row} of {name} cannot be read: {text}")),
    }
}

#[derive(Debug, thiserror::Error)]
#[error("a row is too long")]
struct TooLong;

/// Counts what is read since the last row, and stops at the bound.
struct Bounded<R> {
    inner: R,
    read: Arc<AtomicU64>,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        if self.read.fetch_add(read as u64, Ordering::Relaxed) > ROW_BYTES_MAX {
            return Err(io::Error::other(TooLong));
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &[u8]) -> Result<Vec<Vec<String>>, String> {
        // In small pieces, as a reader of an archive gives them.
        let input = Box::new(io::BufReader::with_capacity(3, Cursor::new(text.to_vec())));
        let mut table = Delimited::open("x.csv", input, Separator::Guessed).map_err(|e| e.to_string())?;
        let mut found = vec![table.columns().to_vec()];
        while let Some(row) = table.next_row().map_err(|e| e.to_string())? {
            found.push(match row {
                Row::Cells(cells) => cells
                    .iter()
                    .map(|c| c.text().unwrap_or_default().into_owned())
                    .collect(),
                Row::Refused(refused) => vec![format!("{}: {}", refused.class, refused.detail)],
            });
        }
        Ok(found)
    }

    #[test]
    fn separators_marks_and_quotes_are_understood() {
        for text in [
            "\u{feff}a,b\r\n1,\"x, \"\"y\"\"\"\n",
            "a;b\n1;\"x, \"\"y\"\"\"",
            "a\tb\n1\tx, \"y\"\n",
            "a|b\n1|\"x, \"\"y\"\"\"\n",
        ] {
            let found = rows(text.as_bytes()).unwrap();
            assert_eq!(found, [["a", "b"], ["1", "x, \"y\""]], "{text:?}");
        }
    }

    #[test]
    fn rows_that_cannot_be_read_are_refused_one_by_one() {
        let found = rows(b"a,b\n1\n\xff,2\n3,4\n").unwrap();
        assert_eq!(found[1], ["invalid_row: the row has 1 cells and the header 2"]);
        assert_eq!(found[2], ["invalid_utf8: the row is not UTF-8 text"]);
        assert_eq!(found[3], ["3", "4"]);
    }

    #[test]
    fn what_is_no_table_is_a_sentence() {
        assert!(rows(b"").unwrap_err().contains("x.csv is empty"));
        assert!(rows(b"PAR1\0\0").unwrap_err().contains("--as"));
        assert!(rows(b"\xff,a\n").unwrap_err().contains("not UTF-8"));
        let mut open = b"a,b\n\"".to_vec();
        open.extend(std::iter::repeat_n(b'x', 3 << 20));
        let said = rows(&open).unwrap_err();
        assert!(
            said.starts_with("row 1 of x.csv has more than 1024 KiB; is a quote"),
            "{said}"
        );
    }
}
