//! How soon the people of one application verify, learned.
//!
//! What counts is a lower bound of the share of approvals that have come by some
//! age. It may fall below the shipped prior at once: where people take minutes,
//! or where the verification feed is always late, silence proves little. It may
//! rise above the prior only in a region whose people have shown it over days,
//! in votes that were held back, and never beyond the prior at twice the age.
//!
//! A vote is an attempt chosen when it opens, at most [`VOTERS_MAX`] for each
//! region in each window of [`WINDOW_MS`], so that neither one busy hour nor one
//! region teaches an application, and chosen before anybody knows how soon it
//! verifies, so that a burst does not vote with its quickest. The windows'
//! HdrHistograms hold what happened, an attack's approvals included; hence these
//! counts of their own.
//!
//! Latency here is log time from the opening of an attempt to its approval, as
//! silence is counted.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use super::Share;
use crate::model::{DAY, MINUTE, Millis, Region};

/// Ages, in seconds, that separate the bins.
pub(crate) const EDGES: [f64; BINS - 1] = [
    2.0, 2.5, 3.2, 4.0, 5.0, 6.5, 8.0, 10.0, 13.0, 16.0, 20.0, 25.0, 30.0, 36.0, 43.0, 52.0, 63.0, 78.0, 98.0, 130.0,
    178.0, 260.0, 398.0,
];
/// Bins of a latency.
pub(crate) const BINS: usize = 24;

/// Attempts of a region that may vote in one window.
const VOTERS_MAX: u8 = 8;
/// Length of such a window.
const WINDOW_MS: i64 = 5 * MINUTE;
/// Each vote keeps this much of the older ones: a memory of some 200 at hand and
/// of some 1,000 that were held back.
const KEEP_AT_HAND: f64 = 0.995;
const KEEP_SETTLED: f64 = 0.999;
/// Pseudo-votes with which votes at hand are drawn to what was known before.
const PSEUDO: f64 = 10.0;
/// Votes of an application from which its tenant's others tell nothing more of it.
const OWN_MIN: f64 = 50.0;
/// Held-back votes on which all regions together may lower the bound.
const POOLED_MIN: f64 = 100.0;
/// Held-back votes, and the time over which they came, on which a region's own
/// bound rests.
const SETTLED_MIN: f64 = 300.0;
const SETTLED_MS: i64 = 2 * DAY;
/// Standard deviations below the mean of what was held back.
const CAUTION: f64 = 2.5;

/// Latest votes of an application that tell what its people do at present, and how
/// many of them must come from other regions for that.
const LATEST_MAX: usize = 64;
const ELSEWHERE_MIN: f64 = 16.0;
/// No bin's upper bound lies below this: an approval alone proves little.
const UPPER_MIN: f64 = 0.04;
/// Approvals from which a share of wrong codes can be told.
const WRONG_MIN: f64 = 200.0;

/// The bin of a latency in seconds.
pub(crate) fn bin_of(seconds: f64) -> usize {
    EDGES.partition_point(|edge| *edge <= seconds)
}

/// What a bin spans, in words.
pub(crate) fn bin_text(bin: usize) -> String {
    match (bin.checked_sub(1).map(|b| EDGES[b]), EDGES.get(bin)) {
        (Some(from), Some(to)) => format!("{from} to {to} s"),
        (None, Some(to)) => format!("less than {to} s"),
        (from, None) => format!("more than {} s", from.unwrap_or_default()),
    }
}

/// What the prior says of one age.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Prior {
    /// The age in seconds.
    pub(crate) age: f64,
    /// Share of verifications that come by then.
    pub(crate) share: f64,
    /// Above this no learned share may rise.
    pub(crate) share_max: f64,
}

/// What honest latencies are bounded by, bin by bin.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct BinBounds {
    /// Honest shares as they were seen; they add up to one.
    pub(crate) mean: [f64; BINS],
    /// Upper bounds of them.
    pub(crate) upper: [f64; BINS],
    /// Upper bounds of the share of all bins up to each.
    pub(crate) upper_by: [f64; BINS],
}

/// Upper bound of a share of which `count` of `total` were seen.
fn upper(count: f64, total: f64) -> f64 {
    ((1.5 * count + 2.0 * libm::sqrt(count) + 1.0) / total).min(1.0)
}

/// Votes by bin, fading as new ones come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Ages {
    bins: [f64; BINS],
    total: f64,
}

impl Ages {
    /// One more vote; of the older ones `keep` remains.
    fn add(&mut self, bin: usize, keep: f64) {
        for count in &mut self.bins {
            *count *= keep;
        }
        self.total = self.total * keep + 1.0;
        self.bins[bin] += 1.0;
    }

