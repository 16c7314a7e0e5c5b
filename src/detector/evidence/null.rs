//! Innocent explanations: what each asserts of conversion, how rare it is, and how far
//! it must be refuted at least.

use crate::detector::tuning::Tuning;

/// Odds, in nats, from which it is so sure that an attempt is an attack's that lines
/// may lie lower still.
const SURE: f64 = 3.0;

/// What innocence may look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Null {
    /// Nothing unusual.
    Plain,
    /// A carrier or the verification feed fails.
    Outage,
    /// A launch or a flash crowd.
    Launch,
    /// A company enrols its staff.
    Enrolment,
    /// A launch whose messages are not delivered.
    LaunchInOutage,
}

/// Every null, in the order of the evidence's rows.
pub(crate) const NULLS: [Null; 5] = [
    Null::Plain,
    Null::Outage,
    Null::Launch,
    Null::Enrolment,
    Null::LaunchInOutage,
];

impl Null {
    /// Nats that the line is lowered because the explanation is rare.
    pub(crate) fn price(self) -> f64 {
        match self {
            Self::Plain => 0.0,
            Self::Outage => 4.0,
            Self::Launch | Self::Enrolment => 8.0,
            Self::LaunchInOutage => 12.0,
        }
    }

    /// What two rare things at once take off the ordinary floor.
    pub(super) fn rarity(self) -> f64 {
        match self {
            Self::LaunchInOutage => -0.9,
            _ => 0.0,
        }
    }

    /// Floor of the line while what holds the range is under siege, over the
    /// ordinary floor: that a rare innocent thing begins in a range just while an
    /// attack walks through its region needs a coincidence of its own.
    pub(super) fn siege_floor(self) -> f64 {
        match self {
            Self::Plain => 0.0,
            Self::Outage => -1.0,
            Self::Launch | Self::Enrolment => -3.0,
            Self::LaunchInOutage => -1.5,
        }
    }

    /// No line lies below this, by how surely (in nats) an attempt is an attack's.
    pub(super) fn least(self, odds: f64) -> f64 {
        let least = match self {
            Self::Plain => 4.0,
            Self::Outage | Self::LaunchInOutage => 3.0,
            Self::Launch => 1.5,
            Self::Enrolment => 2.0,
        };
        // However sure it is, something must speak against each explanation.
        let floor = if self == Self::Plain { 2.0 } else { 1.0 };
        (least - (odds - SURE).max(0.0)).max(floor)
    }

    /// Whether the evaluation has switched it on.
    pub(crate) fn enabled(self, tuning: &Tuning) -> bool {
        match self {
            Self::Plain => true,
            Self::Outage => tuning.enabled.outage_null,
            Self::Launch => tuning.enabled.launch_null,
            Self::Enrolment => tuning.enabled.enrolment_null,
            Self::LaunchInOutage => tuning.enabled.launch_null && tuning.enabled.outage_null,
        }
    }

    pub(super) fn silence(self) -> Silence {
        match self {
            Self::Plain | Self::Launch => Silence::Honest,
            Self::Enrolment => Silence::High,
            Self::Outage | Self::LaunchInOutage => Silence::Excused,
        }
    }
}

/// Which conversion a null asserts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Silence {
    Excused,
    Honest,
    High,
}
