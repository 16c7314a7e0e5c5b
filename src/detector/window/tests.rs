//! Properties of the whole: against a naive recount, under any granularity of
//! closing, under a flood.

use proptest::prelude::*;

use super::*;
use crate::model::{HOUR, Prefix, Region, SECOND};

#[derive(Clone, Copy, Debug)]
struct Happening {
    after_ms: i64,
    app: AppIx,
    node: u8,
    verified: bool,
    blocked: bool,
    opens: bool,
    number: u8,
    cost: i64,
    latency: u16,
}

fn happening() -> impl Strategy<Value = Happening> {
    let gap = prop_oneof![
        6 => 0..5 * SECOND,
        3 => 0..2 * MINUTE,
        2 => 0..20 * MINUTE,
        1 => 0..30 * HOUR,
        1 => Just(MINUTE),
    ];
    let flags = (any::<bool>(), any::<bool>(), any::<bool>());
    (gap, 0..2u32, 0..6u8, flags, 0..20u8, 0..1_000_000i64, 0..9_000u16).prop_map(
        |(after_ms, app, node, (verified, blocked, opens), number, cost, latency)| Happening {
            after_ms,
            app,
            node,
            verified,
            blocked,
            opens,
            number,
            cost,
            latency,
        },
    )
}

fn happenings() -> impl Strategy<Value = Vec<Happening>> {
    prop::collection::vec(happening(), 0..250)
}

/// Node 0 is a country, 1 an operator, the others ranges within it.
fn destination(node: u8) -> Destination {
    let region = Region::parse("UZ");
    match node {
        0 => Destination::country(region),
        1 => Destination::operator(region, Prefix::from_digits(99_890).unwrap()),
        n => Destination::range(region, Prefix::from_digits(998_900 + u64::from(n)).unwrap(), 12),
    }
}

/// A range counts in its country and operator too.
fn path(node: u8) -> Vec<Destination> {
    (0..=node.min(1))
        .chain((node > 1).then_some(node))
        .map(destination)
        .collect()
}

fn apply(windows: &mut Windows, now: Millis, h: &Happening) {
    if h.verified {
        windows.on_verified(now, h.app, &path(h.node), f64::from(h.latency) / 10.0);
    } else {
        let sample = SendSample {
            blocked: h.blocked,
            opens_attempt: h.opens,
            number: Token(u128::from(h.number)),
            cost: Micros(h.cost),
        };
        windows.on_send(now, h.app, &path(h.node), &sample);
    }
}

const START: Millis = Millis(1_763_797_690_123);

fn timed(happenings: &[Happening]) -> Vec<(Millis, Happening)> {
    let mut now = START;
    happenings
        .iter()
        .map(|h| {
            now = now + h.after_ms;
            (now, *h)
        })
        .collect()
}

/// Sums one by one over what happened at a node from `start` on.
fn recount(events: &[(Millis, Happening)], app: AppIx, node: u8, start: Millis) -> Aggregate {
    let mut sums = Aggregate::default();
    let mut numbers = std::collections::BTreeSet::new();
    for (time, h) in events {
        if *time < start || h.app != app || !path(h.node).contains(&destination(node)) {
            continue;
        }
        if h.verified {
            sums.verified += 1;
            continue;
        }
        sums.sends += u64::from(!h.blocked);
        sums.blocked += u64::from(h.blocked);
        sums.attempts += u64::from(h.opens);
        sums.cost.0 += h.cost;
        numbers.insert(h.number);
    }
    sums.distinct_numbers = numbers.len() as u64;
    sums
}

