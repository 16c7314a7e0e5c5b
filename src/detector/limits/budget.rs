//! Money spent by tenant and calendar month (UTC).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::detector::trie::TenantIx;
use crate::model::{DAY, Micros, Millis};

/// Months kept for a tenant: the running one, and the one that late events of
/// its last hours may still belong to.
const MONTHS_MAX: usize = 2;

/// A calendar month, counted from January of the year 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Month(i64);

impl Month {
    /// The month in which a time lies (civil date from days since the epoch, in
    /// years that begin in March, so that the leap day is the last).
    pub(crate) fn of(time: Millis) -> Self {
        let day = time.0.div_euclid(DAY) + 719_468;
        let era = day.div_euclid(146_097);
        let of_era = day.rem_euclid(146_097);
        let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year + year / 4 - year / 100);
        let from_march = (5 * of_year + 2) / 153;
        Self((era * 400 + year) * 12 + from_march + 2)
    }

    /// The first moment of the next month.
    pub(crate) fn end(self) -> Millis {
        let from_march = self.0 + 1 - 2;
        let (years, month) = (from_march.div_euclid(12), from_march.rem_euclid(12));
        let leaps = years.div_euclid(4) - years.div_euclid(100) + years.div_euclid(400);
        Millis((years * 365 + leaps + (153 * month + 2) / 5 - 719_468) * DAY)
    }
}

impl std::fmt::Display for Month {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:04}-{:02}", self.0.div_euclid(12), self.0.rem_euclid(12) + 1)
    }
}

#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Spent {
    sum: i64,
    /// When the first of it was spent.
    first: Option<Millis>,
    /// The largest budget of which it was told that it is spent.
    told: Option<Micros>,
}

/// A budget that was just passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Overrun {
    pub(crate) month: Month,
    pub(crate) spent: Micros,
    pub(crate) budget: Micros,
    /// When the first and the last of it were spent.
    pub(crate) first: Millis,
    pub(crate) last: Millis,
}

/// What every tenant spent.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Budgets {
    spent: BTreeMap<TenantIx, BTreeMap<Month, Spent>>,
}

impl Budgets {
    /// Money spent at `time`; the overrun, once a tenant, month and budget: one that
    /// is raised meanwhile may be passed again, one that is lowered is passed already.
    pub(crate) fn spend(
        &mut self,
        tenant: TenantIx,
        time: Millis,
        cost: Micros,
        budget: Option<Micros>,
    ) -> Option<Overrun> {
        let months = self.spent.entry(tenant).or_default();
        let month = Month::of(time);
        let spent = months.entry(month).or_default();
        spent.sum = spent.sum.saturating_add(cost.0);
        if cost.0 > 0 {
            spent.first = Some(spent.first.map_or(time, |first| first.min(time)));
        }
        let first = spent.first.unwrap_or(time);
        let overrun = budget
            .filter(|budget| spent.sum > budget.0 && spent.told.is_none_or(|told| told < *budget))
            .map(|budget| Overrun {
                month,
                spent: Micros(spent.sum),
                budget,
                first,
                last: time,
            });
        if overrun.is_some() {
            spent.told = budget;
        }
        if months.len() > MONTHS_MAX {
            months.pop_first();
        }
        overrun
    }

    /// Amounts in another currency from here on: earlier sums mean nothing in it.
    pub(crate) fn restart(&mut self) {
        self.spent.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(text: &str) -> Millis {
        Millis::parse_rfc3339(text).unwrap()
    }

    proptest! {
        #[test]
        fn months_are_those_of_the_calendar(ms in -60_000_000_000_000i64..250_000_000_000_000) {
            let month = Month::of(Millis(ms));
            prop_assert!(Millis(ms).to_string().starts_with(&month.to_string()));
            let end = month.end();
            prop_assert!(end.0 > ms && end.0 - ms <= 31 * DAY);
            prop_assert_eq!(Month::of(end - 1), month);
            prop_assert_eq!(Month::of(end), Month(month.0 + 1));
        }
    }

    #[test]
    fn an_overrun_is_told_once_a_month_and_the_next_month_starts_from_nothing() {
        let mut budgets = Budgets::default();
        let budget = Some(Micros(100));
        let (november, december) = (at("2026-11-30T23:59:59.999Z"), at("2026-12-01T00:00:00Z"));
        assert_eq!(budgets.spend(0, november, Micros(100), budget), None);
        let overrun = budgets.spend(0, november, Micros(1), budget).unwrap();
        assert_eq!(
            (overrun.spent, overrun.month.to_string().as_str()),
            (Micros(101), "2026-11")
        );
        assert_eq!(overrun.month.end(), december);
        assert_eq!(budgets.spend(0, november, Micros(50), budget), None);
        assert_eq!(budgets.spend(0, december, Micros(100), budget), None);
        // A late event of November counts there, not in December.
        assert_eq!(budgets.spend(0, november, Micros(50), budget), None);
        assert!(budgets.spend(0, december, Micros(1), budget).is_some());
        assert_eq!(budgets.spend(1, december, Micros(100), budget), None);
    }

    #[test]
    fn a_raised_budget_is_told_when_it_is_passed_and_a_lowered_one_is_not() {
        let mut budgets = Budgets::default();
        let time = at("2026-11-10T00:00:00Z");
        let mut told = |cost: i64, budget: i64| budgets.spend(0, time, Micros(cost), Some(Micros(budget))).is_some();
        assert!(told(51, 50));
        assert!(!told(9, 60), "60 of 60");
        assert!(told(1, 60));
        assert!(!told(1, 60) && !told(1, 40) && !told(1, 50));
        assert!(!told(1, 70) && told(10, 70));
    }
}
