//! From raw to valid: each value, and what they mean together.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use compact_str::CompactString;

use crate::detector::Policy;
use crate::detector::policy::TenantPolicy;
use crate::model::{Currency, DAY, Micros, Mode, Money, SECOND, topics};

use super::env::Origins;
use super::raw::{
    RawConfig, RawDeadLetterValue, RawDetection, RawHttp, RawInput, RawLimit, RawMode, RawMoney, RawMoneyAmount,
    RawPrivacy, RawStart, RawState, RawTenant, RawTopics,
};
use super::scalars::FileRef;
use super::secret::{Secret, read_secret};
use super::units::{Size, Span};
use super::{
    Brokers, Config, ConfigError, DeadLetters, Http, InputTopic, Privacy, STATE_PARTITIONS, Start, StateStore, Topics,
    format, kafka, limits,
};

/// Kafka's own bound on the length of a topic's name.
const TOPIC_LEN_MAX: usize = 249;
/// Bound on the names of tenants and apps, in bytes.
const NAME_LEN_MAX: usize = 128;
const KEY_BYTES_MIN: usize = 16;
const TOKEN_LEN_MIN: usize = 16;
const FALSE_ALARMS_MAX: f64 = 1_000.0;
const STATE_BYTES: std::ops::RangeInclusive<u64> = (16 << 20)..=(1 << 40);
const INPUTS_DEFAULT: [&str; 3] = [topics::SEND, topics::VERIFICATION, topics::DELIVERY];

/// Everything that is wrong, in the order in which it was found.
#[derive(Debug, Default)]
pub(super) struct Problems(Vec<(String, String)>);

impl Problems {
    /// What the key at `path` is or lacks: a predicate, as in "is empty".
    pub(super) fn add(&mut self, path: &str, predicate: impl AsRef<str>) {
        let sentence = format!("`{path}` {}", predicate.as_ref());
        self.0.push((path.to_owned(), sentence));
    }

    /// A clause with a subject of its own about the key at `path`.
    pub(super) fn note(&mut self, path: &str, clause: impl AsRef<str>) {
        let sentence = format!("`{path}`: {}", clause.as_ref());
        self.0.push((path.to_owned(), sentence));
    }
}

/// Names the environment variable that set the value, so that nobody searches the file for it.
pub(super) fn with_origin(origins: &Origins, path: &str, sentence: String) -> String {
    let origin = origins.iter().find(|(set, _)| {
        path.strip_prefix(set.as_str())
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    });
    match origin {
        Some((_, variable)) => format!("{sentence} (it was set by {variable})"),
        None => sentence,
    }
}

pub(super) fn validate(raw: RawConfig, origins: &Origins, need: Brokers) -> Result<Config, ConfigError> {
    let mut problems = Problems::default();
    let kafka = kafka::validate(raw.kafka, need, &mut problems);
    let topics = validate_topics(raw.topics, &mut problems);
    let inputs = validate_inputs(raw.inputs, &topics, &mut problems);
    let state = validate_state(raw.state, &mut problems);
    let policy = validate_policy(&raw.detection, &raw.money, raw.limits, &state, &mut problems);
    let privacy = validate_privacy(&raw.privacy, &mut problems);
    let http = validate_http(&raw.http, &mut problems);
    let dead_letters = match raw.dead_letters.value {
        RawDeadLetterValue::Original => DeadLetters::Original,
        RawDeadLetterValue::Withheld => DeadLetters::Withheld,
    };
    if problems.0.is_empty() {
        return Ok(Config {
            kafka,
            topics,
            inputs,
            policy,
            privacy,
            dead_letters,
            state,
            http,
        });
    }
    let sentences = problems
        .0
        .into_iter()
        .map(|(path, sentence)| with_origin(origins, &path, sentence))
        .collect();
    Err(ConfigError::Invalid(sentences))
}

