//! Input topics → internal log.
//!
//! One thread owns the consumer, the producer and everything between. A round of
//! its loop: serve deliveries, answer the group, take what was fetched, route in
//! order of time, and, when due, flush batches, tick and commit.
//!
//! **Invariants.** An offset is committed only when everything that was produced
//! because of the records before it (log and dead letters) is acknowledged. A tick
//! follows, in every partition, all events with an earlier arrival. Nothing in the
//! loop waits for the broker.

mod clock;
mod dead_letter;
mod membership;
mod memory;
mod merge;
mod pacing;
mod pack;
mod routing;
mod slot;
mod startup;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use compact_str::CompactString;
use rdkafka::consumer::{BaseConsumer, Consumer};

use self::pack::Packer;
use self::slot::Slot;
use super::checkpoint::Checkpoints;
use super::client::{group_consumer, wall_now};
use super::error::StreamError;
use super::group::{Committer, GroupContext, Membership, Phase, answer_assign, answer_revoke, list_of};
use super::ingest::Ingest;
use super::observer::{Half, Observer};
use super::offsets::Offsets;
use super::outbox::Outbox;
use super::run::Shutdown;
use super::settings::StreamSettings;
use crate::model::Millis;
use crate::model::log::{Feed, Header};

/// What the router is handed.
#[derive(Clone)]
pub(crate) struct RouterParts {
    pub(crate) settings: StreamSettings,
    pub(crate) observer: Arc<dyn Observer>,
    pub(crate) shutdown: Shutdown,
}

/// A position to be committed, with the progress that belongs to it.
type Committed = Vec<(Feed, i64, String)>;

struct Router<'c> {
    parts: RouterParts,
    consumer: &'c BaseConsumer<GroupContext>,
    outbox: Outbox,
    offsets: Offsets,
    header: Header,
    /// Topics of which the group has read before: a partition of them without a
    /// commit is a new one.
    known_topics: BTreeSet<CompactString>,
    ingest: Ingest,
    member: String,
    /// First digits of the published policy's hash, for the commits.
    policy: String,
    generation: i32,
    phase: Phase,
    /// The partitions being positioned.
    positioning: Vec<Feed>,
    draining: Option<membership::Drain>,
    slots: Vec<Slot<'c>>,
    packer: Packer,
    checkpoints: Checkpoints<Committed>,
    /// Positions whose commit may be sent.
    committable: BTreeMap<Feed, (i64, String)>,
    committer: Committer,
    commit_in_flight: bool,
    /// When the merge began to wait, and for which slot.
    awaiting: Option<(usize, Instant)>,
    last_tick: Instant,
    last_commit: Instant,
    last_told: Instant,
    events_since_tick: u64,
    events_untold: u64,
}

/// Runs the router until shutdown; returns when everything is drained.
pub(crate) fn run(parts: RouterParts) -> Result<(), StreamError> {
    let settings = parts.settings.clone();
    let group = settings.router_group();
    let outbox = Outbox::new(&settings, "router")?;
    let start = startup::begin(&settings, &outbox)?;
    let offsets = Offsets::start(&settings, &group, "router")?;
    let membership = Membership::new(group_consumer(&settings, "router", &group)?);
    let committer = Committer::start(&membership, "router")?;
    let consumer = membership.consumer();
    let topics: Vec<&str> = startup::input_topics(&settings);
    consumer
        .subscribe(&topics)
        .map_err(|error| StreamError::from_kafka("subscribing", &settings.brokers, &error))?;
    Router::new(parts, (consumer, committer), outbox, offsets, start).run()?;
    membership.leave();
    Ok(())
}

