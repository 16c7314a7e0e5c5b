//! From a decoded event to the event of the internal log: its number classified
//! and pseudonymised, its identifiers hashed under a key. Pure, and free of
//! Kafka, so that the replay of a file goes through the very same function.

use std::net::IpAddr;

use compact_str::CompactString;
use smallvec::SmallVec;

use crate::model::log::{Header, NumberRef, RoutedBody, RoutedEvent, RoutedSend, Token};
use crate::model::{Classification, Client, Destination, E164, Event, EventBody, Millis, Prefix};
use crate::number_plan::NumberPlan;

/// Longest tenant or app name in the log, in bytes; more is cut.
pub const NAME_BYTES_MAX: usize = 256;

/// Looks numbers up in the number plan.
pub trait Classify: Send + Sync {
    /// A whole number.
    fn classify(&self, number: E164) -> Classification;
    /// What a masked number shows.
    fn classify_prefix(&self, prefix: Prefix) -> Classification;
}

impl Classify for NumberPlan {
    fn classify(&self, number: E164) -> Classification {
        Self::classify(self, number)
    }

    fn classify_prefix(&self, prefix: Prefix) -> Classification {
        Self::classify_prefix(self, prefix)
    }
}

/// Where an event came from and when it arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Index into the feeds of the batch.
    pub feed: u16,
    /// Offset of the source record, or the line of a file.
    pub offset: i64,
    /// Place within the record, from 0.
    pub index: u32,
    /// Kafka timestamp of the record.
    pub record_time: Millis,
    /// The feed's clock after this record.
    pub arrival: Millis,
}

/// The keyed pseudonymiser. One key a domain, derived from one secret, so that
/// equal texts in different roles never give equal tokens.
#[derive(Clone)]
pub struct Ingest {
    number: [u8; 32],
    masked: [u8; 32],
    id: [u8; 32],
    session: [u8; 32],
    message: [u8; 32],
    ip: [u8; 32],
    device: [u8; 32],
    user_agent: [u8; 32],
    digest: [u8; 32],
    keep_numbers: bool,
}

impl std::fmt::Debug for Ingest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ingest").finish_non_exhaustive()
    }
}

impl Ingest {
    /// Keys derived from `secret`.
    pub fn new(secret: &[u8], keep_numbers: bool) -> Self {
        let key = |domain: &str| blake3::derive_key(&format!("pumpwatch 2026 v1 {domain}"), secret);
        Self {
            number: key("number"),
            masked: key("masked number"),
            id: key("event id"),
            session: key("session"),
            message: key("message id"),
            ip: key("client address"),
            device: key("device"),
            user_agent: key("user agent"),
            digest: key("dead letter digest"),
            keep_numbers,
        }
    }

    /// The keys of a deployment: from the configured secret, or else from the salt
    /// in the log's header, which is no secret.
    pub fn for_log(header: &Header, privacy_key: Option<&[u8]>, keep_numbers: bool) -> Self {
        Self::new(privacy_key.unwrap_or(&header.salt), keep_numbers)
    }

    /// Eight bytes by which two keys can be told apart, and which tell nothing else.
    pub fn fingerprint(&self) -> [u8; 8] {
        let hash = blake3::keyed_hash(&self.digest, b"which key this is");
        hash.as_bytes()[..8].try_into().expect("a hash has 32 bytes")
    }

