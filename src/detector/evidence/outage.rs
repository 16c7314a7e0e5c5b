//! Whether a region's messages arrive, judged by numbers that verified before: an
//! attack's numbers are new, so it cannot look like an outage.
//!
//! Two processes of Shiryaev and Roberts, M ← (M + 1)·L. *Receipts*: a Bernoulli
//! bet on a message not delivered, over the most that the region's history shows.
//! *Silence*, where no receipt said that a message arrived: as in
//! [`super::missing_verification`], of numbers that did verify once. Its caller
//! counts silence only while the verification feed is alive elsewhere.
//!
//! Two more run once an outage is found, against its going on: at least half of
//! the messages lost, or at most [`OUTAGE_CONVERSION`] of the usual conversion.
//! Each ratio has mean at most one under what it speaks against.

use serde::{Deserialize, Serialize};

use super::{PRODUCT_MAX, PRODUCT_MIN, receipts};
use crate::detector::baseline::Share;
use crate::model::DeliveryStatus;

/// Share of lost messages that the bet assumes.
const LOST_BET: f64 = 0.85;
/// A region's honest share of lost messages is never bounded below this, and is of
/// no use above that.
const LOST_MIN: f64 = 0.3;
const LOST_MAX: f64 = 0.6;
/// Conversion over the usual one that the bet on silence assumes.
const CONVERSION_BET: f64 = 0.1;
/// Share of the usual conversion that an outage leaves at most, and the share that
/// shows that it is over.
const OUTAGE_CONVERSION: f64 = 0.3;
const RECOVERED_CONVERSION: f64 = 0.8;
/// Evidence that an outage is over, as an e-value.
const OVER: f64 = 1e3;

/// What returning numbers of one region show.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Deliveries {
    /// Receipts of messages to returning numbers: how many were lost.
    lost_share: Share,
    receipts: f64,
    silence: f64,
    receipts_over: f64,
    silence_over: f64,
    /// Since either process last began: receipts and the lost among them, attempts
    /// and the approved among them.
    pub(crate) told: u64,
    pub(crate) lost: u64,
    pub(crate) attempts: u64,
    pub(crate) approved: u64,
    /// Lower bound of conversion at the latest attempt.
    pub(crate) conversion: f64,
}

fn times(product: f64, factor: f64) -> f64 {
    (product * factor).clamp(PRODUCT_MIN, PRODUCT_MAX)
}

/// The ratio of a receipt; `bound` is the most that is lost in ordinary times.
fn receipt_ratio(lost: bool, bound: f64) -> f64 {
    if lost {
        LOST_BET / bound
    } else {
        (1.0 - LOST_BET) / (1.0 - bound)
    }
}

/// Against an outage that goes on, at conversion `usual` otherwise: the ratios of an
/// attempt, and of its approval on top.
fn over_ratios(usual: f64) -> (f64, f64) {
    let (p, q) = (OUTAGE_CONVERSION * usual, RECOVERED_CONVERSION * usual);
    let silent = (1.0 - q) / (1.0 - p);
    (silent, q / p / silent)
}

impl Deliveries {
    /// The most that is lost in ordinary times.
    pub(crate) fn lost_bound(&self) -> f64 {
        self.lost_share.upper(0.1, 1.5).max(LOST_MIN)
    }

    /// A receipt of a message to a returning number.
    pub(crate) fn receipt(&mut self, lost: bool) {
        let bound = self.lost_bound();
        if self.receipts < 1.0 {
            (self.told, self.lost) = (0, 0);
            self.lost_share.observe(lost);
        }
        self.told += 1;
        self.lost += u64::from(lost);
        if bound < LOST_MAX {
            self.receipts = times(self.receipts + 1.0, receipt_ratio(lost, bound));
        }
        let status = if lost {
            DeliveryStatus::Undelivered
        } else {
            DeliveryStatus::Delivered
        };
        let over = receipts::ratio(status).unwrap_or(1.0);
        self.receipts_over = times(self.receipts_over + 1.0, over);
    }

