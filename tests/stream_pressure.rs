//! Back-pressure and a broker that falters, on the embedded broker: nothing is
//! dropped, nothing is written out of order.
#![allow(missing_docs)]

mod stream_support;

use std::time::Duration;

use pumpwatch::stream::Role;
use rdkafka::mocking::MockCluster;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use stream_support::*;

#[test]
fn a_full_queue_pauses_its_feed_and_loses_nothing() {
    let (_broker, mut settings) = broker();
    settings.pace.queue_records_max = 8;
    settings.pace.unacknowledged_max = 1;
    let writer = Writer::new(&settings);
    let start = now() - 600_000;
    for id in 0..20_000u64 {
        // Another tenant each time: small batches, many records of the log.
        writer.send(0, start + id as i64, id, ["acme", "globex", "initech"][id as usize % 3]);
    }
    writer.flush();
    let running = Running::start(&settings, Role::All);
    running.until("everything is decided", |w| w.event_counts().counted == 20_000);
    let paused = running.witness.paused.lock().unwrap().clone();
    assert!(
        paused.iter().any(|(topic, paused)| topic == SENDS && *paused),
        "the feed was paused"
    );
    assert!(
        paused.iter().any(|(topic, paused)| topic == SENDS && !*paused),
        "and resumed"
    );
    running.stop().unwrap();
    assert_eq!(events_in(&read_log(&settings)), 20_000);
}

#[test]
fn a_faltering_broker_delays_and_changes_nothing() {
    let cluster = MockCluster::new(1).unwrap();
    let mut settings = settings();
    settings.brokers = cluster.bootstrap_servers();
    for input in &settings.inputs {
        cluster.create_topic(&input.topic, 2, 1).unwrap();
    }
    let topics = settings.topics.clone();
    cluster.create_topic(&topics.events, LOG_PARTITIONS as i32, 1).unwrap();
    for topic in [
        &topics.alerts,
        &topics.blocklist,
        &topics.stats,
        &topics.audit,
        &topics.dead_letters,
        &topics.feedback,
    ] {
        cluster.create_topic(topic, 1, 1).unwrap();
    }
    let writer = Writer::new(&settings);
    let start = now() - 600_000;
    let send = |from: u64, to: u64| {
        for id in from..to {
            writer.send(
                (id % 2) as i32,
                start + id as i64,
                id,
                ["acme", "globex"][id as usize % 2],
            );
        }
        writer.flush();
    };
    send(0, 2_000);
    let running = Running::start(&settings, Role::All);
    running.until("a part is routed", |w| *w.routed.lock().unwrap() >= 1_000);
    cluster.request_errors(
        RDKafkaApiKey::Produce,
        &[RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS; 6],
    );
    cluster.request_errors(
        RDKafkaApiKey::OffsetCommit,
        &[RDKafkaRespErr::RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS; 3],
    );
    running.until("the rest is routed", |w| *w.routed.lock().unwrap() >= 2_000);
    cluster.broker_down(1).unwrap();
    std::thread::sleep(Duration::from_secs(3));
    cluster.broker_up(1).unwrap();
    send(2_000, 3_000);
    running.until("everything is decided", |w| w.event_counts().counted == 3_000);
    running.stop().unwrap();
    let log = read_log(&settings);
    let once = events_once(&log);
    assert_eq!(once.values().map(Vec::len).sum::<usize>(), 3_000);
}
