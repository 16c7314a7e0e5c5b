//! What a router does before it joins its group: are the topics there, do all
//! members agree on the log, is the policy in it.

use std::collections::BTreeSet;

use compact_str::CompactString;
use rdkafka::consumer::BaseConsumer;
use rdkafka::producer::BaseRecord;

use super::memory::FeedMemory;
use crate::model::log::{Feed, Header, LogRecord};
use crate::stream::client::{Quiet, partitions_of, patiently, plain_consumer};
use crate::stream::error::StreamError;
use crate::stream::header;
use crate::stream::offsets::{Position, ask_positions};
use crate::stream::outbox::Outbox;
use crate::stream::settings::StreamSettings;

/// What the start found.
pub(crate) struct Start {
    pub(crate) header: Header,
    /// Topics of which the group has read before.
    pub(crate) known_topics: BTreeSet<CompactString>,
}

/// The topics the router reads.
pub(crate) fn input_topics(settings: &StreamSettings) -> Vec<&str> {
    let mut topics: Vec<&str> = settings.inputs.iter().map(|input| input.topic.as_str()).collect();
    topics.push(&settings.topics.feedback);
    topics.sort_unstable();
    topics.dedup();
    topics
}

/// What of the policy's hash goes into commits.
pub(crate) fn policy_mark(settings: &StreamSettings) -> String {
    let hash = blake3::hash(&LogRecord::Policy(settings.policy.clone()).encode());
    hash.to_hex()[..16].to_string()
}

/// Checks the topics, agrees on the header, publishes the policy.
pub(crate) fn begin(settings: &StreamSettings, outbox: &Outbox) -> Result<Start, StreamError> {
    let consumer = plain_consumer(settings, "router-start", &settings.router_group())?;
    let feeds = check_topics(settings, &consumer)?;
    let header = header::establish(settings, &consumer, outbox.producer())?;
    let positions = patiently(settings.pace.connect, |left| ask_positions(&consumer, &feeds, left))
        .map_err(|error| StreamError::from_kafka("reading committed offsets", &settings.brokers, &error))?;
    let last = newest_memory(&positions);
    if let Some(last) = &last
        && last.deployment != header.deployment_id
    {
        return Err(other_log(settings));
    }
    if last.is_none_or(|last| last.policy != policy_mark(settings)) {
        publish_policy(settings, outbox, &header)?;
    }
    let known = positions.iter().filter(|position| position.committed.is_some());
    Ok(Start {
        header,
        known_topics: known.map(|position| position.feed.topic.clone()).collect(),
    })
}

/// The sentence for offsets that belong to another internal log.
pub(crate) fn other_log(settings: &StreamSettings) -> StreamError {
    StreamError::LogMismatch(format!(
        "the committed offsets of group `{}` belong to another internal log than `{}`: what was read before would be missing from it; name another `kafka.group`, or delete the group with `kafka-consumer-groups --delete` to read the inputs from their start",
        settings.router_group(),
        settings.topics.events
    ))
}

fn check_topics(settings: &StreamSettings, consumer: &BaseConsumer<Quiet>) -> Result<Vec<Feed>, StreamError> {
    let connect = settings.pace.connect;
    let mut feeds = Vec::new();
    for topic in input_topics(settings) {
        let Some(partitions) = partitions_of(consumer, settings, topic, connect)? else {
            let topic = topic.to_string();
            return Err(if topic == settings.topics.feedback {
                StreamError::TopicMissing { topic }
            } else {
                StreamError::InputMissing { topic }
            });
        };
        feeds.extend((0..partitions as i32).map(|partition| Feed {
            topic: topic.into(),
            partition,
        }));
    }
    for topic in [&settings.topics.events, &settings.topics.dead_letters] {
        if partitions_of(consumer, settings, topic, connect)?.is_none() {
            return Err(StreamError::TopicMissing { topic: topic.clone() });
        }
    }
    Ok(feeds)
}

/// The progress that the youngest generation committed, over all feeds.
fn newest_memory(positions: &[Position]) -> Option<FeedMemory> {
    positions
        .iter()
        .filter_map(|position| position.committed.as_ref())
        .filter_map(|(_, metadata)| FeedMemory::decode(metadata).ok())
        .max_by_key(|memory| memory.generation)
}

fn publish_policy(settings: &StreamSettings, outbox: &Outbox, header: &Header) -> Result<(), StreamError> {
    let topic = settings.topics.events.as_str();
    let bytes = LogRecord::Policy(settings.policy.clone()).encode();
    for partition in 0..header.partitions as i32 {
        let record: BaseRecord<'_, (), [u8], usize> = BaseRecord::with_opaque_to(topic, 0)
            .payload(bytes.as_slice())
            .partition(partition);
        outbox
            .producer()
            .send(record)
            .map_err(|(error, _)| StreamError::Delivery {
                topic: topic.to_string(),
                cause: error.to_string(),
            })?;
    }
    header::deliver_all(settings, outbox.producer())
}
