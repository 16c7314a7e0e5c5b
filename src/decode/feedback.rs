//! Feedback: verdicts on findings, and commands to the safe-list.
//!
//! | `type` | Needs | Defaults |
//! |---|---|---|
//! | `verdict` | `id`, `time`, `finding_uid`, `verdict` (`true_positive`, `false_positive`), `by` | |
//! | `safelist` | `id`, `time`, `prefix`, `op` (`put`, `delete`), `app` (`*` for all), `by` | `tenant`: the input's, else `default`; `expires_at`: never; `reason`: none |
//!
//! `app` has no default: a command that was meant for one app must not spare
//! all of them.

use compact_str::CompactString;
use serde_json::Value;

use super::canonical::{ID_BYTES_MAX, NAME_BYTES_MAX, USER_AGENT_BYTES_MAX};
use super::refusal::{Refusal, RefusalReason};
use super::{RecordMeta, guard, json};
use crate::model::{Feedback, Millis, Prefix};

/// Decodes one record of the feedback topic.
pub fn decode_feedback(meta: &RecordMeta<'_>, value: Option<&[u8]>) -> Result<Feedback, Refusal> {
    let record = json::parse(guard::text(value)?)?;
    if !record.is_object() {
        return Err(Refusal::new(
            RefusalReason::NotAnObject,
            "feedback is one JSON object a record",
        ));
    }
    let kind = required(&record, "type", usize::MAX)?;
    match kind.as_str() {
        "verdict" => verdict(&record),
        "safelist" => safelist(meta, &record),
        other => Err(Refusal::unknown_type("type", other)),
    }
}

fn verdict(record: &Value) -> Result<Feedback, Refusal> {
    Ok(Feedback::Verdict {
        id: required(record, "id", ID_BYTES_MAX)?,
        time: time(record)?,
        finding_uid: required(record, "finding_uid", NAME_BYTES_MAX)?,
        true_positive: match required(record, "verdict", usize::MAX)?.as_str() {
            "true_positive" => true,
            "false_positive" => false,
            _ => return Err(Refusal::invalid("verdict", "`true_positive` or `false_positive`")),
        },
        by: required(record, "by", NAME_BYTES_MAX)?,
    })
}

fn safelist(meta: &RecordMeta<'_>, record: &Value) -> Result<Feedback, Refusal> {
    let prefix = required(record, "prefix", usize::MAX)?;
    let prefix = Prefix::parse(&prefix).ok_or_else(|| {
        Refusal::new(
            RefusalReason::BadNumber,
            "`prefix` must be a plus, then 1 to 15 digits, the first not zero",
        )
    })?;
    let tenant = optional(record, "tenant", NAME_BYTES_MAX)?.unwrap_or_else(|| meta.tenant());
    if tenant == "*" {
        return Err(Refusal::invalid("tenant", "the name of one tenant"));
    }
    Ok(Feedback::Safelist {
        id: required(record, "id", ID_BYTES_MAX)?,
        time: time(record)?,
        tenant,
        app: required(record, "app", NAME_BYTES_MAX)?,
        prefix,
        put: match required(record, "op", usize::MAX)?.as_str() {
            "put" => true,
            "delete" => false,
            _ => return Err(Refusal::invalid("op", "`put` or `delete`")),
        },
        expires_at: json::time(record, "expires_at", "expires_at")?,
        by: required(record, "by", NAME_BYTES_MAX)?,
        reason: optional(record, "reason", USER_AGENT_BYTES_MAX)?.unwrap_or_default(),
    })
}

fn time(record: &Value) -> Result<Millis, Refusal> {
    json::time(record, "time", "time")?.ok_or_else(|| Refusal::missing("time"))
}

fn required(record: &Value, key: &str, bytes_max: usize) -> Result<CompactString, Refusal> {
    optional(record, key, bytes_max)?.ok_or_else(|| Refusal::missing(key))
}

fn optional(record: &Value, key: &str, bytes_max: usize) -> Result<Option<CompactString>, Refusal> {
    match record.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.is_empty() => Ok(None),
        Some(Value::String(text)) if text.len() > bytes_max => Err(Refusal::too_long(key, text.len(), bytes_max)),
        Some(Value::String(text)) => Ok(Some(text.into())),
        Some(other) => Err(Refusal::invalid(key, &format!("a text, not {}", json::kind(other)))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const META: RecordMeta<'_> = RecordMeta {
        record_time: Millis(0),
        default_tenant: None,
        default_app: None,
    };

    fn reason(text: &str) -> &'static str {
        decode_feedback(&META, Some(text.as_bytes())).unwrap_err().class_name()
    }

    #[test]
    fn both_commands_of_the_contract_are_read() {
        let verdict = r#"{"type":"verdict","id":"v1","time":"2026-11-22T07:48:10Z","finding_uid":"00ff","verdict":"false_positive","by":"ana"}"#;
        let Feedback::Verdict { true_positive, .. } = decode_feedback(&META, Some(verdict.as_bytes())).unwrap() else {
            panic!("a verdict");
        };
        assert!(!true_positive);
        let safelist = r#"{"type":"safelist","id":"s1","time":1795333690000,"tenant":"acme","app":"*","prefix":"+4477009","op":"put","expires_at":null,"by":"ana","reason":"our own test numbers"}"#;
        let Feedback::Safelist {
            app,
            prefix,
            expires_at,
            put,
            ..
        } = decode_feedback(&META, Some(safelist.as_bytes())).unwrap()
        else {
            panic!("a safe-list command");
        };
        assert_eq!(
            (app.as_str(), prefix.to_string().as_str(), expires_at, put),
            ("*", "+4477009", None, true)
        );
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        assert_eq!(reason("[]"), "not_an_object");
        assert_eq!(reason("{"), "not_json");
        assert_eq!(reason(r#"{"type":"sms.send"}"#), "unknown_type");
        assert_eq!(reason(r#"{"type":"verdict","id":"v","time":1}"#), "missing_field");
        assert_eq!(
            reason(r#"{"type":"verdict","id":"v","time":1,"finding_uid":"u","verdict":"maybe","by":"a"}"#),
            "invalid_field"
        );
        let safelist = |prefix: &str, rest: &str| {
            format!(r#"{{"type":"safelist","id":"s","time":1,"prefix":"{prefix}","op":"put","by":"a"{rest}}}"#)
        };
        assert_eq!(reason(&safelist("4477", r#","app":"*""#)), "bad_number");
        assert_eq!(reason(&safelist("+4477", "")), "missing_field");
        assert_eq!(
            reason(&safelist("+4477", r#","app":"*","expires_at":"soon""#)),
            "bad_time"
        );
        assert_eq!(
            reason(&safelist("+4477", r#","app":"*","tenant":"*""#)),
            "invalid_field"
        );
    }
}
