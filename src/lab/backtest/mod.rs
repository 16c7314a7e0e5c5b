//! Two configurations side by side: both fold the same events in one pass, and
//! what they say is compared episode by episode.

mod compare;
mod text;

use std::sync::Arc;

use super::ledger::{Ledger, Prices, Seen};
use super::replay::{Replay, ReplayError, Replayed, Sinks};
use super::source::{Source, What};
use crate::detector::Policy;

pub use compare::{Comparison, Move, Side};
pub use text::text;
pub(crate) use text::{money, span};

/// Items between two calls of the progress.
const TOLD_EVERY: u64 = 4_096;

/// Replays the records of `source` under both policies. What the first says goes
/// to `sinks`; the result is its own too.
///
/// # Errors
/// What reading or writing fails with.
pub fn replay_both(
    source: &mut dyn Source,
    policies: [&Policy; 2],
    secret: Option<&[u8]>,
    sinks: &mut Sinks<'_>,
    told: &mut dyn FnMut(u64, u64),
) -> Result<(Replayed, Comparison), ReplayError> {
    let mut replays = policies.map(|policy| Replay::new(policy, secret));
    let mut ledgers = [Ledger::default(), Ledger::default()];
    let mut prices = Prices::default();
    let mut items = 0_u64;
    while let Some(item) = source.next_item()? {
        if let What::Usable { events, at, .. } = &item.what {
            // Prices are compared in the first configuration's currency.
            for seen in events.iter().filter_map(|event| Seen::of(event, *at, policies[0])) {
                if let Some(price) = seen.price {
                    prices.learn(seen.region, price);
                }
                let seen = Arc::new(seen);
                for ledger in &mut ledgers {
                    ledger.saw(Arc::clone(&seen));
                }
            }
        }
        let [first, second] = &mut replays;
        first.take(item.place, item.what.clone());
        second.take(item.place, item.what);
        publish(&mut replays, &mut ledgers, sinks)?;
        items += 1;
        if items.is_multiple_of(TOLD_EVERY)
            && let Some((done, of)) = source.progress()
        {
            told(done, of);
        }
    }
    replays.iter_mut().for_each(Replay::finish);
    publish(&mut replays, &mut ledgers, sinks)?;
    ledgers.iter_mut().for_each(Ledger::finish);
    let [first, _] = replays;
    let comparison = Comparison::new(policies, &ledgers, Some(&prices));
    Ok((first.result(sinks.episodes.counts()), comparison))
}

fn publish(
    [first, second]: &mut [Replay; 2],
    [of_first, of_second]: &mut [Ledger; 2],
    sinks: &mut Sinks<'_>,
) -> Result<(), ReplayError> {
    first.publish(|effect| {
        of_first.said(effect);
        sinks.take(effect)
    })?;
    second.publish(|effect| {
        of_second.said(effect);
        Ok(())
    })
}
