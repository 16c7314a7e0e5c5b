//! Approvals that overtake the send they answer.
//!
//! Sends and verifications come on topics that are read apart, so that one that is a
//! little behind lets the answer arrive before the question. Such an approval waits
//! for its send as long as an attempt waits for its approval.

use serde::{Deserialize, Serialize};

use super::attempts::{AppIx, Attempt};
use crate::detector::Keyed;
use crate::detector::baseline::Memory;
use crate::detector::trie::TenantIx;
use crate::model::log::Token;
use crate::model::{Millis, SECOND};

/// Approvals that may wait, by name and by number.
const WAITING_MAX: usize = 1 << 14;
/// How far the clocks of who sends and who verifies may lie apart: an approval that
/// is older than a send to its number answers another one.
const CLOCKS_MS: i64 = 5 * SECOND;

/// When an approval arrived, and when it happened.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Early {
    arrival: Millis,
    time: Millis,
}

/// What waits; `None` where it has found its attempt.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct EarlyApprovals {
    by_name: Memory<(TenantIx, Token), Option<Early>>,
    by_number: Memory<(AppIx, Token), Option<Early>>,
}

impl EarlyApprovals {
    pub(crate) fn new(hasher: &Keyed) -> Self {
        Self {
            by_name: Memory::new(WAITING_MAX, hasher.clone()),
            by_number: Memory::new(WAITING_MAX, hasher.clone()),
        }
    }

    /// An approval that arrived at `arrival` and found no attempt.
    pub(crate) fn put(
        &mut self,
        (tenant, names): (TenantIx, [Option<Token>; 2]),
        (app, number): (AppIx, Option<Token>),
        arrival: Millis,
        time: Millis,
    ) {
        let early = Some(Early { arrival, time });
        for name in names.into_iter().flatten() {
            self.by_name.put((tenant, name), early);
        }
        // One that names its session or message answers that and no other.
        if let Some(number) = number.filter(|_| names.iter().all(Option::is_none)) {
            self.by_number.put((app, number), early);
        }
    }

    /// When the approval happened that was there before its attempt, if it arrived
    /// within `pending_ms`.
    pub(crate) fn take(&mut self, attempt: &Attempt, pending_ms: i64) -> Option<Millis> {
        let is_due = |early: &Early| attempt.opened - early.arrival <= pending_ms;
        let names = attempt.names.iter().map(|name| (attempt.owner, *name));
        for name in names {
            if let Some(early) = self.by_name.get(&name).flatten().filter(is_due) {
                self.by_name.put(name, None);
                return Some(early.time);
            }
        }
        let number = (attempt.app, attempt.number);
        let early = self.by_number.get(&number).flatten().filter(is_due)?;
        if attempt.event_time - early.time > CLOCKS_MS {
            return None;
        }
        self.by_number.put(number, None);
        Some(early.time)
    }
}
