//! What a message costs where the events do not say: round figures by region,
//! in millionths of a US dollar. They serve only to estimate a loss.

use crate::model::{Currency, Micros, Money, Region};

/// Price of one message part to a region that the table does not name.
const ELSEWHERE: i64 = 80_000;

const PRICES: [(&str, i64); 28] = [
    ("AE", 100_000),
    ("AT", 90_000),
    ("AU", 50_000),
    ("BR", 60_000),
    ("CA", 8_000),
    ("CH", 70_000),
    ("CN", 40_000),
    ("DE", 75_000),
    ("ES", 70_000),
    ("FR", 70_000),
    ("GB", 40_000),
    ("GH", 200_000),
    ("ID", 300_000),
    ("IN", 80_000),
    ("IT", 80_000),
    ("JP", 75_000),
    ("KZ", 200_000),
    ("MX", 50_000),
    ("NG", 250_000),
    ("NL", 90_000),
    ("PK", 350_000),
    ("PL", 45_000),
    ("RU", 400_000),
    ("SE", 60_000),
    ("TJ", 350_000),
    ("TR", 40_000),
    ("US", 8_000),
    ("UZ", 250_000),
];

/// The shipped estimate for a message of `segments` parts.
pub(crate) fn estimate(region: Option<Region>, segments: u8) -> Money {
    let each = region
        .and_then(|r| PRICES.iter().find(|(code, _)| *code == r.as_str()))
        .map_or(ELSEWHERE, |(_, price)| *price);
    Money {
        micros: Micros(each * i64::from(segments.max(1))),
        currency: Currency::USD,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_outside_the_table_has_a_price_too() {
        assert_eq!(estimate(Region::parse("US"), 2).micros, Micros(16_000));
        assert_eq!(estimate(None, 0).micros, Micros(ELSEWHERE));
    }
}
