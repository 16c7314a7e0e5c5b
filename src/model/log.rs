//! The records of the internal log `pumpwatch.events.v1`, and their encoding.
//!
//! Everything the detector knows is in this log, in one order per partition.
//! A record is one byte of magic, one byte of version, and the [`LogRecord`] in
//! the postcard format: compact, stable, and generated at compile time.

use compact_str::CompactString;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{Classification, DeliveryStatus, E164, Feedback, Millis, Money, Outcome, Prefix, Region, SendStatus};

/// First byte of every record of the internal log.
const MAGIC: u8 = b'W';
/// Version of the encoding; a reader refuses any other.
pub const ENCODING_VERSION: u8 = 1;

/// A keyed 128-bit pseudonym of a number, an id, a session or a message id.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Token(pub u128);

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Token({:032x})", self.0)
    }
}

/// One source partition: a topic's partition, or a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Feed {
    /// Topic name, or the file's role.
    pub topic: CompactString,
    /// Partition, 0 for a file.
    pub partition: i32,
}

/// What a feed's format can carry, and for whom: decides whose verification
/// clock waits for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeedScope {
    /// Whether the format carries verifications.
    pub verifications: bool,
    /// The only tenant it can speak of; `None` when records name their tenant.
    pub tenant: Option<CompactString>,
}

/// A record of the internal log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum LogRecord {
    /// The first record of a partition.
    Header(Header),
    /// Events, in the order in which the router read them.
    Events(EventBatch),
    /// Passing time and the progress of one member's feeds.
    Tick(Tick),
    /// A verdict or a safe-list command.
    Feedback(FeedbackRecord),
    /// The configuration that is in force from here on.
    Policy(PolicyRecord),
}

/// What router and detector must agree on before they start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// [`ENCODING_VERSION`] of the whole log.
    pub encoding_version: u8,
    /// How many partitions the log has, for life.
    pub partitions: u32,
    /// Random, one for each deployment.
    pub deployment_id: u128,
    /// Random: keys hash tables, and pseudonyms where no key is configured.
    pub salt: [u8; 32],
}

/// Events with the feeds they came from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EventBatch {
    /// The feeds that [`RoutedEvent::feed`] counts through.
    pub feeds: Vec<Feed>,
    /// The events.
    pub events: Vec<RoutedEvent>,
}

/// An event as the detector sees it: its number classified and pseudonymised,
/// its identifiers hashed, its place of origin known.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RoutedEvent {
    /// Index into [`EventBatch::feeds`].
    pub feed: u16,
    /// Offset of the source record, or the line number of a file.
    pub offset: i64,
    /// Place within the source record, from 0.
    pub index: u32,
    /// Kafka timestamp of the source record, or `ingest_time` in a file.
    pub record_time: Millis,
    /// The feed's clock when this record was read: never before `record_time`,
    /// never falling within a feed. It is the event's place in log time.
    pub arrival: Millis,
    /// When it happened, by its source.
    pub time: Millis,
    /// Keyed hash of (type, tenant, id): the identity for deduplication.
    pub id: Token,
    /// Whose message it is.
    pub tenant: CompactString,
    /// Which application.
    pub app: CompactString,
    /// The number; `None` when it must be joined.
    pub number: Option<NumberRef>,
    /// What happened.
    pub body: RoutedBody,
}

/// A pseudonymised number.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NumberRef {
    /// The block of 100, or what a masked number shows.
    pub block: Prefix,
    /// Digits of the whole number; 0 when it is masked and they are unknown.
    pub digits: u8,
    /// Who it is.
    pub token: Token,
    /// What the number plan says.
    pub class: Classification,
    /// The number itself, only under `privacy.keep_numbers`.
    pub full: Option<E164>,
}

/// [`super::EventBody`] with its identifiers hashed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum RoutedBody {
    /// A message was requested.
    Send(RoutedSend),
    /// A code was checked.
    Verification {
        /// Joins with the send.
        session: Option<Token>,
        /// Joins with the send.
        message_id: Option<Token>,
        /// How it ended.
        outcome: Outcome,
    },
    /// The network reported.
    Delivery {
        /// Joins with the send.
        message_id: Option<Token>,
        /// Joins with the send.
        session: Option<Token>,
        /// What became of the message.
        status: DeliveryStatus,
        /// What it cost.
        price: Option<Money>,
    },
}

