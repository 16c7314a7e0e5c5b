//! How every output looks.

use insta::assert_snapshot;
use pumpwatch::decode::Format;
use pumpwatch::detector::Effect;
use pumpwatch::model::{BlockChange, EntityKey, FindingKind, Millis};
use pumpwatch::render::dead_letter::{self, DeadLetter, Disclosure, Stage};
use pumpwatch::render::{self, Header, RenderedRecord, blocklist};

use crate::fixtures;

/// A record as text: key, headers, and the value's fields in their order.
fn show(record: &RenderedRecord) -> String {
    let mut text = format!("topic: {:?}\nkey:   {}\n", record.topic, utf8(record.key.as_deref()));
    for header in &record.headers {
        text.extend(["header ", &header.name, ": ", utf8(header.value.as_deref()), "\n"]);
    }
    match &record.value {
        Some(value) => text.push_str(&pretty(utf8(Some(value)))),
        None => text.push_str("(tombstone)"),
    }
    // The version of the program changes with each release, its output should not.
    let version = format!("\"version\": \"{}\"", env!("CARGO_PKG_VERSION"));
    text.replace(&version, "\"version\": \"[version]\"")
}

fn utf8(bytes: Option<&[u8]>) -> &str {
    bytes.map_or("(none)", |bytes| std::str::from_utf8(bytes).expect("outputs are UTF-8"))
}

/// Breaks one line of JSON at its commas and brackets without touching the order of
/// the fields or the digits of the numbers, which a parser might.
fn pretty(json: &str) -> String {
    let mut out = String::new();
    let (mut depth, mut in_text, mut escaped) = (0usize, false, false);
    let line_break = |out: &mut String, depth: usize| {
        out.push('\n');
        out.push_str(&"  ".repeat(depth));
    };
    let mut chars = json.chars().peekable();
    while let Some(c) = chars.next() {
        if in_text {
            out.push(c);
            in_text = escaped || c != '"';
            escaped = c == '\\' && !escaped;
            continue;
        }
        match c {
            '"' => {
                in_text = true;
                out.push(c);
            }
            '{' | '[' if matches!(chars.peek(), Some('}' | ']')) => {
                out.push(c);
                out.extend(chars.next());
            }
            '{' | '[' => {
                depth += 1;
                out.push(c);
                line_break(&mut out, depth);
            }
            '}' | ']' => {
                depth -= 1;
                line_break(&mut out, depth);
                out.push(c);
            }
            ',' => {
                out.push(c);
                line_break(&mut out, depth);
            }
            ':' => out.push_str(": "),
            _ => out.push(c),
        }
    }
    out
}

fn finding(finding: pumpwatch::model::Finding) -> String {
    show(&render::effect(&Effect::Finding(Box::new(finding))))
}

#[test]
fn findings() {
    assert_snapshot!("pumping_create", finding(fixtures::pumping()));
    assert_snapshot!("pumping_update_moved", finding(fixtures::pumping_update()));
    assert_snapshot!("pumping_close", finding(fixtures::pumping_close()));
    assert_snapshot!(
        "pumping_alert_without_prefixes",
        finding(fixtures::alert_without_prefixes())
    );
}

#[test]
fn operational_findings() {
    for (kind, app, region) in [
        (FindingKind::DeliveryOutage, None, Some("UZ")),
        (FindingKind::VerificationFeedStalled, Some("signup-otp"), None),
        (FindingKind::InputGap, None, None),
        (FindingKind::BudgetExceeded, None, None),
        (FindingKind::BadInputRatio, None, None),
        (FindingKind::LimitExceeded, None, Some("FR")),
    ] {
        assert_snapshot!(kind.as_str(), finding(fixtures::operational(kind, app, region)));
    }
    assert_snapshot!("limits_broken_by_clients", finding(fixtures::limits_broken()));
}

