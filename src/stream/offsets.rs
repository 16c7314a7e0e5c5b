//! Questions to the broker that would block a polling thread: committed offsets,
//! first and last offsets, and whether anything is left behind a position. They
//! run on a thread of their own with clients of their own.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::{Offset, TopicPartitionList};

use super::client::{Quiet, consumer_config, plain_consumer, wall_now};
use super::error::{StreamError, is_transient};
use super::group::list_of;
use super::settings::StreamSettings;
use crate::model::Millis;
use crate::model::log::Feed;

/// Longest time one question may take.
const ANSWER: Duration = Duration::from_millis(1_900);
/// Pause before a failed question is asked again.
const RETRY: Duration = Duration::from_millis(500);

/// A question.
#[derive(Debug)]
pub(crate) enum Ask {
    /// Where these partitions begin, end, and were committed. Answered once.
    Positions(Vec<Feed>),
    /// From now on, tell the ends of these partitions again and again.
    Watch(Vec<Feed>),
    /// Whether a reader of committed records finds anything in `from..to`.
    Probe {
        /// Which partition.
        feed: Feed,
        /// The next offset to be read.
        from: i64,
        /// The end offset that was told.
        to: i64,
    },
}

/// An answer.
#[derive(Debug)]
pub(crate) enum Told {
    /// To [`Ask::Positions`], for exactly these partitions.
    Positions(Vec<Position>),
    /// To [`Ask::Watch`]: the end offsets for a reader of committed records.
    Ends {
        /// Wall clock at which the question was asked.
        asked: Millis,
        /// Next offset after the last readable record.
        ends: Vec<(Feed, i64)>,
    },
    /// To [`Ask::Probe`]: nothing is there.
    Empty {
        /// Which partition.
        feed: Feed,
        /// As asked.
        from: i64,
        /// As asked.
        to: i64,
    },
    /// The broker did not answer; the question will be asked again.
    Trouble(String),
    /// No answer will ever come.
    Failed(StreamError),
}

/// What is known of a partition at its assignment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    /// Which.
    pub(crate) feed: Feed,
    /// The committed next offset, with the metadata of the commit.
    pub(crate) committed: Option<(i64, String)>,
    /// First offset that is still there.
    pub(crate) low: i64,
    /// Next offset after the last readable record.
    pub(crate) end: i64,
}

/// The handle of the asking thread; it ends when the handle is dropped.
pub(crate) struct Offsets {
    ask: Sender<Ask>,
    told: Receiver<Told>,
}

impl Offsets {
    /// Starts the thread, which asks in the name of `group`.
    pub(crate) fn start(settings: &StreamSettings, group: &str, purpose: &str) -> Result<Self, StreamError> {
        let (ask, asked) = channel();
        let (tell, told) = channel();
        let consumer = plain_consumer(settings, &format!("{purpose}-offsets"), group)?;
        let worker = Worker {
            consumer,
            settings: settings.clone(),
            tell,
            watched: Vec::new(),
            wanted: None,
        };
        std::thread::Builder::new()
            .name(format!("{purpose}-offsets"))
            .spawn(move || worker.run(&asked))
            .map_err(|error| StreamError::Internal(format!("a thread could not be started: {error}")))?;
        Ok(Self { ask, told })
    }

    /// Asks; the answer comes through [`Offsets::told`].
    pub(crate) fn ask(&self, ask: Ask) -> Result<(), StreamError> {
        self.ask
            .send(ask)
            .map_err(|_| StreamError::Internal("the thread that asks for offsets has ended".into()))
    }

    /// The next answer, if one is there.
    pub(crate) fn told(&self) -> Option<Told> {
        self.told.try_recv().ok()
    }
}

struct Worker {
    consumer: BaseConsumer<Quiet>,
    settings: StreamSettings,
    tell: Sender<Told>,
    watched: Vec<Feed>,
    wanted: Option<Vec<Feed>>,
}

impl Worker {
    fn run(mut self, asked: &Receiver<Ask>) {
        let mut next_watch = Instant::now();
        loop {
            let pause = if self.wanted.is_some() {
                RETRY
            } else if self.watched.is_empty() {
                Duration::from_secs(1)
            } else {
                next_watch.saturating_duration_since(Instant::now())
            };
            match asked.recv_timeout(pause) {
                Ok(Ask::Positions(feeds)) => {
                    self.wanted = Some(feeds);
                    self.positions();
                }
                Ok(Ask::Watch(feeds)) => self.watched = feeds,
                Ok(Ask::Probe { feed, from, to }) => self.probe(feed, from, to),
                Err(RecvTimeoutError::Timeout) => self.positions(),
                Err(RecvTimeoutError::Disconnected) => return,
            }
            if !self.watched.is_empty() && Instant::now() >= next_watch {
                self.ends();
                next_watch = Instant::now() + self.settings.pace.end_offsets;
            }
            // Serves the log queue of this client; nothing is subscribed.
            let _ = self.consumer.poll(Duration::ZERO);
        }
    }

