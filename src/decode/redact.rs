//! Takes known secrets out of a record that becomes a dead letter.
//!
//! Dead letters are often broken, so this does not parse: it looks for the keys
//! of the format's secrets and replaces what stands after their colon, to the end
//! of the value or, where that has none, to the end of the record. JSON inside a
//! JSON string is seen too, by the backslashes before its quotes. Where the text
//! is ambiguous, more is taken out rather than less; everything else stays byte
//! for byte.

use std::borrow::Cow;

use super::Format;

const MARK: &[u8] = b"[redacted]";

/// The record without the values of the format's secrets (Cognito's `request.code`,
/// message texts), which are replaced by `[redacted]`.
pub fn redact_secrets(format: Format, value: &[u8]) -> Cow<'_, [u8]> {
    let secrets = format.0.secrets;
    let mut clean: Vec<u8> = Vec::new();
    let mut copied = 0;
    let mut at = 0;
    while let Some(quote) = find_quote(value, at) {
        at = quote + 1;
        let Some(key_end) = secret_key_end(value, quote, secrets) else {
            continue;
        };
        let Some(start) = value_start(value, key_end) else {
            continue;
        };
        let level = backslashes_before(value, quote);
        let (from, to) = secret_span(value, start, level);
        if from == to {
            continue;
        }
        clean.extend_from_slice(&value[copied..from]);
        clean.extend_from_slice(MARK);
        copied = to;
        at = to;
    }
    if copied == 0 {
        return Cow::Borrowed(value);
    }
    clean.extend_from_slice(&value[copied..]);
    Cow::Owned(clean)
}

fn find_quote(value: &[u8], from: usize) -> Option<usize> {
    value.get(from..)?.iter().position(|b| *b == b'"').map(|i| from + i)
}

fn backslashes_before(value: &[u8], at: usize) -> usize {
    value[..at].iter().rev().take_while(|b| **b == b'\\').count()
}

/// Just after the closing quote, when a secret's name begins after `quote` and is
/// closed by a quote of the same level.
fn secret_key_end(value: &[u8], quote: usize, secrets: &[&str]) -> Option<usize> {
    let rest = &value[quote + 1..];
    let level = backslashes_before(value, quote);
    secrets.iter().find_map(|secret| {
        let after = rest.strip_prefix(secret.as_bytes())?;
        let slashes = after.iter().take_while(|b| **b == b'\\').count();
        (slashes == level && after.get(slashes) == Some(&b'"')).then(|| quote + 1 + secret.len() + slashes + 1)
    })
}

/// Where the value begins, after white space and a colon.
fn value_start(value: &[u8], key_end: usize) -> Option<usize> {
    let space = |from: usize| {
        let rest = value.get(from..)?;
        Some(from + rest.iter().take_while(|b| b.is_ascii_whitespace()).count())
    };
    let colon = space(key_end)?;
    if value.get(colon) != Some(&b':') {
        return None;
    }
    space(colon + 1).filter(|start| *start < value.len())
}

/// From where to where the secret stands: inside its quotes, or all of another value.
fn secret_span(value: &[u8], start: usize, level: usize) -> (usize, usize) {
    let slashes = value[start..].iter().take_while(|b| **b == b'\\').count();
    match value.get(start + slashes) {
        Some(b'"') => {
            let open = start + slashes + 1;
            (open, string_end(value, open, level))
        }
        Some(b'{' | b'[') => (start, balanced_end(value, start, level)),
        _ => {
            let stops = |b: &u8| matches!(b, b',' | b'}' | b']' | b'"' | b'\\') || b.is_ascii_whitespace();
            let length = value[start..].iter().position(stops).unwrap_or(value.len() - start);
            (start, start + length)
        }
    }
}

/// The end of a string's content: before the quote (and its backslashes) that closes it.
fn string_end(value: &[u8], open: usize, level: usize) -> usize {
    let mut at = open;
    while let Some(quote) = find_quote(value, at) {
        let slashes = backslashes_before(value, quote).min(quote - open);
        let closes = if level == 0 {
            slashes.is_multiple_of(2)
        } else {
            slashes <= level
        };
        if closes {
            return quote - if level == 0 { 0 } else { slashes };
        }
        at = quote + 1;
    }
    value.len()
}