fn check_topic(path: &str, name: &str, problems: &mut Problems) {
    if !kafka::is_kafka_name(name, TOPIC_LEN_MAX) {
        problems.add(
            path,
            format!(
                "is `{name}`, which is not a topic name; use up to {TOPIC_LEN_MAX} letters, digits, dots, hyphens and underscores"
            ),
        );
    }
}

fn validate_topics(raw: RawTopics, problems: &mut Problems) -> Topics {
    let topics = Topics {
        events: raw.events,
        snapshots: raw.snapshots,
        alerts: raw.alerts,
        blocklist: raw.blocklist,
        stats: raw.stats,
        dead_letters: raw.dead_letters,
        audit: raw.audit,
        feedback: raw.feedback,
    };
    let mut taken: BTreeMap<&str, &str> = BTreeMap::new();
    for (key, name) in topics.named() {
        check_topic(&format!("topics.{key}"), name, problems);
        if let Some(other) = taken.insert(name, key) {
            problems.add(
                &format!("topics.{key}"),
                format!("is `{name}`, as is `topics.{other}`; give each its own topic"),
            );
        }
    }
    topics
}

fn validate_inputs(raw: Option<Vec<RawInput>>, topics: &Topics, problems: &mut Problems) -> Vec<InputTopic> {
    let Some(raw) = raw else {
        return INPUTS_DEFAULT.map(canonical_input).into();
    };
    if raw.is_empty() {
        problems.add(
            "inputs",
            "is empty; name at least one topic, or remove the key to read the canonical topics",
        );
    }
    let mut seen = BTreeSet::new();
    raw.into_iter()
        .enumerate()
        .map(|(index, input)| {
            let at = |key: &str| format!("inputs[{index}].{key}");
            check_topic(&at("topic"), &input.topic, problems);
            if let Some((key, _)) = topics.named().iter().find(|(_, name)| *name == input.topic) {
                problems.add(
                    &at("topic"),
                    format!(
                        "is `{}`, as is `topics.{key}`; an input must be a topic of its own",
                        input.topic
                    ),
                );
            }
            if !seen.insert(input.topic.clone()) {
                problems.add(
                    &at("topic"),
                    format!("is `{}`, which is listed before; keep one of them", input.topic),
                );
            }
            if let Err(reason) = format::check_format(&input.format) {
                problems.note(&at("format"), reason);
            }
            let tenant = input.tenant.map(|name| check_name(&at("tenant"), name, problems));
            let app = input.app.map(|name| check_name(&at("app"), name, problems));
            InputTopic {
                topic: input.topic,
                format: input.format,
                tenant,
                app,
                start: match input.start {
                    RawStart::Earliest => Start::Earliest,
                    RawStart::Latest => Start::Latest,
                },
            }
        })
        .collect()
}

fn canonical_input(topic: &str) -> InputTopic {
    InputTopic {
        topic: topic.into(),
        format: format::DEFAULT_FORMAT.into(),
        tenant: None,
        app: None,
        start: Start::Earliest,
    }
}

fn check_name(path: &str, name: String, problems: &mut Problems) -> CompactString {
    // `*` stands for all names in keys.
    if name.is_empty() || name == "*" || name.len() > NAME_LEN_MAX || name.chars().any(char::is_control) {
        problems.add(
            path,
            format!("is not a name; use 1 to {NAME_LEN_MAX} bytes without control characters, and not `*` alone"),
        );
    }
    name.into()
}

