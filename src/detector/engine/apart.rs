//! Apps that never verify while the tenant's others do.
//!
//! What a company sends of its own accord, marketing and notifications, follows no
//! honest pattern of digits or numbers: such an app is *off*. A public form that
//! texts a link is never verified either, and it is pumped. What tells them apart is
//! the client: a company's messages are made by its servers, which name none or a
//! few networks, and a form is used by people, each from a network of his own. So
//! of an app that many networks use the attempts that tell of their client are
//! judged after all: by every family but the missing verification and what is
//! learned from approvals, never a country as a whole, and at places of their own,
//! under an entry of the app's among the tenants. Neither side dilutes or teaches
//! the other, and what is found there is about the app alone.

use super::Engine;
use super::attempts::{AppIx, Attempt};
use super::tenant::{OTHER, Tenant};
use crate::detector::episode::{Cover, StandingBlock};
use crate::detector::trie::TenantIx;
use crate::model::log::RoutedSend;
use crate::model::{EntityKey, Prefix};
use crate::number_plan;

/// Networks from which an app's attempts must have come before people are held to
/// use it: a company's servers stand in fewer.
pub(super) const NETWORKS_MIN: usize = 20;

impl Engine {
    /// Whether an app never verifies while others of its tenant do.
    fn is_off(&self, app: AppIx) -> bool {
        let app = &self.apps[app as usize];
        !app.verifies()
            && app.sends > self.tuning.unverified_app_sends
            && self.tenants[usize::from(app.tenant)].verifies
    }

    /// The entry among the tenants under which a send of an app is judged; an app's
    /// own is made when it is needed first.
    pub(super) fn judged_under(&mut self, app: AppIx, send: &RoutedSend) -> TenantIx {
        let known = &mut self.apps[app as usize];
        if let Some(network) = send.network
            && !known.verifies()
            && known.networks.len() < NETWORKS_MIN
            && !known.networks.contains(&network)
        {
            known.networks.push(network);
        }
        let owner = known.tenant;
        let by_people = send.tells_of_client() && known.networks.len() >= NETWORKS_MIN;
        // All apps beyond the limit share a name that nobody downstream knows.
        if !by_people || known.name == OTHER || !self.is_off(app) {
            return owner;
        }
        if let Some(entry) = self.apps[app as usize].entry {
            return entry;
        }
        let entry = self.tenants.len() as TenantIx;
        let tenant = Tenant::new(self.tenants[usize::from(owner)].name.clone(), self.now, &self.hasher);
        self.tenants.push(Tenant {
            app: Some(self.apps[app as usize].name.clone()),
            ..tenant
        });
        self.apps[app as usize].entry = Some(entry);
        entry
    }

    /// The entry under which an app's people are judged at present.
    pub(super) fn entry_of(&self, app: AppIx) -> TenantIx {
        let app = &self.apps[app as usize];
        app.entry.filter(|_| !app.verifies()).unwrap_or(app.tenant)
    }

    /// Whether nothing is made of an attempt: it is a company's own, or its number is
    /// one that nobody can hold, which is a load test.
    pub(super) fn is_ignored(&self, attempt: &Attempt) -> bool {
        (self.is_off(attempt.app) && !attempt.is_apart())
            || number_plan::may_be_fictitious(attempt.block, attempt.digits)
    }

    /// Notes an attempt at the blocks that stop it: those of its app, then the
    /// tenant's, which stop every app.
    pub(super) fn cover(&mut self, attempt: &Attempt) -> Option<(TenantIx, Cover)> {
        let now = self.now;
        let entries = [self.apps[attempt.app as usize].entry, Some(attempt.owner)];
        entries.into_iter().flatten().find_map(|entry| {
            let cover = self.blocks.on_attempt(entry, attempt.block, attempt.number, now)?;
            Some((entry, cover))
        })
    }

    /// The block that stands over an app's messages to a block of 100, and its entry.
    pub(super) fn standing_over(&self, app: AppIx, block: Prefix) -> Option<(TenantIx, Prefix, &StandingBlock)> {
        let app = &self.apps[app as usize];
        let entries = [app.entry, Some(app.tenant)];
        let mut covering = entries.into_iter().flatten();
        covering.find_map(|entry| {
            let (prefix, standing) = self.blocks.covering(entry, block)?;
            Some((entry, prefix, standing))
        })
    }

    /// What a finding or block of an entry is about.
    pub(super) fn key_of(&self, entry: TenantIx, prefix: Option<Prefix>) -> EntityKey {
        let known = &self.tenants[usize::from(entry)];
        EntityKey {
            tenant: known.name.clone(),
            app: known.app.clone(),
            prefix,
        }
    }
}
