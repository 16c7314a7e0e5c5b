//! The configuration from outside: defaults, the environment, every refusal in
//! its own words, and that no secret is ever shown.

use std::fmt::Write as _;
use std::path::Path;

use pumpwatch::config::{Brokers, Config, ConfigError, DeadLetters, Start, schema};
use pumpwatch::model::{Mode, Money};

/// The example of the documentation, whole.
const FULL: &str = r"
kafka:
  brokers: 127.0.0.1:9092, localhost:9093
  group: pumpwatch
  properties: {client.id: pw, linger.ms: 5, socket.keepalive.enable: true}
  allow_plaintext: false
topics: {events: pumpwatch.events.v1, snapshots: pumpwatch.snapshots.v1, alerts: sms.pumping.alerts.v1,
         blocklist: sms.pumping.blocklist.v1, stats: sms.pumping.stats.v1, dead_letters: sms.pumping.dlq.v1,
         audit: sms.pumping.audit.v1, feedback: sms.pumping.feedback.v1}
inputs:
  - {topic: sms.send.v1, start: latest}
  - {topic: twilio.events, format: twilio_event_streams, tenant: acme, app: signup-otp}
detection:
  false_alarms_per_million: 1
  mode: shadow
  lateness: 1h
  tenants: {acme: {mode: enforce, monthly_budget: {amount: 5000, currency: EUR}}}
limits:
  - {name: per-number, time_window: 10m, sms_frequency_threshold: 5, per: number}
  - {name: countries, destination_country_code_filter: {allow: [US, NO, GB, DE]}, action: block, per: country}
money: {currency: USD, rates: {EUR: 1.08}}
privacy: {keep_numbers: false}
dead_letters: {value: original}
state: {dir: ./data, max_bytes: 1GiB}
http: {listen: 127.0.0.1:8080}
";

fn parse(yaml: &str) -> Result<Config, ConfigError> {
    parse_with(yaml, &[])
}

fn parse_with(yaml: &str, variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let variables: Vec<_> = variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    Config::parse("pumpwatch.yaml", yaml, &variables, Brokers::Required)
}

/// With a broker on loopback, so that only what the test is about is wrong.
fn refusal(yaml: &str) -> String {
    let yaml = if yaml.contains("kafka:") {
        yaml.to_owned()
    } else {
        format!("kafka: {{brokers: localhost}}\n{yaml}")
    };
    match parse(&yaml) {
        Ok(_) => "accepted".into(),
        Err(error) => error.sentences().join("\n"),
    }
}

