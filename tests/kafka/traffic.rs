//! Small, deterministic traffic: honest people in nine countries, and one pumping
//! campaign on one range. Every event's fate is known when it is written.

use std::collections::BTreeSet;

use serde_json::{Value, json};

/// 2026-03-02T00:00:00Z, a Monday: record times of the traffic begin here.
pub const BEGIN_MS: i64 = 1_772_409_600_000;

/// The range that the campaign pumps: no honest number begins with it.
pub const CAMPAIGN_RANGE: &str = "+99890123";
pub const CAMPAIGN_TENANT: &str = "acme";
pub const CAMPAIGN_APP: &str = "signup-otp";

const HONEST_SENDS_PER_SECOND: f64 = 2.5;
const CAMPAIGN_SECONDS: i64 = 900;

/// What must become of records and events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Accounts {
    pub usable: u64,
    pub dead_lettered: u64,
    pub counted: u64,
    pub duplicate: u64,
    pub late: u64,
    pub quarantined: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Counted,
    Duplicate,
    Late,
    Quarantined,
    DeadLettered,
}

struct Line {
    ingest_ms: i64,
    fate: Fate,
    event: Value,
}

/// A recording.
pub struct Traffic {
    /// NDJSON in the order of arrival.
    pub lines: Vec<String>,
    pub expected: Accounts,
    /// Event times of the campaign's sends, ascending.
    pub campaign_times_ms: Vec<i64>,
    pub campaign_numbers: BTreeSet<String>,
    /// Numbers of honest sends of [`CAMPAIGN_TENANT`], once for each send.
    pub honest_numbers: Vec<String>,
}

/// Code, share of the traffic, conversion, price of a message, shape of a mobile
/// number (`#`: any digit).
const COUNTRIES: [(&str, u64, f64, f64, &[&str]); 9] = [
    (
        "US",
        28,
        0.78,
        0.0079,
        &["+1212###", "+1310###", "+1415###", "+1713###"],
    ),
    ("GB", 16, 0.74, 0.04, &["+447712", "+447400", "+447890", "+447525"]),
    ("DE", 13, 0.72, 0.075, &["+491601", "+491701", "+491731", "+491761"]),
    ("IN", 14, 0.62, 0.006, &["+919876", "+919810", "+917012", "+918800"]),
    ("FR", 9, 0.71, 0.05, &["+33612", "+33678", "+33622"]),
    ("BR", 8, 0.66, 0.02, &["+55119", "+55219"]),
    ("ES", 5, 0.70, 0.06, &["+34612", "+34655"]),
    ("IT", 4, 0.70, 0.06, &["+39333", "+39347"]),
    ("UZ", 3, 0.61, 0.2041, &["+99893", "+99891", "+99897"]),
];

const USER_AGENTS: [&str; 3] = [
    "Mozilla/5.0 (iPhone)",
    "Mozilla/5.0 (Linux; Android 15)",
    "Mozilla/5.0 (Windows NT 10.0)",
];

/// Digits of a full number, calling code included.
fn number_digits(country: &str) -> usize {
    match country {
        "US" | "FR" | "ES" => 11,
        "BR" => 13,
        _ => 12,
    }
}

/// SplitMix64 (Steele, Lea and Flood): the same numbers on every machine.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn chance(&mut self, probability: f64) -> bool {
        (self.next() >> 11) as f64 / ((1_u64 << 53) as f64) < probability
    }

    /// Seconds from a send to its verification: 68 % within 30 s, 91 % within 60 s.
    fn latency_ms(&mut self) -> i64 {
        let (from, to) = match self.below(100) {
            0..=67 => (6_000, 30_000),
            68..=90 => (30_000, 60_000),
            _ => (60_000, 540_000),
        };
        (from + self.below(to - from)) as i64
    }
}

struct User {
    number: String,
    tenant: &'static str,
    app: &'static str,
    conversion: f64,
    price: f64,
    client: Value,
}

