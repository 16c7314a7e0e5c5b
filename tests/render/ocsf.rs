//! Findings against the OCSF schema of the class Detection Finding, version 1.8.0.

use std::collections::BTreeSet;

use pumpwatch::render::ocsf;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::fixtures;

#[derive(Deserialize)]
struct OcsfSchema {
    version: String,
    classes: Named<Class>,
    objects: Named<Class>,
    types: Named<ScalarType>,
}

type Named<T> = std::collections::BTreeMap<String, T>;

#[derive(Deserialize)]
struct Class {
    attributes: Named<Attribute>,
    #[serde(default)]
    constraints: Named<Vec<String>>,
}

#[derive(Deserialize)]
struct Attribute {
    /// Type.
    t: String,
    /// Requirement.
    q: String,
    /// Whether it is an array.
    #[serde(default)]
    a: u8,
    /// Enumeration: value to caption.
    e: Option<Named<String>>,
    /// The attribute that bears the caption.
    s: Option<String>,
    /// The profile that brings it in.
    p: Option<String>,
    /// The version that deprecated it.
    d: Option<String>,
}

#[derive(Deserialize)]
struct ScalarType {
    #[serde(rename = "type")]
    base: Option<String>,
    regex: Option<String>,
    range: Option<[i64; 2]>,
    max_len: Option<usize>,
}

/// Walks a value beside the schema and notes what does not fit.
struct Walker<'a> {
    schema: &'a OcsfSchema,
    profiles: BTreeSet<&'a str>,
    faults: Vec<String>,
}

impl<'a> Walker<'a> {
    fn object(&mut self, at: &str, class: &Class, object: &'a Map<String, Value>) {
        for name in object.keys().filter(|name| !class.attributes.contains_key(*name)) {
            self.faults.push(format!("{at}.{name} is no attribute of the schema"));
        }
        for (name, attribute) in &class.attributes {
            let at = format!("{at}.{name}");
            let active = attribute
                .p
                .as_deref()
                .is_none_or(|profile| self.profiles.contains(profile));
            match object.get(name) {
                None if attribute.q == "required" && active => self.faults.push(format!("{at} is required")),
                None => {}
                Some(_) if !active => self
                    .faults
                    .push(format!("{at} belongs to a profile that is not declared")),
                Some(_) if attribute.d.is_some() => self.faults.push(format!("{at} is deprecated")),
                Some(value) => {
                    self.attribute(&at, attribute, value);
                    self.sibling(&at, attribute, value, object);
                }
            }
        }
        for (rule, names) in &class.constraints {
            let present = names.iter().filter(|name| object.contains_key(*name)).count();
            let kept = match rule.as_str() {
                "at_least_one" => present >= 1,
                "just_one" => present == 1,
                _ => false,
            };
            if !kept {
                self.faults.push(format!("{at} breaks {rule} of {names:?}"));
            }
        }
    }

    fn attribute(&mut self, at: &str, attribute: &Attribute, value: &'a Value) {
        if attribute.a == 0 {
            return self.single(at, attribute, value);
        }
        match value.as_array() {
            Some(items) if items.is_empty() => self.faults.push(format!("{at} is an empty array")),
            Some(items) => {
                for (i, item) in items.iter().enumerate() {
                    self.single(&format!("{at}[{i}]"), attribute, item);
                }
            }
            None => self.faults.push(format!("{at} is not an array")),
        }
    }

    fn single(&mut self, at: &str, attribute: &Attribute, value: &'a Value) {
        if let Some(captions) = &attribute.e
            && !captions.contains_key(&value.to_string())
        {
            self.faults
                .push(format!("{at} is {value}, not one of {:?}", captions.keys()));
        }
        if attribute.t == "object" {
            if !value.is_object() {
                self.faults.push(format!("{at} is not an object"));
            }
        } else if let Some(class) = self.schema.objects.get(&attribute.t) {
            match value.as_object() {
                Some(object) => self.object(at, class, object),
                None => self.faults.push(format!("{at} is not an object")),
            }
        } else {
            self.scalar(at, &attribute.t, value);
        }
    }

