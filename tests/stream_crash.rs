//! Crashes of the router, on the embedded broker: what was produced but not
//! committed is produced again and counted once; two members share the work.
#![allow(missing_docs)]

mod stream_support;

use std::collections::BTreeMap;

use pumpwatch::model::log::LogRecord;
use pumpwatch::stream::{Role, StreamSettings};
use stream_support::*;

fn history(settings: &StreamSettings, from: u64, to: u64, start: i64) {
    let writer = Writer::new(settings);
    for id in from..to {
        let tenant = ["acme", "globex", "initech"][id as usize % 3];
        writer.send((id % 2) as i32, start + id as i64, id, tenant);
        if id % 50 == 7 {
            writer.put(SENDS, (id % 2) as i32, start + id as i64, b"not an event");
        }
    }
    writer.flush();
}

#[test]
fn what_a_crash_repeats_is_written_twice_and_counted_once() {
    let (_broker, settings) = broker();
    let start = now() - 10 * 60_000;
    history(&settings, 0, 300, start);
    let first = Running::start(&settings, Role::Router);
    first.until("the first part is routed", |w| *w.routed.lock().unwrap() == 300);
    first.stop().unwrap();
    let group = settings.router_group();
    let middle = committed(&settings, &group, SENDS, 2);

    history(&settings, 300, 900, start);
    let second = Running::start(&settings, Role::Router);
    second.until("the second part is routed", |w| *w.routed.lock().unwrap() == 600);
    second.stop().unwrap();
    assert_eq!(events_in(&read_log(&settings)), 900);

    // A member that starts at the commits before the second part: as if the second
    // had been killed before any commit of its own. (The mock broker takes no commit
    // for a group that has members, so a fresh group stands for the old one.)
    let again = StreamSettings {
        group: "again".into(),
        ..settings.clone()
    };
    commit(&again, &again.router_group(), SENDS, &middle);
    history(&settings, 900, 1_000, start);
    let third = Running::start(&again, Role::All);
    third.until("the rest is routed", |w| *w.routed.lock().unwrap() == 700);
    third.until("every event is decided once", |w| {
        let c = w.event_counts();
        (c.counted, c.duplicate, c.late, c.quarantined) == (1_000, 0, 0, 0)
    });
    third.stop().unwrap();

    let log = read_log(&settings);
    assert_eq!(events_in(&log), 1_600, "600 events were written twice");
    let once = events_once(&log);
    assert_eq!(once.values().map(Vec::len).sum::<usize>(), 1_000);
    // In each partition of the log, the events of one source partition are in order.
    for events in once.values() {
        let mut last: BTreeMap<(&str, i32), (i64, u32)> = BTreeMap::new();
        for (topic, partition, offset, index) in events {
            let before = last.insert((topic, *partition), (*offset, *index));
            assert!(before < Some((*offset, *index)));
        }
    }
    // The counts are those of one undisturbed reader: they came with the commit.
    let counts = log.iter().rev().find_map(|(_, _, record)| match record {
        LogRecord::Tick(tick) => Some(tick.feeds.iter().fold((0, 0), |sum, feed| {
            (sum.0 + feed.counts.usable, sum.1 + feed.counts.dead_lettered)
        })),
        _ => None,
    });
    assert_eq!(counts, Some((1_000, 20)));
    // Dead letters are at least once: each refused record is there.
    let letters = read_all(&settings, &settings.topics.dead_letters);
    let mut places: Vec<_> = letters
        .iter()
        .map(|letter| {
            let header = |name: &str| letter.header(name).unwrap().to_string();
            (header("__connect.errors.partition"), header("__connect.errors.offset"))
        })
        .collect();
    places.sort();
    places.dedup();
    assert_eq!(places.len(), 20);
}

