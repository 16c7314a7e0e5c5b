//! Parsers of values that more than one command takes.

use std::net::SocketAddr;
use std::time::Duration;

use crate::config::{Span, parse_listen};
use crate::model::Millis;

/// `30s`, `10m`, `1h`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let span = Span::parse(text).ok_or("write a whole number and its unit, as in 30s, 10m or 1h")?;
    Ok(Duration::from_millis(span.0.unsigned_abs()))
}

/// RFC 3339 with an offset, or epoch milliseconds.
pub(super) fn time(text: &str) -> Result<Millis, String> {
    let by_number = text.parse().ok().and_then(Millis::from_epoch_ms);
    by_number
        .or_else(|| Millis::parse_rfc3339(text))
        .ok_or_else(|| "write RFC 3339 with an offset, as in 2026-11-22T07:48:10Z, or epoch milliseconds".into())
}

/// `IP:PORT`, or `localhost:PORT`.
pub(super) fn listen(text: &str) -> Result<SocketAddr, String> {
    parse_listen(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_both_forms() {
        assert_eq!(time("2026-11-22T08:49:02+01:00"), time("1795333742000"));
        assert!(time("2026-11-22").is_err() && time("now").is_err());
        assert_eq!(duration("60s"), Ok(Duration::from_secs(60)));
        assert!(duration("60").is_err());
        assert!(listen("localhost:0").is_ok() && listen("8080").is_err());
    }
}
