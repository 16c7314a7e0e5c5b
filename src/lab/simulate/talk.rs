//! One attempt from its first message to its end: what is sent when, what the
//! network reports, which codes come back. Planned as a whole when it begins, so
//! that a block changes what is emitted and never what is drawn.

use compact_str::CompactString;

use super::Label;
use super::draw::{Rng, between, chance, exponential, hash, log_normal, mix, uniform, unit, weibull};
use super::pace::Pace;
use super::people::{Habits, hex_id};
use super::scenario::WorldKind;
use super::world::Country;
use crate::model::{
    Client, Currency, Delivery, DeliveryStatus, Destination, E164, Event, EventBody, Micros, Millis, Money, Outcome,
    Send, SendStatus, Verification,
};

/// One message of an attempt.
#[derive(Clone, Copy, Debug)]
pub(super) struct Round {
    /// After the attempt's begin.
    pub offset_ms: i64,
    /// Delay after the message, and what the network says.
    pub receipt: Option<(i64, DeliveryStatus, &'static str)>,
}

/// Messages of an attempt at most.
pub(super) const ROUNDS_MAX: usize = 4;

/// The course of an attempt.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    rounds: [Round; ROUNDS_MAX],
    count: usize,
    /// Wrong codes, this long after the last message.
    pub wrong: [Option<i64>; 2],
    /// How it ends, this long after the last message.
    pub end: Option<(i64, Outcome)>,
}

impl Plan {
    pub(super) fn single(receipt: Option<(i64, DeliveryStatus, &'static str)>, end: Option<(i64, Outcome)>) -> Self {
        let first = Round { offset_ms: 0, receipt };
        Self {
            rounds: [first; ROUNDS_MAX],
            count: 1,
            wrong: [None; 2],
            end,
        }
    }

    pub(super) fn round(&self, place: usize) -> &Round {
        &self.rounds[place]
    }

    pub(super) fn is_last(&self, place: usize) -> bool {
        place + 1 >= self.count
    }
}

/// An attempt under way.
#[derive(Clone, Debug)]
pub(super) struct Talk {
    pub tenant: usize,
    pub app: usize,
    pub country: usize,
    pub operator: usize,
    pub number: E164,
    pub to: Destination,
    pub client: Client,
    pub session: u64,
    pub price: Micros,
    pub label: Option<Label>,
    pub begun: i64,
    pub next_round: usize,
    pub plan: Plan,
}

/// What decides the course of an honest attempt.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chances {
    /// That a code comes back in the end.
    pub verified: f64,
    /// That a message is not delivered for an ordinary reason.
    pub failure: f64,
    /// Whether the application verifies at all.
    pub verifies: bool,
    /// Everything fails, for returning users as well.
    pub outage: f64,
    /// How long people take, where the application has people of its own kind.
    pub pace: Option<Pace>,
}

const CODE_LIFE_MS: i64 = 600_000;
const FAILURES: [(DeliveryStatus, &str); 4] = [
    (DeliveryStatus::Undelivered, "30003"),
    (DeliveryStatus::Undelivered, "30005"),
    (DeliveryStatus::Failed, "30008"),
    (DeliveryStatus::Expired, "30036"),
];

/// Draws the course of an honest attempt.
pub(super) fn honest_plan(kind: WorldKind, habits: &Habits, rng: &mut Rng, chances: Chances) -> Plan {
    let outage = chances.outage > 0.0 && chance(rng, chances.outage);
    let verified = chances.verifies && chance(rng, chances.verified) && !outage;
    // Verified attempts were delivered, so the others bear all failures.
    let failure = if outage {
        1.0
    } else if chances.verifies {
        (chances.failure / (1.0 - chances.verified).max(0.1)).min(0.85)
    } else {
        chances.failure
    };
    let (resent_verified, resent_lost, wrong, impatience) = match kind {
        WorldKind::A => (0.06, 0.38, 0.06, (30_000, 60_000)),
        WorldKind::B => (0.04, 0.5, 0.1, (30_000, 45_000)),
    };
    let mut plan = Plan::single(None, None);
    if chances.verifies {
        let again = if verified { resent_verified } else { resent_lost };
        let mut offset = 0;
        while plan.count < ROUNDS_MAX && chance(rng, if plan.count == 1 { again } else { 0.25 }) {
            offset += between(rng, impatience.0, impatience.1);
            plan.rounds[plan.count].offset_ms = offset;
            plan.count += 1;
        }
    }
    for place in 0..plan.count {
        let arrives = verified && place + 1 == plan.count;
        let lost = !arrives && chance(rng, if verified { 0.6 } else { failure });
        plan.rounds[place].receipt = chance(rng, habits.receipts).then(|| receipt(rng, lost));
    }
    if verified {
        let delay = match chances.pace {
            Some(pace) => pace.draw(rng),
            None => latency_ms(kind, rng, plan.count > 1),
        };
        plan.end = Some((delay, Outcome::Approved));
        if chance(rng, wrong) {
            plan.wrong[0] = Some(delay * 6 / 10);
            plan.wrong[1] = chance(rng, 0.2).then_some(delay * 8 / 10);
        }
    } else if chances.verifies {
        if chance(rng, 0.04) {
            plan.wrong[0] = Some(between(rng, 10_000, 120_000));
        }
        let u = uniform(rng);
        if u < 0.015 {
            plan.end = Some((between(rng, 5_000, 90_000), Outcome::Canceled));
        } else if u < habits.expiry {
            plan.end = Some((CODE_LIFE_MS + between(rng, 0, 2_000), Outcome::Expired));
        }
    }
    plan
}

