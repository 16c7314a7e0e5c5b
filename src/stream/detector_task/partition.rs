//! One partition of the internal log: its fold, what of it is published, what may
//! be committed.

use std::time::{Duration, Instant};

use crate::detector::Effect;
use crate::model::log::{Feed, Header};
use crate::stream::checkpoint::Checkpoints;
use crate::stream::error::StreamError;
use crate::stream::fold::{FoldError, PartitionFold};
use crate::stream::header;
use crate::stream::offsets::Position;
use crate::stream::settings::StreamSettings;

const METADATA_VERSION: &str = "pwd1";

/// A fold with its place in the outside world.
pub(crate) struct PartitionTask {
    pub(crate) feed: Feed,
    pub(crate) fold: PartitionFold,
    pub(crate) checkpoints: Checkpoints<i64>,
    /// Being given back: nothing more is folded.
    pub(crate) draining: bool,
    /// Output was produced since the last cut.
    pub(crate) unpublished: bool,
    /// What records before this offset caused was published by an earlier owner.
    published_until: i64,
    /// The deployment that the earlier owner's commit names.
    committed_deployment: Option<String>,
    committable: Option<i64>,
    last_cut: i64,
    restoring: Option<Instant>,
    took: Option<Duration>,
}

impl PartitionTask {
    /// The task of a newly assigned partition.
    pub(crate) fn new(settings: &StreamSettings, position: &Position) -> Result<Self, StreamError> {
        let topic = &settings.topics.events;
        let partition = position.feed.partition;
        if position.low > 0 {
            return Err(header::gap(topic, partition, position.low));
        }
        let (published_until, metadata) = match &position.committed {
            Some((offset, metadata)) => (*offset, Some(metadata)),
            None => (0, None),
        };
        if published_until > position.end {
            return Err(StreamError::LogGap(format!(
                "partition {partition} of `{topic}` ends at offset {} but group `{}` has published what came before offset {published_until}: the topic was truncated or created anew; name another `kafka.group`",
                position.end,
                settings.detector_group()
            )));
        }
        Ok(Self {
            feed: position.feed.clone(),
            fold: PartitionFold::new(partition),
            checkpoints: Checkpoints::default(),
            draining: false,
            unpublished: false,
            published_until,
            committed_deployment: metadata.and_then(|text| deployment_in(text)),
            committable: None,
            last_cut: published_until,
            restoring: Some(Instant::now()),
            took: None,
        })
    }

    pub(crate) fn partition(&self) -> i32 {
        self.fold.partition()
    }

    /// Folds a record; tells whether its effects are to be published.
    pub(crate) fn fold_record(
        &mut self,
        settings: &StreamSettings,
        log_partitions: u32,
        offset: i64,
        value: &[u8],
        effects: &mut Vec<Effect>,
    ) -> Result<bool, StreamError> {
        let topic = &settings.topics.events;
        let partition = self.partition();
        self.fold.apply(offset, value, effects).map_err(|error| match error {
            FoldError::Decode(cause) => StreamError::LogRecord {
                topic: topic.clone(),
                partition,
                offset,
                cause,
            },
            FoldError::NoHeader => StreamError::LogMismatch(format!(
                "partition {partition} of `{topic}` does not begin with a header; name a new topic as `topics.events`"
            )),
            hole @ FoldError::Hole { .. } => StreamError::LogGap(format!(
                "partition {partition} of `{topic}`: {hole}; name a new topic as `topics.events`"
            )),
        })?;
        if offset == 0
            && let Some(header) = self.fold.header()
        {
            header::check(topic, header, log_partitions)?;
            self.check_deployment(settings, header)?;
        }
        Ok(offset >= self.published_until)
    }

    fn check_deployment(&self, settings: &StreamSettings, header: &Header) -> Result<(), StreamError> {
        let here = format!("{:032x}", header.deployment_id);
        match &self.committed_deployment {
            Some(there) if *there != here => Err(StreamError::LogMismatch(format!(
                "the committed offsets of group `{}` belong to another internal log than `{}`; name another `kafka.group`, or delete the group with `kafka-consumer-groups --delete`",
                settings.detector_group(),
                settings.topics.events
            ))),
            _ => Ok(()),
        }
    }

    /// Whether the fold has caught up with the last owner just now.
    pub(crate) fn just_restored(&mut self) -> bool {
        if self.fold.next_offset() < self.published_until {
            return false;
        }
        let Some(since) = self.restoring.take() else {
            return false;
        };
        self.took = Some(since.elapsed());
        true
    }

    /// Records that were folded again, and how long it took.
    pub(crate) fn restore_took(&self) -> (u64, Duration) {
        (self.published_until as u64, self.took.unwrap_or_default())
    }

    /// Notes the position up to which everything was produced.
    pub(crate) fn cut(&mut self) {
        let next_offset = self.fold.next_offset();
        if next_offset > self.last_cut {
            self.last_cut = next_offset;
            self.unpublished = false;
            self.checkpoints.cut(next_offset);
        }
    }

    /// The newest position that may be committed, once.
    pub(crate) fn take_committable(&mut self) -> Option<i64> {
        while let Some(next_offset) = self.checkpoints.take_complete() {
            self.committable = Some(next_offset);
        }
        self.committable.take()
    }

    /// The last commit did not arrive: offer the position again.
    pub(crate) fn commit_failed(&mut self) {
        self.last_cut = self.last_cut.min(self.published_until);
    }

    /// Which internal log the committed offset belongs to.
    pub(crate) fn commit_metadata(&self) -> String {
        let deployment = self.fold.header().map_or(0, |header| header.deployment_id);
        format!("{METADATA_VERSION},{deployment:032x}")
    }
}

fn deployment_in(metadata: &str) -> Option<String> {
    let (version, deployment) = metadata.split_once(',')?;
    (version == METADATA_VERSION).then(|| deployment.to_string())
}