/// Just after the bracket that closes the one at `start`; the record's end without one.
/// Quotes of the value's own level open and close its strings, in which brackets are text.
fn balanced_end(value: &[u8], start: usize, level: usize) -> usize {
    let mut depth = 0usize;
    let mut in_string = false;
    for (i, b) in value.iter().enumerate().skip(start) {
        match b {
            b'"' => {
                let slashes = backslashes_before(value, i);
                if (level == 0 && slashes.is_multiple_of(2)) || slashes == level {
                    in_string = !in_string;
                } else if slashes < level {
                    // The text around the nested JSON ends here.
                    return i;
                }
            }
            b'{' | b'[' if !in_string => depth += 1,
            b'}' | b']' if !in_string => {
                depth -= 1;
                if depth == 0 {
                    return i + 1;
                }
            }
            _ => {}
        }
    }
    value.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn redact(format: &str, text: &str) -> String {
        let clean = redact_secrets(Format::parse(format).unwrap(), text.as_bytes()).into_owned();
        String::from_utf8(clean).unwrap()
    }

    #[test]
    fn the_code_of_cognito_goes_and_the_rest_stays() {
        assert_eq!(
            redact(
                "cognito_custom_sms_sender",
                r#"{"request":{"type":"t", "code" : "AYA\"Dw==" ,"clientMetadata":{"code":1234}},"x":"code"}"#
            ),
            r#"{"request":{"type":"t", "code" : "[redacted]" ,"clientMetadata":{"code":[redacted]}},"x":"code"}"#
        );
    }

    #[test]
    fn broken_and_nested_records_are_cleaned_too() {
        let redact = |text| redact("cognito_custom_sms_sender", text);
        assert_eq!(redact(r#"{"code":"123"#), r#"{"code":"[redacted]"#);
        assert_eq!(redact(r#"{"code":"#), r#"{"code":"#);
        assert_eq!(
            redact(r#"{"code":{"a":["}",1]},"b":2}"#),
            r#"{"code":[redacted],"b":2}"#
        );
        assert_eq!(redact(r#"{"code":["1"#), r#"{"code":[redacted]"#);
        assert_eq!(
            redact(r#"{"Message":"{\"code\":\"12\\\"34\",\"userName\":\"u\"}"}"#),
            r#"{"Message":"{\"code\":\"[redacted]\",\"userName\":\"u\"}"}"#
        );
        assert_eq!(
            redact(r#"{"Message":"{\"code\":{\"a\":\"}\",\"b\":[1]},\"c\":1}"}"#),
            r#"{"Message":"{\"code\":[redacted],\"c\":1}"}"#
        );
        assert_eq!(
            redact(r#"{"Message":"{\"code\":1234}"}"#),
            r#"{"Message":"{\"code\":[redacted]}"}"#
        );
    }

    #[test]
    fn message_texts_of_twilio_go_and_a_record_without_secrets_is_not_copied() {
        assert_eq!(
            redact(
                "twilio_event_streams",
                r#"[{"data":{"body":"your code is 1234","to":"+1"}}]"#
            ),
            r#"[{"data":{"body":"[redacted]","to":"+1"}}]"#
        );
        let plain = br#"{"eventType":"TEXT_QUEUED"}"#;
        assert!(matches!(
            redact_secrets(Format::parse("aws_sms").unwrap(), plain),
            Cow::Borrowed(_)
        ));
    }

    proptest! {
        #[test]
        fn no_code_survives_in_json(code in "[ -~]{1,40}", extra in "[a-z\"{}\\[\\]:,\\\\]{0,20}") {
            let marked = format!("5ecre7{code}5ecre7");
            let record = serde_json::json!({"a": extra, "request": {"code": marked, "z": extra}});
            let inner = record.to_string();
            let nested = serde_json::json!({"Message": inner}).to_string();
            for text in [inner, nested] {
                prop_assert!(!redact("cognito_custom_sms_sender", &text).contains("5ecre7"), "{}", text);
            }
        }

        #[test]
        fn any_bytes_are_taken(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let format = Format::parse("cognito_custom_sms_sender").unwrap();
            let mut record = b"\"code\":".to_vec();
            record.extend(&bytes);
            let _ = redact_secrets(format, &record);
            let _ = redact_secrets(format, &bytes);
        }
    }
}