fn write(dir: &Path, name: &str, text: &str) -> String {
    let path = dir.join(name);
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

#[test]
fn the_documented_example_is_read() {
    let config = parse(FULL).unwrap();
    assert_eq!(config.kafka.bootstrap_servers(), "127.0.0.1:9092,localhost:9093");
    assert_eq!(config.kafka.router_group(), "pumpwatch.router");
    assert_eq!(config.kafka.detector_group(), "pumpwatch.detector");
    assert_eq!(config.inputs[0].start, Start::Latest);
    assert_eq!(config.inputs[1].tenant.as_deref(), Some("acme"));
    assert_eq!(config.policy.mode_of("acme"), Mode::Enforce);
    assert_eq!(config.policy.mode_of("other"), Mode::Shadow);
    let budget: Money = config.policy.tenants["acme"].monthly_budget.unwrap();
    assert_eq!((budget.micros.0, budget.currency.as_str()), (5_000_000_000, "EUR"));
    let allowed: Vec<_> = config.policy.limits[1]
        .allow_regions
        .iter()
        .map(|r| r.as_str().to_owned())
        .collect();
    assert_eq!(allowed, ["DE", "GB", "NO", "US"], "NO is Norway, not a boolean");
    assert_eq!(config.policy.state_bytes_max, 1 << 27);
    assert_eq!(config.dead_letters, DeadLetters::Original);
    insta::assert_json_snapshot!(config.redacted());
}

#[test]
fn brokers_are_the_only_key_without_a_default() {
    let config = parse("kafka: {brokers: localhost}").unwrap();
    let full = parse(FULL).unwrap();
    assert_eq!(config.topics, full.topics);
    assert_eq!(config.http.listen, full.http.listen);
    assert_eq!(
        config
            .inputs
            .iter()
            .map(|input| input.topic.as_str())
            .collect::<Vec<_>>(),
        ["sms.send.v1", "sms.verification.v1", "sms.delivery.v1"]
    );
    assert_eq!(config.policy, pumpwatch::detector::Policy::default());

    assert!(Config::parse("-", "", &[], Brokers::Required).is_err());
    assert!(
        Config::parse("-", "", &[], Brokers::Optional)
            .unwrap()
            .kafka
            .brokers
            .is_empty()
    );
}

#[test]
fn a_key_without_a_value_is_not_set() {
    let config = parse("kafka: {brokers: localhost, properties: }\nlimits:\ninputs:\nhttp: ~\n# nothing\n").unwrap();
    assert_eq!(config.inputs.len(), 3);
}

#[test]
fn the_environment_lies_over_the_file() {
    let config = parse_with(
        FULL,
        &[
            ("PUMPWATCH__KAFKA__BROKERS", "localhost:19092"),
            ("PUMPWATCH__KAFKA__GROUP", "42"),
            ("PUMPWATCH__KAFKA__PROPERTIES__SECURITY_PROTOCOL", "SASL_SSL"),
            ("PUMPWATCH__KAFKA__PROPERTIES__LINGER_MS", "7"),
            ("PUMPWATCH__DETECTION__TENANTS__ACME__MODE", "shadow"),
            ("PUMPWATCH__DETECTION__LATENESS", "30m"),
            ("PUMPWATCH__INPUTS", "[{topic: one}, {topic: two}]"),
            ("PUMPWATCH__INPUTS__1__TENANT", "acme"),
            ("PUMPWATCH__HTTP__LISTEN", "[::1]:9090"),
            ("PUMPWATCH__LIMITS", "[]"),
        ],
    )
    .unwrap();
    assert_eq!(config.kafka.brokers, ["localhost:19092"]);
    assert_eq!(config.kafka.group, "42");
    assert_eq!(config.kafka.properties["security.protocol"].expose(), "SASL_SSL");
    assert_eq!(config.kafka.properties["linger.ms"].expose(), "7");
    assert_eq!(config.policy.mode_of("acme"), Mode::Shadow);
    assert_eq!(config.policy.lateness_ms, 30 * 60_000);
    assert_eq!(config.inputs[1].topic, "two");
    assert_eq!(config.inputs[1].tenant.as_deref(), Some("acme"));
    assert_eq!(config.http.listen.to_string(), "[::1]:9090");
    assert!(config.policy.limits.is_empty());
}

#[test]
fn a_problem_that_came_from_the_environment_says_so() {
    let sentence = |name, value| parse_with(FULL, &[(name, value)]).unwrap_err().to_string();
    insta::assert_snapshot!(
        [
            sentence("PUMPWATCH__DETECTION__LATENESS", "soon"),
            sentence("PUMPWATCH__DETECTION__LATENESS", "25h"),
            sentence("PUMPWATCH__KAFKA__BROKERS", "kafka.example.com:9092"),
            sentence("PUMPWATCH__KAFKA__BROKRS", "x"),
            sentence("PUMPWATCH__INPUTS", "[{topic: a}, {topic: a"),
            sentence("PUMPWATCH__INPUTS", "[{topic: a}, {topic: a}]"),
            sentence("PUMPWATCH__HTTP__LISTEN", ""),
        ]
        .join("\n")
    );
}

#[test]
fn every_refusal_says_what_to_change() {
    let cases = [
        // Shape.
        "kafka: {brokrs: localhost}",
        "kafak: {brokers: localhost}",
        "zzz: 1\nkafka: {brokers: localhost}",
        "inputs: [{topic: a, fromat: canonical}]",
        "inputs: [{format: canonical}]",
        "inputs: {topic: a}",
        "inputs: [{topic: a, start: earlyest}]",
        "detection: {tenants: {acme: {mood: enforce}}}",
        "detection: {mode: enforced}",
        "detection: {false_alarms_per_million: many}",
        "detection: {lateness: 1 hour}",
        "detection: {lateness: 60}",
        "state: {max_bytes: 1GB}",
        "privacy: {keep_numbers: maybe}",
        "privacy: {key: correct-horse-battery}",
        "http: {tokens: {path: x}}",
        "kafka: [localhost]",
        "kafka: localhost",
        "detection: {tenants: {inputs: [enforce]}}",
        "inputs: [[a]]",
        "money: {currency: 5}",
        "kafka: {brokers: [a, b]}",
        "kafka: {brokers: localhost, properties: {linger.ms: [5]}}",
        "[kafka:]",
        "kafka",
        // Values.
        "kafka: {group: pumpwatch}",
        "kafka: {brokers: 'localhost:99999,,ssl://x:1'}",
        "kafka: {brokers: 'localhost:9092,kafka.example.com:9092'}",
        "kafka: {brokers: localhost, group: 'a b'}",
        "kafka: {brokers: localhost, properties: {enable.auto.commit: true, Transactional.Id: x, isolation.level: y}}",
        "kafka: {brokers: localhost, properties: {security.protocol: tls}}",
        "kafka: {brokers: localhost, properties: {sasl.password: {file: missing.txt}}}",
        "topics: {alerts: sms.pumping.blocklist.v1, audit: 'a b', stats: .}",
        "inputs: []",
        "inputs: [{topic: pumpwatch.events.v1}, {topic: a}, {topic: a}]",
        "inputs: [{topic: a, format: twilio_event_stream}, {topic: b, format: vonage_sms}, {topic: c, format: xml}]",
        "inputs: [{topic: a, tenant: '', app: '*'}]",
        "detection: {false_alarms_per_million: 0}",
        "detection: {false_alarms_per_million: 1001}",
        "detection: {lateness: 500ms}",
        "detection: {tenants: {acme: {monthly_budget: {amount: 0, currency: USD}}}}",
        "detection: {tenants: {acme: {monthly_budget: {amount: 5, currency: EUR}}}}",
        "money: {currency: dollars, rates: {EUR: -1, X: 2, USD: 1}}",
        "limits: [{name: a}]",
        "limits: [{name: a, time_window: 1m, per: number}]",
        "limits: [{name: a, sms_frequency_threshold: 5, per: number}]",
        "limits: [{name: a, time_window: 25h, sms_frequency_threshold: 0}]",
        "limits: [{name: a, time_window: 1m, sms_frequency_threshold: 5, per: ip, action: block}]",
        "limits: [{name: a, destination_country_code_filter: {allow: [UK, USA]}}, {name: a, destination_country_code_filter: {deny: []}}]",
        "limits: [{name: a, destination_country_code_filter: {allow: [US], deny: [us]}}]",
        "limits: [{name: 'a b', time_window: 1m, user_agent_anomaly_threshold: 80, ip_geo_variance_score: 0, per: asn}]",
        "limits: [{name: a, time_window: 1m, user_agent_anomaly_threshold: 1, ip_geo_variance_score: 1.0, per: country}]",
        "privacy: {key: {file: missing.key}}",
        "state: {max_bytes: 1MiB, dir: ''}",
        "http: {listen: 0.0.0.0:8080}",
        "http: {listen: example.com}",
        "http: {tokens: {file: missing.txt}}",
    ];
    let mut page = String::new();
    for case in cases {
        writeln!(page, "# {case}\n{}\n", refusal(case)).unwrap();
    }
    insta::assert_snapshot!(page);
}

#[test]
fn broken_yaml_is_placed() {
    let mut page = String::new();
    for yaml in [
        "kafka:\n  brokers: [localhost\n",
        "kafka:\n\tbrokers: localhost\n",
        "kafka:\n  brokers: a\n  brokers: b\n",
        "kafka: {brokers: localhost\nhttp: {}\n",
        "kafka: *unknown\n",
        "\u{0}\u{1}\u{2}",
        "kafka: {brokers: \"localhost}\n",
    ] {
        writeln!(page, "# {yaml:?}\n{}\n", parse(yaml).unwrap_err()).unwrap();
    }
    insta::assert_snapshot!(page);
}

#[test]
fn files_that_cannot_be_read_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let load = |path: &Path| {
        Config::load(Some(path), &[], Brokers::Required)
            .unwrap_err()
            .to_string()
            .replace(&dir.path().display().to_string(), "DIR")
    };
    let binary = dir.path().join("binary.yaml");
    std::fs::write(&binary, [0xff, 0xfe, 0x00]).unwrap();
    let huge = dir.path().join("huge.yaml");
    std::fs::write(&huge, vec![b'#'; 2 << 20]).unwrap();
    let empty = dir.path().join("empty.yaml");
    std::fs::write(&empty, "").unwrap();
    insta::assert_snapshot!(
        [
            load(&dir.path().join("missing.yaml")),
            load(dir.path()),
            load(&binary),
            load(&huge),
            load(&empty),
        ]
        .join("\n")
    );
}

