//! Regions whose people share one country's networks and numbers: a client of the
//! one with a number of the other is at home.

use crate::model::Region;

/// Territories beside the country they belong to, by ISO 3166.
const HOMES: [(&str, &[&str]); 11] = [
    ("GB", &["GG", "JE", "IM"]),
    ("NO", &["SJ"]),
    ("FI", &["AX"]),
    ("IT", &["VA", "SM"]),
    ("AU", &["CX", "CC", "NF"]),
    ("MA", &["EH"]),
    ("US", &["PR", "GU", "VI", "AS", "MP"]),
    ("FR", &["GP", "MQ", "GF", "RE", "YT", "BL", "MF", "PM"]),
    ("NL", &["BQ", "CW", "SX"]),
    ("NZ", &["TK"]),
    ("DK", &["FO", "GL"]),
];

/// Whether two regions are one country's.
pub fn same_country(a: Region, b: Region) -> bool {
    home(a) == home(b)
}

fn home(region: Region) -> Region {
    let owner = HOMES
        .iter()
        .find(|(_, territories)| territories.contains(&region.as_str()));
    owner.and_then(|(home, _)| Region::parse(home)).unwrap_or(region)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn islanders_are_at_home_and_neighbours_are_not() {
        let region = |code| Region::parse(code).unwrap();
        assert!(same_country(region("GB"), region("JE")));
        assert!(same_country(region("GG"), region("IM")));
        assert!(!same_country(region("GB"), region("IE")));
        assert!(!same_country(region("US"), region("CA")));
        assert!(!same_country(region("US"), region("JM")));
    }
}
