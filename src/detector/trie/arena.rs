//! The nodes themselves, under a hard cap.
//!
//! *Admission* is that of hierarchical heavy hitters (Cormode, Korn, Muthukrishnan and
//! Srivastava, 2003; Mitzenmacher, Steinke and Thaler, 2012): with room for m nodes a
//! range is opened below a heavy one only, and heavy is what has more than its part N/m
//! of the N visits that are remembered. While there is room that is every range; once
//! there is none it is one that was visited before, so that a flood of distinct
//! destinations opens one node each and not five. (Below a suspected region the caller
//! opens all of them.)
//!
//! *Eviction* is segmented LRU (Karedla, Love and Wherry, 1994): what was seen twice, is
//! lived in or holds evidence is protected; what was seen once goes first, and after it
//! what was protected and not seen for longest, once that fills its share of the room.

use std::collections::HashMap;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Place;
use crate::detector::baseline::History;
use crate::detector::evidence::Evidence;

const NONE: u32 = u32::MAX;
/// Part of the room that is never protected, so that no place is kept for ever for what it
/// once was while new ones displace each other.
const PROBATION_PART: usize = 5;

/// One place with what is normal there and what speaks against it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Node {
    pub(crate) place: Place,
    pub(crate) history: History,
    pub(crate) evidence: Option<Box<Evidence>>,
    #[serde(skip)]
    prev: u32,
    #[serde(skip)]
    next: u32,
    #[serde(skip)]
    segment: Segment,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Segment {
    #[default]
    Probation,
    Protected,
}

/// A doubly linked list through the arena, least recently touched first.
#[derive(Debug)]
struct List {
    head: u32,
    tail: u32,
    len: usize,
}

impl Default for List {
    fn default() -> Self {
        Self {
            head: NONE,
            tail: NONE,
            len: 0,
        }
    }
}

/// The bounded set of nodes.
#[derive(Debug)]
pub(crate) struct Trie {
    nodes: Vec<Node>,
    index: HashMap<Place, u32, crate::detector::Keyed>,
    probation: List,
    protected: List,
    nodes_max: usize,
    evictions: u64,
}

impl Trie {
    /// An empty trie of at most `nodes_max` nodes.
    pub(crate) fn new(nodes_max: usize, hasher: crate::detector::Keyed) -> Self {
        Self {
            nodes: Vec::new(),
            index: HashMap::with_hasher(hasher),
            probation: List::default(),
            protected: List::default(),
            nodes_max: nodes_max.max(64),
            evictions: 0,
        }
    }

    /// Another cap; nodes beyond it go as new ones come.
    pub(crate) fn set_cap(&mut self, nodes_max: usize) {
        self.nodes_max = nodes_max.max(64);
    }

    /// The node at `place`, without touching it.
    pub(crate) fn get(&self, place: Place) -> Option<&Node> {
        self.index.get(&place).map(|&id| &self.nodes[id as usize])
    }

    /// The node at `place`, without touching it.
    pub(crate) fn get_mut(&mut self, place: Place) -> Option<&mut Node> {
        self.index.get(&place).map(|&id| &mut self.nodes[id as usize])
    }

    /// What is known against `place`, if it is kept.
    pub(crate) fn evidence(&self, place: Place) -> Option<&Evidence> {
        self.get(place)?.evidence.as_deref()
    }

    /// What is known against `place`, if it is kept.
    pub(crate) fn evidence_mut(&mut self, place: Place) -> Option<&mut Evidence> {
        self.get_mut(place)?.evidence.as_deref_mut()
    }

    /// The node at `place`, made when absent; it becomes the most recently touched.
    pub(crate) fn touch(&mut self, place: Place) -> &mut Node {
        self.touch_known(place).1
    }

    /// The same, and whether the node was there before.
    pub(crate) fn touch_known(&mut self, place: Place) -> (bool, &mut Node) {
        let known = self.index.get(&place).copied();
        let id = match known {
            Some(id) => {
                self.unlink(id);
                id
            }
            None => self.create(place),
        };
        let segment = if self.nodes[id as usize].has_standing() {
            Segment::Protected
        } else {
            Segment::Probation
        };
        self.link_last(id, segment);
        if self.protected.len > self.nodes_max - self.nodes_max / PROBATION_PART {
            let longest_ago = self.protected.head;
            self.unlink(longest_ago);
            self.link_last(longest_ago, Segment::Probation);
        }
        (known.is_some(), &mut self.nodes[id as usize])
    }

