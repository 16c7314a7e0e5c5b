//! The honest worlds against the facts that they claim to follow.

use std::collections::{BTreeMap, BTreeSet};

use pumpwatch::lab::simulate::{Scenario, SimEvent, Simulator, WorldKind};
use pumpwatch::model::{DeliveryStatus, E164, EventBody, HOUR, MINUTE, Outcome, SECOND};

use super::{is_send, scenario, to};

/// What can be measured on a world.
#[derive(Default)]
struct Facts {
    sends: u64,
    attempts: u64,
    latencies: Vec<f64>,
    by_group: BTreeMap<u64, (u64, u64)>,
    by_mcc: BTreeMap<String, u64>,
    /// Sends of the most frequent prefixes by (hour of the scenario).
    by_hour: BTreeMap<(u64, i64), u64>,
    receipts: u64,
    failures: u64,
    signups_late: u64,
    signups_late_new: u64,
    gaps: Vec<i64>,
}

impl Facts {
    fn of(scenario: &Scenario, seed: u64) -> Self {
        let mut facts = Self::default();
        let mut open: BTreeMap<(String, u64), (i64, i64)> = BTreeMap::new();
        let mut sessions: BTreeMap<String, (String, u64)> = BTreeMap::new();
        let mut seen = BTreeSet::new();
        let start = scenario.world.start;
        for event in Simulator::new(scenario, seed) {
            let record = &event.event;
            match &record.body {
                EventBody::Send(send) => {
                    facts.sends += 1;
                    let number = to(&event).unwrap();
                    let group = number.prefix(2).digits();
                    let hour = (record.time - start).div_euclid(HOUR);
                    *facts.by_hour.entry((group, hour)).or_default() += 1;
                    if record.app == "notices" {
                        continue;
                    }
                    let key = (record.app.to_string(), number.digits());
                    if let Some(session) = &send.session {
                        sessions.insert(session.to_string(), key.clone());
                    }
                    match open.get_mut(&key) {
                        Some((begun, last)) if record.time.0 - *begun < 10 * MINUTE => {
                            facts.gaps.push(record.time.0 - *last);
                            *last = record.time.0;
                            continue;
                        }
                        _ => open.insert(key, (record.time.0, record.time.0)),
                    };
                    facts.attempts += 1;
                    facts.by_group.entry(group).or_default().0 += 1;
                    let new = seen.insert(number.digits());
                    if record.app == "signup-otp" && hour >= 120 {
                        facts.signups_late += 1;
                        facts.signups_late_new += u64::from(new);
                    }
                }
                EventBody::Verification(verification) if verification.outcome == Outcome::Approved => {
                    let joined = verification
                        .session
                        .as_ref()
                        .and_then(|s| sessions.get(s.as_str()).cloned());
                    let key = joined
                        .or_else(|| to(&event).map(|n| (record.app.to_string(), n.digits())))
                        .unwrap();
                    if let Some((begun, _)) = open.get(&key) {
                        facts.latencies.push((record.time.0 - begun) as f64 / 1_000.0);
                        let group = E164::from_digits(key.1).unwrap().prefix(2).digits();
                        facts.by_group.get_mut(&group).unwrap().1 += 1;
                    }
                }
                EventBody::Verification(_) => {}
                EventBody::Delivery(delivery) => {
                    facts.receipts += 1;
                    facts.failures += u64::from(delivery.status != DeliveryStatus::Delivered);
                    *facts
                        .by_mcc
                        .entry(delivery.mcc.as_deref().unwrap().to_string())
                        .or_default() += 1;
                }
            }
        }
        facts
    }

    fn within(&self, seconds: f64) -> f64 {
        let count = self.latencies.iter().filter(|&&l| l <= seconds).count();
        count as f64 / self.latencies.len() as f64
    }

    /// Slope of log count over log rank, of the 25 busiest countries.
    fn zipf(&self) -> f64 {
        let mut counts: Vec<u64> = self.by_mcc.values().copied().collect();
        counts.sort_unstable_by(|a, b| b.cmp(a));
        let points: Vec<(f64, f64)> = counts
            .iter()
            .take(25)
            .enumerate()
            .map(|(rank, &count)| (libm::log(rank as f64 + 1.0), libm::log(count as f64)))
            .collect();
        let n = points.len() as f64;
        let (mx, my) = (
            points.iter().map(|p| p.0).sum::<f64>() / n,
            points.iter().map(|p| p.1).sum::<f64>() / n,
        );
        let up: f64 = points.iter().map(|p| (p.0 - mx) * (p.1 - my)).sum();
        let down: f64 = points.iter().map(|p| (p.0 - mx) * (p.0 - mx)).sum();
        -up / down
    }

