//! A latency in an HdrHistogram, shown to Prometheus as a classic histogram.

use std::sync::Mutex;
use std::time::Duration;

use hdrhistogram::Histogram;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;

use super::metrics::lock;

/// Values above an hour are counted as an hour.
const MICROS_MAX: u64 = 3_600_000_000;

/// Upper bounds of the buckets shown, in seconds.
const BOUNDS_SECONDS: [f64; 14] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0,
];

/// Durations from a microsecond to an hour, to three significant digits.
#[derive(Debug)]
pub struct LatencyHistogram {
    name: &'static str,
    help: &'static str,
    recorded: Mutex<Recorded>,
}

#[derive(Debug)]
struct Recorded {
    histogram: Histogram<u64>,
    sum_micros: u128,
}

impl LatencyHistogram {
    /// An empty histogram; `name` ends in `_seconds`.
    pub fn new(name: &'static str, help: &'static str) -> Self {
        let histogram = Histogram::new_with_bounds(1, MICROS_MAX, 3).expect("the bounds are constant and valid");
        Self {
            name,
            help,
            recorded: Mutex::new(Recorded {
                histogram,
                sum_micros: 0,
            }),
        }
    }

    /// Records one value.
    pub fn observe(&self, latency: Duration) {
        let micros = u64::try_from(latency.as_micros()).unwrap_or(MICROS_MAX).min(MICROS_MAX);
        let mut recorded = lock(&self.recorded);
        recorded.histogram.saturating_record(micros.max(1));
        recorded.sum_micros += u128::from(micros);
    }

    /// How many values have been recorded.
    pub fn count(&self) -> u64 {
        lock(&self.recorded).histogram.len()
    }

    /// The value at a quantile from 0 to 1; `None` while nothing is recorded.
    pub fn quantile(&self, quantile: f64) -> Option<Duration> {
        let recorded = lock(&self.recorded);
        (!recorded.histogram.is_empty()).then(|| Duration::from_micros(recorded.histogram.value_at_quantile(quantile)))
    }

    /// The sum in seconds, the count, and (upper bound, values in that bucket alone).
    fn buckets(&self) -> (f64, u64, Vec<(f64, u64)>) {
        let recorded = lock(&self.recorded);
        let total = recorded.histogram.len();
        let mut below = 0;
        let mut buckets: Vec<(f64, u64)> = BOUNDS_SECONDS
            .iter()
            .map(|&bound| {
                let up_to = recorded.histogram.count_between(0, (bound * 1e6).round() as u64);
                let inside = up_to - below;
                below = up_to;
                (bound, inside)
            })
            .collect();
        buckets.push((f64::INFINITY, total - below));
        (recorded.sum_micros as f64 / 1e6, total, buckets)
    }
}

impl Collector for LatencyHistogram {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let (sum, count, buckets) = self.buckets();
        encoder
            .encode_descriptor(self.name, self.help, None, MetricType::Histogram)?
            .encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_add_up_to_the_count() {
        let latency = LatencyHistogram::new("x_seconds", "x");
        assert_eq!(latency.quantile(0.5), None);
        for ms in [1, 3, 7, 40, 40, 900, 2_000, 400_000, 10_000_000] {
            latency.observe(Duration::from_millis(ms));
        }
        latency.observe(Duration::ZERO);
        let (sum, count, buckets) = latency.buckets();
        assert_eq!(count, 10);
        assert_eq!(buckets.iter().map(|(_, n)| n).sum::<u64>(), count);
        assert_eq!(buckets[0], (0.005, 3), "0, 1 and 3 ms");
        assert_eq!(buckets.last(), Some(&(f64::INFINITY, 2)));
        assert!(
            (sum - 4002.991).abs() < 1e-6,
            "{sum}: what lies above an hour counts as an hour"
        );
        let median = latency.quantile(0.5).unwrap();
        assert!((39..=41).contains(&median.as_millis()), "{median:?}");
    }
}
