//! Whether the process lives, and whether it is ready: told by the loops
//! themselves, asked by the HTTP server.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use schemars::JsonSchema;
use serde::Serialize;

use super::metrics::lock;

/// A handle that every part shares; clones speak of the same process.
#[derive(Clone, Debug)]
pub struct Health(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    started: Instant,
    next_id: AtomicU64,
    beats: Mutex<BTreeMap<u64, Beat>>,
    conditions: Mutex<BTreeMap<String, Option<String>>>,
}

#[derive(Debug)]
struct Beat {
    name: String,
    limit: Duration,
    /// Milliseconds from the start of the process.
    last_ms: Arc<AtomicU64>,
}

/// A loop's sign of life. Dropping it says that the loop has ended in order.
#[derive(Debug)]
pub struct Heartbeat {
    inner: Arc<Inner>,
    id: u64,
    last_ms: Arc<AtomicU64>,
}

/// Something that must hold before the process is ready.
#[derive(Clone, Debug)]
pub struct Condition {
    inner: Arc<Inner>,
    name: String,
}

/// The answer of `/livez` and `/readyz`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Report {
    /// Whether every check passed.
    pub ok: bool,
    /// Each check, by name.
    pub checks: Vec<Check>,
}

/// One heartbeat or condition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Check {
    /// What was checked.
    pub name: String,
    /// Whether it passed.
    pub ok: bool,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Default for Health {
    fn default() -> Self {
        Self::new()
    }
}

impl Health {
    /// Alive, and not ready until a condition is there and holds.
    pub fn new() -> Self {
        Self(Arc::new(Inner {
            started: Instant::now(),
            next_id: AtomicU64::new(0),
            beats: Mutex::default(),
            conditions: Mutex::default(),
        }))
    }

    /// A loop that promises to beat at least once in every `limit`; it beats now.
    pub fn watch(&self, name: &str, limit: Duration) -> Heartbeat {
        let last_ms = Arc::new(AtomicU64::new(self.0.now_ms()));
        let id = self.0.next_id.fetch_add(1, Ordering::Relaxed);
        let beat = Beat {
            name: name.to_owned(),
            limit,
            last_ms: Arc::clone(&last_ms),
        };
        lock(&self.0.beats).insert(id, beat);
        Heartbeat {
            inner: Arc::clone(&self.0),
            id,
            last_ms,
        }
    }

    /// A named condition that does not hold yet, for this reason.
    pub fn condition(&self, name: &str, reason: &str) -> Condition {
        let condition = Condition {
            inner: Arc::clone(&self.0),
            name: name.to_owned(),
        };
        condition.fails(reason);
        condition
    }

    /// Whether every loop still beats.
    pub fn live(&self) -> Report {
        let now_ms = self.0.now_ms();
        let checks = lock(&self.0.beats)
            .values()
            .map(|beat| {
                let silent = Duration::from_millis(now_ms.saturating_sub(beat.last_ms.load(Ordering::Relaxed)));
                let reason = (silent > beat.limit).then(|| {
                    format!(
                        "no sign of life for {} s, allowed are {} s",
                        silent.as_secs(),
                        beat.limit.as_secs()
                    )
                });
                Check::new(&beat.name, reason)
            })
            .collect();
        Report::of(checks)
    }

    /// Whether every condition holds; false while there is none.
    pub fn ready(&self) -> Report {
        let conditions = lock(&self.0.conditions);
        if conditions.is_empty() {
            let reason = Some("nothing has started yet".to_owned());
            return Report::of(vec![Check::new("started", reason)]);
        }
        let checks = conditions
            .iter()
            .map(|(name, reason)| Check::new(name, reason.clone()))
            .collect();
        Report::of(checks)
    }
}

impl Inner {
    fn now_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

impl Heartbeat {
    /// One more turn of the loop. Costs a clock reading and a store.
    pub fn beat(&self) {
        self.last_ms.store(self.inner.now_ms(), Ordering::Relaxed);
    }
}

impl Drop for Heartbeat {
    fn drop(&mut self) {
        lock(&self.inner.beats).remove(&self.id);
    }
}

impl Condition {
    /// It holds.
    pub fn holds(&self) {
        lock(&self.inner.conditions).insert(self.name.clone(), None);
    }

    /// It does not hold (any more), for this reason.
    pub fn fails(&self, reason: &str) {
        lock(&self.inner.conditions).insert(self.name.clone(), Some(reason.to_owned()));
    }
}

impl Report {
    fn of(checks: Vec<Check>) -> Self {
        Self {
            ok: checks.iter().all(|check| check.ok),
            checks,
        }
    }
}

impl Check {
    fn new(name: &str, reason: Option<String>) -> Self {
        Self {
            name: name.to_owned(),
            ok: reason.is_none(),
            reason,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loop_that_stops_beating_is_dead_and_one_that_ended_is_not() {
        let health = Health::new();
        assert!(health.live().ok);
        let beating = health.watch("router poll", Duration::from_secs(60));
        let silent = health.watch("detector poll", Duration::ZERO);
        std::thread::sleep(Duration::from_millis(20));
        beating.beat();
        let report = health.live();
        assert!(!report.ok);
        assert!(report.checks[0].ok && !report.checks[1].ok, "{report:?}");
        drop(silent);
        assert!(health.live().ok);
    }

    #[test]
    fn ready_needs_every_condition() {
        let health = Health::new();
        assert!(!health.ready().ok);
        let assigned = health.condition("router assigned", "no partitions yet");
        let restored = health.condition("detector restored", "0 of 8 partitions restored");
        assigned.holds();
        let report = health.ready();
        assert!(!report.ok);
        assert_eq!(report.checks[0].reason.as_deref(), Some("0 of 8 partitions restored"));
        restored.holds();
        assert!(health.ready().ok);
        restored.clone().fails("lost");
        assert!(!health.ready().ok);
    }
}
