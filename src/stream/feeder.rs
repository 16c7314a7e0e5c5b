//! Writes records to input topics: for the demonstration and the simulator.

use std::time::{Duration, Instant};

use super::error::StreamError;
use super::outbox::{Outbox, Outgoing};
use super::settings::StreamSettings;
use crate::model::Millis;

/// A producer of input records.
pub struct Feeder {
    outbox: Outbox,
    unacknowledged: u64,
}

impl Feeder {
    /// Connects with the brokers and properties of `settings`.
    pub fn new(settings: &StreamSettings) -> Result<Self, StreamError> {
        Ok(Self {
            outbox: Outbox::new(settings, "feeder")?,
            unacknowledged: 0,
        })
    }

    /// Hands one record over; waits while the producer is full.
    pub fn feed(&mut self, topic: &str, key: &str, value: Vec<u8>, time: Millis) -> Result<(), StreamError> {
        self.outbox.send(Outgoing {
            topic: topic.to_owned(),
            key: Some(key.as_bytes().to_vec()),
            value: Some(value),
            timestamp: Some(time.0),
            ..Outgoing::default()
        })?;
        self.unacknowledged += 1;
        self.serve(Duration::ZERO)?;
        while self.outbox.is_blocked() {
            self.serve(Duration::from_millis(10))?;
        }
        Ok(())
    }

    /// Serves the connection for a moment.
    pub fn serve(&mut self, timeout: Duration) -> Result<(), StreamError> {
        let mut done = 0;
        self.outbox.serve(timeout, |_| done += 1)?;
        self.unacknowledged -= done;
        Ok(())
    }

    /// Waits until everything is acknowledged.
    ///
    /// # Errors
    /// [`StreamError::DrainTimeout`] when that takes longer than `limit`.
    pub fn flush(&mut self, limit: Duration) -> Result<(), StreamError> {
        let began = Instant::now();
        while self.unacknowledged > 0 {
            if began.elapsed() > limit {
                return Err(StreamError::DrainTimeout {
                    what: "writing the last records".into(),
                    seconds: limit.as_secs(),
                });
            }
            self.serve(Duration::from_millis(10))?;
        }
        Ok(())
    }
}

impl std::fmt::Debug for Feeder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Feeder")
            .field("unacknowledged", &self.unacknowledged)
            .finish_non_exhaustive()
    }
}
