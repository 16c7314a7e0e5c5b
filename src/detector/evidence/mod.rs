//! What speaks against a place, family by family, and the recursion that adds it up.
//!
//! Each family is a ratio whose mean is at most one while its innocent
//! explanation holds (a one-step e-value), in a file of its own. Each innocent
//! explanation is a [`Null`]: it excuses some families and must be refuted by the
//! others. A place is accused when **every** null is refuted: the minimum of
//! e-processes is an e-process for the union of the nulls.
//!
//! The recursion is that of Shiryaev and Roberts as an e-detector (Shin, Ramdas
//! and Rinaldo, 2023): M ← (M + w)·L for each attack profile of weight w. Under
//! its null the mean of M is at most the number of visits, so with the line at A
//! the mean number of false alarms is at most visits/A. Everything is kept as
//! plain products: no logarithm is taken until something is printed.

pub(crate) mod after_life;
pub(crate) mod attributes;
pub(crate) mod digits;
pub(crate) mod hammering;
pub(crate) mod launch;
pub(crate) mod missing_verification;
mod null;
pub(crate) mod outage;
mod parts;
pub(crate) mod patience;
mod ratios;
pub(crate) mod receipts;
pub(crate) mod regularity;
pub(crate) mod volume;

use serde::{Deserialize, Serialize};

use self::after_life::{Approvals, Bet};
use self::digits::Bets;
use self::missing_verification::Credit;
use self::null::Silence;
pub(crate) use self::null::{NULLS, Null};
use self::parts::Parts;
pub(crate) use self::ratios::Ratios;
use crate::detector::baseline::kept;
use crate::detector::profile::PROFILES;
use crate::detector::tuning::Tuning;
use crate::model::{Micros, Millis, Prefix};

/// Products never leave this range, so that neither end loses precision.
pub(crate) const PRODUCT_MIN: f64 = 1e-30;
pub(crate) const PRODUCT_MAX: f64 = 1e60;

/// Evidence, as an e-value, with which a place is kept whatever was forgotten of its
/// attempts.
const HELD: f64 = std::f64::consts::E;
/// Approvals, and their share of those attempts that have had the time for one, that show
/// people: who fakes conversions fakes fewer. And their share of all attempts, since a
/// burst is over before its silence tells.
const PEOPLED_MIN: f64 = 4.0;
const PEOPLED_SHARE: f64 = 0.7;
const PEOPLED_SHARE_OF_ALL: f64 = 0.35;
/// An e-value from which approvals come as those of machines do.
const MACHINE_LIKE: f64 = 7.4;

/// What is known against one place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Evidence {
    products: [[f64; PROFILES]; NULLS.len()],
    /// Contributions since the change point, for the explanation only.
    pub(crate) parts: Parts,
    /// Forgetting counters of attempts and their attributes.
    pub(crate) counters: Counters,
    /// Time of the last visit.
    pub(crate) last: Millis,
    /// The enclosing flow at the last visit.
    pub(crate) flow_seen: f64,
    /// The flow of the range one digit wider at the last visit.
    pub(crate) parent_flow_seen: f64,
    /// Visits that were no repeats, since the node was made.
    pub(crate) visits: f64,
    /// Block of the last attempt.
    pub(crate) block: Option<Prefix>,
    /// Network of the last attempt.
    pub(crate) network: Option<u64>,
    /// How evenly its attempts follow each other.
    pub(crate) rhythm: regularity::Rhythm,
    /// The change point: since when the evidence counts.
    pub(crate) start: Millis,
    /// What was seen since the change point.
    pub(crate) since: Since,
    /// How the latest approvals came; approvals lower the evidence, so that a change
    /// point follows on each, and what they have in common outlives it.
    pub(crate) approvals: Approvals,
}

/// Attempts that are no repeats, and their attributes, fading over hours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Counters {
    pub(crate) attempts: f64,
    pub(crate) missing: f64,
    pub(crate) odd: f64,
    pub(crate) device: f64,
    pub(crate) invalid: f64,
    pub(crate) fresh: f64,
    /// Went to a range that was half accused before.
    pub(crate) suspect: f64,
}

/// Plain counts since the change point.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Since {
    pub(crate) attempts: u64,
    pub(crate) verified: u64,
    /// Verifications that honest people would at least have made of them by now.
    pub(crate) due: f64,
    /// Attempts of which it can be told by now whether they verify.
    pub(crate) ripe: f64,
    /// Messages: attempts and resends.
    pub(crate) sends: u64,
    pub(crate) cost: Micros,
    /// The enclosing flow at the first of them.
    pub(crate) flow: f64,
    pub(crate) first_event: Millis,
    pub(crate) last_event: Millis,
}

