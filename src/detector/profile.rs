//! What an attack may look like: the pictures that are mixed, and how each contradicts
//! the innocent explanations that it must be told from.

use serde::{Deserialize, Serialize};

/// One component of the mixture.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    /// Share of the enclosing flow that the attack takes at the node.
    pub share: f64,
    /// Its conversion over the honest one.
    pub conversion: f64,
    /// Prior weight; the weights add up to one.
    pub weight: f64,
    /// Rate over the honest upper bound that the volume family bets on.
    pub surge: f64,
    /// Share of the enclosing flow in the bet against a launch, 0 for no bet: an
    /// attack that is spread thin pays for one, and so does one that is slower than
    /// the launch's rate on which the profile bets as well.
    pub launch_share: f64,
    /// Whether it contradicts a launch by filling one hundred of its thousand.
    pub fills: bool,
    /// Whether it contradicts a launch by reaching more of a range's numbers.
    pub outpaces: bool,
    /// How it contradicts an enrolment, which comes from one network, to numbers that
    /// lie close together, no faster than people at desks.
    pub unlike_enrolment: Unlike,
}

/// In what a picture of an attack is unlike an enrolment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Unlike {
    /// Too fast, and all over the range.
    Haste,
    /// All over the range; where that is too narrow to tell, from many networks.
    Scatter,
    /// From many networks.
    Networks,
    /// From many networks, and all over the range.
    NetworksAndScatter,
}

/// How many profiles are mixed.
pub const PROFILES: usize = 7;

const fn profile(share: f64, conversion: f64, weight: f64, surge: f64, launch_share: f64) -> Profile {
    Profile {
        share,
        conversion,
        weight,
        surge,
        launch_share,
        fills: false,
        outpaces: false,
        unlike_enrolment: Unlike::NetworksAndScatter,
    }
}

/// What production uses.
pub(super) const SHIPPED: [Profile; PROFILES] = [
    // A burst that is the traffic.
    Profile {
        fills: true,
        outpaces: true,
        unlike_enrolment: Unlike::Haste,
        ..profile(0.8, 0.10, 0.20, 32.0, 0.8)
    },
    // A strong one.
    Profile {
        outpaces: true,
        unlike_enrolment: Unlike::Scatter,
        ..profile(0.3, 0.10, 0.20, 16.0, 0.3)
    },
    // A moderate one.
    Profile {
        fills: true,
        ..profile(0.05, 0.12, 0.15, 8.0, 0.9)
    },
    // Low and slow.
    Profile {
        fills: true,
        unlike_enrolment: Unlike::Networks,
        ..profile(0.008, 0.15, 0.15, 1.0, 0.0)
    },
    // Very slow.
    profile(0.001, 0.20, 0.10, 1.0, 0.0),
    // Most conversions faked.
    Profile {
        unlike_enrolment: Unlike::Scatter,
        ..profile(0.3, 0.65, 0.15, 16.0, 0.5)
    },
    // A small part of a busy country, faster than the range is wont to be.
    Profile {
        fills: true,
        ..profile(0.002, 0.15, 0.05, 8.0, 0.0)
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_weights_add_up_to_one() {
        let sum: f64 = SHIPPED.iter().map(|p| p.weight).sum();
        assert!((sum - 1.0).abs() < 1e-12, "{sum}");
    }
}
