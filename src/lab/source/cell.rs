//! One cell of a table, and what it means as a number or a time.

use std::borrow::Cow;

use jiff::civil::DateTime;
use jiff::tz::Offset;

use crate::model::Millis;

/// A value as the file holds it.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell<'a> {
    /// Nothing.
    Empty,
    /// A text.
    Text(Cow<'a, str>),
    /// A whole number.
    Integer(i64),
    /// Any other number.
    Float(f64),
    /// A time, in epoch milliseconds.
    Time(i64),
    /// A time of day without a zone, in milliseconds since 1970-01-01T00:00.
    Civil(i64),
    /// True or false.
    Bool(bool),
    /// Something that no field can be: its type's name.
    Other(&'static str),
}

impl<'a> Cell<'a> {
    /// A text as it stands in a file of text: what databases write for nothing is
    /// nothing.
    pub fn of_text(text: &'a str) -> Self {
        match text.trim() {
            "" | "\\N" | "NULL" | "null" => Self::Empty,
            text => Self::Text(Cow::Borrowed(text)),
        }
    }

    /// As a text.
    pub fn text(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Empty | Self::Other(_) => None,
            Self::Text(text) => Some(Cow::Borrowed(text)),
            Self::Integer(number) => Some(Cow::Owned(number.to_string())),
            Self::Float(number) => Some(Cow::Owned(number.to_string())),
            Self::Time(ms) | Self::Civil(ms) => Some(Cow::Owned(Millis(*ms).to_string())),
            Self::Bool(flag) => Some(Cow::Borrowed(if *flag { "true" } else { "false" })),
        }
    }

    /// As a time in epoch milliseconds. `zone` stands for that of a time that
    /// names none.
    pub fn time(&self, zone: Option<Offset>) -> Option<i64> {
        match self {
            Self::Time(ms) => Some(*ms),
            Self::Civil(ms) => Some(ms - i64::from(zone?.seconds()) * 1_000),
            Self::Integer(number) => of_epoch(*number),
            Self::Float(number) => of_fraction(*number),
            Self::Text(text) => of_text(text, zone),
            Self::Empty | Self::Bool(_) | Self::Other(_) => None,
        }
    }
}

/// Whole numbers are seconds, milliseconds, microseconds or nanoseconds since
/// 1970, told apart by their size: the ranges from 1973 to 5138 do not overlap.
/// What is smaller is no time, but `20261122` or a number of another kind.
fn of_epoch(number: i64) -> Option<i64> {
    match number {
        100_000_000..100_000_000_000 => Some(number * 1_000),
        100_000_000_000..100_000_000_000_000 => Some(number),
        100_000_000_000_000..100_000_000_000_000_000 => Some(number / 1_000),
        100_000_000_000_000_000.. => Some(number / 1_000_000),
        _ => None,
    }
}

/// Seconds with a fraction, or one of the above with nothing behind the point.
fn of_fraction(number: f64) -> Option<i64> {
    if !(1e8..9e18).contains(&number) {
        return None;
    }
    if number < 1e11 {
        Some((number * 1_000.0).round() as i64)
    } else {
        of_epoch(number as i64)
    }
}

/// RFC 3339 and what databases write in its place: a blank for the `T`, ` UTC` for
/// the `Z`, `+00` and `+0000` for the offset, no offset at all where `zone` says
/// what is meant; and numbers.
fn of_text(text: &str, zone: Option<Offset>) -> Option<i64> {
    if let Ok(number) = text.parse::<i64>() {
        return of_epoch(number);
    }
    if let Ok(number) = text.parse::<f64>() {
        return of_fraction(number);
    }
    let plain = text.strip_suffix("UTC").map(|text| format!("{}Z", text.trim_end()));
    let mut plain = plain.map_or(Cow::Borrowed(text), Cow::Owned);
    if let Some((time, offset)) = plain.rsplit_once(' ')
        && offset.starts_with(['+', '-', 'Z'])
    {
        plain = Cow::Owned(format!("{time}{offset}"));
    }
    if let Some(time) = Millis::parse_rfc3339(&plain) {
        return Some(time.0);
    }
    // A date alone is not taken for a midnight.
    if !plain.contains(':') {
        return None;
    }
    let civil: DateTime = plain.parse().ok()?;
    // A text with an offset would have been read above; jiff drops what it finds.
    if plain.ends_with('Z') || plain.get(11..)?.contains(['+', '-']) {
        return None;
    }
    let timestamp = zone?.to_timestamp(civil).ok()?;
    Some(timestamp.as_millisecond())
}

/// `UTC`, `Z`, or a fixed offset as in `+05:00`.
pub(super) fn parse_zone(text: &str) -> Option<Offset> {
    if text.eq_ignore_ascii_case("utc") || text.eq_ignore_ascii_case("z") {
        return Some(Offset::UTC);
    }
    let (sign, rest) = match text.split_at_checked(1)? {
        ("+", rest) => (1, rest),
        ("-", rest) => (-1, rest),
        _ => return None,
    };
    let (hours, minutes) = rest.split_once(':').unwrap_or((rest, "0"));
    let (hours, minutes): (i32, i32) = (hours.parse().ok()?, minutes.parse().ok()?);
    if !(0..=14).contains(&hours) || !(0..60).contains(&minutes) {
        return None;
    }
    Offset::from_seconds(sign * (hours * 3_600 + minutes * 60)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: i64 = 1_795_333_690_123;

    #[test]
    fn times_are_read_as_databases_write_them() {
        let utc = Some(Offset::UTC);
        for text in [
            "2026-11-22T07:48:10.123Z",
            "2026-11-22 07:48:10.123Z",
            "2026-11-22 07:48:10.123 UTC",
            "2026-11-22 07:48:10.123+00",
            "2026-11-22 07:48:10.123 +0000",
            "2026-11-22T08:48:10.123456+01:00",
            "1795333690123",
            "1795333690.123",
            "1795333690123456",
            "1795333690123456789",
        ] {
            assert_eq!(Cell::of_text(text).time(None), Some(AT), "{text}");
        }
        for text in ["2026-11-22 07:48:10.123", "2026-11-22T07:48:10.123"] {
            assert_eq!(Cell::of_text(text).time(None), None, "{text}");
            assert_eq!(Cell::of_text(text).time(utc), Some(AT), "{text}");
            assert_eq!(
                Cell::of_text(text).time(parse_zone("+05:30")),
                Some(AT - 19_800_000),
                "{text}"
            );
        }
        for text in [
            "2026-11-22",
            "20261122",
            "22/11/2026 07:48",
            "soon",
            "NaN",
            "2026-11-22 25:00:00",
        ] {
            assert_eq!(Cell::of_text(text).time(utc), None, "{text}");
        }
        assert_eq!(Cell::Integer(AT / 1_000).time(None), Some(AT / 1_000 * 1_000));
        assert_eq!(Cell::Civil(AT).time(parse_zone("+01")), Some(AT - 3_600_000));
    }

    #[test]
    fn zones_are_fixed_offsets() {
        assert_eq!(parse_zone("utc"), Some(Offset::UTC));
        assert_eq!(parse_zone("-03:30").unwrap().seconds(), -12_600);
        for wrong in ["", "Europe/Berlin", "+15", "5", "+1:99", "+x"] {
            assert_eq!(parse_zone(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn what_databases_write_for_nothing_is_nothing() {
        for text in ["", "  ", "\\N", "NULL", "null"] {
            assert_eq!(Cell::of_text(text), Cell::Empty);
        }
        assert_eq!(Cell::of_text(" x ").text().unwrap(), "x");
    }
}
