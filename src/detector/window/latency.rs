//! How long people take from a send to its verification.
//!
//! Latencies are whole tenths of a second from 0.1 s to 3600 s; what lies
//! outside counts as the nearest of these. HdrHistograms of two significant
//! digits hold them: an error below 1 %.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use super::AppIx;
use crate::model::{DAY, HOUR, Millis, Region};

const LATENCY_MAX_DECISECONDS: u16 = 36_000;
/// Latencies of one minute of one node that are kept one by one.
const MINUTE_EXACT_MAX: usize = 256;
/// A generation is closed at so many samples; fits its 16-bit counters twice.
const GENERATION_SAMPLES: u64 = 1_024;
/// … or at this age, if it holds enough for a 95th percentile to mean something.
const GENERATION_AGE_MS: i64 = 7 * DAY;
const GENERATION_SAMPLES_MIN: u64 = 64;

/// Whose latencies a quantile rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LatencyScope {
    /// The app's in the region that was asked for.
    Region,
    /// The app's in all regions.
    App,
    /// Those of all apps.
    All,
}

/// Quantiles of the send-to-verify latency, in seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LatencyQuantiles {
    /// Whose latencies these are.
    pub scope: LatencyScope,
    /// How many they rest on, 1 to 2048.
    pub samples: u64,
    /// Median.
    pub p50: f64,
    /// 95th percentile.
    pub p95: f64,
    /// 99th percentile.
    pub p99: f64,
}

fn deciseconds(seconds: f64) -> Option<u16> {
    let tenths = libm::round(seconds * 10.0);
    (!tenths.is_nan()).then(|| tenths.clamp(1.0, f64::from(LATENCY_MAX_DECISECONDS)) as u16)
}

fn histogram<T: hdrhistogram::Counter>() -> Histogram<T> {
    Histogram::new_with_bounds(1, u64::from(LATENCY_MAX_DECISECONDS), 2).expect("the bounds are constants in range")
}

fn quantile_seconds<T: hdrhistogram::Counter>(histogram: &Histogram<T>, quantile: f64) -> f64 {
    histogram.value_at_quantile(quantile) as f64 / 10.0
}

/// Histograms in a snapshot: the values that occurred, each with its count.
mod kept {
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::{BTreeMap, Histogram};
    use crate::detector::snapshot::codec::histogram::{counts, fill};

    /// What a histogram is kept in.
    pub(super) trait Kept: Sized {
        type Counts: Serialize + for<'de> Deserialize<'de>;
        fn counts(&self) -> Self::Counts;
        fn filled(counts: Self::Counts) -> Result<Self, &'static str>;
    }

