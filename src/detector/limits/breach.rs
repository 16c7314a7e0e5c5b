//! A broken limit in numbers and words.

use super::window::{Counted, Part};
use super::{Key, Scope};
use crate::detector::policy::Limit;
use crate::detector::trie::Source;
use crate::model::{EvidenceItem, LimitedParty, RecommendedAction, Region};

/// A limit that a send broke.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Breach {
    pub(crate) key: Key,
    pub(crate) broken: Broken,
    /// The sends that it speaks of.
    pub(crate) counted: Counted,
    /// Network of the client that broke it.
    pub(crate) network: Option<u64>,
}

/// What was broken.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Broken {
    /// The number's country is on the deny list.
    Denied,
    /// The number's country is not on the allow list.
    NotAllowed,
    /// More sends than allowed in the window.
    Frequency { allowed: u64 },
    /// One user agent has too large a share.
    UserAgent { part: Part, allowed: f64 },
    /// Too large a share comes from other countries than the numbers'.
    Geography { part: Part, allowed: f64 },
}

impl Breach {
    /// How many sends the breach speaks of.
    pub(crate) fn sends(&self) -> u64 {
        self.counted.sends
    }

    /// What broke the limit, where it counts neither ranges nor countries apart. An
    /// address is told by its network: with it a hash of the rest would hide nothing.
    pub(crate) fn party(&self, sample: &str) -> Option<LimitedParty> {
        match self.key.scope {
            Scope::Number(_) => Some(LimitedParty::Number(sample.to_owned())),
            Scope::Ip(_) => {
                let network = self.network.map(|bits| Source::Network(bits).to_string());
                Some(LimitedParty::Address(
                    network.unwrap_or_else(|| "an unknown network".to_owned()),
                ))
            }
            Scope::Device(hash) => Some(LimitedParty::Device(Source::Device(hash).to_string())),
            Scope::Asn(asn) => Some(LimitedParty::Asn(asn)),
            Scope::Prefix(_) | Scope::Country(_) => None,
        }
    }

    /// What to do about it where no block was asked for.
    pub(crate) fn action(&self) -> RecommendedAction {
        match self.key.scope {
            Scope::Number(_) => RecommendedAction::RateLimit,
            Scope::Ip(_) | Scope::Device(_) | Scope::Asn(_) => RecommendedAction::RequireCaptcha,
            Scope::Prefix(_) | Scope::Country(_) => RecommendedAction::Review,
        }
    }

    /// The sentence: which limit, what was seen, what is allowed. `sample` is the
    /// masked number, `region` the country of the send.
    pub(crate) fn sentence(&self, limit: &Limit, sample: &str, region: Option<Region>) -> String {
        let name = &limit.name;
        let subject = match (self.party(sample), self.key.scope) {
            (Some(party), _) if party.is_client() => format!("from {party}"),
            (Some(party), _) => format!("to {party}"),
            (None, Scope::Prefix(prefix)) => format!("to {prefix}"),
            (None, _) => format!("to {}", country(region)),
        };
        // A filter is about a country, whoever sends there.
        let there = || match self.party(sample) {
            Some(party) if party.is_client() => format!("from {party} to {}", country(region)),
            Some(party) => format!("to {party} in {}", country(region)),
            None => format!("to {}", country(region)),
        };
        let window = span(limit.time_window_ms.unwrap_or_default());
        match self.broken {
            Broken::Denied => format!(
                "Limit {name}: a send {}, 0 are allowed since the country is on its deny list",
                there()
            ),
            Broken::NotAllowed => format!(
                "Limit {name}: a send {}, 0 are allowed since the country is not on its allow list",
                there()
            ),
            Broken::Frequency { allowed } => {
                let count = self.sends();
                format!("Limit {name}: {count} sends {subject} within {window}, {allowed} are allowed")
            }
            Broken::UserAgent { part, allowed } => format!(
                "Limit {name}: {:.1} % of {} sends {subject} within {window} came from one user agent, {:.1} % are allowed",
                100.0 * part.share(),
                part.of.sends,
                100.0 * allowed
            ),
            Broken::Geography { part, allowed } => format!(
                "Limit {name}: {:.1} % of {} sends {subject} within {window} came from another country than the number's, {:.1} % are allowed",
                100.0 * part.share(),
                part.of.sends,
                100.0 * allowed
            ),
        }
    }

    /// The same as evidence; a limit has no likelihood, so it weighs nothing.
    pub(crate) fn evidence(&self, text: &str) -> EvidenceItem {
        let (observed, expected) = match self.broken {
            Broken::Denied | Broken::NotAllowed => (1.0, 0.0),
            Broken::Frequency { allowed } => (self.sends() as f64, allowed as f64),
            Broken::UserAgent { part, allowed } | Broken::Geography { part, allowed } => (part.share(), allowed),
        };
        EvidenceItem {
            family: "limit".into(),
            log_e: 0.0,
            observed,
            expected,
            text: text.to_owned(),
        }
    }
}

fn country(region: Option<Region>) -> String {
    region.map_or_else(|| "no known country".to_owned(), |r| r.to_string())
}

/// A window as the configuration writes it: `10m`.
fn span(ms: i64) -> String {
    for (unit, name) in [(3_600_000, "h"), (60_000, "m"), (1_000, "s")] {
        if ms % unit == 0 {
            return format!("{}{name}", ms / unit);
        }
    }
    format!("{ms}ms")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_read_as_they_are_written() {
        for (ms, text) in [
            (600_000, "10m"),
            (86_400_000, "24h"),
            (90_000, "90s"),
            (1_500, "1500ms"),
        ] {
            assert_eq!(span(ms), text);
        }
    }
}
