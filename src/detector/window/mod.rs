//! Windowed aggregators: what happened at each destination of each app, over
//! tumbling minutes and over sliding spans of a minute, ten, an hour and a day.
//!
//! Pure and deterministic: time is an argument that never falls, and the same
//! calls give the same answers. How often [`Windows::close_until`] is called
//! changes nothing but when the closed windows are handed out.
//!
//! | What | How exact |
//! |---|---|
//! | tumbling minutes (UTC) | exact; different numbers exact up to 128, then ±3.3 % (standard error) |
//! | sliding sums | exact from [`Span::start`], which lies up to [`Span::resolution_ms`] before `now − span`: 10 s of a minute, 1 min of ten, 5 min of an hour, 2 h of a day |
//! | sliding different numbers | from the same start; exact while a node saw at most 24 within a day, then ±13 % (standard error) |
//! | latency | 0.1 s up to 25 s, then within 1 % |
//!
//! **Memory.** At most `nodes_max` nodes, and of those only so many that the
//! mean node holds at most [`NODE_BYTES_MEAN_MAX`] at the start of a minute: a
//! quiet node takes a few hundred bytes, the busiest three to four kilobytes.
//! The least recently active nodes go first (`table`: a segmented LRU); what
//! could not be kept is counted in [`Windows::evicted`] and
//! [`Windows::refused`]. What is open within the minute comes on top, at most
//! about seven kilobytes for a node with hundreds of events in it.
//!
//! A verification counts where it happens: in the minute and the slots of its
//! own time, not of its send's.

mod destination;
mod distinct;
mod latency;
mod saved;
mod sliding_distinct;
mod table;
mod time_grid;
mod timeline;

#[cfg(test)]
mod tests;

pub use destination::Destination;
pub use latency::{LatencyQuantiles, LatencyScope};
pub use time_grid::Span;

use serde::{Deserialize, Serialize};

use crate::model::log::Token;
use crate::model::{MINUTE, Micros, Millis};
use distinct::MinuteDistinct;
use latency::{LatencyBook, MinuteLatencies};
use table::{IDLE_MINUTES_MAX, Table};
use time_grid::{Reach, slot_of};
use timeline::Counts;

/// An interned pair of tenant and app, given by the engine.
pub type AppIx = u32;

/// Above this mean size in bytes, nodes are evicted when a minute begins or a
/// node is to be added.
pub const NODE_BYTES_MEAN_MAX: usize = 1_536;

/// What a send adds to its destinations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SendSample {
    /// It was stopped before it left: counted as blocked and not as a send.
    pub blocked: bool,
    /// It is the first message of an attempt to verify.
    pub opens_attempt: bool,
    /// Whose number; counted among the different numbers even when blocked.
    pub number: Token,
    /// What it costs in the report's currency; 0 when unknown.
    pub cost: Micros,
}

/// What happened over a sliding span.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Aggregate {
    /// Messages requested and not blocked.
    pub sends: u64,
    /// Attempts opened.
    pub attempts: u64,
    /// Verifications.
    pub verified: u64,
    /// Messages stopped before they left.
    pub blocked: u64,
    /// Different numbers over sends and blocked messages.
    pub distinct_numbers: u64,
    /// Money spent.
    pub cost: Micros,
    /// Milliseconds that these sums cover, to `now`: at least the span, less
    /// than the span and its resolution. The right divisor for a rate.
    pub covered_ms: i64,
}

/// One tumbling minute of one destination of an app in which something happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClosedWindow {
    /// Which tenant and app.
    pub app: AppIx,
    /// Which destination.
    pub destination: Destination,
    /// First millisecond: a whole minute, UTC.
    pub start: Millis,
    /// One minute later, exclusive.
    pub end: Millis,
    /// Messages requested and not blocked.
    pub sends: u64,
    /// Attempts opened.
    pub attempts: u64,
    /// Verifications that happened in this minute.
    pub verified: u64,
    /// Messages stopped before they left.
    pub blocked: u64,
    /// Different numbers over sends and blocked messages.
    pub distinct_numbers: u64,
    /// Money spent.
    pub cost: Micros,
    /// Median latency of this minute's verifications, in seconds.
    pub verify_p50: Option<f64>,
    /// Their 95th percentile.
    pub verify_p95: Option<f64>,
}

/// The minute of a node that is still running.
#[derive(Debug, Serialize, Deserialize)]
struct OpenMinute {
    #[serde(skip)]
    place: u32,
    counts: Counts,
    distinct: MinuteDistinct,
    latencies: MinuteLatencies,
}

impl OpenMinute {
    fn heap_bytes(&self) -> usize {
        self.distinct.heap_bytes() + self.latencies.heap_bytes()
    }
}