#[test]
fn encryption_or_consent_opens_the_way_to_other_machines() {
    for yaml in [
        "kafka: {brokers: 'kafka:9092', allow_plaintext: true}",
        "kafka: {brokers: 'kafka:9092', properties: {security.protocol: SSL}}",
        "kafka: {brokers: 'kafka:9092', properties: {security.protocol: sasl_ssl}}",
        "kafka: {brokers: '[::1]:9092,127.0.0.2:9092'}",
    ] {
        assert!(parse(yaml).is_ok(), "{yaml}");
    }
    let sasl_plain = "kafka: {brokers: 'kafka:9092', properties: {security.protocol: sasl_plaintext}}";
    assert!(parse(sasl_plain).is_err());
}

#[test]
fn no_secret_is_ever_shown() {
    const PASSWORD: &str = "hunter2-broker-password";
    const KEY: &str = "hunter2-privacy-key-000";
    const TOKEN: &str = "hunter2-http-token-0001";
    const INLINE: &str = "hunter2-inline-password";
    let dir = tempfile::tempdir().unwrap();
    let password = write(dir.path(), "password", &format!("{PASSWORD}\n"));
    let key = write(dir.path(), "key", KEY);
    let tokens = write(dir.path(), "tokens", &format!("# console\n{TOKEN}\n\n"));
    let yaml = format!(
        "kafka: {{brokers: localhost, properties: {{sasl.password: {{file: {password}}}, ssl.key.password: {INLINE}}}}}\n\
         privacy: {{key: {{file: {key}}}}}\nhttp: {{listen: '0.0.0.0:8080', tokens: {{file: {tokens}}}}}\n"
    );
    let config = parse(&yaml).unwrap();
    assert_eq!(config.kafka.properties["sasl.password"].expose(), PASSWORD);
    assert_eq!(config.privacy.key.as_ref().unwrap().expose(), KEY.as_bytes());
    assert_eq!(config.http.tokens.len(), 1);
    assert_eq!(config.http.tokens[0].expose(), TOKEN.as_bytes());
    for shown in [
        format!("{config:?}"),
        format!("{config:#?}"),
        config.redacted().to_string(),
    ] {
        assert!(!shown.contains("hunter2"), "{shown}");
        assert!(shown.contains("redacted"));
    }
    // Nor in what is said of a mistake beside it.
    for wrong in [
        "privacy: {key: hunter2-privacy-key-000}",
        "privacy: {key: 1234567890123456}",
        "http: {tokens: [hunter2-http-token-0001]}",
        "kafka: {brokers: localhost, properties: {sasl.password: hunter2, sasl.password: again}}",
        "kafka: {brokers: localhost, properties: {sasl.password: 'hunter2}}",
    ] {
        let said = refusal(wrong);
        assert!(!said.contains("hunter2") && !said.contains("1234567890"), "{said}");
    }
}

