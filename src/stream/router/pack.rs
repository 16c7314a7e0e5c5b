//! Packs events for the same partition of the internal log into one record:
//! producing is the dearest step of the router, and its price is by record. Pure.

use crate::model::Millis;
use crate::model::log::{EventBatch, Feed, RoutedBody, RoutedEvent};

/// Events in one record of the log, at most.
pub(crate) const BATCH_EVENTS_MAX: usize = 256;
/// Estimated bytes of one record of the log, at most; far below any broker's limit.
pub(crate) const BATCH_BYTES_MAX: usize = 64 * 1024;

/// The batches being filled, one a partition of the log.
#[derive(Debug)]
pub(crate) struct Packer {
    open: Vec<Open>,
}

#[derive(Debug, Default)]
struct Open {
    /// Slots of the router's feed table, in step with the batch's feeds.
    slots: Vec<usize>,
    batch: EventBatch,
    bytes: usize,
    since: Option<Millis>,
}

impl Packer {
    pub(crate) fn new(partitions: u32) -> Self {
        Self {
            open: (0..partitions).map(|_| Open::default()).collect(),
        }
    }

    /// Adds an event of the feed in `slot`; gives the batch back when it is full.
    pub(crate) fn push(
        &mut self,
        partition: i32,
        slot: usize,
        feed: &Feed,
        mut event: RoutedEvent,
        wall: Millis,
    ) -> Option<EventBatch> {
        let open = &mut self.open[partition as usize];
        let place = open.slots.iter().position(|&known| known == slot).unwrap_or_else(|| {
            open.slots.push(slot);
            open.batch.feeds.push(feed.clone());
            open.bytes += feed.topic.len() + 8;
            open.slots.len() - 1
        });
        event.feed = place as u16;
        open.bytes += estimate(&event);
        open.batch.events.push(event);
        open.since.get_or_insert(wall);
        let full = open.batch.events.len() >= BATCH_EVENTS_MAX || open.bytes >= BATCH_BYTES_MAX;
        full.then(|| open.take())
    }

    /// Takes every batch whose first event came at or before `before`.
    pub(crate) fn take_due(&mut self, before: Millis) -> impl Iterator<Item = (i32, EventBatch)> + '_ {
        self.open
            .iter_mut()
            .enumerate()
            .filter(move |(_, open)| open.since.is_some_and(|since| since <= before))
            .map(|(partition, open)| (partition as i32, open.take()))
    }

    /// Takes every batch.
    pub(crate) fn take_all(&mut self) -> impl Iterator<Item = (i32, EventBatch)> + '_ {
        self.take_due(Millis(i64::MAX))
    }
}

impl Open {
    fn take(&mut self) -> EventBatch {
        std::mem::take(self).batch
    }
}

/// An upper estimate of the encoded size, in bytes.
fn estimate(event: &RoutedEvent) -> usize {
    let number = event.number.as_ref().map_or(1, |number| {
        64 + number
            .class
            .operator
            .as_ref()
            .map_or(0, compact_str::CompactString::len)
    });
    let body = match &event.body {
        RoutedBody::Send(_) => 128,
        RoutedBody::Verification { .. } | RoutedBody::Delivery { .. } => 80,
    };
    72 + event.tenant.len() + event.app.len() + number + body
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Outcome;
    use crate::model::log::{LogRecord, Token};
    use proptest::prelude::*;

    pub(crate) fn event(offset: i64, tenant: &str) -> RoutedEvent {
        RoutedEvent {
            feed: 0,
            offset,
            index: 0,
            record_time: Millis(offset),
            arrival: Millis(offset),
            time: Millis(offset),
            id: Token(u128::MAX),
            tenant: tenant.into(),
            app: "a".into(),
            number: None,
            body: RoutedBody::Verification {
                session: Some(Token(u128::MAX)),
                message_id: Some(Token(u128::MAX)),
                outcome: Outcome::Approved,
            },
        }
    }

    fn feed(slot: usize) -> Feed {
        Feed {
            topic: format!("t{slot}").into(),
            partition: slot as i32,
        }
    }

    proptest! {
        #[test]
        fn nothing_is_lost_reordered_or_too_large(
            pushes in prop::collection::vec((0i32..3, 0usize..4, 0usize..250), 0..900)
        ) {
            let mut packer = Packer::new(3);
            let mut out: Vec<Vec<(String, i64)>> = vec![Vec::new(); 3];
            let mut keep = |partition: i32, batch: EventBatch| {
                assert!(batch.events.len() <= BATCH_EVENTS_MAX);
                for event in &batch.events {
                    out[partition as usize].push((batch.feeds[event.feed as usize].topic.to_string(), event.offset));
                }
                let bytes = LogRecord::Events(batch).encode().len();
                assert!(bytes <= BATCH_BYTES_MAX + 1024, "{bytes}");
            };
            let mut expected: Vec<Vec<(String, i64)>> = vec![Vec::new(); 3];
            for (offset, (partition, slot, tenant)) in pushes.into_iter().enumerate() {
                expected[partition as usize].push((feed(slot).topic.to_string(), offset as i64));
                let event = event(offset as i64, &"x".repeat(tenant));
                if let Some(batch) = packer.push(partition, slot, &feed(slot), event, Millis(offset as i64)) {
                    keep(partition, batch);
                }
            }
            for (partition, batch) in packer.take_all() {
                keep(partition, batch);
            }
            prop_assert_eq!(packer.take_all().count(), 0);
            prop_assert_eq!(out, expected);
        }
    }

    #[test]
    fn only_what_waited_long_enough_is_due() {
        let mut packer = Packer::new(2);
        packer.push(0, 0, &feed(0), event(1, "a"), Millis(10));
        packer.push(1, 0, &feed(0), event(2, "a"), Millis(30));
        let due: Vec<i32> = packer.take_due(Millis(20)).map(|(partition, _)| partition).collect();
        assert_eq!(due, [0]);
    }
}