    /// An attempt of a returning number.
    pub(crate) fn attempt(&mut self, conversion: f64) {
        if self.silence < 1.0 {
            (self.attempts, self.approved) = (0, 0);
        }
        self.attempts += 1;
        self.conversion = conversion;
        self.silence = times(self.silence + 1.0, 1.0);
        self.silence_over = times(self.silence_over + 1.0, over_ratios(conversion).0);
    }

    /// More silence of such an attempt, of this honest hazard.
    pub(crate) fn silence(&mut self, hazard: f64) {
        self.silence = times(self.silence, libm::exp((1.0 - CONVERSION_BET) * hazard));
    }

    /// Its approval; `conversion` is what it opened with.
    pub(crate) fn approval(&mut self, conversion: f64) {
        self.approved += 1;
        self.silence = times(self.silence, CONVERSION_BET);
        self.silence_over = times(self.silence_over, over_ratios(conversion).1);
    }

    /// E-values of receipts and of silence.
    pub(crate) fn e_values(&self) -> (f64, f64) {
        (self.receipts, self.silence)
    }

    /// An outage is found: from here on it is asked whether it is over.
    pub(crate) fn found(&mut self) {
        self.receipts_over = 0.0;
        self.silence_over = 0.0;
    }

    /// Whether messages arrive again.
    pub(crate) fn is_over(&self) -> bool {
        self.receipts_over.max(self.silence_over) >= OVER
    }

    /// Begins anew; what is usual stays known.
    pub(crate) fn restart(&mut self) {
        *self = Self {
            lost_share: self.lost_share,
            ..Self::default()
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detector::evidence::missing_verification::hazard;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_mean_exceeds_one(bound in 0.3f64..0.6, part in 0.0f64..=1.0, usual in 0.08f64..0.85, excess in 0.0f64..0.15, share in 0.0f64..=1.0) {
            let lost = bound * part;
            let ordinary = lost * receipt_ratio(true, bound) + (1.0 - lost) * receipt_ratio(false, bound);
            prop_assert!(ordinary <= 1.0 + 1e-9);

            let mut place = Deliveries { silence: 1.0, ..Deliveries::default() };
            place.silence(hazard(0.0, share, usual));
            let truth = (usual + excess) * share;
            let silent = truth * CONVERSION_BET + (1.0 - truth) * place.silence;
            prop_assert!(silent <= 1.0 + 1e-9);

            let (opened, approved) = over_ratios(usual);
            let still = OUTAGE_CONVERSION * usual * part;
            prop_assert!(opened * (still * approved + 1.0 - still) <= 1.0 + 1e-9);
        }
    }

    #[test]
    fn lost_messages_are_an_outage_until_they_arrive() {
        let mut place = Deliveries::default();
        for i in 0..1_000 {
            place.receipt(i % 8 == 0);
        }
        assert!(place.e_values().0 < 1e3);
        for _ in 0..20 {
            place.receipt(true);
        }
        assert!(place.e_values().0 > 1e5);
        assert!(place.lost >= 20 && place.told < 30, "{} {}", place.lost, place.told);
        place.found();
        for _ in 0..200 {
            place.receipt(true);
        }
        assert!(!place.is_over());
        for _ in 0..20 {
            place.receipt(false);
        }
        assert!(place.is_over());
    }

    #[test]
    fn silence_of_those_who_verified_is_one_too() {
        let mut place = Deliveries::default();
        for _ in 0..200 {
            place.attempt(0.5);
            place.silence(hazard(0.0, 0.5, 0.5));
            place.approval(0.5);
        }
        assert!(place.e_values().1 < 1.0);
        for _ in 0..30 {
            place.attempt(0.5);
            place.silence(hazard(0.0, 0.97, 0.5));
        }
        assert!(place.e_values().1 > 1e5);
        assert_eq!((place.attempts, place.approved), (30, 0));
    }
}