proptest! {
    #[test]
    fn sliding_is_a_recount_from_the_stated_start(list in happenings(), later in 0..26 * HOUR) {
        let events = timed(&list);
        let mut windows = Windows::new(64, 7);
        for (i, (now, h)) in events.iter().enumerate() {
            apply(&mut windows, *now, h);
            let last = i + 1 == events.len();
            if i % 16 != 0 && !last {
                continue;
            }
            for asked in [*now, *now + if last { later } else { 0 }] {
                for (app, node, span) in [(h.app, h.node), (0, 0), (1, 1), (0, 3)]
                    .into_iter()
                    .flat_map(|(app, node)| Span::ALL.map(|span| (app, node, span)))
                {
                    let start = span.start(asked);
                    prop_assert!(start <= asked - span.length_ms());
                    prop_assert!(start > asked - span.length_ms() - span.resolution_ms());
                    let mut naive = recount(&events[..=i], app, node, start);
                    naive.covered_ms = asked - start;
                    prop_assert_eq!(windows.sliding(app, destination(node), span, asked), naive);
                }
            }
        }
    }

    #[test]
    fn tumbling_windows_add_up_whatever_the_granularity(
        list in happenings(),
        nodes_max in 1..12usize,
        closings in prop::collection::vec(any::<u8>(), 1..20),
    ) {
        let events = timed(&list);
        let end = events.last().map_or(START, |(now, _)| *now) + 2 * MINUTE;

        let mut rarely = Windows::new(nodes_max, 7);
        for (now, h) in &events {
            apply(&mut rarely, *now, h);
        }
        let mut expected = Vec::new();
        rarely.close_until(end, &mut expected);

        let mut by_timer = Windows::new(nodes_max, 7);
        let mut timed_out = Vec::new();
        for (now, h) in &events {
            while let Some(close) = by_timer.next_close().filter(|close| close <= now) {
                let before = timed_out.len();
                by_timer.close_until(close, &mut timed_out);
                prop_assert!(timed_out.len() > before, "a timer that fires must hand out");
                prop_assert!(timed_out[before..].iter().all(|w| w.end == close));
            }
            apply(&mut by_timer, *now, h);
        }
        by_timer.close_until(end, &mut timed_out);

        let mut at_random = Windows::new(nodes_max, 7);
        let mut handed_out = Vec::new();
        for (i, (now, h)) in events.iter().enumerate() {
            let choice = closings[i % closings.len()];
            if choice & 1 == 1 {
                at_random.close_until(*now - i64::from(choice) * SECOND, &mut handed_out);
            }
            apply(&mut at_random, *now, h);
            if choice & 2 == 2 {
                at_random.close_until(*now, &mut handed_out);
            }
        }
        at_random.close_until(end, &mut handed_out);

        prop_assert_eq!(&timed_out, &expected);
        prop_assert_eq!(&handed_out, &expected);
        prop_assert!(expected.iter().all(|w| w.end == w.start + MINUTE && w.start == w.start.floor_to(MINUTE)));
        let keys: Vec<_> = expected.iter().map(|w| (w.end, w.app, w.destination)).collect();
        prop_assert!(keys.is_sorted_by(|a, b| a < b), "in order, and none twice");
        prop_assert_eq!(rarely.next_close(), None);
        for windows in [&by_timer, &at_random] {
            prop_assert_eq!(windows.len(), rarely.len());
            prop_assert_eq!(windows.evicted(), rarely.evicted());
            prop_assert_eq!(windows.refused(), rarely.refused());
        }

        let given: u64 = events.iter().map(|(_, h)| path(h.node).len() as u64).sum();
        let counted: u64 = expected.iter().map(|w| w.sends + w.blocked + w.verified).sum();
        prop_assert_eq!(counted + rarely.refused(), given);
        prop_assert!(rarely.len() <= nodes_max);
    }

    #[test]
    fn with_room_every_window_is_a_recount_of_its_minute(list in happenings()) {
        let events = timed(&list);
        let mut windows = Windows::new(1_000, 7);
        for (now, h) in &events {
            apply(&mut windows, *now, h);
        }
        let mut closed = Vec::new();
        windows.close_until(START + 365 * 24 * HOUR, &mut closed);
        let mut found = 0;
        for (app, node) in (0..2).flat_map(|app| (0..6).map(move |node| (app, node))) {
            for window in closed.iter().filter(|w| w.app == app && w.destination == destination(node)) {
                let within: Vec<_> = events
                    .iter()
                    .filter(|(t, _)| (window.start..window.end).contains(t))
                    .copied()
                    .collect();
                let naive = recount(&within, app, node, window.start);
                prop_assert_eq!(
                    (window.sends, window.attempts, window.verified, window.blocked),
                    (naive.sends, naive.attempts, naive.verified, naive.blocked)
                );
                prop_assert_eq!((window.distinct_numbers, window.cost), (naive.distinct_numbers, naive.cost));
                prop_assert_eq!(window.verify_p50.is_some(), window.verified > 0);
                found += window.sends + window.blocked + window.verified;
            }
        }
        let given: u64 = events.iter().map(|(_, h)| path(h.node).len() as u64).sum();
        prop_assert_eq!((found, windows.refused(), windows.evicted()), (given, 0, 0));
    }
}

