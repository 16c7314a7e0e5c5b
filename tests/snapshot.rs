//! A state that was written down and read again goes on as if nothing had
//! happened, and bytes that are no state are an error.

use pumpwatch::detector::policy::{Limit, LimitScope, TenantPolicy};
use pumpwatch::detector::snapshot::SnapshotError;
use pumpwatch::detector::{Effect, Policy, State, Tuning};
use pumpwatch::lab::fold::{Fold, RestoreError};
use pumpwatch::lab::simulate::{Scenario, SimEvent, Simulator};
use pumpwatch::model::{Currency, Feedback, MINUTE, Micros, Money, Prefix, Region};
use pumpwatch::render::{blocklist, ocsf};

/// Every kind of state: blocks that come, go half-open and recur, outages, an
/// enrolment, limits that are broken, a budget, duplicates and late records.
const WORLD: &str = r"
description: a bit of everything
world:
  warm_up: 6h
  duration: 30h
  tenants:
    - {name: acme, sends_per_day: 9000, home: US, countries: 30}
    - {name: globex, sends_per_day: 1500, home: DE, countries: 12}
overlays:
  - {kind: hopping, tenant: acme, start: 2h, duration: 2h, rate: 0.3, hops: 3}
  - {kind: burst, tenant: globex, start: 5h, duration: 1h, rate: 0.2}
  - {kind: faked_conversions, tenant: acme, start: 8h, duration: 2h, rate: 0.2}
  - {kind: feed_stall, start: 11h, duration: 40m}
  - {kind: enrolment, tenant: acme, start: 13h, duration: 1h}
  - {kind: disorder, start: 15h, duration: 2h}
  - {kind: hammering, tenant: acme, start: 20h, duration: 30m}
";

fn policy() -> Policy {
    let limit = |name: &str, per, threshold| Limit {
        name: name.into(),
        time_window_ms: Some(10 * MINUTE),
        sms_frequency_threshold: Some(threshold),
        per,
        block: false,
        allow_regions: Vec::new(),
        deny_regions: Vec::new(),
        user_agent_anomaly_threshold: Some(0.9),
        ip_geo_variance_score: Some(0.9),
    };
    let mut policy = Policy {
        limits: vec![
            limit("per-number", LimitScope::Number, 4),
            limit("per-asn", LimitScope::Asn, 60),
            limit("per-country", LimitScope::Country, 1_200),
            Limit {
                time_window_ms: None,
                deny_regions: vec![Region::parse("TJ").unwrap()],
                block: true,
                ..limit("denied", LimitScope::Prefix, 1)
            },
        ],
        ..Policy::default()
    };
    let budget = Money {
        micros: Micros(100_000_000),
        currency: Currency::USD,
    };
    let tenant = TenantPolicy {
        mode: None,
        monthly_budget: Some(budget),
    };
    policy.tenants.insert("acme".into(), tenant);
    policy
}

fn events() -> Vec<SimEvent> {
    Simulator::new(&Scenario::parse("mixed", WORLD).unwrap(), 5).collect()
}

/// What the outside gets, byte for byte.
fn bytes_of(effects: &[Effect]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for effect in effects {
        match effect {
            Effect::Finding(finding) => bytes.extend(ocsf::finding(finding).value),
            Effect::Block(time, change) => bytes.extend(blocklist::line(*time, change)),
            Effect::Stats(stats) => bytes.extend(format!("{stats:?}").bytes()),
            Effect::Audit(audit) => bytes.extend(format!("{audit:?}").bytes()),
        }
        bytes.push(b'\n');
    }
    bytes
}

fn feed(fold: &mut Fold, n: usize, event: &SimEvent, effects: &mut Vec<Effect>) {
    if n % 1_009 == 8 {
        let safelist = Feedback::Safelist {
            id: format!("F{n}").into(),
            time: event.ingest,
            tenant: "acme".into(),
            app: "*".into(),
            prefix: Prefix::from_digits(4_477_000 + n as u64 % 97).unwrap(),
            put: n.is_multiple_of(2),
            expires_at: Some(event.ingest + 90 * MINUTE),
            by: "test".into(),
            reason: String::new().into(),
        };
        fold.feedback(safelist, event.ingest, effects);
    }
    if (8_000..8_400).contains(&n) {
        fold.dead_lettered();
    }
    fold.usable([event.event.clone()], event.ingest, effects);
    if n % 13 == 5 {
        // The same record again.
        fold.usable([event.event.clone()], event.ingest, effects);
    }
}

/// Cuts that fall everywhere within batches, minutes and attacks.
fn is_cut(n: usize) -> bool {
    n % 1_777 == 900 || n < 3
}

