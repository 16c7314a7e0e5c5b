//! Attacks and oddities against what their parameters say.

use std::collections::{BTreeMap, BTreeSet};

use pumpwatch::lab::simulate::{SimEvent, Simulator};
use pumpwatch::model::{
    DAY, DeliveryStatus, Destination, E164, EventBody, HOUR, MINUTE, Outcome, Prefix, SECOND, SendStatus,
};

use super::{is_send, scenario, to};

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