    impl<T: hdrhistogram::Counter> Kept for Histogram<T> {
        type Counts = BTreeMap<u64, u64>;
        fn counts(&self) -> Self::Counts {
            counts(self)
        }
        fn filled(counts: Self::Counts) -> Result<Self, &'static str> {
            fill(super::histogram(), counts)
        }
    }

    impl<K: Kept> Kept for Option<K> {
        type Counts = Option<K::Counts>;
        fn counts(&self) -> Self::Counts {
            self.as_ref().map(Kept::counts)
        }
        fn filled(counts: Self::Counts) -> Result<Self, &'static str> {
            counts.map(K::filled).transpose()
        }
    }

    impl<K: Kept> Kept for Box<K> {
        type Counts = K::Counts;
        fn counts(&self) -> Self::Counts {
            (**self).counts()
        }
        fn filled(counts: Self::Counts) -> Result<Self, &'static str> {
            K::filled(counts).map(Box::new)
        }
    }

    pub(super) fn serialize<K: Kept, S: Serializer>(kept: &K, serializer: S) -> Result<S::Ok, S::Error> {
        kept.counts().serialize(serializer)
    }

    pub(super) fn deserialize<'de, K: Kept, D: Deserializer<'de>>(deserializer: D) -> Result<K, D::Error> {
        K::filled(Deserialize::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

/// The latencies of one minute of one node.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum MinuteLatencies {
    Exact(#[serde(with = "crate::detector::snapshot::codec::roomy")] Vec<u16>),
    Many(#[serde(with = "kept")] Box<Histogram<u32>>),
}

impl Default for MinuteLatencies {
    fn default() -> Self {
        Self::Exact(Vec::new())
    }
}

impl MinuteLatencies {
    /// Adds one; what is not a number is left out.
    pub(super) fn insert(&mut self, seconds: f64) {
        let Some(value) = deciseconds(seconds) else {
            return;
        };
        match self {
            Self::Exact(values) if values.len() < MINUTE_EXACT_MAX => values.push(value),
            Self::Exact(values) => {
                let mut many = Box::new(histogram::<u32>());
                for &v in values.iter().chain([&value]) {
                    many.saturating_record(u64::from(v));
                }
                *self = Self::Many(many);
            }
            Self::Many(many) => many.saturating_record(u64::from(value)),
        }
    }

    /// Median and 95th percentile (nearest rank), in seconds.
    pub(super) fn quantiles(&mut self) -> Option<(f64, f64)> {
        match self {
            Self::Exact(values) => {
                values.sort_unstable();
                let nearest = |percent: usize| {
                    let rank = (values.len() * percent).div_ceil(100).max(1);
                    values.get(rank - 1).map(|&v| f64::from(v) / 10.0)
                };
                Some((nearest(50)?, nearest(95)?))
            }
            Self::Many(many) => Some((quantile_seconds(many, 0.5), quantile_seconds(many, 0.95))),
        }
    }

    /// Memory behind it, in bytes.
    pub(super) fn heap_bytes(&self) -> usize {
        match self {
            Self::Exact(values) => values.capacity() * size_of::<u16>(),
            Self::Many(many) => size_of_val(&**many) + many.distinct_values() * size_of::<u32>(),
        }
    }
}

/// Two generations: quantiles rest on the last 1024 to 2048 samples, or on
/// those of one to two weeks, so they follow drift.
#[derive(Debug, Serialize, Deserialize)]
struct Generations {
    #[serde(with = "kept")]
    current: Histogram<u16>,
    #[serde(with = "kept")]
    previous: Option<Histogram<u16>>,
    since: Millis,
    last: Millis,
}

impl Generations {
    fn new(now: Millis) -> Self {
        Self {
            current: histogram(),
            previous: None,
            since: now,
            last: now,
        }
    }

    fn insert(&mut self, now: Millis, value: u16) {
        let samples = self.current.len();
        let old = now - self.since >= GENERATION_AGE_MS && samples >= GENERATION_SAMPLES_MIN;
        if samples >= GENERATION_SAMPLES || old {
            let mut fresh = self.previous.take().unwrap_or_else(histogram);
            fresh.reset();
            self.previous = Some(std::mem::replace(&mut self.current, fresh));
            self.since = now;
        }
        self.current.saturating_record(u64::from(value));
        self.last = now;
    }

    fn quantiles(&self, scope: LatencyScope) -> LatencyQuantiles {
        let mut all = self.current.clone();
        if let Some(previous) = &self.previous {
            all.add(previous).expect("all have the same bounds");
        }
        LatencyQuantiles {
            scope,
            samples: all.len(),
            p50: quantile_seconds(&all, 0.5),
            p95: quantile_seconds(&all, 0.95),
            p99: quantile_seconds(&all, 0.99),
        }
    }

    fn bytes(&self) -> usize {
        let histograms = 1 + usize::from(self.previous.is_some());
        size_of::<Self>() + histograms * self.current.distinct_values() * size_of::<u16>()
    }
}

/// A bounded number of histograms by key. A new key finds a place only while
/// there is one; those idle for a week give theirs up when it is needed.
#[derive(Debug, Serialize, Deserialize)]
#[serde(bound = "K: Ord + Serialize + serde::de::DeserializeOwned")]
struct Shelf<K> {
    by_key: BTreeMap<K, Generations>,
    places: usize,
    swept: Millis,
}

impl<K: Ord + Copy> Shelf<K> {
    fn new(places: usize) -> Self {
        Self {
            by_key: BTreeMap::new(),
            places,
            swept: Millis::MIN,
        }
    }

    fn insert(&mut self, now: Millis, key: K, value: u16) {
        if !self.by_key.contains_key(&key) && self.by_key.len() >= self.places {
            // A sweep costs as much as there are places: not for every newcomer.
            if now - self.swept >= HOUR {
                self.swept = now;
                self.by_key
                    .retain(|_, generations| now - generations.last < GENERATION_AGE_MS);
            }
            if self.by_key.len() >= self.places {
                return;
            }
        }
        self.by_key
            .entry(key)
            .or_insert_with(|| Generations::new(now))
            .insert(now, value);
    }

    fn bytes(&self) -> usize {
        // All histograms have the same size, up to a second generation.
        self.by_key.values().map(Generations::bytes).sum()
    }
}

/// The histograms per app and region, per app, and over all.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct LatencyBook {
    regions: Shelf<(AppIx, Region)>,
    apps: Shelf<AppIx>,
    all: Option<Generations>,
}

impl LatencyBook {
    /// With room for so many (app, region) pairs, and for a quarter as many apps.
    pub(super) fn new(regions_max: usize) -> Self {
        Self {
            regions: Shelf::new(regions_max),
            apps: Shelf::new(regions_max.div_ceil(4)),
            all: None,
        }
    }

    pub(super) fn insert(&mut self, now: Millis, app: AppIx, region: Option<Region>, seconds: f64) {
        let Some(value) = deciseconds(seconds) else {
            return;
        };
        if let Some(region) = region {
            self.regions.insert(now, (app, region), value);
        }
        self.apps.insert(now, app, value);
        self.all.get_or_insert_with(|| Generations::new(now)).insert(now, value);
    }

    /// From the narrowest scope that has any.
    pub(super) fn quantiles(&self, app: AppIx, region: Option<Region>) -> Option<LatencyQuantiles> {
        let narrow = region.and_then(|region| self.regions.by_key.get(&(app, region)));
        if let Some(generations) = narrow {
            return Some(generations.quantiles(LatencyScope::Region));
        }
        if let Some(generations) = self.apps.by_key.get(&app) {
            return Some(generations.quantiles(LatencyScope::App));
        }
        Some(self.all.as_ref()?.quantiles(LatencyScope::All))
    }

    /// Memory, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.regions.bytes() + self.apps.bytes() + self.all.as_ref().map_or(0, Generations::bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uz() -> Option<Region> {
        Region::parse("UZ")
    }

    #[test]
    fn a_minute_gives_nearest_ranks_whatever_its_form() {
        let mut minute = MinuteLatencies::default();
        assert_eq!(minute.quantiles(), None);
        for seconds in (1..=100).rev() {
            minute.insert(f64::from(seconds) / 10.0);
        }
        assert_eq!(minute.quantiles(), Some((5.0, 9.5)));
        for seconds in 1..=10_000 {
            minute.insert(f64::from(seconds) / 10.0);
        }
        let (p50, p95) = minute.quantiles().unwrap();
        assert!((p50 / 495.0 - 1.0).abs() < 0.01, "{p50}");
        assert!((p95 / 949.5 - 1.0).abs() < 0.01, "{p95}");
    }

    #[test]
    fn odd_latencies_are_clamped_and_nonsense_left_out() {
        let mut minute = MinuteLatencies::default();
        minute.insert(f64::NAN);
        assert_eq!(minute.quantiles(), None);
        minute.insert(-3.0);
        assert_eq!(minute.quantiles(), Some((0.1, 0.1)));
        minute.insert(f64::INFINITY);
        assert_eq!(minute.quantiles(), Some((0.1, 3600.0)));
    }

    #[test]
    fn quantiles_follow_drift() {
        let mut book = LatencyBook::new(4);
        for i in 0..5_000 {
            book.insert(Millis(i), 1, uz(), 10.0);
        }
        for i in 0..2_100 {
            book.insert(Millis(5_000 + i), 1, uz(), 60.0);
        }
        let quantiles = book.quantiles(1, uz()).unwrap();
        assert_eq!(quantiles.scope, LatencyScope::Region);
        assert!((quantiles.p50 / 60.0 - 1.0).abs() < 0.01, "{quantiles:?}");
        assert!((1_024..=2_048).contains(&quantiles.samples), "{quantiles:?}");
    }

    #[test]
    fn a_full_shelf_falls_back_and_gives_up_the_idle() {
        let mut book = LatencyBook::new(4);
        let codes = ["UZ", "DE", "FR", "US", "GB"].map(Region::parse);
        for region in codes {
            book.insert(Millis(0), 1, region, 10.0);
        }
        assert_eq!(book.quantiles(1, codes[3]).unwrap().scope, LatencyScope::Region);
        assert_eq!(book.quantiles(1, codes[4]).unwrap().scope, LatencyScope::App);
        book.insert(Millis(1), 2, None, 20.0);
        assert_eq!(book.quantiles(2, uz()).unwrap().scope, LatencyScope::All);
        book.insert(Millis(8 * DAY), 1, codes[4], 10.0);
        assert_eq!(book.quantiles(1, codes[4]).unwrap().scope, LatencyScope::Region);
        assert_eq!(book.quantiles(1, codes[0]).unwrap().scope, LatencyScope::App);
        assert!(book.bytes() < 40_000, "{}", book.bytes());
    }
}