#[test]
fn two_members_share_the_feeds_and_a_departure_loses_nothing() {
    let (_broker, settings) = broker();
    let start = now() - 10 * 60_000;
    let first = Running::start(&settings, Role::Router);
    let second = Running::start(&settings, Role::Router);
    let owned = |running: &Running| {
        running
            .witness
            .assigned
            .lock()
            .unwrap()
            .get("router")
            .copied()
            .unwrap_or(0)
    };
    // Three inputs of two partitions, and feedback.
    first.until("the feeds are shared", |_| {
        owned(&first) + owned(&second) == 7 && owned(&first) > 0 && owned(&second) > 0
    });
    history(&settings, 0, 400, start);
    let routed = |running: &Running| *running.witness.routed.lock().unwrap();
    first.until("both have routed everything", |_| {
        routed(&first) + routed(&second) == 400
    });
    second.stop().unwrap();
    first.until("the other takes over", |_| owned(&first) == 7);
    let before = routed(&first);
    history(&settings, 400, 600, start);
    first.until("the rest is routed", |_| routed(&first) - before == 200);
    first.stop().unwrap();

    let log = read_log(&settings);
    assert_eq!(events_in(&log), 600, "an orderly hand-over repeats nothing");
    assert_eq!(events_once(&log).values().map(Vec::len).sum::<usize>(), 600);
    // Members that started at the same moment agreed on one header.
    let headers: Vec<_> = log
        .iter()
        .filter(|(_, offset, _)| *offset == 0)
        .map(|(_, _, record)| record)
        .collect();
    assert_eq!(headers.len(), LOG_PARTITIONS as usize);
    assert!(headers.iter().all(|header| **header == *headers[0]));
    // Of one feed, ticks of a later owner bear a higher generation.
    let mut newest: BTreeMap<(i32, String, i32), (i32, String)> = BTreeMap::new();
    for (partition, _, record) in &log {
        let LogRecord::Tick(tick) = record else { continue };
        for feed in &tick.feeds {
            let key = (*partition, feed.feed.topic.to_string(), feed.feed.partition);
            let now = (tick.generation, tick.member.to_string());
            if let Some((generation, member)) = newest.insert(key, now.clone()) {
                assert!(
                    now.0 > generation || (now.0 == generation && now.1 == member),
                    "{member} and {now:?}"
                );
            }
        }
    }
}

#[test]
fn a_topic_that_is_missing_and_a_log_of_another_size_are_refused_with_a_sentence() {
    let (_broker, settings) = broker();
    let mut missing = settings.clone();
    missing.inputs[0].topic = "no.such.topic".into();
    let error = Running::start(&missing, Role::All).ended().unwrap_err();
    assert_eq!(error.exit_code(), 64);
    assert!(
        error
            .to_string()
            .starts_with("input topic `no.such.topic` does not exist"),
        "{error}"
    );

    let mut unreachable = settings.clone();
    unreachable.brokers = "127.0.0.1:1".into();
    unreachable.pace.connect = std::time::Duration::from_secs(2);
    let error = Running::start(&unreachable, Role::All).ended().unwrap_err();
    assert_eq!(error.exit_code(), 69);
    assert!(error.to_string().contains("check `kafka.brokers`"), "{error}");

    let mut wrong = settings.clone();
    wrong.properties.push(("no.such.property".into(), "1".into()));
    let error = Running::start(&wrong, Role::All).ended().unwrap_err();
    assert!(error.to_string().contains("no.such.property"), "{error}");

    // Offsets that were committed for another log.
    let running = Running::start(&settings, Role::Router);
    history(&settings, 0, 10, now());
    running.until("something is routed", |w| *w.routed.lock().unwrap() == 10);
    running.stop().unwrap();
    let positions: Vec<_> = committed(&settings, &settings.router_group(), SENDS, 2);
    let (_other_broker, mut other) = broker();
    other.group = "moved".into();
    history(&other, 0, 10, now());
    commit(&other, &other.router_group(), SENDS, &positions);
    let error = Running::start(&other, Role::Router).ended().unwrap_err();
    assert!(error.to_string().contains("belong to another internal log"), "{error}");
}

#[test]
fn a_log_that_cannot_be_folded_ends_the_process_with_a_sentence() {
    let unreadable_policy = LogRecord::Policy(pumpwatch::model::log::PolicyRecord {
        canonical: "{}".into(),
        config_hash: "other".into(),
        ..settings().policy
    });
    for (record, sentence) in [
        (b"{}".to_vec(), "this is not a record of the internal log"),
        (
            unreadable_policy.encode(),
            "the detector panicked: the policy at offset",
        ),
    ] {
        let (_broker, settings) = broker();
        let running = Running::start(&settings, Role::All);
        running.until("the log is begun and owned", |w| {
            w.assigned.lock().unwrap().get("detector") == Some(&(LOG_PARTITIONS as usize))
        });
        let writer = Writer::new(&settings);
        writer.put(&settings.topics.events, 1, now(), &record);
        writer.flush();
        let begun = std::time::Instant::now();
        let error = running.ended().unwrap_err();
        assert!(error.to_string().contains(sentence), "{error}");
        assert!(begun.elapsed().as_secs() < 10, "the error is heard at once");
    }
}