/// A send as the detector sees it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RoutedSend {
    /// Joins with the verification.
    pub session: Option<Token>,
    /// Joins with the receipts.
    pub message_id: Option<Token>,
    /// Parts of the text.
    pub segments: u8,
    /// What it costs.
    pub price: Option<Money>,
    /// Whether it left.
    pub status: SendStatus,
    /// Keyed hash of the client address.
    pub ip: Option<u64>,
    /// The /24 (IPv4) or /48 (IPv6) of the client, as its leading bits.
    pub network: Option<u64>,
    /// Autonomous system of the client.
    pub asn: Option<u32>,
    /// Country of the client.
    pub country: Option<Region>,
    /// Keyed hash of the device.
    pub device: Option<u64>,
    /// Keyed hash of the user agent.
    pub user_agent: Option<u64>,
}

impl RoutedSend {
    /// Whether it says where its client is: in which country or at which address.
    pub fn tells_of_client(&self) -> bool {
        self.country.is_some() || self.network.is_some()
    }
}

/// How far a member's feeds have got.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tick {
    /// Who speaks.
    pub member: CompactString,
    /// The member's generation in the router group; of two ticks about one feed
    /// the lower generation is ignored.
    pub generation: i32,
    /// The sender's wall clock: paces only the judgement that a feed has no owner.
    pub wall: Millis,
    /// The feeds it owns.
    pub feeds: Vec<FeedProgress>,
}

/// How far one feed has got.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FeedProgress {
    /// Which feed.
    pub feed: Feed,
    /// What it can carry.
    pub scope: FeedScope,
    /// The next offset to be read.
    pub next_offset: i64,
    /// Everything with an earlier arrival has been written to the log before this tick.
    pub clock: Millis,
    /// Whether the feed has ever held a record.
    pub started: bool,
    /// For how long it has been confirmed to hold nothing more, in milliseconds.
    pub idle_ms: i64,
    /// Records of this feed so far, by what became of them.
    pub counts: RecordCounts,
}

/// records = ignored + dead-lettered + usable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordCounts {
    /// Gave at least one event.
    pub usable: u64,
    /// Known, and means no SMS event.
    pub ignored: u64,
    /// Could not be used.
    pub dead_lettered: u64,
}

/// Feedback with its origin.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FeedbackRecord {
    /// Where it was read.
    pub feed: Feed,
    /// At which offset.
    pub offset: i64,
    /// Kafka timestamp.
    pub record_time: Millis,
    /// The command.
    pub feedback: Feedback,
}

/// The configuration in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyRecord {
    /// The validated `detection`, `limits` and `money` sections, as canonical JSON.
    pub canonical: String,
    /// SHA-256 of `canonical`, in hex.
    pub config_hash: CompactString,
    /// Version of the number plan's metadata.
    pub number_plan: CompactString,
    /// Version of the shipped price table.
    pub prices: CompactString,
    /// Version of the detector's logic.
    pub logic: CompactString,
}

/// Why a record of the internal log could not be read.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum LogDecodeError {
    /// Not one of ours.
    #[error(
        "this is not a record of the internal log (its first byte is {0:#04x}); is `topics.events` another program's topic?"
    )]
    Magic(u8),
    /// Written by another version.
    #[error(
        "the internal log is in encoding version {0}, this program reads version {ENCODING_VERSION}; run the version that wrote it, or start a new `topics.events`"
    )]
    Version(u8),
    /// Damaged.
    #[error("a record of the internal log is damaged: {0}")]
    Damaged(String),
}

impl LogRecord {
    /// The bytes of the record's value.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(256);
        bytes.extend_from_slice(&[MAGIC, ENCODING_VERSION]);
        postcard::to_extend(self, bytes).expect("the types of the log always encode")
    }

    /// Reads what [`LogRecord::encode`] wrote.
    pub fn decode(bytes: &[u8]) -> Result<Self, LogDecodeError> {
        match bytes {
            [MAGIC, ENCODING_VERSION, body @ ..] => match postcard::take_from_bytes(body) {
                Ok((record, [])) => Ok(record),
                Ok((_, rest)) => Err(LogDecodeError::Damaged(format!("{} bytes too many", rest.len()))),
                Err(error) => Err(LogDecodeError::Damaged(error.to_string())),
            },
            [MAGIC, version, ..] => Err(LogDecodeError::Version(*version)),
            [other, ..] => Err(LogDecodeError::Magic(*other)),
            [] => Err(LogDecodeError::Damaged("it is empty".into())),
        }
    }
}
