//! What the embedded broker cannot show, on a real one: topic settings, records of
//! transactions, a mixed load with a restart in its middle. Run with
//! `PUMPWATCH_TEST_BROKERS=host:port cargo test --test stream_kafka -- --ignored`.
#![allow(missing_docs)]

mod stream_support;

use std::time::Duration;

use pumpwatch::model::log::LogRecord;
use pumpwatch::stream::check::{Gravity, check};
use pumpwatch::stream::outputs::{Creation, create, describe, wanted};
use pumpwatch::stream::{ReplayOptions, ReplaySink, Role, Said, StreamSettings, replay_log};
use rdkafka::config::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use stream_support::*;

fn made(name: &str) -> StreamSettings {
    let settings = real(name);
    create(&settings, &wanted(&settings, LOG_PARTITIONS, true), None).unwrap();
    settings
}

#[test]
#[ignore = "needs a real broker"]
fn topics_are_made_as_they_must_be_and_never_changed() {
    let settings = real("topics");
    let before = check(&settings);
    assert!(
        before
            .iter()
            .any(|c| c.gravity == Gravity::Failure && c.sentence.contains("topics create"))
    );
    let specs = wanted(&settings, LOG_PARTITIONS, true);
    let created = create(&settings, &specs, None).unwrap();
    assert!(created.iter().all(|(_, creation)| *creation == Creation::Created));
    let again = create(&settings, &specs, None).unwrap();
    assert!(again.iter().all(|(_, creation)| *creation == Creation::Existed));
    let reports = describe(&settings, &specs).unwrap();
    assert!(
        reports.iter().all(|report| report.differences.is_empty()),
        "{reports:?}"
    );
    let after = check(&settings);
    assert!(after.iter().all(|c| c.gravity != Gravity::Failure), "{after:?}");

    // The alerts topic is no compacted one: said, not changed.
    let mut wrong = specs[2].clone();
    wrong.name.clone_from(&specs[1].name);
    let report = &describe(&settings, &[wrong]).unwrap()[0];
    assert!(
        report.differences[0].contains("must have cleanup.policy=compact"),
        "{report:?}"
    );
}

#[test]
#[ignore = "needs a real broker"]
fn markers_and_aborted_records_hold_no_time_back() {
    let settings = made("markers");
    let sends = settings.inputs[0].topic.clone();
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &settings.brokers);
    config.set("transactional.id", format!("{}-writer", settings.group));
    let producer: BaseProducer = config.create().unwrap();
    let wait = Duration::from_secs(20);
    producer.init_transactions(wait).unwrap();
    let put = |id: u64| {
        let time = now();
        let value = format!(r#"{{"type":"sms.send","id":"{id}","time":{time},"to":"+998901234567"}}"#);
        let record: BaseRecord<'_, (), [u8]> = BaseRecord::to(&sends).partition(0).payload(value.as_bytes());
        producer.send(record).unwrap();
    };
    let running = Running::start(&settings, Role::All);
    for id in 0..10 {
        producer.begin_transaction().unwrap();
        put(id);
        if id % 2 == 0 {
            producer.commit_transaction(wait).unwrap();
        } else {
            producer.flush(wait).unwrap();
            producer.abort_transaction(wait).unwrap();
        }
    }
    // The last thing in the partition is an abort marker, behind an aborted record.
    running.until("the committed events are routed", |w| *w.routed.lock().unwrap() == 5);
    running.until("log time has passed them", |w| w.event_counts().counted == 5);
    running.stop().unwrap();
    let log = read_log(&settings);
    assert_eq!(events_in(&log), 5);
    let last = log.iter().rev().find_map(|(_, _, record)| match record {
        LogRecord::Tick(tick) => tick
            .feeds
            .iter()
            .find(|f| f.feed.topic == sends && f.feed.partition == 0)
            .cloned(),
        _ => None,
    });
    assert!(
        now() - last.unwrap().clock.0 < 30_000,
        "the clock follows the wall behind a marker"
    );
}

