//! The vocabulary of the whole program: numbers, times, money, events, the
//! records of the internal log, and what the detector says. Pure data.

mod event;
mod finding;
pub mod log;
mod money;
mod number;
pub mod routing;
mod share;
mod time;
pub mod topics;

pub use event::{
    Client, DEFAULT_NAME, Delivery, DeliveryStatus, Destination, Event, EventBody, Feedback, Outcome, Send, SendStatus,
    Verification,
};
pub use finding::{
    AccusedPrefix, Activity, Audit, Block, BlockAction, BlockChange, BrokenLimit, DestinationLevel, EntityKey,
    EvidenceItem, Explanation, Finding, FindingKind, FindingUid, Level, LimitedParty, Mode, RecommendedAction,
    WindowStats,
};
pub use money::{Currency, Micros, Money};
pub use number::{Classification, E164, E164_DIGITS_MAX, E164_DIGITS_MIN, NumberType, Prefix, Region};
pub use share::percent;
pub use time::{DAY, HOUR, MINUTE, Millis, SECOND};
