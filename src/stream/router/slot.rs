//! One source partition that this member owns, and what waits in it.

use std::collections::VecDeque;
use std::time::Instant;

use rdkafka::message::{BorrowedMessage, Message};

use super::clock::FeedClock;
use super::memory::FeedMemory;
use super::merge::Head;
use crate::model::Millis;
use crate::model::log::{Feed, FeedProgress, FeedScope, RecordCounts};

/// Bytes waiting in one feed above which it is paused.
const QUEUE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Which kind of topic a feed belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// The input with this place in the settings.
    Input(usize),
    /// The feedback topic.
    Feedback,
}

/// A feed of this member.
pub(crate) struct Slot<'c> {
    pub(crate) feed: Feed,
    pub(crate) source: Source,
    pub(crate) scope: FeedScope,
    queue: VecDeque<BorrowedMessage<'c>>,
    queue_bytes: usize,
    /// The next offset to be routed.
    pub(crate) next_offset: i64,
    /// The end offset last told.
    pub(crate) end: Option<i64>,
    /// Nothing readable lies before this offset (markers, aborted records).
    pub(crate) empty_until: i64,
    pub(crate) clock: FeedClock,
    pub(crate) counts: RecordCounts,
    /// What of the counts was told to the observer.
    pub(crate) told: RecordCounts,
    pub(crate) paused: bool,
    /// Being given back: nothing more is routed from it.
    pub(crate) draining: bool,
    /// The merge waited long enough for it.
    pub(crate) excused: bool,
    /// When something last happened here, for the decision to probe.
    pub(crate) stirred: Instant,
    /// What was last committed, or is about to be.
    pub(crate) cut: Option<Cut>,
}

/// What decides whether a feed's progress is worth a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cut {
    pub(crate) next_offset: i64,
    pub(crate) generation: i32,
    pub(crate) live: bool,
    pub(crate) clock: Millis,
}

impl<'c> Slot<'c> {
    pub(crate) fn new(feed: Feed, source: Source, scope: FeedScope, next_offset: i64) -> Self {
        Self {
            feed,
            source,
            scope,
            queue: VecDeque::new(),
            queue_bytes: 0,
            next_offset,
            end: None,
            empty_until: next_offset,
            clock: FeedClock::fresh(),
            counts: RecordCounts::default(),
            told: RecordCounts::default(),
            paused: false,
            draining: false,
            excused: false,
            stirred: Instant::now(),
            cut: None,
        }
    }

    /// Goes on from what the last owner left.
    pub(crate) fn remember(&mut self, memory: &FeedMemory) {
        self.clock = memory.clock;
        self.counts = memory.counts;
        self.told = memory.counts;
    }

    pub(crate) fn push(&mut self, message: BorrowedMessage<'c>) {
        self.queue_bytes += message.payload_len() + message.key_len();
        self.queue.push_back(message);
        self.excused = false;
        self.stirred = Instant::now();
    }

    pub(crate) fn pop(&mut self) -> Option<BorrowedMessage<'c>> {
        let message = self.queue.pop_front()?;
        self.queue_bytes -= message.payload_len() + message.key_len();
        Some(message)
    }

    pub(crate) fn waiting(&self) -> usize {
        self.queue.len()
    }

    pub(crate) fn is_full(&self, records_max: usize) -> bool {
        self.queue.len() >= records_max || self.queue_bytes >= QUEUE_BYTES_MAX
    }

    pub(crate) fn has_room(&self, records_max: usize) -> bool {
        self.queue.len() <= records_max / 4 && self.queue_bytes <= QUEUE_BYTES_MAX / 4
    }

    /// Record time of a message. A record without a timestamp (a very old client)
    /// is taken to arrive where the feed stands.
    pub(crate) fn record_time(&self, message: &BorrowedMessage<'_>, wall: Millis) -> Millis {
        match message.timestamp().to_millis() {
            Some(ms) if ms >= 0 => Millis(ms),
            _ if self.clock.started() => self.clock.value(),
            _ => wall,
        }
    }

    /// What the merge must know.
    pub(crate) fn head(&self, wall: Millis) -> Head {
        let first = if self.draining { None } else { self.queue.front() };
        Head {
            // Feedback goes first: it holds nothing back and waits for nothing.
            arrival: first.map(|message| match self.source {
                Source::Feedback => Millis::MIN,
                Source::Input(_) => self.clock.arrival(self.record_time(message, wall)),
            }),
            clock: self.standing(),
            may_have_more: self.source != Source::Feedback && !self.draining && !self.excused && self.has_more(),
        }
    }

    /// Whether the broker has, or may have, records that were not routed.
    pub(crate) fn has_more(&self) -> bool {
        self.end.is_none_or(|end| end > self.read_until())
    }

    /// Everything readable before this offset was routed.
    pub(crate) fn read_until(&self) -> i64 {
        self.next_offset.max(self.empty_until)
    }

    /// Records the broker has that were not routed; `None` while unknown.
    pub(crate) fn lag(&self) -> Option<i64> {
        self.end.map(|end| (end - self.read_until()).max(0))
    }

    /// The clock as it may be told: an unread feed that holds records stands
    /// before them all, wherever the wall clock took it while it was empty.
    pub(crate) fn standing(&self) -> Millis {
        if !self.clock.started() && self.has_more() {
            Millis::MIN
        } else {
            self.clock.value()
        }
    }

    /// The feed's line in a tick.
    pub(crate) fn progress(&self) -> FeedProgress {
        FeedProgress {
            feed: self.feed.clone(),
            scope: self.scope.clone(),
            next_offset: self.next_offset,
            clock: self.standing(),
            started: self.clock.started() || self.has_more(),
            counts: self.counts,
        }
    }

    /// What a commit would say now.
    pub(crate) fn cut_now(&self, generation: i32) -> Cut {
        Cut {
            next_offset: self.next_offset,
            generation,
            live: self.clock.live(),
            clock: self.clock.value(),
        }
    }
}
