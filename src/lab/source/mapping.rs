//! Which column holds which field of the canonical event.
//!
//! ```yaml
//! zone: UTC                                  # of times that name none
//! columns:
//!   time: sent_at                            # a column
//!   to: {column: msisdn, prefix: "+"}        # text put before each value
//!   status: {column: state, values: {ok: sent, stopped: blocked}}
//!   tenant: {value: acme}                    # the same for every row
//!   verified_time: verified_at               # gives the row a second event
//! ```
//!
//! A field that is not mentioned is taken from the column of its name, with a dot
//! or an underscore between its parts, whatever the case.

use std::collections::BTreeMap;

use jiff::tz::Offset;
use serde_json::Value;
use thiserror::Error;

use super::cell::parse_zone;
use super::fields::{self, Field};

/// Why columns cannot be mapped.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ColumnsError {
    /// The mapping itself is wrong.
    #[error("{0}")]
    Mapping(String),
    /// The file does not have what the mapping asks for.
    #[error("{0}")]
    Fit(String),
}

/// What the user says of the columns.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Mapping {
    zone: Option<Offset>,
    wanted: BTreeMap<&'static str, Wanted>,
}

#[derive(Clone, Debug, PartialEq)]
struct Wanted {
    from: From,
    prefix: String,
    values: BTreeMap<String, String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum From {
    Column(String),
    Constant(String),
}

/// Where a field comes from in a file whose columns are known.
#[derive(Clone, Debug)]
pub(super) struct Planned {
    pub field: &'static Field,
    pub from: Place,
    /// Put before each value.
    pub prefix: String,
    /// What stands for what; a value that is not named stays as it is.
    pub values: BTreeMap<String, String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Number of the column.
    Column(usize),
    /// The same in every row.
    Constant(String),
}

/// How the rows of one file become events.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// In the order of [`fields::all`].
    pub fields: Vec<Planned>,
    pub zone: Option<Offset>,
}

impl Mapping {
    /// Reads the YAML of a mapping; `name` stands for the file in messages.
    pub fn parse(name: &str, text: &str) -> Result<Self, ColumnsError> {
        let fail = |reason: String| ColumnsError::Mapping(format!("the mapping {name} is not valid: {reason}"));
        let tree: Value = serde_saphyr::from_str(text).map_err(|error| {
            let error = error.to_string();
            let line = error.lines().next().unwrap_or_default();
            fail(line.strip_prefix("error: ").unwrap_or(line).into())
        })?;
        let Value::Object(top) = tree else {
            return Err(fail(
                "it must hold `columns:`, and below it one `field: column` a line".into(),
            ));
        };
        let mut mapping = Self::default();
        for (key, value) in top {
            match (key.as_str(), value) {
                ("zone", Value::String(zone)) => mapping.set_zone(&zone).map_err(fail)?,
                ("zone", _) => return Err(fail("`zone` must be a text such as UTC or \"+05:00\"".into())),
                ("columns", Value::Object(columns)) => {
                    for (field, wanted) in columns {
                        let wanted = wanted_of(&field, wanted).map_err(fail)?;
                        mapping.want(&field, wanted).map_err(fail)?;
                    }
                }
                ("columns", _) => return Err(fail("`columns` must hold one `field: column` a line".into())),
                (other, _) => {
                    return Err(fail(format!(
                        "there is no key `{other}`; the keys are `columns` and `zone`"
                    )));
                }
            }
        }
        Ok(mapping)
    }

    /// `FIELD=COLUMN`.
    pub fn add_column(&mut self, text: &str) -> Result<(), ColumnsError> {
        let (field, column) = pair("--column", text)?;
        self.add("--column", field, From::Column(column.into()))
    }

    /// `FIELD=VALUE`.
    pub fn add_constant(&mut self, text: &str) -> Result<(), ColumnsError> {
        let (field, value) = pair("--constant", text)?;
        self.add("--constant", field, From::Constant(value.into()))
    }

