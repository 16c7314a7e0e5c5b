//! What is checked before anything is parsed: size, framing, encoding, depth.

use super::refusal::{Refusal, RefusalReason};

/// The largest record that is read, in bytes.
pub const RECORD_BYTES_MAX: usize = 1024 * 1024;
/// The deepest nesting of objects and lists that is read.
pub const DEPTH_MAX: usize = 32;
/// The most events that one record may hold.
pub const EVENTS_PER_RECORD_MAX: usize = 1_000;

/// The text of a record that is fit to be parsed.
pub(super) fn text(value: Option<&[u8]>) -> Result<&str, Refusal> {
    let Some(bytes) = value else {
        return Err(Refusal::new(
            RefusalReason::Tombstone,
            "the record has no value (a tombstone); an event topic must not be compacted or hold deletions",
        ));
    };
    if bytes.len() > RECORD_BYTES_MAX {
        return Err(Refusal::too_large(bytes.len() as u64));
    }
    if bytes.first() == Some(&0) {
        return Err(Refusal::new(
            RefusalReason::RegistryFramed,
            "the record begins with a zero byte, the header of a schema registry's Avro, Protobuf or JSON Schema; have its producer or a connector write plain JSON",
        ));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        Refusal::new(
            RefusalReason::InvalidUtf8,
            format!("the record is not UTF-8 text from byte {} on", error.valid_up_to()),
        )
    })?;
    if text.bytes().all(|b| b.is_ascii_whitespace()) {
        return Err(Refusal::new(RefusalReason::Empty, "the record is empty"));
    }
    check_depth(text)?;
    Ok(text)
}

/// Refuses text nested deeper than [`DEPTH_MAX`].
pub(super) fn check_depth(text: &str) -> Result<(), Refusal> {
    // Almost every record has fewer brackets in all than the depth allows, and
    // counting bytes is many times faster than walking through strings.
    let brackets = text.bytes().filter(|b| matches!(b, b'{' | b'[')).count();
    if brackets <= DEPTH_MAX || deepest(text.as_bytes()) <= DEPTH_MAX {
        return Ok(());
    }
    Err(Refusal::new(
        RefusalReason::TooDeep,
        format!("the record is nested deeper than {DEPTH_MAX} levels"),
    ))
}

fn deepest(bytes: &[u8]) -> usize {
    let (mut depth, mut deepest) = (0usize, 0usize);
    let (mut in_string, mut escaped) = (false, false);
    for &b in bytes {
        if in_string {
            match b {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match b {
            b'"' => in_string = true,
            b'{' | b'[' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(value: Option<&[u8]>) -> RefusalReason {
        text(value).unwrap_err().reason
    }

    #[test]
    fn what_cannot_be_parsed_is_refused_before_parsing() {
        assert_eq!(reason(None), RefusalReason::Tombstone);
        assert_eq!(reason(Some(b"")), RefusalReason::Empty);
        assert_eq!(reason(Some(b" \r\n\t")), RefusalReason::Empty);
        assert_eq!(reason(Some(&vec![b' '; 20 << 20])), RefusalReason::TooLarge);
        assert_eq!(reason(Some(b"\0\0\0\0\x07{}")), RefusalReason::RegistryFramed);
        assert_eq!(reason(Some(b"{\"id\":\"\xff\"}")), RefusalReason::InvalidUtf8);
        assert_eq!(reason(Some("[".repeat(33).as_bytes())), RefusalReason::TooDeep);
    }

    #[test]
    fn brackets_in_strings_and_wide_records_are_not_deep() {
        let quoted = format!("{{\"a\":\"{}\\\"{}\"}}", "[".repeat(50), "{".repeat(50));
        assert!(check_depth(&quoted).is_ok());
        assert!(check_depth(&"[]".repeat(500)).is_ok());
        assert!(check_depth(&format!("{}{}", "[".repeat(32), "]".repeat(32))).is_ok());
    }
}
