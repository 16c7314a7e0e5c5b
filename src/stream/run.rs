//! Starts the two halves, watches over them, and ends them within a deadline.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use super::detector_task::{self, DetectorParts};
use super::error::StreamError;
use super::observer::{Half, Observer};
use super::router::{self, RouterParts};
use super::settings::StreamSettings;

/// Which halves this process runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// Both.
    #[default]
    All,
    /// Only the router.
    Router,
    /// Only the detector.
    Detector,
}

/// Asks the halves to end; clones share the request.
#[derive(Clone, Debug, Default)]
pub struct Shutdown(Arc<AtomicBool>);

impl Shutdown {
    /// Nothing was asked yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks.
    pub fn request(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether it was asked.
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// Time beyond the drain deadline that a half may take to leave its group. A
/// consumer's destructor can hang; nobody waits for it longer than this.
const LEAVE: Duration = Duration::from_secs(5);

/// Runs until `shutdown` is asked and everything is drained, or until something
/// breaks. After an error, or after a half that does not end in time, the process
/// should exit: threads may still be running.
pub fn run(
    settings: &StreamSettings,
    role: Role,
    observer: &Arc<dyn Observer>,
    shutdown: &Shutdown,
) -> Result<(), StreamError> {
    let (done, finished) = channel();
    let mut running = 0;
    if role != Role::Detector {
        let parts = RouterParts {
            settings: settings.clone(),
            observer: observer.clone(),
            shutdown: shutdown.clone(),
        };
        start(Half::Router, done.clone(), move || router::run(parts))?;
        running += 1;
    }
    if role != Role::Router {
        let parts = DetectorParts {
            settings: settings.clone(),
            observer: observer.clone(),
            shutdown: shutdown.clone(),
        };
        start(Half::Detector, done.clone(), move || detector_task::run(parts))?;
        running += 1;
    }
    drop(done);
    let mut outcome = Ok(());
    let mut deadline: Option<Instant> = None;
    while running > 0 {
        if shutdown.is_set() && deadline.is_none() {
            deadline = Some(Instant::now() + settings.pace.drain + LEAVE);
        }
        match finished.recv_timeout(Duration::from_millis(100)) {
            Ok((half, result)) => {
                running -= 1;
                let early = !shutdown.is_set();
                shutdown.request();
                let result = match result {
                    Ok(()) if early => Err(StreamError::Internal(format!("the {} ended unasked", half.as_str()))),
                    other => other,
                };
                // The first error tells the cause; later ones follow from it.
                if outcome.is_ok() {
                    outcome = result;
                }
            }
            Err(RecvTimeoutError::Timeout) => {
                if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                    return outcome.and(Err(StreamError::DrainTimeout {
                        what: "leaving the consumer groups".into(),
                        seconds: (settings.pace.drain + LEAVE).as_secs(),
                    }));
                }
            }
            Err(RecvTimeoutError::Disconnected) => {
                return outcome.and(Err(StreamError::Internal("a stream thread vanished".into())));
            }
        }
    }
    outcome
}

type Finished = (Half, Result<(), StreamError>);

fn start(
    half: Half,
    done: Sender<Finished>,
    body: impl FnOnce() -> Result<(), StreamError> + Send + 'static,
) -> Result<(), StreamError> {
    std::thread::Builder::new()
        .name(half.as_str().into())
        .spawn(move || {
            // A broken invariant in the fold is a panic: the process must hear of it.
            let result = catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|panic| {
                let said = panic.downcast_ref::<String>().map(String::as_str);
                let said = said.or_else(|| panic.downcast_ref::<&str>().copied());
                let half = half.as_str();
                Err(StreamError::Internal(format!(
                    "the {half} panicked: {}",
                    said.unwrap_or("unknown cause")
                )))
            });
            let _ = done.send((half, result));
        })
        .map(|_| ())
        .map_err(|error| StreamError::Internal(format!("a thread could not be started: {error}")))
}