fn validate_policy(
    detection: &RawDetection,
    money: &RawMoney,
    raw_limits: Vec<RawLimit>,
    state: &StateStore,
    problems: &mut Problems,
) -> Policy {
    let alarms = detection.false_alarms_per_million;
    if !(alarms > 0.0 && alarms <= FALSE_ALARMS_MAX) {
        problems.add(
            "detection.false_alarms_per_million",
            format!("is {alarms}, but must be above 0 and at most {FALSE_ALARMS_MAX}"),
        );
    }
    let Span(lateness_ms) = detection.lateness;
    if !(SECOND..=DAY).contains(&lateness_ms) {
        problems.add(
            "detection.lateness",
            format!("is {}, but must be from 1s to 24h", detection.lateness),
        );
    }
    let (currency, rates) = validate_money(money, problems);
    let tenants = detection
        .tenants
        .iter()
        .map(|(name, tenant)| validate_tenant(name, tenant, currency, &rates, problems))
        .collect();
    Policy {
        false_alarms_per_million: alarms,
        mode: mode(detection.mode),
        lateness_ms,
        state_bytes_max: state.max_bytes / STATE_PARTITIONS,
        tenants,
        limits: limits::validate(raw_limits, problems),
        currency,
        rates,
    }
}

fn mode(raw: RawMode) -> Mode {
    match raw {
        RawMode::Shadow => Mode::Shadow,
        RawMode::Enforce => Mode::Enforce,
    }
}

fn parse_currency(path: &str, text: &str, problems: &mut Problems) -> Option<Currency> {
    let currency = Currency::parse(text);
    if currency.is_none() {
        problems.add(
            path,
            format!("is `{text}`, which is not a currency; write its three letters, as in USD"),
        );
    }
    currency
}

fn validate_money(raw: &RawMoney, problems: &mut Problems) -> (Currency, BTreeMap<Currency, f64>) {
    let currency = parse_currency("money.currency", &raw.currency, problems).unwrap_or(Currency::USD);
    let mut rates = BTreeMap::new();
    for (code, &rate) in &raw.rates {
        let path = format!("money.rates.{code}");
        let Some(other) = parse_currency(&path, code, problems) else {
            continue;
        };
        if !(rate.is_finite() && rate > 0.0) {
            problems.add(&path, format!("is {rate}, but must be above 0"));
        }
        if other == currency {
            problems.add(
                &path,
                "is the currency of the reports itself and needs no rate; remove it",
            );
        }
        if rates.insert(other, rate).is_some() {
            problems.add(&path, "is set twice, in different case; remove one of them");
        }
    }
    (currency, rates)
}

fn validate_tenant(
    name: &str,
    raw: &RawTenant,
    currency: Currency,
    rates: &BTreeMap<Currency, f64>,
    problems: &mut Problems,
) -> (CompactString, TenantPolicy) {
    let path = format!("detection.tenants.{name}");
    let monthly_budget = raw
        .monthly_budget
        .as_ref()
        .and_then(|amount| validate_budget(&format!("{path}.monthly_budget"), amount, currency, rates, problems));
    let tenant = TenantPolicy {
        mode: raw.mode.map(mode),
        monthly_budget,
    };
    (check_name(&path, name.to_owned(), problems), tenant)
}

fn validate_budget(
    path: &str,
    raw: &RawMoneyAmount,
    report: Currency,
    rates: &BTreeMap<Currency, f64>,
    problems: &mut Problems,
) -> Option<Money> {
    /// A trillion units still fit the micro-units of [`Micros`].
    const UNITS_MAX: f64 = 1e12;
    let currency = parse_currency(&format!("{path}.currency"), &raw.currency, problems)?;
    if !(raw.amount > 0.0 && raw.amount <= UNITS_MAX) {
        problems.add(
            &format!("{path}.amount"),
            format!("is {}, but must be above 0 and at most {UNITS_MAX}", raw.amount),
        );
        return None;
    }
    if currency != report && !rates.contains_key(&currency) {
        problems.add(
            &format!("{path}.currency"),
            format!(
                "is {currency}, which cannot be compared with {report}, the currency of the reports; add `money.rates.{currency}`"
            ),
        );
    }
    Some(Money {
        micros: Micros((raw.amount * 1e6).round() as i64),
        currency,
    })
}

/// A share that a limit allows: above 0 and below 1, since nothing is more than all.
pub(super) fn share(path: &str, value: f64, problems: &mut Problems) {
    if value == 1.0 {
        problems.add(
            path,
            "is 1, but no share is above that, so the limit would never be broken; write less, as in 0.95",
        );
    } else if !(value > 0.0 && value < 1.0) {
        problems.add(
            path,
            format!("is {value}, but a share must be above 0 and below 1, as in 0.8"),
        );
    }
}

