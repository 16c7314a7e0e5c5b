//! A row of a table as the JSON of its canonical events.

use std::borrow::Cow;
use std::io::Write as _;

use super::cell::Cell;
use super::fields::Kind;
use super::mapping::{Place, Plan, Planned};

/// The events of a row, each as a canonical JSON object: the one it is about, and
/// where it was verified that.
#[derive(Debug, Default)]
pub(super) struct RowEvents {
    /// What the row is about.
    pub first: Vec<u8>,
    /// The verification of a send; empty when there is none.
    pub verification: Vec<u8>,
}

/// What a row is about where nothing says so.
const DEFAULT_TYPE: &str = "sms.send";

impl RowEvents {
    /// Writes the events of row `number`. `cells` are those of all columns.
    pub(super) fn read(&mut self, plan: &Plan, number: u64, cells: &[Cell<'_>]) {
        let value = |name: &str| {
            let planned = plan.fields.iter().find(|planned| planned.field.name == name)?;
            planned.text(cells)
        };
        let kind = value("type").unwrap_or(Cow::Borrowed(DEFAULT_TYPE));
        // An id that is not told is the message's, or at least the row's own: then
        // no repetition is recognised.
        let id = value("id").or_else(|| value("message_id"));
        let id = id.unwrap_or_else(|| Cow::Owned(format!("row:{number}")));
        let verified = plan.fields.iter().find(|planned| planned.field.name == "verified_time");
        let verified = verified.filter(|_| kind == DEFAULT_TYPE);
        let verified = verified.filter(|planned| planned.cell(cells).is_some_and(|cell| *cell != Cell::Empty));
        let mut first = Object::begin(&mut self.first, &kind, &id);
        for planned in &plan.fields {
            let name = planned.field.name;
            let is_verification = verified.is_some() && name == "outcome";
            if !matches!(name, "type" | "id" | "verified_time") && !is_verification {
                first.field(planned, name, plan, cells);
            }
        }
        first.end();
        self.verification.clear();
        let Some(verified) = verified else { return };
        let mut second = Object::begin(&mut self.verification, "sms.verification", &id);
        second.field(verified, "time", plan, cells);
        for planned in &plan.fields {
            let name = planned.field.name;
            if matches!(
                name,
                "to" | "to.prefix" | "to.token" | "tenant" | "app" | "session" | "message_id" | "channel"
            ) {
                second.field(planned, name, plan, cells);
            }
        }
        let outcome = value("outcome").unwrap_or(Cow::Borrowed("approved"));
        second.text("outcome", &outcome);
        second.end();
    }
}

impl Planned {
    fn cell<'a>(&self, cells: &'a [Cell<'a>]) -> Option<&'a Cell<'a>> {
        match &self.from {
            Place::Column(place) => cells.get(*place),
            Place::Constant(_) => None,
        }
    }

    fn text<'a>(&'a self, cells: &'a [Cell<'a>]) -> Option<Cow<'a, str>> {
        let text = match &self.from {
            Place::Constant(value) => Cow::Borrowed(value.as_str()),
            Place::Column(_) => self.cell(cells)?.text()?,
        };
        let text = match self.values.get(text.as_ref()) {
            Some(meant) => Cow::Borrowed(meant.as_str()),
            None => text,
        };
        if self.prefix.is_empty() {
            Some(text)
        } else {
            Some(Cow::Owned(format!("{}{text}", self.prefix)))
        }
    }
}

struct Object<'a> {
    out: &'a mut Vec<u8>,
    /// The member that is being written, such as `price`.
    open: Option<&'static str>,
    is_first: bool,
}

impl<'a> Object<'a> {
    fn begin(out: &'a mut Vec<u8>, kind: &str, id: &str) -> Self {
        out.clear();
        out.push(b'{');
        let mut object = Self {
            out,
            open: None,
            is_first: true,
        };
        object.text("type", kind);
        object.text("id", id);
        object
    }

