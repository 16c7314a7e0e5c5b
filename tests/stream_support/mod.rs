//! What the stream tests share: a broker inside the process, a small decoder for
//! canonical JSON, a renderer, and eyes on every topic.
#![allow(dead_code, missing_docs, unreachable_pub, unused_imports)]

mod outputs;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use pumpwatch::decode::Format;
use pumpwatch::detector::{Effect, EventCounts, Policy, State};
use pumpwatch::model::log::{Feed, LogRecord, RecordCounts};
use pumpwatch::stream::{
    EmbeddedBroker, InputSettings, Observer, Pace, Role, Shutdown, Start, StreamError, StreamSettings, Topics, run,
};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Headers, Message};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{Offset, TopicPartitionList};

pub use self::outputs::*;

pub const SENDS: &str = "sms.send.v1";
pub const VERIFICATIONS: &str = "sms.verification.v1";
pub const LOG_PARTITIONS: u32 = 3;

/// Remembers what it is told.
#[derive(Default)]
pub struct Witness {
    pub counts: Mutex<BTreeMap<Feed, RecordCounts>>,
    pub dead_letters: Mutex<Vec<(String, i64, String)>>,
    pub restored: Mutex<Vec<i32>>,
    pub assigned: Mutex<BTreeMap<&'static str, usize>>,
    pub paused: Mutex<Vec<(String, bool)>>,
    pub trouble: Mutex<Vec<String>>,
    pub routed: Mutex<u64>,
    pub folded: Mutex<BTreeMap<i32, (EventCounts, usize)>>,
    pub published: Mutex<Vec<Effect>>,
}

impl Witness {
    fn report(&self) -> String {
        format!(
            "routed {}, records {:?}, folded {:?}, assigned {:?}, trouble {:?}",
            self.routed.lock().unwrap(),
            self.counts.lock().unwrap(),
            self.folded.lock().unwrap(),
            self.assigned.lock().unwrap(),
            self.trouble.lock().unwrap()
        )
    }

    /// Events of all partitions that were decided, by what became of them.
    pub fn event_counts(&self) -> EventCounts {
        let folded = self.folded.lock().unwrap();
        folded.values().fold(EventCounts::default(), |mut sum, (counts, _)| {
            sum.counted += counts.counted;
            sum.duplicate += counts.duplicate;
            sum.late += counts.late;
            sum.quarantined += counts.quarantined;
            sum
        })
    }
}

impl Observer for Witness {
    fn records(&self, feed: &Feed, total: RecordCounts) {
        self.counts.lock().unwrap().insert(feed.clone(), total);
    }
    fn dead_letter(&self, feed: &Feed, offset: i64, class: &str, _: &str) {
        let letter = (feed.topic.to_string(), offset, class.to_string());
        self.dead_letters.lock().unwrap().push(letter);
    }
    fn folded(&self, partition: i32, state: &State) {
        let mut folded = self.folded.lock().unwrap();
        folded.insert(partition, (state.counts(), state.waiting()));
    }
    fn published(&self, effect: &Effect, _: Option<Duration>) {
        self.published.lock().unwrap().push(effect.clone());
    }
    fn events_routed(&self, events: u64) {
        *self.routed.lock().unwrap() += events;
    }
    fn assigned(&self, half: pumpwatch::stream::Half, partitions: usize) {
        self.assigned.lock().unwrap().insert(half.as_str(), partitions);
    }
    fn paused(&self, _: pumpwatch::stream::Half, feed: &Feed, paused: bool) {
        self.paused.lock().unwrap().push((feed.topic.to_string(), paused));
    }
    fn broker_trouble(&self, half: pumpwatch::stream::Half, message: &str) {
        self.trouble
            .lock()
            .unwrap()
            .push(format!("{}: {message}", half.as_str()));
    }
    fn restored(&self, partition: i32, _: u64, _: Duration) {
        self.restored.lock().unwrap().push(partition);
    }
}

fn input(topic: &str) -> InputSettings {
    InputSettings {
        topic: topic.into(),
        format: Format::CANONICAL,
        tenant: None,
        app: None,
        start: Start::Earliest,
    }
}

pub fn settings() -> StreamSettings {
    StreamSettings {
        brokers: String::new(),
        // The mock broker waits for almost a session's length whenever a member left.
        properties: vec![
            ("session.timeout.ms".into(), "3000".into()),
            ("heartbeat.interval.ms".into(), "500".into()),
        ],
        group: "pumpwatch".into(),
        topics: Topics::default(),
        inputs: vec![input(SENDS), input(VERIFICATIONS), input("sms.delivery.v1")],
        policy: Policy::default().to_record("test"),
        privacy_key: Some(b"key".to_vec()),
        keep_numbers: false,
        dead_letter_values: pumpwatch::stream::DeadLetterValues::Original,
        member: String::new(),
        pace: Pace {
            commit: Duration::from_millis(200),
            tick_idle: Duration::from_millis(300),
            end_offsets: Duration::from_millis(100),
            drain: Duration::from_secs(10),
            ..Pace::default()
        },
    }
}

