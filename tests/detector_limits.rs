//! The user's own limits and budgets, through the whole fold: what is found,
//! blocked, lifted and closed.

use std::collections::{BTreeMap, BTreeSet};

use pumpwatch::detector::policy::{Limit, LimitScope, TenantPolicy};
use pumpwatch::detector::{Effect, Policy, Tuning};
use pumpwatch::lab::fold::Fold;
use pumpwatch::model::{
    Activity, BlockChange, Client, Currency, DAY, Destination, E164, Event, EventBody, Feedback, Finding, FindingKind,
    Level, MINUTE, Micros, Millis, Money, Prefix, Region, SECOND, Send, SendStatus,
};

const UZ: u64 = 998_901_234_567;

fn limit(name: &str, per: LimitScope) -> Limit {
    Limit {
        name: name.into(),
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

fn frequency(name: &str, per: LimitScope, minutes: i64, threshold: u64) -> Limit {
    Limit {
        time_window_ms: Some(minutes * MINUTE),
        sms_frequency_threshold: Some(threshold),
        ..limit(name, per)
    }
}

fn region(code: &str) -> Region {
    Region::parse(code).unwrap()
}

struct World {
    fold: Fold,
    effects: Vec<Effect>,
    sent: u64,
}

impl World {
    fn new(policy: &Policy) -> Self {
        let mut effects = Vec::new();
        let mut fold = Fold::new(policy, Tuning::default(), None, &mut effects);
        fold.tell_time_after(1);
        effects.clear();
        Self { fold, effects, sent: 0 }
    }

    fn with_limits(limits: Vec<Limit>) -> Self {
        Self::new(&Policy {
            limits,
            ..Policy::default()
        })
    }

    fn send(&mut self, at: Millis, number: u64, status: SendStatus) {
        self.sent += 1;
        let event = Event {
            id: format!("S{}", self.sent).into(),
            time: at,
            tenant: "acme".into(),
            app: "signup".into(),
            to: Destination::Number(E164::from_digits(number).unwrap()),
            body: EventBody::Send(Send {
                price: Some(Money {
                    micros: Micros(500_000),
                    currency: Currency::USD,
                }),
                client: Client {
                    ip: Some("203.0.113.7".parse().unwrap()),
                    asn: Some(64_500),
                    device: Some("d-81c2".into()),
                    country: Some(region("UZ")),
                    ..Client::default()
                },
                status,
                ..Send::default()
            }),
        };
        self.fold.usable([event], at, &mut self.effects);
        // An event is decided once log time has passed it.
        self.fold.tell_time(at + 1, &mut self.effects);
    }

    fn safelist(&mut self, at: Millis, prefix: &str) {
        let command = Feedback::Safelist {
            id: "F1".into(),
            time: at,
            tenant: "acme".into(),
            app: "*".into(),
            prefix: Prefix::parse(prefix).unwrap(),
            put: true,
            expires_at: None,
            by: "analyst".into(),
            reason: "".into(),
        };
        self.fold.feedback(command, at, &mut self.effects);
    }

    fn findings(&self, kind: FindingKind) -> Vec<Finding> {
        self.effects
            .iter()
            .filter_map(|e| match e {
                Effect::Finding(finding) if finding.kind == kind => Some((**finding).clone()),
                _ => None,
            })
            .collect()
    }

    /// What stands on the blocklist in the end; on the way, a finding of level
    /// `block` names at least one range, and each range gets its record.
    fn blocklist(&self) -> BTreeMap<String, Millis> {
        let mut standing = BTreeMap::new();
        let mut promised: BTreeSet<String> = BTreeSet::new();
        for effect in &self.effects {
            match effect {
                Effect::Finding(finding) => {
                    assert!(promised.is_empty(), "{promised:?} have no record");
                    let names_some = !finding.prefixes.is_empty();
                    if finding.level == Level::Block && finding.activity != Activity::Close {
                        assert!(names_some);
                        promised = finding.prefixes.iter().map(|p| p.prefix.to_string()).collect();
                        promised.retain(|p| !standing.contains_key(p));
                    }
                }
                Effect::Block(_, BlockChange::Put(block)) => {
                    let prefix = block.key.prefix.unwrap().to_string();
                    promised.remove(&prefix);
                    standing.insert(prefix, block.expires_at);
                }
                Effect::Block(_, BlockChange::Delete(key)) => {
                    assert!(standing.remove(&key.prefix.unwrap().to_string()).is_some());
                }
                _ => {}
            }
        }
        assert!(promised.is_empty(), "{promised:?} have no record");
        standing
    }
}

fn start() -> Millis {
    Millis::parse_rfc3339("2026-11-22T07:48:10Z").unwrap()
}

#[test]
fn a_number_over_its_limit_opens_one_finding_that_closes_when_the_window_has_passed() {
    let mut world = World::with_limits(vec![frequency("per-number", LimitScope::Number, 10, 5)]);
    for i in 0..5 {
        world.send(start() + i * SECOND, UZ, SendStatus::Sent);
    }
    assert_eq!(world.findings(FindingKind::LimitExceeded), []);
    for i in 5..30 {
        world.send(start() + i * SECOND, UZ, SendStatus::Sent);
    }
    let open = world.findings(FindingKind::LimitExceeded);
    assert_eq!(open.len(), 1);
    assert_eq!((open[0].activity, open[0].level), (Activity::Create, Level::Alert));
    assert_eq!(open[0].key.to_string(), "acme|*|*");
    assert_eq!(
        open[0].message,
        "Limit per-number: 6 sends to one number (+9989012345XX) within 10m, 5 are allowed"
    );
    assert_eq!(open[0].samples, ["+9989012345XX"]);
    let last = start() + 29 * SECOND;
    world.fold.tell_time(last + 10 * MINUTE - 1, &mut world.effects);
    assert_eq!(world.findings(FindingKind::LimitExceeded).len(), 1);
    world.fold.tell_time(last + 10 * MINUTE + 1, &mut world.effects);
    let all = world.findings(FindingKind::LimitExceeded);
    assert_eq!(all.len(), 2);
    assert_eq!((all[1].activity, all[1].uid), (Activity::Close, all[0].uid));
    assert_eq!(all[1].attempts, 30);
    assert_eq!(world.fold.size().episodes, 0);
}

#[test]
fn a_denied_country_is_blocked_at_its_first_send_and_let_go_in_the_end() {
    let deny = Limit {
        deny_regions: vec![region("UZ")],
        block: true,
        ..limit("countries", LimitScope::Country)
    };
    let mut world = World::with_limits(vec![deny]);
    world.send(start(), UZ, SendStatus::Sent);
    let found = world.findings(FindingKind::LimitExceeded);
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].activity, found[0].level), (Activity::Create, Level::Block));
    assert_eq!(found[0].key.to_string(), "acme|*|+998");
    assert!(found[0].message.contains("countries") && found[0].message.contains("deny list"));
    let blocked = world.blocklist();
    assert_eq!(blocked.keys().collect::<Vec<_>>(), ["+998"]);
    world.fold.tell_time(start() + DAY + 1, &mut world.effects);
    assert_eq!(world.blocklist(), BTreeMap::new());
    assert_eq!(world.findings(FindingKind::LimitExceeded)[1].activity, Activity::Close);
    assert_eq!(world.fold.size().blocks, 0);
    // It is no evidence of an attack.
    assert_eq!(world.findings(FindingKind::SmsPumping), []);
}

