//! Which of a member's feeds to route from next: the one whose next record lies
//! earliest in time. Pure.

use crate::model::Millis;

/// What the merge must know of one feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// Where its next record would put the feed's clock; `None`: none is waiting.
    pub(crate) arrival: Option<Millis>,
    /// Where the feed stands: its next record cannot arrive before this.
    pub(crate) clock: Millis,
    /// Whether the broker has, or may have, more than was delivered.
    pub(crate) may_have_more: bool,
}

/// What to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    /// Route from this feed while its arrival stays at or below `until`.
    Take {
        /// Which feed.
        feed: usize,
        /// The next arrival of any other feed.
        until: Option<Millis>,
    },
    /// Wait for this feed: it may hold something earlier.
    WaitFor(usize),
    /// Nothing is waiting.
    Nothing,
}

/// Chooses among the feeds, in their order where times are equal.
pub(crate) fn choose(heads: impl Iterator<Item = Head> + Clone) -> Choice {
    let mut best: Option<(usize, Millis)> = None;
    let mut second: Option<Millis> = None;
    for (feed, head) in heads.clone().enumerate() {
        let Some(arrival) = head.arrival else { continue };
        match best {
            Some((_, earliest)) if arrival >= earliest => second = Some(second.map_or(arrival, |s| s.min(arrival))),
            _ => {
                second = best.map(|(_, earliest)| earliest);
                best = Some((feed, arrival));
            }
        }
    }
    let Some((feed, arrival)) = best else {
        return Choice::Nothing;
    };
    let awaited = heads
        .enumerate()
        .find(|(_, head)| head.arrival.is_none() && head.may_have_more && head.clock < arrival);
    match awaited {
        Some((feed, _)) => Choice::WaitFor(feed),
        None => Choice::Take { feed, until: second },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn head(arrival: Option<i64>, clock: i64, may_have_more: bool) -> Head {
        Head {
            arrival: arrival.map(Millis),
            clock: Millis(clock),
            may_have_more,
        }
    }

    #[test]
    fn the_earliest_goes_first_and_a_feed_that_may_be_earlier_is_awaited() {
        let heads = [head(Some(30), 10, false), head(Some(20), 5, false), head(None, 0, true)];
        assert_eq!(choose(heads.iter().copied()), Choice::WaitFor(2));
        assert_eq!(
            choose(heads[..2].iter().copied()),
            Choice::Take {
                feed: 1,
                until: Some(Millis(30))
            }
        );
        // A feed that already stands later cannot bring anything earlier.
        let heads = [head(Some(20), 10, false), head(None, 25, true)];
        assert_eq!(choose(heads.iter().copied()), Choice::Take { feed: 0, until: None });
        assert_eq!(choose([head(None, 0, false)].into_iter()), Choice::Nothing);
    }

    proptest! {
        #[test]
        fn with_everything_at_hand_the_merge_is_a_stable_sort_by_arrival(
            feeds in prop::collection::vec(prop::collection::vec(0i64..50, 0..20), 1..6)
        ) {
            // Arrivals within a feed never fall.
            let feeds: Vec<Vec<i64>> = feeds.into_iter().map(|mut f| { f.sort_unstable(); f }).collect();
            let mut next = vec![0usize; feeds.len()];
            let mut merged = Vec::new();
            while let Choice::Take { feed, .. } = choose(
                feeds.iter().zip(&next).map(|(f, &n)| head(f.get(n).copied(), 0, false)).collect::<Vec<_>>().into_iter()
            ) {
                merged.push((feeds[feed][next[feed]], feed));
                next[feed] += 1;
            }
            let mut expected: Vec<_> = feeds.iter().enumerate().flat_map(|(i, f)| f.iter().map(move |&t| (t, i))).collect();
            expected.sort_unstable();
            prop_assert_eq!(merged, expected);
        }
    }
}
