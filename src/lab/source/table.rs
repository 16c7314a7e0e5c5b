//! The rows of a table through the canonical decoder, in order of time.
//!
//! All rows are read first, since an export has no order and a row's verification
//! comes after the sends of later rows. A row is counted once, whether it gives
//! one event or two, and refused as a whole when one of them is.

use super::cell::Cell;
use super::mapping::{Mapping, Plan};
use super::row::RowEvents;
use super::sorted::{MEMORY, Sorted, Sorter};
use super::{Item, Refused, Source, SourceError, What};
use crate::decode::{Decoded, RecordMeta, decode_line};
use crate::model::Millis;

/// A row as its file gives it.
#[derive(Clone, Debug, PartialEq)]
pub enum Row<'a> {
    /// A cell for each column.
    Cells(Vec<Cell<'a>>),
    /// It cannot be read; the next one may be.
    Refused(Refused),
}

/// Rows of a file.
pub trait Rows {
    /// Names of the columns.
    fn columns(&self) -> &[String];

    /// Only these columns, by number, will be looked at.
    ///
    /// # Errors
    /// The file is damaged.
    fn select(&mut self, _columns: &[usize]) -> Result<(), SourceError> {
        Ok(())
    }

    /// The next row; `None` at the end.
    ///
    /// # Errors
    /// The file is damaged.
    fn next_row(&mut self) -> Result<Option<Row<'_>>, SourceError>;

    /// How many rows there are, where that is known.
    fn total(&self) -> Option<u64> {
        None
    }
}

/// What a sorted record is.
mod tag {
    /// An event, the first of its row.
    pub(super) const FIRST: u8 = 0;
    /// The verification of a row whose send came before.
    pub(super) const FURTHER: u8 = 1;
    /// A row that has too few cells or too many.
    pub(super) const INVALID_ROW: u8 = 2;
    /// A row that is no text.
    pub(super) const INVALID_UTF8: u8 = 3;
}

/// The events of a table's rows, by time.
#[derive(Debug)]
pub struct Table {
    sorted: Sorted,
    done: u64,
    name: String,
}

/// Rows between two calls of the progress.
const TOLD_EVERY: u64 = 4_096;

impl Table {
    /// Reads all rows; `name` stands for the file in messages. `told` hears how
    /// many have been read.
    ///
    /// # Errors
    /// The columns do not fit the mapping, or the file is damaged.
    pub fn read(
        name: &str,
        mapping: &Mapping,
        rows: &mut dyn Rows,
        told: &mut dyn FnMut(u64),
    ) -> Result<Self, SourceError> {
        Self::read_within(MEMORY, name, mapping, rows, told)
    }

    fn read_within(
        memory: usize,
        name: &str,
        mapping: &Mapping,
        rows: &mut dyn Rows,
        told: &mut dyn FnMut(u64),
    ) -> Result<Self, SourceError> {
        let plan = mapping.plan(name, rows.columns())?;
        rows.select(&plan.columns().collect::<Vec<_>>())?;
        let mut reading = Reading {
            plan,
            events: RowEvents::default(),
            sorter: Sorter::new(memory),
            last: Millis::MIN.0,
        };
        let mut number = 0;
        while let Some(row) = rows.next_row()? {
            number += 1;
            reading.row(number, row)?;
            if number % TOLD_EVERY == 0 {
                told(number);
            }
        }
        told(number);
        Ok(Self {
            sorted: reading.sorter.finish()?,
            done: 0,
            name: name.to_owned(),
        })
    }
}

struct Reading {
    plan: Plan,
    events: RowEvents,
    sorter: Sorter,
    /// Where rows that bear no time are put: beside the row before them.
    last: i64,
}