#[test]
fn a_country_that_shares_its_calling_code_is_blocked_without_its_neighbours() {
    let allow = Limit {
        allow_regions: vec![region("US")],
        block: true,
        ..limit("countries", LimitScope::Country)
    };
    let mut world = World::with_limits(vec![allow]);
    world.send(start(), 12_012_345_678, SendStatus::Sent);
    assert_eq!(world.findings(FindingKind::LimitExceeded), []);
    world.send(start() + 1, 12_042_345_678, SendStatus::Sent);
    let blocked = world.blocklist();
    assert!(blocked.len() > 10 && blocked.contains_key("+1204"));
    assert!(!blocked.keys().any(|p| p == "+1" || p.starts_with("+1201")));
    world.fold.tell_time(start() + DAY + 2, &mut world.effects);
    assert_eq!(world.blocklist(), BTreeMap::new());
    assert_eq!(world.fold.size().episodes, 0);
}

#[test]
fn a_prefix_over_its_limit_is_blocked_unless_it_is_safe() {
    let block = Limit {
        block: true,
        ..frequency("ranges", LimitScope::Prefix, 60, 3)
    };
    for safe in [false, true] {
        let mut world = World::with_limits(vec![block.clone()]);
        if safe {
            world.safelist(start(), "+9989012345");
        }
        for i in 0..4 {
            // Blocked sends count as well as others.
            let status = if i % 2 == 0 {
                SendStatus::Blocked
            } else {
                SendStatus::Sent
            };
            world.send(start() + i as i64, UZ + 111 * i, status);
        }
        let found = world.findings(FindingKind::LimitExceeded);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].key.to_string(), "acme|*|+99890123");
        assert_eq!(found[0].prefixes[0].prefix.to_string(), "+99890123");
        assert_eq!(found[0].prefixes[0].sends, 4);
        let blocked: Vec<String> = world.blocklist().into_keys().collect();
        if safe {
            assert_eq!((found[0].level, blocked), (Level::Alert, Vec::new()));
        } else {
            assert_eq!((found[0].level, blocked), (Level::Block, vec!["+99890123".to_owned()]));
            // Declared safe afterwards: the block goes and the finding closes.
            world.safelist(start() + 10, "+9989012345");
            assert_eq!(world.blocklist(), BTreeMap::new());
            assert_eq!(world.findings(FindingKind::LimitExceeded)[1].activity, Activity::Close);
        }
    }
}

