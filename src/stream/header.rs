//! The header of the internal log: the first record of every partition, on which
//! all members must agree.
//!
//! Members may start at the same moment. The first record of partition 0 decides:
//! whoever finds partition 0 empty writes a candidate there and reads back what
//! came first, its own or another's; that one is copied to the partitions that are
//! still empty. A loser's candidate stays in partition 0 behind the first and is
//! skipped by readers, as is a second copy elsewhere.

use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{Offset, TopicPartitionList};

use super::client::{Deliveries, Quiet, partitions_of, patiently};
use super::error::StreamError;
use super::offsets::offsets_at;
use super::settings::StreamSettings;
use crate::model::log::{ENCODING_VERSION, Feed, Header, LogRecord};

/// What stands at the beginning of a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum First {
    /// Nothing was ever written.
    Nothing,
    /// A header.
    Header(Header),
}

/// What to do about the headers, given what stands where. Pure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Plan {
    /// Write a candidate to partition 0, then look again.
    Propose,
    /// Copy this header to these partitions.
    Copy(Header, Vec<i32>),
    /// All agree.
    Agreed(Header),
}

/// Decides the next step of the protocol; a sentence when the log cannot be used.
pub(crate) fn plan(topic: &str, firsts: &[First]) -> Result<Plan, StreamError> {
    let partitions = firsts.len() as u32;
    let Some(First::Header(authority)) = firsts.first() else {
        if let Some(place) = firsts.iter().position(|first| *first != First::Nothing) {
            return Err(StreamError::LogMismatch(format!(
                "partition {place} of `{topic}` has records but partition 0 is empty: it is not an internal log that this program began; name a new topic as `topics.events`"
            )));
        }
        return Ok(Plan::Propose);
    };
    check(topic, authority, partitions)?;
    let mut empty = Vec::new();
    for (partition, first) in firsts.iter().enumerate() {
        match first {
            First::Nothing => empty.push(partition as i32),
            First::Header(header) if header == authority => {}
            First::Header(_) => {
                return Err(StreamError::LogMismatch(format!(
                    "partition {partition} of `{topic}` belongs to another deployment than partition 0; name a new topic as `topics.events`"
                )));
            }
        }
    }
    Ok(if empty.is_empty() {
        Plan::Agreed(authority.clone())
    } else {
        Plan::Copy(authority.clone(), empty)
    })
}

/// Whether this program can work with such a header.
pub(crate) fn check(topic: &str, header: &Header, partitions: u32) -> Result<(), StreamError> {
    if header.encoding_version != ENCODING_VERSION {
        return Err(StreamError::LogMismatch(format!(
            "`{topic}` is in encoding version {}, this program reads version {ENCODING_VERSION}; run the version that wrote it, or name a new topic as `topics.events`",
            header.encoding_version
        )));
    }
    if header.partitions != partitions {
        return Err(StreamError::LogMismatch(format!(
            "`{topic}` began with {} partitions and now has {partitions}; the number is fixed for life, since tenants would change partitions: name a new topic as `topics.events`",
            header.partitions
        )));
    }
    Ok(())
}

/// A fresh header with random identity and salt.
fn candidate(partitions: u32) -> Header {
    Header {
        encoding_version: ENCODING_VERSION,
        partitions,
        deployment_id: rand::random(),
        salt: rand::random(),
    }
}

/// Brings every partition to begin with the same header and returns it.
pub(crate) fn establish(
    settings: &StreamSettings,
    consumer: &BaseConsumer<Quiet>,
    producer: &BaseProducer<Deliveries>,
) -> Result<Header, StreamError> {
    let topic = &settings.topics.events;
    loop {
        let firsts = read_firsts(settings, consumer)?;
        match plan(topic, &firsts)? {
            Plan::Agreed(header) => return Ok(header),
            Plan::Propose => write(settings, producer, &candidate(firsts.len() as u32), &[0])?,
            Plan::Copy(header, partitions) => write(settings, producer, &header, &partitions)?,
        }
    }
}

/// The header that is there; `None` while no router has begun the log everywhere.
pub(crate) fn find(settings: &StreamSettings, consumer: &BaseConsumer<Quiet>) -> Result<Option<Header>, StreamError> {
    let firsts = read_firsts(settings, consumer)?;
    Ok(match plan(&settings.topics.events, &firsts)? {
        Plan::Agreed(header) => Some(header),
        Plan::Propose | Plan::Copy(..) => None,
    })
}

