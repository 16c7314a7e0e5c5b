//! The scenarios that are part of the program, by name.

macro_rules! builtin {
    ($($name:literal),* $(,)?) => {
        pub(super) const BUILTIN: &[(&str, &str)] = &[
            $(($name, include_str!(concat!("../../../scenarios/", $name, ".yaml")))),*
        ];
    };
}

builtin!(
    "adjacent",
    "burst",
    "burst-fast",
    "burst-slow",
    "cron",
    "datacenter",
    "demo",
    "drip",
    "drip-many",
    "fake-after-block",
    "faked-conversions",
    "faked-narrow",
    "faked-quick",
    "few-networks",
    "hammering",
    "honest-a",
    "honest-b",
    "hopping",
    "innocent-plant-a",
    "innocent-plant-b",
    "innocent-records-a",
    "innocent-records-b",
    "innocent-traffic-a",
    "innocent-traffic-b",
    "link-form",
    "low-and-slow",
    "many-ranges",
    "million",
    "minutes-burst",
    "mixed-a",
    "mixed-b",
    "one-number",
    "peak-cover",
    "probe-first",
    "residential-proxies",
    "scripted",
    "slow-after-block",
    "small-tenant",
    "taught",
    "unseen-country",
    "unseen-country-few",
    "young-tenant",
);