impl Evidence {
    /// Nothing known yet.
    pub(crate) fn new(now: Millis) -> Self {
        Self {
            products: [[PRODUCT_MIN; PROFILES]; NULLS.len()],
            parts: Parts::default(),
            counters: Counters::default(),
            last: now,
            flow_seen: 0.0,
            parent_flow_seen: 0.0,
            visits: 0.0,
            block: None,
            network: None,
            rhythm: regularity::Rhythm::default(),
            start: now,
            since: Since::default(),
            approvals: Approvals::default(),
        }
    }

    /// One more attempt since the change point.
    pub(crate) fn note(&mut self, event_time: Millis, cost: Micros, flow: f64) {
        if self.since.attempts == 0 {
            self.since.first_event = event_time;
            self.since.flow = flow;
            self.since.last_event = event_time;
        }
        self.since.attempts += 1;
        self.since.sends += 1;
        self.since.cost.0 += cost.0;
        self.since.first_event = self.since.first_event.min(event_time);
        self.since.last_event = self.since.last_event.max(event_time);
    }

    /// One more message of an attempt that was opened at `opened`.
    pub(crate) fn note_resend(&mut self, opened: Millis, cost: Micros) {
        if opened >= self.start {
            self.since.sends += 1;
            self.since.cost.0 += cost.0;
        }
    }

    /// Notes an approval of an attempt opened at `opened` whose silence was credited with
    /// all but `rest` of those who verify, a part `conversion` of all: only who was `counted` as an attempt here, and since the evidence began,
    /// counts as a verified one.
    pub(crate) fn note_verified(&mut self, opened: Millis, counted: bool, rest: f64, conversion: f64) {
        if counted && opened >= self.start {
            self.since.verified += 1;
            self.since.due += conversion * rest;
            self.since.ripe += rest;
        }
    }

    /// Adds one attempt and its attributes to the forgetting counters.
    pub(crate) fn count(&mut self, one: &Counters) {
        let c = &mut self.counters;
        c.attempts += one.attempts;
        c.missing += one.missing;
        c.odd += one.odd;
        c.device += one.device;
        c.invalid += one.invalid;
        c.fresh += one.fresh;
        c.suspect += one.suspect;
    }

    /// Whether the place deserves to be kept when room is short.
    pub(crate) fn has_standing(&self) -> bool {
        self.counters.attempts >= 2.0 || self.total(0) >= HELD
    }

    /// How much of what was counted up to the last visit is left.
    fn kept(&self, now: Millis, decay_ms: f64) -> f64 {
        kept(self.last, now, decay_ms)
    }

    /// Attempts that are remembered at present.
    pub(crate) fn attempts_at(&self, now: Millis, decay_ms: f64) -> f64 {
        self.counters.attempts * self.kept(now, decay_ms)
    }

    /// Fades the counters to `now`; a place forgotten by its counters starts anew.
    pub(crate) fn fade(&mut self, now: Millis, decay_ms: f64) {
        let keep = self.kept(now, decay_ms);
        let c = &mut self.counters;
        for x in [
            &mut c.attempts,
            &mut c.missing,
            &mut c.odd,
            &mut c.device,
            &mut c.invalid,
            &mut c.fresh,
            &mut c.suspect,
        ] {
            *x *= keep;
        }
        if c.attempts < 0.5 {
            self.restart(now);
        }
    }

    fn restart(&mut self, now: Millis) {
        self.start = now;
        self.since = Since::default();
        self.parts = Parts::default();
    }

    /// Wipes the slate, for a place whose accusation has been acted on elsewhere.
    pub(crate) fn clear(&mut self, now: Millis) {
        self.products = [[PRODUCT_MIN; PROFILES]; NULLS.len()];
        self.approvals = Approvals::default();
        self.restart(now);
    }

    /// Evidence beyond `max` is given up: what is enough is enough, and what was once
    /// overwhelming must be able to end.
    pub(crate) fn give_up_beyond(&mut self, max: f64) {
        for product in self.products.iter_mut().flatten() {
            *product = product.min(max);
        }
    }

    /// Attempts elsewhere in the enclosing flow pay the digits' bets back.
    pub(crate) fn misses(&mut self, count: f64, bets: &Bets, tuning: &Tuning) {
        if count <= 0.0 {
            return;
        }
        let (factors, launch) = bets.elsewhere(count, tuning);
        for (k, factor) in factors.iter().enumerate() {
            for (null, row) in NULLS.iter().zip(&mut self.products) {
                let factor = match null {
                    Null::Plain | Null::Outage => *factor,
                    Null::Launch | Null::LaunchInOutage => launch[k],
                    Null::Enrolment => 1.0,
                };
                row[k] = (row[k] * factor).max(PRODUCT_MIN);
            }
            self.parts.digits[k] = (self.parts.digits[k] * factor).max(PRODUCT_MIN);
        }
    }

