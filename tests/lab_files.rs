//! Scenario files that are wrong get a sentence; outputs appear whole or not at all.

use std::io::Read as _;

use pumpwatch::lab::simulate::{Limits, Scenario, simulate_to_file};

fn refused(text: &str) -> String {
    Scenario::parse("mine.yaml", text).unwrap_err().to_string()
}

const WORLD: &str = "description: d\nworld: {duration: 1d}\n";

fn check(cases: &[(String, &str)]) {
    for (sentence, expected) in cases {
        assert!(sentence.contains(expected), "{sentence:?} lacks {expected:?}");
        assert!(
            sentence.starts_with("the scenario `mine.yaml` is not valid: "),
            "{sentence}"
        );
        assert_eq!(sentence.lines().count(), 1, "{sentence}");
    }
}

#[test]
fn wrong_worlds_are_refused_with_a_sentence() {
    let world = |text: &str| refused(&format!("description: d\nworld: {{duration: 1d, {text}}}\n"));
    let tenants = |text: &str| world(&format!("tenants: [{text}]"));
    check(&[
        (refused(""), "mine.yaml"),
        (refused("world: {duration: 1d}"), "description"),
        (
            refused("description: d\nworld: {duration: soon}"),
            "`soon` is not a duration; write it like",
        ),
        (world("tenant: []"), "unknown field `tenant`"),
        (world("tenant: []"), "did you mean `tenants`?"),
        (world("start: monday"), "`monday` is not a time"),
        (world("kind: c"), "unknown variant `c`"),
        (tenants(""), "name at least one tenant"),
        (tenants("{name: a, sends_per_day: 0}"), "sends_per_day must lie between"),
        (
            tenants("{name: a, sends_per_day: 9, home: XX}"),
            "home `XX` is not a country of the simulator",
        ),
        (
            tenants("{name: a, sends_per_day: 9}, {name: a, sends_per_day: 9}"),
            "two tenants are called `a`",
        ),
        (tenants("{name: a, sends_per_day: 9, apps: []}"), "give it 1 to 16 apps"),
    ]);
}

#[test]
fn wrong_overlays_are_refused_with_a_sentence() {
    let overlay = |text: &str| refused(&format!("{WORLD}overlays:\n  - {{{text}}}\n"));
    let burst = |text: &str| overlay(&format!("kind: burst, start: 1h, {text}"));
    check(&[
        (
            overlay("kind: brust, start: 1h"),
            "overlay 1: no kind is called `brust`; did you mean `burst`?",
        ),
        (overlay("kind: burst"), "start"),
        (
            burst("tenant: acmee"),
            "no tenant is called `acmee`; did you mean `acme`?",
        ),
        (burst("app: signup"), "no app is called `signup`"),
        (burst("rate: -3"), "rate (messages a second) is -3; it must lie between"),
        (burst("rate: .nan"), "rate"),
        (
            burst("converted_share: 40"),
            "converted_share is 40; it must lie between 0 and 1",
        ),
        (burst("country: Uzbekistan"), "country `Uzbekistan` is not a country"),
        (burst("duration: 0s"), "a duration of 0 does nothing"),
        (burst("speed: 3"), "unknown field `speed`"),
        (burst("block_digit: 3"), "did you mean `block_digits`?"),
        (
            overlay("kind: launch, start: 1h, converted_share: 0.4"),
            "`converted_share` means nothing for launch; it takes",
        ),
        (
            burst("id: x}\n  - {kind: drip, id: x, start: 1h"),
            "the id `x` is taken",
        ),
    ]);
}

#[test]
fn an_unknown_name_hints_at_the_nearest() {
    let sentence = Scenario::load("honest_a").unwrap_err().to_string();
    assert!(sentence.contains("did you mean `honest-a`?"), "{sentence}");
    let sentence = Scenario::load("/nowhere/at/all.yaml").unwrap_err().to_string();
    assert!(sentence.contains("no such file exists"), "{sentence}");
}

#[test]
fn binary_and_directories_are_no_scenarios() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bytes.yaml");
    std::fs::write(&path, [0u8, 159, 146, 150]).unwrap();
    let sentence = Scenario::load(path.to_str().unwrap()).unwrap_err().to_string();
    assert!(sentence.contains("cannot be read"), "{sentence}");
    let sentence = Scenario::load(folder.path().to_str().unwrap()).unwrap_err().to_string();
    assert!(sentence.contains("cannot be read"), "{sentence}");
}

#[test]
fn a_users_own_file_is_found_by_its_path() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("own.yaml");
    std::fs::write(&path, WORLD).unwrap();
    assert_eq!(Scenario::load(path.to_str().unwrap()).unwrap().world.tenants.len(), 5);
}

fn text_of(path: &std::path::Path) -> String {
    let bytes = std::fs::read(path).unwrap();
    let mut text = String::new();
    match path.extension().and_then(|e| e.to_str()) {
        Some("gz") => flate2::read::GzDecoder::new(&bytes[..])
            .read_to_string(&mut text)
            .unwrap(),
        Some("zst") => zstd::Decoder::new(&bytes[..])
            .unwrap()
            .read_to_string(&mut text)
            .unwrap(),
        _ => (&bytes[..]).read_to_string(&mut text).unwrap(),
    };
    text
}

#[test]
fn plain_gzip_and_zstandard_hold_the_same_lines() {
    let folder = tempfile::tempdir().unwrap();
    let text = format!("{WORLD}overlays:\n  - {{kind: burst, id: wave, start: 1m, rate: 5}}\n");
    let scenario = Scenario::parse("test", &text).unwrap();
    let limits = Limits {
        events_max: Some(5_000),
    };
    let mut texts = Vec::new();
    for name in ["e.ndjson", "e.ndjson.gz", "e.ndjson.zst"] {
        let out = folder.path().join(name);
        let labels = folder.path().join("labels.ndjson");
        let summary = simulate_to_file(&scenario, 7, &out, Some(&labels), limits, &mut |_, _| {}).unwrap();
        assert_eq!(summary.events, 5_000);
        assert!(summary.attack_sends > 100);
        let label: serde_json::Value = serde_json::from_str(text_of(&labels).trim()).unwrap();
        assert_eq!(
            (label["id"].as_str(), label["attack"].as_bool()),
            (Some("wave"), Some(true))
        );
        texts.push(text_of(&out));
    }
    assert!(texts[0] == texts[1] && texts[1] == texts[2]);
    assert_eq!(texts[0].lines().count(), 5_000);
    let mut labelled = 0;
    for line in texts[0].lines() {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        for key in ["type", "id", "time", "ingest_time", "tenant", "app"] {
            assert!(event[key].is_string(), "{key} in {line}");
        }
        labelled += u32::from(event["label"] == "wave" && event["label_kind"] == "attack");
    }
    assert!(labelled > 300);
    assert_eq!(
        std::fs::read_dir(folder.path()).unwrap().count(),
        4,
        "no part file is left"
    );
}

#[test]
fn nothing_half_written_is_left_when_an_output_fails() {
    let folder = tempfile::tempdir().unwrap();
    let scenario = Scenario::parse("test", WORLD).unwrap();
    // The name is taken by a folder that is not empty: the rename must fail.
    let out = folder.path().join("taken");
    std::fs::create_dir_all(out.join("inside")).unwrap();
    let error = simulate_to_file(
        &scenario,
        1,
        &out,
        None,
        Limits { events_max: Some(10) },
        &mut |_, _| {},
    )
    .unwrap_err();
    assert!(error.to_string().contains("cannot be written"), "{error}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}
