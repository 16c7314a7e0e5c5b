//! What `replay --input` reads: provider formats and tables; and what it says of
//! inputs that are damaged, empty or of another shape.

use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use serde_json::Value;

fn pumpwatch() -> Command {
    Command::cargo_bin("pumpwatch").unwrap()
}

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// The summary of a replay that succeeds.
fn summary(input: &Path, args: &[&str]) -> Value {
    let output = pumpwatch()
        .args(["replay", "--input"])
        .arg(input)
        .args(args)
        .assert()
        .code(0);
    serde_json::from_slice(&output.get_output().stdout).unwrap()
}

/// Exit code and sentence of a replay that fails, which must write nothing.
fn refusal(input: &Path, args: &[&str]) -> (i32, String) {
    let folder = tempfile::tempdir().unwrap();
    let output = pumpwatch()
        .args(["replay", "--input"])
        .arg(input)
        .args(args)
        .arg("--alerts")
        .arg(folder.path().join("alerts.ndjson"))
        .arg("--summary")
        .arg(folder.path().join("summary.json"))
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.stdout.is_empty(), "{said}");
    assert_eq!(names(folder.path()), [""; 0], "{said}");
    assert!(said.lines().all(|line| line.starts_with("pumpwatch: ")), "{said}");
    (output.status.code().unwrap(), said)
}

const ACCOUNTS: &str = r#"{"records":{"usable":3,"ignored":0,"dead_lettered":1},"events":{"counted":4,"duplicate":0,"late":0,"quarantined":0}}"#;

#[test]
fn a_table_of_attempts_is_sends_and_verifications() {
    let columns = data("tables/attempts.yaml").display().to_string();
    for name in ["tables/attempts.parquet", "tables/attempts.csv"] {
        let mut found = summary(&data(name), &["--columns", &columns]);
        assert_eq!(
            (&found["first_time"], &found["last_time"]),
            (&"2026-11-22T07:48:10Z".into(), &"2026-11-22T07:48:40Z".into())
        );
        let found = found.as_object_mut().unwrap();
        found.retain(|key, _| key == "records" || key == "events");
        assert_eq!(
            serde_json::to_value(found).unwrap(),
            serde_json::from_str::<Value>(ACCOUNTS).unwrap(),
            "{name}"
        );
    }
    // The same from standard input, compressed and under another name.
    let csv = fs::read(data("tables/attempts.csv")).unwrap();
    let packed = zstd::encode_all(&csv[..], 1).unwrap();
    let output = pumpwatch()
        .args(["replay", "--input", "-", "--as", "csv", "--columns", &columns])
        .write_stdin(packed)
        .assert()
        .code(0);
    let found: Value = serde_json::from_slice(&output.get_output().stdout).unwrap();
    assert_eq!(found["records"]["usable"], 3);
    let said = String::from_utf8_lossy(&output.get_output().stderr).into_owned();
    assert!(
        said.starts_with("pumpwatch: row 4 is not used (bad_number): "),
        "{said}"
    );
}

#[test]
fn provider_records_are_decoded_as_in_production() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("aws.ndjson");
    let line = |name: &str| {
        let text = fs::read_to_string(data(&format!("decode/aws_sms/{name}.json"))).unwrap();
        serde_json::to_string(&serde_json::from_str::<Value>(&text).unwrap()).unwrap() + "\n"
    };
    let text = ["text_pending", "text_delivered", "voice", "dead_masked"]
        .map(line)
        .concat();
    fs::write(&input, text).unwrap();
    let found = summary(&input, &["--format", "aws_sms", "--tenant", "acme"]);
    assert_eq!(
        found["records"],
        serde_json::json!({"usable": 2, "ignored": 1, "dead_lettered": 1})
    );
    // Read as another format none of it is an event.
    let output = pumpwatch().args(["replay", "--input"]).arg(&input).assert().code(65);
    let said = String::from_utf8_lossy(&output.get_output().stderr).into_owned();
    assert!(said.contains("name another format with --format"), "{said}");
}

