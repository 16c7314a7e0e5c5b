//! `explain` on a simulated campaign: its finding, numbers inside and outside.

use std::fs;
use std::path::PathBuf;

use assert_cmd::Command;
use predicates::prelude::*;
use serde_json::Value;

fn pumpwatch() -> Command {
    Command::cargo_bin("pumpwatch").unwrap()
}

/// One burst into one range of a country in which few honest people live.
const SCENARIO: &str = "description: d\n\
    world: {warm_up: 1d, duration: 4h, tenants: [{name: acme, sends_per_day: 6000, countries: 25}]}\n\
    overlays:\n\
    - {kind: burst, tenant: acme, country: AR, start: 2h, duration: 10m, rate: 0.3}\n";

struct World {
    folder: tempfile::TempDir,
    findings: Vec<Value>,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("own.yaml"), SCENARIO).unwrap();
        let mut simulate = pumpwatch();
        simulate
            .args(["simulate", "--seed", "11", "--scenario"])
            .arg(path("own.yaml"));
        simulate.arg("--out").arg(path("events")).assert().success();
        let mut replay = pumpwatch();
        replay.args(["replay", "--input"]).arg(path("events"));
        replay.arg("--alerts").arg(path("alerts"));
        replay.arg("--save-state").arg(path("state")).assert().success();
        let alerts = fs::read_to_string(path("alerts")).unwrap();
        let findings = alerts.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        Self { folder, findings }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn uid(&self) -> String {
        self.findings[0]["finding_info"]["uid"].as_str().unwrap().to_owned()
    }

    /// The range that the campaign's block ended up with.
    fn blocked(&self) -> String {
        let blocks = self.findings.iter().rev();
        let mut prefixes = blocks.filter_map(|finding| finding["unmapped"]["prefixes"][0]["prefix"].as_str());
        prefixes.next().unwrap().to_owned()
    }

    fn explain(&self, what: &str, source: &str, more: &[&str]) -> Command {
        let mut command = pumpwatch();
        command.args(["explain", what]).arg(format!("--{source}"));
        let file = match source {
            "input" => "events",
            other => other,
        };
        command.arg(self.path(file)).args(more);
        command
    }

    fn said(&self, what: &str, source: &str, more: &[&str]) -> String {
        let output = self.explain(what, source, more).assert().success();
        String::from_utf8(output.get_output().stdout.clone()).unwrap()
    }
}

/// What the numbers are is the detector's business: here is how they are said.
fn masked(text: &str) -> String {
    let hash = regex::Regex::new(r"\b[0-9a-f]{32}\b").unwrap();
    let time = regex::Regex::new(r"\d{4}-\d\d-\d\dT[0-9:.]+Z").unwrap();
    let prefix = regex::Regex::new(r"\+\d{3,}\b(?: \((?:block of 100|10\^\d numbers)\))?").unwrap();
    let number = regex::Regex::new(r"\beven\b|[+-]?\d+(?:\.\d+)?(?:e\d+)?(?: to \d+(?:\.\d+)?(?:e\d+)?)?").unwrap();
    let spaces = regex::Regex::new(r"(\S) {2,}").unwrap();
    let text = hash.replace_all(text, "UID");
    let text = time.replace_all(&text, "TIME");
    let text = prefix.replace_all(&text, "RANGE");
    let text = number.replace_all(&text, "N");
    let text = spaces.replace_all(&text, "$1  ");
    text.replace("  stands", "  VERDICT").replace("  refuted", "  VERDICT")
}