    /// One visit: the common change point, then the recursion.
    pub(crate) fn visit(&mut self, now: Millis, ratios: &Ratios, tuning: &Tuning) {
        if tuning.enabled.common_change_point {
            self.align(now, tuning);
        }
        for (null, row) in NULLS.iter().zip(&mut self.products) {
            for (k, (product, profile)) in row.iter_mut().zip(&tuning.profiles).enumerate() {
                *product =
                    ((*product + profile.weight) * ratios.against(*null, k, profile)).clamp(PRODUCT_MIN, PRODUCT_MAX);
            }
        }
        let clamp = |x: f64| x.clamp(PRODUCT_MIN, PRODUCT_MAX);
        for k in 0..PROFILES {
            self.parts.digits[k] = clamp(self.parts.digits[k] * ratios.digits[k]);
            self.parts.volume[k] = clamp(self.parts.volume[k] * ratios.volume[k]);
        }
        self.parts.novelty = clamp(self.parts.novelty * ratios.novelty);
        self.parts.geography = clamp(self.parts.geography * ratios.geography);
        self.parts.device = clamp(self.parts.device * ratios.device);
        self.parts.validity = clamp(self.parts.validity * ratios.validity);
        self.parts.suspects = clamp(self.parts.suspects * ratios.suspects);
        self.parts.regularity = clamp(self.parts.regularity * ratios.regularity);
    }

    /// Where ordinary traffic has refuted a profile of attack, the other nulls
    /// begin anew with it: otherwise a null that was refuted long ago would
    /// protect nothing when it really comes true.
    fn align(&mut self, now: Millis, tuning: &Tuning) {
        let mut ordinary = true;
        for (k, profile) in tuning.profiles.iter().enumerate() {
            if self.products[0][k] >= profile.weight {
                ordinary = false;
                continue;
            }
            for row in &mut self.products[1..] {
                row[k] = row[k].min(profile.weight);
            }
            self.parts.verification[k] = 1.0;
            self.parts.after_life[k] = 1.0;
            self.parts.digits[k] = 1.0;
            self.parts.volume[k] = 1.0;
        }
        if ordinary {
            self.restart(now);
        }
    }

    /// Silence of one attempt opened at `opened`.
    pub(crate) fn silence(&mut self, opened: Millis, credit: &Credit) {
        if opened >= self.start {
            self.since.due += credit.due;
            self.since.ripe += credit.ripe;
        }
        for (null, row) in NULLS.iter().zip(&mut self.products) {
            let factors = match null.silence() {
                Silence::Excused => continue,
                Silence::Honest => &credit.ordinary,
                Silence::High => &credit.high,
            };
            for (product, factor) in row.iter_mut().zip(factors) {
                *product = (*product * factor).clamp(PRODUCT_MIN, PRODUCT_MAX);
            }
        }
        for (part, factor) in self.parts.verification.iter_mut().zip(&credit.ordinary) {
            *part = (*part * factor).clamp(PRODUCT_MIN, PRODUCT_MAX);
        }
    }

    /// An approval speaks for every null, also for those that excuse silence: what
    /// can only lower the evidence needs no bound.
    pub(crate) fn approval(&mut self, factors: &[f64; PROFILES]) {
        for row in &mut self.products {
            for (product, factor) in row.iter_mut().zip(factors) {
                *product = (*product * factor).max(PRODUCT_MIN);
            }
        }
        for (part, factor) in self.parts.verification.iter_mut().zip(factors) {
            *part = (*part * factor).max(PRODUCT_MIN);
        }
    }

    /// How an approval came, on top of [`Evidence::approval`]: where a bet on its
    /// latency is laid it gives back the silence that was credited to its attempt.
    pub(crate) fn after_life(&mut self, bet: Bet, credit: &Credit) {
        for (null, row) in NULLS.iter().zip(&mut self.products) {
            for (k, product) in row.iter_mut().enumerate() {
                let factor = match null.silence() {
                    Silence::Excused => bet.delayed,
                    Silence::Honest => bet.ordinary / credit.ordinary[k],
                    Silence::High => bet.ordinary / credit.high[k],
                };
                *product = (*product * factor).clamp(PRODUCT_MIN, PRODUCT_MAX);
            }
        }
        for (part, credited) in self.parts.after_life.iter_mut().zip(&credit.ordinary) {
            *part = (*part * bet.ordinary / credited).clamp(PRODUCT_MIN, PRODUCT_MAX);
        }
    }