/// Always the same user for the same index.
fn user(index: u64) -> User {
    let mut random = Random(index ^ 0x00c0_ffee);
    let mut at = random.below(100);
    let (country, _, conversion, price, shapes) = COUNTRIES
        .iter()
        .find(|(_, share, ..)| {
            let here = at < *share;
            at = at.wrapping_sub(*share);
            here
        })
        .expect("shares add up to 100");
    let shape = shapes[random.below(shapes.len() as u64) as usize];
    let mut number: String = shape
        .chars()
        // The exchange of a US number begins with 2 to 9.
        .map(|c| {
            if c == '#' {
                char::from(b'2' + random.below(8) as u8)
            } else {
                c
            }
        })
        .collect();
    while number.len() - 1 < number_digits(country) {
        number.push(char::from(b'0' + random.below(10) as u8));
    }
    let tenant = ["acme", "acme", "bank", "shop", "ride", "food"][random.below(6) as usize];
    let app = ["signup-otp", "login-otp"][random.below(2) as usize];
    let client = json!({
        "ip": format!("198.{}.{}.{}", 18 + random.below(2), random.below(256), random.below(256)),
        "asn": 64_496 + random.below(16),
        "country": country,
        "device": format!("d-{index:x}"),
        "user_agent": USER_AGENTS[random.below(3) as usize],
    });
    User {
        number,
        tenant,
        app,
        conversion: *conversion,
        price: *price,
        client,
    }
}

impl Traffic {
    /// `events` records in all; from 5,000 on there is room for the campaign.
    pub fn generate(seed: u64, events: usize) -> Self {
        assert!(events >= 5_000, "too short for a campaign: {events} events");
        let mut random = Random(seed);
        // Each honest attempt is about two records; more are made than are kept.
        let seconds = events as f64 / 1.9 / HONEST_SENDS_PER_SECOND;
        let mut lines = Vec::new();
        honest(&mut random, (seconds * 1.3 * 1000.0) as i64, &mut lines);
        let campaign_begin = BEGIN_MS + (seconds * 0.6 * 1000.0) as i64;
        campaign(&mut random, campaign_begin, events, &mut lines);
        odd_ones(&mut random, &mut lines);
        lines.sort_by_key(|line| line.ingest_ms);
        lines.truncate(events);
        Self::from_lines(&lines)
    }

    fn from_lines(lines: &[Line]) -> Self {
        let mut expected = Accounts::default();
        let mut campaign_times_ms = Vec::new();
        let mut campaign_numbers = BTreeSet::new();
        let mut honest_numbers = Vec::new();
        for line in lines {
            match line.fate {
                Fate::Counted => expected.counted += 1,
                Fate::Duplicate => expected.duplicate += 1,
                Fate::Late => expected.late += 1,
                Fate::Quarantined => expected.quarantined += 1,
                Fate::DeadLettered => expected.dead_lettered += 1,
            }
            let is_send = line.fate == Fate::Counted && line.event["type"] == "sms.send";
            if is_send && line.event["tenant"] == CAMPAIGN_TENANT {
                let to = line.event["to"].as_str().expect("a number").to_owned();
                if to.starts_with(CAMPAIGN_RANGE) {
                    campaign_times_ms.push(line.ingest_ms);
                    campaign_numbers.insert(to);
                } else {
                    honest_numbers.push(to);
                }
            }
        }
        expected.usable = lines.len() as u64 - expected.dead_lettered;
        Self {
            lines: lines.iter().map(|line| line.event.to_string()).collect(),
            expected,
            campaign_times_ms,
            campaign_numbers,
            honest_numbers,
        }
    }
}

/// RFC 3339 in UTC.
pub fn rfc3339(ms: i64) -> String {
    pumpwatch::model::Millis(ms).to_string()
}

fn push(lines: &mut Vec<Line>, ingest_ms: i64, fate: Fate, mut event: Value) {
    event["ingest_time"] = json!(rfc3339(ingest_ms));
    if event.get("time").is_none() {
        event["time"] = event["ingest_time"].clone();
    }
    lines.push(Line { ingest_ms, fate, event });
}

fn send(id: &str, user: &User, session: &str) -> Value {
    json!({
        "type": "sms.send", "id": id, "to": user.number, "tenant": user.tenant, "app": user.app,
        "session": session, "message_id": id, "sender": "ACME", "channel": "sms", "segments": 1,
        "price": {"amount": user.price, "currency": "USD"}, "client": user.client,
        "provider": "twilio", "status": "sent",
    })
}