#[test]
fn a_finding_is_told_from_its_first_record_to_its_last() {
    let world = World::new();
    let text = world.said(&world.uid(), "input", &[]);
    assert!(text.starts_with(&format!(
        "Finding {} of tenant acme: SMS pumping towards +",
        world.uid()
    )));
    for part in [
        "The strongest accusation, at 2026-",
        "Innocent explanations then: evidence against each, of the nats asked for",
        "ordinary traffic",
        "a launch or a flash crowd",
        "Accused ranges, and who else lives there",
        "The first message that counts was sent.",
        "The episode opened at level",
        "is blocked until 2026-",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    let then = text.split("Innocent explanations then").nth(1).unwrap();
    let refuted = then.lines().skip(1).take_while(|line| !line.is_empty());
    assert!(
        refuted.clone().count() >= 4 && refuted.clone().all(|line| line.ends_with("refuted")),
        "{text}"
    );
    // From its published records alone: the same but for what only the fold knows.
    let told = world.said(&world.uid(), "alerts", &[]);
    for line in told.lines() {
        assert!(text.contains(line), "{line}");
    }

    let machine: Value = serde_json::from_str(&world.said(&world.uid(), "input", &["--json"])).unwrap();
    assert_eq!(machine["records"].as_array().unwrap().len(), world.findings.len());
    assert_eq!(machine["records"][0], world.findings[0]);
    assert_eq!(machine["uid"], world.findings[0]["finding_info"]["uid"]);
    assert!(machine["explanations"][0].as_array().unwrap().len() >= 4);
    assert!(!machine["blocks"].as_array().unwrap().is_empty());
    insta::assert_snapshot!("finding", masked(&text));
}

#[test]
fn a_number_is_explained_inside_and_outside_a_block() {
    let world = World::new();
    let range = world.blocked();
    // Both ways to the same knowledge.
    let inside = world.said(&range, "input", &[]);
    assert!(inside.contains(&format!("{range} is blocked since 2026-")), "{inside}");
    assert!(inside.contains(&format!("by finding {}", world.uid())), "{inside}");
    assert_eq!(world.said(&range, "state", &[]), inside);
    // What was refuted then is told before what stands now.
    let (then, now) = inside.split_once("Places at present").unwrap();
    assert!(
        then.contains(&format!("The accusation of finding {}", world.uid())),
        "{inside}"
    );
    assert!(then.contains("refuted") && !then.contains("stands"), "{inside}");
    assert!(now.contains("of the nats asked for now"), "{inside}");
    insta::assert_snapshot!("blocked_range", masked(&inside));

    // The same at the moment before the campaign.
    let before = world.said(&range, "input", &["--at", "2026-11-02T01:59:00Z"]);
    assert!(before.contains(") at 2026-11-02T01:59:00"), "{before}");
    assert!(
        before.contains("is not blocked because") && !before.contains("Finding"),
        "{before}"
    );

    let number = "+12124567890";
    let outside = world.said(number, "state", &[]);
    assert!(
        outside.contains(&format!("{number} is not blocked because")),
        "{outside}"
    );
    assert!(
        outside.contains("stands") && outside.contains("+121245678 (block of 100)"),
        "{outside}"
    );
    let machine: Value = serde_json::from_str(&world.said(number, "state", &["--json"])).unwrap();
    assert_eq!(machine["asked"], number);
    let tenant = &machine["tenants"][0];
    assert_eq!(tenant["tenant"], "acme");
    assert!(
        tenant["conclusion"]
            .as_str()
            .unwrap()
            .contains("is not blocked because")
    );
    let places = tenant["places"].as_array().unwrap();
    assert!(places.len() >= 4 && places.last().unwrap()["prefix"].is_null());
    assert!(places.last().unwrap()["explanations"].as_array().unwrap().len() >= 4);
    insta::assert_snapshot!("number_outside", masked(&outside));
}

#[test]
fn the_beginning_of_a_number_is_read_as_a_range() {
    let world = World::new();
    for (digits, read_as, said) in [
        (
            "+27816122",
            "range",
            "Read as a range: as a number it would be unusually short.",
        ),
        ("+27816122345", "number", "Read as a number."),
        ("+9989012", "range", "Read as a range."),
        ("+998901234567", "number", "Read as a number."),
        ("+491711234567", "number", "Read as a number."),
        (
            "+436641234567",
            "number",
            "Read as a number, though longer ones begin so too",
        ),
        ("+4366412345XX", "range", "Read as a range."),
    ] {
        let text = world.said(digits, "state", &[]);
        assert!(text.lines().nth(1).unwrap().starts_with(said), "{digits}: {text}");
        let machine: Value = serde_json::from_str(&world.said(digits, "state", &["--json"])).unwrap();
        assert_eq!(machine["read_as"], read_as, "{digits}");
        let numbers = machine["tenants"]
            .as_array()
            .unwrap()
            .iter()
            .map(|tenant| &tenant["number"]);
        assert!(
            numbers.clone().all(|number| number.is_null() == (read_as == "range")),
            "{digits}"
        );
    }
}

#[test]
fn a_number_that_was_sent_to_is_known_by_its_pseudonym_only() {
    let world = World::new();
    let events = fs::read_to_string(world.path("events")).unwrap();
    let send = events.lines().rev().find(|line| line.contains("\"sms.send\"")).unwrap();
    let send: Value = serde_json::from_str(send).unwrap();
    let number = send["to"].as_str().unwrap();
    let text = world.said(number, "input", &["--tenant", "acme"]);
    assert!(text.contains("The number itself was last sent to at 2026-"), "{text}");
    assert!(text.contains("Open attempt of app"), "{text}");
    let machine = world.said(number, "input", &["--json"]);
    let seen = regex::Regex::new(r"\+\d{10,}").unwrap();
    for found in seen.find_iter(&format!("{text}{machine}")) {
        assert!(
            found.as_str() == number || found.as_str().len() <= number.len() - 2,
            "{found:?}"
        );
    }
}

#[test]
fn what_cannot_be_answered_gets_a_sentence() {
    let world = World::new();
    let uid = world.uid();
    let mut other = uid.clone();
    other.replace_range(..1, if uid.starts_with('0') { "1" } else { "0" });
    let nearest = format!("no finding has the uid {other}; the nearest is {uid}");
    let nobody = "0".repeat(32);
    for (what, source, more, code, sentence) in [
        (other.as_str(), "input", &[][..], 65, nearest.as_str()),
        (&other, "alerts", &[], 65, &nearest),
        (&uid, "state", &[], 2, "a state alone does not hold a finding's story"),
        ("+998901234567", "alerts", &[], 2, "findings alone do not tell"),
        ("998901234567", "input", &[], 2, "is neither a finding nor a number"),
        (
            "+998901234567",
            "state",
            &["--tenant", "acne"],
            65,
            "no tenant is called `acne`",
        ),
        (
            "+998901234567",
            "state",
            &["--at", "2026-11-02T02:00:00Z"],
            2,
            "--input",
        ),
        (
            "+998901234567",
            "input",
            &["--at", "2020-01-01T00:00:00Z"],
            65,
            "before --at",
        ),
        (
            &nobody,
            "input",
            &["--at", "2026-11-01T02:00:00Z"],
            65,
            "there are no findings at all",
        ),
    ] {
        let assert = world.explain(what, source, more).assert();
        assert.code(code).stdout("").stderr(predicate::str::contains(sentence));
    }
    fs::write(world.path("alerts"), "{}\nx\n").unwrap();
    let assert = world.explain(&uid, "alerts", &[]).assert();
    assert.code(65).stderr(predicate::str::contains("holds no findings"));
    let mut nothing = pumpwatch();
    nothing.args(["explain", &uid]).assert().code(2);
}