#[test]
fn weak_secrets_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let short = write(dir.path(), "short", "abc\n");
    let empty = write(dir.path(), "empty", "\n");
    let comments = write(dir.path(), "comments", "# nothing here\n");
    let page = [
        refusal(&format!("privacy: {{key: {{file: {short}}}}}")),
        refusal(&format!("privacy: {{key: {{file: {empty}}}}}")),
        refusal(&format!("http: {{tokens: {{file: {short}}}}}")),
        refusal(&format!("http: {{tokens: {{file: {comments}}}}}")),
    ]
    .join("\n")
    .replace(&dir.path().display().to_string(), "DIR");
    insta::assert_snapshot!(page);
}

#[test]
fn the_schema_accepts_the_example_and_refuses_a_typing_error() {
    let validator = jsonschema::validator_for(&schema()).unwrap();
    let options = serde_saphyr::options! { strict_booleans: true };
    let example: serde_json::Value = serde_saphyr::from_str_with_options(FULL, options).unwrap();
    let errors: Vec<_> = validator.iter_errors(&example).map(|e| e.to_string()).collect();
    assert!(errors.is_empty(), "{errors:?}");
    for wrong in [
        r#"{"kafak": {}}"#,
        r#"{"kafka": {"brokers": "a", "brokrs": "b"}}"#,
        r#"{"detection": {"false_alarms_per_million": 0}}"#,
        r#"{"detection": {"lateness": "soon"}}"#,
        r#"{"privacy": {"key": "text"}}"#,
        r#"{"privacy": {"key": {"file": "a", "more": 1}}}"#,
        r#"{"limits": [{"per": "number"}]}"#,
    ] {
        assert!(!validator.is_valid(&serde_json::from_str(wrong).unwrap()), "{wrong}");
    }
}
