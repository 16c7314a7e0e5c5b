//! Lines of bounded length: a line of any size is passed over without being
//! held in memory.

use std::io::{self, BufRead};

/// One line, without its end (`\n` or `\r\n`).
#[derive(Debug, PartialEq, Eq)]
pub enum Line<'a> {
    /// All of it.
    Whole(&'a [u8]),
    /// Longer than the bound; it has been passed over.
    TooLong {
        /// Its length in bytes.
        len: u64,
    },
}

/// Reads lines of up to `max` bytes. The end of the input ends its last line; an
/// input that ends in a newline has no empty line after it.
#[derive(Debug)]
pub struct BoundedLines<R> {
    reader: R,
    max: usize,
    buffer: Vec<u8>,
}

impl<R: BufRead> BoundedLines<R> {
    /// Lines of `reader`.
    pub fn new(reader: R, max: usize) -> Self {
        Self {
            reader,
            max,
            buffer: Vec::new(),
        }
    }

    /// The next line; `None` at the end.
    ///
    /// # Errors
    /// Whatever the reader fails with.
    pub fn next_line(&mut self) -> io::Result<Option<Line<'_>>> {
        self.buffer.clear();
        // One more than the bound: the `\r` of a line of full length.
        let keep = self.max + 1;
        let mut len: u64 = 0;
        let mut last_byte = None;
        let mut ended = false;
        while !ended {
            let chunk = match self.reader.fill_buf() {
                Ok(chunk) => chunk,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if chunk.is_empty() {
                // A newline ends the loop, so nothing at all was read.
                if len == 0 {
                    return Ok(None);
                }
                break;
            }
            let newline = chunk.iter().position(|&b| b == b'\n');
            let content = &chunk[..newline.unwrap_or(chunk.len())];
            let room = keep.saturating_sub(self.buffer.len());
            self.buffer.extend_from_slice(&content[..content.len().min(room)]);
            last_byte = content.last().copied().or(last_byte);
            let content_len = content.len();
            len += content_len as u64;
            ended = newline.is_some();
            self.reader.consume(content_len + usize::from(ended));
        }
        if ended && last_byte == Some(b'\r') {
            len -= 1;
        }
        if len > self.max as u64 {
            return Ok(Some(Line::TooLong { len }));
        }
        self.buffer.truncate(len as usize);
        Ok(Some(Line::Whole(&self.buffer)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::BufReader;

    fn all(bytes: &[u8], max: usize, capacity: usize) -> Vec<Result<Vec<u8>, u64>> {
        let mut lines = BoundedLines::new(BufReader::with_capacity(capacity, bytes), max);
        let mut found = Vec::new();
        while let Some(line) = lines.next_line().unwrap() {
            found.push(match line {
                Line::Whole(line) => Ok(line.to_vec()),
                Line::TooLong { len } => Err(len),
            });
        }
        found
    }

    #[test]
    fn ends_of_lines_are_no_content() {
        let ok = |text: &str| Ok(text.as_bytes().to_vec());
        assert_eq!(all(b"", 4, 3), []);
        assert_eq!(all(b"\n", 4, 3), [ok("")]);
        assert_eq!(all(b"ab\n\r\ncd", 4, 3), [ok("ab"), ok(""), ok("cd")]);
        assert_eq!(all(b"abcd\r\nabcde\r\nx", 4, 3), [ok("abcd"), Err(5), ok("x")]);
        assert_eq!(all(b"abcdef\r\n", 4, 3), [Err(6)]);
    }

    #[test]
    fn a_line_of_twenty_megabytes_is_not_kept() {
        let mut bytes = vec![b'x'; 20 << 20];
        bytes.extend_from_slice(b"\nnext\n");
        let mut lines = BoundedLines::new(&bytes[..], 1024);
        assert_eq!(lines.next_line().unwrap(), Some(Line::TooLong { len: 20 << 20 }));
        assert!(lines.buffer.capacity() < 10_000);
        assert_eq!(lines.next_line().unwrap(), Some(Line::Whole(b"next")));
        assert_eq!(lines.next_line().unwrap(), None);
    }

    proptest! {
        #[test]
        fn agrees_with_splitting_whatever_the_buffer(bytes in proptest::collection::vec(prop_oneof![Just(b'\n'), Just(b'\r'), any::<u8>()], 0..60), max in 0usize..12, capacity in 1usize..9) {
            let mut expected: Vec<&[u8]> = bytes.split(|&b| b == b'\n').collect();
            let terminated = bytes.is_empty() || bytes.last() == Some(&b'\n');
            let last = if terminated { expected.pop(); None } else { expected.pop() };
            let mut lines: Vec<&[u8]> = expected.iter().map(|line| line.strip_suffix(b"\r").unwrap_or(line)).collect();
            lines.extend(last);
            let expected: Vec<Result<Vec<u8>, bool>> = lines.iter().map(|line| if line.len() <= max { Ok(line.to_vec()) } else { Err(true) }).collect();
            let found: Vec<Result<Vec<u8>, bool>> = all(&bytes, max, capacity).into_iter().map(|line| line.map_err(|_| true)).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
