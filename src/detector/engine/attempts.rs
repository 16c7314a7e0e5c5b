//! Attempts that are still open: the first send to a number and its resends.

use std::collections::{HashMap, VecDeque};

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::detector::evidence::Counters;
use crate::detector::trie::{CLASS_MAX, CLASS_MIN, Place, Source, TenantIx};
use crate::model::log::Token;
use crate::model::{Micros, Millis, Prefix, Region};

/// An app within one partition.
pub(crate) type AppIx = u32;

/// Sessions and message ids by which one attempt may be found.
const NAMES_MAX: usize = 8;

/// Number of an attempt, counted from the partition's first.
pub(crate) type AttemptId = u64;

/// What is known of an attempt's client and number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Attributes {
    /// Neither country nor address of the client is known.
    pub(crate) missing: bool,
    /// The client's country is not the number's, or its network is strange there.
    pub(crate) odd: bool,
    /// The device lately served another number, or there is none.
    pub(crate) device: bool,
    /// The number is outside its plan.
    pub(crate) invalid: bool,
    /// The tenant has never seen the number.
    pub(crate) fresh: bool,
    /// The number lies in a range that was half accused before.
    pub(crate) suspect: bool,
}

impl From<Attributes> for Counters {
    fn from(a: Attributes) -> Self {
        let one = |present: bool| f64::from(u8::from(present));
        Self {
            attempts: 1.0,
            missing: one(a.missing),
            odd: one(a.odd),
            device: one(a.device),
            invalid: one(a.invalid),
            fresh: one(a.fresh),
            suspect: one(a.suspect),
        }
    }
}

/// What became of an attempt's message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Receipt {
    /// Nothing is known yet.
    Awaited,
    /// It arrived, which has not been weighed yet: should an approval follow, it
    /// tells nothing.
    Delivered,
    /// It has been weighed.
    Weighed,
}

/// One attempt.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Attempt {
    /// The entry under which it is judged.
    pub(crate) tenant: TenantIx,
    /// The tenant whose it is: another one where its app is judged apart.
    pub(crate) owner: TenantIx,
    pub(crate) app: AppIx,
    pub(crate) opened: Millis,
    pub(crate) event_time: Millis,
    pub(crate) number: Token,
    /// Sessions and message ids of its sends, the latest last: whichever code of
    /// theirs comes back, it is this attempt's.
    pub(crate) names: SmallVec<[Token; 2]>,
    /// What its receipts have told.
    pub(crate) receipt: Receipt,
    pub(crate) block: Prefix,
    pub(crate) digits: u8,
    pub(crate) region: Region,
    pub(crate) calling_digits: u8,
    pub(crate) asn: Option<u32>,
    pub(crate) network: Option<u64>,
    pub(crate) device: Option<u64>,
    pub(crate) agent: Option<u64>,
    /// The source that an attack is known to come from, which it shares.
    pub(crate) accused: Option<Source>,
    pub(crate) attributes: Attributes,
    pub(crate) repeat: bool,
    /// Whether its number verified before, though not lately.
    pub(crate) returning: bool,
    pub(crate) weight: f64,
    pub(crate) conversion: f64,
    pub(crate) cost: Micros,
    pub(crate) stage: usize,
    /// Share of honest verifications that its silence has been credited with.
    pub(crate) credited: f64,
    /// Whether it tells how soon people verify, should it be approved.
    pub(crate) voter: bool,
    /// Share of honest verifications that was credited at its sources.
    pub(crate) source_credited: f64,
    pub(crate) verified: bool,
    /// Whether its number was sent to again.
    pub(crate) asked: bool,
    /// Whether its first code was wrong.
    pub(crate) wrong: bool,
    /// Whether it speaks for or against places: not inside a block, not a company's
    /// own message.
    pub(crate) free: bool,
    /// Whether it returned to a range in which nobody was ever seen before today.
    pub(crate) frontier: bool,
    pub(crate) slice: u64,
    pub(crate) ring: u64,
}

impl Attempt {
    /// Whether its app is judged apart from the tenant's others, without verification.
    pub(crate) fn is_apart(&self) -> bool {
        self.tenant != self.owner
    }

    /// The ranges it lies in, narrowest first.
    pub(crate) fn ranges(&self) -> impl DoubleEndedIterator<Item = (u8, Place)> + use<> {
        ranges(self.tenant, self.block, self.digits, self.calling_digits)
    }

    /// All places that it speaks for or against: its ranges and what holds them.
    pub(crate) fn places(&self) -> impl Iterator<Item = Place> + use<> {
        let frontier = self.frontier.then(|| self.frontier_place());
        let wider = [self.region_place()].into_iter().chain(frontier);
        self.ranges().map(|(_, place)| place).chain(wider)
    }

    /// The frontier of its region.
    pub(crate) fn frontier_place(&self) -> Place {
        Place::Frontier(self.tenant, self.region)
    }

    /// What it has in common with others on the client's side.
    pub(crate) fn sources(&self) -> impl Iterator<Item = Source> + use<> {
        [
            self.network.map(Source::Network),
            self.device.map(Source::Device),
            self.agent.map(Source::Agent),
            self.asn.map(Source::Asn),
        ]
        .into_iter()
        .flatten()
    }

    /// Its region.
    pub(crate) fn region_place(&self) -> Place {
        Place::Region(self.tenant, self.region)
    }
}

