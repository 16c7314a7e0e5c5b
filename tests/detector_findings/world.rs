//! Four days of honest people in three countries, and what a test lays over them.

use pumpwatch::detector::{Effect, Policy, Tuning};
use pumpwatch::lab::fold::Fold;
use pumpwatch::model::{
    BlockChange, Client, Currency, DAY, Destination, E164, Event, EventBody, Feedback, Finding, FindingKind, Micros,
    Millis, Mode, Money, Outcome, Prefix, Region, SECOND, Send, Verification,
};

/// When the attack of most tests begins.
pub(crate) const ATTACK: Millis = Millis(5 * DAY / 2);
/// What a message costs here: 0.20 USD.
pub(crate) const PRICE: Micros = Micros(200_000);

/// Numbers that look random and are the same at every run.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % bound
    }
}

/// One message and the client that asked for it.
#[derive(Clone)]
pub(crate) struct Asked {
    pub(crate) number: u64,
    pub(crate) app: &'static str,
    pub(crate) country: &'static str,
    pub(crate) asn: u32,
    pub(crate) network: u32,
    pub(crate) device: u64,
}

pub(crate) fn send(asked: &Asked) -> EventBody {
    let ip = std::net::Ipv4Addr::from((asked.network << 8) | 7);
    EventBody::Send(Send {
        price: Some(Money {
            micros: PRICE,
            currency: Currency::USD,
        }),
        client: Client {
            ip: Some(ip.into()),
            asn: Some(asked.asn),
            country: Region::parse(asked.country),
            device: Some(format!("d{}", asked.device).into()),
            ..Client::default()
        },
        ..Send::default()
    })
}

/// Events by their time, and the commands of people among them.
pub(crate) struct World {
    events: Vec<(Millis, u64, What)>,
    pub(crate) dice: Dice,
}

enum What {
    Event(Box<Event>),
    Feedback(Feedback),
}

impl What {
    fn is_verification(&self) -> bool {
        matches!(self, Self::Event(event) if matches!(event.body, EventBody::Verification(_)))
    }
}

impl World {
    /// Honest people from the beginning until `days` are over.
    pub(crate) fn honest(days: i64) -> Self {
        let mut world = Self {
            events: Vec::new(),
            dice: Dice::new(7),
        };
        let homes = [
            ("US", 12_120_000_000_u64),
            ("GB", 447_400_000_000),
            ("DE", 4_915_100_000_000),
        ];
        let mut at = Millis(0);
        while at < Millis(days * DAY) {
            at = at + (1 + world.dice.below(100) as i64) * SECOND;
            let home = world.dice.below(3) as usize;
            let (country, base) = homes[home];
            let tail = if home == 0 {
                2_000_000 + world.dice.below(7_999_999)
            } else {
                world.dice.below(99_999_999)
            };
            let asked = Asked {
                number: base + tail,
                app: "otp",
                country,
                asn: 7_000 + 10 * home as u32 + world.dice.below(3) as u32,
                network: 0x50_0000 + world.dice.below(60_000) as u32,
                device: 1_000_000 + world.dice.below(1 << 40),
            };
            world.ask(at, &asked);
            if world.dice.below(10) < 7 {
                let after = (8 + world.dice.below(40) as i64) * SECOND;
                world.approve(at + after, &asked);
            }
        }
        world
    }

    /// `count` attempts at `prefix` with `open` further digits, one every `gap` seconds.
    pub(crate) fn attack(&mut self, from: Millis, count: usize, prefix: u64, open: u32, gap: i64) -> Millis {
        let mut at = from;
        for _ in 0..count {
            at = at + gap * SECOND + self.dice.below(500) as i64;
            let number = prefix * 10_u64.pow(open) + self.dice.below(10_u64.pow(open));
            let asked = self.robot(number);
            self.ask(at, &asked);
        }
        at
    }

    /// The same from others' networks and devices.
    pub(crate) fn strangers(&mut self, from: Millis, count: usize, prefix: u64, open: u32, app: &'static str) {
        let mut at = from;
        for _ in 0..count {
            at = at + 3 * SECOND + self.dice.below(500) as i64;
            let number = prefix * 10_u64.pow(open) + self.dice.below(10_u64.pow(open));
            let asked = Asked {
                app,
                country: "NG",
                asn: 50_000 + self.dice.below(40) as u32,
                network: 0x66_0000 + self.dice.below(60_000) as u32,
                device: (1 << 41) + self.dice.below(1 << 40),
                ..self.robot(number)
            };
            self.ask(at, &asked);
        }
    }

    /// Somebody at home in a country, on one of three operators' networks and on a
    /// device that nobody else has.
    pub(crate) fn local(&mut self, number: u64, country: &'static str, asn: u32, network: u32) -> Asked {
        Asked {
            number,
            app: "otp",
            country,
            asn: asn + self.dice.below(3) as u32,
            network: network + self.dice.below(60_000) as u32,
            device: (1 << 42) + self.dice.below(1 << 40),
        }
    }

