//! Bad input to the canonical format and to its readers: each case with the class
//! of its refusal and a sentence that says what to change.

use pumpwatch::decode::{Decoded, Format, RECORD_BYTES_MAX, RecordMeta, Refusal, decode, decode_line};
use pumpwatch::model::{Destination, Event, EventBody, Millis, SendStatus};

const META: RecordMeta<'_> = RecordMeta {
    record_time: Millis(1_795_333_700_000),
    default_tenant: Some("acme"),
    default_app: None,
};

fn canonical(text: &str) -> Result<Decoded, Refusal> {
    decode(Format::CANONICAL, &META, Some(text.as_bytes()))
}

fn refusal(text: &str) -> (&'static str, String) {
    let refusal = canonical(text).expect_err(text);
    (refusal.class_name(), refusal.to_string())
}

fn event(text: &str) -> Event {
    match canonical(text).expect(text) {
        Decoded::Usable(mut events) => events.remove(0),
        Decoded::Ignored(reason) => panic!("ignored: {reason:?}"),
    }
}

/// A send with the given fields in place of, or beside, the usual ones.
fn send(fields: &str) -> String {
    let fields: serde_json::Value = serde_json::from_str(fields).expect(fields);
    let mut record =
        serde_json::json!({"type": "sms.send", "id": "1", "time": 1_795_333_690_123_i64, "to": "+998901234567"});
    for (key, value) in fields.as_object().unwrap() {
        record[key] = value.clone();
    }
    record.to_string()
}

#[test]
fn what_is_not_an_event_is_refused_by_its_class() {
    for (text, class) in [
        ("", "empty"),
        ("  \n", "empty"),
        ("\u{0}\u{0}\u{0}\u{0}\u{1}{}", "registry_framed"),
        ("not json", "not_json"),
        ("{\"type\":\"sms.send\"", "not_json"),
        ("{} {}", "not_json"),
        (
            "[\"sms.send\",\"1\",1795333690123,null,\"+998901234567\"]",
            "not_an_object",
        ),
        ("[]", "not_an_object"),
        ("null", "not_an_object"),
        ("\"text\"", "not_an_object"),
        ("42", "not_an_object"),
        ("{}", "missing_field"),
        ("{\"type\":\"sms.receipt\"}", "unknown_type"),
        ("{\"type\":7}", "invalid_field"),
        ("{\"type\":\"verdict\"}", "unknown_type"),
    ] {
        assert_eq!(refusal(text).0, class, "{text}");
    }
    let deep = format!("{{\"x\":{}{}}}", "[".repeat(60), "]".repeat(60));
    assert_eq!(refusal(&deep).0, "too_deep");
    let large = format!("{{\"x\":\"{}\"}}", "y".repeat(RECORD_BYTES_MAX));
    assert_eq!(refusal(&large).0, "too_large");
    assert_eq!(
        decode(Format::CANONICAL, &META, None).unwrap_err().class_name(),
        "tombstone"
    );
    let binary = decode(Format::CANONICAL, &META, Some(&[0xff, 0xfe, 0x01])).unwrap_err();
    assert_eq!(binary.class_name(), "invalid_utf8");
}

