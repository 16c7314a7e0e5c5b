//! What a router leaves for its successor in the metadata of a commit: the feed's
//! clock, its counts, the generation that last owned it. Pure.
//!
//! One line of ASCII, versioned and with a checksum, some 150 bytes: brokers take
//! 4 KiB. Decoding of input is pure, so whoever reads a feed up to an offset
//! arrives at the same counts.

use thiserror::Error;

use super::clock::FeedClock;
use crate::model::Millis;
use crate::model::log::RecordCounts;

const VERSION: &str = "pwr1";

/// Progress of one feed at a committed offset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FeedMemory {
    /// The internal log into which everything before the offset was written.
    pub(crate) deployment: u128,
    /// First 16 hex digits of the hash of the policy last published.
    pub(crate) policy: String,
    /// Generation of the owner.
    pub(crate) generation: i32,
    /// The clock.
    pub(crate) clock: FeedClock,
    /// Records so far.
    pub(crate) counts: RecordCounts,
}

/// Why a commit's metadata is of no use.
#[derive(Debug, Error, PartialEq, Eq)]
pub(crate) enum MemoryError {
    /// A commit by another program, or by `kafka-consumer-groups --reset-offsets`.
    #[error("the commit holds no progress of the feed")]
    Missing,
    /// Another version, or damaged.
    #[error("the progress in the commit is not readable by this version: `{0}`")]
    Unreadable(String),
}

impl FeedMemory {
    pub(crate) fn encode(&self) -> String {
        let flags = u8::from(self.clock.started()) | u8::from(self.clock.live()) << 1;
        let body = format!(
            "{VERSION},{:032x},{},{},{flags},{},{},{},{}",
            self.deployment,
            self.policy,
            self.generation,
            self.clock.value().0,
            self.counts.usable,
            self.counts.ignored,
            self.counts.dead_lettered
        );
        format!("{body},{}", checksum(&body))
    }

    pub(crate) fn decode(text: &str) -> Result<Self, MemoryError> {
        if text.is_empty() {
            return Err(MemoryError::Missing);
        }
        Self::parse(text).ok_or_else(|| MemoryError::Unreadable(text.chars().take(200).collect()))
    }

    fn parse(text: &str) -> Option<Self> {
        let (body, sum) = text.rsplit_once(',')?;
        let fields: Vec<&str> = body.split(',').collect();
        let [
            version,
            deployment,
            policy,
            generation,
            flags,
            clock,
            usable,
            ignored,
            dead_lettered,
        ] = fields[..]
        else {
            return None;
        };
        if version != VERSION || checksum(body) != sum {
            return None;
        }
        let flags: u8 = flags.parse().ok()?;
        Some(Self {
            deployment: u128::from_str_radix(deployment, 16).ok()?,
            policy: policy.to_string(),
            generation: generation.parse().ok()?,
            clock: FeedClock::resumed(Millis(clock.parse().ok()?), flags & 1 != 0, flags & 2 != 0),
            counts: RecordCounts {
                usable: usable.parse().ok()?,
                ignored: ignored.parse().ok()?,
                dead_lettered: dead_lettered.parse().ok()?,
            },
        })
    }
}

fn checksum(body: &str) -> String {
    blake3::hash(body.as_bytes()).to_hex()[..8].to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn memory(clock: i64, counts: (u64, u64, u64), generation: i32, started: bool, live: bool) -> FeedMemory {
        FeedMemory {
            deployment: 0xabc,
            policy: "0123456789abcdef".into(),
            generation,
            clock: FeedClock::resumed(Millis(clock), started, live),
            counts: RecordCounts {
                usable: counts.0,
                ignored: counts.1,
                dead_lettered: counts.2,
            },
        }
    }

    #[test]
    fn a_changed_character_is_noticed_and_no_progress_is_said_so() {
        let text = memory(5, (1, 2, 3), 4, true, false).encode();
        assert!(text.len() < 250);
        for place in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[place] = if bytes[place] == b'7' { b'8' } else { b'7' };
            let changed = String::from_utf8(bytes).unwrap();
            assert!(FeedMemory::decode(&changed).is_err(), "{changed}");
        }
        assert_eq!(FeedMemory::decode(""), Err(MemoryError::Missing));
        assert!(FeedMemory::decode("committed by hand").is_err());
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(clock in any::<i64>(), counts in any::<(u64, u64, u64)>(), generation in any::<i32>(), started in any::<bool>(), live in any::<bool>()) {
            let memory = memory(clock, counts, generation, started, live);
            prop_assert_eq!(FeedMemory::decode(&memory.encode()), Ok(memory));
        }

        #[test]
        fn foreign_text_never_panics(text in ".*") {
            let _ = FeedMemory::decode(&text);
        }
    }
}