    /// The event as the detector sees it.
    pub fn route(&self, plan: &dyn Classify, event: Event, origin: Origin) -> RoutedEvent {
        let tenant = event.tenant.as_str();
        let body = match event.body {
            EventBody::Send(send) => {
                let mut routed = RoutedSend {
                    session: self.session(tenant, send.session.as_deref()),
                    message_id: self.message(tenant, send.message_id.as_deref()),
                    segments: send.segments.unwrap_or(1),
                    price: send.price,
                    status: send.status,
                    ..RoutedSend::default()
                };
                self.client(&send.client, &mut routed);
                RoutedBody::Send(routed)
            }
            EventBody::Verification(ref v) => RoutedBody::Verification {
                session: self.session(tenant, v.session.as_deref()),
                message_id: self.message(tenant, v.message_id.as_deref()),
                outcome: v.outcome,
            },
            EventBody::Delivery(ref d) => RoutedBody::Delivery {
                message_id: self.message(tenant, d.message_id.as_deref()),
                session: self.session(tenant, d.session.as_deref()),
                status: d.status,
                price: d.price,
            },
        };
        let type_name = match &body {
            RoutedBody::Send(_) => "sms.send",
            RoutedBody::Verification { .. } => "sms.verification",
            RoutedBody::Delivery { .. } => "sms.delivery",
        };
        RoutedEvent {
            feed: origin.feed,
            offset: origin.offset,
            index: origin.index,
            record_time: origin.record_time,
            arrival: origin.arrival,
            time: event.time,
            id: token(&self.id, &[type_name, tenant, &event.id]),
            number: self.number(plan, tenant, &event.to),
            body,
            tenant: capped(event.tenant),
            app: capped(event.app),
        }
    }

    /// The key under which a withheld dead letter shows the digest of its value.
    pub fn digest_key(&self) -> &[u8; 32] {
        &self.digest
    }

    /// Where a message goes, as the detector sees it.
    pub fn number(&self, plan: &dyn Classify, tenant: &str, to: &Destination) -> Option<NumberRef> {
        match to {
            Destination::Number(number) => Some(NumberRef {
                block: number.block(),
                digits: number.len() as u8,
                token: token_of_bytes(&self.number, &number.digits().to_le_bytes()),
                class: plan.classify(*number),
                full: self.keep_numbers.then_some(*number),
            }),
            // A token means something only to the tenant that gave it.
            Destination::Masked { prefix, token: mask } => Some(NumberRef {
                block: *prefix,
                digits: 0,
                token: token(&self.masked, &[tenant, mask]),
                class: plan.classify_prefix(*prefix),
                full: None,
            }),
            Destination::Unknown => None,
        }
    }

    fn session(&self, tenant: &str, session: Option<&str>) -> Option<Token> {
        session.map(|session| token(&self.session, &[tenant, session]))
    }

    fn message(&self, tenant: &str, message: Option<&str>) -> Option<Token> {
        message.map(|message| token(&self.message, &[tenant, message]))
    }

    fn client(&self, client: &Client, routed: &mut RoutedSend) {
        let ip = client.ip.map(|ip| ip.to_canonical());
        routed.ip = ip.map(|ip| match ip {
            IpAddr::V4(ip) => short(token_of_bytes(&self.ip, &ip.octets())),
            IpAddr::V6(ip) => short(token_of_bytes(&self.ip, &ip.octets())),
        });
        // A /48 of public IPv6 space has its top bits set, a /24 of IPv4 fits 24
        // bits: the two never meet.
        routed.network = ip.map(|ip| match ip {
            IpAddr::V4(ip) => u64::from(u32::from(ip) >> 8),
            IpAddr::V6(ip) => (u128::from(ip) >> 80) as u64,
        });
        routed.asn = client.asn;
        routed.country = client.country;
        routed.device = client.device.as_deref().map(|text| short(token(&self.device, &[text])));
        routed.user_agent = client
            .user_agent
            .as_deref()
            .map(|text| short(token(&self.user_agent, &[text])));
    }
}

fn token(key: &[u8; 32], parts: &[&str]) -> Token {
    let mut bytes: SmallVec<[u8; 256]> = SmallVec::new();
    for part in parts {
        // The length in front keeps ("ab", "c") apart from ("a", "bc").
        bytes.extend_from_slice(&(part.len() as u32).to_le_bytes());
        bytes.extend_from_slice(part.as_bytes());
    }
    token_of_bytes(key, &bytes)
}

fn token_of_bytes(key: &[u8; 32], bytes: &[u8]) -> Token {
    let hash = blake3::keyed_hash(key, bytes);
    let mut first = [0u8; 16];
    first.copy_from_slice(&hash.as_bytes()[..16]);
    Token(u128::from_le_bytes(first))
}

fn short(token: Token) -> u64 {
    token.0 as u64
}

