//! Tests of what is counted and when a limit is broken.

use super::*;
use crate::model::{E164, Micros, Millis};
use crate::number_plan::NumberPlan;
use proptest::prelude::*;

fn limit(per: LimitScope) -> Limit {
    Limit {
        name: "own".into(),
        time_window_ms: None,
        sms_frequency_threshold: None,
        per,
        block: false,
        allow_regions: Vec::new(),
        deny_regions: Vec::new(),
        user_agent_anomaly_threshold: None,
        ip_geo_variance_score: None,
    }
}

fn frequency(per: LimitScope, window_ms: i64, threshold: u64) -> Limit {
    Limit {
        time_window_ms: Some(window_ms),
        sms_frequency_threshold: Some(threshold),
        ..limit(per)
    }
}

fn limits(of: &[Limit]) -> Limits {
    Limits::new(of, &crate::detector::Keyed::with_seeds(1, 2, 3, 4))
}

fn number(text: &str) -> NumberRef {
    let number = E164::parse(text).unwrap();
    NumberRef {
        block: number.block(),
        digits: number.len() as u8,
        token: Token(u128::from(number.digits())),
        class: NumberPlan::shared().classify(number),
        full: None,
    }
}

fn sent(at: Millis) -> Sent {
    Sent {
        at,
        event_time: at,
        cost: Micros(2),
    }
}

fn region(code: &str) -> Region {
    Region::parse(code).unwrap()
}

const UZ: &str = "+998901234567";

#[test]
fn the_threshold_is_what_is_allowed_and_one_more_breaks_it() {
    let of = [frequency(LimitScope::Number, 600_000, 5)];
    let mut limits = limits(&of);
    let send = RoutedSend::default();
    for i in 0..5 {
        assert_eq!(
            limits.on_send(&of, 0, &number(UZ), &send, &sent(Millis(i * 60_000))),
            []
        );
    }
    // Another number and another tenant count apart.
    assert_eq!(
        limits.on_send(&of, 0, &number("+998901234568"), &send, &sent(Millis(240_000))),
        []
    );
    assert_eq!(limits.on_send(&of, 1, &number(UZ), &send, &sent(Millis(240_000))), []);
    let breaches = limits.on_send(&of, 0, &number(UZ), &send, &sent(Millis(300_000)));
    assert_eq!(breaches.len(), 1);
    assert_eq!(breaches[0].broken, Broken::Frequency { allowed: 5 });
    let counted = breaches[0].counted;
    assert_eq!(
        (counted.sends, counted.cost, counted.first),
        (6, Micros(12), Some(Millis(0)))
    );
    assert_eq!(limits.on_send(&of, 0, &number(UZ), &send, &sent(Millis(900_000))), []);
}

#[test]
fn every_scope_counts_apart_what_it_names() {
    let send = RoutedSend {
        ip: Some(1),
        device: Some(2),
        asn: Some(3),
        ..RoutedSend::default()
    };
    let cases: [(LimitScope, &str, RoutedSend); 5] = [
        (
            LimitScope::Ip,
            UZ,
            RoutedSend {
                ip: Some(9),
                ..send.clone()
            },
        ),
        (
            LimitScope::Device,
            UZ,
            RoutedSend {
                device: None,
                ..send.clone()
            },
        ),
        (
            LimitScope::Asn,
            UZ,
            RoutedSend {
                asn: Some(9),
                ..send.clone()
            },
        ),
        (LimitScope::Prefix, "+998901334567", send.clone()),
        (LimitScope::Country, "+447400123456", send.clone()),
    ];
    for (per, other_to, other) in cases {
        let of = [frequency(per, 600_000, 1)];
        let mut limits = limits(&of);
        assert_eq!(limits.on_send(&of, 0, &number(UZ), &send, &sent(Millis(0))), []);
        assert_eq!(
            limits.on_send(&of, 0, &number(other_to), &other, &sent(Millis(1))),
            [],
            "{per:?}"
        );
        assert_eq!(
            limits.on_send(&of, 0, &number(UZ), &send, &sent(Millis(2))).len(),
            1,
            "{per:?}"
        );
    }
}

#[test]
fn a_prefix_is_the_block_of_ten_thousand_and_never_more_than_the_regions_own() {
    assert_eq!(counted_prefix(&number(UZ)).to_string(), "+99890123");
    assert_eq!(counted_prefix(&number("+12042345678")).to_string(), "+1204234");
    let masked = NumberRef {
        block: Prefix::parse("+9989012").unwrap(),
        digits: 0,
        ..number(UZ)
    };
    assert_eq!(counted_prefix(&masked).to_string(), "+9989012");
}

