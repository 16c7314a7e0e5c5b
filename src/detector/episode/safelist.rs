//! Prefixes that must not be blocked, by the user's word.

use std::collections::BTreeMap;

use compact_str::CompactString;
use serde::{Deserialize, Serialize};

use crate::model::{Millis, Prefix};

/// Entries a tenant may have; further ones replace the one that lapses first.
const ENTRIES_MAX: usize = 10_000;

/// One partition's safe-lists. Entries for one app protect the tenant's other
/// apps too, since a block is about all of them.
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

    /// Whether the prefix lies within a safe one, or holds one.
    pub(crate) fn touches(&self, tenant: &str, prefix: Prefix, now: Millis) -> bool {
        let Some(entries) = self.entries.get(tenant) else {
            return false;
        };
        entries
            .iter()
            .filter(|(_, expires)| expires.is_none_or(|e| e > now))
            .any(|((safe, _), _)| safe.covers(prefix) || prefix.covers(*safe))
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
        assert!(list.touches("acme", p(44_770_091), Millis(0)));
        assert!(list.touches("acme", p(4_477), Millis(0)));
        assert!(!list.touches("acme", p(4_478), Millis(0)));
        assert!(!list.touches("other", p(4_477_009), Millis(0)));
        assert!(!list.touches("acme", p(4_477_009), Millis(100)));
        assert!(list.delete("acme", "*", p(4_477_009)));
        assert!(!list.delete("acme", "*", p(4_477_009)));
    }
}
