//! The pure core: one state machine per partition of the internal log.
//!
//! [`step`] is the only door. It is handed a record of the log and returns what
//! the outside must be told; it knows no clock, no network and no randomness.

mod baseline;
mod engine;
mod episode;
mod evidence;
mod hashing;
mod inspection;
mod limits;
mod order;
pub mod policy;
pub mod profile;
pub mod snapshot;
mod timers;
mod trie;
pub mod tuning;
pub mod window;

pub use inspection::{BlockView, FindingView, Inspection, NumberView, OpenAttempt, PlaceView, Subject, TenantView};
pub use policy::Policy;
pub use tuning::Tuning;

use serde::{Deserialize, Serialize};

use self::engine::Engine;
use self::hashing::Keyed;
use self::order::Order;
use crate::model::log::{Header, LogRecord};
use crate::model::{Audit, BlockChange, Finding, Millis, WindowStats};

/// A record of the internal log and its place.
#[derive(Clone, Debug)]
pub struct Input {
    /// Partition of the internal log.
    pub partition: i32,
    /// Offset in that partition.
    pub offset: i64,
    /// The record.
    pub record: LogRecord,
}

/// Something the outside must be told.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// For the alerts topic.
    Finding(Box<Finding>),
    /// For the blocklist topic, with the log time of the decision.
    Block(Millis, BlockChange),
    /// For the statistics topic.
    Stats(Box<WindowStats>),
    /// For the audit topic.
    Audit(Audit),
}

/// What became of the events so far: events of usable records = the sum of these.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventCounts {
    /// Taken into account.
    pub counted: u64,
    /// Seen before.
    pub duplicate: u64,
    /// Too far behind their record.
    pub late: u64,
    /// From the future.
    pub quarantined: u64,
}

/// The detector's whole knowledge of one partition.
#[derive(Debug, Serialize, Deserialize)]
pub struct State {
    tuning: Tuning,
    order: Order,
    engine: Option<Engine>,
    header: Option<Header>,
}

impl Default for State {
    fn default() -> Self {
        Self::with_tuning(Tuning::default())
    }
}

impl State {
    /// A state that knows nothing and judges by other numbers than the shipped
    /// ones: for the laboratory.
    pub fn with_tuning(tuning: Tuning) -> Self {
        Self {
            tuning,
            order: Order::default(),
            engine: None,
            header: None,
        }
    }

    /// The header that the partition began with, once it was read.
    pub fn header(&self) -> Option<&Header> {
        self.header.as_ref()
    }

    /// What became of the events so far.
    pub fn counts(&self) -> EventCounts {
        self.engine.as_ref().map(|e| e.counts).unwrap_or_default()
    }

    /// Events that are counted and still wait for log time to reach them.
    pub fn waiting(&self) -> usize {
        self.order.waiting()
    }

    /// How far time has got in this partition; [`Millis::MIN`] before the first tick.
    pub fn log_time(&self) -> Millis {
        self.order.log_time()
    }

    /// How full the state is.
    pub fn size(&self) -> Size {
        let released_early = self.order.released_early();
        Size {
            released_early,
            ..self.engine.as_ref().map(Engine::size).unwrap_or_default()
        }
    }
}

/// How full a state is, for gauges.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    /// Places with history or evidence.
    pub nodes: usize,
    /// Places given up for want of room.
    pub evictions: u64,
    /// Open attempts.
    pub attempts: usize,
    /// Things due at some time.
    pub timers: usize,
    /// Standing blocks.
    pub blocks: usize,
    /// Open episodes.
    pub episodes: usize,
    /// Events released before log time had reached them, for want of room.
    pub released_early: u64,
    /// Times that the memory of identities overflowed.
    pub dedup_overflows: u64,
}

/// Folds one record into the state; effects are appended in the order in which
/// they must be published.
///
/// # Panics
/// When the log breaks its own rules (a record before the header, a policy that
/// this version cannot read): going on would give wrong verdicts.
pub fn step(state: &mut State, input: &Input, effects: &mut Vec<Effect>) {
    match &input.record {
        LogRecord::Header(header) => {
            // Two routers may race for the first record: the first one counts.
            if state.header.is_none() {
                let mut engine = Engine::new(&header.salt, state.tuning.clone());
                engine.partition = input.partition;
                state.engine = Some(engine);
                state.header = Some(header.clone());
            }
            return;
        }
        LogRecord::Events(batch) => {
            let engine = engine_of(&mut state.engine, input);
            state.order.admit(batch, |event| engine.accept(event));
        }
        LogRecord::Tick(tick) => {
            let alarms = state.order.tick(tick);
            let engine = engine_of(&mut state.engine, input);
            for alarm in &alarms {
                engine.on_feed_alarm(alarm, effects);
            }
        }
        LogRecord::Feedback(record) => {
            if state.order.admit_feedback(record) {
                engine_of(&mut state.engine, input).on_feedback(record, effects);
            }
        }
        LogRecord::Policy(record) => {
            let engine = engine_of(&mut state.engine, input);
            if engine.config_hash != record.config_hash {
                let policy = Policy::from_record(record)
                    .unwrap_or_else(|e| panic!("the policy at offset {} cannot be read: {e}", input.offset));
                engine.adopt(policy, record, effects);
            }
        }
    }
    let engine = engine_of(&mut state.engine, input);
    while let Some(event) = state.order.next() {
        engine.on_event(&event, &state.order, effects);
    }
    let log_time = state.order.log_time();
    if log_time > engine.now {
        engine.advance(log_time, &state.order, effects);
    }
}

fn engine_of<'a>(engine: &'a mut Option<Engine>, input: &Input) -> &'a mut Engine {
    engine.as_mut().unwrap_or_else(|| {
        panic!(
            "partition {} of the internal log has no header before offset {}",
            input.partition, input.offset
        )
    })
}
