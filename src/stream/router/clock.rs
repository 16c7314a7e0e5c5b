//! A feed's clock: where in time a source partition stands. Pure; the wall clock
//! is an argument.

use crate::model::{Millis, SECOND};

/// How long a confirmation that nothing is left to read holds.
pub(crate) const CONFIRMATION_MS: i64 = 2 * SECOND;
/// A feed whose clock is this close to the wall clock at its end is live.
const LIVE_MS: i64 = 60 * SECOND;

/// The largest record time read so far, plus the time that passed while nothing
/// was left to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FeedClock {
    clock: Millis,
    started: bool,
    live: bool,
    /// Wall time up to which passing time is accounted for.
    seen_until: Option<Millis>,
    /// Wall time since which no record came.
    quiet_since: Option<Millis>,
}

impl FeedClock {
    /// A feed of which nothing was ever read.
    pub(crate) fn fresh() -> Self {
        Self::resumed(Millis::MIN, false, false)
    }

    /// A feed as its last owner left it.
    pub(crate) fn resumed(clock: Millis, started: bool, live: bool) -> Self {
        Self {
            clock,
            started,
            live,
            seen_until: None,
            quiet_since: None,
        }
    }

    /// Where the feed stands.
    pub(crate) fn value(&self) -> Millis {
        self.clock
    }

    /// Whether a record was ever read.
    pub(crate) fn started(&self) -> bool {
        self.started
    }

    /// Whether the feed once kept up with the wall clock.
    pub(crate) fn live(&self) -> bool {
        self.live
    }

    /// How long the feed has been confirmed to hold nothing more, in milliseconds,
    /// by answers the last of which still holds at `wall`.
    pub(crate) fn idle_ms(&self, wall: Millis) -> i64 {
        match (self.quiet_since, self.seen_until) {
            (Some(quiet), Some(seen)) if wall - seen <= CONFIRMATION_MS => (seen - quiet).max(0),
            _ => 0,
        }
    }

    /// Where the feed would stand after a record of this time: the record's arrival.
    pub(crate) fn arrival(&self, record_time: Millis) -> Millis {
        if self.started {
            self.clock.max(record_time)
        } else {
            // While empty the clock only followed the wall: what the first record
            // says counts more, or a backfill into a new topic would all be "now".
            record_time
        }
    }

    /// Takes a record into account and gives its arrival.
    pub(crate) fn record(&mut self, record_time: Millis, wall: Millis) -> Millis {
        self.clock = self.arrival(record_time);
        self.started = true;
        self.seen_until = Some(wall);
        self.quiet_since = Some(wall);
        self.clock
    }

    /// Everything appended before `asked` (wall clock of the question) was read.
    pub(crate) fn confirmed(&mut self, asked: Millis) {
        if !self.started {
            self.clock = self.clock.max(asked);
        } else if self.live || (asked - self.clock).abs() <= LIVE_MS {
            self.live = true;
            self.clock = self.clock.max(asked);
        } else if let Some(since) = self.seen_until {
            // Never live: a backlog that ended. Only time that provably passed
            // without a record counts, not the years between then and now.
            let passed = asked - since;
            if (0..=CONFIRMATION_MS).contains(&passed) {
                self.clock = self.clock + passed;
            }
        }
        self.quiet_since.get_or_insert(asked);
        if self.seen_until.is_none_or(|since| asked > since) {
            self.seen_until = Some(asked);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: i64 = 1_790_000_000_000;

    #[test]
    fn a_live_feed_follows_the_wall_clock_while_confirmed() {
        let mut clock = FeedClock::fresh();
        clock.record(Millis(NOW - 100), Millis(NOW));
        clock.confirmed(Millis(NOW + 250));
        assert!(clock.live());
        assert_eq!(clock.value(), Millis(NOW + 250));
    }

    #[test]
    fn a_live_feed_that_comes_back_after_a_downtime_does_not_hold_time_back() {
        let mut clock = FeedClock::resumed(Millis(NOW), true, true);
        clock.confirmed(Millis(NOW + 3_600_000));
        assert_eq!(clock.value(), Millis(NOW + 3_600_000));
    }

    #[test]
    fn a_backfill_adds_only_the_time_that_passes() {
        let mut clock = FeedClock::fresh();
        let old = NOW - 30 * 86_400_000;
        clock.record(Millis(old), Millis(NOW));
        for step in 1..=4 {
            clock.confirmed(Millis(NOW + 250 * step));
        }
        assert_eq!(clock.value(), Millis(old + 1_000));
        // Ten minutes without an answer are not time that passed.
        clock.confirmed(Millis(NOW + 600_000));
        assert_eq!(clock.value(), Millis(old + 1_000));
        clock.confirmed(Millis(NOW + 600_250));
        assert_eq!(clock.value(), Millis(old + 1_250));
        assert!(!clock.live());
    }

    #[test]
    fn an_empty_feed_follows_the_wall_until_its_first_record() {
        let mut clock = FeedClock::fresh();
        clock.confirmed(Millis(NOW));
        assert_eq!((clock.value(), clock.started()), (Millis(NOW), false));
        let arrival = clock.record(Millis(NOW - 86_400_000), Millis(NOW + 1));
        assert_eq!((arrival, clock.started()), (Millis(NOW - 86_400_000), true));
    }

    proptest! {
        #[test]
        fn a_started_clock_never_falls_and_never_runs_behind_its_records(
            steps in prop::collection::vec((any::<bool>(), -100_000i64..100_000, 0i64..5_000), 1..200)
        ) {
            let mut clock = FeedClock::fresh();
            clock.record(Millis(NOW), Millis(NOW));
            let mut wall = NOW;
            for (is_record, jitter, passed) in steps {
                wall += passed;
                let before = clock.value();
                if is_record {
                    let arrival = clock.record(Millis(wall + jitter), Millis(wall));
                    prop_assert!(arrival >= Millis(wall + jitter));
                } else {
                    clock.confirmed(Millis(wall));
                }
                prop_assert!(clock.value() >= before);
            }
        }
    }
}
