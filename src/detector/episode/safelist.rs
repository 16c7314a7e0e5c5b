//! Prefixes that must not be blocked, by the user's word.

use std::collections::BTreeMap;

use compact_str::CompactString;
use serde::{Deserialize, Serialize};

use crate::model::{Millis, Prefix};

/// Entries a tenant may have; further ones replace the one that lapses first.
const ENTRIES_MAX: usize = 10_000;

/// Whether an entry for an app holds against a block of `blocked`, one app or all
/// of them: one of all apps stops the entry's too.
pub(crate) fn protects(app: &str, blocked: Option<&str>) -> bool {
    app == "*" || blocked.is_none_or(|blocked| blocked == app)
}

/// One partition's safe-lists.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Safelist {
    entries: BTreeMap<CompactString, BTreeMap<(Prefix, CompactString), Option<Millis>>>,
}

impl Safelist {
    /// Puts an entry, for good or until a time.
    pub(crate) fn put(&mut self, tenant: &str, app: &str, prefix: Prefix, expires: Option<Millis>) {
        let entries = self.entries.entry(tenant.into()).or_default();
        entries.insert((prefix, app.into()), expires);
        if entries.len() > ENTRIES_MAX {
            let first = entries.iter().filter_map(|(k, e)| e.map(|e| (e, k.clone()))).min();
            let victim = first.map(|(_, k)| k).or_else(|| entries.keys().next().cloned());
            if let Some(victim) = victim {
                entries.remove(&victim);
            }
        }
    }

    /// Takes an entry off; whether there was one.
    pub(crate) fn delete(&mut self, tenant: &str, app: &str, prefix: Prefix) -> bool {
        self.entries
            .get_mut(tenant)
            .is_some_and(|e| e.remove(&(prefix, app.into())).is_some())
    }

    /// What is safe from blocks of `app`, one or all of them, and holds the prefix or
    /// lies within it; in order of prefix.
    pub(crate) fn touching(&self, tenant: &str, app: Option<&str>, prefix: Prefix, now: Millis) -> Vec<Prefix> {
        let entries = self.entries.get(tenant).into_iter().flatten();
        let standing = entries.filter(|(_, expires)| expires.is_none_or(|e| e > now));
        standing
            .filter(|((safe, of), _)| protects(of, app) && (safe.covers(prefix) || prefix.covers(*safe)))
            .map(|((safe, _), _)| *safe)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_protects_what_it_covers_and_what_covers_it_until_it_lapses() {
        let mut list = Safelist::default();
        let p = |n| Prefix::from_digits(n).unwrap();
        list.put("acme", "*", p(4_477_009), Some(Millis(100)));
        let touching = |tenant, prefix, now| list.touching(tenant, None, p(prefix), Millis(now));
        assert_eq!(touching("acme", 44_770_091, 0), [p(4_477_009)]);
        assert_eq!(touching("acme", 4_477, 0), [p(4_477_009)]);
        assert!(touching("acme", 4_478, 0).is_empty());
        assert!(touching("other", 4_477_009, 0).is_empty());
        assert!(touching("acme", 4_477_009, 100).is_empty());
        assert!(list.delete("acme", "*", p(4_477_009)));
        assert!(!list.delete("acme", "*", p(4_477_009)));
    }
    #[test]
    fn an_entry_for_an_app_holds_against_its_own_blocks_and_those_of_all_apps() {
        let mut list = Safelist::default();
        let prefix = Prefix::from_digits(4_477_009).unwrap();
        list.put("acme", "links", prefix, None);
        let holds = |app| !list.touching("acme", app, prefix, Millis(0)).is_empty();
        assert!(holds(None) && holds(Some("links")) && !holds(Some("login")));
        list.put("acme", "*", prefix, None);
        assert!(!list.touching("acme", Some("login"), prefix, Millis(0)).is_empty());
    }
}