    /// What a receipt, or that nobody asks again, makes of the claim that messages do
    /// not arrive.
    pub(crate) fn against_outage(&mut self, factor: f64) {
        for (null, row) in NULLS.iter().zip(&mut self.products) {
            if null.silence() == Silence::Excused {
                for product in row.iter_mut() {
                    *product = (*product * factor).clamp(PRODUCT_MIN, PRODUCT_MAX);
                }
            }
        }
    }

    /// Log e-value against one null, over all profiles.
    pub(crate) fn log_e(&self, null: usize) -> f64 {
        libm::log(self.total(null))
    }

    fn total(&self, null: usize) -> f64 {
        self.products[null].iter().sum()
    }

    /// Whether those who came since the change point and had the time to verify did so as
    /// people do, nearly all of them and at people's delays: whatever else is odd, they are there.
    pub(crate) fn is_peopled(&self) -> bool {
        let (verified, ripe) = (self.since.verified as f64, self.since.ripe);
        let doubt = 0.5 * libm::sqrt(PEOPLED_SHARE * (1.0 - PEOPLED_SHARE) * ripe);
        verified >= PEOPLED_MIN
            && verified >= PEOPLED_SHARE * ripe + doubt
            && verified >= PEOPLED_SHARE_OF_ALL * self.since.attempts as f64
            && !self.is_machine_like()
    }

    /// Whether at least half of those who had the time to verify did so, and not as
    /// machines do.
    pub(crate) fn do_most_verify(&self) -> bool {
        let since = &self.since;
        since.verified > 0 && since.verified as f64 >= 0.5 * since.ripe && !self.is_machine_like()
    }

    /// Whether the approvals that came are those of machines.
    pub(crate) fn is_machine_like(&self) -> bool {
        self.parts.after_life.iter().any(|part| *part > MACHINE_LIKE)
    }

    /// A cheap look before the real test: whether the plain null is near any line.
    pub(crate) fn may_refute(&self, floor: f64) -> bool {
        self.total(0) >= floor
    }

    /// Whether every null in force is refuted to its line; `lines` are e-values.
    pub(crate) fn refutes_all(&self, lines: &Lines) -> bool {
        lines
            .iter()
            .enumerate()
            .all(|(j, line)| line.is_none_or(|line| self.total(j) >= line))
    }

    /// The profile that explains the evidence best.
    pub(crate) fn best_profile(&self) -> usize {
        let row = &self.products[0];
        (0..PROFILES).fold(0, |best, k| if row[k] > row[best] { k } else { best })
    }
}

/// The lines of the nulls, as e-values; `None` where one does not apply.
pub(crate) type Lines = [Option<f64>; NULLS.len()];

/// The lines, as e-values, for a place: `None` where a null does not apply. `siege`
/// is how many nats likelier than not an attempt there is an attack's, where what
/// holds the place is under siege and this speaks against the null.
pub(crate) fn lines(
    log_a: f64,
    lowered_by: f64,
    floor: f64,
    siege: impl Fn(Null) -> Option<f64>,
    is_range: bool,
    tuning: &Tuning,
) -> Lines {
    NULLS.map(|null| {
        let applies = null.enabled(tuning) && (is_range || null != Null::Enrolment);
        if let Some(odds) = siege(null) {
            let line = (floor + null.siege_floor() - odds).max(null.least(odds));
            return applies.then(|| libm::exp(line));
        }
        applies.then(|| libm::exp((log_a - lowered_by - null.price()).max(floor + null.rarity())))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_nearly_everybody_verifies_there_are_people_unless_as_machines_do() {
        let seen = |attempts: u64, verified: u64| {
            let mut evidence = Evidence::new(Millis(0));
            (evidence.since.attempts, evidence.since.verified) = (attempts, verified);
            evidence.since.ripe = attempts as f64;
            evidence
        };
        assert!(seen(13, 11).is_peopled() && seen(100, 75).is_peopled());
        assert!(!seen(3, 3).is_peopled(), "too few");
        assert!(!seen(20, 14).is_peopled() && !seen(100, 60).is_peopled());
        let mut machines = seen(20, 20);
        machines.parts.after_life[0] = 10.0;
        assert!(!machines.is_peopled());
    }

    #[test]
    fn nobody_is_verified_who_was_not_counted_as_an_attempt() {
        let mut evidence = Evidence::new(Millis(10));
        evidence.note_verified(Millis(9), true, 0.5, 0.8);
        evidence.note_verified(Millis(10), false, 0.5, 0.8);
        assert_eq!(evidence.since.verified, 0);
        evidence.note_verified(Millis(10), true, 0.5, 0.8);
        let since = evidence.since;
        assert_eq!((since.verified, since.ripe, since.due), (1, 0.5, 0.4));
    }
}
