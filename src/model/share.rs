//! Shares as people read them.

/// A share in percent: one decimal, and where it is small as many as show two digits
/// of it.
pub fn percent(share: f64) -> String {
    let percent = 100.0 * share;
    if percent == 0.0 {
        return "0 %".to_owned();
    }
    if !percent.is_finite() || percent.abs() >= 0.1 {
        return format!("{percent:.1} %");
    }
    let zeros = (-libm::log10(percent.abs())).floor().clamp(1.0, 12.0) as usize;
    format!("{percent:.*} %", zeros + 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_shares_keep_two_digits() {
        for (share, text) in [
            (0.0, "0 %"),
            (1.0, "100.0 %"),
            (0.4567, "45.7 %"),
            (0.001, "0.1 %"),
            (0.000_999, "0.100 %"),
            (0.000_5, "0.050 %"),
            (3.6e-5, "0.0036 %"),
            (1e-20, "0.00000000000000 %"),
            (-0.5, "-50.0 %"),
        ] {
            assert_eq!(percent(share), text);
        }
    }
}
