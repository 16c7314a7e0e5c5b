//! The countries of the world: what a message costs, what time it is there, how
//! popular they are. Prices are round figures of public price lists.

/// One country as the simulator knows it.
#[derive(Clone, Copy, Debug)]
pub(super) struct CountryFacts {
    /// ISO 3166 code.
    pub region: &'static str,
    /// Mobile country code.
    pub mcc: &'static str,
    /// Offset from UTC in minutes; one for a country, the most populous zone's.
    pub offset_min: i32,
    /// US dollars a message.
    pub price: f64,
    /// The weekend is Friday and Saturday.
    pub friday: bool,
}

const fn c(region: &'static str, mcc: &'static str, offset_min: i32, price: f64) -> CountryFacts {
    CountryFacts {
        region,
        mcc,
        offset_min,
        price,
        friday: false,
    }
}

const fn f(region: &'static str, mcc: &'static str, offset_min: i32, price: f64) -> CountryFacts {
    CountryFacts {
        region,
        mcc,
        offset_min,
        price,
        friday: true,
    }
}

/// In order of popularity; the last ones are where hardly anybody sends.
pub(super) const COUNTRIES: &[CountryFacts] = &[
    c("US", "310", -360, 0.008),
    c("IN", "404", 330, 0.03),
    c("BR", "724", -180, 0.04),
    c("GB", "234", 0, 0.04),
    c("DE", "262", 60, 0.075),
    c("MX", "334", -360, 0.045),
    c("FR", "208", 60, 0.07),
    c("ID", "510", 420, 0.22),
    c("ES", "214", 60, 0.07),
    c("IT", "222", 60, 0.075),
    c("CA", "302", -300, 0.009),
    c("PH", "515", 480, 0.15),
    c("TR", "286", 180, 0.03),
    c("PL", "260", 60, 0.035),
    c("NL", "204", 60, 0.09),
    c("AU", "505", 600, 0.045),
    c("JP", "440", 540, 0.075),
    c("CO", "732", -300, 0.045),
    c("AR", "722", -180, 0.065),
    c("ZA", "655", 120, 0.03),
    f("SA", "420", 180, 0.035),
    c("AE", "424", 240, 0.05),
    c("TH", "520", 420, 0.03),
    c("MY", "502", 480, 0.08),
    c("VN", "452", 420, 0.08),
    f("EG", "602", 120, 0.2),
    c("NG", "621", 60, 0.13),
    c("KE", "639", 180, 0.12),
    c("PK", "410", 300, 0.22),
    f("BD", "470", 360, 0.24),
    c("CL", "730", -240, 0.055),
    c("PE", "716", -300, 0.055),
    c("SE", "240", 60, 0.06),
    c("CH", "228", 60, 0.07),
    c("BE", "206", 60, 0.1),
    c("AT", "232", 60, 0.095),
    c("PT", "268", 0, 0.045),
    c("RO", "226", 120, 0.06),
    c("CZ", "230", 60, 0.06),
    c("GR", "202", 120, 0.07),
    c("UA", "255", 120, 0.1),
    f("IL", "425", 120, 0.2),
    c("SG", "525", 480, 0.045),
    c("HK", "454", 480, 0.06),
    c("TW", "466", 480, 0.06),
    c("KR", "450", 540, 0.04),
    c("NZ", "530", 720, 0.09),
    c("DK", "238", 60, 0.045),
    c("NO", "242", 60, 0.055),
    c("FI", "244", 120, 0.08),
    c("IE", "272", 0, 0.07),
    c("HU", "216", 60, 0.09),
    c("MA", "604", 60, 0.11),
    f("DZ", "603", 60, 0.23),
    c("TN", "605", 60, 0.2),
    c("GH", "620", 0, 0.14),
    c("TZ", "640", 180, 0.17),
    c("ET", "636", 180, 0.2),
    f("IQ", "418", 180, 0.25),
    f("JO", "416", 120, 0.2),
    f("KW", "419", 180, 0.17),
    c("LK", "413", 330, 0.22),
    c("NP", "429", 345, 0.16),
    c("KZ", "401", 300, 0.18),
    c("UZ", "434", 300, 0.204),
    c("AZ", "400", 240, 0.24),
    c("GE", "282", 240, 0.12),
    c("AM", "283", 240, 0.19),
    c("EC", "740", -300, 0.13),
    c("GT", "704", -360, 0.08),
    c("DO", "370", -240, 0.06),
    c("BO", "736", -240, 0.1),
    c("CI", "612", 0, 0.16),
    c("SN", "608", 0, 0.14),
    c("CM", "624", 60, 0.14),
    c("UG", "641", 180, 0.15),
    c("MZ", "643", 120, 0.1),
    c("KH", "456", 420, 0.17),
    c("LA", "457", 420, 0.13),
    c("MM", "414", 390, 0.26),
    c("BY", "257", 180, 0.17),
    c("KG", "437", 360, 0.2),
    c("TJ", "436", 300, 0.45),
    c("TM", "438", 300, 0.2),
    c("MN", "428", 480, 0.15),
    c("AF", "412", 270, 0.25),
    c("MG", "646", 180, 0.35),
    c("BI", "642", 120, 0.32),
    c("ML", "610", 0, 0.21),
    c("NE", "614", 60, 0.24),
    c("TD", "622", 60, 0.22),
    c("PS", "425", 120, 0.2),
    c("MV", "472", 300, 0.09),
    c("PG", "537", 600, 0.18),
    c("ZW", "648", 120, 0.12),
    c("SO", "637", 180, 0.16),
];

/// The place of `region` in [`COUNTRIES`].
pub(super) fn position(region: &str) -> Option<usize> {
    COUNTRIES.iter().position(|country| country.region == region)
}