    /// Votes that came by an age: of a bin that it divides, none.
    fn by(&self, age: f64) -> f64 {
        let whole = EDGES.partition_point(|edge| *edge <= age);
        self.bins[..whole].iter().sum()
    }

    /// Lower confidence bound of the share that comes by an age.
    fn lower(&self, age: f64) -> f64 {
        let mean = self.by(age) / self.total;
        (mean - CAUTION * libm::sqrt(mean * (1.0 - mean) / self.total)).max(0.0)
    }

    /// `share`, or less where these votes say less: their mean, drawn to `share`
    /// by pseudo-votes, and up to its standard deviation below.
    fn lowered(&self, age: f64, share: f64) -> f64 {
        let weight = self.total + PSEUDO;
        let mean = (self.by(age) + PSEUDO * share) / weight;
        if mean >= share {
            return share;
        }
        let deviation = libm::sqrt((mean * (1.0 - mean) * self.total).max(0.0)) / weight;
        (mean - deviation.min(share - mean)).max(0.0)
    }
}

/// Votes of one stretch of time that still wait.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Waiting {
    start: Millis,
    by_region: BTreeMap<Region, [u16; BINS]>,
}

/// What was held back long enough.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Settled {
    ages: Ages,
    since: Millis,
}

/// One application's latencies.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct LearnedLatency {
    at_hand: Ages,
    pooled: Ages,
    settled: BTreeMap<Region, Settled>,
    waiting: VecDeque<Waiting>,
    window: Millis,
    voters: BTreeMap<Region, u8>,
    latest: VecDeque<(Region, u8)>,
    wrong: Share,
}

impl LearnedLatency {
    /// Whether an attempt that opens now may vote. New votes wait in stretches of
    /// `width_ms`.
    pub(crate) fn enrol(&mut self, region: Region, now: Millis, width_ms: i64) -> bool {
        if now - self.window >= WINDOW_MS {
            self.window = now;
            self.voters.clear();
        }
        let voters = self.voters.entry(region).or_default();
        if *voters >= VOTERS_MAX {
            return false;
        }
        *voters += 1;
        if self.waiting.back().is_none_or(|w| now - w.start >= width_ms) {
            self.waiting.push_back(Waiting {
                start: now,
                by_region: BTreeMap::new(),
            });
        }
        true
    }

    /// The vote of an attempt that opened at `opened`. Returns its bin.
    pub(crate) fn vote(&mut self, region: Region, opened: Millis, seconds: f64, wrong: bool) -> usize {
        let bin = bin_of(seconds);
        self.at_hand.add(bin, KEEP_AT_HAND);
        self.wrong.observe(wrong);
        if self.latest.len() >= LATEST_MAX {
            self.latest.pop_front();
        }
        self.latest.push_back((region, bin as u8));
        if let Some(slice) = self.waiting.iter_mut().rev().find(|w| w.start <= opened) {
            let count = &mut slice.by_region.entry(region).or_insert([0; BINS])[bin];
            *count = count.saturating_add(1);
        }
        bin
    }

    /// A region turned out to be attacked: what waits there teaches nothing.
    pub(crate) fn forget(&mut self, region: Region) {
        for slice in &mut self.waiting {
            slice.by_region.remove(&region);
        }
    }

    /// Whether nothing waits.
    pub(crate) fn is_idle(&self) -> bool {
        self.waiting.is_empty()
    }

    /// What began to wait at or before `until` is believed.
    pub(crate) fn release(&mut self, until: Millis, now: Millis) {
        while self.waiting.front().is_some_and(|w| w.start <= until) {
            let Some(slice) = self.waiting.pop_front() else { return };
            for (region, bins) in slice.by_region {
                let settled = self.settled.entry(region).or_insert(Settled {
                    ages: Ages::default(),
                    since: now,
                });
                for (bin, count) in bins.into_iter().enumerate() {
                    for _ in 0..count {
                        settled.ages.add(bin, KEEP_SETTLED);
                        self.pooled.add(bin, KEEP_SETTLED);
                    }
                }
            }
        }
    }

