//! The simulated events as canonical NDJSON, plain, `.gz` or `.zst` by the name
//! of the file, and their labels. Files appear by rename: never half-written.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{Campaign, LabError, Scenario, SimEvent, Simulator};
use crate::model::{Client, DeliveryStatus, Destination, EventBody, Millis, Money, Outcome, SendStatus};

/// Where a simulation stops early.
#[derive(Clone, Copy, Debug, Default)]
pub struct Limits {
    /// At most so many events.
    pub events_max: Option<u64>,
}

/// Lines between two calls of a progress function.
const PROGRESS_EVERY: u64 = 50_000;

/// What was written.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// Lines.
    pub events: u64,
    /// Of them sends.
    pub sends: u64,
    /// Sends of attacks.
    pub attack_sends: u64,
    /// Arrival of the first and the last event, RFC 3339.
    pub first_time: Option<String>,
    /// See `first_time`.
    pub last_time: Option<String>,
    /// Overlays and what they did.
    pub campaigns: Vec<Campaign>,
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
    let mut summary = Summary {
        events: 0,
        sends: 0,
        attack_sends: 0,
        first_time: None,
        last_time: None,
        campaigns: Vec::new(),
    };
    let mut line = String::with_capacity(1_024);
    let mut last = None;
    while limits.events_max.is_none_or(|max| summary.events < max) {
        let Some(event) = simulator.next() else { break };
        line.clear();
        write_line(&event, event.label.map(|label| simulator.label_name(label)), &mut line);
        out.write_all(line.as_bytes())?;
        summary.events += 1;
        if matches!(event.event.body, EventBody::Send(_)) {
            summary.sends += 1;
            summary.attack_sends += u64::from(event.label.is_some_and(|label| label.attack));
        }
        if last.is_none() {
            summary.first_time = Some(event.ingest.to_string());
        }
        last = Some(event.ingest);
        if summary.events.is_multiple_of(PROGRESS_EVERY) {
            progress(summary.events, event.ingest);
        }
    }
    summary.last_time = last.map(|time| time.to_string());
    summary.campaigns = simulator.labels();
    Ok(summary)
}

/// One canonical line with its newline, appended to `line`; `label` is the name
/// of the event's overlay.
pub fn write_line(sim: &SimEvent, label: Option<&str>, line: &mut String) {
    let event = &sim.event;
    line.push_str("{\"type\":\"");
    line.push_str(event.body.type_name());
    line.push('"');
    text(line, "id", Some(&event.id));
    time(line, "time", event.time);
    match &event.to {
        Destination::Number(number) => put(line, format_args!(",\"to\":\"{number}\"")),
        Destination::Masked { prefix, token } => {
            put(line, format_args!(",\"to\":{{\"prefix\":\"{prefix}\""));
            text(line, "token", Some(token));
            line.push('}');
        }
        Destination::Unknown => {}
    }
    text(line, "tenant", Some(&event.tenant));
    text(line, "app", Some(&event.app));
    match &event.body {
        EventBody::Send(send) => {
            text(line, "session", send.session.as_deref());
            text(line, "message_id", send.message_id.as_deref());
            text(line, "sender", send.sender.as_deref());
            line.push_str(",\"channel\":\"sms\"");
            if let Some(segments) = send.segments {
                put(line, format_args!(",\"segments\":{segments}"));
            }
            price(line, send.price);
            client(line, &send.client);
            text(line, "provider", send.provider.as_deref());
            text(line, "status", Some(send_status(send.status)));
        }
        EventBody::Verification(verification) => {
            text(line, "session", verification.session.as_deref());
            text(line, "message_id", verification.message_id.as_deref());
            text(line, "outcome", Some(outcome(verification.outcome)));
        }
        EventBody::Delivery(delivery) => {
            text(line, "message_id", delivery.message_id.as_deref());
            text(line, "session", delivery.session.as_deref());
            text(line, "status", Some(delivery_status(delivery.status)));
            text(line, "error_code", Some(&delivery.error_code));
            text(line, "mcc", delivery.mcc.as_deref());
            text(line, "mnc", delivery.mnc.as_deref());
            price(line, delivery.price);
        }
    }
    time(line, "ingest_time", sim.ingest);
    if let (Some(label), Some(of)) = (label, sim.label) {
        text(line, "label", Some(label));
        text(line, "label_kind", Some(if of.attack { "attack" } else { "innocent" }));
    }
    line.push_str("}\n");
}

fn put(line: &mut String, what: std::fmt::Arguments<'_>) {
    // Writing into a string cannot fail.
    let _ = line.write_fmt(what);
}

fn text(line: &mut String, key: &str, value: Option<&str>) {
    let Some(value) = value else { return };
    if !line.ends_with('{') {
        line.push(',');
    }
    line.push('"');
    line.push_str(key);
    line.push_str("\":\"");
    for ch in value.chars() {
        match ch {
            '"' => line.push_str("\\\""),
            '\\' => line.push_str("\\\\"),
            ch if u32::from(ch) < 0x20 => put(line, format_args!("\\u{:04x}", u32::from(ch))),
            ch => line.push(ch),
        }
    }
    line.push('"');
}

fn send_status(status: SendStatus) -> &'static str {
    match status {
        SendStatus::Sent => "sent",
        SendStatus::Blocked => "blocked",
        SendStatus::Failed => "failed",
    }
}

fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Approved => "approved",
        Outcome::Failed => "failed",
        Outcome::Expired => "expired",
        Outcome::Canceled => "canceled",
    }
}

fn delivery_status(status: DeliveryStatus) -> &'static str {
    match status {
        DeliveryStatus::Delivered => "delivered",
        DeliveryStatus::Undelivered => "undelivered",
        DeliveryStatus::Failed => "failed",
        DeliveryStatus::Rejected => "rejected",
        DeliveryStatus::Expired => "expired",
        DeliveryStatus::Unknown => "unknown",
    }
}

fn price(line: &mut String, price: Option<Money>) {
    if let Some(price) = price {
        let amount = price.micros.to_units();
        put(
            line,
            format_args!(",\"price\":{{\"amount\":{amount},\"currency\":\"{}\"}}", price.currency),
        );
    }
}

fn client(line: &mut String, client: &Client) {
    if *client == Client::default() {
        return;
    }
    line.push_str(",\"client\":{");
    if let Some(ip) = client.ip {
        put(line, format_args!("\"ip\":\"{ip}\""));
    }
    if let Some(asn) = client.asn {
        let comma = if line.ends_with('{') { "" } else { "," };
        put(line, format_args!("{comma}\"asn\":{asn}"));
    }
    text(
        line,
        "country",
        client.country.as_ref().map(crate::model::Region::as_str),
    );
    text(line, "device", client.device.as_deref());
    text(line, "user_agent", client.user_agent.as_deref());
    line.push('}');
}

/// RFC 3339 with milliseconds, by arithmetic: the general formatter costs more
/// than all the rest of a line.
fn time(line: &mut String, key: &str, at: Millis) {
    let days = at.0.div_euclid(86_400_000);
    let ms = at.0.rem_euclid(86_400_000);
    // Civil date from days (Howard Hinnant's algorithm).
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1_460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let day = doy - (153 * mp + 2) / 5 + 1;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    let year = yoe + era * 400 + i64::from(month <= 2);
    let (h, m, s, ms) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1_000 % 60, ms % 1_000);
    put(
        line,
        format_args!(",\"{key}\":\"{year:04}-{month:02}-{day:02}T{h:02}:{m:02}:{s:02}.{ms:03}Z\""),
    );
}
