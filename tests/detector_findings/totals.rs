//! What a finding counts: each message once, from the first record to the last.

use std::collections::BTreeMap;

use pumpwatch::detector::Tuning;
use pumpwatch::model::{Activity, Finding, HOUR, Level, Micros, SECOND};
use pumpwatch::render::ocsf;
use serde_json::Value;

use crate::world::{ATTACK, Asked, PRICE, Told, World, enforcing};

fn loss_of(messages: u64) -> Micros {
    Micros(messages as i64 * PRICE.0)
}

/// No total of an episode ever falls, and what is rendered agrees.
fn check(told: &Told) {
    let mut last: BTreeMap<u128, &Finding> = BTreeMap::new();
    for finding in told.attacks() {
        let value: Value = serde_json::from_slice(&ocsf::finding(finding).value).unwrap();
        assert_eq!(value["count"], finding.messages);
        assert_eq!(finding.loss, loss_of(finding.messages), "{}", finding.message);
        let named: u64 = finding.prefixes.iter().map(|p| p.sends).sum();
        assert!(named <= finding.messages, "{named}: {}", finding.message);
        if let Some(before) = last.insert(finding.uid.0, finding) {
            assert!(finding.messages >= before.messages, "{}", finding.message);
            assert!(finding.attempts >= before.attempts && finding.verified >= before.verified);
        }
    }
}

#[test]
fn the_last_record_names_and_counts_the_whole_attack() {
    let mut world = World::honest(8);
    for prefix in [99_890_123, 99_893_555, 99_897_444] {
        world.attack(ATTACK, 60, prefix, 4, 4);
    }
    let told = world.told();
    check(&told);
    let last = *told.attacks().last().unwrap();
    assert_eq!((last.activity, last.messages), (Activity::Close, 180));
    // A number that is drawn twice is asked once more.
    assert!((170..=180).contains(&last.attempts), "{}", last.attempts);
    let named: Vec<String> = last.prefixes.iter().map(|p| p.prefix.to_string()).collect();
    assert_eq!(named, ["+99890123", "+99893555", "+99897444"]);
    assert_eq!(last.prefixes.iter().map(|p| p.sends).sum::<u64>(), 180);
    assert!(last.message.contains("180 messages in"), "{}", last.message);
}

#[test]
fn resends_cost_as_much_as_first_messages() {
    let mut world = World::honest(8);
    for i in 0..60 {
        let number = 998_901_230_000 + world.dice.below(10_000);
        let asked = world.robot(number);
        for again in 0..4 {
            world.ask(ATTACK + i * 5 * SECOND + again * 20 * SECOND, &asked);
        }
    }
    let told = world.told();
    check(&told);
    let last = *told.attacks().last().unwrap();
    assert_eq!(last.messages, 240, "{}", last.message);
    assert!(
        last.attempts <= 60 && last.message.contains("240 messages in"),
        "{}",
        last.message
    );
}

#[test]
fn a_hammered_number_is_counted_in_messages() {
    let mut world = World::honest(3);
    let asked = Asked {
        number: 447_400_123_456,
        app: "otp",
        country: "GB",
        asn: 7_010,
        network: 0x50_0101,
        device: 7,
    };
    for i in 0..16 {
        world.ask(ATTACK + i * 25 * SECOND, &asked);
    }
    let told = world.told();
    check(&told);
    let attacks = told.attacks();
    let last = *attacks.last().unwrap();
    assert_eq!((last.attempts, last.messages), (1, 16), "{}", last.message);
    assert!(
        last.message.contains("one number of +4474001234: 16 messages"),
        "{}",
        last.message
    );
    let item = attacks[0]
        .evidence
        .iter()
        .find(|item| item.family == "hammering")
        .unwrap();
    assert!((0.5..0.6).contains(&item.expected) && item.observed > 5.0, "{item:?}");
}

#[test]
fn an_alert_counts_on_while_it_is_open_and_says_what_became_of_it() {
    let no_block = Tuning {
        floor_block: 500.0,
        ..Tuning::default()
    };
    let mut world = World::honest(3);
    world.attack(ATTACK, 200, 99_890_123, 4, 10);
    let (_, told) = world.folded(&enforcing(), no_block);
    check(&told);
    let attacks = told.attacks();
    let [create, update, close] = attacks[..] else {
        panic!("{attacks:?}")
    };
    assert!(attacks.iter().all(|f| f.level == Level::Alert));
    assert!(create.messages < 20, "{}", create.message);
    assert!((50..80).contains(&update.messages), "{}", update.message);
    assert_eq!(
        (close.messages, close.time - create.time),
        (200, 2 * HOUR),
        "{}",
        close.message
    );
    let value: Value = serde_json::from_slice(&ocsf::finding(close).value).unwrap();
    let said = value["status_detail"].as_str().unwrap();
    assert!(said.contains("did not grow into a block within 2 h"), "{said}");
}