    /// A client of the campaign.
    pub(crate) fn robot(&mut self, number: u64) -> Asked {
        Asked {
            number,
            app: "otp",
            country: "RU",
            asn: 60_000 + self.dice.below(40) as u32,
            network: 0x2d_0000 + self.dice.below(60_000) as u32,
            device: self.dice.below(1 << 40),
        }
    }

    pub(crate) fn ask(&mut self, at: Millis, asked: &Asked) {
        self.put(at, asked.number, asked.app, send(asked));
    }

    pub(crate) fn approve(&mut self, at: Millis, asked: &Asked) {
        let approved = EventBody::Verification(Verification {
            session: None,
            message_id: None,
            outcome: Outcome::Approved,
        });
        self.put(at, asked.number, asked.app, approved);
    }

    pub(crate) fn put(&mut self, at: Millis, number: u64, app: &str, body: EventBody) {
        let order = self.events.len() as u64;
        let event = Event {
            id: format!("E{order}").into(),
            time: at,
            tenant: "acme".into(),
            app: app.into(),
            to: Destination::Number(E164::from_digits(number).unwrap()),
            body,
        };
        self.events.push((at, order, What::Event(Box::new(event))));
    }

    /// Leaves out all that anybody verified so far.
    pub(crate) fn drop_verifications(&mut self) {
        self.events.retain(|(.., what)| !what.is_verification());
    }

    /// Verifications of `from..until` come when that is over.
    pub(crate) fn delay_verifications(&mut self, from: Millis, until: Millis) {
        for (at, _, what) in &mut self.events {
            if what.is_verification() && (from..until).contains(at) {
                *at = until;
            }
        }
    }

    /// A safe-list entry for all apps, until it is taken off.
    pub(crate) fn safelist(&mut self, at: Millis, prefix: &str) {
        let order = self.events.len() as u64;
        let command = Feedback::Safelist {
            id: format!("F{order}").into(),
            time: at,
            tenant: "acme".into(),
            app: "*".into(),
            prefix: Prefix::parse(prefix).unwrap(),
            put: true,
            expires_at: None,
            by: "ana".into(),
            reason: "ours".into(),
        };
        self.events.push((at, order, What::Feedback(command)));
    }

    /// A verdict that a finding is false.
    pub(crate) fn not_an_attack(&mut self, at: Millis, finding: &Finding) {
        let order = self.events.len() as u64;
        let verdict = Feedback::Verdict {
            id: format!("F{order}").into(),
            time: at,
            finding_uid: finding.uid.to_string().into(),
            true_positive: false,
            by: "ana".into(),
        };
        self.events.push((at, order, What::Feedback(verdict)));
    }

    /// Everything that the detector says of it, under the shipped policy.
    pub(crate) fn told(&mut self) -> Told {
        self.folded(&enforcing(), Tuning::default()).1
    }

    pub(crate) fn folded(&mut self, policy: &Policy, tuning: Tuning) -> (Fold, Told) {
        self.events.sort_by_key(|(at, order, _)| (*at, *order));
        let mut effects = Vec::new();
        let mut fold = Fold::new(policy, tuning, None, &mut effects);
        for (at, _, what) in &self.events {
            match what {
                What::Event(event) => fold.usable([(**event).clone()], *at, &mut effects),
                What::Feedback(command) => fold.feedback(command.clone(), *at, &mut effects),
            }
        }
        (fold, Told(effects))
    }
}

pub(crate) fn enforcing() -> Policy {
    Policy {
        mode: Mode::Enforce,
        ..Policy::default()
    }
}

/// What the detector said.
pub(crate) struct Told(pub(crate) Vec<Effect>);

impl Told {
    /// The records about attacks, in order.
    pub(crate) fn attacks(&self) -> Vec<&Finding> {
        let findings = self.0.iter().filter_map(|effect| match effect {
            Effect::Finding(finding) if finding.kind == FindingKind::SmsPumping => Some(&**finding),
            _ => None,
        });
        findings.collect()
    }

    /// The changes of the blocklist, in order.
    pub(crate) fn blocks(&self) -> Vec<(Millis, &BlockChange)> {
        let changes = self.0.iter().filter_map(|effect| match effect {
            Effect::Block(at, change) => Some((*at, change)),
            _ => None,
        });
        changes.collect()
    }

    /// Every prefix that was ever blocked.
    pub(crate) fn blocked(&self) -> Vec<String> {
        let mut blocked: Vec<String> = Vec::new();
        for (_, change) in self.blocks() {
            if let BlockChange::Put(block) = change {
                let prefix = block.key.prefix.unwrap().to_string();
                if !blocked.contains(&prefix) {
                    blocked.push(prefix);
                }
            }
        }
        blocked
    }
}