fn honest(random: &mut Random, span_ms: i64, lines: &mut Vec<Line>) {
    let mut at = BEGIN_MS;
    let mean_gap_ms = 1000.0 / HONEST_SENDS_PER_SECOND;
    for n in 0_u64.. {
        at += random.below((2.0 * mean_gap_ms) as u64) as i64 + 1;
        if at > BEGIN_MS + span_ms {
            return;
        }
        let user = user(random.below(40_000));
        let session = format!("VE{n:07x}");
        push(lines, at, Fate::Counted, send(&format!("SM{n:07x}"), &user, &session));
        if random.chance(0.05) {
            let again = at + 40_000;
            push(
                lines,
                again,
                Fate::Counted,
                send(&format!("SM{n:07x}r"), &user, &session),
            );
        }
        let verification = |id: String, outcome: &str| {
            json!({"type": "sms.verification", "id": id, "to": user.number, "tenant": user.tenant,
                   "app": user.app, "session": session, "outcome": outcome})
        };
        if random.chance(user.conversion) {
            let done = at + random.latency_ms();
            if random.chance(0.04) {
                push(
                    lines,
                    done - 4_000,
                    Fate::Counted,
                    verification(format!("VF{n:07x}"), "failed"),
                );
            }
            push(
                lines,
                done,
                Fate::Counted,
                verification(format!("VC{n:07x}"), "approved"),
            );
        }
        if random.chance(0.2) {
            let received = at + 2_000 + random.below(4_000) as i64;
            let delivery = json!({
                "type": "sms.delivery", "id": format!("DL{n:07x}"), "message_id": format!("SM{n:07x}"),
                "to": user.number, "tenant": user.tenant, "app": user.app, "status": "delivered", "error_code": "",
            });
            push(lines, received, Fate::Counted, delivery);
        }
    }
}

/// Bots behind many networks ask for codes to numbers of one range; nobody answers.
fn campaign(random: &mut Random, begin_ms: i64, events: usize, lines: &mut Vec<Line>) {
    let sends = (events / 400).clamp(150, 600) as i64;
    for n in 0..sends {
        let at = begin_ms + n * CAMPAIGN_SECONDS * 1000 / sends + random.below(900) as i64;
        let bot = User {
            number: format!("{CAMPAIGN_RANGE}{:04}", random.below(10_000)),
            tenant: CAMPAIGN_TENANT,
            app: CAMPAIGN_APP,
            conversion: 0.0,
            price: 0.2041,
            client: json!({
                "ip": format!("100.{}.{}.{}", 64 + random.below(64), random.below(256), random.below(256)),
                "asn": 65_536 + random.below(12), "country": "US",
                "device": format!("b-{:x}", random.next()), "user_agent": "Mozilla/5.0 (X11; Linux x86_64)",
            }),
        };
        push(
            lines,
            at,
            Fate::Counted,
            send(&format!("SMbot{n:05}"), &bot, &format!("VEbot{n:05}")),
        );
    }
}

/// A few records of every fate, so that the accounts have something to say.
fn odd_ones(random: &mut Random, lines: &mut Vec<Line>) {
    const HOUR_MS: i64 = 3_600_000;
    let ordinary = lines.len();
    for n in 0..ordinary / 500 {
        let at = random.below(ordinary as u64) as usize;
        let (ingest_ms, event) = (lines[at].ingest_ms, lines[at].event.clone());
        // The same event once more, a little later.
        push(lines, ingest_ms + 1_500, Fate::Duplicate, event);

        let user = user(random.below(40_000));
        let fresh = |what: &str| send(&format!("SM{what}{n:05}"), &user, &format!("VE{what}{n:05}"));
        let mut late = fresh("late");
        late["time"] = json!(rfc3339(ingest_ms - 2 * HOUR_MS));
        push(lines, ingest_ms, Fate::Late, late);

        let mut early = fresh("early");
        early["time"] = json!(rfc3339(ingest_ms + 10 * 60_000));
        push(lines, ingest_ms, Fate::Quarantined, early);

        let mut unusable = fresh("bad");
        match n % 3 {
            0 => unusable["to"] = json!("+44770090O123"),
            1 => unusable["to"] = Value::Null,
            _ => unusable["time"] = json!("yesterday"),
        }
        push(lines, ingest_ms, Fate::DeadLettered, unusable);
    }
}