fn capped(mut name: CompactString) -> CompactString {
    if name.len() > NAME_BYTES_MAX {
        let mut end = NAME_BYTES_MAX;
        while !name.is_char_boundary(end) {
            end -= 1;
        }
        name.truncate(end);
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{NumberType, Outcome, Send, Verification};

    struct Plan;

    impl Classify for Plan {
        fn classify(&self, number: E164) -> Classification {
            self.classify_prefix(number.prefix(15))
        }
        fn classify_prefix(&self, prefix: Prefix) -> Classification {
            Classification {
                region: None,
                calling_code: prefix.truncated(3).digits() as u16,
                number_type: NumberType::Unknown,
                valid: true,
                operator: None,
                region_digits: 3,
            }
        }
    }

    fn event(to: Destination, body: EventBody) -> Event {
        Event {
            id: "e1".into(),
            time: Millis(5),
            tenant: "acme".into(),
            app: "otp".into(),
            to,
            body,
        }
    }

    fn origin() -> Origin {
        Origin {
            feed: 0,
            offset: 1,
            index: 0,
            record_time: Millis(6),
            arrival: Millis(7),
        }
    }

    fn send(session: &str, ip: &str) -> EventBody {
        EventBody::Send(Send {
            session: Some(session.into()),
            client: Client {
                ip: Some(ip.parse().unwrap()),
                device: Some("d".into()),
                user_agent: Some("d".into()),
                ..Client::default()
            },
            ..Send::default()
        })
    }

    #[test]
    fn a_send_and_its_verification_meet_on_the_session_token() {
        let ingest = Ingest::new(b"secret", false);
        let number = Destination::Number(E164::parse("+998901234567").unwrap());
        let sent = ingest.route(&Plan, event(number, send("s1", "203.0.113.7")), origin());
        let verified = ingest.route(
            &Plan,
            event(
                Destination::Unknown,
                EventBody::Verification(Verification {
                    session: Some("s1".into()),
                    message_id: None,
                    outcome: Outcome::Approved,
                }),
            ),
            origin(),
        );
        let RoutedBody::Send(routed) = &sent.body else { panic!() };
        let RoutedBody::Verification { session, .. } = &verified.body else {
            panic!()
        };
        assert_eq!(routed.session, *session);
        assert_ne!(sent.id, verified.id, "the same id on another type is another event");
        assert_ne!(routed.device, routed.user_agent, "equal texts in two roles stay apart");
        assert_eq!(routed.network, Some(0x00cb_0071));
        let number = sent.number.unwrap();
        assert_eq!((number.block.to_string().as_str(), number.full), ("+9989012345", None));
    }

    #[test]
    fn another_secret_gives_other_tokens_and_numbers_are_kept_only_on_request() {
        let number = Destination::Number(E164::parse("+998901234567").unwrap());
        let one = Ingest::new(b"one", false).route(&Plan, event(number.clone(), send("s", "::1")), origin());
        let two = Ingest::new(b"two", true).route(&Plan, event(number, send("s", "::1")), origin());
        assert_ne!(one.id, two.id);
        assert_ne!(one.number.as_ref().unwrap().token, two.number.as_ref().unwrap().token);
        assert_eq!(two.number.unwrap().full.unwrap().to_string(), "+998901234567");
    }

    #[test]
    fn a_mapped_address_is_the_address_it_maps_and_long_names_are_cut_at_a_character() {
        let ingest = Ingest::new(b"secret", false);
        let mut long = event(Destination::Unknown, send("s", "::ffff:203.0.113.7"));
        long.tenant = "é".repeat(200).into();
        let a = ingest.route(&Plan, long, origin());
        let b = ingest.route(&Plan, event(Destination::Unknown, send("s", "203.0.113.7")), origin());
        let (RoutedBody::Send(a_send), RoutedBody::Send(b_send)) = (&a.body, &b.body) else {
            panic!()
        };
        assert_eq!((a_send.ip, a_send.network), (b_send.ip, b_send.network));
        assert_eq!(a.tenant.len(), 256);
    }
}
