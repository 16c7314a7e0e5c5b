//! Takes known secrets out of a value that is to be shown although it could not be
//! understood. So it cannot rely on the value being JSON: it looks for the names of
//! fields in the bytes, also inside JSON that is quoted within JSON, as notification
//! services do.

use std::borrow::Cow;
use std::ops::Range;

/// Fields whose text is a credential or a one-time code. Compared without regard to
/// case, `-` or `_`.
const SECRET_NAMES: [&str; 16] = [
    "accesstoken",
    "apikey",
    "apisecret",
    "authorization",
    "authtoken",
    "clientsecret",
    "code",
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
const NAME_BYTES_MAX: usize = 32;
const REPLACEMENT: &[u8] = b"[redacted]";

/// Whether a field or header of this name holds a secret.
pub(super) fn is_secret_name(name: &[u8]) -> bool {
    if name.len() > NAME_BYTES_MAX {
        return false;
    }
    let name: Vec<u8> = name
        .iter()
        .filter(|&byte| !b"-_".contains(byte))
        .map(u8::to_ascii_lowercase)
        .collect();
    SECRET_NAMES.iter().any(|secret| secret.as_bytes() == name)
}

/// The value with the text of every secret field replaced by `[redacted]`; numbers
/// are left alone, since an error's `code` is one.
pub(super) fn redact(value: &[u8]) -> Cow<'_, [u8]> {
    let mut out = Vec::new();
    let mut copied = 0;
    let mut at = 0;
    while let Some(field) = next_text_field(value, at) {
        at = field.text;
        if is_secret_name(&value[field.name]) {
            // The end is looked for only here, and the search goes on behind it, so
            // that hostile input costs no more than its length.
            at = text_end(value, field.text, field.slashes);
            out.extend_from_slice(&value[copied..field.text]);
            out.extend_from_slice(REPLACEMENT);
            copied = at;
        }
    }
    if copied == 0 {
        return Cow::Borrowed(value);
    }
    out.extend_from_slice(&value[copied..]);
    Cow::Owned(out)
}

/// `"name" : "text"`.
struct TextField {
    /// Where the name is.
    name: Range<usize>,
    /// Where the text begins, behind its quote.
    text: usize,
    /// How many backslashes stand before that quote: the depth of quoting.
    slashes: usize,
}

/// The next field that has a text, at or after `from`.
fn next_text_field(value: &[u8], from: usize) -> Option<TextField> {
    let mut from = from;
    loop {
        let colon = from + value[from..].iter().position(|&byte| byte == b':')?;
        from = colon + 1;
        let Some(name) = name_before(value, colon) else {
            continue;
        };
        let Some((text, slashes)) = quote_after(value, colon + 1) else {
            continue;
        };
        return Some(TextField { name, text, slashes });
    }
}

fn name_before(value: &[u8], colon: usize) -> Option<Range<usize>> {
    let close = value[..colon].trim_ascii_end().strip_suffix(b"\"")?;
    let end = close.len() - slashes_before(close, close.len());
    let window = end.saturating_sub(NAME_BYTES_MAX + 1);
    let open = window + value[window..end].iter().rposition(|&byte| byte == b'"')?;
    Some(open + 1..end)
}

/// Where the text behind an opening quote begins, and the backslashes before that quote.
fn quote_after(value: &[u8], from: usize) -> Option<(usize, usize)> {
    let rest = &value[from..];
    let space = rest.len() - rest.trim_ascii_start().len();
    let slashes = rest[space..].iter().take_while(|&&byte| byte == b'\\').count();
    let quote = from + space + slashes;
    (value.get(quote) == Some(&b'"')).then_some((quote + 1, slashes))
}

/// The end of a text whose quotes bear `slashes` backslashes; the end of the value
/// where it is never closed.
fn text_end(value: &[u8], start: usize, slashes: usize) -> usize {
    let mut at = start;
    while let Some(step) = value[at..].iter().position(|&byte| byte == b'"') {
        let quote = at + step;
        let run = slashes_before(&value[start..], quote - start);
        // Outside of any quoting an even run is backslashes of the text; inside, more
        // backslashes than the opening quote has belong to a quote deeper down.
        if run == slashes || (slashes == 0 && run.is_multiple_of(2)) || run < slashes {
            return quote - run.min(slashes);
        }
        at = quote + 1;
    }
    value.len()
}

fn slashes_before(value: &[u8], end: usize) -> usize {
    value[..end].iter().rev().take_while(|&&byte| byte == b'\\').count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn redacted(text: &str) -> String {
        String::from_utf8(redact(text.as_bytes()).into_owned()).unwrap()
    }

    #[test]
    fn codes_and_credentials_go_and_all_else_stays() {
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
                r#"{"code":20404,"error_code":"30005"}"#,
                r#"{"code":20404,"error_code":"30005"}"#,
            ),
            (r#"{"pin":"never closed"#, r#"{"pin":"[redacted]"#),
            (
                r#"{"Message":"{\"code\":\"AYA\\\"De\",\"to\":\"+1\"}"}"#,
                r#"{"Message":"{\"code\":\"[redacted]\",\"to\":\"+1\"}"}"#,
            ),
            ("no json: at all", "no json: at all"),
        ] {
            assert_eq!(redacted(before), after);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_pass(bytes in proptest::collection::vec(prop_oneof![Just(b'"'), Just(b'\\'), Just(b':'), any::<u8>()], 0..200)) {
            let out = redact(&bytes);
            prop_assert!(out.len() <= bytes.len() + REPLACEMENT.len() * bytes.len());
        }

        #[test]
        fn no_secret_survives(secret in "[a-z]{12}", depth in 0usize..3) {
            let mut json = serde_json::json!({"to": "+1", "password": secret}).to_string();
            for _ in 0..depth {
                json = serde_json::json!({"Message": json}).to_string();
            }
            prop_assert!(!redacted(&json).contains(&secret));
        }
    }
}
