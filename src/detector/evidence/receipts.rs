//! Delivery receipts against an outage: where messages arrive, no carrier fails.
//!
//! An outage that explains why so few verify must keep most messages from their
//! phones. The bet is a Bernoulli ratio q/p at the honest bound p of the share
//! that arrives all the same; its mean is p·q/p + (1 − p)·(1 − q)/(1 − p) = 1 at
//! the bound and less below it. Receipts tell nothing of an attack by
//! themselves: the bet is laid only against the nulls that excuse silence.

use crate::model::DeliveryStatus;

/// Share of messages that arrive in an outage at most.
const DELIVERED_IN_OUTAGE: f64 = 0.5;
/// Share that the bet assumes.
const DELIVERED_BET: f64 = 0.85;

/// The ratio of one receipt; `None` where it does not tell.
pub(crate) fn ratio(status: DeliveryStatus) -> Option<f64> {
    match status {
        DeliveryStatus::Delivered => Some(DELIVERED_BET / DELIVERED_IN_OUTAGE),
        DeliveryStatus::Undelivered | DeliveryStatus::Failed | DeliveryStatus::Rejected | DeliveryStatus::Expired => {
            Some((1.0 - DELIVERED_BET) / (1.0 - DELIVERED_IN_OUTAGE))
        }
        DeliveryStatus::Unknown => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_mean_in_an_outage_is_at_most_one(part in 0.0f64..=1.0) {
            let arrives = DELIVERED_IN_OUTAGE * part;
            let mean = arrives * ratio(DeliveryStatus::Delivered).unwrap()
                + (1.0 - arrives) * ratio(DeliveryStatus::Undelivered).unwrap();
            prop_assert!(mean <= 1.0 + 1e-9);
        }
    }

    #[test]
    fn a_receipt_that_does_not_know_tells_nothing() {
        assert_eq!(ratio(DeliveryStatus::Unknown), None);
    }
}
