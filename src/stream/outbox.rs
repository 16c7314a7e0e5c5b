//! The producing side of a loop: records leave in order, a full queue is
//! back-pressure, a failed delivery is the end.

use std::collections::VecDeque;
use std::time::Duration;

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

use super::client::{Deliveries, Report, producer};
use super::error::StreamError;
use super::settings::StreamSettings;
use crate::render;

/// A record on its way out.
#[derive(Debug, Default)]
pub(crate) struct Outgoing {
    /// Where to.
    pub(crate) topic: String,
    /// Which partition; by the key when `None`.
    pub(crate) partition: Option<i32>,
    /// Key.
    pub(crate) key: Option<Vec<u8>>,
    /// Value; `None` is a tombstone.
    pub(crate) value: Option<Vec<u8>>,
    /// Headers.
    pub(crate) headers: Option<OwnedHeaders>,
    /// Kafka timestamp; the moment of sending when `None`.
    pub(crate) timestamp: Option<i64>,
    /// Comes back with the delivery.
    pub(crate) tag: usize,
}

/// Headers as Kafka's client wants them, behind those in `before`.
pub(crate) fn kafka_headers(headers: &[render::Header], before: OwnedHeaders) -> OwnedHeaders {
    headers.iter().fold(before, |all, header| {
        all.insert(Header {
            key: &header.name,
            value: header.value.as_deref(),
        })
    })
}

/// A producer with what it could not take yet.
pub(crate) struct Outbox {
    producer: BaseProducer<Deliveries>,
    waiting: VecDeque<Outgoing>,
    reports: Vec<Report>,
    brokers: String,
}

impl Outbox {
    pub(crate) fn new(settings: &StreamSettings, purpose: &str) -> Result<Self, StreamError> {
        Ok(Self {
            producer: producer(settings, purpose)?,
            waiting: VecDeque::new(),
            reports: Vec::new(),
            brokers: settings.brokers.clone(),
        })
    }

    /// The producer, for the protocol at the start.
    pub(crate) fn producer(&self) -> &BaseProducer<Deliveries> {
        &self.producer
    }

    /// Hands a record to the producer, or keeps it until there is room.
    pub(crate) fn send(&mut self, outgoing: Outgoing) -> Result<(), StreamError> {
        if self.waiting.is_empty() {
            if let Some(back) = self.try_send(outgoing)? {
                self.waiting.push_back(back);
            }
        } else {
            self.waiting.push_back(outgoing);
        }
        Ok(())
    }

    /// Whether records wait for room: whoever produces must pause.
    pub(crate) fn is_blocked(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Serves the producer; `delivered` gets the tag of every acknowledged record.
    pub(crate) fn serve(&mut self, timeout: Duration, mut delivered: impl FnMut(usize)) -> Result<(), StreamError> {
        self.producer.poll(timeout);
        loop {
            self.producer.context().swap(&mut self.reports);
            if self.reports.is_empty() {
                break;
            }
            let mut failed = None;
            for report in self.reports.drain(..) {
                match report.failure {
                    None => delivered(report.tag),
                    Some(failure) => failed = failed.or(Some(failure)),
                }
            }
            if let Some((topic, error)) = failed {
                return Err(self.failure(&topic, &error));
            }
            self.producer.poll(Duration::ZERO);
        }
        while let Some(outgoing) = self.waiting.pop_front() {
            if let Some(back) = self.try_send(outgoing)? {
                self.waiting.push_front(back);
                break;
            }
        }
        Ok(())
    }

    fn try_send(&self, outgoing: Outgoing) -> Result<Option<Outgoing>, StreamError> {
        let mut record: BaseRecord<'_, [u8], [u8], usize> = BaseRecord::with_opaque_to(&outgoing.topic, outgoing.tag);
        record.partition = outgoing.partition;
        record.key = outgoing.key.as_deref();
        record.payload = outgoing.value.as_deref();
        record.timestamp = outgoing.timestamp;
        record.headers.clone_from(&outgoing.headers);
        match self.producer.send(record) {
            Ok(()) => Ok(None),
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), _)) => Ok(Some(outgoing)),
            Err((error, _)) => Err(self.failure(&outgoing.topic, &error)),
        }
    }

    fn failure(&self, topic: &str, error: &KafkaError) -> StreamError {
        let fatal = self.producer.client().fatal_error();
        let what = format!("writing to `{topic}`");
        match StreamError::from_kafka(&what, &self.brokers, error) {
            refused @ StreamError::Unauthorized { .. } => refused,
            _ => StreamError::Delivery {
                topic: topic.to_string(),
                cause: fatal.map_or_else(|| error.to_string(), |(_, reason)| format!("{error}: {reason}")),
            },
        }
    }
}