/// A broker and the settings that point at it.
pub fn broker() -> (EmbeddedBroker, StreamSettings) {
    let mut settings = settings();
    let broker = EmbeddedBroker::for_settings(&settings, LOG_PARTITIONS).unwrap();
    settings.brokers = broker.bootstrap().into();
    (broker, settings)
}

/// Settings for a real broker, with topics and groups of their own. Fails without
/// `PUMPWATCH_TEST_BROKERS`.
pub fn real(name: &str) -> StreamSettings {
    let brokers = std::env::var("PUMPWATCH_TEST_BROKERS").expect("PUMPWATCH_TEST_BROKERS names a broker");
    let prefix = format!("{name}-{}", now());
    let named = |topic: &str| format!("{prefix}.{topic}");
    let mut settings = settings();
    settings.brokers = brokers;
    settings.group.clone_from(&prefix);
    settings.properties.clear();
    let topics = &mut settings.topics;
    for topic in [
        &mut topics.events,
        &mut topics.alerts,
        &mut topics.blocklist,
        &mut topics.stats,
        &mut topics.audit,
        &mut topics.dead_letters,
        &mut topics.feedback,
    ] {
        *topic = named(topic);
    }
    for input in &mut settings.inputs {
        input.topic = named(&input.topic);
    }
    settings
}

pub struct Running {
    pub witness: Arc<Witness>,
    shutdown: Shutdown,
    thread: JoinHandle<Result<(), StreamError>>,
}

impl Running {
    pub fn start(settings: &StreamSettings, role: Role) -> Self {
        let witness = Arc::new(Witness::default());
        let shutdown = Shutdown::new();
        let observer: Arc<dyn Observer> = witness.clone();
        let (settings, asked) = (settings.clone(), shutdown.clone());
        Self {
            witness,
            shutdown,
            thread: std::thread::spawn(move || {
                let result = run(&settings, role, &observer, &asked);
                if let Err(error) = &result {
                    eprintln!("the run ended: {error}");
                }
                result
            }),
        }
    }

    /// Waits until `done`; fails when the run ends before, or after half a minute.
    pub fn until(&self, what: &str, mut done: impl FnMut(&Witness) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while !done(&self.witness) {
            assert!(!self.thread.is_finished(), "the run ended before {what}");
            let trouble = || self.witness.trouble.lock().unwrap().clone();
            assert!(
                Instant::now() < deadline,
                "waited too long until {what}; {:?}",
                trouble()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    pub fn stop(self) -> Result<(), StreamError> {
        self.shutdown.request();
        self.thread.join().unwrap()
    }

    pub fn ended(self) -> Result<(), StreamError> {
        self.thread.join().unwrap()
    }
}

/// Waits until `done`, or fails after half a minute.
pub fn until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !done() {
        assert!(Instant::now() < deadline, "waited too long until {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

pub struct Writer(BaseProducer);

impl Writer {
    pub fn new(settings: &StreamSettings) -> Self {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &settings.brokers);
        // The mock broker keeps 5 MiB a partition.
        config.set("compression.codec", "lz4");
        Self(config.create().unwrap())
    }

    pub fn put(&self, topic: &str, partition: i32, time: i64, value: &[u8]) {
        let record: BaseRecord<'_, (), [u8]> = BaseRecord::to(topic)
            .partition(partition)
            .timestamp(time)
            .payload(value);
        while self.0.send(record_again(&record)).is_err() {
            self.0.poll(Duration::from_millis(5));
        }
    }

    pub fn send(&self, partition: i32, time: i64, id: u64, tenant: &str) {
        let value =
            format!(r#"{{"type":"sms.send","id":"{id}","time":{time},"to":"+99890{id:07}","tenant":"{tenant}"}}"#);
        self.put(SENDS, partition, time, value.as_bytes());
    }

    pub fn verify(&self, partition: i32, time: i64, id: u64, tenant: &str) {
        let value = format!(
            r#"{{"type":"sms.verification","id":"{id}","time":{time},"to":"+99890{id:07}","tenant":"{tenant}","outcome":"approved"}}"#
        );
        self.put(VERIFICATIONS, partition, time, value.as_bytes());
    }

    pub fn flush(&self) {
        self.0.flush(Duration::from_secs(10)).unwrap();
    }
}

fn record_again<'a>(record: &BaseRecord<'a, (), [u8]>) -> BaseRecord<'a, (), [u8]> {
    let mut again: BaseRecord<'a, (), [u8]> = BaseRecord::to(record.topic);
    again.partition = record.partition;
    again.timestamp = record.timestamp;
    again.payload = record.payload;
    again
}

pub struct Seen {
    pub partition: i32,
    pub offset: i64,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub headers: Vec<(String, String)>,
}

impl Seen {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }
}

fn eyes(settings: &StreamSettings, group: &str) -> BaseConsumer {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &settings.brokers);
    config.set("group.id", group);
    config.set("enable.auto.commit", "false");
    config.create().unwrap()
}

/// Everything in a topic, partition by partition.
pub fn read_all(settings: &StreamSettings, topic: &str) -> Vec<Seen> {
    let consumer = eyes(settings, "eyes");
    let metadata = consumer.fetch_metadata(Some(topic), Duration::from_secs(5)).unwrap();
    let mut all = Vec::new();
    for partition in 0..metadata.topics()[0].partitions().len() as i32 {
        let (low, high) = consumer
            .fetch_watermarks(topic, partition, Duration::from_secs(5))
            .unwrap();
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, partition, Offset::Offset(low))
            .unwrap();
        consumer.assign(&list).unwrap();
        let mut next = low;
        while next < high {
            let Some(Ok(message)) = consumer.poll(Duration::from_secs(5)) else {
                continue;
            };
            if message.partition() != partition {
                continue;
            }
            next = message.offset() + 1;
            all.push(Seen {
                partition,
                offset: message.offset(),
                key: message.key().map(<[u8]>::to_vec),
                value: message.payload().map(<[u8]>::to_vec),
                headers: message
                    .headers()
                    .map(|headers| {
                        headers
                            .iter()
                            .map(|h| {
                                (
                                    h.key.to_string(),
                                    String::from_utf8_lossy(h.value.unwrap_or_default()).into(),
                                )
                            })
                            .collect()
                    })
                    .unwrap_or_default(),
            });
        }
    }
    all
}