    /// Whether a place may be opened: it is there, there is room, or the place around it
    /// was visited before.
    pub(crate) fn admits(&self, place: Place, around: Option<Place>) -> bool {
        self.nodes.len() < self.nodes_max
            || self.index.contains_key(&place)
            || around.is_none_or(|around| {
                self.get(around).is_some_and(|node| {
                    node.history.attempts() > 0.0 || node.evidence.as_ref().is_some_and(|e| e.visits > 0.0)
                })
            })
    }

    /// How many nodes there are.
    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// How many nodes were given up for want of room.
    pub(crate) fn evictions(&self) -> u64 {
        self.evictions
    }

    fn create(&mut self, place: Place) -> u32 {
        let node = Node {
            place,
            history: History::default(),
            evidence: None,
            prev: NONE,
            next: NONE,
            segment: Segment::Probation,
        };
        let id = if self.nodes.len() < self.nodes_max {
            self.nodes.push(node);
            (self.nodes.len() - 1) as u32
        } else {
            let id = self.evict();
            self.nodes[id as usize] = node;
            id
        };
        self.index.insert(place, id);
        id
    }

    /// Gives up the least recently touched node, of the probationary segment
    /// while there is one; roots and regions are few and never go.
    fn evict(&mut self) -> u32 {
        self.evictions += 1;
        loop {
            let id = if self.probation.head == NONE {
                self.protected.head
            } else {
                self.probation.head
            };
            self.unlink(id);
            if matches!(self.nodes[id as usize].place, Place::Range(..) | Place::Source(..)) {
                self.index.remove(&self.nodes[id as usize].place);
                return id;
            }
            self.link_last(id, Segment::Protected);
        }
    }

    fn list(&mut self, segment: Segment) -> &mut List {
        match segment {
            Segment::Probation => &mut self.probation,
            Segment::Protected => &mut self.protected,
        }
    }

    fn unlink(&mut self, id: u32) {
        let (prev, next, segment) = {
            let node = &self.nodes[id as usize];
            (node.prev, node.next, node.segment)
        };
        match prev {
            NONE => self.list(segment).head = next,
            p => self.nodes[p as usize].next = next,
        }
        match next {
            NONE => self.list(segment).tail = prev,
            n => self.nodes[n as usize].prev = prev,
        }
        self.list(segment).len -= 1;
    }

    fn link_last(&mut self, id: u32, segment: Segment) {
        let tail = self.list(segment).tail;
        {
            let node = &mut self.nodes[id as usize];
            node.prev = tail;
            node.next = NONE;
            node.segment = segment;
        }
        match tail {
            NONE => self.list(segment).head = id,
            t => self.nodes[t as usize].next = id,
        }
        let list = self.list(segment);
        list.tail = id;
        list.len += 1;
    }
}

/// The nodes of each list in its order: where they lie in the arena, the links
/// and the index follow from that.
impl Serialize for Trie {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let nodes_of = |list: &List| -> Vec<&Node> {
            let mut next = list.head;
            std::iter::from_fn(|| {
                let node = self.nodes.get(next as usize)?;
                next = node.next;
                Some(node)
            })
            .collect()
        };
        let lists = (nodes_of(&self.probation), nodes_of(&self.protected));
        (self.index.hasher(), self.nodes_max, self.evictions, lists).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Trie {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        type Lists = (Vec<Node>, Vec<Node>);
        let (hasher, nodes_max, evictions, lists): (_, usize, u64, Lists) = Deserialize::deserialize(deserializer)?;
        let mut trie = Self::new(nodes_max, hasher);
        trie.evictions = evictions;
        for (segment, nodes) in [(Segment::Probation, lists.0), (Segment::Protected, lists.1)] {
            for node in nodes {
                let id = trie.nodes.len() as u32;
                if trie.index.insert(node.place, id).is_some() {
                    return Err(D::Error::custom("a place is there twice"));
                }
                trie.nodes.push(node);
                trie.link_last(id, segment);
            }
        }
        Ok(trie)
    }
}