fn flood(nodes_max: usize, salt: u64) -> (Windows, Vec<ClosedWindow>) {
    let mut windows = Windows::new(nodes_max, salt);
    let mut closed = Vec::new();
    let country = destination(0);
    for i in 0..200_000u64 {
        let now = START + i as i64 * 7;
        windows.close_until(now, &mut closed);
        let fresh = Destination::range(
            Region::parse("UZ"),
            Prefix::from_digits(99_800_000_000 + i).unwrap(),
            12,
        );
        let sample = SendSample {
            blocked: false,
            opens_attempt: true,
            number: Token(u128::from(i)),
            cost: Micros(1),
        };
        windows.on_send(now, 0, &[country, fresh], &sample);
    }
    (windows, closed)
}

#[test]
fn a_flood_of_destinations_stays_within_the_cap() {
    let (windows, _) = flood(2_000, 1);
    assert_eq!(windows.len(), 1_751, "seven eighths for ranges, and the country");
    assert!(windows.evicted() > 10_000, "{}", windows.evicted());
    assert!(windows.bytes() < 2_000 * NODE_BYTES_MEAN_MAX, "{}", windows.bytes());
    let now = START + 200_000 * 7;
    let day = windows.sliding(0, destination(0), Span::Day, now);
    assert_eq!(day.sends, 200_000, "the country is not driven out");
    let error = day.distinct_numbers as f64 / 200_000.0 - 1.0;
    assert!(error.abs() < 0.39, "within three standard errors: {error}");
}

#[test]
fn the_same_calls_give_the_same_answers() {
    let ((a, closed_a), (b, closed_b)) = (flood(500, 3), flood(500, 3));
    assert_eq!(closed_a, closed_b);
    assert_eq!(
        (a.len(), a.evicted(), a.refused(), a.bytes()),
        (b.len(), b.evicted(), b.refused(), b.bytes())
    );
    for span in Span::ALL {
        let now = START + HOUR;
        assert_eq!(
            a.sliding(0, destination(0), span, now),
            b.sliding(0, destination(0), span, now)
        );
    }
}

#[test]
fn busy_nodes_make_others_go_so_that_the_mean_stays_small() {
    let nodes_max = 64;
    let mut windows = Windows::new(nodes_max, 1);
    let mut closed = Vec::new();
    let mut number = 0u64;
    for slot in 0..9_000i64 {
        let now = START + slot * 10 * SECOND;
        windows.close_until(now, &mut closed);
        closed.clear();
        for node in 0..56u64 {
            let range = Destination::range(None, Prefix::from_digits(998_000 + node).unwrap(), 0);
            number += 1;
            let sample = SendSample {
                blocked: false,
                opens_attempt: true,
                number: Token(u128::from(number)),
                cost: Micros(1),
            };
            windows.on_send(now, 0, &[range], &sample);
        }
    }
    windows.close_until(START + 9_000 * 10 * SECOND + MINUTE, &mut closed);
    assert!(windows.table.bytes() < nodes_max * NODE_BYTES_MEAN_MAX + 1024 * 256);
    assert!(windows.len() > 30, "{}", windows.len());
}

#[test]
fn time_that_falls_counts_as_the_latest() {
    let mut windows = Windows::new(8, 1);
    let sample = SendSample {
        blocked: true,
        opens_attempt: false,
        number: Token(1),
        cost: Micros(0),
    };
    windows.on_send(START + HOUR, 0, &[destination(0)], &sample);
    windows.on_send(START, 0, &[destination(0)], &sample);
    let minute = windows.sliding(0, destination(0), Span::Minute, START);
    assert_eq!((minute.blocked, minute.sends, minute.distinct_numbers), (2, 0, 1));
    assert_eq!(windows.next_close(), Some((START + HOUR).floor_to(MINUTE) + MINUTE));
}

#[test]
fn a_verification_counts_in_the_minute_of_its_own_time() {
    let mut windows = Windows::new(8, 1);
    let sample = SendSample {
        blocked: false,
        opens_attempt: true,
        number: Token(1),
        cost: Micros(50_000),
    };
    let sent = START.floor_to(MINUTE) + 55 * SECOND;
    windows.on_send(sent, 0, &[destination(0)], &sample);
    windows.on_verified(sent + 20 * SECOND, 0, &[destination(0)], 20.0);
    let mut closed = Vec::new();
    windows.close_until(sent + 2 * MINUTE, &mut closed);
    let seen: Vec<_> = closed.iter().map(|w| (w.attempts, w.verified, w.verify_p50)).collect();
    assert_eq!(seen, [(1, 0, None), (0, 1, Some(20.0))]);
    let quantiles = windows.latency(0, Region::parse("UZ")).unwrap();
    assert_eq!((quantiles.samples, quantiles.p50), (1, 20.0));
}
