//! Starts the two halves, watches over them, and ends them within a deadline.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use super::detector_task::{self, DetectorParts};
use super::doors::{Half, Observer, RecordDecoder, Renderer};
use super::error::StreamError;
use super::ingest::Classify;
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

/// What the halves work with.
#[derive(Clone)]
pub struct Doors {
    /// Bytes → events.
    pub decoder: Arc<dyn RecordDecoder>,
    /// Number → classification.
    pub plan: Arc<dyn Classify>,
    /// Effect → output record.
    pub renderer: Arc<dyn Renderer>,
    /// Metrics and health.
    pub observer: Arc<dyn Observer>,
}

/// Time beyond the drain deadline that a half may take to leave its group. A
/// consumer's destructor can hang; nobody waits for it longer than this.
const LEAVE: Duration = Duration::from_secs(5);

/// Runs until `shutdown` is asked and everything is drained, or until something
/// breaks. After an error, or after a half that does not end in time, the process
/// should exit: threads may still be running.
pub fn run(settings: &StreamSettings, role: Role, doors: &Doors, shutdown: &Shutdown) -> Result<(), StreamError> {
    let (done, finished) = channel();
    let mut running = 0;
    if role != Role::Detector {
        let parts = RouterParts {
            settings: settings.clone(),
            decoder: doors.decoder.clone(),
            plan: doors.plan.clone(),
            observer: doors.observer.clone(),
            shutdown: shutdown.clone(),
        };
        start(Half::Router, done.clone(), move || router::run(parts))?;
        running += 1;
    }
    if role != Role::Router {
        let parts = DetectorParts {
            settings: settings.clone(),
            renderer: doors.renderer.clone(),
            observer: doors.observer.clone(),
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
            // A thread that panicked sent nothing.
            Err(RecvTimeoutError::Disconnected) => {
                return outcome.and(Err(StreamError::Internal("a stream thread panicked".into())));
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
            let result = body();
            let _ = done.send((half, result));
        })
        .map(|_| ())
        .map_err(|error| StreamError::Internal(format!("a thread could not be started: {error}")))
}