/// The ranges of class 2 to 6 that hold a number of `digits` digits of which
/// `block` is known, as long as they are longer than the calling code.
pub(crate) fn ranges(
    tenant: TenantIx,
    block: Prefix,
    digits: u8,
    calling_digits: u8,
) -> impl DoubleEndedIterator<Item = (u8, Place)> + use<> {
    let open = digits.saturating_sub(block.len() as u8);
    (CLASS_MIN.max(open)..=CLASS_MAX)
        .filter(move |m| digits > m + calling_digits)
        .map(move |m| {
            (
                m,
                Place::Range(tenant, block.truncated(usize::from(digits - m)), digits),
            )
        })
}

/// Open attempts, found by id, by number and by session; the oldest go when
/// there is no more room.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Attempts {
    open: VecDeque<Option<Attempt>>,
    first: AttemptId,
    #[serde(with = "crate::detector::snapshot::codec::entries")]
    by_number: HashMap<(AppIx, Token), AttemptId, crate::detector::Keyed>,
    #[serde(with = "crate::detector::snapshot::codec::entries")]
    by_name: HashMap<(TenantIx, Token), AttemptId, crate::detector::Keyed>,
    open_max: usize,
}

impl Attempts {
    /// Room for `open_max` attempts.
    pub(crate) fn new(open_max: usize, hasher: crate::detector::Keyed) -> Self {
        Self {
            open: VecDeque::new(),
            first: 0,
            by_number: HashMap::with_hasher(hasher.clone()),
            by_name: HashMap::with_hasher(hasher),
            open_max,
        }
    }

    /// Files an attempt; it becomes the one found by its number and session.
    pub(crate) fn open(&mut self, attempt: Attempt) -> AttemptId {
        while self.open.len() >= self.open_max {
            self.close_first();
        }
        let id = self.first + self.open.len() as u64;
        self.by_number.insert((attempt.app, attempt.number), id);
        for name in &attempt.names {
            self.by_name.insert((attempt.owner, *name), id);
        }
        self.open.push_back(Some(attempt));
        id
    }

    /// A resend under another session or message id: the attempt is found by these
    /// too. People may enter the code of any of its messages, so that the earlier
    /// names hold; of many the oldest go.
    pub(crate) fn add_names(&mut self, names: [Option<Token>; 2], id: AttemptId) {
        let Some(attempt) = self.get_mut(id) else { return };
        let tenant = attempt.owner;
        let mut gone: SmallVec<[Token; 2]> = SmallVec::new();
        for name in names.into_iter().flatten() {
            if attempt.names.contains(&name) {
                continue;
            }
            if attempt.names.len() >= NAMES_MAX {
                gone.push(attempt.names.remove(0));
            }
            attempt.names.push(name);
        }
        for name in gone {
            self.forget_name(tenant, name, id);
        }
        for name in names.into_iter().flatten() {
            self.by_name.insert((tenant, name), id);
        }
    }

    fn forget_name(&mut self, tenant: TenantIx, name: Token, id: AttemptId) {
        if self.by_name.get(&(tenant, name)) == Some(&id) {
            self.by_name.remove(&(tenant, name));
        }
    }

    pub(crate) fn get(&self, id: AttemptId) -> Option<&Attempt> {
        id.checked_sub(self.first)
            .and_then(|i| self.open.get(i as usize))
            .and_then(Option::as_ref)
    }

    pub(crate) fn get_mut(&mut self, id: AttemptId) -> Option<&mut Attempt> {
        id.checked_sub(self.first)
            .and_then(|i| self.open.get_mut(i as usize))
            .and_then(Option::as_mut)
    }

    /// The open attempt of an app to a number.
    pub(crate) fn of_number(&self, app: AppIx, number: Token) -> Option<AttemptId> {
        self.by_number
            .get(&(app, number))
            .copied()
            .filter(|id| self.get(*id).is_some())
    }

    /// The open attempt of a session or message id.
    fn of_name(&self, tenant: TenantIx, session: Token) -> Option<AttemptId> {
        self.by_name
            .get(&(tenant, session))
            .copied()
            .filter(|id| self.get(*id).is_some())
    }

    /// The open attempt that an event is about: by the first name that is known,
    /// else by its number.
    pub(crate) fn find<const N: usize>(
        &self,
        tenant: TenantIx,
        app: AppIx,
        names: [Option<Token>; N],
        number: Option<Token>,
    ) -> Option<AttemptId> {
        let by_name = names.into_iter().flatten().find_map(|name| self.of_name(tenant, name));
        by_name.or_else(|| self.of_number(app, number?))
    }

    /// Closes every attempt opened before `until`.
    pub(crate) fn close_before(&mut self, until: Millis) {
        while self
            .open
            .front()
            .is_some_and(|a| a.as_ref().is_none_or(|a| a.opened < until))
        {
            self.close_first();
        }
    }

    /// The attempts opened after `from`, the latest first.
    pub(crate) fn opened_after(&self, from: Millis) -> impl Iterator<Item = &Attempt> {
        let latest = self.open.iter().rev().flatten();
        latest.take_while(move |attempt| attempt.opened > from)
    }

    /// How many attempts are open.
    pub(crate) fn len(&self) -> usize {
        self.open.len()
    }

    fn close_first(&mut self) {
        let id = self.first;
        self.first += 1;
        let Some(Some(attempt)) = self.open.pop_front() else {
            return;
        };
        let number = (attempt.app, attempt.number);
        if self.by_number.get(&number) == Some(&id) {
            self.by_number.remove(&number);
        }
        for name in attempt.names {
            self.forget_name(attempt.owner, name, id);
        }
    }
}