#[test]
fn a_fold_goes_on_from_its_snapshot_as_if_there_had_been_no_pause() {
    let (policy, tuning) = (policy(), Tuning::default());
    let (mut whole_said, mut parts_said) = (Vec::new(), Vec::new());
    let mut whole = Fold::new(&policy, tuning.clone(), None, &mut whole_said);
    let mut parts = Fold::new(&policy, tuning.clone(), None, &mut parts_said);
    let mut cuts = 0;
    for (n, event) in events().iter().enumerate() {
        feed(&mut whole, n, event, &mut whole_said);
        feed(&mut parts, n, event, &mut parts_said);
        if is_cut(n) {
            let bytes = parts.to_snapshot(&mut parts_said);
            parts = Fold::from_snapshot(&bytes, None, &tuning, None, &mut parts_said).unwrap();
            assert!(parts.to_snapshot(&mut parts_said) == bytes, "event {n}");
            cuts += 1;
        }
    }
    // The whole was never paused, and yet knows the same in the same bytes.
    let same = whole.to_snapshot(&mut whole_said) == parts.to_snapshot(&mut parts_said);
    assert!(same, "the states differ");
    whole.finish(&mut whole_said);
    parts.finish(&mut parts_said);
    assert!(bytes_of(&whole_said) == bytes_of(&parts_said));
    assert_eq!(whole.state().counts(), parts.state().counts());
    assert_eq!(whole.size(), parts.size());

    assert!(cuts > 10, "{cuts} cuts");
    let findings = |kind: &str| {
        let said = whole_said.iter();
        said.filter(|e| matches!(e, Effect::Finding(f) if f.kind.as_str() == kind))
            .count()
    };
    for kind in ["sms_pumping", "limit_exceeded", "budget_exceeded", "bad_input_ratio"] {
        assert!(findings(kind) > 0, "no {kind}");
    }
    assert!(whole_said.iter().any(|e| matches!(e, Effect::Block(..))));
    // Some six hundred bytes a node before compression.
    let (nodes, bytes) = (whole.size().nodes, whole.state().to_snapshot().len());
    assert!(nodes > 10_000 && bytes / nodes < 900, "{bytes} bytes, {nodes} nodes");
}

fn small() -> (Fold, Vec<u8>) {
    let mut effects = Vec::new();
    let mut fold = Fold::new(&policy(), Tuning::default(), None, &mut effects);
    for (n, event) in events().iter().take(600).enumerate() {
        feed(&mut fold, n, event, &mut effects);
    }
    let bytes = fold.state().to_snapshot();
    (fold, bytes)
}

fn read(bytes: &[u8]) -> Result<State, SnapshotError> {
    State::from_snapshot(bytes, &Tuning::default())
}

#[test]
fn what_is_cut_off_or_altered_is_an_error() {
    let (_, bytes) = small();
    assert!(read(&bytes).unwrap().to_snapshot() == bytes);
    for len in (0..bytes.len())
        .step_by(331)
        .chain([7, 8, 9, 10, 11, 12, bytes.len() - 1])
    {
        let error = read(&bytes[..len]).unwrap_err();
        assert!(
            matches!(error, SnapshotError::CutOff | SnapshotError::Damaged),
            "{len}: {error}"
        );
    }
    for at in (0..bytes.len()).step_by(97) {
        let mut altered = bytes.clone();
        altered[at] ^= 1 << (at % 8);
        assert!(read(&altered).is_err(), "byte {at}");
    }
    let mut longer = bytes.clone();
    longer.push(0);
    assert_eq!(read(&longer).unwrap_err(), SnapshotError::Damaged);
    assert_eq!(read(b"{\"type\":\"sms.send\"}").unwrap_err(), SnapshotError::Foreign);
}

#[test]
fn another_version_kind_tuning_or_key_is_refused_with_a_sentence() {
    let (mut fold, bytes) = small();
    let mut other = bytes.clone();
    other[8] = 99;
    assert!(read(&other).unwrap_err().to_string().contains("format 99"));
    let mut other = bytes.clone();
    other[11] = b'~';
    let sentence = read(&other).unwrap_err().to_string();
    assert!(sentence.contains("version ~ of the detection logic"), "{sentence}");

    let lax = Tuning {
        floor_alert: 1.0,
        ..Tuning::default()
    };
    assert_eq!(State::from_snapshot(&bytes, &lax).unwrap_err(), SnapshotError::Tuning);

    let mut effects = Vec::new();
    let of_file = fold.to_snapshot(&mut effects);
    assert!(matches!(read(&of_file).unwrap_err(), SnapshotError::Kind { .. }));
    let keyed = Fold::from_snapshot(&of_file, None, &Tuning::default(), Some(b"secret"), &mut effects);
    assert_eq!(keyed.unwrap_err(), RestoreError::Key);
}

/// The checksum catches accidents; a payload that was altered under a new one
/// may mean anything, but it never brings the reader down.
#[test]
fn an_altered_payload_under_a_new_checksum_does_not_panic() {
    let (_, bytes) = small();
    let payload_end = bytes.len() - 32;
    let (mut read_anyway, mut refused) = (0, 0);
    for seed in 0..4_000u64 {
        let mut altered = bytes.clone();
        let mut x = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        for _ in 0..=seed % 3 {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            let at = 12 + (x >> 8) as usize % (payload_end - 12);
            altered[at] = [0, 0xff, x as u8, altered[at].wrapping_add(1)][(x >> 32) as usize % 4];
        }
        if seed % 5 == 0 {
            altered.drain(payload_end - 1 - (x >> 16) as usize % 200..payload_end);
        }
        let end = altered.len() - 32;
        let checksum = blake3::hash(&altered[..end]);
        altered[end..].copy_from_slice(checksum.as_bytes());
        match read(&altered) {
            Ok(state) => {
                read_anyway += 1;
                // Whatever it is, it is written down again.
                assert!(!state.to_snapshot().is_empty());
            }
            Err(_) => refused += 1,
        }
    }
    assert!(
        read_anyway > 100 && refused > 100,
        "{read_anyway} read, {refused} refused"
    );
}