    /// The same for every row, unless the mapping says something of the field.
    pub fn add_default(&mut self, field: &'static str, value: &str) {
        self.wanted
            .entry(field)
            .or_insert_with(|| Wanted::plain(From::Constant(value.into())));
    }

    /// The zone of times that name none.
    pub fn set_zone(&mut self, text: &str) -> Result<(), String> {
        let zone = parse_zone(text).ok_or_else(|| {
            format!("`{text}` is no zone; write UTC or a fixed offset, as in +05:00 (a zone with summer time is not known here)")
        })?;
        self.zone = Some(zone);
        Ok(())
    }

    fn add(&mut self, flag: &str, field: &str, from: From) -> Result<(), ColumnsError> {
        // What a file said of prefix and values holds for another column too.
        if let (Some(known), From::Column(_)) = (self.wanted.get_mut(field), &from) {
            known.from = from;
            return Ok(());
        }
        self.want(field, Wanted::plain(from))
            .map_err(|reason| ColumnsError::Mapping(format!("{flag} {field}: {reason}")))
    }

    fn want(&mut self, name: &str, wanted: Wanted) -> Result<(), String> {
        let Some(field) = fields::find(name) else {
            let nearest = fields::nearest(name, fields::all().map(|field| field.name)).unwrap_or("time");
            return Err(format!(
                "no field of an event is called `{name}`; did you mean `{nearest}`? \
                 (it is the event's field first, then the column)"
            ));
        };
        self.wanted.insert(field.name, wanted);
        Ok(())
    }

    /// Finds the fields among the columns of `file`.
    pub(super) fn plan(&self, file: &str, columns: &[String]) -> Result<Plan, ColumnsError> {
        let mut plan = Plan {
            fields: Vec::new(),
            zone: self.zone,
        };
        for field in fields::all() {
            let planned = match self.wanted.get(field.name) {
                Some(wanted) => Some(wanted.planned(field, file, columns)?),
                None => by_name(field, columns).map(|place| Planned {
                    field,
                    from: Place::Column(place),
                    prefix: String::new(),
                    values: BTreeMap::new(),
                }),
            };
            plan.fields.extend(planned);
        }
        plan.check(file, columns)?;
        Ok(plan)
    }
}

impl Wanted {
    fn plain(from: From) -> Self {
        Self {
            from,
            prefix: String::new(),
            values: BTreeMap::new(),
        }
    }

    fn planned(&self, field: &'static Field, file: &str, columns: &[String]) -> Result<Planned, ColumnsError> {
        let from = match &self.from {
            From::Constant(value) => Place::Constant(value.clone()),
            From::Column(column) => Place::Column(position(columns, column).ok_or_else(|| {
                let hint = fields::nearest(column, columns.iter().map(String::as_str));
                let hint = hint.map_or_else(String::new, |name| format!("; did you mean `{name}`?"));
                ColumnsError::Fit(format!(
                    "{file} has no column `{column}` (for the field `{}`){hint} It has {}",
                    field.name,
                    listed(columns)
                ))
            })?),
        };
        Ok(Planned {
            field,
            from,
            prefix: self.prefix.clone(),
            values: self.values.clone(),
        })
    }
}

impl Plan {
    fn has(&self, name: &str) -> bool {
        self.fields.iter().any(|planned| planned.field.name == name)
    }

    /// Numbers of the columns that are read.
    pub(super) fn columns(&self) -> impl Iterator<Item = usize> {
        self.fields.iter().filter_map(|planned| match planned.from {
            Place::Column(place) => Some(place),
            Place::Constant(_) => None,
        })
    }