    fn scalar(&mut self, at: &str, name: &str, value: &Value) {
        let fits = match name {
            "string_t" => value.as_str().is_some_and(|text| !text.is_empty()),
            "integer_t" => value.as_i64().is_some_and(|number| i32::try_from(number).is_ok()),
            "long_t" => value.is_i64(),
            "float_t" => value.is_f64(),
            "boolean_t" => value.is_boolean(),
            "json_t" => !value.is_null(),
            derived => {
                let scalar = &self.schema.types[derived];
                // None of the types in use has one: better a fault than an unchecked value.
                if scalar.regex.is_some() || scalar.range.is_some() || scalar.max_len.is_some() {
                    self.faults
                        .push(format!("{at}: {derived} has rules that this test does not check"));
                }
                let base = scalar.base.clone().unwrap_or_else(|| panic!("{derived} has no base"));
                return self.scalar(at, &base, value);
            }
        };
        if !fits {
            self.faults.push(format!("{at} is {value}, not a {name}"));
        }
    }

    /// Where a caption stands beside its number it must be the schema's.
    fn sibling(&mut self, at: &str, attribute: &Attribute, value: &Value, object: &Map<String, Value>) {
        let (Some(captions), Some(sibling)) = (&attribute.e, &attribute.s) else {
            return;
        };
        let Some(Value::String(caption)) = object.get(sibling) else {
            return;
        };
        // 99 is Other: there the sibling says what the enumeration cannot.
        if value != 99 && captions.get(&value.to_string()) != Some(caption) {
            self.faults
                .push(format!("{at} is {value}, and {sibling} says {caption:?}"));
        }
    }
}

fn schema() -> OcsfSchema {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/data/ocsf/ocsf-1.8.0-detection_finding.json"
    );
    let text = std::fs::read_to_string(path).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn faults(schema: &OcsfSchema, finding: &Value) -> Vec<String> {
    let profiles = finding["metadata"]["profiles"]
        .as_array()
        .map_or_else(BTreeSet::new, |profiles| {
            profiles.iter().filter_map(Value::as_str).collect()
        });
    let mut walker = Walker {
        schema,
        profiles,
        faults: Vec::new(),
    };
    walker.object(
        "finding",
        &schema.classes["detection_finding"],
        finding.as_object().unwrap(),
    );
    walker.faults
}

fn rendered(finding: &pumpwatch::model::Finding) -> Value {
    serde_json::from_slice(&ocsf::finding(finding).value).unwrap()
}

#[test]
fn every_finding_keeps_the_schema() {
    let schema = schema();
    assert_eq!(schema.version, ocsf::OCSF_VERSION);
    for finding in fixtures::all_findings() {
        let value = rendered(&finding);
        let faults = faults(&schema, &value);
        assert!(faults.is_empty(), "{faults:#?}\n{value:#}");
    }
}

/// A walker that finds nothing wrong with anything would prove nothing.
#[test]
fn the_walker_sees_each_sort_of_fault() {
    let schema = schema();
    let good = rendered(&fixtures::pumping());
    let breakages = [
        ("finding.finding_info.uid is required", "/finding_info/uid", None),
        ("finding.surprise is no attribute", "/surprise", Some(json!(1))),
        (
            "finding.metadata.product.surprise is no attribute",
            "/metadata/product/surprise",
            Some(json!(1)),
        ),
        ("finding.severity_id is 7", "/severity_id", Some(json!(7))),
        (
            "finding.severity_id is 3, and severity says",
            "/severity_id",
            Some(json!(3)),
        ),
        ("finding.time is \"now\", not a long_t", "/time", Some(json!("now"))),
        (
            "finding.count is 4294967296, not a integer_t",
            "/count",
            Some(json!(1_i64 << 32)),
        ),
        (
            "finding.resources is not an array",
            "/resources",
            Some(json!({"name": "+1"})),
        ),
        ("finding.resources is an empty array", "/resources", Some(json!([]))),
        ("finding.evidences[0] breaks at_least_one", "/evidences/0/data", None),
        (
            "finding.action_id belongs to a profile",
            "/metadata/profiles",
            Some(json!(["cloud"])),
        ),
    ];
    for (sentence, pointer, to) in breakages {
        let mut value = good.clone();
        fixtures::set(&mut value, pointer, to);
        let faults = faults(&schema, &value);
        assert!(
            faults.iter().any(|fault| fault.starts_with(sentence)),
            "{sentence}: {faults:#?}"
        );
    }
}

