//! The nodes, and who has to go when there is no room.
//!
//! The policy is a segmented LRU of three segments. Countries and operators
//! have an eighth of the places to themselves, so that no flood of ranges can
//! drive them out. Ranges begin on probation and are protected once they were
//! active in a second minute; four fifths of their places can be protected.
//! A new node takes the place of the least recently active one on probation,
//! then of the least recently active protected one. Recency is that of the last
//! active minute's beginning. A node whose minute is open is never evicted: its
//! window would be lost. When every candidate is open, the new one is refused.

use std::collections::HashMap;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::destination::Destination;
use super::sliding_distinct::SlidingDistinct;
use super::timeline::Timeline;
use super::{AppIx, NODE_BYTES_MEAN_MAX, distinct};
use crate::detector::Keyed;
use crate::model::DestinationLevel;

/// Nodes are allocated so many at a time: a growing table never copies them.
const CHUNK: usize = 1024;
const NONE: u32 = u32::MAX;

/// A node idle for so many minutes has no history left: the longest span
/// reaches back less than 26 hours.
pub(super) const IDLE_MINUTES_MAX: i64 = 26 * 60 + 1;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Segment {
    #[default]
    Coarse,
    Probation,
    Protected,
}

/// What is kept for a destination of an app.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Node {
    pub(super) app: AppIx,
    pub(super) destination: Destination,
    /// Its place among the open minutes, while `last_minute` is the current one.
    #[serde(skip)]
    pub(super) open: u32,
    /// Minutes since 1970 when it was last active.
    pub(super) last_minute: i64,
    pub(super) timeline: Timeline,
    pub(super) distinct: SlidingDistinct,
    #[serde(skip)]
    segment: Segment,
    #[serde(skip)]
    older: u32,
    #[serde(skip)]
    newer: u32,
}

impl Node {
    /// Memory behind it, in bytes.
    pub(super) fn heap_bytes(&self) -> usize {
        self.timeline.heap_bytes() + self.distinct.heap_bytes()
    }
}

/// A list through the nodes, the most recently active first.
#[derive(Debug)]
struct List {
    newest: u32,
    oldest: u32,
    len: usize,
}

/// All nodes by key, by place and by recency.
#[derive(Debug)]
pub(super) struct Table {
    places: HashMap<(AppIx, Destination), u32, Keyed>,
    chunks: Vec<Vec<Node>>,
    free: Vec<u32>,
    lists: [List; 3],
    nodes_max: usize,
    /// Memory behind the nodes, kept up by [`Table::grew`].
    heap: usize,
    evicted: u64,
}

/// A node that may be written to.
pub(super) struct Entry {
    pub(super) place: u32,
    /// Whether this is its first event in the current minute.
    pub(super) first_in_minute: bool,
}

impl Table {
    pub(super) fn new(nodes_max: usize, salt: u64) -> Self {
        // Only look-ups go through this hash, so its platform does not matter.
        let [k0, k1, k2, k3] = [1, 2, 3, 4].map(|i| distinct::mix(salt ^ i));
        Self::with_hasher(nodes_max, Keyed::with_seeds(k0, k1, k2, k3))
    }

