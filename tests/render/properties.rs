//! Whatever the detector says, what is published is JSON.

use proptest::prelude::*;
use pumpwatch::detector::Effect;
use pumpwatch::model::{BlockChange, EvidenceItem, Micros, Millis, Prefix};
use pumpwatch::render;
use serde_json::Value;

use crate::fixtures;

/// Any bits at all: NaN, infinities, zeros of either sign, huge and tiny.
fn any_float() -> impl Strategy<Value = f64> {
    prop_oneof![
        any::<u64>().prop_map(f64::from_bits),
        prop::sample::select(vec![
            f64::NAN,
            f64::INFINITY,
            f64::NEG_INFINITY,
            -0.0,
            f64::MAX,
            f64::MIN_POSITIVE
        ]),
        -100.0..100.0f64,
    ]
}

/// Numbers that JSON has no word for would have become null.
fn assert_clean(value: &Value) {
    match value {
        Value::Object(fields) => fields.values().for_each(assert_clean),
        Value::Array(items) => items.iter().for_each(assert_clean),
        Value::Number(number) => {
            let float = number.as_f64().unwrap();
            assert!(
                float.is_finite() && (float != 0.0 || float.is_sign_positive()),
                "{number}"
            );
        }
        Value::Null => panic!("a null"),
        Value::Bool(_) | Value::String(_) => {}
    }
}

fn parse(effect: &Effect) -> Value {
    let record = render::effect(effect);
    let value = record.value.expect("not a tombstone");
    assert!(!value.contains(&b'\n'), "one line");
    assert_eq!(
        render::effect(effect).value.as_ref(),
        Some(&value),
        "the same bytes again"
    );
    serde_json::from_str(std::str::from_utf8(&value).expect("UTF-8")).expect("JSON")
}

proptest! {
    #[test]
    fn findings(
        base in prop::sample::select(fixtures::all_findings()),
        floats in prop::collection::vec(any_float(), 8),
        ints in prop::collection::vec(any::<i64>(), 8),
        digits in 1u64..1_000_000_000_000_000,
        text in any::<String>(),
        counts in prop::collection::vec(any::<u64>(), 4),
    ) {
        let mut finding = base;
        let item = |observed, expected, log_e| EvidenceItem {
            family: text.as_str().into(), log_e, observed, expected, text: text.clone(),
        };
        finding.evidence = vec![item(floats[0], floats[1], floats[2])];
        finding.log_e_total = floats[3];
        finding.log_e_threshold = floats[4];
        finding.expected_conversion = floats[5];
        for accused in &mut finding.prefixes {
            accused.prefix = Prefix::from_digits(digits).unwrap();
            accused.attack_share = floats[6];
            accused.honest_per_hour = floats[7];
            accused.sends = counts[0];
        }
        (finding.attempts, finding.verified) = (counts[1], counts[2]);
        finding.messages = counts[0];
        finding.sequence = counts[3] as u32;
        (finding.time, finding.expires_at) = (Millis(ints[0]), Millis(ints[1]));
        (finding.start_time, finding.end_time) = (Millis(ints[2]), Millis(ints[3]));
        (finding.loss, finding.loss_per_hour) = (Micros(ints[4]), Micros(ints[5]));
        finding.message = text.clone();
        finding.samples = vec![text.clone()];
        finding.key.tenant = text.as_str().into();
        let value = parse(&Effect::Finding(Box::new(finding)));
        assert_clean(&value);
        prop_assert_eq!(&value["unmapped"]["samples"][0], &text);
    }

    #[test]
    fn blocks(time: i64, since: i64, until: i64, ratio in any_float(), confidence in any_float(), name: String) {
        let mut block = fixtures::half_open();
        (block.since, block.expires_at) = (Millis(since), Millis(until));
        (block.allow_ratio, block.confidence) = (ratio, confidence);
        block.key.tenant = name.as_str().into();
        let key = block.key.to_string();
        prop_assert_eq!(key.split('|').count(), 3);
        let value = parse(&Effect::Block(Millis(time), BlockChange::Put(block)));
        assert_clean(&value);
        prop_assert!((0.0..=1.0).contains(&value["allow_ratio"].as_f64().unwrap()));
        prop_assert!((0.0..=1.0).contains(&value["confidence"].as_f64().unwrap()));
    }

    #[test]
    fn statistics(floats in prop::collection::vec(any_float(), 5), start: i64, end: i64, cost: i64, score: u8) {
        let mut stats = fixtures::stats();
        (stats.start, stats.end, stats.cost, stats.score) = (Millis(start), Millis(end), Micros(cost), score);
        (stats.verify_p50, stats.verify_p95) = (Some(floats[0]), Some(floats[1]));
        (stats.expected_sends, stats.expected_conversion, stats.log_e) = (floats[2], floats[3], floats[4]);
        let value = parse(&Effect::Stats(Box::new(stats)));
        assert_clean(&value);
        prop_assert!(value["score"].as_u64().unwrap() <= 100);
    }
}
