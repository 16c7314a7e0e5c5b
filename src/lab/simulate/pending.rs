//! What the clockwork keeps: things that wait, and blocks that stand.

use std::collections::BTreeMap;

use super::draw::{hash, unit};
use super::talk::Talk;
use crate::model::Prefix;

/// Things kept at a place until they are taken; places are used again.
#[derive(Clone, Debug)]
pub(super) struct Shelf<T> {
    places: Vec<Option<T>>,
    free: Vec<u32>,
}

impl<T> Shelf<T> {
    pub(super) fn new() -> Self {
        Self {
            places: Vec::new(),
            free: Vec::new(),
        }
    }

    pub(super) fn put(&mut self, thing: T) -> u32 {
        if let Some(place) = self.free.pop() {
            self.places[place as usize] = Some(thing);
            place
        } else {
            self.places.push(Some(thing));
            self.places.len() as u32 - 1
        }
    }

    pub(super) fn take(&mut self, place: u32) -> Option<T> {
        let thing = self.places[place as usize].take();
        if thing.is_some() {
            self.free.push(place);
        }
        thing
    }
}

/// Standing blocks of one tenant: app (`None`: any) and prefix, until when, and
/// the share that is let through.
#[derive(Clone, Debug, Default)]
pub(super) struct Blocks {
    standing: BTreeMap<(Prefix, Option<usize>), (i64, f64)>,
    lengths: u16,
}

impl Blocks {
    /// Whether the next message of an attempt is stopped.
    pub(super) fn stops(&self, talk: &Talk, now: i64) -> bool {
        let luck = unit(hash(&[talk.session, 77, talk.next_round as u64]));
        (1..=talk.number.len())
            .filter(|len| self.lengths & (1 << len) != 0)
            .any(|len| {
                let prefix = talk.number.prefix(len);
                [None, Some(talk.app)].iter().any(|of| {
                    let found = self.standing.get(&(prefix, *of));
                    found.is_some_and(|&(until, allowed)| now < until && luck >= allowed)
                })
            })
    }

    pub(super) fn insert(&mut self, prefix: Prefix, app: Option<usize>, standing: (i64, f64)) {
        self.standing.insert((prefix, app), standing);
        self.lengths |= 1 << prefix.len();
    }

    pub(super) fn remove(&mut self, prefix: Prefix, app: Option<usize>) {
        self.standing.remove(&(prefix, app));
    }
}
