//! What people tell the detector: safe-lists and verdicts.

use super::blocking::VERDICT_SAFE_MS;
use super::{Effect, Engine};
use crate::detector::episode::protects;
use crate::detector::trie::TenantIx;
use crate::model::log::FeedbackRecord;
use crate::model::{Audit, Feedback, FindingUid, Prefix};

impl Engine {
    /// One command; every one is audited, whether or not it changes anything.
    pub(crate) fn on_feedback(&mut self, record: &FeedbackRecord, effects: &mut Vec<Effect>) {
        match &record.feedback {
            Feedback::Safelist {
                tenant,
                app,
                prefix,
                put,
                expires_at,
                by,
                reason,
                ..
            } => {
                let done = if *put {
                    self.safelist.put(tenant, app, *prefix, *expires_at);
                    self.lift_touching(tenant, app, *prefix, effects);
                    true
                } else {
                    self.safelist.delete(tenant, app, *prefix)
                };
                let action = if *put { "safelist_put" } else { "safelist_delete" };
                let detail = match (done, reason.is_empty()) {
                    (false, _) => "there was no such entry".to_owned(),
                    (true, true) => "no reason given".to_owned(),
                    (true, false) => reason.to_string(),
                };
                self.audit(action, tenant, by, &prefix.to_string(), detail, effects);
            }
            Feedback::Verdict {
                finding_uid,
                true_positive,
                by,
                ..
            } => {
                self.on_verdict(finding_uid, *true_positive, by, effects);
            }
        }
    }

    /// A verdict goes to every partition; only the one that knows the finding acts
    /// and audits. What a false one accused is safe for a while, whether it is still
    /// open or not.
    fn on_verdict(&mut self, uid: &str, true_positive: bool, by: &str, effects: &mut Vec<Effect>) {
        let Ok(uid) = u128::from_str_radix(uid, 16).map(FindingUid) else {
            return;
        };
        let Some(known) = self.episodes.by_uid(uid) else {
            return;
        };
        let id = known.id;
        let (tenant, app) = (known.key.tenant.clone(), known.key.app.clone());
        let ranges = match self.episodes.get(id) {
            Some(episode) => episode.ranges(),
            None => known.ranges.clone(),
        };
        let verdict = if true_positive {
            "true_positive"
        } else {
            "false_positive"
        };
        self.audit("verdict", &tenant, by, &uid.to_string(), verdict.to_owned(), effects);
        if true_positive {
            return;
        }
        let (app, until) = (app.as_deref().unwrap_or("*"), self.now + VERDICT_SAFE_MS);
        for range in ranges {
            self.safelist.put(&tenant, app, range, Some(until));
            self.lift_touching(&tenant, app, range, effects);
        }
        self.close_episode(id, effects);
    }

    /// Lifts blocks that a new safe-list entry touches: the tenant's, and those of
    /// its apps that are judged apart.
    fn lift_touching(&mut self, tenant: &str, app: &str, safe: Prefix, effects: &mut Vec<Effect>) {
        for ix in 0..self.tenants.len() {
            let known = &self.tenants[ix];
            if known.name != tenant || !protects(app, known.app.as_deref()) {
                continue;
            }
            let ix = ix as TenantIx;
            for (prefix, id) in self.blocks.touching(ix, safe) {
                self.blocks.remove(ix, prefix);
                self.drop_range(ix, prefix, id, effects);
            }
        }
    }

    pub(crate) fn audit(
        &self,
        action: &str,
        tenant: &str,
        by: &str,
        subject: &str,
        detail: String,
        effects: &mut Vec<Effect>,
    ) {
        effects.push(Effect::Audit(Audit {
            time: self.now,
            action: action.into(),
            tenant: tenant.into(),
            by: by.into(),
            subject: subject.into(),
            detail,
        }));
    }
}
