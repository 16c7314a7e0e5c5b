//! The way of the data on the embedded broker: inputs → router → internal log →
//! detector task → outputs, and what a restart leaves unchanged.
#![allow(missing_docs)]

mod stream_support;

use pumpwatch::model::log::LogRecord;
use pumpwatch::model::log::RecordCounts;
use pumpwatch::stream::Role;
use stream_support::*;

#[test]
fn every_event_reaches_the_log_once_and_the_accounts_balance() {
    let (_broker, settings) = broker();
    let writer = Writer::new(&settings);
    let start = now() - 60_000;
    for id in 0..600u64 {
        let tenant = ["acme", "globex", "initech"][id as usize % 3];
        writer.send((id % 2) as i32, start + id as i64, id, tenant);
        if id % 3 == 0 {
            writer.verify((id % 2) as i32, start + id as i64, id, tenant);
        }
    }
    writer.put(SENDS, 0, start, br#"{"password":"hunter2", this is not JSON"#);
    writer.put(
        SENDS,
        1,
        start,
        format!(r#"{{"type":"sms.send","id":"w","time":{start},"to":"+998901234567","channel":"whatsapp"}}"#)
            .as_bytes(),
    );
    writer.put(SENDS, 1, start, br#"{"type":"sms.send","id":"y","time":1,"to":"12ab"}"#);
    writer.put(
        "sms.pumping.feedback.v1",
        0,
        start,
        format!(
            r#"{{"type":"verdict","id":"1","time":{start},"finding_uid":"u","verdict":"true_positive","by":"me"}}"#
        )
        .as_bytes(),
    );
    writer.put(
        "sms.pumping.feedback.v1",
        0,
        start,
        format!(
            r#"{{"type":"safelist","id":"2","time":{start},"tenant":"acme","app":"*","prefix":"+4477009","op":"put","by":"me"}}"#
        )
        .as_bytes(),
    );
    writer.put("sms.pumping.feedback.v1", 0, start, b"nonsense");
    writer.flush();

    let running = Running::start(&settings, Role::All);
    until("all events are routed", || {
        *running.witness.routed.lock().unwrap() == 800
    });
    running.until("the dead letters are told", |w| {
        w.dead_letters.lock().unwrap().len() == 3
    });
    let witness = running.witness.clone();
    running.stop().unwrap();

    let log = read_log(&settings);
    let once = events_once(&log);
    assert_eq!(once.values().map(Vec::len).sum::<usize>(), 800);
    assert_eq!(events_in(&log), 800, "an undisturbed run writes no event twice");

    // Every partition begins with the same header, then the policy.
    for partition in 0..LOG_PARTITIONS as i32 {
        let mut own = log
            .iter()
            .filter(|(p, ..)| *p == partition)
            .map(|(_, _, record)| record);
        assert!(matches!(own.next(), Some(LogRecord::Header(header)) if header.partitions == LOG_PARTITIONS));
        assert!(matches!(own.next(), Some(LogRecord::Policy(_))));
        // A verdict goes everywhere, a safe-list command to its tenant.
        let verdicts = own.filter(|record| matches!(record, LogRecord::Feedback(f) if f.feedback.tenant().is_none()));
        assert_eq!(verdicts.count(), 1);
    }
    let safelist = log
        .iter()
        .filter(|(_, _, record)| matches!(record, LogRecord::Feedback(f) if f.feedback.tenant().is_some()));
    assert_eq!(safelist.count(), 1);

    // Accounts: what the last tick says of each feed, and what the observer heard.
    let counts = witness.counts.lock().unwrap();
    let of_sends = counts.iter().filter(|(feed, _)| feed.topic == SENDS);
    let sends = of_sends.fold(RecordCounts::default(), |sum, (_, c)| RecordCounts {
        usable: sum.usable + c.usable,
        ignored: sum.ignored + c.ignored,
        dead_lettered: sum.dead_lettered + c.dead_lettered,
    });
    assert_eq!((sends.usable, sends.ignored, sends.dead_lettered), (600, 1, 2));
    let mut last_tick = (0, 0, 0);
    for (partition, _, record) in &log {
        let LogRecord::Tick(tick) = record else { continue };
        assert!(
            tick.feeds
                .iter()
                .all(|feed| feed.feed.topic != settings.topics.feedback)
        );
        if *partition == 0 {
            last_tick = tick.feeds.iter().fold((0, 0, 0), |sum, feed| {
                let c = feed.counts;
                (sum.0 + c.usable, sum.1 + c.ignored, sum.2 + c.dead_lettered)
            });
        }
    }
    assert_eq!(last_tick, (800, 1, 2));

    // Dead letters: exact, with their origin and reason, secrets redacted.
    let letters = read_all(&settings, &settings.topics.dead_letters);
    assert_eq!(letters.len(), 3);
    let broken = letters
        .iter()
        .find(|l| {
            l.header("__connect.errors.exception.class.name") == Some("not_json")
                && l.header("__connect.errors.topic") == Some(SENDS)
        })
        .unwrap();
    assert_eq!(broken.header("__connect.errors.offset"), Some("300"));
    let shown = String::from_utf8(broken.value.clone().unwrap()).unwrap();
    assert!(
        shown.ends_with("this is not JSON") && !shown.contains("hunter2"),
        "{shown}"
    );
}

#[test]
fn ticks_speak_only_of_what_stands_before_them() {
    let (_broker, settings) = broker();
    let writer = Writer::new(&settings);
    let start = now() - 5_000;
    for id in 0..2_000u64 {
        writer.send((id % 2) as i32, start + id as i64, id, "acme");
        writer.verify((id % 2) as i32, start + id as i64, id, "globex");
    }
    writer.flush();
    let running = Running::start(&settings, Role::Router);
    until("all events are routed", || {
        *running.witness.routed.lock().unwrap() == 4_000
    });
    running.stop().unwrap();
    let log = read_log(&settings);
    let mut clocks: std::collections::BTreeMap<(i32, String, i32), i64> = std::collections::BTreeMap::new();
    for (partition, offset, record) in &log {
        match record {
            LogRecord::Tick(tick) => {
                for feed in tick.feeds.iter().filter(|feed| feed.started) {
                    let key = (*partition, feed.feed.topic.to_string(), feed.feed.partition);
                    let clock = clocks.entry(key).or_insert(feed.clock.0);
                    assert!(*clock <= feed.clock.0, "a clock fell in {partition}/{offset}");
                    *clock = feed.clock.0;
                }
            }
            LogRecord::Events(batch) => {
                for event in &batch.events {
                    let feed = &batch.feeds[event.feed as usize];
                    let key = (*partition, feed.topic.to_string(), feed.partition);
                    if let Some(&clock) = clocks.get(&key) {
                        assert!(
                            event.arrival.0 >= clock,
                            "an event arrived before a tick that spoke of it"
                        );
                    }
                    assert!(event.arrival >= event.record_time);
                }
            }
            _ => {}
        }
    }
}

#[test]
fn a_restart_goes_on_where_the_last_run_ended() {
    let (_broker, settings) = broker();
    let writer = Writer::new(&settings);
    let start = now() - 60_000;
    for id in 0..300u64 {
        writer.send((id % 2) as i32, start + id as i64, id, "acme");
    }
    writer.put(SENDS, 0, start, b"broken");
    writer.flush();
    let first = Running::start(&settings, Role::All);
    first.until("the first events are routed", |w| *w.routed.lock().unwrap() == 300);
    first.stop().unwrap();
    let before = read_log(&settings);

    for id in 300..400u64 {
        writer.send((id % 2) as i32, start + id as i64, id, "acme");
    }
    writer.flush();
    let second = Running::start(&settings, Role::All);
    second.until("the new events are routed", |w| *w.routed.lock().unwrap() == 100);
    second.until("all partitions are restored", |w| {
        w.restored.lock().unwrap().len() == LOG_PARTITIONS as usize
    });
    second.stop().unwrap();

    let log = read_log(&settings);
    assert_eq!(events_in(&log), 400, "nothing was routed twice");
    let policies = log.iter().filter(|(_, _, r)| matches!(r, LogRecord::Policy(_))).count();
    assert_eq!(
        policies, LOG_PARTITIONS as usize,
        "an unchanged policy is not published again"
    );
    // The counts went on, and the second owner has the higher generation.
    let ticks = |log: &[(i32, i64, LogRecord)]| {
        log.iter()
            .filter_map(|(_, _, record)| match record {
                LogRecord::Tick(tick) => Some((
                    tick.generation,
                    tick.feeds
                        .iter()
                        .map(|f| f.counts.usable + f.counts.dead_lettered)
                        .sum::<u64>(),
                )),
                _ => None,
            })
            .max()
            .unwrap()
    };
    let ((old_generation, old_counts), (generation, counts)) = (ticks(&before), ticks(&log));
    assert!(generation > old_generation);
    assert_eq!((old_counts, counts), (301, 401));
    assert_eq!(read_all(&settings, &settings.topics.dead_letters).len(), 1);
}
