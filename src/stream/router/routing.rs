//! From fetched records to records of the internal log.

use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Message};

use super::merge::{Choice, choose};
use super::slot::Source;
use super::{Router, dead_letter};
use crate::decode::{Decoded, RecordMeta, Refusal, decode, decode_feedback};
use crate::model::Millis;
use crate::model::log::{EventBatch, FeedbackRecord, LogRecord};
use crate::model::routing::partition_of;
use crate::number_plan::NumberPlan;
use crate::stream::error::{StreamError, is_authorization, is_transient};
use crate::stream::group::list_of;
use crate::stream::ingest::Origin;
use crate::stream::observer::Half;
use crate::stream::offsets::Ask;
use crate::stream::outbox::Outgoing;

/// Messages taken from the consumer in one round, at most.
const POLL_MAX: usize = 2_000;
/// Records routed in one round, at most.
const ROUTE_MAX: usize = 2_000;
/// A feed that has more by its end offset but delivers nothing for this long may
/// hold only markers of transactions: it is probed.
const PROBE_AFTER: Duration = Duration::from_millis(700);

impl Router<'_> {
    /// Takes what was fetched into the queues of the feeds.
    pub(crate) fn poll_inputs(&mut self, timeout: Duration) -> Result<(), StreamError> {
        let mut timeout = timeout;
        let mut last: Option<usize> = None;
        for _ in 0..POLL_MAX {
            let message = match self.consumer.poll(timeout) {
                None => break,
                Some(Ok(message)) => message,
                Some(Err(error)) => {
                    self.consumer_error(&error)?;
                    continue;
                }
            };
            timeout = Duration::ZERO;
            // Records of one fetch come in a row.
            let place = last
                .filter(|&place| {
                    let feed = &self.slots[place].feed;
                    feed.partition == message.partition() && feed.topic == message.topic()
                })
                .or_else(|| self.slot_of(message.topic(), message.partition()));
            last = place;
            if let Some(place) = place
                && !self.slots[place].draining
            {
                self.slots[place].push(message);
            }
        }
        Ok(())
    }

    pub(crate) fn consumer_error(&self, error: &KafkaError) -> Result<(), StreamError> {
        let code = error.rdkafka_error_code();
        if matches!(error, KafkaError::MessageConsumptionFatal(_)) || !code.is_some_and(is_transient) {
            if code == Some(rdkafka::error::RDKafkaErrorCode::AutoOffsetReset)
                || code == Some(rdkafka::error::RDKafkaErrorCode::OffsetOutOfRange)
            {
                return Err(StreamError::InputTruncated(format!(
                    "a position in an input is no longer there ({error}): records were deleted before they were read; raise the retention of the inputs and start again"
                )));
            }
            if code.is_some_and(is_authorization) {
                return Err(StreamError::Unauthorized {
                    what: format!("reading the inputs as group `{}`", self.parts.settings.router_group()),
                    cause: error.to_string(),
                });
            }
            return Err(self.client_error("reading the inputs", error));
        }
        self.parts.observer.broker_trouble(Half::Router, &error.to_string());
        Ok(())
    }

    /// Routes in order of time until there is nothing, something to wait for, or no
    /// room; tells whether to go on at once.
    pub(crate) fn route(&mut self, wall: Millis) -> Result<bool, StreamError> {
        let mut routed = 0;
        while routed < ROUTE_MAX {
            if self.outbox.is_blocked() || self.checkpoints.outstanding() >= self.parts.settings.pace.unacknowledged_max
            {
                return Ok(false);
            }
            match choose(self.slots.iter().map(|slot| slot.head(wall))) {
                Choice::Nothing => return Ok(routed > 0),
                Choice::WaitFor(place) => {
                    if !self.waited_enough(place) {
                        return Ok(false);
                    }
                    self.slots[place].excused = true;
                }
                Choice::Take { feed, until } => {
                    self.awaiting = None;
                    loop {
                        self.route_one(feed, wall)?;
                        routed += 1;
                        let more = self.slots[feed].head(wall).arrival;
                        let still_first = more.is_some_and(|arrival| until.is_none_or(|until| arrival < until));
                        if !still_first || routed >= ROUTE_MAX || self.outbox.is_blocked() {
                            break;
                        }
                    }
                }
            }
        }
        Ok(true)
    }

    fn waited_enough(&mut self, place: usize) -> bool {
        let now = Instant::now();
        match self.awaiting {
            Some((awaited, since)) if awaited == place => now - since >= self.parts.settings.pace.merge_wait,
            _ => {
                self.awaiting = Some((place, now));
                false
            }
        }
    }

    fn route_one(&mut self, place: usize, wall: Millis) -> Result<(), StreamError> {
        let slot = &mut self.slots[place];
        let Some(message) = slot.pop() else { return Ok(()) };
        if message.offset() < slot.next_offset {
            return Ok(());
        }
        slot.next_offset = message.offset() + 1;
        let record_time = slot.record_time(&message, wall);
        match slot.source {
            Source::Input(input) => {
                let arrival = slot.clock.record(record_time, wall);
                self.route_input(place, input, &message, (record_time, arrival), wall)
            }
            Source::Feedback => self.route_feedback(place, &message, record_time),
        }
    }

    fn route_input(
        &mut self,
        place: usize,
        input: usize,
        message: &BorrowedMessage<'_>,
        (record_time, arrival): (Millis, Millis),
        wall: Millis,
    ) -> Result<(), StreamError> {
        let settings = &self.parts.settings.inputs[input];
        let meta = RecordMeta {
            record_time,
            default_tenant: settings.tenant.as_deref(),
            default_app: settings.app.as_deref(),
        };
        match decode(settings.format, &meta, message.payload()) {
            Ok(Decoded::Usable(events)) if !events.is_empty() => {
                self.slots[place].counts.usable += 1;
                for (index, event) in events.into_iter().enumerate() {
                    let origin = Origin {
                        feed: 0,
                        offset: message.offset(),
                        index: index as u32,
                        record_time,
                        arrival,
                    };
                    let routed = self.ingest.route(NumberPlan::shared(), event, origin);
                    let partition = partition_of(&routed.tenant, self.header.partitions);
                    let feed = &self.slots[place].feed;
                    if let Some(batch) = self.packer.push(partition, place, feed, routed, wall) {
                        self.append_events(partition, batch)?;
                    }
                }
            }
            Ok(Decoded::Usable(_) | Decoded::Ignored(_)) => self.slots[place].counts.ignored += 1,
            Err(refusal) => {
                self.slots[place].counts.dead_lettered += 1;
                self.dead_letter(place, message, &refusal)?;
            }
        }
        Ok(())
    }

    fn route_feedback(
        &mut self,
        place: usize,
        message: &BorrowedMessage<'_>,
        record_time: Millis,
    ) -> Result<(), StreamError> {
        let meta = RecordMeta {
            record_time,
            default_tenant: None,
            default_app: None,
        };
        let feedback = match decode_feedback(&meta, message.payload()) {
            Ok(feedback) => feedback,
            Err(refusal) => {
                self.slots[place].counts.dead_lettered += 1;
                return self.dead_letter(place, message, &refusal);
            }
        };
        self.slots[place].counts.usable += 1;
        let partitions = match feedback.tenant() {
            Some(tenant) => {
                let partition = partition_of(tenant, self.header.partitions);
                partition..partition + 1
            }
            None => 0..self.header.partitions as i32,
        };
        let record = LogRecord::Feedback(FeedbackRecord {
            feed: self.slots[place].feed.clone(),
            offset: message.offset(),
            record_time,
            feedback,
        });
        for partition in partitions {
            self.append(partition, &record)?;
        }
        Ok(())
    }

    fn dead_letter(
        &mut self,
        place: usize,
        message: &BorrowedMessage<'_>,
        refusal: &Refusal,
    ) -> Result<(), StreamError> {
        let slot = &self.slots[place];
        let settings = &self.parts.settings;
        let sentence = refusal.to_string();
        let reason = dead_letter::Reason {
            format: match slot.source {
                Source::Input(input) => Some(settings.inputs[input].format),
                Source::Feedback => None,
            },
            class: refusal.class_name(),
            message: &sentence,
        };
        let mut outgoing = dead_letter::outgoing(
            &settings.topics.dead_letters,
            &slot.feed,
            message,
            &reason,
            settings.dead_letter_values,
            self.ingest.digest_key(),
        );
        self.parts
            .observer
            .dead_letter(&slot.feed, message.offset(), reason.class, &sentence);
        outgoing.tag = self.checkpoints.produced() as usize;
        self.outbox.send(outgoing)
    }

    pub(crate) fn append_events(&mut self, partition: i32, batch: EventBatch) -> Result<(), StreamError> {
        self.events_since_tick += batch.events.len() as u64;
        self.events_untold += batch.events.len() as u64;
        self.append(partition, &LogRecord::Events(batch))
    }

    pub(crate) fn append(&mut self, partition: i32, record: &LogRecord) -> Result<(), StreamError> {
        let tag = self.checkpoints.produced() as usize;
        self.outbox.send(Outgoing {
            topic: self.parts.settings.topics.events.clone(),
            partition: Some(partition),
            value: Some(record.encode()),
            tag,
            ..Outgoing::default()
        })
    }

    /// Pauses feeds whose queue stays full, resumes those with room, probes those
    /// that seem to have more and deliver nothing.
    pub(crate) fn regulate(&mut self) -> Result<(), StreamError> {
        let records_max = self.parts.settings.pace.queue_records_max;
        let now = Instant::now();
        for place in 0..self.slots.len() {
            let slot = &mut self.slots[place];
            let pause = !slot.paused && slot.is_full(records_max);
            let resume = slot.paused && slot.has_room(records_max);
            if pause || resume {
                slot.paused = pause;
                slot.stirred = now;
                let list = list_of([&slot.feed]);
                let done = if pause {
                    self.consumer.pause(&list)
                } else {
                    self.consumer.resume(&list)
                };
                self.parts.observer.paused(Half::Router, &self.slots[place].feed, pause);
                done.map_err(|error| self.client_error("pausing an input", &error))?;
                continue;
            }
            let stuck = !slot.paused && slot.waiting() == 0 && slot.end.is_some() && slot.has_more();
            if stuck && now - slot.stirred >= PROBE_AFTER {
                slot.stirred = now;
                let (feed, from) = (slot.feed.clone(), slot.next_offset);
                let to = slot.end.unwrap_or(from);
                self.offsets.ask(Ask::Probe { feed, from, to })?;
            }
        }
        Ok(())
    }
}