    fn positions(&mut self) {
        let Some(feeds) = &self.wanted else { return };
        match ask_positions(&self.consumer, feeds, ANSWER) {
            Ok(positions) => {
                self.wanted = None;
                let _ = self.tell.send(Told::Positions(positions));
            }
            Err(error) => self.trouble("reading committed offsets", &error),
        }
    }

    fn ends(&mut self) {
        let asked = wall_now();
        match offsets_at(&self.consumer, &self.watched, Offset::End, ANSWER) {
            Ok(ends) => {
                let _ = self.tell.send(Told::Ends { asked, ends });
            }
            Err(error) => self.trouble("reading end offsets", &error),
        }
    }

    fn trouble(&mut self, what: &str, error: &KafkaError) {
        let told = match error.rdkafka_error_code() {
            Some(code) if !is_transient(code) => {
                self.wanted = None;
                Told::Failed(StreamError::from_kafka(what, &self.settings.brokers, error))
            }
            _ => Told::Trouble(format!("{what}: {error}")),
        };
        let _ = self.tell.send(told);
    }

    /// The end offset counts markers and aborted records that no reader of
    /// committed records ever sees. Only reading shows that nothing else is there.
    fn probe(&mut self, feed: Feed, from: i64, to: i64) {
        match finds_nothing(&self.settings, &feed, from) {
            Ok(true) => {
                let _ = self.tell.send(Told::Empty { feed, from, to });
            }
            Ok(false) => {}
            Err(error) => self.trouble("reading behind the last record", &error),
        }
    }
}

fn finds_nothing(settings: &StreamSettings, feed: &Feed, from: i64) -> KafkaResult<bool> {
    let mut config = consumer_config(settings, "probe", &settings.router_group());
    config.set("enable.partition.eof", "true");
    config.set("fetch.wait.max.ms", "10");
    let consumer = BaseConsumer::from_config_and_context(&config, Quiet)?;
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(&feed.topic, feed.partition, Offset::Offset(from))?;
    consumer.assign(&list)?;
    let deadline = Instant::now() + ANSWER;
    let mut nothing = false;
    while Instant::now() < deadline {
        match consumer.poll(Duration::from_millis(50)) {
            None => {}
            Some(Err(KafkaError::PartitionEOF(_))) => {
                nothing = true;
                break;
            }
            Some(_) => break,
        }
    }
    let _ = consumer.unassign();
    Ok(nothing)
}

/// The offsets of one kind (first or last) of all these partitions, in one request
/// a broker. A partition that the broker cannot tell of is left out.
pub(crate) fn offsets_at(
    consumer: &BaseConsumer<Quiet>,
    feeds: &[Feed],
    kind: Offset,
    timeout: Duration,
) -> KafkaResult<Vec<(Feed, i64)>> {
    let mut list = list_of(feeds);
    list.set_all_offsets(kind)?;
    let answer = consumer.offsets_for_times(list, timeout)?;
    let mut offsets = Vec::with_capacity(feeds.len());
    for element in answer.elements() {
        if let (Ok(()), Offset::Offset(offset)) = (element.error(), element.offset()) {
            offsets.push((
                Feed {
                    topic: element.topic().into(),
                    partition: element.partition(),
                },
                offset,
            ));
        }
    }
    Ok(offsets)
}

/// Where the partitions begin, end and were committed.
pub(crate) fn ask_positions(
    consumer: &BaseConsumer<Quiet>,
    feeds: &[Feed],
    timeout: Duration,
) -> KafkaResult<Vec<Position>> {
    if feeds.is_empty() {
        return Ok(Vec::new());
    }
    let committed = consumer.committed_offsets(list_of(feeds), timeout)?;
    let low = offsets_at(consumer, feeds, Offset::Beginning, timeout)?;
    let end = offsets_at(consumer, feeds, Offset::End, timeout)?;
    let of = |offsets: &[(Feed, i64)], feed: &Feed| offsets.iter().find(|(f, _)| f == feed).map(|&(_, o)| o);
    let mut positions = Vec::with_capacity(feeds.len());
    for element in committed.elements() {
        element.error()?;
        let feed = Feed {
            topic: element.topic().into(),
            partition: element.partition(),
        };
        let (Some(low), Some(end)) = (of(&low, &feed), of(&end, &feed)) else {
            // Not all leaders answered: ask again rather than guess.
            return Err(KafkaError::OffsetFetch(
                rdkafka::error::RDKafkaErrorCode::LeaderNotAvailable,
            ));
        };
        let committed = match element.offset() {
            Offset::Offset(offset) => Some((offset, element.metadata().to_string())),
            _ => None,
        };
        positions.push(Position {
            feed,
            committed,
            low,
            end,
        });
    }
    Ok(positions)
}
