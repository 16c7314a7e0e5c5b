//! A thousand and more mutated samples of each format: every one becomes events,
//! is ignored or is refused; nothing panics; and no event has a number that does
//! not stand, whole and as it is, in a destination field of the mutated record.
//! And every event that comes out survives a round trip through the canonical format.

use std::path::Path;

use proptest::prelude::*;
use pumpwatch::decode::{Decoded, FORMATS, Format, RecordMeta, decode, decode_feedback, redact_secrets};
use pumpwatch::model::{
    Client, Currency, Delivery, DeliveryStatus, Destination, E164, Event, EventBody, Feedback, Micros, Millis, Money,
    Outcome, Prefix, Region, Send, SendStatus, Verification,
};
use pumpwatch::render::canonical::{CanonicalEvent, CanonicalFeedback};
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

const META: RecordMeta<'_> = RecordMeta {
    record_time: Millis(1_795_333_700_000),
    default_tenant: None,
    default_app: None,
};

const MUTATIONS_PER_FORMAT: usize = 20_000;

fn samples(format: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data/decode")
        .join(format);
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    let json = files
        .iter()
        .filter(|path| path.extension().is_some_and(|ext| ext == "json"));
    json.map(|path| std::fs::read(path).unwrap()).collect()
}

/// All texts in the fields from which a destination may be taken, also in JSON inside texts.
fn destinations(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                let names = ["to", "destinationPhoneNumber", "destination", "phone_number"];
                if let (true, Value::String(text)) = (names.contains(&key.as_str()), value) {
                    found.push(text.clone());
                }
                destinations(value, found);
            }
        }
        Value::Array(values) => values.iter().for_each(|value| destinations(value, found)),
        Value::String(text) => {
            if let Ok(nested @ (Value::Object(_) | Value::Array(_))) = serde_json::from_str(text) {
                destinations(&nested, found);
            }
        }
        _ => {}
    }
}

fn check(format: Format, record: &[u8]) -> &'static str {
    let _ = redact_secrets(Some(format), record);
    match decode(format, &META, Some(record)) {
        Ok(Decoded::Usable(events)) => {
            assert!(!events.is_empty());
            let mut found = Vec::new();
            destinations(&serde_json::from_slice(record).unwrap(), &mut found);
            for event in &events {
                if let Destination::Number(number) = &event.to {
                    let shown = number.to_string();
                    let text = String::from_utf8_lossy(record);
                    assert!(found.contains(&shown), "{shown} is guessed: {text}");
                }
                assert_eq!(&again(event), event);
            }
            "usable"
        }
        Ok(Decoded::Ignored(_)) => "ignored",
        Err(refusal) => {
            assert!(!refusal.to_string().is_empty());
            "dead_letter"
        }
    }
}

fn again(event: &Event) -> Event {
    let text = serde_json::to_vec(&CanonicalEvent(event)).unwrap();
    match decode(Format::CANONICAL, &META, Some(&text)) {
        Ok(Decoded::Usable(mut events)) if events.len() == 1 => events.remove(0),
        other => panic!("{other:?} of {}", String::from_utf8_lossy(&text)),
    }
}

/// Changes bytes anywhere: flips, deletes, doubles, inserts what hurts parsers.
fn mutate_bytes(rng: &mut ChaCha8Rng, record: &mut Vec<u8>) {
    const HURTFUL: [&[u8]; 16] = [
        b"\"", b"{", b"}", b"[", b"]", b",", b":", b"\\", b"null", b"\x00", b"\xff", b"+", b"-1", b"1e999", b"X",
        b"\\u0000",
    ];
    for _ in 0..rng.random_range(1..4) {
        let at = rng.random_range(0..=record.len());
        let end = (at + rng.random_range(0..40)).min(record.len());
        match rng.random_range(0..5) {
            0 => drop(record.drain(at..end)),
            1 => record.truncate(at),
            2 if at < record.len() => record[at] ^= 1 << rng.random_range(0..8),
            3 => {
                let piece = record[at..end].to_vec();
                record.splice(at..at, piece);
            }
            _ => {
                let piece = HURTFUL.choose(rng).unwrap().to_vec();
                record.splice(at..at, piece);
            }
        }
    }
}

