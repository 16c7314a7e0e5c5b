//! The only layer that names `rdkafka`: input topics → router → internal log →
//! detector task → output topics, exactly.
//!
//! * [`settings`] and [`doors`]: what is handed in, as plain values and traits.
//! * [`ingest`]: the pure step from a decoded event to an event of the log.
//! * [`fold`]: the pure step from a record of the log to effects.
//! * [`run()`]: the two halves as one process.
//! * [`embedded`]: a broker inside the process.

mod checkpoint;
mod client;
mod detector_task;
pub mod doors;
pub mod embedded;
mod error;
pub mod fold;
mod group;
mod header;
pub mod ingest;
mod offsets;
mod outbox;
mod router;
mod run;
pub mod settings;

pub use doors::{Decoded, Half, Observer, OutputRecord, OutputTopic, RecordDecoder, Refusal, Renderer, Silent};
pub use embedded::EmbeddedBroker;
pub use error::StreamError;
pub use run::{Doors, Role, Shutdown, run};
pub use settings::{DEFAULT_LOG_PARTITIONS, DeadLetterValues, InputSettings, Pace, Start, StreamSettings, Topics};
