//! What one visit says, family by family, and what of it each innocent explanation has
//! to answer for.

use super::Null;
use crate::detector::profile::{PROFILES, Profile, Unlike};

/// The ratios of one visit, by family; 1 where a family has nothing to say.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Ratios {
    /// Where the numbers lie, per profile.
    pub(crate) digits: [f64; PROFILES],
    /// The same against the little that a launch asserts of it, per profile.
    pub(crate) launch_digits: [f64; PROFILES],
    /// Volume against the honest upper bound, per profile.
    pub(crate) volume: [f64; PROFILES],
    /// Never-seen numbers.
    pub(crate) novelty: f64,
    /// Country, network and presence of the client.
    pub(crate) geography: f64,
    /// One device for many numbers.
    pub(crate) device: f64,
    /// Numbers outside their plan.
    pub(crate) validity: f64,
    /// Ranges that were half accused before.
    pub(crate) suspects: f64,
    /// Gaps too even to be people.
    pub(crate) regularity: f64,
    /// Against a launch: one hundred takes too much of its thousand.
    pub(crate) fill: f64,
    /// Against a launch: it reaches too many of a range's numbers.
    pub(crate) launch_rate: f64,
    /// Against an enrolment: people at desks are not that fast.
    pub(crate) desk_rate: f64,
    /// Against an enrolment: it comes from one network.
    pub(crate) network_change: f64,
    /// Against an enrolment: its numbers lie close together.
    pub(crate) scatter: f64,
    /// Whether this attempt comes from another network than the last one.
    pub(crate) other_network: bool,
}

impl Default for Ratios {
    fn default() -> Self {
        Self {
            digits: [1.0; PROFILES],
            launch_digits: [1.0; PROFILES],
            volume: [1.0; PROFILES],
            novelty: 1.0,
            geography: 1.0,
            device: 1.0,
            validity: 1.0,
            suspects: 1.0,
            regularity: 1.0,
            fill: 1.0,
            launch_rate: 1.0,
            desk_rate: 1.0,
            network_change: 1.0,
            scatter: 1.0,
            other_network: false,
        }
    }
}

impl Ratios {
    /// What a null has to answer for under profile `k`. No innocent crowd keeps time
    /// like a clock, or goes where an attack is half proved: what does, a load test or
    /// a scheduled mailing, is told by its numbers and by its app.
    pub(super) fn against(&self, null: Null, k: usize, profile: &Profile) -> f64 {
        let sources = self.geography * self.device * self.validity;
        let always = self.suspects * self.regularity;
        let if_told = |told: bool, ratio: f64| if told { ratio } else { 1.0 };
        always
            * match null {
                Null::Plain | Null::Outage => self.digits[k] * self.volume[k] * self.novelty * sources,
                Null::Launch | Null::LaunchInOutage => {
                    let fill = if_told(profile.fills, self.fill);
                    let rate = if_told(profile.outpaces, self.launch_rate);
                    self.launch_digits[k] * fill * rate * sources
                }
                Null::Enrolment => self.unlike_enrolment(profile.unlike_enrolment) * self.validity,
            }
    }

    /// Where clients are counts against an enrolment as far as their network changes.
    fn unlike_enrolment(&self, unlike: Unlike) -> f64 {
        let abroad = if self.other_network { self.geography } else { 1.0 };
        let networks = self.network_change * abroad;
        match unlike {
            Unlike::Haste => self.desk_rate * self.scatter,
            Unlike::Scatter if self.scatter != 1.0 => self.scatter,
            Unlike::Scatter | Unlike::Networks => networks,
            Unlike::NetworksAndScatter => networks * self.scatter,
        }
    }
}