fn read_firsts(settings: &StreamSettings, consumer: &BaseConsumer<Quiet>) -> Result<Vec<First>, StreamError> {
    let topic = &settings.topics.events;
    let count = partitions_of(consumer, settings, topic, settings.pace.connect)?
        .ok_or_else(|| StreamError::TopicMissing { topic: topic.clone() })?;
    let feeds: Vec<Feed> = (0..count as i32)
        .map(|partition| Feed {
            topic: topic.as_str().into(),
            partition,
        })
        .collect();
    let fail = |error: &KafkaError| StreamError::from_kafka(&format!("reading `{topic}`"), &settings.brokers, error);
    let ask = |kind| patiently(settings.pace.connect, |left| offsets_at(consumer, &feeds, kind, left));
    let low = ask(Offset::Beginning).map_err(|error| fail(&error))?;
    let end = ask(Offset::End).map_err(|error| fail(&error))?;
    let mut firsts = Vec::with_capacity(feeds.len());
    for feed in &feeds {
        let of = |offsets: &[(Feed, i64)]| offsets.iter().find(|(f, _)| f == feed).map(|&(_, offset)| offset);
        let (Some(low), Some(end)) = (of(&low), of(&end)) else {
            return Err(StreamError::BrokerUnavailable {
                brokers: settings.brokers.clone(),
                cause: format!("partition {} of `{topic}` has no leader", feed.partition),
            });
        };
        if low > 0 {
            return Err(gap(topic, feed.partition, low));
        }
        firsts.push(if end == 0 {
            First::Nothing
        } else {
            read_first(settings, consumer, feed)?
        });
    }
    Ok(firsts)
}

/// The sentence for a log whose beginning is gone.
pub(crate) fn gap(topic: &str, partition: i32, low: i64) -> StreamError {
    StreamError::LogGap(format!(
        "partition {partition} of `{topic}` begins at offset {low}: its first records are gone, so its state cannot be built again; set `retention.ms=-1` and `retention.bytes=-1` on it (as `pumpwatch topics create` does) and name a new topic as `topics.events`"
    ))
}

fn read_first(settings: &StreamSettings, consumer: &BaseConsumer<Quiet>, feed: &Feed) -> Result<First, StreamError> {
    let topic = &settings.topics.events;
    let fail = |error: &KafkaError| StreamError::from_kafka(&format!("reading `{topic}`"), &settings.brokers, error);
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(&feed.topic, feed.partition, Offset::Offset(0))
        .map_err(|error| fail(&error))?;
    consumer.assign(&list).map_err(|error| fail(&error))?;
    let deadline = Instant::now() + settings.pace.connect;
    let found = loop {
        match consumer.poll(Duration::from_millis(100)) {
            Some(Ok(message)) if message.partition() == feed.partition => {
                break LogRecord::decode(message.payload().unwrap_or_default());
            }
            Some(Err(error)) if !error.rdkafka_error_code().is_some_and(super::error::is_transient) => {
                return Err(fail(&error));
            }
            _ if Instant::now() >= deadline => {
                return Err(StreamError::BrokerUnavailable {
                    brokers: settings.brokers.clone(),
                    cause: format!(
                        "the first record of partition {} of `{topic}` does not arrive",
                        feed.partition
                    ),
                });
            }
            _ => {}
        }
    };
    let _ = consumer.unassign();
    match found {
        Ok(LogRecord::Header(header)) => Ok(First::Header(header)),
        Ok(_) => Err(StreamError::LogMismatch(format!(
            "partition {} of `{topic}` does not begin with a header; name a new topic as `topics.events`",
            feed.partition
        ))),
        Err(cause) => Err(StreamError::LogRecord {
            topic: topic.clone(),
            partition: feed.partition,
            offset: 0,
            cause,
        }),
    }
}