#[test]
fn filters_name_what_is_denied_and_what_is_not_allowed() {
    let allow = Limit {
        allow_regions: vec![region("GB")],
        ..limit(LimitScope::Country)
    };
    let deny = Limit {
        deny_regions: vec![region("UZ")],
        ..limit(LimitScope::Country)
    };
    let of = [allow, deny];
    let mut limits = limits(&of);
    let send = RoutedSend::default();
    let broken = |b: Vec<Breach>| b.into_iter().map(|b| b.broken).collect::<Vec<_>>();
    assert_eq!(
        broken(limits.on_send(&of, 0, &number("+447400123456"), &send, &sent(Millis(0)))),
        []
    );
    assert_eq!(
        broken(limits.on_send(&of, 0, &number(UZ), &send, &sent(Millis(0)))),
        [Broken::NotAllowed, Broken::Denied]
    );
    let mut unknown = number(UZ);
    unknown.class.region = None;
    assert_eq!(
        broken(limits.on_send(&of, 0, &unknown, &send, &sent(Millis(0)))),
        [Broken::NotAllowed]
    );
}

#[test]
fn one_user_agent_or_clients_abroad_break_a_share_once_there_are_enough() {
    let agent = Limit {
        time_window_ms: Some(3_600_000),
        user_agent_anomaly_threshold: Some(0.9),
        ..limit(LimitScope::Country)
    };
    let abroad = Limit {
        time_window_ms: Some(3_600_000),
        ip_geo_variance_score: Some(0.5),
        ..limit(LimitScope::Country)
    };
    let of = [agent, abroad];
    let mut limits = limits(&of);
    let robot = RoutedSend {
        user_agent: Some(7),
        country: Some(region("US")),
        ..RoutedSend::default()
    };
    for i in 0..19 {
        assert_eq!(limits.on_send(&of, 0, &number(UZ), &robot, &sent(Millis(i))), []);
    }
    let breaches = limits.on_send(&of, 0, &number(UZ), &robot, &sent(Millis(19)));
    assert_eq!(breaches.len(), 2);
    let sentence = breaches[0].sentence(&of[0], "+9989012345XX", Some(region("UZ")));
    assert_eq!(
        sentence,
        "Limit own: 100.0 % of 20 sends to UZ within 1h came from one user agent, 90.0 % are allowed"
    );
    let home = |i: u64| RoutedSend {
        user_agent: Some(100 + i),
        country: Some(region("UZ")),
        ..RoutedSend::default()
    };
    for i in 0..40 {
        limits.on_send(&of, 0, &number(UZ), &home(i), &sent(Millis(20 + i as i64)));
    }
    assert_eq!(limits.on_send(&of, 0, &number(UZ), &robot, &sent(Millis(100))), []);
    let silent = RoutedSend::default();
    assert_eq!(limits.on_send(&of, 0, &number(UZ), &silent, &sent(Millis(101))), []);
}

#[test]
fn clients_at_home_in_a_country_are_no_strangers_to_its_islands() {
    let of = [Limit {
        time_window_ms: Some(3_600_000),
        ip_geo_variance_score: Some(0.5),
        ..limit(LimitScope::Country)
    }];
    let from = |code: &str| RoutedSend {
        country: Some(region(code)),
        ..RoutedSend::default()
    };
    let jersey = number("+447797712345");
    assert_eq!(jersey.class.region, Some(region("JE")));
    for (home, broken) in [("GB", false), ("JE", false), ("FR", true)] {
        let mut limits = limits(&of);
        let sends = (0..40).map(|i| limits.on_send(&of, 0, &jersey, &from(home), &sent(Millis(i))));
        assert_eq!(sends.flatten().next().is_some(), broken, "{home}");
    }
}

proptest! {
    #[test]
    fn no_sentence_shows_a_whole_number(subscriber in 0u64..10_000_000, threshold in 1u64..4) {
        let text = format!("+99890{subscriber:07}");
        let scopes = [LimitScope::Number, LimitScope::Ip, LimitScope::Device, LimitScope::Asn, LimitScope::Prefix, LimitScope::Country];
        let of: Vec<Limit> = scopes.map(|per| frequency(per, 60_000, threshold)).into();
        let mut limits = limits(&of);
        let send = RoutedSend { ip: Some(1), device: Some(2), asn: Some(3), ..RoutedSend::default() };
        for i in 0..=threshold {
            let breaches = limits.on_send(&of, 0, &number(&text), &send, &sent(Millis(i as i64)));
            prop_assert_eq!(breaches.len(), if i == threshold { scopes.len() } else { 0 });
            for breach in breaches {
                let limit = &of[usize::from(breach.key.limit)];
                let sentence = breach.sentence(limit, "+9989012345XX", Some(region("UZ")));
                prop_assert!(!sentence.contains(&text[1..]) && sentence.contains("own"));
                let count = format!("{} sends", threshold + 1);
                prop_assert!(sentence.contains(&count));
            }
        }
    }
}
