//! What can be laid over an honest world: attacks with their habits, innocent
//! oddities with theirs.

use serde::Deserialize;

use super::pace::Pace;

/// Where a campaign sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// This country (place in the table).
    Country(usize),
    /// Countries that the tenant does not serve, the dear ones first.
    Unseen,
    /// Among the tenant's three busiest countries.
    Busy,
    /// Among the tenant's least busy ones.
    Rare,
}

/// How numbers are drawn inside a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Numbers {
    /// Uniformly.
    Uniform,
    /// One after the other, with gaps of one to three.
    Sequential,
    /// The same few again and again.
    Few,
}

/// Where the requests come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// Home connections all over the world.
    Residential,
    /// Home and mobile networks of the destination's own country.
    Local,
    /// Data centres.
    Datacenter,
}

/// What the requests show as devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Devices {
    /// A new one each time.
    Fresh,
    /// A small pool.
    Pool,
    /// None.
    Missing,
}

/// What the requests show as user agents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Agents {
    /// Three of those that people have.
    Ordinary,
    /// One that no customer has.
    Script,
}

/// How messages lie in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Timing {
    /// At random.
    Random,
    /// At even gaps.
    Even,
    /// With the daily cycle of the tenant, most at its peak hours.
    Cover,
}

/// What the attacker does when blocked (closed loop).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reaction {
    /// Goes to new ranges.
    Hop,
    /// Goes to new ranges at a third of the rate.
    Slow,
    /// Goes to new ranges and fakes more conversions.
    Fake,
    /// Gives up.
    Stop,
    /// Goes on as if nothing had happened.
    Ignore,
}

/// How faked conversions lie in time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum FakeLatency {
    /// As people do.
    Plausible,
    /// Within a second of always the same delay.
    Narrow,
    /// At a pace of their own.
    Own(Pace),
}

/// An attack campaign.
#[derive(Clone, Debug, PartialEq)]
pub struct AttackSpec {
    /// Where it sends.
    pub target: Target,
    /// To how many countries.
    pub countries: usize,
    /// Mean messages a second.
    pub rate: f64,
    /// It ends after so many.
    pub messages: u64,
    /// Number ranges at a time.
    pub ranges: usize,
    /// Each spans 10^block_digits numbers.
    pub block_digits: u32,
    /// How numbers are drawn.
    pub numbers: Numbers,
    /// How many with [`Numbers::Few`].
    pub few: u64,
    /// Share of messages to numbers that do not exist: a third of too short or
    /// too long ones, a third in ranges the plan does not have, a third valid by
    /// the plan and never delivered.
    pub invalid_share: f64,
    /// Share of messages whose code is sent back.
    pub converted_share: f64,
    /// When it is sent back.
    pub latency: FakeLatency,
    /// Where requests come from.
    pub source: Source,
    /// From how many addresses; 0: a new one each time or two.
    pub addresses: u64,
    /// What they show as devices.
    pub devices: Devices,
    /// What they show as user agents.
    pub agents: Agents,
    /// How messages lie in time.
    pub timing: Timing,
    /// It moves to new ranges at this interval (open loop); 0: never.
    pub hop_every_ms: i64,
    /// How long after a block it reacts (closed loop).
    pub hop_after_ms: i64,
    /// How often it moves at most.
    pub hops: u32,
    /// What it does when blocked.
    pub on_block: Reaction,
    /// Messages of a probe that goes first.
    pub probe: u64,
    /// How long before.
    pub probe_before_ms: i64,
    /// From one of them to the next, with up to half of it more.
    pub probe_every_ms: i64,
    /// Share of them whose code is sent back, all to numbers that exist: lessons in what
    /// is normal. `None`: as all of the campaign.
    pub probe_converted: Option<f64>,
}

/// An innocent oddity.
#[derive(Clone, Debug, PartialEq)]
pub struct InnocentSpec {
    /// One country, or (where the kind allows) all.
    pub country: Option<usize>,
    /// Messages a second, where the kind adds traffic.
    pub rate: f64,
    /// By what something is multiplied.
    pub factor: f64,
    /// What share is touched.
    pub share: f64,
    /// By how long something is late or shifted.
    pub delay_ms: i64,
    /// Whether numbers come in ascending order.
    pub sorted: bool,
}

/// Names of attacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub(super) enum AttackKind {
    Burst,
    Adjacent,
    ResidentialProxies,
    MinutesBurst,
    Drip,
    UnseenCountry,
    ProbeFirst,
    FakedConversions,
    Hopping,
    PeakCover,
    ManyRanges,
    LowAndSlow,
    Million,
    Hammering,
}

/// Names of innocent oddities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum InnocentKind {
    Launch,
    MarketingBlast,
    CarrierOutage,
    FeedLate,
    FeedDead,
    FeedStall,
    Enrolment,
    LoadTest,
    Disorder,
    Holiday,
    PriceChange,
    NewRange,
    EventWifi,
    AppRelease,
    Masked,
    ClockShift,
    ClientFieldsLost,
    ConversionDip,
    UserImport,
    TvSpikes,
}

/// What an overlay is.
#[derive(Clone, Debug, PartialEq)]
pub enum OverlayKind {
    /// An attack.
    Attack(AttackSpec),
    /// Anything else that looks odd.
    Innocent(InnocentKind, InnocentSpec),
}

/// One overlay of a scenario.
#[derive(Clone, Debug, PartialEq)]
pub struct OverlaySpec {
    /// Label of its events.
    pub id: String,
    /// Name of its kind, as in the file.
    pub kind_name: &'static str,
    /// Which tenant, by place.
    pub tenant: usize,
    /// Which app of that tenant, by place; `None`: all (oddities only).
    pub app: Option<usize>,
    /// Begin, relative to the scenario's start.
    pub start_ms: i64,
    /// How long.
    pub duration_ms: i64,
    /// What it is.
    pub kind: OverlayKind,
}

impl OverlaySpec {
    /// Whether it is an attack (otherwise an innocent explanation).
    pub fn is_attack(&self) -> bool {
        matches!(self.kind, OverlayKind::Attack(_))
    }
}
