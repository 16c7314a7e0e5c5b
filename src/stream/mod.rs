//! The only layer that names `rdkafka`: input topics → router → internal log →
//! detector task → output topics, exactly.
//!
//! * [`settings`]: what is handed in, as plain values; [`Observer`]: who is told.
//! * [`ingest`]: the pure step from a decoded event to an event of the log.
//! * [`fold`]: the pure step from a record of the log to effects.
//! * [`run()`]: the two halves as one process.
//! * [`embedded`]: a broker inside the process.

pub mod check;
mod checkpoint;
mod client;
mod detector_task;
pub mod embedded;
mod error;
mod feeder;
pub mod fold;
mod group;
mod handover;
mod header;
pub mod ingest;
mod observer;
mod offsets;
mod outbox;
pub mod outputs;
pub mod replay;
mod router;
mod run;
pub mod settings;

pub use client::librdkafka_version;
pub use embedded::EmbeddedBroker;
pub use error::StreamError;
pub use feeder::Feeder;
pub use handover::{LogHandover, saved_folds};
pub use observer::{Half, Observer, Silent};
pub use replay::{ReplayOptions, ReplaySink, ReplaySummary, Said, continue_log, replay_log};
pub use run::{Role, Shutdown, run};
pub use settings::{DEFAULT_LOG_PARTITIONS, DeadLetterValues, InputSettings, Pace, Start, StreamSettings, Topics};
