//! From the log's order to the order of time: which source records are new,
//! how far each feed has got, what time it is, and which event comes next.
//!
//! Events wait until log time has passed their arrival. So the fold sees them in
//! the order of arrival whatever the interleaving of feeds, and how often ticks
//! come changes nothing: a tick only says how much may be released.

mod dedup;
mod feeds;

pub(crate) use dedup::Dedup;
pub(crate) use feeds::{BAD_RATIO, FeedAlarm, Feeds, OWNERLESS_MS};

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use serde::{Deserialize, Serialize};

use crate::model::Millis;
use crate::model::log::{EventBatch, Feed, FeedbackRecord, RoutedEvent, Tick};

/// Events that may wait for log time; beyond it the earliest are released early.
const WAITING_MAX: usize = 400_000;

/// An event that waits for log time, ordered by (arrival, feed, offset, index).
#[derive(Debug, Serialize, Deserialize)]
struct Waiting {
    feed: Feed,
    event: RoutedEvent,
}

impl Waiting {
    fn place(&self) -> (Millis, &Feed, i64, u32) {
        (self.event.arrival, &self.feed, self.event.offset, self.event.index)
    }
}

impl PartialEq for Waiting {
    fn eq(&self, other: &Self) -> bool {
        self.place() == other.place()
    }
}
impl Eq for Waiting {}
impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Waiting {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.place().cmp(&other.place())
    }
}

/// The waiting room between the log and the engine.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Order {
    feeds: Feeds,
    #[serde(with = "crate::detector::snapshot::codec::least_first")]
    waiting: BinaryHeap<Reverse<Waiting>>,
    /// Events released before log time had reached them, for want of room.
    released_early: u64,
}

impl Order {
    /// Takes the events that their feed has not given before and that `accept`
    /// does not put aside.
    pub(crate) fn admit(&mut self, batch: &EventBatch, mut accept: impl FnMut(&RoutedEvent) -> bool) {
        for event in &batch.events {
            let Some(feed) = batch.feeds.get(usize::from(event.feed)) else {
                panic!(
                    "an event of the internal log names feed {} of {}",
                    event.feed,
                    batch.feeds.len()
                );
            };
            if self.feeds.admit(feed, event.offset, event.index) && accept(event) {
                self.waiting.push(Reverse(Waiting {
                    feed: feed.clone(),
                    event: event.clone(),
                }));
            }
        }
    }

    /// Whether the feedback was not taken before.
    pub(crate) fn admit_feedback(&mut self, record: &FeedbackRecord) -> bool {
        self.feeds.admit(&record.feed, record.offset, 0)
    }

    /// Takes a member's progress; returns what it says about missing feeds.
    pub(crate) fn tick(&mut self, tick: &Tick) -> Vec<FeedAlarm> {
        self.feeds.tick(tick)
    }

    /// The next event that log time has passed, if any.
    pub(crate) fn next(&mut self) -> Option<RoutedEvent> {
        let due = match self.waiting.peek() {
            Some(Reverse(first)) => first.event.arrival < self.feeds.log_time(),
            None => false,
        };
        if !due && self.waiting.len() <= WAITING_MAX {
            return None;
        }
        if !due {
            self.released_early += 1;
        }
        self.waiting.pop().map(|Reverse(first)| first.event)
    }

    /// How far time has got.
    pub(crate) fn log_time(&self) -> Millis {
        self.feeds.log_time()
    }

    /// Whether every feed that may carry this tenant's verifications has an owner.
    pub(crate) fn verifications_flow(&self, tenant: &str) -> bool {
        self.feeds.verifications_flow(tenant)
    }

    /// Whether any feed may carry this tenant's verifications at all.
    pub(crate) fn verifications_exist(&self, tenant: &str) -> bool {
        self.feeds.verifications_exist(tenant)
    }