    fn check(&mut self, file: &str, columns: &[String]) -> Result<(), ColumnsError> {
        let missing = |name: &str, hints: &[&str]| {
            // The nearest to the field's name, or to what such a column is often called.
            let near = columns.iter().min_by_key(|column| {
                let folded = column.to_ascii_lowercase();
                let distance = |hint: &&str| {
                    if hint.len() > 3 && folded.contains(hint) {
                        0
                    } else {
                        strsim::damerau_levenshtein(hint, &folded)
                    }
                };
                hints.iter().map(distance).min().unwrap_or(usize::MAX)
            });
            let near = near.map_or_else(String::new, |near| {
                format!("; is it `{near}`? Then say --column {name}={near}.")
            });
            ColumnsError::Fit(format!(
                "{file} has no column for the field `{name}`{near} It has {}",
                listed(columns)
            ))
        };
        if !self.has("time") {
            return Err(missing("time", &["time", "sent", "created", "date"]));
        }
        let joins = self.has("session") || self.has("message_id");
        let has_number = self.has("to") || (self.has("to.prefix") && self.has("to.token"));
        // Rows that are verifications or receipts may be joined by an id.
        let is_joined = self.has("type") && joins;
        if !has_number && !is_joined {
            return Err(missing(
                "to",
                &["to", "phone", "msisdn", "number", "destination", "recipient"],
            ));
        }
        if self.has("to") {
            self.fields.retain(|planned| !planned.field.name.starts_with("to."));
        }
        if self.has("price.amount") && !self.has("price.currency") {
            return Err(ColumnsError::Fit(format!(
                "{file} has prices but no column for `price.currency`; name it, or say --constant price.currency=USD"
            )));
        }
        if !self.has("price.amount") {
            self.fields.retain(|planned| planned.field.name != "price.currency");
        }
        Ok(())
    }
}

fn pair<'a>(flag: &str, text: &'a str) -> Result<(&'a str, &'a str), ColumnsError> {
    let parts = text.split_once('=').filter(|(a, b)| !a.is_empty() && !b.is_empty());
    parts.ok_or_else(|| {
        let (what, example) = if flag == "--column" {
            ("FIELD=COLUMN", "time=sent_at")
        } else {
            ("FIELD=VALUE", "tenant=acme")
        };
        ColumnsError::Mapping(format!("{flag} {text}: write {what}, as in {flag} {example}"))
    })
}

fn wanted_of(field: &str, value: Value) -> Result<Wanted, String> {
    let object = match value {
        Value::String(column) => return Ok(Wanted::plain(From::Column(column))),
        Value::Object(object) => object,
        _ => {
            return Err(format!(
                "`{field}` must be a column's name, or {{column: …}} or {{value: …}}"
            ));
        }
    };
    let (mut column, mut constant) = (None, None);
    let mut wanted = Wanted::plain(From::Constant(String::new()));
    for (key, value) in object {
        match (key.as_str(), value) {
            ("column", Value::String(name)) => column = Some(name),
            ("prefix", Value::String(text)) => wanted.prefix = text,
            ("value", Value::String(text)) => constant = Some(text),
            ("value", Value::Number(number)) => constant = Some(number.to_string()),
            ("values", Value::Object(values)) => {
                for (from, to) in values {
                    let Value::String(to) = to else {
                        return Err(format!("`{field}`: the value of `{from}` must be a text"));
                    };
                    wanted.values.insert(from, to);
                }
            }
            (key @ ("column" | "prefix" | "value"), _) => {
                return Err(format!("`{field}`: `{key}` must be a text; put it in quotes"));
            }
            ("values", _) => return Err(format!("`{field}`: `values` must be pairs, as in {{ok: sent}}")),
            (other, _) => {
                return Err(format!(
                    "`{field}` has no key `{other}`; the keys are column, value, prefix and values"
                ));
            }
        }
    }
    wanted.from = match (column, constant) {
        (Some(column), None) => From::Column(column),
        (None, Some(value)) => From::Constant(value),
        _ => return Err(format!("`{field}` must have either `column` or `value`")),
    };
    Ok(wanted)
}

/// The column of that name; whatever the case where no name is equal.
fn position(columns: &[String], name: &str) -> Option<usize> {
    let equal = columns.iter().position(|column| column == name);
    equal.or_else(|| columns.iter().position(|column| column.eq_ignore_ascii_case(name)))
}

fn by_name(field: &Field, columns: &[String]) -> Option<usize> {
    let mut names = [field.name].into_iter().chain(field.aliases.iter().copied());
    names.find_map(|name| position(columns, name))
}