#[test]
fn a_number_is_taken_as_it_stands_or_not_at_all() {
    for bad in [
        "\"998901234567\"",
        "\"+0998901234567\"",
        "\"+99890123456a\"",
        "\"+1206CALLNOW\"",
        "\"+99 890 123 45 67\"",
        "\"tel:+998901234567\"",
        "\"+12345\"",
        "\"+1234567890123456\"",
        "998901234567",
        "true",
        "[\"+998901234567\"]",
    ] {
        let (class, sentence) = refusal(&send(&format!("{{\"to\":{bad}}}")));
        assert_eq!(class, "bad_number", "{bad}");
        assert!(sentence.contains("`to`") && sentence.contains("E.164"), "{sentence}");
        // A dead letter's reason is read by many: it shows no digits of the number.
        assert!(!sentence.contains("89") && !sentence.contains("1234"), "{sentence}");
    }
    assert_eq!(refusal(&send(r#"{"to":"+99890123XXXX"}"#)).0, "masked_number");
    assert_eq!(refusal(&send(r#"{"to":null}"#)).0, "missing_field");
    assert_eq!(
        refusal(&send(r#"{"to":{"prefix":"99890","token":"k1:9f"}}"#)).0,
        "bad_number"
    );
    assert_eq!(refusal(&send(r#"{"to":{"prefix":"+99890"}}"#)).0, "missing_field");
    // A number outside its plan is an event: bots send to many.
    assert!(matches!(
        event(&send(r#"{"to":"+9999999"}"#)).to,
        Destination::Number(_)
    ));
}

#[test]
fn a_field_that_stands_twice_is_refused() {
    for text in [
        r#"{"type":"sms.send","id":"1","time":1,"to":"+998901234567","to":"+998901234568"}"#,
        r#"{"type":"sms.send","id":"1","time":1,"to":{"prefix":"+998","prefix":"+44","token":"t"}}"#,
        r#"{"type":"sms.send","type":"sms.send","id":"1","time":1,"to":"+998901234567"}"#,
    ] {
        assert_eq!(refusal(text).0, "duplicate_field", "{text}");
    }
}

#[test]
fn a_wrong_value_in_a_known_field_is_named() {
    for (fields, class, name) in [
        (r#"{"id":17}"#, "invalid_field", "`id`"),
        (r#"{"id":""}"#, "missing_field", "`id`"),
        (r#"{"time":null}"#, "missing_field", "`time`"),
        (r#"{"time":"yesterday"}"#, "bad_time", "`time`"),
        (r#"{"time":"2026-11-22T07:48:10"}"#, "bad_time", "`time`"),
        (r#"{"time":1.5}"#, "bad_time", "`time`"),
        (r#"{"time":9e18}"#, "bad_time", "`time`"),
        (r#"{"time":99999999999999999999}"#, "bad_time", "`time`"),
        (r#"{"time":"9999-12-31T23:59:59Z"}"#, "bad_time", "`time`"),
        (r#"{"tenant":"*"}"#, "invalid_field", "`tenant`"),
        (r#"{"app":"a\nb"}"#, "invalid_field", "`app`"),
        (r#"{"segments":"1"}"#, "invalid_field", "`segments`"),
        (r#"{"segments":0}"#, "invalid_field", "`segments`"),
        (r#"{"segments":256}"#, "invalid_field", "`segments`"),
        (r#"{"price":"0.2"}"#, "invalid_field", "`price`"),
        (r#"{"price":[0.2,"USD"]}"#, "invalid_field", "`price`"),
        (
            r#"{"price":{"amount":-0.2,"currency":"USD"}}"#,
            "invalid_field",
            "`price.amount`",
        ),
        (
            r#"{"price":{"amount":1e9,"currency":"USD"}}"#,
            "invalid_field",
            "`price.amount`",
        ),
        (r#"{"price":{"amount":0.2}}"#, "missing_field", "`price.currency`"),
        (
            r#"{"price":{"amount":0.2,"currency":"US"}}"#,
            "invalid_field",
            "`price.currency`",
        ),
        (r#"{"client":"203.0.113.7"}"#, "invalid_field", "`client`"),
        (r#"{"client":{"ip":"203.0.113"}}"#, "invalid_field", "`client.ip`"),
        (r#"{"client":{"asn":"abc"}}"#, "invalid_field", "`client.asn`"),
        (r#"{"client":{"asn":-1}}"#, "invalid_field", "`client.asn`"),
        (r#"{"client":{"country":"usa"}}"#, "invalid_field", "`client.country`"),
        (r#"{"status":"done"}"#, "invalid_field", "`status`"),
        (r#"{"channel":1}"#, "invalid_field", "`channel`"),
        (r#"{"type":"sms.verification"}"#, "missing_field", "`outcome`"),
        (
            r#"{"type":"sms.verification","outcome":"ok"}"#,
            "invalid_field",
            "`outcome`",
        ),
        (
            r#"{"type":"sms.delivery","status":"sent"}"#,
            "invalid_field",
            "`status`",
        ),
        (r#"{"type":"sms.delivery","mcc":434}"#, "invalid_field", "`mcc`"),
        (r#"{"type":"sms.delivery","mnc":"04a"}"#, "invalid_field", "`mnc`"),
        (
            r#"{"type":"sms.verification","outcome":"approved","to":null}"#,
            "missing_field",
            "`to`",
        ),
        (r#"{"type":"sms.delivery","to":null}"#, "missing_field", "`to`"),
    ] {
        let (got, sentence) = refusal(&send(fields));
        assert_eq!(got, class, "{fields}: {sentence}");
        assert!(sentence.contains(name), "{fields}: {sentence}");
    }
}

#[test]
fn long_texts_are_refused_and_named() {
    for (field, bytes_max) in [
        ("id", 256),
        ("session", 256),
        ("message_id", 256),
        ("tenant", 128),
        ("app", 128),
        ("sender", 128),
        ("provider", 128),
    ] {
        let text = |bytes: usize| send(&format!("{{\"{field}\":\"{}\"}}", "x".repeat(bytes)));
        event(&text(bytes_max));
        let (class, sentence) = refusal(&text(bytes_max + 1));
        assert_eq!(class, "field_too_long");
        assert!(sentence.contains(&format!("`{field}`")), "{sentence}");
    }
}

#[test]
fn defaults_times_and_unknown_fields() {
    let plain = event(&send("{}"));
    assert_eq!((plain.tenant.as_str(), plain.app.as_str()), ("acme", "default"));
    assert!(matches!(&plain.body, EventBody::Send(s) if s.status == SendStatus::Sent));
    assert_eq!(event(&send(r#"{"tenant":"other","app":""}"#)).tenant, "other");
    for time in [
        "1795333690123",
        "1795333690123.0",
        "1.795333690123e12",
        "\"2026-11-22T07:48:10.123Z\"",
        "\"2026-11-22T08:48:10.123+01:00\"",
        "\"2026-11-22T02:18:10.123999-05:30\"",
    ] {
        assert_eq!(event(&send(&format!("{{\"time\":{time}}}"))).time, plain.time, "{time}");
    }
    let noisy = r#"{"is_attack":true,"label":{"kind":"x"},"outcome":7,"channel":"SMS","price":null}"#;
    assert_eq!(event(&send(noisy)), plain);
    // Times far ahead and long ago are events: the detector judges them.
    for time in ["\"0001-01-01T00:00:00Z\"", "\"9999-12-30T22:00:00Z\"", "0", "-1"] {
        event(&send(&format!("{{\"time\":{time}}}")));
    }
}

#[test]
fn a_line_of_a_file_says_when_it_was_ingested() {
    let line = |fields: &str| decode_line(&META, send(fields).as_bytes());
    assert_eq!(line("{}").unwrap().ingest_time, Millis(1_795_333_690_123));
    let late = line(r#"{"ingest_time":"2026-11-22T09:00:00Z"}"#).unwrap();
    assert_eq!(late.ingest_time.to_string(), "2026-11-22T09:00:00Z");
    let other = line(r#"{"channel":"voice","ingest_time":"2026-11-22T09:00:00Z"}"#).unwrap();
    assert!(matches!(other.decoded, Decoded::Ignored(_)));
    assert_eq!(line(r#"{"ingest_time":"noon"}"#).unwrap_err().class_name(), "bad_time");
    // On Kafka the record has a timestamp of its own and the field is unknown.
    event(&send(r#"{"ingest_time":"noon"}"#));
}

#[test]
fn batches_beyond_the_cap_are_refused_as_a_whole() {
    let one = include_str!("data/decode/aws_sms/text_queued.json");
    let many = format!("[{}]", vec![one; 1_001].join(","));
    let few = format!("[{}]", vec![one; 1_000].join(","));
    let aws = Format::parse("aws_sms").unwrap();
    let refused = decode(aws, &META, Some(many.as_bytes())).unwrap_err();
    assert_eq!(refused.class_name(), "too_many_events");
    assert!(matches!(decode(aws, &META, Some(few.as_bytes())), Ok(Decoded::Usable(e)) if e.len() == 1_000));
}

#[test]
fn the_input_names_tenant_and_app_of_a_provider() {
    let meta = RecordMeta {
        default_app: Some("login"),
        ..META
    };
    let aws = Format::parse("aws_sms").unwrap();
    let sample = include_bytes!("data/decode/aws_sms/context_of_the_customer.json");
    let Ok(Decoded::Usable(events)) = decode(aws, &meta, Some(sample)) else {
        panic!("usable");
    };
    assert!(events.iter().all(|e| e.tenant == "acme" && e.app == "login"));
}

#[test]
fn a_cognito_code_has_no_part_in_the_id() {
    let cognito = Format::parse("cognito_custom_sms_sender").unwrap();
    let sample = include_str!("data/decode/cognito_custom_sms_sender/sign_up.json");
    let id = |meta: &RecordMeta<'_>, text: &str| match decode(cognito, meta, Some(text.as_bytes())) {
        Ok(Decoded::Usable(events)) => events[0].id.clone(),
        other => panic!("{other:?}"),
    };
    let other_code = sample.replace("AYADeEncryptedCodeNobodyMayKeep", "123456");
    assert_eq!(id(&META, sample), id(&META, &other_code));
    let later = RecordMeta {
        record_time: META.record_time + 1,
        ..META
    };
    assert_ne!(id(&META, sample), id(&later, sample));
    assert_ne!(id(&META, sample), id(&META, &sample.replace("u1", "u2")));
}