    fn field(&mut self, planned: &Planned, name: &'static str, plan: &Plan, cells: &[Cell<'_>]) {
        match planned.field.kind {
            Kind::Text => {
                if let Some(text) = planned.text(cells) {
                    self.text(name, &text);
                } else if let Some(Cell::Other(kind)) = planned.cell(cells) {
                    self.wrong(name, kind);
                }
            }
            Kind::Number => match planned.cell(cells) {
                Some(Cell::Empty) => {}
                Some(Cell::Integer(number)) => self.number(name, *number),
                Some(Cell::Float(number)) if number.is_finite() => self.float(name, *number),
                _ => match planned.text(cells) {
                    Some(text) => self.numeric(name, &text),
                    None => self.wrong(name, "not a number"),
                },
            },
            Kind::Time => match &planned.from {
                Place::Constant(value) => self.time(name, &Cell::of_text(value), plan),
                Place::Column(_) => {
                    if let Some(cell) = planned.cell(cells) {
                        self.time(name, cell, plan);
                    }
                }
            },
        }
    }

    fn time(&mut self, name: &'static str, cell: &Cell<'_>, plan: &Plan) {
        match (cell, cell.time(plan.zone)) {
            (Cell::Empty, _) => {}
            (_, Some(ms)) => self.number(name, ms),
            // For the decoder to refuse under its own name; a number would be taken
            // for milliseconds.
            _ => self.text(name, "not a time"),
        }
    }

    fn numeric(&mut self, name: &'static str, text: &str) {
        if let Ok(number) = text.parse::<i64>() {
            self.number(name, number);
        } else {
            match text.parse::<f64>() {
                Ok(number) if number.is_finite() => self.float(name, number),
                _ => self.text(name, text),
            }
        }
    }

    /// A value that the decoder refuses by the field's name.
    fn wrong(&mut self, name: &'static str, kind: &str) {
        self.key(name);
        // A list stands for no field.
        self.json(&[kind]);
    }

    fn text(&mut self, name: &'static str, text: &str) {
        self.key(name);
        self.json(text);
    }

    fn number(&mut self, name: &'static str, number: i64) {
        self.key(name);
        let _ = write!(self.out, "{number}");
    }

    fn float(&mut self, name: &'static str, number: f64) {
        self.key(name);
        self.json(&number);
    }

    fn json(&mut self, value: &(impl serde::Serialize + ?Sized)) {
        serde_json::to_writer(&mut *self.out, value).expect("a text or a finite number always serialises");
    }

    fn key(&mut self, name: &'static str) {
        let (object, member) = match name.split_once('.') {
            Some((object, member)) => (Some(object), member),
            None => (None, name),
        };
        if self.open != object && self.open.take().is_some() {
            self.out.push(b'}');
        }
        if !self.is_first {
            self.out.push(b',');
        }
        self.is_first = false;
        if self.open != object
            && let Some(object) = object
        {
            let _ = write!(self.out, "\"{object}\":{{");
            self.open = Some(object);
        }
        let _ = write!(self.out, "\"{member}\":");
    }

    fn end(self) {
        if self.open.is_some() {
            self.out.push(b'}');
        }
        self.out.push(b'}');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::source::Mapping;

    fn read(mapping: &str, columns: &[&str], cells: &[Cell<'_>]) -> (String, String) {
        let mapping = if mapping.is_empty() {
            Mapping::default()
        } else {
            Mapping::parse("m", mapping).unwrap()
        };
        let columns: Vec<String> = columns.iter().map(|&c| c.into()).collect();
        let plan = mapping.plan("f", &columns).unwrap();
        let mut row = RowEvents::default();
        row.read(&plan, 7, cells);
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        (text(&row.first), text(&row.verification))
    }

    #[test]
    fn a_row_with_both_times_is_two_events() {
        let columns = [
            "time",
            "to",
            "session",
            "verified_at",
            "price",
            "currency",
            "client_ip",
            "client_asn",
            "status",
        ];
        let texts = [
            "1795333690",
            "+998901234567",
            "s\"1",
            "1795333700",
            "0.20",
            "USD",
            "192.0.2.1",
            "64500",
            "sent",
        ];
        let cells: Vec<Cell<'_>> = texts.iter().map(|text| Cell::of_text(text)).collect();
        let (send, verification) = read("", &columns, &cells);
        assert_eq!(
            send,
            r#"{"type":"sms.send","id":"row:7","time":1795333690000,"to":"+998901234567","session":"s\"1","price":{"amount":0.2,"currency":"USD"},"client":{"ip":"192.0.2.1","asn":64500},"status":"sent"}"#
        );
        assert_eq!(
            verification,
            r#"{"type":"sms.verification","id":"row:7","time":1795333700000,"to":"+998901234567","session":"s\"1","outcome":"approved"}"#
        );
    }

    #[test]
    fn constants_prefixes_and_values_are_put_in() {
        let mapping = "columns:\n  to: {column: msisdn, prefix: '+'}\n  tenant: {value: acme}\n  \
                       type: {column: kind, values: {otp_ok: sms.verification}}\n  outcome: {value: approved}\n  message_id: sid\n";
        let cells = [
            Cell::Time(5),
            Cell::Integer(998_901_234_567),
            Cell::Text("otp_ok".into()),
            Cell::Text("SM1".into()),
        ];
        let (event, verification) = read(mapping, &["time", "msisdn", "kind", "sid"], &cells);
        assert_eq!(
            event,
            r#"{"type":"sms.verification","id":"SM1","time":5,"to":"+998901234567","tenant":"acme","message_id":"SM1","outcome":"approved"}"#
        );
        assert_eq!(verification, "");
    }

    #[test]
    fn what_a_field_cannot_be_is_left_for_the_decoder_to_refuse() {
        let cells = [
            Cell::Text("soon".into()),
            Cell::Other("a list"),
            Cell::Text("cheap".into()),
            Cell::Empty,
        ];
        let (event, _) = read("", &["time", "to", "price", "currency"], &cells);
        assert_eq!(
            event,
            r#"{"type":"sms.send","id":"row:7","time":"not a time","to":["a list"],"price":{"amount":"cheap"}}"#
        );
    }
}
