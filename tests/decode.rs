//! Every sample under `tests/data/decode/<format>/` against the snapshot beside it:
//! what `pumpwatch decode` prints of it. Samples follow what the providers publish.

use std::path::{Path, PathBuf};

use pumpwatch::decode::{FORMATS, Format, RecordMeta};
use pumpwatch::model::Millis;
use pumpwatch::render::canonical::decode_report;

const META: RecordMeta<'_> = RecordMeta {
    record_time: Millis(1_795_333_700_000),
    default_tenant: None,
    default_app: None,
};

fn samples(format: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data/decode")
        .join(format);
    let mut files: Vec<_> = std::fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ext| ext == "json"))
        .collect();
    files.sort();
    files
}

#[test]
fn every_sample_becomes_what_its_snapshot_says() {
    for info in FORMATS {
        let format = Format::parse(info.name).unwrap();
        let samples = samples(info.name);
        assert!(samples.len() >= 8, "{} has too few samples", info.name);
        for path in samples {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            let report = decode_report(format, &META, 1, &std::fs::read(&path).unwrap());
            assert_eq!(
                report.result() == "dead_letter",
                name.starts_with("dead_"),
                "{}: {report:?}",
                path.display()
            );
            insta::with_settings!({
                snapshot_path => path.parent().unwrap(),
                prepend_module_to_snapshot => false,
                omit_expression => true,
            }, {
                insta::assert_json_snapshot!(name, &report);
            });
        }
    }
}

/// Secrets never come out, whatever becomes of the record.
#[test]
fn no_report_shows_a_code_or_a_text() {
    for info in FORMATS {
        let format = Format::parse(info.name).unwrap();
        for path in samples(info.name) {
            let report = decode_report(format, &META, 1, &std::fs::read(&path).unwrap());
            let printed = serde_json::to_string(&report).unwrap();
            for secret in ["NobodyMayKeep", "Your code is", "STOP"] {
                assert!(!printed.contains(secret), "{}: {printed}", path.display());
            }
        }
    }
}

#[test]
fn the_report_has_exactly_the_fields_of_the_contract() {
    let report = decode_report(Format::CANONICAL, &META, 7, b"{}");
    assert_eq!(
        serde_json::to_string(&report).unwrap(),
        r#"{"record":7,"result":"dead_letter","reason":"missing_field: the required field `type` is missing or empty","events":[]}"#
    );
}
