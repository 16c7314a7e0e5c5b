//! The simulated worlds against the facts they claim to follow, and the
//! simulator against its promises: same bytes, order of arrival, bounded memory,
//! labels that tell the truth.

use std::collections::{BTreeMap, BTreeSet};

use pumpwatch::lab::simulate::{Scenario, SimEvent, Simulator, WorldKind, write_line};
use pumpwatch::model::{
    DAY, DeliveryStatus, Destination, E164, EventBody, HOUR, MINUTE, Millis, Outcome, Prefix, SECOND, SendStatus,
};

const ONE_TENANT: &str = r#"
description: "test"
world:
  duration: 7d
  tenants:
    - {name: acme, sends_per_day: 40000, home: US, countries: 60}
"#;

fn scenario(overlays: &str) -> Scenario {
    let text = if overlays.is_empty() {
        ONE_TENANT.to_string()
    } else {
        format!("{ONE_TENANT}overlays:\n{overlays}")
    };
    Scenario::parse("test", &text).unwrap()
}

fn to(event: &SimEvent) -> Option<E164> {
    match event.event.to {
        Destination::Number(number) => Some(number),
        _ => None,
    }
}

fn is_send(event: &SimEvent) -> bool {
    matches!(event.event.body, EventBody::Send(_))
}

fn name_of(simulator: &Simulator, event: &SimEvent) -> Option<String> {
    event.label.map(|label| simulator.label_name(label).to_string())
}

fn line_of(simulator: &Simulator, event: &SimEvent) -> String {
    let mut line = String::new();
    write_line(event, name_of(simulator, event).as_deref(), &mut line);
    line
}

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

fn digest(scenario: &Scenario, seed: u64, events: usize) -> String {
    let mut simulator = Simulator::new(scenario, seed);
    let mut hasher = blake3::Hasher::new();
    for _ in 0..events {
        let Some(event) = simulator.next() else { break };
        hasher.update(line_of(&simulator, &event).as_bytes());
    }
    hasher.finalize().to_hex().to_string()
}