#[test]
fn tables_that_cannot_be_read_are_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    };
    let good = fs::read(data("tables/attempts.parquet")).unwrap();
    let csv = fs::read(data("tables/attempts.csv")).unwrap();
    let gz = {
        use std::io::Write as _;
        let lines: Vec<String> = (0..20_000_u64)
            .map(|n| format!("{n},{}", n.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
            .collect();
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder
            .write_all(format!("time,to\n{}", lines.join("\n")).as_bytes())
            .unwrap();
        encoder.finish().unwrap()
    };
    let cases: Vec<(PathBuf, &str)> = vec![
        (at("empty.parquet", b""), "empty.parquet is empty"),
        (
            at("text.parquet", b"time,to\n1,2\n"),
            "is no Parquet file that can be read",
        ),
        (at("cut.parquet", &good[..good.len() / 2]), "is damaged or cut off"),
        (at("tail.parquet", &good[100..]), "is no Parquet file that can be read"),
        (folder.path().join("none.parquet"), "none.parquet: No such file"),
        (
            at("empty.csv", b""),
            "empty.csv is empty; its first line must name the columns",
        ),
        (at("binary.csv", &good), "binary.csv holds no text"),
        (
            at("header.csv", b"time,to\n"),
            "the input is empty; it must hold one event a row",
        ),
        (
            at("cut.csv.gz", &gz[..gz.len() / 2]),
            "cut.csv.gz ends in the middle of its gzip data",
        ),
        (at("plain.csv.zst", &csv), "should hold Zstandard data by its name"),
        (at("latin.csv", b"time,t\xf6\n"), "is not UTF-8 text; export it anew"),
        (at("attempts.csv", &csv), "is it `sent`? Then say --column time=sent"),
    ];
    for (path, sentence) in cases {
        let (code, said) = refusal_or_unused(&path);
        assert_eq!(code, 65, "{said}");
        assert!(said.contains(sentence), "{sentence}: {said}");
    }
}

/// An input without an event writes its accounts all the same.
fn refusal_or_unused(path: &Path) -> (i32, String) {
    let output = pumpwatch().args(["replay", "--input"]).arg(path).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    (output.status.code().unwrap(), said)
}

#[test]
fn no_damage_to_a_parquet_file_makes_the_program_fall() {
    let folder = tempfile::tempdir().unwrap();
    let good = fs::read(data("tables/attempts.parquet")).unwrap();
    let columns = data("tables/attempts.yaml").display().to_string();
    let path = folder.path().join("x.parquet");
    // A byte in every part of the file: pages, column chunks, the footer.
    for place in (0..good.len()).step_by(good.len() / 60) {
        let mut bytes = good.clone();
        bytes[place] ^= 0xff;
        fs::write(&path, bytes).unwrap();
        let output = pumpwatch()
            .args(["replay", "--columns", &columns, "--input"])
            .arg(&path)
            .output()
            .unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        let code = output.status.code();
        assert!(matches!(code, Some(0 | 65)), "byte {place}: {code:?} {said}");
        assert!(
            said.lines().all(|line| line.starts_with("pumpwatch: ")),
            "byte {place}: {said}"
        );
    }
}

#[test]
fn a_mapping_that_is_wrong_has_the_exit_code_of_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let broken = folder.path().join("broken.yaml");
    fs::write(&broken, "columns: {time: sent").unwrap();
    let unknown = folder.path().join("unknown.yaml");
    fs::write(&unknown, "columns: {tiem: sent}\n").unwrap();
    let csv = data("tables/attempts.csv");
    let (broken, unknown) = (broken.display().to_string(), unknown.display().to_string());
    let output = pumpwatch()
        .args(["replay", "--input", "-", "--as", "parquet"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(65));
    assert!(String::from_utf8_lossy(&output.stderr).contains("cannot come from standard input"));
    let cases: [(&[&str], i32, &str); 10] = [
        (&["--columns", &broken], 64, "broken.yaml is not valid"),
        (&["--columns", &unknown], 64, "did you mean `time`?"),
        (
            &["--columns", "/no/such.yaml"],
            64,
            "cannot read the mapping /no/such.yaml",
        ),
        (&["--column", "sent"], 2, "write FIELD=COLUMN"),
        (&["--column", "tiem=sent"], 2, "did you mean `time`?"),
        (&["--column", "time=snet"], 65, "did you mean `sent`?"),
        (&["--zone", "Mars"], 2, "`Mars` is no zone"),
        (&["--format", "aws_sms"], 2, "is a table; leave it out"),
        (&["--as", "lines", "--column", "time=sent"], 2, "--column is for tables"),
        (
            &[
                "--column",
                "time=sent",
                "--column",
                "to=msisdn",
                "--column",
                "price.amount=cost",
            ],
            65,
            "--constant price.currency=USD",
        ),
    ];
    for (args, code, sentence) in cases {
        let (found, said) = refusal(&csv, args);
        assert_eq!(found, code, "{said}");
        assert!(said.contains(sentence), "{sentence}: {said}");
    }
}

#[test]
fn damaged_lines_write_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let line = r#"{"type":"sms.send","id":"1","time":"2026-11-22T07:48:10Z","to":"+998901234567"}"#;
    let lines: String = (0..4_000)
        .map(|n| line.replace("\"1\"", &format!("\"{n}\"")) + "\n")
        .collect();
    let packed = zstd::encode_all(lines.as_bytes(), 1).unwrap();
    let path = folder.path().join("cut.ndjson.zst");
    fs::write(&path, &packed[..packed.len() - 20]).unwrap();
    let (code, said) = refusal(&path, &[]);
    assert_eq!(code, 65);
    assert!(said.contains("it was cut off, fetch it again"), "{said}");
}

#[test]
fn scenarios_that_are_wrong_write_nothing() {
    let folder = tempfile::tempdir().unwrap();
    for (text, sentence) in [
        ("description: [", "is not valid"),
        (
            "description: d\nworld: {duration: 1d, tenant: []}\n",
            "did you mean `tenants`?",
        ),
        ("", "is not valid"),
    ] {
        let path = folder.path().join("own.yaml");
        fs::write(&path, text).unwrap();
        let out = folder.path().join("events.ndjson");
        let output = pumpwatch()
            .args(["simulate", "--scenario"])
            .arg(&path)
            .arg("--out")
            .arg(&out)
            .output()
            .unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(65), "{said}");
        assert!(said.contains(sentence), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
        assert_eq!(names(folder.path()), ["own.yaml"]);
    }
}