    fn with_hasher(nodes_max: usize, hasher: Keyed) -> Self {
        let list = || List {
            newest: NONE,
            oldest: NONE,
            len: 0,
        };
        Self {
            places: HashMap::with_hasher(hasher),
            chunks: Vec::new(),
            free: Vec::new(),
            lists: [list(), list(), list()],
            nodes_max: nodes_max.clamp(1, NONE as usize - 1),
            heap: 0,
            evicted: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    pub(super) fn evicted(&self) -> u64 {
        self.evicted
    }

    /// Memory in bytes, what is allocated in advance included.
    pub(super) fn bytes(&self) -> usize {
        self.chunks.len() * CHUNK * size_of::<Node>()
            + self.heap
            // A key, a place, and a byte of the hash table; at most 7/8 are filled.
            + self.places.capacity() * 8 / 7 * (size_of::<((AppIx, Destination), u32)>() + 1)
            + self.free.capacity() * size_of::<u32>()
    }

    pub(super) fn get(&self, app: AppIx, destination: Destination) -> Option<&Node> {
        self.places.get(&(app, destination)).map(|&place| self.node(place))
    }

    pub(super) fn node(&self, place: u32) -> &Node {
        &self.chunks[place as usize / CHUNK][place as usize % CHUNK]
    }

    pub(super) fn node_mut(&mut self, place: u32) -> &mut Node {
        &mut self.chunks[place as usize / CHUNK][place as usize % CHUNK]
    }

    /// Tells that a node's memory changed.
    pub(super) fn grew(&mut self, before: usize, after: usize) {
        self.heap = self.heap + after - before;
    }

    /// Finds the node or makes it, as active in `minute`; `None` when there is
    /// no room for a new one.
    #[inline]
    pub(super) fn enter(&mut self, app: AppIx, destination: Destination, minute: i64) -> Option<Entry> {
        if let Some(&place) = self.places.get(&(app, destination)) {
            let first_in_minute = self.node(place).last_minute != minute;
            if first_in_minute {
                self.touch(place, minute);
            }
            return Some(Entry { place, first_in_minute });
        }
        self.admit(app, destination, minute).map(|place| Entry {
            place,
            first_in_minute: true,
        })
    }

    /// Frees what has no history left, and the least recently active nodes as
    /// long as the mean node is too large. To be called when a minute begins.
    pub(super) fn tidy(&mut self, minute: i64) {
        for segment in [Segment::Probation, Segment::Protected, Segment::Coarse] {
            while let Some(place) = self.oldest(segment)
                && self.node(place).last_minute <= minute - IDLE_MINUTES_MAX
            {
                self.remove(place);
            }
        }
        self.shed(minute);
    }

    fn shed(&mut self, minute: i64) {
        let order = [Segment::Probation, Segment::Protected, Segment::Coarse];
        while self.len() * size_of::<Node>() + self.heap > self.nodes_max * NODE_BYTES_MEAN_MAX {
            if !self.evict_one_of(&order, minute) {
                break;
            }
        }
    }

    fn coarse_share(&self) -> usize {
        self.nodes_max / 8
    }

    #[cold]
    fn admit(&mut self, app: AppIx, destination: Destination, minute: i64) -> Option<u32> {
        use Segment::{Coarse, Probation, Protected};
        self.shed(minute);
        let fine = destination.level() == DestinationLevel::Range;
        let fine_len = self.list(Probation).len + self.list(Protected).len;
        let full = self.len() >= self.nodes_max || fine && fine_len >= self.nodes_max - self.coarse_share();
        if full {
            let coarse_len = self.list(Coarse).len + usize::from(!fine);
            let order: &[Segment] = if coarse_len > self.coarse_share() {
                &[Coarse, Probation, Protected]
            } else if fine {
                &[Probation, Protected]
            } else {
                &[Probation, Protected, Coarse]
            };
            if !self.evict_one_of(order, minute) {
                return None;
            }
        }
        let node = Node {
            app,
            destination,
            open: NONE,
            last_minute: minute,
            timeline: Timeline::default(),
            distinct: SlidingDistinct::default(),
            segment: if fine { Probation } else { Coarse },
            older: NONE,
            newer: NONE,
        };
        let segment = node.segment;
        let place = self.store(node);
        self.places.insert((app, destination), place);
        self.push_newest(segment, place);
        Some(place)
    }

    fn store(&mut self, node: Node) -> u32 {
        if let Some(place) = self.free.pop() {
            *self.node_mut(place) = node;
            return place;
        }
        if self.chunks.last().is_none_or(|chunk| chunk.len() == CHUNK) {
            self.chunks.push(Vec::with_capacity(CHUNK));
        }
        let chunk = self.chunks.len() - 1;
        self.chunks[chunk].push(node);
        (chunk * CHUNK + self.chunks[chunk].len() - 1) as u32
    }

    /// First event in a further minute.
    #[cold]
    fn touch(&mut self, place: u32, minute: i64) {
        let node = self.node(place);
        let (segment, idle_minutes) = (node.segment, minute - node.last_minute);
        if idle_minutes >= IDLE_MINUTES_MAX {
            let before = node.heap_bytes();
            let node = self.node_mut(place);
            node.timeline = Timeline::default();
            node.distinct = SlidingDistinct::default();
            self.grew(before, 0);
        }
        self.unlink(place);
        let promoted = segment == Segment::Probation && self.make_protected_room(minute);
        let segment = if promoted { Segment::Protected } else { segment };
        self.push_newest(segment, place);
        self.node_mut(place).last_minute = minute;
    }

    /// Whether one more node can be protected, by sending the least recently
    /// active one back. One that is active in this minute is not sent back, so
    /// the end of the probation list is open only when the whole list is.
    fn make_protected_room(&mut self, minute: i64) -> bool {
        let protected_max = (self.nodes_max - self.coarse_share()) * 4 / 5;
        if self.list(Segment::Protected).len < protected_max {
            return true;
        }
        match self.oldest(Segment::Protected) {
            Some(place) if self.node(place).last_minute < minute => {
                self.unlink(place);
                self.push_oldest(Segment::Probation, place);
                true
            }
            _ => false,
        }
    }

    fn evict_one_of(&mut self, order: &[Segment], minute: i64) -> bool {
        let closed = |place: &u32| self.node(*place).last_minute < minute;
        let Some(place) = order.iter().find_map(|&s| self.oldest(s).filter(closed)) else {
            return false;
        };
        self.remove(place);
        self.evicted += 1;
        true
    }

    fn remove(&mut self, place: u32) {
        self.unlink(place);
        let node = self.node_mut(place);
        let (key, heap) = ((node.app, node.destination), node.heap_bytes());
        node.timeline = Timeline::default();
        node.distinct = SlidingDistinct::default();
        self.grew(heap, 0);
        self.places.remove(&key);
        self.free.push(place);
    }

    fn list(&self, segment: Segment) -> &List {
        &self.lists[segment as usize]
    }

    fn oldest(&self, segment: Segment) -> Option<u32> {
        let place = self.list(segment).oldest;
        (place != NONE).then_some(place)
    }

    fn push_newest(&mut self, segment: Segment, place: u32) {
        let next = self.list(segment).newest;
        self.link(segment, next, place, NONE);
    }

    fn push_oldest(&mut self, segment: Segment, place: u32) {
        let next = self.list(segment).oldest;
        self.link(segment, NONE, place, next);
    }

    fn link(&mut self, segment: Segment, older: u32, place: u32, newer: u32) {
        let node = self.node_mut(place);
        (node.segment, node.older, node.newer) = (segment, older, newer);
        match older {
            NONE => self.lists[segment as usize].oldest = place,
            _ => self.node_mut(older).newer = place,
        }
        match newer {
            NONE => self.lists[segment as usize].newest = place,
            _ => self.node_mut(newer).older = place,
        }
        self.lists[segment as usize].len += 1;
    }

    fn unlink(&mut self, place: u32) {
        let node = self.node(place);
        let (segment, older, newer) = (node.segment, node.older, node.newer);
        match older {
            NONE => self.lists[segment as usize].oldest = newer,
            _ => self.node_mut(older).newer = newer,
        }
        match newer {
            NONE => self.lists[segment as usize].newest = older,
            _ => self.node_mut(newer).older = older,
        }
        self.lists[segment as usize].len -= 1;
    }
}

/// The nodes of each list, the least recently active first: the rest follows.
impl Serialize for Table {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let nodes_of = |list: &List| -> Vec<&Node> {
            let mut next = list.oldest;
            std::iter::from_fn(|| {
                let node = (next != NONE).then(|| self.node(next))?;
                next = node.newer;
                Some(node)
            })
            .collect()
        };
        let lists = self.lists.each_ref().map(nodes_of);
        (self.places.hasher(), self.nodes_max, self.evicted, lists).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Table {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        type Lists = [Vec<Node>; 3];
        let (hasher, nodes_max, evicted, lists): (_, usize, u64, Lists) = Deserialize::deserialize(deserializer)?;
        let mut table = Self::with_hasher(nodes_max, hasher);
        table.evicted = evicted;
        let segments = [Segment::Coarse, Segment::Probation, Segment::Protected];
        for (segment, nodes) in segments.into_iter().zip(lists) {
            for mut node in nodes {
                node.open = NONE;
                let key = (node.app, node.destination);
                table.grew(0, node.heap_bytes());
                let place = table.store(node);
                if table.places.insert(key, place).is_some() {
                    return Err(D::Error::custom("a destination is there twice"));
                }
                table.push_newest(segment, place);
            }
        }
        Ok(table)
    }
}

impl Table {
    /// The place of a node that was active in `minute`, as a snapshot names it.
    pub(super) fn place_in(&self, app: AppIx, destination: Destination, minute: i64) -> Option<u32> {
        let place = *self.places.get(&(app, destination))?;
        (self.node(place).last_minute == minute).then_some(place)
    }

    /// How many nodes were active in `minute`.
    pub(super) fn active_in(&self, minute: i64) -> usize {
        let nodes = self.places.values().map(|&place| self.node(place));
        nodes.filter(|node| node.last_minute == minute).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Prefix, Region};

    fn range(i: u64) -> Destination {
        Destination::range(None, Prefix::from_digits(1_000_000 + i).unwrap(), 0)
    }

    fn country(i: u8) -> Destination {
        let code = [b'A' + i / 26, b'A' + i % 26];
        Destination::country(Region::parse(std::str::from_utf8(&code).unwrap()))
    }

    #[test]
    fn a_returning_range_outlives_a_flood_of_new_ones() {
        let mut table = Table::new(80, 1);
        table.enter(0, range(0), 1);
        table.enter(0, range(0), 2);
        for i in 1..10_000 {
            table.enter(0, range(i), 3 + i as i64 / 10);
        }
        assert!(table.get(0, range(0)).is_some(), "it was active in two minutes");
        assert!(table.len() <= 80);
        assert_eq!(table.evicted(), 10_000 - table.len() as u64);
    }

    #[test]
    fn countries_find_room_when_ranges_fill_the_table_in_one_minute() {
        let mut table = Table::new(80, 1);
        let ranges = (0..500).filter(|&i| table.enter(0, range(i), 1).is_some()).count();
        assert_eq!(ranges, 70);
        for i in 0..10 {
            assert!(table.enter(0, country(i), 1).is_some(), "country {i}");
        }
        assert!(
            table.enter(0, country(10), 1).is_none(),
            "all are open: nothing may be lost"
        );
        assert!(
            table.enter(0, country(10), 2).is_some(),
            "in the next minute it takes a place"
        );
        assert_eq!(table.len(), 80);
    }

    #[test]
    fn what_protection_sends_back_is_the_next_to_go() {
        let mut table = Table::new(8, 1); // seven ranges, five of them protected
        for i in 0..7 {
            table.enter(0, range(i), 1);
        }
        for i in 0..6 {
            table.enter(0, range(i), 2 + i as i64);
        }
        // Range 0 was protected first and least recently; it went back for range 5.
        table.enter(0, range(100), 9);
        assert!(table.get(0, range(0)).is_none());
        assert!((1..6).all(|i| table.get(0, range(i)).is_some()));
    }

    #[test]
    fn idle_nodes_are_freed() {
        let mut table = Table::new(8, 1);
        table.enter(0, range(0), 10);
        table.enter(0, country(0), 11);
        table.tidy(10 + IDLE_MINUTES_MAX);
        assert_eq!(table.len(), 1);
        table.tidy(11 + IDLE_MINUTES_MAX);
        assert_eq!((table.len(), table.evicted()), (0, 0));
        table.enter(0, range(1), 9_000);
        assert_eq!(table.len(), 1);
    }
}
