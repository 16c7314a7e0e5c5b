//! Sums of messages, with what they cost as far as it is told.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::model::{Micros, Region};

/// Messages and their prices.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    /// How many.
    pub messages: u64,
    micros: i64,
    /// Messages without a price, by region.
    unpriced: BTreeMap<Option<Region>, u64>,
}

/// An amount, and how much of it is estimated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Amount {
    /// In units of the report's currency.
    pub amount: f64,
    /// Messages in it whose price was not told: counted at the mean of their
    /// country, or of all, or at the price that was given.
    pub estimated_messages: u64,
    /// Messages that could not be priced at all, and count as nothing.
    pub unpriced_messages: u64,
}

impl Sum {
    /// One more message.
    pub fn add(&mut self, region: Option<Region>, price: Option<Micros>) {
        self.messages += 1;
        match price {
            Some(price) => self.micros += price.0,
            None => *self.unpriced.entry(region).or_default() += 1,
        }
    }

    /// Both together.
    pub fn merge(&mut self, other: &Self) {
        self.messages += other.messages;
        self.micros += other.micros;
        for (region, count) in &other.unpriced {
            *self.unpriced.entry(*region).or_default() += count;
        }
    }
}

/// Prices that the events told, and the one that stands for the others.
#[derive(Clone, Debug, Default)]
pub struct Prices {
    regions: BTreeMap<Option<Region>, (i64, u64)>,
    all: (i64, u64),
    assumed: Option<Micros>,
}

impl Prices {
    /// None yet. `assumed` is the price of messages for which none is told.
    pub fn new(assumed: Option<Micros>) -> Self {
        Self {
            assumed,
            ..Self::default()
        }
    }

    /// One more price.
    pub fn learn(&mut self, region: Option<Region>, price: Micros) {
        let of = self.regions.entry(region).or_default();
        *of = (of.0 + price.0, of.1 + 1);
        self.all = (self.all.0 + price.0, self.all.1 + 1);
    }

    fn mean(&self, region: Option<Region>) -> Option<f64> {
        let mean = |(sum, count): (i64, u64)| (count > 0).then(|| sum as f64 / count as f64);
        let assumed = self.assumed.map(|price| price.0 as f64);
        let own = self.regions.get(&region).copied().and_then(mean);
        own.or(assumed).or_else(|| mean(self.all))
    }

    /// What a sum is worth.
    pub fn value(&self, sum: &Sum) -> Amount {
        let mut amount = Amount::default();
        let mut micros = sum.micros as f64;
        for (region, count) in &sum.unpriced {
            match self.mean(*region) {
                Some(price) => {
                    micros += price * *count as f64;
                    amount.estimated_messages += count;
                }
                None => amount.unpriced_messages += count,
            }
        }
        // Whole cents of a cent: no report shows more.
        amount.amount = (micros / 100.0).round() / 10_000.0;
        amount
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_told_is_taken_from_the_country_then_from_what_is_assumed_then_from_all() {
        let (uz, de) = (Region::parse("UZ"), Region::parse("DE"));
        let mut sum = Sum::default();
        sum.add(uz, Some(Micros(200_000)));
        sum.add(uz, None);
        sum.add(de, None);
        let value = |prices: &Prices| prices.value(&sum);
        let nothing = value(&Prices::default());
        assert_eq!((nothing.amount, nothing.unpriced_messages), (0.2, 2));
        let mut prices = Prices::default();
        prices.learn(uz, Micros(100_000));
        assert!((value(&prices).amount - 0.4).abs() < 1e-9);
        let mut prices = Prices::new(Some(Micros(50_000)));
        prices.learn(uz, Micros(100_000));
        let known = value(&prices);
        assert!((known.amount - 0.35).abs() < 1e-9);
        assert_eq!((known.estimated_messages, known.unpriced_messages), (2, 0));
    }
}