impl<'c> Router<'c> {
    fn new(
        parts: RouterParts,
        (consumer, committer): (&'c BaseConsumer<GroupContext>, Committer),
        outbox: Outbox,
        offsets: Offsets,
        start: startup::Start,
    ) -> Self {
        let settings = &parts.settings;
        let ingest = Ingest::for_log(&start.header, settings.privacy_key.as_deref(), settings.keep_numbers);
        let member = if settings.member.is_empty() {
            format!("{:016x}", rand::random::<u64>())
        } else {
            settings.member.clone()
        };
        let now = Instant::now();
        Self {
            packer: Packer::new(start.header.partitions),
            ingest,
            member,
            policy: startup::policy_mark(settings),
            header: start.header,
            known_topics: start.known_topics,
            parts,
            consumer,
            outbox,
            offsets,
            generation: 0,
            phase: Phase::Steady,
            positioning: Vec::new(),
            draining: None,
            slots: Vec::new(),
            checkpoints: Checkpoints::default(),
            committable: BTreeMap::new(),
            committer,
            commit_in_flight: false,
            awaiting: None,
            last_tick: now,
            last_commit: now,
            last_told: now,
            events_since_tick: 0,
            events_untold: 0,
        }
    }

    fn run(mut self) -> Result<(), StreamError> {
        while !self.parts.shutdown.is_set() {
            let busy = self.round()?;
            // Deliveries are what a busy router waits for; an idle one waits for input.
            let timeout = if busy { Duration::ZERO } else { Duration::from_millis(5) };
            self.poll_inputs(timeout)?;
        }
        self.drain()
    }

    /// One round; tells whether there is more to do at once.
    fn round(&mut self) -> Result<bool, StreamError> {
        let wall = wall_now();
        self.serve_deliveries(Duration::ZERO)?;
        self.serve_group(wall)?;
        self.serve_answers()?;
        let routed = self.route(wall)?;
        self.flush_due(wall)?;
        self.tick_if_due(wall)?;
        self.commit_if_due()?;
        self.regulate()?;
        self.tell(wall);
        Ok(routed)
    }

    fn serve_deliveries(&mut self, timeout: Duration) -> Result<(), StreamError> {
        let checkpoints = &mut self.checkpoints;
        self.outbox
            .serve(timeout, |epoch| checkpoints.acknowledged(epoch as u64))?;
        while let Some(complete) = self.checkpoints.take_complete() {
            for (feed, next_offset, metadata) in complete {
                self.committable.insert(feed, (next_offset, metadata));
            }
        }
        Ok(())
    }

    /// The end: nothing more is routed; what was routed is delivered and committed.
    fn drain(mut self) -> Result<(), StreamError> {
        let deadline = Instant::now() + self.parts.settings.pace.drain;
        let unanswered = (self.phase, self.draining.take());
        self.phase.advance(Phase::Closing).map_err(StreamError::Internal)?;
        let wall = wall_now();
        self.tick(wall)?;
        let epoch = self.cut(true)?;
        let mut committed = false;
        while !self.checkpoints.is_behind(epoch) || !committed || self.commit_in_flight {
            if Instant::now() >= deadline {
                return Err(StreamError::DrainTimeout {
                    what: "the router".into(),
                    seconds: self.parts.settings.pace.drain.as_secs(),
                });
            }
            self.serve_deliveries(Duration::from_millis(5))?;
            // Serves the answers to commits; what is fetched now is read again later.
            let _ = self.consumer.poll(Duration::from_millis(5));
            self.serve_group(wall)?;
            if self.checkpoints.is_behind(epoch) && !self.commit_in_flight && !committed {
                self.commit_now()?;
                committed = true;
            }
        }
        self.tell_now(wall);
        self.committer.finish();
        // An unanswered rebalance would keep the consumer from closing.
        match unanswered {
            (Phase::Positioning, _) => answer_assign(self.consumer, &list_of([])),
            (_, Some(drain)) => answer_revoke(self.consumer, &list_of(&drain.feeds)),
            _ => Ok(()),
        }
        .map_err(|error| StreamError::from_kafka("leaving the group", &self.parts.settings.brokers, &error))
    }

    fn slot_of(&self, topic: &str, partition: i32) -> Option<usize> {
        self.slots
            .iter()
            .position(|slot| slot.feed.partition == partition && slot.feed.topic == topic)
    }

    fn alive(&self, wall: Millis) {
        self.parts.observer.alive(Half::Router, wall);
    }
}