    /// Lower bound of the share of verifications that come by an age in a region;
    /// `others` are the votes of all the tenant's applications.
    pub(crate) fn share_by(&self, prior: Prior, region: Region, others: &Votes, now: Millis) -> f64 {
        let own = self.settled.get(&region);
        let own = own.filter(|s| s.ages.total >= SETTLED_MIN && now - s.since >= SETTLED_MS);
        let mut share = match own {
            Some(own) => own.ages.lower(prior.age).min(prior.share_max),
            None if self.pooled.total >= POOLED_MIN => prior.share.min(self.pooled.lower(prior.age)),
            None => prior.share,
        };
        if self.at_hand.total < OWN_MIN {
            share = others.0.lowered(prior.age, share);
        }
        self.at_hand.lowered(prior.age, share)
    }

    /// Upper bounds of how often honest people of a region verify within each bin,
    /// once that is known: by what was held back of all regions and of this one, and
    /// by what the latest in other regions show, since an application that changes
    /// does so everywhere.
    pub(crate) fn bin_bounds(&self, region: Region) -> Option<BinBounds> {
        let elsewhere = || self.latest.iter().filter(|(r, _)| *r != region);
        let latest = elsewhere().count() as f64;
        if self.pooled.total < SETTLED_MIN || latest < ELSEWHERE_MIN {
            return None;
        }
        let own = self.settled.get(&region).map(|s| s.ages);
        let own = own.filter(|own| own.total >= OWN_MIN);
        let bound = |from: usize, to: usize| {
            let within = |ages: &Ages| upper(ages.bins[from..=to].iter().sum(), ages.total);
            let now = elsewhere().filter(|(_, b)| (from..=to).contains(&usize::from(*b)));
            let known = within(&self.pooled).max(upper(now.count() as f64, latest));
            known.max(own.as_ref().map_or(0.0, within)).max(UPPER_MIN)
        };
        Some(BinBounds {
            mean: self.pooled.bins.map(|count| count / self.pooled.total),
            upper: std::array::from_fn(|bin| bound(bin, bin)),
            upper_by: std::array::from_fn(|bin| bound(0, bin)),
        })
    }

    /// Lower bound of the share of approved attempts whose first code was wrong.
    pub(crate) fn wrong_at_least(&self) -> f64 {
        if self.wrong.total() < WRONG_MIN {
            0.0
        } else {
            self.wrong.lower(0.7)
        }
    }
}

/// The latest votes of all of a tenant's applications.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Votes(Ages);

