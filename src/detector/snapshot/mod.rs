//! The state as bytes, and back: what was folded need not be folded again.
//!
//! ```text
//! magic (8) | format (1) | kind (1) | logic (1 + n) | payload (postcard) | BLAKE3 (32) of all before
//! ```
//!
//! The same state has the same bytes on every machine: collections are written in
//! one order ([`codec`]), numbers as they are. What only serves to find things (an
//! index, the links of a list) is left out and built again. A snapshot holds for
//! the logic that made it and for no other: a state that has learned under other
//! rules would judge by neither.
//!
//! The checksum tells damage, not malice: whoever may write a snapshot may
//! decide what the detector believes. Reading allocates no more than a multiple
//! of what there is to read.

pub(crate) mod codec;

#[cfg(test)]
mod tests;

use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

use super::policy::LOGIC_VERSION;
use super::{State, Tuning};

const MAGIC: [u8; 8] = *b"PUMPSNAP";
/// Raised whenever the types of the state change.
const FORMAT: u8 = 6;
const CHECKSUM_BYTES: usize = 32;

/// What a snapshot is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum SnapshotKind {
    /// One partition's [`State`].
    State = 1,
    /// The replay of a file, between two inputs.
    File = 2,
    /// A replay of the internal log: every partition, and how far it was read.
    Log = 3,
}

impl SnapshotKind {
    fn what(self) -> &'static str {
        match self {
            Self::State => "one partition's state",
            Self::File => "a replay of files",
            Self::Log => "a replay of the internal log",
        }
    }
}

/// Why bytes are no snapshot that can be gone on from.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum SnapshotError {
    /// The first bytes are others.
    #[error("it is no state of Pumpwatch; name a file that was saved as one")]
    Foreign,
    /// Bytes are missing at the end, or it is empty.
    #[error("the state is cut off; save it again")]
    CutOff,
    /// The checksum is another.
    #[error("the state is damaged; save it again")]
    Damaged,
    /// The checksum is right and the payload is not what it should be.
    #[error("the state cannot be read ({0}); save it again with this version of the program")]
    Unreadable(String),
    /// Another version of the types.
    #[error("the state has format {found}, this program reads format {FORMAT}; replay its events from the beginning")]
    Format {
        /// The format of the snapshot.
        found: u8,
    },
    /// Another version of the detector's logic.
    #[error(
        "the state was made by version {found} of the detection logic, this program has version {LOGIC_VERSION}; replay its events from the beginning"
    )]
    Logic {
        /// The version that made it.
        found: String,
    },
    /// The state was made with other numbers than the program has.
    #[error("the state was made with another tuning of the detector; replay its events from the beginning")]
    Tuning,
    /// A snapshot of something else.
    #[error("the state is one of {found}, and one of {wanted} is wanted")]
    Kind {
        /// What it is of.
        found: &'static str,
        /// What it should be of.
        wanted: &'static str,
    },
}

/// Writes a snapshot: the same payload gives the same bytes.
///
/// # Panics
/// Never for the types of this crate: postcard writes all of them.
pub fn write<T: Serialize>(kind: SnapshotKind, payload: &T) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(64 * 1024);
    bytes.extend_from_slice(&MAGIC);
    bytes.extend_from_slice(&[FORMAT, kind as u8, LOGIC_VERSION.len() as u8]);
    bytes.extend_from_slice(LOGIC_VERSION.as_bytes());
    let mut bytes = postcard::to_extend(payload, bytes).expect("the state always serialises");
    let checksum = blake3::hash(&bytes);
    bytes.extend_from_slice(checksum.as_bytes());
    bytes
}

/// Reads what [`write`] wrote.
///
/// # Errors
/// Bytes that are no snapshot, of another version or kind, cut off or damaged.
pub fn read<T: DeserializeOwned>(wanted: SnapshotKind, bytes: &[u8]) -> Result<T, SnapshotError> {
    let (kind, payload) = open(bytes)?;
    if kind != wanted {
        return Err(SnapshotError::Kind {
            found: kind.what(),
            wanted: wanted.what(),
        });
    }
    match postcard::take_from_bytes(payload) {
        Ok((payload, [])) => Ok(payload),
        Ok((_, rest)) => Err(SnapshotError::Unreadable(format!("{} bytes too many", rest.len()))),
        Err(error) => Err(SnapshotError::Unreadable(error.to_string())),
    }
}

/// What a snapshot is of, and its payload, once its versions and checksum hold.
fn open(bytes: &[u8]) -> Result<(SnapshotKind, &[u8]), SnapshotError> {
    let Some(rest) = bytes.strip_prefix(&MAGIC) else {
        return Err(if MAGIC.starts_with(bytes) {
            SnapshotError::CutOff
        } else {
            SnapshotError::Foreign
        });
    };
    let [format, kind, logic_len, rest @ ..] = rest else {
        return Err(SnapshotError::CutOff);
    };
    if *format != FORMAT {
        return Err(SnapshotError::Format { found: *format });
    }
    let Some((logic, rest)) = rest.split_at_checked(usize::from(*logic_len)) else {
        return Err(SnapshotError::CutOff);
    };
    if logic != LOGIC_VERSION.as_bytes() {
        return Err(SnapshotError::Logic {
            found: String::from_utf8_lossy(logic).escape_debug().collect(),
        });
    }
    let Some(payload_len) = rest.len().checked_sub(CHECKSUM_BYTES) else {
        return Err(SnapshotError::CutOff);
    };
    let (payload, checksum) = rest.split_at(payload_len);
    if blake3::hash(&bytes[..bytes.len() - CHECKSUM_BYTES]).as_bytes() != checksum {
        return Err(SnapshotError::Damaged);
    }
    let kinds = [SnapshotKind::State, SnapshotKind::File, SnapshotKind::Log];
    let kind = kinds.into_iter().find(|k| *k as u8 == *kind);
    Ok((kind.ok_or(SnapshotError::Foreign)?, payload))
}

impl State {
    /// The whole state as bytes; equal states give equal bytes.
    pub fn to_snapshot(&self) -> Vec<u8> {
        write(SnapshotKind::State, self)
    }

    /// The state that [`State::to_snapshot`] wrote. It judges by `tuning`, which
    /// must be the one that it was made with.
    ///
    /// # Errors
    /// See [`SnapshotError`].
    pub fn from_snapshot(bytes: &[u8], tuning: &Tuning) -> Result<Self, SnapshotError> {
        let state: Self = read(SnapshotKind::State, bytes)?;
        state.made_with(tuning)?;
        Ok(state)
    }

    /// Whether the state was made with this tuning, for those who keep a state
    /// inside a snapshot of their own.
    ///
    /// # Errors
    /// When it was made with another.
    pub fn made_with(&self, tuning: &Tuning) -> Result<(), SnapshotError> {
        if self.tuning == *tuning {
            Ok(())
        } else {
            Err(SnapshotError::Tuning)
        }
    }
}