/// What one event adds to every destination it has.
struct Sample {
    counts: Counts,
    hash: Option<u64>,
    latency_seconds: Option<f64>,
}

/// The aggregators of one partition.
#[derive(Debug)]
pub struct Windows {
    table: Table,
    open: Vec<OpenMinute>,
    /// Closed and not yet handed out, by (end, app, destination).
    closed: Vec<ClosedWindow>,
    latency: LatencyBook,
    salt: u64,
    now: Millis,
    minute: i64,
    open_heap: usize,
    refused: u64,
    /// Scratch of [`Windows::record`], kept for its memory.
    places: Vec<u32>,
}

impl Windows {
    /// Empty, for at most `nodes_max` nodes (at least one). `salt` keys the hash
    /// tables and sketches; the same salt is needed for the same answers. Room
    /// for latency histograms follows from `nodes_max`: for a quarter as many
    /// (app, region) pairs, 16 to 2048, of at most 5 KiB each.
    pub fn new(nodes_max: usize, salt: u64) -> Self {
        Self {
            table: Table::new(nodes_max, salt),
            open: Vec::new(),
            closed: Vec::new(),
            latency: LatencyBook::new((nodes_max / 4).clamp(16, 2048)),
            salt,
            now: Millis::MIN,
            minute: minute_of(Millis::MIN),
            open_heap: 0,
            refused: 0,
            places: Vec::new(),
        }
    }

    /// A message was requested. `destinations` are the nodes it counts at, each
    /// once. A `now` before an earlier call's counts as that call's.
    pub fn on_send(&mut self, now: Millis, app: AppIx, destinations: &[Destination], sample: &SendSample) {
        let counts = Counts {
            sends: u32::from(!sample.blocked),
            attempts: u32::from(sample.opens_attempt),
            verified: 0,
            blocked: u32::from(sample.blocked),
            cost: sample.cost.0,
        };
        let sample = Sample {
            counts,
            hash: Some(distinct::hash(sample.number, self.salt)),
            latency_seconds: None,
        };
        self.record(now, app, destinations, &sample);
    }

    /// A verification succeeded, `latency_seconds` after its send. It counts at
    /// `now`; its latency also counts for the app and for the region of the
    /// first destination that has one. A latency that is not a number is left
    /// out, one outside 0.1 s to 3600 s counts as the nearest of these.
    pub fn on_verified(&mut self, now: Millis, app: AppIx, destinations: &[Destination], latency_seconds: f64) {
        let sample = Sample {
            counts: Counts {
                verified: 1,
                ..Counts::default()
            },
            hash: None,
            latency_seconds: Some(latency_seconds),
        };
        self.record(now, app, destinations, &sample);
        let region = destinations.iter().find_map(|d| d.region());
        self.latency.insert(self.now, app, region, latency_seconds);
    }

    /// When the earliest window ends that was not handed out yet; `None` when
    /// there is none. The engine sets its timer by it.
    pub fn next_close(&self) -> Option<Millis> {
        match self.closed.first() {
            Some(window) => Some(window.end),
            None => (!self.open.is_empty()).then(|| Millis((self.minute + 1) * MINUTE)),
        }
    }

    /// Hands out the windows that end at or before `now`, each once, ordered by
    /// (end, app, destination). Windows wait here until they are fetched, so an
    /// engine that obeys [`Windows::next_close`] leaves at most a minute's worth.
    pub fn close_until(&mut self, now: Millis, out: &mut Vec<ClosedWindow>) {
        self.advance(now);
        let ready = self.closed.partition_point(|window| window.end <= now);
        out.extend(self.closed.drain(..ready));
        if self.closed.is_empty() && self.closed.capacity() > 4 * ready.max(256) {
            self.closed = Vec::new();
        }
    }

    /// What happened at a node over `span` up to `now` (inclusive); zeros for a
    /// node that is not kept. A `now` before the last event's counts as that.
    pub fn sliding(&self, app: AppIx, destination: Destination, span: Span, now: Millis) -> Aggregate {
        let now = now.max(self.now);
        let mut aggregate = Aggregate {
            covered_ms: now - span.start(now),
            ..Aggregate::default()
        };
        let Some(node) = self.table.get(app, destination) else {
            return aggregate;
        };
        if minute_of(now) - node.last_minute >= IDLE_MINUTES_MAX {
            return aggregate;
        }
        let slot = slot_of(now);
        let reach = Reach::from(slot);
        let sums = node.timeline.sums(&reach, slot, span);
        let messages = sums.sends + sums.blocked;
        aggregate.sends = sums.sends;
        aggregate.attempts = sums.attempts;
        aggregate.verified = sums.verified;
        aggregate.blocked = sums.blocked;
        aggregate.cost = sums.cost;
        aggregate.distinct_numbers = node.distinct.count(&reach, slot, span).min(messages);
        aggregate
    }