fn changes() -> [(&'static str, BlockChange); 4] {
    let awkward = EntityKey {
        tenant: "a|b%".into(),
        ..fixtures::key(None, Some("+1"))
    };
    [
        ("block_put", BlockChange::Put(fixtures::block())),
        ("block_half_open", BlockChange::Put(fixtures::half_open())),
        ("block_delete", BlockChange::Delete(fixtures::block().key)),
        ("block_delete_awkward_name", BlockChange::Delete(awkward)),
    ]
}

#[test]
fn blocks() {
    let now = Millis(1_795_333_742_250);
    for (name, change) in changes() {
        assert_snapshot!(name, show(&render::effect(&Effect::Block(now, change))));
    }
}

#[test]
fn lines_of_the_blocklist_file() {
    let now = Millis(1_795_333_742_250);
    let lines: Vec<String> = changes()
        .iter()
        .map(|(_, change)| String::from_utf8(blocklist::line(now, change)).unwrap())
        .collect();
    assert_snapshot!(lines.join("\n"));
}

#[test]
fn statistics_and_audit() {
    assert_snapshot!(
        "stats",
        show(&render::effect(&Effect::Stats(Box::new(fixtures::stats()))))
    );
    assert_snapshot!(
        "stats_quiet",
        show(&render::effect(&Effect::Stats(Box::new(fixtures::quiet_stats()))))
    );
    assert_snapshot!("audit", show(&render::effect(&Effect::Audit(fixtures::audit()))));
    let of_tenant = pumpwatch::model::Audit {
        tenant: "a|b".into(),
        ..fixtures::audit()
    };
    assert_snapshot!("audit_of_tenant", show(&render::effect(&Effect::Audit(of_tenant))));
}

/// The examples of the contract, to the letter.
#[test]
fn the_contracts_examples() {
    let block = String::from_utf8(blocklist::value(&fixtures::block())).unwrap();
    assert_eq!(
        block,
        r#"{"tenant":"acme","app":"*","prefix":"+9989012","action":"block","mode":"enforce","since":"2026-11-22T07:49:02Z","expires_at":"2026-11-22T08:49:02Z","allow_ratio":0.0,"finding_uid":"0123456789abcdef0011223344556677","confidence":0.99}"#
    );
    let stats = String::from_utf8(render::stats::value(&fixtures::stats())).unwrap();
    assert_eq!(
        stats,
        r#"{"tenant":"acme","app":"signup-otp","destination":"+99890","level":"operator","region":"UZ","operator":"Beeline","window":{"start":"2026-11-22T07:48:00Z","end":"2026-11-22T07:49:00Z"},"sends":41,"attempts":37,"verified":1,"blocked":0,"distinct_numbers":37,"cost":{"amount":8.4,"currency":"USD"},"verify_seconds":{"p50":14.0,"p95":51.0},"expected":{"sends":0.4,"conversion":0.61},"log_e":21.4,"score":97}"#
    );
}

#[test]
fn dead_letters() {
    let headers = [
        Header::text("content-type", "application/json"),
        Header::text("traceparent", "00-abc-01"),
    ];
    let letter = DeadLetter {
        topic: "sms.send.v1",
        partition: 3,
        offset: 42,
        stage: Stage::Decode,
        format: Some(Format::CANONICAL),
        reason: "missing_field",
        message: "the field `to` is missing: name the number in E.164, as in \"+998901234567\"",
        key: Some(b"acme"),
        value: Some(br#"{"type":"sms.send","id":"1","otp":"123456"}"#),
        headers: &headers,
    };
    let withheld = Disclosure::Withheld { key: &[7; 32] };
    assert_snapshot!(
        "dead_letter",
        show(&dead_letter::record(&letter, Disclosure::Original, 1 << 20))
    );
    assert_snapshot!(
        "dead_letter_withheld",
        show(&dead_letter::record(&letter, withheld, 1 << 20))
    );
    let long = "x".repeat(2_000);
    let cut = DeadLetter {
        value: Some(long.as_bytes()),
        ..letter
    };
    assert_snapshot!(
        "dead_letter_cut",
        show(&dead_letter::record(&cut, Disclosure::Original, 1_000))
    );
}
