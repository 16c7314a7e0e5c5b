//! Every field of the contract, checked on what is really on the topics.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::broker::Record;

/// The names that `unmapped` may hold; `moved_from` only when linked.
const UNMAPPED: [&str; 13] = [
    "dedup_key",
    "kind",
    "level",
    "prefixes",
    "recommended_action",
    "expires_at",
    "evidence",
    "log_e_total",
    "log_e_threshold",
    "estimated_loss",
    "moved_from",
    "policy",
    "samples",
];
const OPTIONAL: [&str; 1] = ["moved_from"];

const KINDS: [&str; 7] = [
    "sms_pumping",
    "delivery_outage",
    "verification_feed_stalled",
    "input_gap",
    "budget_exceeded",
    "bad_input_ratio",
    "limit_exceeded",
];

const ACTIONS: [&str; 5] = [
    "block_prefix",
    "rate_limit",
    "require_captcha",
    "disable_country",
    "review",
];

/// One record of the alerts topic, read and found right.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The whole value, byte for byte.
    pub text: String,
    pub uid: String,
    pub metadata_uid: String,
    pub kind: String,
    pub level: String,
    pub key: String,
    pub activity: u64,
    /// Log time of the decision, epoch milliseconds.
    pub time: i64,
    pub prefixes: BTreeSet<String>,
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    let found = value
        .pointer(pointer)
        .unwrap_or_else(|| panic!("no {pointer} in {value}"));
    let found = found
        .as_str()
        .unwrap_or_else(|| panic!("{pointer} is no string: {found}"));
    assert!(!found.is_empty(), "{pointer} is empty");
    found
}

fn integer(value: &Value, pointer: &str) -> i64 {
    let found = value
        .pointer(pointer)
        .unwrap_or_else(|| panic!("no {pointer} in {value}"));
    found
        .as_i64()
        .unwrap_or_else(|| panic!("{pointer} is no integer: {found}"))
}

fn number(value: &Value, pointer: &str) -> f64 {
    let found = value
        .pointer(pointer)
        .unwrap_or_else(|| panic!("no {pointer} in {value}"));
    found
        .as_f64()
        .unwrap_or_else(|| panic!("{pointer} is no number: {found}"))
}

fn list<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    let found = value
        .pointer(pointer)
        .unwrap_or_else(|| panic!("no {pointer} in {value}"));
    found
        .as_array()
        .unwrap_or_else(|| panic!("{pointer} is no list: {found}"))
}

fn object<'a>(value: &'a Value, pointer: &str) -> &'a Map<String, Value> {
    let found = value
        .pointer(pointer)
        .unwrap_or_else(|| panic!("no {pointer} in {value}"));
    found
        .as_object()
        .unwrap_or_else(|| panic!("{pointer} is no object: {found}"))
}

fn one_of(found: &str, allowed: &[&str]) {
    assert!(allowed.contains(&found), "{found} is none of {allowed:?}");
}

/// Exactly these fields.
fn fields(value: &Value, expected: &[&str]) {
    let found: BTreeSet<&str> = object(value, "").keys().map(String::as_str).collect();
    assert_eq!(found, expected.iter().copied().collect(), "fields of {value}");
}

fn hex_digits(found: &str, digits: usize) {
    let is_hex = found.chars().all(|c| c.is_ascii_digit() || ('a'..='f').contains(&c));
    assert!(found.len() == digits && is_hex, "{found} is not {digits} hex digits");
}