#[test]
fn limits_broken_by_the_same_send_have_findings_of_their_own_or_share_one_identity() {
    let limits = vec![
        frequency("per-number", LimitScope::Number, 10, 1),
        frequency("per-address", LimitScope::Ip, 10, 1),
        frequency("per-range", LimitScope::Prefix, 10, 1),
    ];
    let mut world = World::with_limits(limits);
    world.send(start(), UZ, SendStatus::Sent);
    world.send(start() + 1, UZ, SendStatus::Sent);
    let found = world.findings(FindingKind::LimitExceeded);
    let uids: BTreeSet<_> = found.iter().map(|f| (f.uid, f.sequence)).collect();
    assert_eq!((found.len(), uids.len()), (3, 3));
    let activities: Vec<_> = found.iter().map(|f| (f.key.to_string(), f.activity)).collect();
    let update = ("acme|*|*".to_owned(), Activity::Update);
    assert!(activities.contains(&update), "{activities:?}");
    assert!(found[1].message.contains("per-number") && found[1].message.contains("per-address"));
    world.fold.tell_time(start() + 11 * MINUTE, &mut world.effects);
    assert_eq!(world.fold.size().episodes, 0);
}

#[test]
fn a_finding_names_the_limit_what_broke_it_and_all_that_it_cost() {
    use pumpwatch::model::{BrokenLimit, LimitedParty, RecommendedAction};
    let mut world = World::with_limits(vec![
        frequency("per-address", LimitScope::Ip, 10, 3),
        frequency("per-as", LimitScope::Asn, 10, 3),
        frequency("per-device", LimitScope::Device, 10, 3),
    ]);
    for i in 0..6 {
        world.send(start() + i * SECOND, UZ + 1_000 * i as u64, SendStatus::Sent);
    }
    let found = world.findings(FindingKind::LimitExceeded);
    let (first, last) = (&found[0], found.last().unwrap());
    assert_eq!(
        (first.activity, first.key.to_string().as_str()),
        (Activity::Create, "acme|*|*")
    );
    assert_eq!(first.uid, last.uid, "of one moment, under one key");
    let broken = |name: &str, by: LimitedParty| BrokenLimit {
        name: name.into(),
        by: Some(by),
    };
    assert_eq!(
        first.limits,
        [broken("per-address", LimitedParty::Address("203.0.113.0/24".into()))]
    );
    assert_eq!(first.region, None, "a client's messages go anywhere");
    assert_eq!(first.recommended_action, RecommendedAction::RequireCaptcha);
    assert_eq!(last.limits.len(), 3);
    assert_eq!(last.limits[1], broken("per-as", LimitedParty::Asn(64_500)));
    let LimitedParty::Device(device) = last.limits[2].by.clone().unwrap() else {
        panic!("{:?}", last.limits);
    };
    for sentence in [
        "Limit per-address: 4 sends from one client address of 203.0.113.0/24 within 10m, 3 are allowed",
        "Limit per-as: 4 sends from AS64500 within 10m, 3 are allowed",
        &format!("Limit per-device: 4 sends from device {device} within 10m, 3 are allowed"),
    ] {
        assert!(last.message.contains(sentence), "{}", last.message);
        assert!(last.evidence.iter().any(|item| item.text == sentence));
    }
    assert_eq!((first.loss, first.start_time), (Micros(4 * 500_000), start()));
    assert!(!format!("{last:?}").contains("203.0.113.7"));
    // Every further send counts once, however many limits it breaks.
    world.fold.tell_time(start() + 11 * MINUTE, &mut world.effects);
    let closed = world.findings(FindingKind::LimitExceeded).pop().unwrap();
    assert_eq!(
        (closed.activity, closed.attempts, closed.loss),
        (Activity::Close, 6, Micros(6 * 500_000))
    );
}

#[test]
fn clients_that_break_a_limit_at_different_times_have_findings_of_their_own() {
    let mut world = World::with_limits(vec![frequency("per-number", LimitScope::Number, 10, 1)]);
    for number in [UZ, UZ + 500] {
        for i in 0..2 {
            world.send(start() + (number - UZ) as i64 + i, number, SendStatus::Sent);
        }
    }
    let found = world.findings(FindingKind::LimitExceeded);
    assert_eq!(found.len(), 2);
    assert!(
        found
            .iter()
            .all(|f| f.activity == Activity::Create && f.limits.len() == 1)
    );
    assert_ne!(found[0].uid, found[1].uid);
    assert_ne!(found[0].limits, found[1].limits);
    assert_eq!(found[0].region, Some(region("UZ")));
}

