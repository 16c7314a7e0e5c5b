//! The simulated events as canonical NDJSON, plain, `.gz` or `.zst` by the name
//! of the file, and their labels. Files appear by rename: never half-written.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{Campaign, LabError, Scenario, SimEvent, Simulator};
use crate::model::{EventBody, Millis};
use crate::render::canonical::CanonicalEvent;

/// Where a simulation stops early.
#[derive(Clone, Copy, Debug, Default)]
pub struct Limits {
    /// At most so many events.
    pub events_max: Option<u64>,
}

/// Lines between two calls of a progress function.
const PROGRESS_EVERY: u64 = 50_000;

/// What was written.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Summary {
    /// Lines.
    pub events: u64,
    /// Of them sends.
    pub sends: u64,
    /// Sends of attacks.
    pub attack_sends: u64,
    /// Arrival of the first and the last event, RFC 3339.
    #[serde(serialize_with = "super::as_text_or_null")]
    pub first_time: Option<Millis>,
    /// See `first_time`.
    #[serde(serialize_with = "super::as_text_or_null")]
    pub last_time: Option<Millis>,
    /// Overlays and what they did.
    pub campaigns: Vec<Campaign>,
}

impl Summary {
    /// Takes in the next event.
    pub fn add(&mut self, event: &SimEvent) {
        self.events += 1;
        if matches!(event.event.body, EventBody::Send(_)) {
            self.sends += 1;
            self.attack_sends += u64::from(event.label.is_some_and(|label| label.attack));
        }
        self.first_time.get_or_insert(event.ingest);
        self.last_time = Some(event.ingest);
    }
}

/// Runs `scenario` and writes its events to `out`, one canonical event a line
/// with `ingest_time`, and (on labelled events) `label` and `label_kind`; the
/// overlays to `labels` as one JSON object a line. `progress` is told now and
/// then how many lines were written and how far time has come.
pub fn simulate_to_file(
    scenario: &Scenario,
    seed: u64,
    out: &Path,
    labels: Option<&Path>,
    limits: Limits,
    progress: &mut dyn FnMut(u64, Millis),
) -> Result<Summary, LabError> {
    let mut simulator = Simulator::new(scenario, seed);
    let summary = write_atomically(out, |file| {
        let writer = BufWriter::with_capacity(1 << 20, file);
        match out.extension().and_then(|e| e.to_str()) {
            Some("gz") => {
                let mut encoder = flate2::write::GzEncoder::new(writer, flate2::Compression::new(4));
                let summary = write_events(&mut simulator, &mut encoder, limits, progress)?;
                encoder.finish()?.flush()?;
                Ok(summary)
            }
            Some("zst") => {
                let mut encoder = zstd::Encoder::new(writer, 3)?;
                let summary = write_events(&mut simulator, &mut encoder, limits, progress)?;
                encoder.finish()?.flush()?;
                Ok(summary)
            }
            _ => {
                let mut writer = writer;
                let summary = write_events(&mut simulator, &mut writer, limits, progress)?;
                writer.flush()?;
                Ok(summary)
            }
        }
    })?;
    if let Some(path) = labels {
        write_atomically(path, |file| {
            let mut writer = BufWriter::new(file);
            for campaign in &summary.campaigns {
                serde_json::to_writer(&mut writer, campaign)?;
                writer.write_all(b"\n")?;
            }
            writer.flush()
        })?;
    }
    Ok(summary)
}

/// Writes beside `path` and renames when all is there; a failure leaves nothing.
fn write_atomically<T>(path: &Path, write: impl FnOnce(File) -> std::io::Result<T>) -> Result<T, LabError> {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(format!(".{}.part", std::process::id()));
    let part: PathBuf = path.with_file_name(name);
    let result = File::create(&part)
        .and_then(write)
        .and_then(|value| std::fs::rename(&part, path).map(|()| value));
    result.map_err(|source| {
        // The file may not exist: the first error is the one to tell.
        let _ = std::fs::remove_file(&part);
        LabError::Unwritable {
            path: path.display().to_string(),
            source,
        }
    })
}

fn write_events(
    simulator: &mut Simulator,
    out: &mut impl Write,
    limits: Limits,
    progress: &mut dyn FnMut(u64, Millis),
) -> std::io::Result<Summary> {
    let mut summary = Summary::default();
    let mut line = String::with_capacity(1_024);
    while limits.events_max.is_none_or(|max| summary.events < max) {
        let Some(event) = simulator.next() else { break };
        line.clear();
        write_line(&event, event.label.map(|label| simulator.label_name(label)), &mut line);
        out.write_all(line.as_bytes())?;
        summary.add(&event);
        if summary.events.is_multiple_of(PROGRESS_EVERY) {
            progress(summary.events, event.ingest);
        }
    }
    summary.campaigns = simulator.labels();
    Ok(summary)
}

/// One canonical line with its newline, appended to `line`; `label` is the name
/// of the event's overlay.
pub fn write_line(sim: &SimEvent, label: Option<&str>, line: &mut String) {
    let event = serde_json::to_string(&CanonicalEvent(&sim.event)).expect("an event always serialises");
    // The laboratory's own fields go before the closing brace.
    line.push_str(&event[..event.len() - 1]);
    // Writing into a string cannot fail.
    let _ = write!(line, ",\"ingest_time\":\"{}\"", sim.ingest);
    if let (Some(label), Some(of)) = (label, sim.label) {
        let label = serde_json::to_string(label).expect("a text always serialises");
        let kind = if of.attack { "attack" } else { "innocent" };
        let _ = write!(line, ",\"label\":{label},\"label_kind\":\"{kind}\"");
    }
    line.push_str("}\n");
}
