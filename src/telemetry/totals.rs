//! Records and events by what became of them: totals that the router and the
//! detector know absolutely, each for its own part, summed up when asked.

use std::collections::BTreeMap;
use std::sync::Mutex;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;

use crate::detector::EventCounts;
use crate::model::log::{Feed, RecordCounts};

use super::metrics::lock;

/// The totals of everything that this process owns.
#[derive(Debug, Default)]
pub(super) struct Totals {
    events: Mutex<BTreeMap<i32, EventCounts>>,
    records: Mutex<BTreeMap<Feed, RecordCounts>>,
}

impl Totals {
    /// A part never falls while it is owned: a fold that begins again climbs back unseen.
    pub(super) fn set_events(&self, partition: i32, counts: EventCounts) {
        let mut events = lock(&self.events);
        let known = events.entry(partition).or_default();
        known.counted = known.counted.max(counts.counted);
        known.duplicate = known.duplicate.max(counts.duplicate);
        known.late = known.late.max(counts.late);
        known.quarantined = known.quarantined.max(counts.quarantined);
    }

    pub(super) fn set_records(&self, feed: &Feed, counts: RecordCounts) {
        let mut records = lock(&self.records);
        let known = match records.get_mut(feed) {
            Some(known) => known,
            None => records.entry(feed.clone()).or_default(),
        };
        known.usable = known.usable.max(counts.usable);
        known.ignored = known.ignored.max(counts.ignored);
        known.dead_lettered = known.dead_lettered.max(counts.dead_lettered);
    }

    pub(super) fn add_records(&self, feed: &Feed, added: RecordCounts) {
        let mut records = lock(&self.records);
        let known = match records.get_mut(feed) {
            Some(known) => known,
            None => records.entry(feed.clone()).or_default(),
        };
        known.usable += added.usable;
        known.ignored += added.ignored;
        known.dead_lettered += added.dead_lettered;
    }

    pub(super) fn forget_events(&self, partition: i32) {
        lock(&self.events).remove(&partition);
    }

    pub(super) fn forget_records(&self, feed: &Feed) {
        lock(&self.records).remove(feed);
    }

    pub(super) fn events(&self) -> EventCounts {
        lock(&self.events)
            .values()
            .fold(EventCounts::default(), |sum, part| EventCounts {
                counted: sum.counted + part.counted,
                duplicate: sum.duplicate + part.duplicate,
                late: sum.late + part.late,
                quarantined: sum.quarantined + part.quarantined,
            })
    }

    pub(super) fn records(&self) -> RecordCounts {
        lock(&self.records)
            .values()
            .fold(RecordCounts::default(), |sum, part| RecordCounts {
                usable: sum.usable + part.usable,
                ignored: sum.ignored + part.ignored,
                dead_lettered: sum.dead_lettered + part.dead_lettered,
            })
    }
}

impl Collector for Totals {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let (records, events) = (self.records(), self.events());
        encode_outcomes(
            &mut encoder,
            "pumpwatch_records",
            "Input records by what became of them, over the feeds owned",
            &[
                ("usable", records.usable),
                ("ignored", records.ignored),
                ("dead_lettered", records.dead_lettered),
            ],
        )?;
        encode_outcomes(
            &mut encoder,
            "pumpwatch_events",
            "Events of usable records by what became of them, over the partitions owned",
            &[
                ("counted", events.counted),
                ("duplicate", events.duplicate),
                ("late", events.late),
                ("quarantined", events.quarantined),
            ],
        )
    }
}

fn encode_outcomes(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    outcomes: &[(&'static str, u64)],
) -> Result<(), std::fmt::Error> {
    let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
    for (outcome, total) in outcomes {
        let labels = [("outcome", *outcome)];
        ConstCounter::new(*total).encode(metric.encode_family(&labels)?)?;
    }
    Ok(())
}
