//! The fold over one partition of the internal log: the detector's state machine
//! with the rules of the log around it. Free of Kafka; the live task, a restart
//! and a replay go through this very function.

use thiserror::Error;

use crate::detector::{self, Effect, Input, State};
use crate::model::Millis;
use crate::model::log::{Header, LogDecodeError, LogRecord, PolicyRecord};

/// One partition's state and how far it has got.
#[derive(Debug)]
pub struct PartitionFold {
    partition: i32,
    next_offset: i64,
    header: Option<Header>,
    state: State,
    newest_record_time: Option<Millis>,
}

/// Why a fold cannot go on.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum FoldError {
    /// Records are missing.
    #[error("offset {expected} was expected and offset {found} came: records of the internal log are missing")]
    Hole {
        /// The next offset of the fold.
        expected: i64,
        /// What was read.
        found: i64,
    },
    /// The first record is not a header.
    #[error("the partition does not begin with a header")]
    NoHeader,
    /// A record cannot be read.
    #[error(transparent)]
    Decode(#[from] LogDecodeError),
}

impl PartitionFold {
    /// The fold before the first record of a partition.
    pub fn new(partition: i32) -> Self {
        Self {
            partition,
            next_offset: 0,
            header: None,
            state: State::default(),
            newest_record_time: None,
        }
    }

    /// The fold that goes on at `next_offset` with what was known then.
    pub fn resume(partition: i32, next_offset: i64, state: State) -> Self {
        Self {
            partition,
            next_offset,
            header: state.header().cloned(),
            state,
            newest_record_time: None,
        }
    }

    /// Puts a policy in force before the next record.
    pub fn adopt(&mut self, policy: PolicyRecord, effects: &mut Vec<Effect>) {
        let input = Input {
            partition: self.partition,
            offset: self.next_offset,
            record: LogRecord::Policy(policy),
        };
        detector::step(&mut self.state, &input, effects);
    }

    /// Takes the record at `offset`; its effects are appended to `effects`.
    pub fn apply(&mut self, offset: i64, value: &[u8], effects: &mut Vec<Effect>) -> Result<(), FoldError> {
        self.apply_mapped(offset, value, effects, |record| record)
    }

    /// The same, with a chance to replace the record (a backtest's policy).
    pub fn apply_mapped(
        &mut self,
        offset: i64,
        value: &[u8],
        effects: &mut Vec<Effect>,
        map: impl FnOnce(LogRecord) -> LogRecord,
    ) -> Result<(), FoldError> {
        if offset != self.next_offset {
            return Err(FoldError::Hole {
                expected: self.next_offset,
                found: offset,
            });
        }
        let record = LogRecord::decode(value)?;
        match &record {
            LogRecord::Header(header) if self.header.is_none() => self.header = Some(header.clone()),
            // Left by a member that started at the same moment and came second.
            LogRecord::Header(_) => {
                self.next_offset += 1;
                return Ok(());
            }
            _ if self.header.is_none() => return Err(FoldError::NoHeader),
            LogRecord::Events(batch) => {
                self.newest_record_time = batch.events.iter().map(|event| event.record_time).max();
            }
            _ => {}
        }
        let input = Input {
            partition: self.partition,
            offset,
            record: map(record),
        };
        detector::step(&mut self.state, &input, effects);
        self.next_offset += 1;
        Ok(())
    }

    /// Which partition.
    pub fn partition(&self) -> i32 {
        self.partition
    }

    /// The offset that must come next.
    pub fn next_offset(&self) -> i64 {
        self.next_offset
    }

    /// The header, once it was read.
    pub fn header(&self) -> Option<&Header> {
        self.header.as_ref()
    }

    /// The detector's state.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Record time of the newest event of the last batch.
    pub fn newest_record_time(&self) -> Option<Millis> {
        self.newest_record_time
    }
}

/// The value of the header [`ORIGIN_HEADER`](crate::render::ORIGIN_HEADER): `partition/offset/index` in the
/// internal log.
pub fn origin(partition: i32, offset: i64, index: usize) -> String {
    format!("{partition}/{offset}/{index}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(id: u128) -> Vec<u8> {
        LogRecord::Header(Header {
            encoding_version: 1,
            partitions: 1,
            deployment_id: id,
            salt: [0; 32],
        })
        .encode()
    }

    #[test]
    fn a_hole_or_a_missing_header_is_loud_and_a_second_header_is_skipped() {
        let mut effects = Vec::new();
        let mut fold = PartitionFold::new(0);
        let events = LogRecord::Events(crate::model::log::EventBatch::default()).encode();
        assert_eq!(fold.apply(0, &events, &mut effects), Err(FoldError::NoHeader));
        fold.apply(0, &header(1), &mut effects).unwrap();
        fold.apply(1, &header(2), &mut effects).unwrap();
        assert_eq!(fold.header().unwrap().deployment_id, 1);
        assert_eq!(
            fold.apply(3, &events, &mut effects),
            Err(FoldError::Hole { expected: 2, found: 3 })
        );
        assert!(matches!(fold.apply(2, b"{}", &mut effects), Err(FoldError::Decode(_))));
    }
}
