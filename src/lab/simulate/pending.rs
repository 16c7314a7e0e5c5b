//! What the clockwork keeps: things that wait, and blocks that stand.

use std::collections::BTreeMap;

use crate::model::{E164, Prefix};

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

/// Standing blocks of one tenant: app (`None`: any) and prefix, until when.
#[derive(Clone, Debug, Default)]
pub(super) struct Blocks {
    until: BTreeMap<(Prefix, Option<usize>), i64>,
    lengths: u16,
}

impl Blocks {
    pub(super) fn covers(&self, number: E164, app: usize, now: i64) -> bool {
        (1..=number.len())
            .filter(|len| self.lengths & (1 << len) != 0)
            .any(|len| {
                let prefix = number.prefix(len);
                [None, Some(app)]
                    .iter()
                    .any(|of| self.until.get(&(prefix, *of)).is_some_and(|&until| now < until))
            })
    }

    pub(super) fn insert(&mut self, prefix: Prefix, app: Option<usize>, until: i64) {
        self.until.insert((prefix, app), until);
        self.lengths |= 1 << prefix.len();
    }

    pub(super) fn remove(&mut self, prefix: Prefix, app: Option<usize>) {
        self.until.remove(&(prefix, app));
    }
}