/// The internal log, decoded: partition, offset, record.
pub fn read_log(settings: &StreamSettings) -> Vec<(i32, i64, LogRecord)> {
    read_all(settings, &settings.topics.events)
        .into_iter()
        .map(|seen| {
            (
                seen.partition,
                seen.offset,
                LogRecord::decode(seen.value.as_deref().unwrap()).unwrap(),
            )
        })
        .collect()
}

/// Where an event came from.
pub type Place = (String, i32, i64, u32);

/// Every event of the log in its order, by partition of the log; duplicates are
/// dropped as the rules say, by the last (offset, index) of each source partition.
pub fn events_once(log: &[(i32, i64, LogRecord)]) -> BTreeMap<i32, Vec<Place>> {
    let mut last: BTreeMap<(i32, String, i32), (i64, u32)> = BTreeMap::new();
    let mut events: BTreeMap<i32, Vec<Place>> = BTreeMap::new();
    for (partition, _, record) in log {
        let LogRecord::Events(batch) = record else { continue };
        for event in &batch.events {
            let feed = &batch.feeds[event.feed as usize];
            let key = (*partition, feed.topic.to_string(), feed.partition);
            let place = (event.offset, event.index);
            if last.get(&key).is_none_or(|&seen| place > seen) {
                last.insert(key, place);
                let place = (feed.topic.to_string(), feed.partition, event.offset, event.index);
                events.entry(*partition).or_default().push(place);
            }
        }
    }
    events
}

/// Events in the log, duplicates included.
pub fn events_in(log: &[(i32, i64, LogRecord)]) -> usize {
    log.iter()
        .map(|(_, _, record)| match record {
            LogRecord::Events(batch) => batch.events.len(),
            _ => 0,
        })
        .sum()
}

/// Committed offsets of a group over one topic.
pub fn committed(settings: &StreamSettings, group: &str, topic: &str, partitions: i32) -> Vec<Option<(i64, String)>> {
    let consumer = eyes(settings, group);
    let mut list = TopicPartitionList::new();
    for partition in 0..partitions {
        list.add_partition(topic, partition);
    }
    let answer = consumer.committed_offsets(list, Duration::from_secs(5)).unwrap();
    answer
        .elements()
        .iter()
        .map(|element| match element.offset() {
            Offset::Offset(offset) => Some((offset, element.metadata().to_string())),
            _ => None,
        })
        .collect()
}

/// Commits by hand, as a crash before the last commits would have left it.
pub fn commit(settings: &StreamSettings, group: &str, topic: &str, positions: &[Option<(i64, String)>]) {
    let consumer = eyes(settings, group);
    let mut list = TopicPartitionList::new();
    for (partition, position) in positions.iter().enumerate() {
        let Some((offset, metadata)) = position else { continue };
        let mut element = list.add_partition(topic, partition as i32);
        element.set_offset(Offset::Offset(*offset)).unwrap();
        element.set_metadata(metadata);
    }
    consumer.commit(&list, rdkafka::consumer::CommitMode::Sync).unwrap();
}

pub fn now() -> i64 {
    let since = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    since.as_millis() as i64
}
