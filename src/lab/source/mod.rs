//! Where the events of a file come from: lines of any format that production
//! reads, or the rows of a table that a data warehouse has exported.
//!
//! | Part | What it does |
//! |---|---|
//! | `lines` | one record a line, through the decoder of its format |
//! | `mapping`, `fields` | which column holds which field of the canonical event |
//! | `cell`, `row` | a row's cells as canonical events, in JSON |
//! | `delimited`, `parquet` | the rows of a CSV, TSV or Parquet file |
//! | `table` | rows through the canonical decoder, in order of time |
//! | `sorted` | the sort, in memory as far as it fits and on disk beyond |
//!
//! Every source goes through `decode`, so that validation and reasons are those
//! of production.

mod cell;
mod delimited;
mod fields;
mod lines;
mod mapping;
mod parquet;
mod row;
mod sorted;
mod table;

use std::io;

use thiserror::Error;

pub use self::parquet::{Parquet, is_guarded};
pub use delimited::{Delimited, Separator};
pub use lines::Lines;
pub use mapping::{ColumnsError, Mapping};
pub use table::{Rows, Table};

use crate::decode::Refusal;
use crate::model::{Event, Feedback, Millis};

/// One record of a source, in the order in which records count as arrived.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// Its place: the number of its line or row, from 1.
    pub place: u64,
    /// What became of it.
    pub what: What,
}

/// What became of a record.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// At least one event.
    Usable {
        /// The events.
        events: Vec<Event>,
        /// When they arrived.
        at: Millis,
        /// Not the first part of its record: a row may hold a send and, later,
        /// its verification, and is counted once.
        is_further: bool,
    },
    /// Known, and no SMS event.
    Ignored,
    /// A verdict or a safe-list command, at its place among the events.
    Feedback(Feedback),
    /// It cannot be used.
    Refused(Refused),
}

/// Why a record cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The stable name of the reason.
    pub class: &'static str,
    /// The sentence.
    pub detail: String,
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self {
            class: refusal.class_name(),
            detail: refusal.to_string(),
        }
    }
}

/// Records of a file.
pub trait Source {
    /// The next record; `None` at the end.
    ///
    /// # Errors
    /// What reading fails with, as a sentence.
    fn next_item(&mut self) -> Result<Option<Item>, SourceError>;

    /// What its records are called: `line` or `row`.
    fn unit(&self) -> &'static str;

    /// How many items have been handed out, of how many, where that is known.
    fn progress(&self) -> Option<(u64, u64)> {
        None
    }

    /// What to do about an input of which no record is an event.
    fn advice(&self) -> String;
}

/// Why a source cannot be read.
#[derive(Debug, Error)]
pub enum SourceError {
    /// The reader failed; its errors are sentences already.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The columns do not fit.
    #[error(transparent)]
    Columns(#[from] ColumnsError),
    /// The table cannot be read.
    #[error("{0}")]
    Table(String),
}