fn prefix(found: &str) {
    let digits = found.strip_prefix('+').unwrap_or_default();
    let fits = (1..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    assert!(fits && !digits.starts_with('0'), "{found} is no prefix");
}

fn currency(found: &str) {
    assert!(
        found.len() == 3 && found.bytes().all(|b| b.is_ascii_uppercase()),
        "{found} is no currency"
    );
}

fn rfc3339_ms(found: &str) -> i64 {
    let time = pumpwatch::model::Millis::parse_rfc3339(found);
    time.unwrap_or_else(|| panic!("{found} is no RFC 3339 time")).0
}

/// `tenant|app|prefix`, each part encoded.
fn entity_key(found: &str) -> [&str; 3] {
    let parts: Vec<&str> = found.split('|').collect();
    <[&str; 3]>::try_from(parts).unwrap_or_else(|_| panic!("{found} is no key"))
}

/// CloudEvents in binary mode, trace context and origin, on what Pumpwatch publishes.
fn headers(record: &Record) {
    let header = |name: &str| {
        record
            .header(name)
            .unwrap_or_else(|| panic!("no header {name} in {:?}", record.headers))
    };
    assert_eq!(header("ce_specversion"), "1.0");
    for name in ["ce_id", "ce_type", "ce_source"] {
        assert!(!header(name).is_empty(), "{name}");
    }
    rfc3339_ms(header("ce_time"));
    if record.value.is_some() {
        assert!(header("content-type").starts_with("application/json"), "content-type");
    }
    let trace: Vec<&str> = header("traceparent").split('-').collect();
    let lengths: Vec<usize> = trace.iter().map(|part| part.len()).collect();
    assert_eq!(lengths, [2, 32, 16, 2], "traceparent {trace:?}");
    for part in trace {
        hex_digits(part, part.len());
    }
    let origin: Vec<&str> = header("pumpwatch-origin").split('/').collect();
    assert_eq!(
        origin.len(),
        3,
        "pumpwatch-origin is partition/offset/index: {origin:?}"
    );
    for part in origin {
        part.parse::<u64>().expect("pumpwatch-origin is numbers");
    }
}

/// One record of the alerts topic.
pub fn finding(record: &Record) -> Finding {
    headers(record);
    let value: Value = serde_json::from_str(record.value_text()).expect("a finding is JSON");
    let unmapped = &value["unmapped"];
    let found = Finding {
        text: record.value_text().to_owned(),
        uid: text(&value, "/finding_info/uid").to_owned(),
        metadata_uid: text(&value, "/metadata/uid").to_owned(),
        kind: text(unmapped, "/kind").to_owned(),
        level: text(unmapped, "/level").to_owned(),
        key: text(unmapped, "/dedup_key").to_owned(),
        activity: integer(&value, "/activity_id").unsigned_abs(),
        time: integer(&value, "/time"),
        prefixes: list(unmapped, "/prefixes")
            .iter()
            .map(|p| text(p, "/prefix").to_owned())
            .collect(),
    };
    assert_eq!(record.key_text(), found.key, "the record's key is the dedup key");
    hex_digits(&found.uid, 32);
    ocsf_class(&value, &found);
    ocsf_content(&value, &found);
    unmapped_fields(unmapped, &found);
    found
}

fn ocsf_class(value: &Value, found: &Finding) {
    assert_eq!(integer(value, "/class_uid"), 2004);
    assert_eq!(integer(value, "/category_uid"), 2);
    assert!((1..=3).contains(&found.activity), "activity_id {}", found.activity);
    assert_eq!(integer(value, "/type_uid"), 200_400 + found.activity as i64);
    assert!((1..=6).contains(&integer(value, "/severity_id")), "severity_id");
    assert!((1..=3).contains(&integer(value, "/confidence_id")), "confidence_id");
    assert!((1..=6).contains(&integer(value, "/status_id")), "status_id");
    assert_eq!(value.pointer("/is_alert"), Some(&Value::Bool(true)), "is_alert");
    assert_eq!(text(value, "/metadata/version"), "1.8.0");
    assert_eq!(text(value, "/metadata/product/name"), "Pumpwatch");
    text(value, "/metadata/product/version");
    text(value, "/message");
    text(value, "/remediation/desc");
    let (start, end) = (integer(value, "/start_time"), integer(value, "/end_time"));
    assert!(start <= end, "start_time {start} after end_time {end}");
}

fn ocsf_content(value: &Value, found: &Finding) {
    let info = &value["finding_info"];
    text(info, "/title");
    assert!(
        list(info, "/types").iter().any(|t| t == found.kind.as_str()),
        "finding_info.types names the kind"
    );
    text(info, "/analytic/uid");
    assert!(integer(info, "/analytic/type_id") > 0, "analytic.type_id");
    if found.kind != "sms_pumping" {
        return;
    }
    let attack = &list(info, "/attacks")[0];
    text(attack, "/version");
    assert_eq!(text(attack, "/tactic/uid"), "TA0040");
    assert_eq!(text(attack, "/technique/uid"), "T1496");
    assert_eq!(text(attack, "/sub_technique/uid"), "T1496.003");
    let names = |pointer: &str, field: &str| -> BTreeSet<String> {
        list(value, pointer).iter().map(|r| text(r, field).to_owned()).collect()
    };
    let resources = names("/resources", "/name");
    let observables = names("/observables", "/value");
    for prefix in &found.prefixes {
        assert!(resources.contains(prefix), "{prefix} is no resource");
        assert!(observables.contains(prefix), "{prefix} is no observable");
    }
    for analysis in list(value, "/anomaly_analyses") {
        assert!(!list(analysis, "/analysis_targets").is_empty(), "analysis_targets");
        assert!(!list(analysis, "/anomalies").is_empty(), "anomalies");
    }
}

fn unmapped_fields(unmapped: &Value, found: &Finding) {
    let names: BTreeSet<&str> = object(unmapped, "").keys().map(String::as_str).collect();
    for name in &names {
        one_of(name, &UNMAPPED);
    }
    for name in UNMAPPED.iter().filter(|name| !OPTIONAL.contains(*name)) {
        assert!(names.contains(name), "unmapped.{name} is missing");
    }
    one_of(&found.kind, &KINDS);
    one_of(&found.level, &["alert", "block"]);
    one_of(text(unmapped, "/recommended_action"), &ACTIONS);
    let [.., key_prefix] = entity_key(&found.key);
    if key_prefix != "*" {
        prefix(key_prefix);
    }
    if found.level == "block" {
        assert!(!found.prefixes.is_empty(), "a block names a prefix");
    }
    for accused in list(unmapped, "/prefixes") {
        fields(accused, &["prefix", "attack_share", "honest_per_hour", "sends"]);
        prefix(text(accused, "/prefix"));
        assert!((0.0..=1.0).contains(&number(accused, "/attack_share")), "attack_share");
        assert!(number(accused, "/honest_per_hour") >= 0.0, "honest_per_hour");
        assert!(integer(accused, "/sends") >= 0, "sends");
    }
    let expires = integer(unmapped, "/expires_at");
    if found.activity < 3 {
        assert!(expires > found.time, "expires_at {expires} is over at {}", found.time);
    }
    for item in list(unmapped, "/evidence") {
        fields(item, &["family", "log_e", "observed", "expected", "text"]);
        text(item, "/family");
        text(item, "/text");
        for field in ["/log_e", "/observed", "/expected"] {
            number(item, field);
        }
    }
    let (total, line) = (number(unmapped, "/log_e_total"), number(unmapped, "/log_e_threshold"));
    if found.kind == "sms_pumping" && found.activity == 1 {
        assert!(!list(unmapped, "/evidence").is_empty(), "no evidence");
        assert!(total >= line, "opened below the line: {total} < {line}");
    }
    let loss = &unmapped["estimated_loss"];
    fields(loss, &["amount", "currency", "per_hour"]);
    assert!(
        number(loss, "/amount") >= 0.0 && number(loss, "/per_hour") >= 0.0,
        "{loss}"
    );
    currency(text(loss, "/currency"));
    fields(&unmapped["policy"], &["config_hash", "logic_version"]);
    text(unmapped, "/policy/config_hash");
    text(unmapped, "/policy/logic_version");
    if let Some(moved_from) = unmapped.get("moved_from").filter(|m| !m.is_null()) {
        hex_digits(moved_from.as_str().expect("a uid"), 32);
    }
    let samples = list(unmapped, "/samples");
    assert!(samples.len() <= 5, "more than five samples");
    for sample in samples {
        let sample = sample.as_str().expect("a masked number");
        assert!(
            !sample.trim_start_matches('+').bytes().all(|b| b.is_ascii_digit()),
            "{sample} is not masked"
        );
    }
}

/// The lives of all episodes: create once, then updates, close at most once; one
/// uid, one key; time never falls. A record that was published twice counts once.
pub fn episodes(records: &[Record]) -> Vec<Finding> {
    let mut seen: BTreeMap<String, String> = BTreeMap::new();
    let mut findings = Vec::new();
    let mut last: BTreeMap<String, Finding> = BTreeMap::new();
    for record in records {
        let found = finding(record);
        if let Some(text) = seen.insert(found.metadata_uid.clone(), found.text.clone()) {
            assert_eq!(text, found.text, "one metadata.uid, two contents");
            continue;
        }
        match last.insert(found.uid.clone(), found.clone()) {
            None => assert_eq!(found.activity, 1, "an episode begins with a create: {}", found.text),
            Some(before) => {
                assert_eq!(before.key, found.key, "the dedup key changed within an episode");
                assert_eq!(before.kind, found.kind, "the kind changed within an episode");
                assert!(found.activity > 1, "created twice: {}", found.text);
                assert!(before.activity < 3, "goes on after its close: {}", found.text);
                assert!(before.time <= found.time, "time fell");
            }
        }
        findings.push(found);
    }
    findings
}

/// One record of the blocklist topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub key: String,
    /// The value, byte for byte; `None`: lifted.
    pub text: Option<String>,
    pub finding_uid: Option<String>,
    pub prefix: String,
    pub tenant: String,
}