/// Changes one value somewhere in the tree to another type, nothing, or digits changed.
fn mutate_tree(rng: &mut ChaCha8Rng, value: &mut Value) {
    let inside = match value {
        Value::Object(object) if !object.is_empty() && rng.random_bool(0.9) => {
            let key = rng.random_range(0..object.len());
            let key = object.keys().nth(key).unwrap().clone();
            if rng.random_bool(0.1) {
                object.remove(&key);
                return;
            }
            object.get_mut(&key)
        }
        Value::Array(values) if !values.is_empty() && rng.random_bool(0.9) => {
            let index = rng.random_range(0..values.len());
            values.get_mut(index)
        }
        _ => None,
    };
    if let Some(inside) = inside {
        return mutate_tree(rng, inside);
    }
    *value = match rng.random_range(0..12) {
        0 => Value::Null,
        1 => Value::Bool(true),
        2 => Value::from(rng.random_range(-5..5)),
        3 => Value::from(rng.random::<f64>() * 1e15),
        4 => Value::from(""),
        5 => Value::from("x".repeat(rng.random_range(1..400))),
        6 => Value::Array(vec![value.take()]),
        7 => serde_json::json!({"to": "+12065550199", "prefix": "+1206", "token": "t"}),
        8 => Value::from(format!("+{}", rng.random_range(0..10_000_000_000_000_000_u64))),
        9 => Value::from(value.to_string()),
        10 => Value::from(value.as_str().unwrap_or_default().replace('+', "")),
        _ => Value::from(value.as_str().unwrap_or_default().replace('0', "X")),
    };
}

#[test]
fn mutated_samples_become_an_event_ignored_or_a_dead_letter_and_never_a_guessed_number() {
    for info in FORMATS {
        let format = Format::parse(info.name).unwrap();
        let samples = samples(info.name);
        let mut rng = ChaCha8Rng::seed_from_u64(0x50_75_6d_70);
        let mut seen = std::collections::BTreeMap::<_, usize>::new();
        for _ in 0..MUTATIONS_PER_FORMAT {
            let mut record = samples.choose(&mut rng).unwrap().clone();
            match serde_json::from_slice::<Value>(&record) {
                Ok(mut tree) if rng.random_bool(0.5) => {
                    for _ in 0..rng.random_range(1..4) {
                        mutate_tree(&mut rng, &mut tree);
                    }
                    record = serde_json::to_vec(&tree).unwrap();
                }
                _ => mutate_bytes(&mut rng, &mut record),
            }
            *seen.entry(check(format, &record)).or_default() += 1;
        }
        // Every outcome occurs, or the mutations would prove little.
        assert!(
            seen.values().all(|n| *n > 100) && seen.len() == 3,
            "{}: {seen:?}",
            info.name
        );
    }
}

#[test]
fn samples_of_one_format_are_no_events_of_another() {
    for info in FORMATS {
        let format = Format::parse(info.name).unwrap();
        for other in FORMATS.iter().filter(|other| other.name != info.name) {
            for sample in samples(other.name) {
                assert_ne!(check(format, &sample), "usable", "{} read as {}", other.name, info.name);
            }
        }
    }
}

prop_compose! {
    fn text()(text in "[a-zA-Z0-9:_|%\"\\\\ é~-]{1,40}") -> String { text }
}

fn money() -> impl Strategy<Value = Option<Money>> {
    proptest::option::of(
        (0..=Micros::MESSAGE_MAX.0, "[A-Z]{3}").prop_map(|(micros, currency)| Money {
            micros: Micros(micros),
            currency: Currency::parse(&currency).unwrap(),
        }),
    )
}

fn named() -> impl Strategy<Value = Option<compact_str::CompactString>> {
    proptest::option::of(text().prop_map(Into::into))
}

fn destination() -> impl Strategy<Value = Destination> {
    prop_oneof![
        (1_000_000u64..1_000_000_000_000_000).prop_map(|n| Destination::Number(E164::from_digits(n).unwrap())),
        (1u64..1_000_000_000_000, text()).prop_map(|(n, token)| Destination::Masked {
            prefix: Prefix::from_digits(n).unwrap(),
            token: token.into(),
        }),
    ]
}

fn client() -> impl Strategy<Value = Client> {
    let ip = proptest::option::of(prop_oneof![
        any::<[u8; 4]>().prop_map(std::net::IpAddr::from),
        any::<[u8; 16]>().prop_map(|b| std::net::IpAddr::from(b).to_canonical()),
    ]);
    let country = proptest::option::of("[A-Z]{2}".prop_map(|c| Region::parse(&c).unwrap()));
    (ip, any::<Option<u32>>(), country, named(), named()).prop_map(|(ip, asn, country, device, user_agent)| Client {
        ip,
        asn,
        country,
        device,
        user_agent,
    })
}

