//! Where an attack comes from, as far as two can be compared by it.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::detector::trie::Source;

/// Apps and sources that are remembered of one attack, the latest.
const APPS_MAX: usize = 8;
const SOURCES_MAX: usize = 64;

/// The latest apps that an attack uses, and the latest networks, autonomous systems and
/// devices from which it does.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Sketch {
    apps: VecDeque<u32>,
    sources: VecDeque<Source>,
}

impl Sketch {
    /// One attempt of the attack.
    pub(crate) fn note(&mut self, app: u32, sources: impl Iterator<Item = Source>) {
        keep(&mut self.apps, app, APPS_MAX);
        for source in sources {
            keep(&mut self.sources, source, SOURCES_MAX);
        }
    }

    /// Whether both use one app.
    pub(crate) fn shares_app(&self, other: &Self) -> bool {
        self.apps.iter().any(|app| other.apps.contains(app))
    }

    /// Whether both come from one network, autonomous system or device.
    pub(crate) fn shares_source(&self, other: &Self) -> bool {
        self.sources.iter().any(|source| other.sources.contains(source))
    }
}

fn keep<T: PartialEq>(latest: &mut VecDeque<T>, item: T, max: usize) {
    if latest.contains(&item) {
        return;
    }
    if latest.len() >= max {
        latest.pop_front();
    }
    latest.push_back(item);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_knows_the_latest_sources_and_no_more() {
        let (mut old, mut new) = (Sketch::default(), Sketch::default());
        for asn in 0..200 {
            old.note(1, [Source::Asn(asn), Source::Network(7)].into_iter());
        }
        assert!(!old.shares_app(&new) && !old.shares_source(&new));
        new.note(1, [Source::Asn(0)].into_iter());
        assert!(old.shares_app(&new) && !old.shares_source(&new), "long ago");
        new.note(2, [Source::Asn(199)].into_iter());
        assert!(old.shares_source(&new));
        assert_eq!(old.sources.len(), SOURCES_MAX);
    }
}
