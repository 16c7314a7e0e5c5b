//! A broken limit in numbers and words.

use super::window::Part;
use super::{Key, Scope};
use crate::detector::policy::Limit;
use crate::model::{EvidenceItem, RecommendedAction, Region};

/// A limit that a send broke.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Breach {
    pub(crate) key: Key,
    pub(crate) broken: Broken,
}

/// What was broken.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Broken {
    /// The number's country is on the deny list.
    Denied,
    /// The number's country is not on the allow list.
    NotAllowed,
    /// More sends than allowed in the window.
    Frequency { count: u64, allowed: u64 },
    /// One user agent has too large a share.
    UserAgent { part: Part, allowed: f64 },
    /// Too large a share comes from other countries than the numbers'.
    Geography { part: Part, allowed: f64 },
}

impl Breach {
    /// How many sends the breach speaks of.
    pub(crate) fn sends(&self) -> u64 {
        match self.broken {
            Broken::Denied | Broken::NotAllowed => 1,
            Broken::Frequency { count, .. } => count,
            Broken::UserAgent { part, .. } | Broken::Geography { part, .. } => part.of,
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
        let subject = match self.key.scope {
            Scope::Number(_) => format!("to one number ({sample})"),
            Scope::Ip(_) => "from one client address".to_owned(),
            Scope::Device(_) => "from one device".to_owned(),
            Scope::Asn(asn) => format!("from AS{asn}"),
            Scope::Prefix(prefix) => format!("to {prefix}"),
            Scope::Country(_) => format!("to {}", country(region)),
        };
        let window = span(limit.time_window_ms.unwrap_or_default());
        match self.broken {
            Broken::Denied => format!(
                "Limit {name}: a send to {}, 0 are allowed since the country is on its deny list",
                country(region)
            ),
            Broken::NotAllowed => format!(
                "Limit {name}: a send to {}, 0 are allowed since the country is not on its allow list",
                country(region)
            ),
            Broken::Frequency { count, allowed } => {
                format!("Limit {name}: {count} sends {subject} within {window}, {allowed} are allowed")
            }
            Broken::UserAgent { part, allowed } => format!(
                "Limit {name}: {:.1} % of {} sends {subject} within {window} came from one user agent, {:.1} % are allowed",
                100.0 * part.share(),
                part.of,
                100.0 * allowed
            ),
            Broken::Geography { part, allowed } => format!(
                "Limit {name}: {:.1} % of {} sends {subject} within {window} came from another country than the number's, {:.1} % are allowed",
                100.0 * part.share(),
                part.of,
                100.0 * allowed
            ),
        }
    }

    /// The same as evidence; a limit has no likelihood, so it weighs nothing.
    pub(crate) fn evidence(&self, text: &str) -> EvidenceItem {
        let (observed, expected) = match self.broken {
            Broken::Denied | Broken::NotAllowed => (1.0, 0.0),
            Broken::Frequency { count, allowed } => (count as f64, allowed as f64),
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