impl Votes {
    /// One more.
    pub(crate) fn add(&mut self, bin: usize) {
        self.0.add(bin, KEEP_AT_HAND);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detector::baseline::LatencyCurve;
    use crate::model::SECOND;
    use proptest::prelude::*;

    const STAGES: [f64; 10] = [4.0, 8.0, 13.0, 20.0, 30.0, 43.0, 63.0, 98.0, 178.0, 398.0];

    /// Latencies of a fixed set of people. They come in the order of multiples of the
    /// golden ratio, modulo one: any run of them is spread over all quantiles, as
    /// memories that fade need.
    fn people(median: f64, sigma: f64, count: usize) -> impl Iterator<Item = f64> {
        (0..count).map(move |i| {
            let (u, mut z) = (((i as f64 + 0.5) * 0.618_033_988_749_894_9).fract(), 0.0);
            // Newton on the distribution function: no inverse is at hand.
            for _ in 0..60 {
                let below = 0.5 * libm::erfc(-z / std::f64::consts::SQRT_2);
                let density = libm::exp(-z * z / 2.0) / libm::sqrt(std::f64::consts::TAU);
                z -= ((below - u) / density.max(0.01)).clamp(-0.5, 0.5);
            }
            median * libm::exp(sigma * z)
        })
    }

    fn region(code: &str) -> Region {
        Region::parse(code).unwrap()
    }

    fn prior(age: f64) -> Prior {
        LatencyCurve::default().at(age)
    }

    fn true_share(median: f64, sigma: f64, age: f64) -> f64 {
        0.5 * libm::erfc(-libm::log(age / median) / sigma / std::f64::consts::SQRT_2)
    }

    /// Everybody of `of` votes, one every 40 seconds, held back for `hold`.
    fn teach(of: &mut LearnedLatency, others: &mut Votes, from: Millis, hold: i64, of_people: &[f64]) -> Millis {
        let mut now = from;
        for seconds in of_people {
            now = now + 40 * SECOND;
            if of.enrol(region("US"), now, hold / 24) {
                others.add(of.vote(region("US"), now, *seconds, false));
            }
            of.release(now - hold, now);
        }
        now
    }

    #[test]
    fn ages_lie_on_edges() {
        for stage in STAGES {
            assert!(EDGES.contains(&stage));
        }
        assert!(EDGES.is_sorted());
        assert_eq!((bin_of(0.0), bin_of(2.0), bin_of(1e9)), (0, 1, BINS - 1));
    }

    #[test]
    fn nothing_learned_is_the_prior() {
        let fresh = LearnedLatency::default();
        for stage in STAGES {
            let share = fresh.share_by(prior(stage), region("US"), &Votes::default(), Millis(DAY));
            assert_eq!(share, prior(stage).share);
        }
    }

    #[test]
    fn slow_people_are_believed_within_the_hour() {
        let mut app = LearnedLatency::default();
        let slow: Vec<f64> = people(120.0, 1.0, 90).collect();
        let now = teach(&mut app, &mut Votes::default(), Millis(DAY), DAY, &slow);
        assert_eq!(now, Millis(DAY + 3_600 * SECOND));
        for stage in STAGES {
            let share = app.share_by(prior(stage), region("US"), &Votes::default(), now);
            assert!(share <= true_share(120.0, 1.0, stage) + 0.07, "{stage}: {share}");
        }
        let minute = app.share_by(prior(63.0), region("US"), &Votes::default(), now);
        assert!(minute < 0.35, "{minute}, where the prior says {}", prior(63.0).share);
    }

    #[test]
    fn a_new_application_takes_after_its_tenants_others() {
        let (mut app, mut others) = (LearnedLatency::default(), Votes::default());
        let slow: Vec<f64> = people(120.0, 1.0, 90).collect();
        teach(&mut app, &mut others, Millis(DAY), DAY, &slow);
        let share = LearnedLatency::default().share_by(prior(63.0), region("US"), &others, Millis(2 * DAY));
        assert!(share < 0.35, "{share}");
    }

    #[test]
    fn quick_people_are_believed_after_days_and_only_in_their_region() {
        let (mut app, mut others) = (LearnedLatency::default(), Votes::default());
        let quick: Vec<f64> = people(12.0, 0.5, 2_000).collect();
        let early = teach(&mut app, &mut others, Millis(DAY), DAY, &quick);
        let at = |app: &LearnedLatency, code: &str, now: Millis| app.share_by(prior(20.0), region(code), &others, now);
        assert_eq!(at(&app, "US", early), prior(20.0).share, "within a day");
        let mut all = quick.clone();
        all.extend_from_slice(&quick);
        all.extend_from_slice(&quick);
        all.extend_from_slice(&quick);
        let late = teach(&mut app, &mut Votes::default(), early, DAY, &all);
        let learned = at(&app, "US", late);
        assert!(learned > 1.4 * prior(20.0).share, "{learned}");
        assert!(learned <= true_share(12.0, 0.5, 20.0));
        assert!(learned <= prior(20.0).share_max);
        assert_eq!(at(&app, "DE", late), prior(20.0).share);
    }

    #[test]
    fn an_attack_that_is_found_in_time_teaches_nothing_for_good() {
        let mut app = LearnedLatency::default();
        let now = teach(&mut app, &mut Votes::default(), Millis(DAY), DAY, &[3.0; 2_000]);
        app.forget(region("US"));
        app.release(now + DAY, now + DAY);
        assert_eq!(app.pooled.total, 0.0);
        assert!(app.is_idle());
    }

    #[test]
    fn one_region_has_so_many_votes_and_no_more() {
        let mut app = LearnedLatency::default();
        let voters = (0..10_000).filter(|i| app.enrol(region("UZ"), Millis(DAY + i * 20), 3_600 * SECOND));
        assert_eq!(voters.count(), usize::from(VOTERS_MAX));
        assert!(app.enrol(region("US"), Millis(DAY + 200 * SECOND), 3_600 * SECOND));
    }

    proptest! {
        /// Whatever was learned, and from whom: a share by age is a share below its
        /// ceiling, and beyond the prior no more than people do.
        #[test]
        fn a_share_stays_in_its_bounds(median in 2.0f64..400.0, sigma in 0.1f64..1.5, count in 1usize..1_500) {
            let (mut app, mut others) = (LearnedLatency::default(), Votes::default());
            let taught: Vec<f64> = people(median, sigma, count).collect();
            let now = teach(&mut app, &mut others, Millis(DAY), 3_600 * SECOND, &taught);
            for now in [now, now + 9 * DAY] {
                app.release(now, now);
                for stage in STAGES {
                    let share = app.share_by(prior(stage), region("US"), &others, now);
                    prop_assert!((0.0..=prior(stage).share_max).contains(&share));
                    if share > prior(stage).share {
                        prop_assert!(share <= true_share(median, sigma, stage) + 0.02);
                    }
                }
            }
        }
    }
}
