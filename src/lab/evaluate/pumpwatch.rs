//! The detector as one of those that are compared.

use super::judge::{Decision, Judge};
use crate::detector::{Effect, Policy, Tuning};
use crate::lab::fold::Fold;
use crate::lab::simulate::SimEvent;
use crate::model::{Activity, BlockAction, BlockChange, FindingKind, Millis};

/// The detector behind the same fold as in production, told the time before
/// every event.
#[derive(Debug)]
pub struct Pumpwatch {
    fold: Fold,
    effects: Vec<Effect>,
}

impl Pumpwatch {
    /// A detector that knows nothing yet.
    pub fn new(policy: &Policy, tuning: Tuning) -> Self {
        let mut effects = Vec::new();
        let fold = Fold::new(policy, tuning, None, &mut effects);
        Self { fold, effects }
    }

    fn translate(&mut self, out: &mut Vec<Decision>) {
        for effect in self.effects.drain(..) {
            match effect {
                Effect::Finding(finding) => {
                    if finding.kind == FindingKind::SmsPumping && finding.activity == Activity::Create {
                        let accused = finding.prefixes.iter().map(|p| p.prefix);
                        out.push(Decision::Alert {
                            tenant: finding.key.tenant.clone(),
                            prefixes: accused.chain(finding.key.prefix).collect(),
                        });
                    }
                }
                Effect::Block(_, BlockChange::Put(block)) => {
                    let Some(prefix) = block.key.prefix else { continue };
                    out.push(Decision::Block {
                        tenant: block.key.tenant,
                        app: block.key.app,
                        prefix,
                        until: block.expires_at,
                        allow_ratio: match block.action {
                            BlockAction::Block => 0.0,
                            BlockAction::Sample => block.allow_ratio,
                        },
                    });
                }
                Effect::Block(_, BlockChange::Delete(key)) => {
                    let Some(prefix) = key.prefix else { continue };
                    out.push(Decision::Lift {
                        tenant: key.tenant,
                        app: key.app,
                        prefix,
                    });
                }
                Effect::Stats(_) | Effect::Audit(_) => {}
            }
        }
    }
}

impl Judge for Pumpwatch {
    fn tell_time(&mut self, now: Millis, out: &mut Vec<Decision>) {
        self.fold.tell_time(now, &mut self.effects);
        self.translate(out);
    }

    fn see(&mut self, event: &SimEvent, out: &mut Vec<Decision>) {
        self.fold.usable([event.event.clone()], event.ingest, &mut self.effects);
        self.translate(out);
    }
}
