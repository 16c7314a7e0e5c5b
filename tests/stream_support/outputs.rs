//! What a service has published, and what a fold of its log says.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use pumpwatch::render;
use pumpwatch::stream::{ReplayOptions, ReplaySink, Role, Said, StreamSettings, replay_log};

use super::{Running, read_all};

/// Every record of the outputs under its origin: topic, key and value.
pub type Published = BTreeMap<(String, String), (Option<Vec<u8>>, Option<Vec<u8>>)>;

pub fn published(settings: &StreamSettings) -> Published {
    let topics = &settings.topics;
    let mut all = Published::new();
    for topic in [&topics.alerts, &topics.blocklist, &topics.stats, &topics.audit] {
        for seen in read_all(settings, topic) {
            let origin = seen.header("pumpwatch-origin").unwrap().to_string();
            let record = (seen.key, seen.value);
            if let Some(before) = all.insert((topic.clone(), origin), record.clone()) {
                assert_eq!(before, record, "published twice under one origin, with other bytes");
            }
        }
    }
    all
}

/// Keeps what a replay says.
pub struct Collect<'a>(&'a StreamSettings, pub Published);

impl<'a> Collect<'a> {
    pub fn new(settings: &'a StreamSettings) -> Self {
        Self(settings, Published::new())
    }
}

impl ReplaySink for Collect<'_> {
    fn said(&mut self, said: Said) -> std::io::Result<()> {
        let record = render::effect(&said.effect);
        let topic = self.0.output_topic(record.topic).to_string();
        let origin = format!("{}/{}/{}", said.partition, said.offset, said.index);
        self.1.insert((topic, origin), (record.key, record.value));
        Ok(())
    }
}

/// What a fold of the whole log says.
pub fn replayed(settings: &StreamSettings) -> Published {
    let mut collect = Collect::new(settings);
    replay_log(settings, &ReplayOptions::default(), &mut collect).unwrap();
    collect.1
}

/// Lets a detector alone read the log to its end: a service that is stopped may have
/// ticks in its log that it has not read itself. Nothing is added to the log
/// meanwhile, so all that a fold of it says must come out, and nothing else.
pub fn publish_the_rest(settings: &StreamSettings) -> Published {
    let said = replayed(settings);
    let detector = Running::start(settings, Role::Detector);
    let mut live = published(settings);
    let deadline = Instant::now() + Duration::from_secs(60);
    while live.len() < said.len() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(500));
        live = published(settings);
    }
    detector.stop().unwrap();
    let differing: Vec<_> = live
        .iter()
        .filter(|(place, record)| said.get(*place) != Some(record))
        .map(|(place, _)| place)
        .collect();
    assert!(
        differing.is_empty(),
        "published, but not or not so by a fold of the log: {differing:?}"
    );
    let unsaid: Vec<_> = said.keys().filter(|place| !live.contains_key(*place)).collect();
    assert!(
        unsaid.is_empty(),
        "said by a fold of the log and never published: {unsaid:?}"
    );
    live
}
