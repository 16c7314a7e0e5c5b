//! What really happened in a world: the messages of its campaigns, and which
//! prefixes they went to.

use std::collections::{BTreeMap, BTreeSet};

use compact_str::CompactString;

use super::judge::digits_of;
use crate::lab::simulate::SimEvent;
use crate::model::{EventBody, Micros, Millis, Prefix, SendStatus};

/// Digits to which numbers are filled up, so that those of a prefix are neighbours.
const DIGITS: usize = 15;

/// One message of a campaign.
#[derive(Clone, Debug)]
pub struct Message {
    /// Its place among all events of the world.
    pub order: u64,
    /// When it arrived.
    pub at: Millis,
    /// Which app sent it.
    pub app: CompactString,
    /// Where it went.
    pub number: Prefix,
    /// What it cost, or would have.
    pub price: Micros,
}

/// A send as the scores need it.
#[derive(Clone, Copy, Debug)]
pub struct Sent<'a> {
    /// When it arrived.
    pub at: Millis,
    /// Whose it is.
    pub tenant: &'a str,
    /// Which app's.
    pub app: &'a str,
    /// Where it went.
    pub number: Prefix,
    /// Decides where a share is let through.
    pub id: &'a str,
    /// The campaign it belongs to, by the place of its overlay.
    pub campaign: Option<u16>,
    /// A blocklist stopped it.
    pub blocked: bool,
}

/// What is known of a world so far.
#[derive(Clone, Debug, Default)]
pub struct Truth {
    /// Events so far.
    pub events: u64,
    /// Honest sends so far.
    pub honest: u64,
    /// Messages of each campaign, by the place of its overlay.
    pub campaigns: BTreeMap<u16, Vec<Message>>,
    /// Numbers that were attacked, by tenant.
    attacked: BTreeMap<CompactString, BTreeSet<u64>>,
}

/// The send in an event, if it is one towards known digits.
pub fn sent_of(event: &SimEvent) -> Option<Sent<'_>> {
    let EventBody::Send(send) = &event.event.body else {
        return None;
    };
    Some(Sent {
        at: event.ingest,
        tenant: &event.event.tenant,
        app: &event.event.app,
        number: digits_of(&event.event.to)?,
        id: &event.event.id,
        campaign: event.label.filter(|label| label.attack).map(|label| label.overlay),
        blocked: send.status == SendStatus::Blocked,
    })
}

impl Truth {
    /// Takes in the next event.
    pub fn note(&mut self, event: &SimEvent) {
        self.events += 1;
        let Some(sent) = sent_of(event) else { return };
        let Some(campaign) = sent.campaign else {
            self.honest += 1;
            return;
        };
        self.campaigns.entry(campaign).or_default().push(Message {
            order: self.events,
            at: sent.at,
            app: sent.app.into(),
            number: sent.number,
            price: event.price,
        });
        let attacked = self.attacked.entry(sent.tenant.into()).or_default();
        attacked.insert(filled(sent.number.digits(), sent.number.len()));
    }

    /// Whether a campaign has sent into a prefix.
    pub fn is_attacked(&self, tenant: &str, prefix: Prefix) -> bool {
        let Some(numbers) = self.attacked.get(tenant) else {
            return false;
        };
        let low = filled(prefix.digits(), prefix.len());
        let high = low + 10u64.pow((DIGITS - prefix.len()) as u32);
        numbers.range(low..high).next().is_some()
    }

    /// Whether any campaign has sent anything of a tenant.
    pub fn has_campaign(&self, tenant: &str) -> bool {
        self.attacked.contains_key(tenant)
    }
}

fn filled(digits: u64, len: usize) -> u64 {
    digits * 10u64.pow((DIGITS - len) as u32)
}