pub fn block(record: &Record, mode: &str) -> Change {
    headers(record);
    let key = record.key_text();
    let [tenant, app, range] = entity_key(key);
    prefix(range);
    let mut change = Change {
        key: key.to_owned(),
        text: None,
        finding_uid: None,
        prefix: range.to_owned(),
        tenant: tenant.to_owned(),
    };
    if record.value.is_none() {
        return change;
    }
    let value: Value = serde_json::from_str(record.value_text()).expect("a block is JSON");
    fields(
        &value,
        &[
            "tenant",
            "app",
            "prefix",
            "action",
            "mode",
            "since",
            "expires_at",
            "allow_ratio",
            "finding_uid",
            "confidence",
        ],
    );
    assert_eq!(text(&value, "/tenant"), tenant);
    assert_eq!(text(&value, "/app"), app);
    assert_eq!(text(&value, "/prefix"), range);
    assert_eq!(text(&value, "/mode"), mode);
    let ratio = number(&value, "/allow_ratio");
    match text(&value, "/action") {
        "block" => assert_eq!(ratio, 0.0, "a block lets nothing through"),
        "sample" => assert!(ratio > 0.0 && ratio < 1.0, "allow_ratio {ratio}"),
        other => panic!("action {other}"),
    }
    assert!((0.0..=1.0).contains(&number(&value, "/confidence")), "confidence");
    let (since, expires) = (text(&value, "/since"), text(&value, "/expires_at"));
    assert!(rfc3339_ms(since) < rfc3339_ms(expires), "{since} to {expires}");
    hex_digits(text(&value, "/finding_uid"), 32);
    change.finding_uid = Some(text(&value, "/finding_uid").to_owned());
    change.text = Some(record.value_text().to_owned());
    change
}

