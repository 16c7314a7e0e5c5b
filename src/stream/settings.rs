//! What the composition root hands to the stream layer: plain values, already
//! validated, so that nothing here depends on how configuration is written.

use std::time::Duration;

use compact_str::CompactString;

use crate::decode::Format;
use crate::model::log::{FeedScope, PolicyRecord};
use crate::model::{DEFAULT_NAME, topics};
use crate::render::OutputTopic;

/// How many partitions a new internal log gets.
pub const DEFAULT_LOG_PARTITIONS: u32 = 8;

/// Everything that router and detector need to know.
#[derive(Clone)]
pub struct StreamSettings {
    /// `bootstrap.servers`.
    pub brokers: String,
    /// Handed to librdkafka after our own, so the user has the last word on
    /// everything except what exactness rests on.
    pub properties: Vec<(String, String)>,
    /// Prefix of the two consumer groups `<group>.router` and `<group>.detector`.
    pub group: String,
    /// Topic names.
    pub topics: Topics,
    /// The input topics.
    pub inputs: Vec<InputSettings>,
    /// The policy to put in force.
    pub policy: PolicyRecord,
    /// Secret behind every pseudonym; without one the header's salt stands in.
    pub privacy_key: Option<Vec<u8>>,
    /// Whether full numbers are kept in the internal log.
    pub keep_numbers: bool,
    /// What a dead letter shows of the record it is about.
    pub dead_letter_values: DeadLetterValues,
    /// Name of this member in ticks; empty: a random one.
    pub member: String,
    /// The pace of things.
    pub pace: Pace,
}

/// Names of the topics that are not inputs.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Topics {
    pub events: String,
    pub alerts: String,
    pub blocklist: String,
    pub stats: String,
    pub audit: String,
    pub dead_letters: String,
    pub feedback: String,
}

impl Default for Topics {
    fn default() -> Self {
        Self {
            events: topics::EVENTS.into(),
            alerts: topics::ALERTS.into(),
            blocklist: topics::BLOCKLIST.into(),
            stats: topics::STATS.into(),
            audit: topics::AUDIT.into(),
            dead_letters: topics::DEAD_LETTERS.into(),
            feedback: topics::FEEDBACK.into(),
        }
    }
}

/// One input topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputSettings {
    /// Name of the topic.
    pub topic: String,
    /// Its format.
    pub format: Format,
    /// Tenant of records that name none.
    pub tenant: Option<CompactString>,
    /// App of records that name none.
    pub app: Option<CompactString>,
    /// Where a group without a committed position begins.
    pub start: Start,
}

impl InputSettings {
    /// What the input can carry, and for whom.
    pub fn scope(&self) -> FeedScope {
        // These formats let a record name its tenant; the others know only one.
        let names_tenant = matches!(self.format.name(), "canonical" | "aws_sms");
        let tenant = self.tenant.clone().unwrap_or_else(|| DEFAULT_NAME.into());
        FeedScope {
            verifications: self.format.carries().verifications,
            tenant: (!names_tenant).then_some(tenant),
        }
    }
}

/// Where a group without a committed position begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Start {
    /// At the oldest record that is still there.
    #[default]
    Earliest,
    /// At the end.
    Latest,
}

/// What a dead letter shows of the record it is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeadLetterValues {
    /// The value as it was, known secrets redacted.
    #[default]
    Original,
    /// Only its length and a keyed digest.
    Withheld,
}

/// Intervals and bounds. The defaults are right for production; tests shorten them.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Longest time between ticks when nothing flows.
    pub tick_idle: Duration,
    /// Longest time between ticks while events flow: detection waits for ticks.
    pub tick_busy: Duration,
    /// Events after which a tick follows at once.
    pub tick_events: u64,
    /// How long an event may wait for others to share its record of the log.
    pub batch_linger: Duration,
    /// Time between commits.
    pub commit: Duration,
    /// Time between questions for the end offsets of the feeds.
    pub end_offsets: Duration,
    /// How long the merge waits for a feed that has more but has not delivered.
    pub merge_wait: Duration,
    /// Records waiting for one feed above which it is paused.
    pub queue_records_max: usize,
    /// Records produced and not acknowledged above which routing waits.
    pub unacknowledged_max: u64,
    /// How long a revoked partition may take to drain.
    pub revoke: Duration,
    /// How long the end of the process may take.
    pub drain: Duration,
    /// How long the first contact with the broker may take.
    pub connect: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            tick_idle: Duration::from_secs(1),
            tick_busy: Duration::from_millis(200),
            tick_events: 20_000,
            batch_linger: Duration::from_millis(20),
            commit: Duration::from_secs(1),
            end_offsets: Duration::from_millis(250),
            merge_wait: Duration::from_millis(500),
            queue_records_max: 8_192,
            unacknowledged_max: 20_000,
            revoke: Duration::from_secs(10),
            drain: Duration::from_secs(25),
            connect: Duration::from_secs(10),
        }
    }
}

impl StreamSettings {
    /// Consumer group of the routers.
    pub fn router_group(&self) -> String {
        format!("{}.router", self.group)
    }

    /// Consumer group of the detectors.
    pub fn detector_group(&self) -> String {
        format!("{}.detector", self.group)
    }

    /// The input with this topic.
    pub fn input(&self, topic: &str) -> Option<&InputSettings> {
        self.inputs.iter().find(|input| input.topic == topic)
    }

    /// The name of `topic` for a role of the output.
    pub fn output_topic(&self, topic: OutputTopic) -> &str {
        match topic {
            OutputTopic::Alerts => &self.topics.alerts,
            OutputTopic::Blocklist => &self.topics.blocklist,
            OutputTopic::Stats => &self.topics.stats,
            OutputTopic::Audit => &self.topics.audit,
            OutputTopic::DeadLetters => &self.topics.dead_letters,
        }
    }
}

/// Secrets stay out of every log line.
impl std::fmt::Debug for StreamSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StreamSettings")
            .field("brokers", &self.brokers)
            .field("group", &self.group)
            .field("topics", &self.topics)
            .field("inputs", &self.inputs)
            .finish_non_exhaustive()
    }
}