    /// Variance over mean of a group's counts at the same hour of the weekdays.
    fn dispersion(&self, group: u64) -> f64 {
        let mut indices = Vec::new();
        for hour in 0..24 {
            let counts: Vec<f64> = (0..4)
                .map(|day| self.by_hour.get(&(group, day * 24 + hour)).copied().unwrap_or(0) as f64)
                .collect();
            let mean = counts.iter().sum::<f64>() / 4.0;
            let variance = counts.iter().map(|c| (c - mean) * (c - mean)).sum::<f64>() / 3.0;
            if mean > 10.0 {
                indices.push(variance / mean);
            }
        }
        indices.iter().sum::<f64>() / indices.len() as f64
    }
}

fn check_facts(kind: WorldKind, zipf: std::ops::Range<f64>) {
    let facts = Facts::of(&scenario("").in_world(kind), 11);
    let per_day = facts.sends as f64 / 7.0;
    assert!((32_000.0..48_000.0).contains(&per_day), "sends a day: {per_day}");
    assert!(
        (0.65..0.72).contains(&facts.within(30.0)),
        "within 30 s: {}",
        facts.within(30.0)
    );
    assert!(
        (0.88..0.94).contains(&facts.within(60.0)),
        "within 60 s: {}",
        facts.within(60.0)
    );
    let longest = facts
        .latencies
        .iter()
        .copied()
        .filter(|l| *l < 900.0)
        .fold(0.0, f64::max);
    assert!((300.0..800.0).contains(&longest), "the tail reaches {longest} s");
    let failed = facts.failures as f64 / facts.receipts as f64;
    assert!((0.10..0.20).contains(&failed), "not delivered: {failed}");
    let mut busy = 0;
    for (group, &(attempts, verified)) in &facts.by_group {
        let conversion = verified as f64 / attempts as f64;
        if attempts > 1_500 {
            busy += 1;
            assert!(
                (0.48..0.86).contains(&conversion),
                "+{group}: conversion {conversion} of {attempts}"
            );
        }
    }
    assert!(busy > 10, "{busy} groups of countries are busy");
    assert!(zipf.contains(&facts.zipf()), "Zipf exponent {}", facts.zipf());
    let us = facts.dispersion(21).max(facts.dispersion(13));
    assert!(us > 1.2, "dispersion {us}");
    let new = facts.signups_late_new as f64 / facts.signups_late as f64;
    assert!((0.3..0.7).contains(&new), "new among sign-ups after five days: {new}");
    let first_gaps = facts
        .gaps
        .iter()
        .filter(|gap| (29 * SECOND..=61 * SECOND).contains(*gap))
        .count();
    assert!(
        first_gaps as f64 > 0.97 * facts.gaps.len() as f64,
        "resends come after 30 to 60 s"
    );
}

#[test]
fn world_a_follows_the_stated_facts() {
    check_facts(WorldKind::A, 0.9..1.45);
}

#[test]
fn world_b_follows_the_stated_facts() {
    check_facts(WorldKind::B, 0.8..3.0);
}

#[test]
fn honest_numbers_are_valid_by_the_published_metadata() {
    for kind in [WorldKind::A, WorldKind::B] {
        let mut numbers: Vec<String> = Simulator::new(&scenario("").in_world(kind), 5)
            .filter(is_send)
            .step_by(97)
            .take(1_500)
            .filter_map(|event| to(&event))
            .map(|number| number.to_string())
            .collect();
        // By country: the crate's cache of patterns is small.
        numbers.sort();
        let valid = numbers
            .iter()
            .filter(|text| phonenumber::parse(None, text).is_ok_and(|n| phonenumber::is_valid(&n)))
            .count();
        assert!(
            valid as f64 >= 0.97 * numbers.len() as f64,
            "{valid} of {}",
            numbers.len()
        );
    }
}

#[test]
fn the_two_worlds_differ_in_what_they_record() {
    let share = |kind, with: fn(&SimEvent) -> bool| {
        let sends: Vec<SimEvent> = Simulator::new(&Scenario::load("honest-a").unwrap().in_world(kind), 2)
            .filter(is_send)
            .take(20_000)
            .collect();
        sends.iter().filter(|event| with(event)).count() as f64 / sends.len() as f64
    };
    let has_device = |event: &SimEvent| matches!(&event.event.body, EventBody::Send(s) if s.client.device.is_some());
    let has_price = |event: &SimEvent| matches!(&event.event.body, EventBody::Send(s) if s.price.is_some());
    assert!(share(WorldKind::A, has_device) > 0.8);
    assert!(share(WorldKind::B, has_device) < 0.85);
    assert!(share(WorldKind::A, has_price) > 0.99);
    assert!(share(WorldKind::B, has_price) < 0.99);
}