impl Node {
    /// Whether the node is worth more than a destination seen once or twice.
    fn has_standing(&self) -> bool {
        self.history.attempts() >= 2.0 || self.evidence.as_ref().is_some_and(|e| e.has_standing())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detector::trie::Source;
    use crate::model::Prefix;

    fn place(n: u64) -> Place {
        Place::Range(0, Prefix::from_digits(1_000_000 + n).unwrap(), 10)
    }

    #[test]
    fn a_flood_evicts_neither_history_nor_what_was_touched_last() {
        let mut trie = Trie::new(100, crate::detector::Keyed::with_seeds(1, 2, 3, 4));
        trie.touch(place(0))
            .history
            .learn(5.0, 0.0, 0.0, crate::model::Millis(0), 1e12);
        trie.touch(place(0));
        for n in 1..10_000 {
            trie.touch(place(n));
        }
        assert_eq!(trie.len(), 100);
        assert_eq!(trie.evictions(), 9_900);
        assert!(trie.get(place(0)).is_some());
        assert!(trie.get(place(9_999)).is_some());
        assert!(trie.get(place(1)).is_none());
        assert_eq!(trie.probation.len + trie.protected.len, trie.len());
    }

    #[test]
    fn once_full_ranges_open_below_heavy_ones_only() {
        let mut trie = Trie::new(64, crate::detector::Keyed::with_seeds(1, 2, 3, 4));
        assert!(trie.admits(place(1), Some(place(2))), "there is room");
        for n in 0..64 {
            trie.touch(place(n));
        }
        assert!(
            trie.admits(place(3), None) && trie.admits(place(1_000), None),
            "known, or the widest"
        );
        assert!(!trie.admits(place(1_000), Some(place(3))), "seen once");
        let mut evidence = Evidence::new(crate::model::Millis(0));
        evidence.visits = 1.0;
        trie.touch(place(3)).evidence = Some(Box::new(evidence));
        assert!(trie.admits(place(1_000), Some(place(3))), "seen again");
    }

    #[test]
    fn what_was_protected_long_ago_makes_room_in_the_end() {
        let mut trie = Trie::new(100, crate::detector::Keyed::with_seeds(1, 2, 3, 4));
        for n in 0..1_000 {
            let mut evidence = Evidence::new(crate::model::Millis(0));
            evidence.counters.attempts = 3.0;
            trie.touch(place(n)).evidence = Some(Box::new(evidence));
            trie.touch(place(n));
            assert!(trie.protected.len <= 80, "{}", trie.protected.len);
        }
        assert!((0..500).all(|n| trie.get(place(n)).is_none()), "long ago");
        assert!((950..1_000).all(|n| trie.get(place(n)).is_some()), "lately");
    }

    #[test]
    fn a_flood_evicts_no_place_whose_attempts_are_forgotten_but_whose_evidence_is_not() {
        let mut trie = Trie::new(100, crate::detector::Keyed::with_seeds(1, 2, 3, 4));
        for n in 0..50 {
            let mut evidence = Evidence::new(crate::model::Millis(0));
            for _ in 0..6 {
                let ratios = crate::detector::evidence::Ratios {
                    novelty: 2.0,
                    ..Default::default()
                };
                evidence.visit(crate::model::Millis(0), &ratios, &crate::detector::Tuning::default());
            }
            assert_eq!(evidence.counters.attempts, 0.0);
            trie.touch(place(n)).evidence = Some(Box::new(evidence));
            trie.touch(place(n));
        }
        for n in 1_000..10_000 {
            trie.touch(place(n));
        }
        assert!((0..50).all(|n| trie.evidence(place(n)).is_some()));
    }

    #[test]
    fn a_flood_of_sources_evicts_none_that_holds_evidence() {
        let mut trie = Trie::new(100, crate::detector::Keyed::with_seeds(1, 2, 3, 4));
        let network = |n: u64| Place::Source(0, Source::Network(n));
        for n in 0..50 {
            let mut evidence = Evidence::new(crate::model::Millis(0));
            evidence.counters.attempts = 3.0;
            trie.touch(network(n)).evidence = Some(Box::new(evidence));
            trie.touch(network(n));
        }
        for n in 1_000..10_000 {
            let (known, _) = trie.touch_known(network(n));
            assert!(!known);
        }
        assert_eq!(trie.len(), 100);
        assert!((0..50).all(|n| trie.evidence(network(n)).is_some()));
    }
}