#[test]
fn same_seed_same_bytes_and_another_seed_others() {
    for name in ["mixed-a", "mixed-b", "demo"] {
        let scenario = Scenario::load(name).unwrap();
        assert_eq!(digest(&scenario, 3, 60_000), digest(&scenario, 3, 60_000), "{name}");
        assert_ne!(digest(&scenario, 3, 60_000), digest(&scenario, 4, 60_000), "{name}");
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

#[test]
fn every_shipped_scenario_loads_and_arrives_in_order_with_bounded_memory() {
    let names = Scenario::builtin_names();
    assert!(names.len() >= 30);
    for name in names {
        let scenario = Scenario::load(name).unwrap();
        let mut simulator = Simulator::new(&scenario, 1);
        let mut last = Millis::MIN;
        for _ in 0..30_000 {
            let Some(event) = simulator.next() else { break };
            assert!(event.ingest >= last, "{name}: {} after {last}", event.ingest);
            assert!(simulator.pending() < 20_000, "{name}: {} pending", simulator.pending());
            last = event.ingest;
        }
    }
}

#[test]
fn what_is_pending_does_not_grow_with_the_length() {
    let mut simulator = Simulator::new(
        &scenario("  - {kind: residential_proxies, start: 1d, duration: 6d}\n"),
        1,
    );
    let mut peaks = [0usize; 7];
    while let Some(event) = simulator.next() {
        let day = (event.ingest - simulator.live_start()).div_euclid(DAY).clamp(0, 6) as usize;
        peaks[day] = peaks[day].max(simulator.pending());
    }
    // 16 messages a second, ten minutes: what can wait at most.
    assert!(peaks[6] < 20_000, "{peaks:?}");
    assert!(peaks[6] < 2 * peaks[2], "{peaks:?}");
}

#[test]
fn an_overlay_leaves_honest_traffic_untouched() {
    let honest = |overlays: &str| -> Vec<(Millis, String)> {
        Simulator::new(&scenario(overlays), 9)
            .filter(|event| event.label.is_none())
            .take(60_000)
            .map(|event| (event.ingest, event.event.id.to_string()))
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect()
    };
    let alone = honest("");
    let attacked = honest("  - {kind: burst, start: 2h, rate: 4}\n  - {kind: hopping, start: 3h}\n");
    assert_eq!(alone[..50_000], attacked[..50_000]);
}

/// The events of a campaign alone.
fn campaign(overlay: &str, seed: u64) -> (Simulator, Vec<SimEvent>) {
    let mut simulator = Simulator::new(&scenario(overlay), seed);
    let mut events = Vec::new();
    let mut seen_until = simulator.live_start();
    while seen_until - simulator.live_start() < DAY {
        let Some(event) = simulator.next() else { break };
        seen_until = event.ingest;
        if event.label.is_some() {
            events.push(event);
        }
    }
    (simulator, events)
}

#[test]
fn a_burst_stays_in_its_block_with_a_fifth_invalid() {
    let (simulator, events) = campaign("  - {kind: burst, start: 2h, duration: 2h, rate: 1, country: UZ}\n", 4);
    let sends: Vec<E164> = events.iter().filter(|e| is_send(e)).filter_map(to).collect();
    let truth = &simulator.labels()[0];
    assert_eq!(truth.messages, sends.len() as u64);
    assert!((6_600..7_800).contains(&sends.len()), "{}", sends.len());
    assert_eq!(truth.ranges.len(), 1);
    assert!(truth.cost_micros.0 > 0);
    let range = Prefix::parse(&truth.ranges[0]).unwrap();
    let inside = sends.iter().filter(|n| range.covers_number(**n)).count() as f64 / sends.len() as f64;
    assert!(inside > 0.9, "{inside} inside {range}");
    let invalid = sends
        .iter()
        .take(1_000)
        .filter(|n| !phonenumber::parse(None, n.to_string()).is_ok_and(|n| phonenumber::is_valid(&n)))
        .count();
    // Of the fifth that does not exist a third is valid by the plan.
    assert!((80..190).contains(&invalid), "{invalid} of 1000 invalid");
}

#[test]
fn campaigns_do_what_their_parameters_say() {
    let distinct = |events: &[SimEvent]| -> BTreeSet<u64> {
        events
            .iter()
            .filter(|e| is_send(e))
            .filter_map(to)
            .map(E164::digits)
            .collect()
    };
    let (_, hammered) = campaign("  - {kind: hammering, start: 1h, few: 5, rate: 1}\n", 1);
    assert_eq!(distinct(&hammered).len(), 5);

    let (_, adjacent) = campaign("  - {kind: adjacent, start: 1h, rate: 0.2, country: FR}\n", 1);
    let numbers: Vec<u64> = adjacent
        .iter()
        .filter(|e| is_send(e))
        .filter_map(to)
        .map(E164::digits)
        .collect();
    let near = numbers.windows(2).filter(|w| w[0].abs_diff(w[1]) <= 12).count();
    assert!(near as f64 > 0.98 * numbers.len() as f64);

    let (_, faked) = campaign(
        "  - {kind: faked_conversions, start: 1h, converted_share: 0.4, latency: narrow}\n",
        1,
    );
    let sends = faked.iter().filter(|e| is_send(e)).count() as f64;
    let approved = faked
        .iter()
        .filter(|e| matches!(&e.event.body, EventBody::Verification(v) if v.outcome == Outcome::Approved))
        .count() as f64;
    assert!((0.37..0.43).contains(&(approved / sends)), "{approved} of {sends}");

    let (_, fresh) = campaign("  - {kind: million, start: 1h, duration: 30m}\n", 1);
    let mut uses: BTreeMap<String, u32> = BTreeMap::new();
    for event in &fresh {
        if let EventBody::Send(send) = &event.event.body {
            *uses.entry(send.client.ip.unwrap().to_string()).or_default() += 1;
        }
    }
    let often = uses.values().filter(|count| **count > 2).count();
    assert!(
        uses.len() > 1_000 && often * 50 < uses.len(),
        "{often} of {} used more than twice",
        uses.len()
    );

    let (probing, probe) = campaign(
        "  - {kind: probe_first, start: 6h, duration: 1h, probe: 10, probe_before: 3h}\n",
        1,
    );
    let start = probing.live_start();
    let early = probe
        .iter()
        .filter(|e| is_send(e) && e.event.time < start + 4 * HOUR)
        .count();
    assert_eq!(early, 10);
}

#[test]
fn in_the_closed_loop_sends_are_blocked_and_the_attacker_moves() {
    let text = "  - {kind: burst, id: b, start: 1h, duration: 2h, rate: 1, on_block: hop, hops: 2, hop_after: 5m}\n";
    let mut simulator = Simulator::new(&scenario(text), 6);
    let begin = simulator.live_start() + HOUR;
    let first = Prefix::parse(&simulator.labels()[0].ranges[0]).unwrap();
    let (mut blocked, mut later_inside, mut receipts_of_blocked) = (0, 0, 0);
    let mut blocked_ids = BTreeSet::new();
    let mut told = false;
    while let Some(event) = simulator.next() {
        if !told && event.ingest >= begin + 10 * MINUTE {
            simulator.on_block("acme", None, first, event.ingest + DAY);
            told = true;
        }
        if event.ingest > begin + 2 * HOUR {
            break;
        }
        match &event.event.body {
            EventBody::Send(send) if event.label.is_some() => {
                if send.status == SendStatus::Blocked {
                    blocked += 1;
                    assert!(send.price.is_none(), "a blocked message costs nothing");
                    blocked_ids.insert(event.event.id.clone());
                }
                let inside = to(&event).is_some_and(|n| first.covers_number(n));
                later_inside += u32::from(inside && event.event.time > begin + 16 * MINUTE);
            }
            EventBody::Delivery(delivery) => {
                let of = delivery.message_id.as_ref();
                receipts_of_blocked += u32::from(of.is_some_and(|id| blocked_ids.contains(id)));
            }
            _ => {}
        }
    }
    assert!(
        (200..400).contains(&blocked),
        "{blocked} blocked in the five minutes before the hop"
    );
    assert_eq!((later_inside, receipts_of_blocked), (0, 0));
    let truth = &simulator.labels()[0];
    assert_eq!(truth.ranges.len(), 2);
    assert_eq!(truth.blocked, blocked);
}

#[test]
fn a_block_that_expires_or_is_taken_back_lets_messages_through() {
    let text = "  - {kind: burst, id: b, start: 1h, duration: 2h, rate: 1}\n";
    for taken_back in [true, false] {
        let mut simulator = Simulator::new(&scenario(text), 6);
        let begin = simulator.live_start() + HOUR;
        let range = Prefix::parse(&simulator.labels()[0].ranges[0]).unwrap();
        let until = begin + if taken_back { DAY } else { 30 * MINUTE };
        simulator.on_block("acme", Some("signup-otp"), range, until);
        simulator.on_block("acme", Some("no such app"), range, begin + DAY);
        simulator.on_block("nobody", None, range, begin + DAY);
        let mut by_half = [0, 0];
        while let Some(event) = simulator.next() {
            if event.ingest > begin + HOUR {
                break;
            }
            let half = usize::from(event.ingest > begin + 30 * MINUTE + 10 * SECOND);
            if half == 1 && taken_back {
                simulator.on_unblock("acme", Some("signup-otp"), range);
            }
            let stopped = matches!(&event.event.body, EventBody::Send(s) if s.status == SendStatus::Blocked);
            by_half[half] += u32::from(stopped);
        }
        assert!(by_half[0] > 1_200 && by_half[1] < 20, "{by_half:?}");
    }
}

#[test]
fn in_the_open_loop_it_moves_at_its_own_pace() {
    let (simulator, _) = campaign(
        "  - {kind: hopping, start: 1h, duration: 2h, hop_every: 10m, hops: 4}\n",
        6,
    );
    assert_eq!(simulator.labels()[0].ranges.len(), 5);
}

#[test]
fn the_feed_the_plant_and_the_records_misbehave_as_told() {
    let text = "  - {kind: feed_dead, start: 2h, duration: 1h}\n  - {kind: disorder, start: 4h, duration: 1h, share: 0.3, delay: 10m}\n  - {kind: masked, start: 6h, duration: 1h}\n  - {kind: carrier_outage, start: 8h, duration: 2h, country: US, share: 1.0}\n";
    let simulator = Simulator::new(&scenario(text), 8);
    let start = simulator.live_start();
    let (mut verified_dead, mut masked, mut plain, mut late) = (0, 0, 0, 0);
    let mut ids = BTreeSet::new();
    let mut twice = 0;
    let (mut us_failed, mut us) = (0, 0);
    for event in simulator {
        let at = event.event.time - start;
        if at > 11 * HOUR {
            break;
        }
        let hour = at.div_euclid(HOUR);
        match &event.event.body {
            EventBody::Verification(_) if hour == 2 => verified_dead += 1,
            EventBody::Send(_) if hour == 6 => match event.event.to {
                Destination::Masked { .. } => masked += 1,
                _ => plain += 1,
            },
            EventBody::Delivery(d) if at > 8 * HOUR + 15 * MINUTE && hour == 8 && d.mcc.as_deref() == Some("310") => {
                us += 1;
                us_failed += i32::from(d.status != DeliveryStatus::Delivered);
            }
            _ => {}
        }
        if hour == 4 {
            late += i32::from(event.ingest - event.event.time > 30 * SECOND);
            twice += i32::from(!ids.insert((event.event.body.type_name(), event.event.id.clone())));
        }
    }
    assert_eq!(verified_dead, 0);
    // A resend of an attempt that began before may still bear its number.
    assert!(masked > 300 && plain < 30, "{masked} masked, {plain} not");
    assert!(twice > 50 && late > 200, "{twice} twice, {late} late");
    assert!(us > 20 && us_failed * 100 > us * 80, "{us_failed} of {us}");
}

#[test]
fn the_demo_begins_its_campaign_ten_seconds_after_the_given_start() {
    let start = Millis::parse_rfc3339("2027-03-01T12:34:56.789Z").unwrap();
    let scenario = Scenario::demo().unwrap().with_warm_up(HOUR);
    let events: Vec<SimEvent> = Simulator::starting_at(&scenario, 1, start)
        .take_while(|event| event.ingest < start + MINUTE)
        .collect();
    assert!(events[0].ingest < start - 59 * MINUTE);
    let live = events.iter().filter(|event| event.ingest >= start).count();
    assert!((600..3_500).contains(&live), "{live} events in the first minute");
    let attack: Vec<&SimEvent> = events.iter().filter(|e| e.label.is_some() && is_send(e)).collect();
    assert!((150..250).contains(&attack.len()), "{} messages in 50 s", attack.len());
    assert!((10 * SECOND..15 * SECOND).contains(&(attack[0].event.time - start)));
}

/// `cargo test --release --test lab_simulate -- --ignored --nocapture speed`
#[test]
#[ignore = "a measurement: it says something in a release build on an idle core only"]
fn speed() {
    for name in ["honest-a", "honest-b"] {
        let scenario = Scenario::load(name).unwrap();
        let begun = std::time::Instant::now();
        let events = Simulator::new(&scenario, 1).count();
        let per_second = events as f64 / begun.elapsed().as_secs_f64();
        println!("{name}: {events} events, {per_second:.0} a second");
        assert!(
            cfg!(debug_assertions) || per_second > 500_000.0,
            "{per_second:.0} a second"
        );
    }
}
