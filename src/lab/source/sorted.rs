//! Sorts records by time, in memory as far as they fit and on disk beyond: an
//! export of a warehouse is in no order, and one of its rows may hold two times.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Read, Seek, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

/// Bytes of records that are held in memory.
pub(super) const MEMORY: usize = 192 << 20;

/// A record to be sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Record {
    /// When it arrives, in epoch milliseconds.
    pub at: i64,
    /// Which row it is of.
    pub place: u64,
    /// What it is, for the caller.
    pub tag: u8,
    /// It.
    pub bytes: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    at: i64,
    place: u64,
    start: usize,
    len: u32,
    tag: u8,
}

/// Takes records in and gives them back by time; those of one time in the order
/// in which they came.
#[derive(Debug)]
pub(super) struct Sorter {
    memory: usize,
    arena: Vec<u8>,
    entries: Vec<Entry>,
    runs: Vec<File>,
    count: u64,
}

impl Sorter {
    /// One that holds so many bytes of records in memory.
    pub(super) fn new(memory: usize) -> Self {
        Self {
            memory,
            arena: Vec::new(),
            entries: Vec::new(),
            runs: Vec::new(),
            count: 0,
        }
    }

    /// One more record.
    ///
    /// # Errors
    /// A temporary file cannot be written.
    pub(super) fn push(&mut self, at: i64, place: u64, tag: u8, bytes: &[u8]) -> io::Result<()> {
        let held = self.arena.len() + self.entries.len() * size_of::<Entry>();
        if held + bytes.len() > self.memory && !self.entries.is_empty() {
            self.spill()?;
        }
        self.entries.push(Entry {
            at,
            place,
            start: self.arena.len(),
            len: bytes.len() as u32,
            tag,
        });
        self.arena.extend_from_slice(bytes);
        self.count += 1;
        Ok(())
    }

    fn spill(&mut self) -> io::Result<()> {
        self.entries.sort_by_key(|entry| entry.at);
        let mut out = BufWriter::with_capacity(1 << 20, temporary()?);
        for entry in &self.entries {
            out.write_all(&entry.at.to_le_bytes())?;
            out.write_all(&entry.place.to_le_bytes())?;
            out.write_all(&[entry.tag])?;
            out.write_all(&entry.len.to_le_bytes())?;
            out.write_all(&self.arena[entry.start..entry.start + entry.len as usize])?;
        }
        let mut file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.rewind()?;
        self.runs.push(file);
        self.entries.clear();
        self.arena.clear();
        Ok(())
    }

    /// The records by time.
    ///
    /// # Errors
    /// A temporary file cannot be written or read.
    pub(super) fn finish(mut self) -> io::Result<Sorted> {
        if self.runs.is_empty() {
            self.entries.sort_by_key(|entry| entry.at);
            let (arena, entries) = (self.arena, self.entries);
            return Ok(Sorted {
                count: self.count,
                source: Runs::Memory {
                    arena,
                    entries: entries.into_iter(),
                },
            });
        }
        if !self.entries.is_empty() {
            self.spill()?;
        }
        let mut runs: Vec<BufReader<File>> = self
            .runs
            .into_iter()
            .map(|f| BufReader::with_capacity(1 << 18, f))
            .collect();
        let mut heads = BinaryHeap::new();
        let mut records = Vec::new();
        for (number, run) in runs.iter_mut().enumerate() {
            let record = read(run)?.unwrap_or_default();
            // Runs are in the order in which their records came.
            heads.push(Reverse((record.at, number)));
            records.push(record);
        }
        Ok(Sorted {
            count: self.count,
            source: Runs::Disk { runs, heads, records },
        })
    }
}

/// Records by time.
#[derive(Debug)]
pub(super) struct Sorted {
    /// How many there are in all.
    pub count: u64,
    source: Runs,
}

#[derive(Debug)]
enum Runs {
    Memory {
        arena: Vec<u8>,
        entries: std::vec::IntoIter<Entry>,
    },
    Disk {
        runs: Vec<BufReader<File>>,
        heads: BinaryHeap<Reverse<(i64, usize)>>,
        records: Vec<Record>,
    },
}

impl Sorted {
    /// The next record; `None` at the end.
    ///
    /// # Errors
    /// A temporary file cannot be read.
    pub(super) fn next_record(&mut self) -> io::Result<Option<Record>> {
        match &mut self.source {
            Runs::Memory { arena, entries } => Ok(entries.next().map(|entry| Record {
                at: entry.at,
                place: entry.place,
                tag: entry.tag,
                bytes: arena[entry.start..entry.start + entry.len as usize].to_vec(),
            })),
            Runs::Disk { runs, heads, records } => {
                let Some(Reverse((_, number))) = heads.pop() else {
                    return Ok(None);
                };
                let next = read(&mut runs[number])?;
                if let Some(next) = &next {
                    heads.push(Reverse((next.at, number)));
                }
                Ok(Some(std::mem::replace(&mut records[number], next.unwrap_or_default())))
            }
        }
    }
}

fn read(run: &mut impl Read) -> io::Result<Option<Record>> {
    let mut head = [0; 21];
    match run.read_exact(&mut head) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let word = |from: usize| {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&head[from..from + 8]);
        bytes
    };
    let mut len = [0; 4];
    len.copy_from_slice(&head[17..21]);
    let mut bytes = vec![0; u32::from_le_bytes(len) as usize];
    run.read_exact(&mut bytes)?;
    Ok(Some(Record {
        at: i64::from_le_bytes(word(0)),
        place: u64::from_le_bytes(word(8)),
        tag: head[16],
        bytes,
    }))
}

/// A file without a name, for this user alone: it holds telephone numbers, and it
/// is gone whatever becomes of the process.
fn temporary() -> io::Result<File> {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let explain = |error: io::Error, path: &PathBuf| {
        io::Error::new(
            error.kind(),
            format!(
                "cannot write {} to sort the rows: {error}; set TMPDIR to a folder with room",
                path.display()
            ),
        )
    };
    for _ in 0..100 {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!(".pumpwatch-sort-{}-{number}", std::process::id()));
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        match options.open(&path) {
            Ok(file) => {
                std::fs::remove_file(&path).map_err(|error| explain(error, &path))?;
                return Ok(file);
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(explain(error, &path)),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sorted(memory: usize, records: &[(i64, Vec<u8>)]) -> Vec<(i64, u64, Vec<u8>)> {
        let mut sorter = Sorter::new(memory);
        for (place, (at, bytes)) in records.iter().enumerate() {
            sorter.push(*at, place as u64, 3, bytes).unwrap();
        }
        let mut found = Vec::new();
        let mut sorted = sorter.finish().unwrap();
        assert_eq!(sorted.count, records.len() as u64);
        while let Some(record) = sorted.next_record().unwrap() {
            assert_eq!(record.tag, 3);
            found.push((record.at, record.place, record.bytes));
        }
        found
    }

    proptest! {
        #[test]
        fn disk_and_memory_sort_alike(records in proptest::collection::vec((-5i64..5, proptest::collection::vec(any::<u8>(), 0..9)), 0..80)) {
            let mut expected: Vec<(i64, u64, Vec<u8>)> =
                records.iter().enumerate().map(|(place, (at, bytes))| (*at, place as u64, bytes.clone())).collect();
            expected.sort_by_key(|record| record.0);
            prop_assert_eq!(&sorted(1 << 20, &records), &expected);
            prop_assert_eq!(&sorted(200, &records), &expected);
            prop_assert_eq!(&sorted(1, &records), &expected);
        }
    }
}
