//! Takes secrets out of a record that becomes a dead letter.
//!
//! Dead letters are often broken, so this does not parse: it looks for the names of
//! secrets, those of the format and those that any source may use, and replaces what
//! stands after their colon, to the end of the value or, where that has none, to the
//! end of the record. JSON inside a JSON string is seen too, by the backslashes before
//! its quotes. Where the text is ambiguous, more is taken out rather than less;
//! everything else stays byte for byte. The time is linear in the record's length.

use std::borrow::Cow;

use serde::de::IgnoredAny;

use super::Format;

const MARK: &[u8] = b"[redacted]";

/// Credentials and one-time codes by the names that they bear anywhere, as [`plain`]
/// writes them.
const COMMON_SECRETS: [&str; 16] = [
    "accesstoken",
    "apikey",
    "apisecret",
    "authorization",
    "authtoken",
    "clientsecret",
    CODE,
    "cookie",
    "onetimepassword",
    "otp",
    "passcode",
    "password",
    "pin",
    "refreshtoken",
    "secret",
    "verificationcode",
];
/// Also what errors and statuses call their number.
const CODE: &str = "code";
const NAME_BYTES_MAX: usize = 32;

/// The record without the values of its secrets, which are replaced by `[redacted]`:
/// those of the format (Cognito's `request.code`, message texts) and credentials and
/// codes by their usual names. A `code` that is a bare number stays unless it is a
/// secret of the format, since an error's code is one too. `None` is a record of no
/// format, such as feedback.
pub fn redact_secrets(format: Option<Format>, value: &[u8]) -> Cow<'_, [u8]> {
    let own: Vec<String> = format
        .map_or(&[][..], |format| format.0.secrets)
        .iter()
        .map(|name| plain(name.as_bytes()))
        .collect();
    let mut clean: Vec<u8> = Vec::new();
    let mut copied = 0;
    let mut at = 0;
    while let Some(quote) = find_quote(value, at) {
        at = quote + 1;
        let Some((from, to)) = secret_after(value, quote, &own) else {
            continue;
        };
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

/// Whether a field or header of this name holds a credential or a code, whatever the source.
pub(crate) fn is_secret_name(name: &[u8]) -> bool {
    name.len() <= NAME_BYTES_MAX && COMMON_SECRETS.contains(&plain(name).as_str())
}

/// The name without regard to case, `-` and `_`.
fn plain(name: &[u8]) -> String {
    name.iter()
        .filter(|byte| !b"-_".contains(byte))
        .map(|byte| char::from(byte.to_ascii_lowercase()))
        .collect()
}

/// From where to where a secret stands whose name begins after `quote`; `None` where
/// none does, or an empty one.
fn secret_after(value: &[u8], quote: usize, own: &[String]) -> Option<(usize, usize)> {
    let (name, name_end) = name_after(value, quote)?;
    let name = plain(name);
    let is_own = own.contains(&name);
    if !is_own && !COMMON_SECRETS.contains(&name.as_str()) {
        return None;
    }
    let start = value_start(value, name_end)?;
    let first = value.get(start + backslashes_from(value, start));
    if !is_own && name == CODE && !matches!(first, Some(b'"' | b'{' | b'[')) {
        return None;
    }
    let level = backslashes_before(value, quote);
    let (from, mut to) = secret_span(value, start, level);
    if !ends_well(value, to, level) {
        to = value.len();
    }
    (from < to).then_some((from, to))
}

fn find_quote(value: &[u8], from: usize) -> Option<usize> {
    value.get(from..)?.iter().position(|b| *b == b'"').map(|i| from + i)
}

fn backslashes_before(value: &[u8], at: usize) -> usize {
    value[..at].iter().rev().take_while(|b| **b == b'\\').count()
}

/// The name that begins after `quote`, and where the text goes on behind the quote that closes it.
fn name_after(value: &[u8], quote: usize) -> Option<(&[u8], usize)> {
    let rest = &value[quote + 1..];
    let window = &rest[..rest.len().min(NAME_BYTES_MAX + 1)];
    let length = window.iter().position(|byte| matches!(byte, b'"' | b'\\'))?;
    Some((&rest[..length], text_close(value, quote + 1 + length)?))
}

/// Just after the quote, with backslashes or without, that stands at `at`.
fn text_close(value: &[u8], at: usize) -> Option<usize> {
    let quote = at + backslashes_from(value, at);
    (value.get(quote) == Some(&b'"')).then_some(quote + 1)
}

fn backslashes_from(value: &[u8], at: usize) -> usize {
    value[at..].iter().take_while(|byte| **byte == b'\\').count()
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

/// Whether behind the value that goes up to `end` stands what may stand there in JSON.
/// Otherwise the value may not have ended, or was the name of another one.
fn ends_well(value: &[u8], end: usize, level: usize) -> bool {
    let rest = &value[text_close(value, end).unwrap_or(end)..];
    match rest.trim_ascii_start().first() {
        None | Some(b',' | b'}' | b']') => true,
        // An escaped line break, or the end of the text around nested JSON.
        Some(b'\\' | b'"') => level > 0,
        Some(_) => false,
    }
}

/// From where to where the secret stands: inside its quotes, or all of another value.
fn secret_span(value: &[u8], start: usize, level: usize) -> (usize, usize) {
    let slashes = backslashes_from(value, start);
    match value.get(start + slashes) {
        Some(b'"') => {
            let open = start + slashes + 1;
            // Another quoting than the name's is broken JSON.
            let end = if slashes == level {
                string_end(value, open, level)
            } else {
                value.len()
            };
            (open, end)
        }
        Some(b'{' | b'[') => {
            let end = balanced_end(value, start, level);
            // What is no JSON has no end that could be relied on.
            let end = if is_json(&value[start..end], level) {
                end
            } else {
                value.len()
            };
            (start, end)
        }
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

/// Whether it is JSON behind the quoting of its level: one backslash before a quote is
/// one string around it, three are two, seven are three.
fn is_json(text: &[u8], level: usize) -> bool {
    let mut text = String::from_utf8_lossy(text).into_owned();
    let mut level = level;
    while level > 0 {
        let Ok(inner) = serde_json::from_str(&format!("\"{text}\"")) else {
            return false;
        };
        text = inner;
        level /= 2;
    }
    serde_json::from_str::<IgnoredAny>(&text).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn redact(format: &str, text: &str) -> String {
        let format = (!format.is_empty()).then(|| Format::parse(format).unwrap());
        String::from_utf8(redact_secrets(format, text.as_bytes()).into_owned()).unwrap()
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
            redact_secrets(Some(Format::parse("aws_sms").unwrap()), plain),
            Cow::Borrowed(_)
        ));
    }

    #[test]
    fn codes_and_credentials_go_from_a_record_of_any_format_and_all_else_stays() {
        for (before, after) in [
            (r#"{"code":"AYADeP","to":1}"#, r#"{"code":"[redacted]","to":1}"#),
            (
                r#"{"API_Key" : "a\"b", "x":"y"}"#,
                r#"{"API_Key" : "[redacted]", "x":"y"}"#,
            ),
            (
                r#"{"request":{"code":"a\\"},"otp":"1"}"#,
                r#"{"request":{"code":"[redacted]"},"otp":"[redacted]"}"#,
            ),
            (
                r#"{"otp":123456,"pin":[1,2],"code":{"a":1}}"#,
                r#"{"otp":[redacted],"pin":[redacted],"code":[redacted]}"#,
            ),
            (
                r#"{"code":20404,"error_code":"30005"}"#,
                r#"{"code":20404,"error_code":"30005"}"#,
            ),
            (r#"{"pin":"never closed"#, r#"{"pin":"[redacted]"#),
            (r#"{"pin":"otp" : "123","x":1}"#, r#"{"pin":"[redacted]"#),
            (r#"{\"otp":"12\"34","x":1}"#, r#"{\"otp":"[redacted]"#),
            (
                r#"{"Message":"{\"code\":\"AYA\\\"De\",\"to\":\"+1\"}"}"#,
                r#"{"Message":"{\"code\":\"[redacted]\",\"to\":\"+1\"}"}"#,
            ),
            ("no json: at all", "no json: at all"),
        ] {
            assert_eq!(redact("", before), after);
            assert_eq!(redact("aws_sms", before), after);
        }
        assert!(is_secret_name(b"Authorization") && is_secret_name(b"Refresh-Token"));
        assert!(!is_secret_name(b"error_code") && !is_secret_name(&[b'-'; 40]));
    }

    #[test]
    fn names_of_the_format_are_known_in_any_case() {
        assert_eq!(
            redact(
                "twilio_event_streams",
                r#"{"Body":"a","BODY":"b","bo-dy":"c","code":4}"#
            ),
            r#"{"Body":"[redacted]","BODY":"[redacted]","bo-dy":"[redacted]","code":[redacted]}"#
        );
    }

    proptest! {
        #[test]
        fn no_secret_survives_at_any_depth(secret in "[a-z]{12}", depth in 0usize..3) {
            let mut json = serde_json::json!({"to": "+1", "password": secret}).to_string();
            for _ in 0..depth {
                json = serde_json::json!({"Message": json}).to_string();
            }
            prop_assert!(!redact("", &json).contains(&secret));
        }

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
        fn any_bytes_are_taken(bytes in proptest::collection::vec(prop_oneof![Just(b'"'), Just(b'\\'), Just(b':'), any::<u8>()], 0..200)) {
            let mut record = b"\"code\":".to_vec();
            record.extend(&bytes);
            for format in [None, Some(Format::parse("cognito_custom_sms_sender").unwrap())] {
                for text in [&bytes, &record] {
                    let clean = redact_secrets(format, text);
                    prop_assert!(clean.len() <= text.len() + MARK.len() * text.len());
                }
            }
        }
    }
}