#[test]
fn a_flood_of_broken_limits_opens_so_many_findings_and_no_more() {
    let mut world = World::with_limits(vec![frequency("per-number", LimitScope::Number, 10, 1)]);
    for i in 0..2_000 {
        world.send(start() + i as i64, UZ + i / 2, SendStatus::Sent);
    }
    assert_eq!(world.findings(FindingKind::LimitExceeded).len(), 256);
    let told = world.effects.iter();
    let told = told.filter(|e| matches!(e, Effect::Audit(audit) if audit.action == "limit_full"));
    assert_eq!(told.count(), 1);
}

#[test]
fn a_months_budget_is_told_once_and_blocked_messages_cost_nothing() {
    let budget = TenantPolicy {
        monthly_budget: Some(Money {
            micros: Micros(2_000_000),
            currency: Currency::USD,
        }),
        ..TenantPolicy::default()
    };
    let mut world = World::new(&Policy {
        tenants: BTreeMap::from([("acme".into(), budget)]),
        ..Policy::default()
    });
    let told = |world: &World| world.findings(FindingKind::BudgetExceeded);
    for i in 0..10 {
        world.send(start() + i, UZ, SendStatus::Blocked);
    }
    for i in 0..4 {
        world.send(start() + MINUTE + i, UZ, SendStatus::Sent);
    }
    assert_eq!(told(&world), []);
    for i in 4..9 {
        world.send(start() + MINUTE + i, UZ, SendStatus::Sent);
    }
    let found = told(&world);
    assert_eq!(found.len(), 1);
    assert_eq!(
        found[0].message,
        "Tenant acme has spent 2.50 USD in 2026-11; its monthly budget is 2.00 USD"
    );
    assert_eq!(
        (found[0].level, found[0].key.to_string().as_str()),
        (Level::Alert, "acme|*|*")
    );
    let [item] = &found[0].evidence[..] else {
        panic!("{:?}", found[0].evidence);
    };
    assert_eq!(
        (item.observed, item.expected, &item.text),
        (2.5, 2.0, &found[0].message)
    );
    assert_eq!(
        (found[0].loss, found[0].start_time),
        (Micros(500_000), start() + MINUTE)
    );
    let december = Millis::parse_rfc3339("2026-12-01T00:00:00Z").unwrap();
    for i in 0..5 {
        world.send(december + i, UZ, SendStatus::Sent);
    }
    let activities: Vec<Activity> = told(&world).iter().map(|f| f.activity).collect();
    assert_eq!(activities, [Activity::Create, Activity::Close, Activity::Create]);
    assert_eq!(told(&world)[1].time, december);
}

#[test]
fn a_raised_budget_is_told_again_once_it_is_passed() {
    let policy = |units: i64| {
        let monthly_budget = Some(Money {
            micros: Micros(units * 1_000_000),
            currency: Currency::USD,
        });
        let tenant = TenantPolicy {
            monthly_budget,
            ..TenantPolicy::default()
        };
        Policy {
            tenants: BTreeMap::from([("acme".into(), tenant)]),
            ..Policy::default()
        }
    };
    let mut world = World::new(&policy(2));
    for i in 0..5 {
        world.send(start() + i, UZ, SendStatus::Sent);
    }
    let bytes = world.fold.to_snapshot(&mut world.effects);
    world.fold = Fold::from_snapshot(&bytes, Some(&policy(3)), &Tuning::default(), None, &mut world.effects).unwrap();
    world.fold.tell_time_after(1);
    for i in 5..10 {
        world.send(start() + i, UZ, SendStatus::Sent);
    }
    let found = world.findings(FindingKind::BudgetExceeded);
    let activities: Vec<Activity> = found.iter().map(|f| f.activity).collect();
    assert_eq!(activities, [Activity::Create, Activity::Close, Activity::Create]);
    assert_eq!(
        found[2].message,
        "Tenant acme has spent 3.50 USD in 2026-11; its monthly budget is 3.00 USD"
    );
}

#[test]
fn the_same_log_gives_the_same_effects() {
    let run = || {
        let mut world = World::with_limits(vec![
            Limit {
                block: true,
                ..frequency("ranges", LimitScope::Prefix, 5, 3)
            },
            frequency("per-number", LimitScope::Number, 1, 1),
        ]);
        for i in 0..500u64 {
            let number = 998_901_000_000 + (i * i * 7_919) % 60_000;
            world.send(start() + (i * 900) as i64, number, SendStatus::Sent);
        }
        world.fold.tell_time(start() + DAY, &mut world.effects);
        world.blocklist();
        world.effects
    };
    assert_eq!(run(), run());
}