impl Reading {
    fn row(&mut self, number: u64, row: Row<'_>) -> Result<(), SourceError> {
        let cells = match row {
            Row::Cells(cells) => cells,
            Row::Refused(refused) => {
                let tag = if refused.class == "invalid_utf8" {
                    tag::INVALID_UTF8
                } else {
                    tag::INVALID_ROW
                };
                self.sorter.push(self.last, number, tag, refused.detail.as_bytes())?;
                return Ok(());
            }
        };
        self.events.read(&self.plan, number, &cells);
        let (first, second) = (&self.events.first, &self.events.verification);
        let Some(at) = time_of(first) else {
            self.sorter.push(self.last, number, tag::FIRST, first)?;
            return Ok(());
        };
        self.last = at;
        if second.is_empty() {
            self.sorter.push(at, number, tag::FIRST, first)?;
            return Ok(());
        }
        match time_of(second) {
            Some(second_at) => {
                self.sorter.push(at, number, tag::FIRST, first)?;
                // Clocks of two services differ: a code is not checked before it is sent.
                self.sorter.push(second_at.max(at), number, tag::FURTHER, second)?;
            }
            None => self.sorter.push(at, number, tag::FIRST, second)?,
        }
        Ok(())
    }
}

fn decoded(bytes: &[u8]) -> Result<crate::decode::FileLine, crate::decode::Refusal> {
    let meta = RecordMeta {
        record_time: Millis::MIN,
        default_tenant: None,
        default_app: None,
    };
    decode_line(&meta, bytes)
}

/// When an event arrives; `None` when it is refused.
fn time_of(bytes: &[u8]) -> Option<i64> {
    decoded(bytes).ok().map(|line| line.ingest_time.0)
}

impl Source for Table {
    fn next_item(&mut self) -> Result<Option<Item>, SourceError> {
        let Some(record) = self.sorted.next_record()? else {
            return Ok(None);
        };
        self.done += 1;
        let refused = |class: &'static str| {
            What::Refused(Refused {
                class,
                detail: String::from_utf8_lossy(&record.bytes).into_owned(),
            })
        };
        let what = match record.tag {
            tag::INVALID_ROW => refused("invalid_row"),
            tag::INVALID_UTF8 => refused("invalid_utf8"),
            _ => match decoded(&record.bytes) {
                Ok(line) => match line.decoded {
                    Decoded::Usable(events) => What::Usable {
                        events,
                        at: Millis(record.at),
                        is_further: record.tag == tag::FURTHER,
                    },
                    Decoded::Ignored(_) if record.tag == tag::FURTHER => return self.next_item(),
                    Decoded::Ignored(_) => What::Ignored,
                },
                Err(refusal) => What::Refused(refusal.into()),
            },
        };
        Ok(Some(Item {
            place: record.place,
            what,
        }))
    }

    fn unit(&self) -> &'static str {
        "row"
    }

    fn progress(&self) -> Option<(u64, u64)> {
        Some((self.done, self.sorted.count))
    }

    fn advice(&self) -> String {
        format!(
            "no row of {} gives an event; check the mapping of its columns: times without a zone need --zone, numbers \
             without a plus `to: {{column: …, prefix: \"+\"}}` in a file for --columns",
            self.name
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::source::{Delimited, Separator};

    fn items(memory: usize, text: &str) -> Vec<Item> {
        let input = Box::new(std::io::Cursor::new(text.as_bytes().to_vec()));
        let mut rows = Delimited::open("x.csv", input, Separator::Guessed).unwrap();
        let mut table = Table::read_within(memory, "x.csv", &Mapping::default(), &mut rows, &mut |_| {}).unwrap();
        let mut found = Vec::new();
        while let Some(item) = table.next_item().unwrap() {
            found.push(item);
        }
        found
    }

    #[test]
    fn events_come_by_time_and_rows_are_counted_once() {
        let text = "time,to,verified_at\n\
                    2026-11-22T08:00:05Z,+998901234567,2026-11-22T08:00:40Z\n\
                    2026-11-22T08:00:01Z,+998901234568,\n\
                    2026-11-22T08:00:09Z,998901234569,\n\
                    2026-11-22T08:00:10Z\n\
                    2026-11-22T08:00:20Z,+998901234560,later\n";
        for memory in [MEMORY, 100] {
            let found = items(memory, text);
            let told: Vec<(u64, &str)> = found
                .iter()
                .map(|item| {
                    let what = match &item.what {
                        What::Usable { is_further: true, .. } => "further",
                        What::Usable { .. } => "first",
                        What::Refused(refused) => refused.class,
                        _ => "other",
                    };
                    (item.place, what)
                })
                .collect();
            assert_eq!(
                told,
                [
                    (2, "first"),
                    (3, "bad_number"),
                    (4, "invalid_row"),
                    (1, "first"),
                    (5, "bad_time"),
                    (1, "further")
                ]
            );
        }
    }
}