    /// Events that wait, for the books.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Events released for want of room before log time had reached them.
    pub(crate) fn released_early(&self) -> u64 {
        self.released_early
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Outcome;
    use crate::model::log::{FeedProgress, FeedScope, RecordCounts, RoutedBody, Token};
    use proptest::prelude::*;

    fn event(feed: u16, offset: i64, arrival: i64) -> RoutedEvent {
        RoutedEvent {
            feed,
            offset,
            index: 0,
            record_time: Millis(arrival),
            arrival: Millis(arrival),
            time: Millis(arrival),
            id: Token(0),
            tenant: "t".into(),
            app: "a".into(),
            number: None,
            body: RoutedBody::Verification {
                session: None,
                message_id: None,
                outcome: Outcome::Approved,
            },
        }
    }

    fn feeds() -> Vec<Feed> {
        ["a", "b", "c"]
            .map(|topic| Feed {
                topic: topic.into(),
                partition: 0,
            })
            .to_vec()
    }

    fn tick(clocks: &[i64]) -> Tick {
        let feeds = feeds()
            .into_iter()
            .zip(clocks)
            .map(|(feed, &clock)| FeedProgress {
                feed,
                scope: FeedScope {
                    verifications: true,
                    tenant: None,
                },
                next_offset: 0,
                clock: Millis(clock),
                started: true,
                idle_ms: 0,
                counts: RecordCounts::default(),
            })
            .collect();
        Tick {
            member: "m".into(),
            generation: 1,
            wall: Millis(0),
            feeds,
        }
    }

    /// Plays the same events with ticks after every `step`-th of them.
    fn play(arrivals: &[(u16, i64)], step: usize) -> Vec<(u16, i64, i64)> {
        let mut order = Order::default();
        let (mut clocks, mut offsets) = ([0i64; 3], [0i64; 3]);
        let mut seen = Vec::new();
        for (n, &(feed, gap)) in arrivals.iter().enumerate() {
            let f = usize::from(feed);
            clocks[f] += gap;
            offsets[f] += 1;
            let events = vec![event(feed, offsets[f], clocks[f])];
            order.admit(&EventBatch { feeds: feeds(), events }, |_| true);
            if n % step == 0 {
                order.tick(&tick(&clocks));
            }
            while let Some(e) = order.next() {
                seen.push((e.feed, e.offset, e.arrival.0));
            }
        }
        order.tick(&tick(&[i64::MAX / 8; 3]));
        while let Some(e) = order.next() {
            seen.push((e.feed, e.offset, e.arrival.0));
        }
        seen
    }

    proptest! {
        #[test]
        fn how_often_ticks_come_changes_nothing(arrivals in prop::collection::vec((0u16..3, 0i64..50), 1..200), step in 1usize..40) {
            prop_assert_eq!(play(&arrivals, 1), play(&arrivals, step));
        }
    }

    #[test]
    fn a_record_read_twice_is_taken_once() {
        let mut order = Order::default();
        for offset in [1, 2, 2, 1, 3] {
            let events = vec![event(0, offset, offset)];
            order.admit(&EventBatch { feeds: feeds(), events }, |_| true);
        }
        assert_eq!(order.waiting(), 3);
    }

    #[test]
    fn an_idle_feed_does_not_hold_time_back_while_its_owner_speaks() {
        let mut order = Order::default();
        let mut said = tick(&[100, 200, 300]);
        said.feeds[0].idle_ms = feeds::IDLE_MS;
        order.tick(&said);
        assert_eq!(order.log_time(), Millis(200));
        // Its owner falls silent: what it held may be out of date.
        let mut later = tick(&[0, 400, 500]);
        later.wall = Millis(10_000);
        later.feeds.remove(0);
        order.tick(&later);
        assert_eq!(order.log_time(), Millis(200));
        let mut all = tick(&[150, 400, 500]);
        all.wall = Millis(11_000);
        for feed in &mut all.feeds {
            feed.idle_ms = feeds::IDLE_MS;
        }
        order.tick(&all);
        assert_eq!(order.log_time(), Millis(500));
    }
}