/// One record of the statistics topic.
pub fn stats(record: &Record) {
    let value: Value = serde_json::from_str(record.value_text()).expect("statistics are JSON");
    let [tenant, app, destination] = entity_key(record.key_text());
    assert_eq!(text(&value, "/tenant"), tenant);
    assert_eq!(text(&value, "/app"), app);
    assert_eq!(text(&value, "/destination"), destination);
    text(&value, "/level");
    let start = rfc3339_ms(text(&value, "/window/start"));
    let end = rfc3339_ms(text(&value, "/window/end"));
    assert_eq!((start % 60_000, end - start), (0, 60_000), "a window is a minute");
    for field in ["sends", "attempts", "verified", "blocked", "distinct_numbers"] {
        assert!(integer(&value, &format!("/{field}")) >= 0, "{field}");
    }
    assert!(number(&value, "/cost/amount") >= 0.0, "cost");
    currency(text(&value, "/cost/currency"));
    object(&value, "/verify_seconds");
    assert!(number(&value, "/expected/sends") >= 0.0, "expected.sends");
    assert!(
        (0.0..=1.0).contains(&number(&value, "/expected/conversion")),
        "expected.conversion"
    );
    number(&value, "/log_e");
    assert!((0.0..=100.0).contains(&number(&value, "/score")), "score");
}

/// Where a dead letter came from: topic, partition, offset.
pub type Origin = (String, i32, i64);

/// One record of the dead-letter topic; returns its origin and the reason.
pub fn dead_letter(record: &Record) -> (Origin, String) {
    let header = |name: &str| {
        let full = format!("__connect.errors.{name}");
        record
            .header(&full)
            .unwrap_or_else(|| panic!("no {full} in {:?}", record.headers))
            .to_owned()
    };
    let origin = (
        header("topic"),
        header("partition").parse().expect("a partition"),
        header("offset").parse().expect("an offset"),
    );
    assert!(!header("stage").is_empty(), "stage");
    assert!(!header("class.name").is_empty(), "class.name");
    let reason = header("exception.message");
    assert!(!reason.is_empty(), "exception.message");
    (origin, reason)
}
