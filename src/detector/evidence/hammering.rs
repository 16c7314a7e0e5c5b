//! Sends to one number while it is pending, over what honest impatience gives.
//!
//! An honest person whose code does not come asks once more with probability at
//! most q₁, after that again with at most q₂, and so on; the bet that there is
//! always another one has ratio 1/q per resend and 0 at the end, with a mean of
//! at most one. Whoever waits is forgotten: the sum fades over half an hour, which
//! only lowers it. While a carrier fails people ask twice as stubbornly: then
//! every resend is worth half as much.

use serde::{Deserialize, Serialize};

use crate::detector::baseline::kept;
use crate::detector::evidence::Null;
use crate::model::{MINUTE, Millis};

/// Nats that the first, second, third and each further resend are worth: the
/// probabilities are 0.41, 0.25, 0.15 and 0.11.
const NATS: [f64; 4] = [0.9, 1.4, 1.9, 2.2];
/// The sum fades with this time constant.
const FADE_MS: f64 = 30.0 * MINUTE as f64;
/// Share of a resend's worth while a carrier fails.
const IN_OUTAGE: f64 = 0.5;

/// What is held against one number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Hammer {
    at: Millis,
    nats: f64,
    /// Sends that followed another without an approval in between.
    pub(crate) resends: u32,
}

impl Hammer {
    /// One more send while the number is pending.
    pub(crate) fn strike(&mut self, now: Millis) {
        let worth = NATS[(self.resends as usize).min(NATS.len() - 1)];
        self.nats = self.nats * kept(self.at, now, FADE_MS) + worth;
        self.resends += 1;
        self.at = now;
    }

    /// Log e-value against a null.
    pub(crate) fn log_e(&self, null: Null) -> f64 {
        match null {
            Null::Outage | Null::LaunchInOutage => IN_OUTAGE * self.nats,
            Null::Plain | Null::Launch | Null::Enrolment => self.nats,
        }
    }

    /// Resends that an honest person makes on average, at most: the chances that there
    /// is a first, a second, and so on.
    pub(crate) fn honest() -> f64 {
        let (mut nats, mut expected) = (0.0, 0.0);
        for worth in NATS.iter().chain([&NATS[NATS.len() - 1]; 8]) {
            nats += worth;
            expected += libm::exp(-nats);
        }
        expected
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Exact: an honest number goes on with probability at most q at each
        /// step and ends else; the mean of the product over its whole fate.
        #[test]
        fn the_mean_is_at_most_one(part in 0.0f64..=1.0, steps in 1usize..40) {
            let (mut going_on, mut product) = (1.0, 1.0);
            for i in 0..steps {
                let worth = NATS[i.min(NATS.len() - 1)];
                going_on *= part * libm::exp(-worth);
                product *= libm::exp(worth);
            }
            prop_assert!(going_on * product <= 1.0 + 1e-9);
        }

        #[test]
        fn waiting_only_lowers_it(gap in 0i64..10_000_000) {
            let mut quick = Hammer::default();
            let mut slow = Hammer::default();
            for _ in 0..10 {
                quick.strike(Millis(0));
            }
            for i in 0..10 {
                slow.strike(Millis(i * gap));
            }
            prop_assert!(slow.log_e(Null::Plain) <= quick.log_e(Null::Plain) + 1e-9);
            prop_assert!(slow.log_e(Null::Outage) <= slow.log_e(Null::Plain));
        }
    }

    #[test]
    fn nine_resends_within_minutes_are_no_impatience() {
        let mut hammer = Hammer::default();
        for i in 0..9 {
            hammer.strike(Millis(i * MINUTE / 2));
        }
        assert!(hammer.log_e(Null::Plain) > 13.0);
        assert!((0.5..0.6).contains(&Hammer::honest()));
    }
}