/// Two members share the feeds and the log; one leaves; the other goes on.
fn shared(settings: &StreamSettings) {
    let first = Running::start(settings, Role::All);
    let second = Running::start(settings, Role::All);
    let owned = |r: &Running, half: &str| r.witness.assigned.lock().unwrap().get(half).copied().unwrap_or(0);
    let feeds = settings.inputs.len() * LOG_PARTITIONS as usize + 1;
    for (half, all) in [("router", feeds), ("detector", LOG_PARTITIONS as usize)] {
        first.until("the work is shared", |_| {
            let (a, b) = (owned(&first, half), owned(&second, half));
            a + b == all && a > 0 && b > 0
        });
    }
    let writer = Writer::new(settings);
    let sends = &settings.inputs[0].topic;
    let send = |from: u64, to: u64| {
        for id in from..to {
            let (time, tenant) = (now(), ["acme", "globex", "initech", "umbrella"][id as usize % 4]);
            let value =
                format!(r#"{{"type":"sms.send","id":"{id}","time":{time},"to":"+99890{id:07}","tenant":"{tenant}"}}"#);
            writer.put(sends, (id % 3) as i32, time, value.as_bytes());
        }
        writer.flush();
    };
    let routed = |r: &Running| *r.witness.routed.lock().unwrap();
    send(0, 3_000);
    first.until("everything is routed", |_| routed(&first) + routed(&second) == 3_000);
    send(3_000, 4_000);
    second.stop().unwrap();
    send(4_000, 5_000);
    first.until("the other has taken over", |w| w.event_counts().counted == 5_000);
    first.stop().unwrap();
    assert_eq!(
        events_in(&read_log(settings)),
        5_000,
        "an orderly hand-over repeats nothing"
    );
}

#[test]
#[ignore = "needs a real broker"]
fn members_share_the_work_under_the_classic_protocol() {
    shared(&made("classic"));
}

#[test]
#[ignore = "needs a real broker"]
fn members_share_the_work_under_kip_848() {
    let mut settings = made("kip848");
    settings.properties.push(("group.protocol".into(), "consumer".into()));
    shared(&settings);
}

#[derive(Default)]
struct Count(u64);

impl ReplaySink for Count {
    fn said(&mut self, _: Said) -> std::io::Result<()> {
        self.0 += 1;
        Ok(())
    }
}

#[test]
#[ignore = "needs a real broker"]
fn a_load_with_a_restart_in_its_middle_is_counted_once() {
    let settings = made("load");
    let writer = Writer::new(&settings);
    let (sends, verifications) = (&settings.inputs[0].topic, &settings.inputs[1].topic);
    let start = now() - 3_600_000;
    let total = 100_000u64;
    let line = |kind: &str, id: u64, more: &str| {
        let (time, tenant) = (start + id as i64 * 20, ["acme", "globex", "initech"][id as usize % 3]);
        format!(r#"{{"type":"{kind}","id":"{id}","time":{time},"to":"+99890{id:07}","tenant":"{tenant}"{more}}}"#)
    };
    for id in 0..total {
        let (partition, time) = ((id % 3) as i32, start + id as i64 * 20);
        writer.put(sends, partition, time, line("sms.send", id, "").as_bytes());
        if id % 2 == 0 {
            let verification = line("sms.verification", id, r#","outcome":"approved""#);
            writer.put(verifications, partition, time, verification.as_bytes());
        }
    }
    writer.flush();
    let all = total + total / 2;
    let begun = std::time::Instant::now();
    let first = Running::start(&settings, Role::All);
    first.until("a part is routed", |w| *w.routed.lock().unwrap() > all / 4);
    first.stop().unwrap();
    let second = Running::start(&settings, Role::All);
    second.until("every event is decided", |w| {
        let c = w.event_counts();
        c.counted + c.duplicate + c.late + c.quarantined == all
    });
    println!(
        "{all} events through router and detector, with a restart, in {:?}",
        begun.elapsed()
    );
    let counts = second.witness.event_counts();
    assert_eq!((counts.counted, counts.duplicate), (all, 0));
    second.stop().unwrap();
    let log = read_log(&settings);
    assert_eq!(events_in(&log) as u64, all);
    let mut count = Count::default();
    let summary = replay_log(&settings, &ReplayOptions::default(), &mut count).unwrap();
    assert_eq!((summary.records.usable, summary.events.counted), (all, all));
}

/// A member as a process of its own, that can be killed and stopped.
struct Member(std::process::Child);

impl Member {
    fn start(config: &std::path::Path) -> Self {
        let child = std::process::Command::new(env!("CARGO_BIN_EXE_pumpwatch"))
            .args(["run", "--config"])
            .arg(config)
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        Self(child)
    }

    fn signal(&self, name: &str) {
        let status = std::process::Command::new("kill")
            .args([&format!("-{name}"), &self.0.id().to_string()])
            .status()
            .unwrap();
        assert!(status.success());
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn config_file(settings: &StreamSettings, folder: &std::path::Path) -> std::path::PathBuf {
    let t = &settings.topics;
    let inputs: Vec<String> = settings
        .inputs
        .iter()
        .map(|i| format!("  - {{topic: {}}}\n", i.topic))
        .collect();
    let text = format!(
        "kafka: {{brokers: '{}', group: {}, properties: {{session.timeout.ms: 6000, heartbeat.interval.ms: 500}}}}\n\
         topics: {{events: {}, snapshots: {}.snapshots, alerts: {}, blocklist: {}, stats: {}, dead_letters: {}, audit: {}, feedback: {}}}\n\
         http: {{listen: '127.0.0.1:0'}}\n\
         inputs:\n{}",
        settings.brokers,
        settings.group,
        t.events,
        settings.group,
        t.alerts,
        t.blocklist,
        t.stats,
        t.dead_letters,
        t.audit,
        t.feedback,
        inputs.concat()
    );
    let path = folder.join("pumpwatch.yaml");
    std::fs::write(&path, text).unwrap();
    path
}

#[test]
#[ignore = "needs a real broker"]
fn members_that_are_killed_or_stopped_lose_nothing_and_say_nothing_else() {
    let settings = made("killed");
    let folder = tempfile::tempdir().unwrap();
    let config = config_file(&settings, folder.path());
    let rounds: u64 = std::env::var("PUMPWATCH_TEST_KILLS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(8);
    let (sends, verifications) = (settings.inputs[0].topic.clone(), settings.inputs[1].topic.clone());
    let writer = Writer::new(&settings);
    let mut id = 0u64;
    let mut random = now() as u64 | 1;
    println!("seed {random}");
    let mut some = |limit: u64| {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % limit
    };
    let mut other = Member::start(&config);
    for round in 0..rounds {
        let member = Member::start(&config);
        // The group forms within some seconds; the end comes anywhere in or after that.
        let until = now() + 1_500 + some(5_000) as i64;
        while now() < until {
            for _ in 0..200 {
                let (time, tenant) = (now(), ["acme", "globex", "initech", "umbrella"][id as usize % 4]);
                let line = |kind: &str, more: &str| {
                    format!(
                        r#"{{"type":"{kind}","id":"{id}","time":{time},"to":"+99890{id:07}","tenant":"{tenant}"{more}}}"#
                    )
                };
                writer.put(&sends, (id % 3) as i32, time, line("sms.send", "").as_bytes());
                let verification = line("sms.verification", r#","outcome":"approved""#);
                writer.put(&verifications, (id % 3) as i32, time, verification.as_bytes());
                id += 1;
            }
            writer.flush();
            std::thread::sleep(Duration::from_millis(20));
        }
        if round % 3 == 2 {
            // Past its session: its partitions go to the other, and then it comes back.
            member.signal("STOP");
            std::thread::sleep(Duration::from_secs(8));
            member.signal("CONT");
            std::thread::sleep(Duration::from_millis(500 + some(2_000)));
        }
        if some(3) == 0 {
            other = Member::start(&config);
        }
        drop(member);
    }
    drop(other);
    let total = id * 2;
    let last = Running::start(&settings, Role::All);
    last.until("every event is decided once", |w| w.event_counts().counted == total);
    assert_eq!(last.witness.event_counts().duplicate, 0);
    last.stop().unwrap();

    // A naive count over the log, and a fold of it, agree with what was sent.
    let log = read_log(&settings);
    let once = events_once(&log);
    assert_eq!(once.values().map(Vec::len).sum::<usize>() as u64, total);
    println!(
        "{total} events, {} written, {rounds} members killed or stopped",
        events_in(&log)
    );
    let published = publish_the_rest(&settings);
    assert!(!published.is_empty(), "minutes of statistics at least");
}
