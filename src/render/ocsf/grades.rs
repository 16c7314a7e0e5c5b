//! How severe, how sure, how risky: the grades that OCSF wants and that a finding
//! does not bear itself.

use crate::model::{Finding, FindingKind, Level, Micros};

/// Money lost an hour, in units of the report's currency, from which a finding of
/// level `block` is Critical.
const CRITICAL_LOSS_PER_HOUR: Micros = Micros(1_000 * 1_000_000);

/// `severity_id` and its caption. A closing record keeps the severity of its episode.
///
/// | Finding | Severity |
/// |---|---|
/// | attack or limit, level `alert` | 3 Medium |
/// | attack or limit, level `block` | 4 High |
/// | the same, losing at least 1,000 units of the report's currency an hour | 5 Critical |
/// | operational | 3 Medium: detection or delivery suffers |
/// | `bad_input_ratio` | 2 Low: what cannot be used is kept as dead letters |
pub(super) fn severity(f: &Finding) -> (u8, &'static str) {
    match f.kind {
        FindingKind::BadInputRatio => (2, "Low"),
        kind if kind.is_operational() => (3, "Medium"),
        _ => match f.level {
            Level::Alert => (3, "Medium"),
            Level::Block if f.loss_per_hour >= CRITICAL_LOSS_PER_HOUR => (5, "Critical"),
            Level::Block => (4, "High"),
        },
    }
}

/// `confidence_id` and its caption: High for level `block` and for what is counted
/// rather than estimated, Medium for the rest.
pub(super) fn confidence(f: &Finding) -> (u8, &'static str) {
    let counted = matches!(
        f.kind,
        FindingKind::InputGap | FindingKind::BudgetExceeded | FindingKind::BadInputRatio | FindingKind::LimitExceeded
    );
    if counted || f.level == Level::Block {
        (3, "High")
    } else {
        (2, "Medium")
    }
}

/// `risk_score`, 0 to 100: at the line it is 90, at twice the line 99; level `alert`,
/// whose line is lower, gets at most 70. `None` where there is no line.
pub(super) fn risk_score(f: &Finding) -> Option<i32> {
    if !f.log_e_threshold.is_finite() || f.log_e_threshold <= 0.0 || f.log_e_total.is_nan() {
        return None;
    }
    let ratio = (f.log_e_total / f.log_e_threshold).max(0.0);
    let strength = 1.0 - libm::exp(-ratio * std::f64::consts::LN_10);
    let ceiling = match f.level {
        Level::Alert => 70.0,
        Level::Block => 100.0,
    };
    Some((strength * ceiling).round() as i32)
}