/// What OCSF recommends for the class and a detector of numbers can know.
#[test]
fn a_full_finding_has_what_is_recommended() {
    let schema = schema();
    let value = rendered(&fixtures::pumping());
    for (name, attribute) in &schema.classes["detection_finding"].attributes {
        let ours = attribute
            .p
            .as_deref()
            .is_none_or(|profile| profile == "security_control");
        if ours && attribute.q == "recommended" {
            assert!(value.get(name).is_some(), "{name} is recommended");
        }
    }
    for pointer in [
        "/finding_info/title",
        "/finding_info/analytic/uid",
        "/metadata/log_name",
        "/metadata/original_time",
        "/metadata/reporter/name",
        "/metadata/tenant_uid",
        "/metadata/product/uid",
        "/anomaly_analyses/0/baselines/0/observations/0/value",
    ] {
        assert!(value.pointer(pointer).is_some(), "{pointer}");
    }
}

#[test]
fn activity_status_and_type_belong_together() {
    for (finding, activity, type_uid, status, is_alert) in [
        (fixtures::pumping(), 1, 200_401, 1, true),
        (fixtures::pumping_update(), 2, 200_402, 2, true),
        (fixtures::pumping_close(), 3, 200_403, 4, false),
    ] {
        let value = rendered(&finding);
        assert_eq!(value["activity_id"], activity);
        assert_eq!(value["type_uid"], type_uid);
        assert_eq!(value["status_id"], status);
        assert_eq!(value["is_alert"], is_alert);
    }
}

#[test]
fn severity_follows_level_and_loss() {
    use pumpwatch::model::{FindingKind, Level, Micros};
    let mut finding = fixtures::pumping();
    for (kind, level, loss_per_hour, severity) in [
        (FindingKind::SmsPumping, Level::Alert, 5_000_000_000, 3),
        (FindingKind::SmsPumping, Level::Block, 999_999_999, 4),
        (FindingKind::SmsPumping, Level::Block, 1_000_000_000, 5),
        (FindingKind::LimitExceeded, Level::Block, 0, 4),
        (FindingKind::DeliveryOutage, Level::Alert, 5_000_000_000, 3),
        (FindingKind::BadInputRatio, Level::Alert, 0, 2),
    ] {
        finding.kind = kind;
        finding.level = level;
        finding.loss_per_hour = Micros(loss_per_hour);
        assert_eq!(
            rendered(&finding)["severity_id"],
            severity,
            "{kind:?} {level:?} {loss_per_hour}"
        );
    }
}

/// The risk rises with the evidence and stays within 0 to 100; no line, no risk.
#[test]
fn risk_rises_with_the_evidence() {
    let mut finding = fixtures::pumping();
    let mut risk = |total: f64, threshold: f64| {
        (finding.log_e_total, finding.log_e_threshold) = (total, threshold);
        rendered(&finding).get("risk_score").cloned()
    };
    let scores: Vec<_> = [f64::NEG_INFINITY, 0.0, 8.0, 16.0, 32.0, f64::INFINITY]
        .map(|total| risk(total, 16.0))
        .into();
    assert_eq!(scores, [0, 0, 68, 90, 99, 100].map(|score| Some(Value::from(score))));
    assert_eq!(risk(1.0, 0.0), None);
    assert_eq!(risk(f64::NAN, 16.0), None);
}

#[test]
fn identities_are_stable_and_one_for_each_record() {
    let records = [
        fixtures::pumping(),
        fixtures::pumping_update(),
        fixtures::pumping_close(),
    ];
    let uids: BTreeSet<String> = records
        .iter()
        .map(|finding| ocsf::finding(finding).metadata_uid)
        .collect();
    assert_eq!(uids.len(), 3);
    // Also under another version of the program, and whatever else the record says.
    let mut same_record = fixtures::pumping();
    same_record.message = "another sentence".into();
    assert_eq!(
        ocsf::finding(&same_record).metadata_uid,
        ocsf::finding(&fixtures::pumping()).metadata_uid
    );
    // A change of this value makes consumers take every record for a new one.
    assert_eq!(
        ocsf::finding(&fixtures::pumping()).metadata_uid,
        "f840948c3d2e78398accc2e209284949"
    );
}

/// The link to the episode from which an attack moved is that episode's first record.
#[test]
fn a_moved_attack_names_the_record_that_opened_the_episode_it_left() {
    let first = fixtures::pumping();
    let mut moved = fixtures::pumping();
    moved.uid = pumpwatch::model::FindingUid(99);
    moved.moved_from = Some(first.uid);
    let value = rendered(&moved);
    assert_eq!(
        value["finding_info"]["related_events"][0]["uid"],
        ocsf::finding(&first).metadata_uid
    );
    assert_eq!(value["unmapped"]["moved_from"], first.uid.to_string());
    assert!(rendered(&first)["unmapped"].get("moved_from").is_none());
}