fn receipt(rng: &mut Rng, lost: bool) -> (i64, DeliveryStatus, &'static str) {
    if lost {
        let (status, code) = FAILURES[between(rng, 0, 3) as usize];
        let delay = (exponential(rng, 20_000.0) as i64 + 1_500).min(CODE_LIFE_MS);
        (delay, status, code)
    } else {
        let delay = log_normal(rng, 3_200.0, 0.7) as i64 + 300;
        (delay.min(CODE_LIFE_MS), DeliveryStatus::Delivered, "")
    }
}

/// From the last message to the right code.
fn latency_ms(kind: WorldKind, rng: &mut Rng, resent: bool) -> i64 {
    let seconds = match kind {
        WorldKind::A if chance(rng, 0.02) => log_normal(rng, 150.0, 0.6),
        WorldKind::A if resent => log_normal(rng, 16.0, 0.6),
        WorldKind::A => log_normal(rng, 19.4, 0.66),
        WorldKind::B if chance(rng, 0.2) => weibull(rng, 45.0, 0.9),
        WorldKind::B => 3.0 + weibull(rng, 21.0, 1.5),
    };
    ((seconds.clamp(1.5, 595.0)) * 1_000.0) as i64
}

/// How long a record is on its way into its topic, by any hash: mostly a tenth
/// of a second, at times seconds.
pub(super) fn lag_ms(of: u64) -> i64 {
    let u = unit(mix(of));
    (60.0 + 80.0 / (1.03 - u)) as i64
}

/// What never changes for an app: the strings of its events.
#[derive(Clone, Debug)]
pub(super) struct Names {
    pub tenant: CompactString,
    pub app: CompactString,
    pub sender: CompactString,
    pub provider: CompactString,
    pub habits: Habits,
}

impl Names {
    fn event(&self, id: CompactString, time: i64, to: Destination, body: EventBody) -> Event {
        Event {
            id,
            time: Millis(time),
            tenant: self.tenant.clone(),
            app: self.app.clone(),
            to,
            body,
        }
    }
}

impl Talk {
    fn message(&self, round: usize) -> u64 {
        mix(self.session ^ (round as u64 + 1))
    }

    fn session_id(&self, names: &Names) -> Option<CompactString> {
        names.habits.sessions.then(|| hex_id("VE", self.session, 16))
    }

    fn cost(&self) -> Money {
        Money {
            micros: self.price,
            currency: Currency::USD,
        }
    }

    /// The send of a round.
    pub(super) fn send(&self, names: &Names, round: usize, time: i64, blocked: bool) -> Event {
        let id = hex_id("SM", self.message(round), 16);
        let send = Send {
            session: self.session_id(names),
            message_id: Some(id.clone()),
            sender: Some(names.sender.clone()),
            segments: Some(1),
            price: (names.habits.price_on_send && !blocked).then(|| self.cost()),
            client: self.client.clone(),
            provider: Some(names.provider.clone()),
            status: if blocked { SendStatus::Blocked } else { SendStatus::Sent },
        };
        names.event(id, time, self.to.clone(), EventBody::Send(send))
    }

    /// The receipt of a round.
    pub(super) fn delivery(
        &self,
        names: &Names,
        country: &Country,
        round: usize,
        time: i64,
        (status, code): (DeliveryStatus, &'static str),
    ) -> Event {
        let message = self.message(round);
        let mut mnc = CompactString::const_new("0");
        mnc.push(char::from(b'1' + (self.operator % 9) as u8));
        let delivery = Delivery {
            message_id: Some(hex_id("SM", message, 16)),
            session: None,
            status,
            error_code: CompactString::const_new(code),
            mcc: Some(CompactString::const_new(country.facts.mcc)),
            mnc: Some(mnc),
            price: names.habits.price_on_receipt.then(|| self.cost()),
        };
        let id = hex_id("DL", mix(message), 16);
        names.event(id, time, self.to.clone(), EventBody::Delivery(delivery))
    }

    /// A code that came back or was given up; `part` tells several apart.
    pub(super) fn verification(&self, names: &Names, part: u64, time: i64, outcome: Outcome) -> Event {
        let verification = Verification {
            session: self.session_id(names),
            message_id: None,
            outcome,
        };
        let to = if names.habits.verification_to || !names.habits.sessions {
            self.to.clone()
        } else {
            Destination::Unknown
        };
        let id = hex_id("VC", hash(&[self.session, part]), 16);
        names.event(id, time, to, EventBody::Verification(verification))
    }
}