fn body() -> impl Strategy<Value = EventBody> {
    let send = (
        (named(), named(), named(), named()),
        proptest::option::of(1u8..),
        money(),
        client(),
        prop_oneof![
            Just(SendStatus::Sent),
            Just(SendStatus::Blocked),
            Just(SendStatus::Failed)
        ],
    )
        .prop_map(
            |((session, message_id, sender, provider), segments, price, client, status)| {
                EventBody::Send(Send {
                    session,
                    message_id,
                    sender,
                    segments,
                    price,
                    client,
                    provider,
                    status,
                })
            },
        );
    let outcome = prop_oneof![
        Just(Outcome::Approved),
        Just(Outcome::Failed),
        Just(Outcome::Expired),
        Just(Outcome::Canceled)
    ];
    let verification = (named(), named(), outcome).prop_map(|(session, message_id, outcome)| {
        EventBody::Verification(Verification {
            session,
            message_id,
            outcome,
        })
    });
    let status = prop_oneof![
        Just(DeliveryStatus::Delivered),
        Just(DeliveryStatus::Undelivered),
        Just(DeliveryStatus::Failed),
        Just(DeliveryStatus::Rejected),
        Just(DeliveryStatus::Expired),
        Just(DeliveryStatus::Unknown)
    ];
    let codes = (proptest::option::of("[0-9]{3}"), proptest::option::of("[0-9]{1,3}"));
    let delivery = (named(), named(), status, named(), codes, money()).prop_map(
        |(message_id, session, status, error_code, (mcc, mnc), price)| {
            EventBody::Delivery(Delivery {
                message_id,
                session,
                status,
                error_code: error_code.unwrap_or_default(),
                mcc: mcc.map(Into::into),
                mnc: mnc.map(Into::into),
                price,
            })
        },
    );
    prop_oneof![send, verification, delivery]
}

/// The years 1 to 9999, as far as they print.
const TIMES: std::ops::RangeInclusive<i64> = -62_135_596_800_000..=253_402_207_200_000;

fn event() -> impl Strategy<Value = Event> {
    (text(), TIMES, text(), text(), destination(), body()).prop_map(|(id, time, tenant, app, to, body)| Event {
        id: id.into(),
        time: Millis(time),
        tenant: tenant.into(),
        app: app.into(),
        to,
        body,
    })
}

fn feedback() -> impl Strategy<Value = Feedback> {
    let verdict = (text(), TIMES, text(), any::<bool>(), text()).prop_map(|(id, time, uid, true_positive, by)| {
        Feedback::Verdict {
            id: id.into(),
            time: Millis(time),
            finding_uid: uid.into(),
            true_positive,
            by: by.into(),
        }
    });
    let safelist = (
        (text(), TIMES, text(), text(), text(), "[a-z ]{0,20}"),
        1u64..1_000_000_000_000_000,
        any::<bool>(),
        proptest::option::of(TIMES),
    )
        .prop_map(
            |((id, time, tenant, app, by, reason), prefix, put, expires_at)| Feedback::Safelist {
                id: id.into(),
                time: Millis(time),
                tenant: tenant.into(),
                app: app.into(),
                prefix: Prefix::from_digits(prefix).unwrap(),
                put,
                expires_at: expires_at.map(Millis),
                by: by.into(),
                reason: reason.into(),
            },
        );
    prop_oneof![verdict, safelist]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn an_event_survives_the_canonical_format(event in event()) {
        prop_assert_eq!(again(&event), event);
    }

    #[test]
    fn feedback_survives_the_canonical_format(feedback in feedback()) {
        let text = serde_json::to_vec(&CanonicalFeedback(&feedback)).unwrap();
        prop_assert_eq!(decode_feedback(&META, Some(&text)).unwrap(), feedback);
    }

    #[test]
    fn any_text_is_judged(text in "\\PC{0,300}", bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        for info in FORMATS {
            let format = Format::parse(info.name).unwrap();
            prop_assert!(decode(format, &META, Some(text.as_bytes())).is_err());
            prop_assert!(decode(format, &META, Some(&bytes)).is_err());
        }
        prop_assert!(decode_feedback(&META, Some(&bytes)).is_err());
    }
}