    /// Send-to-verify latency of an app in a region, from the last 1024 to 2048
    /// verifications, or those of one to two weeks where they are fewer. Without
    /// any there (or without room for it), the app's; without these, that of all
    /// apps; [`LatencyQuantiles::scope`] says which. It merges two histograms:
    /// about a microsecond, for a baseline and not for every event.
    pub fn latency(&self, app: AppIx, region: Option<crate::model::Region>) -> Option<LatencyQuantiles> {
        self.latency.quantiles(app, region)
    }

    /// Nodes kept.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether no node is kept.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Memory in bytes, without the allocator's own.
    pub fn bytes(&self) -> usize {
        self.table.bytes()
            + self.latency.bytes()
            + self.open.capacity() * size_of::<OpenMinute>()
            + self.open_heap
            + self.closed.capacity() * size_of::<ClosedWindow>()
    }

    /// Nodes evicted to make room, ever. Their open windows are never lost,
    /// their sliding history is.
    pub fn evicted(&self) -> u64 {
        self.table.evicted()
    }

    /// Events not counted at a destination, ever, because all the nodes that
    /// could have made room for it were active in the same minute.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    fn record(&mut self, now: Millis, app: AppIx, destinations: &[Destination], sample: &Sample) {
        self.advance(now);
        let slot = slot_of(self.now);
        // Finding comes first for all, since the time goes into waiting for
        // memory, and look-ups that follow each other closely wait together.
        // None is evicted by the next one's coming: all are in an open minute.
        let mut places = std::mem::take(&mut self.places);
        places.extend(destinations.iter().filter_map(|&d| self.enter(app, d)));
        for &place in &places {
            let node = self.table.node_mut(place);
            let before = node.heap_bytes();
            node.timeline.add(slot, sample.counts);
            if let Some(hash) = sample.hash {
                node.distinct.insert(slot, hash as u32);
            }
            let after = node.heap_bytes();
            self.table.grew(before, after);
        }
        for place in places.drain(..) {
            let minute = &mut self.open[self.table.node(place).open as usize];
            let before = minute.heap_bytes();
            minute.counts.add(sample.counts);
            if let Some(hash) = sample.hash {
                minute.distinct.insert(hash);
            }
            if let Some(seconds) = sample.latency_seconds {
                minute.latencies.insert(seconds);
            }
            self.open_heap = self.open_heap + minute.heap_bytes() - before;
        }
        self.places = places;
    }

    /// The place of a node with its minute open; `None`, and counted, when
    /// there is no room for it.
    fn enter(&mut self, app: AppIx, destination: Destination) -> Option<u32> {
        let Some(entry) = self.table.enter(app, destination, self.minute) else {
            self.refused += 1;
            return None;
        };
        if entry.first_in_minute {
            self.table.node_mut(entry.place).open = self.open.len() as u32;
            self.open.push(OpenMinute {
                place: entry.place,
                counts: Counts::default(),
                distinct: MinuteDistinct::default(),
                latencies: MinuteLatencies::default(),
            });
        }
        Some(entry.place)
    }

    /// Lets time pass. Whatever depends on it happens where a minute begins, so
    /// it is the same however many calls it takes to get there.
    fn advance(&mut self, now: Millis) {
        self.now = now.max(self.now);
        let minute = minute_of(self.now);
        if minute > self.minute {
            self.seal();
            self.minute = minute;
            self.table.tidy(minute);
        }
    }

    /// Closes the current minute of every node that has one.
    #[cold]
    fn seal(&mut self) {
        let start = Millis(self.minute * MINUTE);
        let first = self.closed.len();
        let opened = self.open.len();
        self.closed.reserve_exact(opened);
        for mut minute in self.open.drain(..) {
            let node = self.table.node(minute.place);
            let counts = minute.counts;
            let (sends, blocked) = (u64::from(counts.sends), u64::from(counts.blocked));
            let quantiles = minute.latencies.quantiles();
            self.closed.push(ClosedWindow {
                app: node.app,
                destination: node.destination,
                start,
                end: start + MINUTE,
                sends,
                attempts: u64::from(counts.attempts),
                verified: u64::from(counts.verified),
                blocked,
                distinct_numbers: minute.distinct.count(sends + blocked),
                cost: Micros(counts.cost),
                verify_p50: quantiles.map(|(p50, _)| p50),
                verify_p95: quantiles.map(|(_, p95)| p95),
            });
        }
        self.closed[first..].sort_unstable_by_key(|window| (window.app, window.destination));
        self.open_heap = 0;
        self.open.shrink_to(4 * opened.max(64));
    }
}

fn minute_of(now: Millis) -> i64 {
    now.0.div_euclid(MINUTE)
}