fn secret_at(path: &str, reference: &FileRef, problems: &mut Problems) -> Option<Secret> {
    read_secret(&reference.file)
        .map_err(|error| problems.note(path, error.to_string()))
        .ok()
}

fn validate_privacy(raw: &RawPrivacy, problems: &mut Problems) -> Privacy {
    let key = raw
        .key
        .as_ref()
        .and_then(|reference| secret_at("privacy.key", reference, problems));
    if let Some(key) = &key
        && key.expose().len() < KEY_BYTES_MIN
    {
        problems.add(
            "privacy.key",
            format!(
                "holds {} bytes, but must have at least {KEY_BYTES_MIN} to keep numbers secret; \
                 `openssl rand -hex 32` makes a good one",
                key.expose().len()
            ),
        );
    }
    Privacy {
        key,
        keep_numbers: raw.keep_numbers,
    }
}

fn validate_state(raw: RawState, problems: &mut Problems) -> StateStore {
    let Size(max_bytes) = raw.max_bytes;
    if !STATE_BYTES.contains(&max_bytes) {
        problems.add(
            "state.max_bytes",
            format!("is {}, but must be from 16MiB to 1TiB", raw.max_bytes),
        );
    }
    if raw.dir.as_os_str().is_empty() {
        problems.add("state.dir", "is empty; name a folder, as in ./data");
    }
    StateStore {
        dir: raw.dir,
        max_bytes,
    }
}

fn validate_http(raw: &RawHttp, problems: &mut Problems) -> Http {
    let listen = parse_listen(&raw.listen).unwrap_or_else(|reason| {
        problems.note("http.listen", reason);
        SocketAddr::from(([127, 0, 0, 1], 0))
    });
    let tokens = match &raw.tokens {
        Some(reference) => read_tokens(reference, problems),
        None => Vec::new(),
    };
    if raw.tokens.is_none() && !listen.ip().is_loopback() {
        problems.add(
            "http.listen",
            format!(
                "is {listen}, which can be reached from other machines, so a token must be asked for; \
                 set `http.tokens: {{file: PATH}}`, or listen on 127.0.0.1"
            ),
        );
    }
    Http { listen, tokens }
}

/// An address and port; `localhost` is understood.
///
/// # Errors
/// A sentence without its subject.
pub fn parse_listen(text: &str) -> Result<SocketAddr, String> {
    let numeric = match text.strip_prefix("localhost:") {
        Some(port) => format!("127.0.0.1:{port}"),
        None => text.to_owned(),
    };
    numeric
        .parse()
        .map_err(|_| format!("`{text}` is not an address; write IP:PORT, as in 127.0.0.1:8080"))
}

/// One token a line; empty lines and lines that begin with `#` are left out.
fn read_tokens(reference: &FileRef, problems: &mut Problems) -> Vec<Secret> {
    const PATH: &str = "http.tokens";
    let Some(secret) = secret_at(PATH, reference, problems) else {
        return Vec::new();
    };
    let file = reference.file.display();
    let Some(text) = secret.expose_str() else {
        problems.note(PATH, format!("the file {file} does not hold text"));
        return Vec::new();
    };
    let mut tokens = Vec::new();
    for (number, line) in text.lines().map(str::trim).enumerate() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if line.len() < TOKEN_LEN_MIN || !line.bytes().all(|b| b.is_ascii_graphic()) {
            problems.note(
                PATH,
                format!(
                    "line {} of {file} is not a token; use at least {TOKEN_LEN_MIN} letters, digits and signs, no spaces",
                    number + 1
                ),
            );
        }
        tokens.push(Secret::new(line));
    }
    if tokens.is_empty() {
        problems.note(PATH, format!("the file {file} holds no token; write one a line"));
    }
    tokens
}
