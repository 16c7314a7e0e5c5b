//! The detector with a part switched off or a number changed: what each buys.

use crate::detector::Tuning;

macro_rules! switches {
    ($($name:ident),* $(,)?) => {
        /// Every part that can be switched off.
        pub const SWITCHES: &[&str] = &[$(stringify!($name)),*];

        /// Switches a part off; false when there is none of that name.
        fn switch_off(tuning: &mut Tuning, name: &str) -> bool {
            match name {
                $(stringify!($name) => tuning.enabled.$name = false,)*
                _ => return false,
            }
            true
        }
    };
}

switches!(
    missing_verification,
    learned_latency,
    after_life,
    digits,
    novelty,
    geography,
    device,
    validity,
    volume,
    seasons,
    anchor,
    votes,
    regularity,
    suspects,
    sources,
    agents,
    receipts,
    patience,
    hammering,
    outage_null,
    launch_null,
    enrolment_null,
    common_change_point,
    contagion,
    siege,
    frontier,
    widening,
    country,
    hold_back,
);

macro_rules! numbers {
    ($($name:ident: $kind:ty),* $(,)?) => {
        /// Every single number that can be set.
        pub const NUMBERS: &[&str] = &[$(stringify!($name)),*];

        /// Sets a number; false when there is none of that name.
        fn set_number(tuning: &mut Tuning, name: &str, value: f64) -> bool {
            match name {
                $(stringify!($name) => tuning.$name = value as $kind,)*
                _ => return false,
            }
            true
        }
    };
}

numbers!(
    node_kinds: f64,
    floor_block: f64,
    floor_alert: f64,
    attempts_min: f64,
    counter_decay_ms: f64,
    pending_ms: i64,
    repeat_ms: i64,
    repeat_weight: f64,
    unverified_app_sends: u64,
    silence_slack: f64,
    conversion_prior: f64,
    conversion_shrinkage: f64,
    conversion_lower: f64,
    enrolment_conversion: f64,
    structural_weight: f64,
    hold_max_ms: i64,
    hold_min_ms: i64,
    hold_share: f64,
    history_decay_ms: f64,
    contagion_ms: i64,
    ttl_share: f64,
    ttl_min_ms: i64,
    ttl_max_ms: i64,
    ttl_country_ms: i64,
    half_open_ratio: f64,
    launch_reach: f64,
    enrolment_rate: f64,
);

/// What cannot be changed, and what could.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AblationError {
    /// No part is called so.
    #[error("no part is called `{name}`; it may be {}", SWITCHES.join(", "))]
    Part {
        /// What was asked for.
        name: String,
    },
    /// No number is called so.
    #[error("no number is called `{name}`; it may be {}", NUMBERS.join(", "))]
    Number {
        /// What was asked for.
        name: String,
    },
    /// Not `name: number` lines.
    #[error("the tuning is not valid: {reason}; write lines such as `floor_block: 6`")]
    Invalid {
        /// What is wrong.
        reason: String,
    },
}

/// The same tuning without a part.
pub fn without(tuning: &Tuning, name: &str) -> Result<Tuning, AblationError> {
    let mut tuning = tuning.clone();
    if switch_off(&mut tuning, name) {
        Ok(tuning)
    } else {
        Err(AblationError::Part { name: name.into() })
    }
}

/// The shipped tuning with other numbers: YAML, one `name: number` a line;
/// `off: [part, …]` switches parts off.
pub fn tuning(text: &str) -> Result<Tuning, AblationError> {
    #[derive(serde::Deserialize)]
    struct Changes {
        #[serde(default)]
        off: Vec<String>,
        #[serde(flatten)]
        numbers: std::collections::BTreeMap<String, f64>,
    }
    let changes: Changes = serde_saphyr::from_str(text).map_err(|error| AblationError::Invalid {
        reason: error.to_string().lines().next().unwrap_or_default().into(),
    })?;
    let mut tuning = Tuning::default();
    for (name, value) in changes.numbers {
        if !value.is_finite() || value < 0.0 {
            let reason = format!("{name} must be a number of at least 0");
            return Err(AblationError::Invalid { reason });
        }
        if !set_number(&mut tuning, &name, value) {
            return Err(AblationError::Number { name });
        }
    }
    for name in changes.off {
        tuning = without(&tuning, &name)?;
    }
    Ok(tuning)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_can_be_switched_off() {
        for name in SWITCHES {
            assert_ne!(without(&Tuning::default(), name).unwrap(), Tuning::default(), "{name}");
        }
        let error = without(&Tuning::default(), "digit").unwrap_err().to_string();
        assert!(error.contains("`digit`") && error.contains("digits"), "{error}");
    }

    #[test]
    fn numbers_are_set_by_name() {
        let found = tuning("floor_block: 7\npending_ms: 1000\noff: [device]\n").unwrap();
        assert_eq!((found.floor_block, found.pending_ms), (7.0, 1_000));
        assert!(!found.enabled.device);
        let error = tuning("floor: 7").unwrap_err().to_string();
        assert!(error.contains("no number is called `floor`"), "{error}");
        assert!(tuning("floor_block: high").is_err() && tuning("- 3").is_err());
        assert_eq!(tuning("{}").unwrap(), Tuning::default());
    }
}