fn write(
    settings: &StreamSettings,
    producer: &BaseProducer<Deliveries>,
    header: &Header,
    partitions: &[i32],
) -> Result<(), StreamError> {
    let topic = settings.topics.events.as_str();
    let bytes = LogRecord::Header(header.clone()).encode();
    for &partition in partitions {
        let record: BaseRecord<'_, (), [u8], usize> = BaseRecord::with_opaque_to(topic, 0)
            .payload(bytes.as_slice())
            .partition(partition);
        producer.send(record).map_err(|(error, _)| StreamError::Delivery {
            topic: topic.to_string(),
            cause: error.to_string(),
        })?;
    }
    deliver_all(settings, producer)
}

/// Waits until everything produced so far is acknowledged; for the start only.
pub(crate) fn deliver_all(settings: &StreamSettings, producer: &BaseProducer<Deliveries>) -> Result<(), StreamError> {
    let deadline = Instant::now() + settings.pace.connect;
    let mut reports = Vec::new();
    loop {
        producer.poll(Duration::from_millis(10));
        producer.context().swap(&mut reports);
        if let Some((topic, error)) = reports.drain(..).find_map(|report| report.failure) {
            return Err(
                match StreamError::from_kafka(&format!("writing to `{topic}`"), &settings.brokers, &error) {
                    refused @ StreamError::Unauthorized { .. } => refused,
                    _ => StreamError::Delivery {
                        topic,
                        cause: error.to_string(),
                    },
                },
            );
        }
        if producer.in_flight_count() == 0 {
            return Ok(());
        }
        if Instant::now() >= deadline {
            return Err(StreamError::BrokerUnavailable {
                brokers: settings.brokers.clone(),
                cause: format!(
                    "records for `{}` are not acknowledged within {} s",
                    settings.topics.events,
                    settings.pace.connect.as_secs()
                ),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn mismatches_are_refused_with_a_sentence() {
        let header = candidate(2);
        let first = || First::Header(header.clone());
        assert_eq!(plan("t", &[First::Nothing, First::Nothing]).unwrap(), Plan::Propose);
        assert_eq!(
            plan("t", &[first(), First::Nothing]).unwrap(),
            Plan::Copy(header.clone(), vec![1])
        );
        assert_eq!(plan("t", &[first(), first()]).unwrap(), Plan::Agreed(header.clone()));
        let more = plan("t", &[first(), first(), First::Nothing]).unwrap_err().to_string();
        assert!(more.contains("began with 2 partitions and now has 3"), "{more}");
        let other = plan("t", &[first(), First::Header(candidate(2))])
            .unwrap_err()
            .to_string();
        assert!(other.contains("another deployment"), "{other}");
        assert!(plan("t", &[First::Nothing, first()]).is_err());
        let old = Header {
            encoding_version: 99,
            ..header
        };
        let version = plan("t", &[First::Header(old)]).unwrap_err().to_string();
        assert!(version.contains("encoding version 99"), "{version}");
    }

    proptest! {
        /// However the reads and writes of several members interleave, the first
        /// records of all partitions agree in the end, and every member takes the
        /// same header.
        #[test]
        fn members_that_start_at_once_agree(schedule in prop::collection::vec(0usize..4, 0..60), partitions in 1usize..5) {
            let mut log: Vec<Vec<Header>> = vec![Vec::new(); partitions];
            // A member holds what it decided to write, one record at a time.
            let mut todo: Vec<Vec<(usize, Header)>> = vec![Vec::new(); 4];
            let mut agreed: Vec<Option<Header>> = vec![None; 4];
            let all = (0..4).cycle().take(200);
            for member in schedule.into_iter().chain(all) {
                if agreed[member].is_some() {
                    continue;
                }
                if let Some((partition, header)) = todo[member].pop() {
                    log[partition].push(header);
                    continue;
                }
                let firsts: Vec<First> = log.iter().map(|p| p.first().map_or(First::Nothing, |h| First::Header(h.clone()))).collect();
                match plan("t", &firsts).unwrap() {
                    Plan::Propose => todo[member].push((0, candidate(partitions as u32))),
                    Plan::Copy(header, empty) => todo[member].extend(empty.into_iter().map(|p| (p as usize, header.clone()))),
                    Plan::Agreed(header) => agreed[member] = Some(header),
                }
            }
            let authority = log[0][0].clone();
            prop_assert!(log.iter().all(|p| p[0] == authority));
            prop_assert!(agreed.iter().all(|a| a.as_ref() == Some(&authority)));
        }
    }
}