fn listed(columns: &[String]) -> String {
    const SHOWN: usize = 20;
    let names: Vec<String> = columns.iter().take(SHOWN).map(|name| format!("`{name}`")).collect();
    let more = columns.len().saturating_sub(SHOWN);
    match (names.is_empty(), more) {
        (true, _) => "no columns".into(),
        (_, 0) => names.join(", "),
        _ => format!("{} and {more} more", names.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(names: &str) -> Vec<String> {
        names.split(' ').map(str::to_owned).collect()
    }

    fn said(mapping: &str) -> String {
        Mapping::parse("map.yaml", mapping).unwrap_err().to_string()
    }

    #[test]
    fn columns_of_the_fields_own_names_need_no_mapping() {
        let plan = Mapping::default()
            .plan("x.csv", &columns("TIME to price currency client_ip extra verified_at"))
            .unwrap();
        let names: Vec<&str> = plan.fields.iter().map(|planned| planned.field.name).collect();
        assert_eq!(
            names,
            [
                "time",
                "to",
                "price.amount",
                "price.currency",
                "client.ip",
                "verified_time"
            ]
        );
        assert_eq!(plan.columns().collect::<Vec<_>>(), [0, 1, 2, 3, 4, 6]);
    }

    #[test]
    fn missing_columns_are_named_with_the_nearest() {
        let said = |mapping: &Mapping, names: &str| mapping.plan("x.csv", &columns(names)).unwrap_err().to_string();
        let mut mapping = Mapping::default();
        assert_eq!(
            said(&mapping, "created_on msisdn"),
            "x.csv has no column for the field `time`; is it `created_on`? Then say --column time=created_on. \
             It has `created_on`, `msisdn`"
        );
        mapping.add_column("time=creatd_on").unwrap();
        assert_eq!(
            said(&mapping, "created_on msisdn"),
            "x.csv has no column `creatd_on` (for the field `time`); did you mean `created_on`? It has `created_on`, `msisdn`"
        );
        mapping.add_column("time=created_on").unwrap();
        assert!(said(&mapping, "created_on msisdn").contains("say --column to=msisdn"));
        mapping.add_column("to=msisdn").unwrap();
        assert!(said(&mapping, "created_on msisdn price").contains("--constant price.currency=USD"));
        mapping.add_constant("price.currency=USD").unwrap();
        assert!(mapping.plan("x.csv", &columns("created_on msisdn price")).is_ok());
        // Without a price a currency means nothing.
        let plan = mapping.plan("x.csv", &columns("created_on msisdn")).unwrap();
        assert_eq!(plan.fields.len(), 2);
    }

    #[test]
    fn a_mapping_that_is_wrong_says_so() {
        for (text, part) in [
            ("", "it must hold `columns:`"),
            ("columns: [a]", "`columns` must hold one `field: column` a line"),
            ("column: {time: a}", "there is no key `column`"),
            ("columns: {timestamp: a}", "did you mean `time"),
            ("columns: {time: {colum: a}}", "`time` has no key `colum`"),
            ("columns: {time: {column: a, value: b}}", "either `column` or `value`"),
            ("columns: {time: 5}", "`time` must be a column's name"),
            ("columns: {to: {column: a, prefix: 5}}", "put it in quotes"),
            ("zone: Europe/Berlin", "is no zone"),
            ("columns: {a: b", "the mapping map.yaml is not valid: "),
        ] {
            let sentence = said(text);
            assert!(sentence.contains(part), "{text}: {sentence}");
            assert_eq!(sentence.lines().count(), 1, "{sentence}");
        }
        let mut mapping = Mapping::default();
        assert!(
            mapping
                .add_column("sent_at")
                .unwrap_err()
                .to_string()
                .contains("FIELD=COLUMN")
        );
        assert!(
            mapping
                .add_constant("tenent=x")
                .unwrap_err()
                .to_string()
                .contains("did you mean `tenant`")
        );
    }
}
