//! The windows as they are kept in a snapshot: open minutes are named by what they
//! are of, and places and sums follow.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::destination::Destination;
use super::latency::LatencyBook;
use super::table::Table;
use super::{AppIx, ClosedWindow, Millis, OpenMinute, Windows};

#[derive(Serialize)]
struct Kept<'a> {
    table: &'a Table,
    open: Vec<(AppIx, Destination, &'a OpenMinute)>,
    closed: &'a [ClosedWindow],
    latency: &'a LatencyBook,
    salt: u64,
    now: Millis,
    minute: i64,
    refused: u64,
}

#[derive(Deserialize)]
struct Saved {
    table: Table,
    open: Vec<(AppIx, Destination, OpenMinute)>,
    closed: Vec<ClosedWindow>,
    latency: LatencyBook,
    salt: u64,
    now: Millis,
    minute: i64,
    refused: u64,
}

impl Serialize for Windows {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let name = |minute: &OpenMinute| {
            let node = self.table.node(minute.place);
            (node.app, node.destination)
        };
        let mut open: Vec<_> = self.open.iter().map(|minute| (name(minute), minute)).collect();
        open.sort_unstable_by_key(|(name, _)| *name);
        let kept = Kept {
            table: &self.table,
            open: open.into_iter().map(|((app, to), minute)| (app, to, minute)).collect(),
            closed: &self.closed,
            latency: &self.latency,
            salt: self.salt,
            now: self.now,
            minute: self.minute,
            refused: self.refused,
        };
        kept.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Windows {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let saved = Saved::deserialize(deserializer)?;
        let mut windows = Self {
            table: saved.table,
            open: Vec::with_capacity(saved.open.len()),
            closed: saved.closed,
            latency: saved.latency,
            salt: saved.salt,
            now: saved.now,
            minute: saved.minute,
            open_heap: 0,
            refused: saved.refused,
            places: Vec::new(),
        };
        let mut last = None;
        for (app, destination, mut minute) in saved.open {
            let in_order = last.replace((app, destination)) < Some((app, destination));
            let place = windows.table.place_in(app, destination, windows.minute);
            let Some(place) = place.filter(|_| in_order) else {
                return Err(D::Error::custom("an open minute has no place"));
            };
            minute.place = place;
            windows.table.node_mut(place).open = windows.open.len() as u32;
            windows.open_heap += minute.heap_bytes();
            windows.open.push(minute);
        }
        // Each of these will be written to as one that is open.
        if windows.table.active_in(windows.minute) != windows.open.len() {
            return Err(D::Error::custom("a destination's open minute is missing"));
        }
        Ok(windows)
    }
}
