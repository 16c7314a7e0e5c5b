//! The pre-flight: everything that `run` needs from the broker, tried without
//! leaving a trace, each finding a sentence.

use rdkafka::Offset;

use super::client::{partitions_of, patiently, plain_consumer};
use super::error::StreamError;
use super::header;
use super::offsets::{ask_positions, offsets_at};
use super::outputs::{describe, wanted};
use super::settings::{DEFAULT_LOG_PARTITIONS, StreamSettings};
use crate::model::log::Feed;

/// How grave a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Gravity {
    /// As it should be.
    Fine,
    /// `run` works; something should be changed.
    Warning,
    /// `run` would not work.
    Failure,
}

/// One thing that was checked.
#[derive(Debug)]
pub struct Checked {
    /// How grave.
    pub gravity: Gravity,
    /// What was found, and what to change.
    pub sentence: String,
    /// The error behind a failure, for the exit code.
    pub error: Option<StreamError>,
}

impl Checked {
    fn fine(sentence: impl Into<String>) -> Self {
        Self {
            gravity: Gravity::Fine,
            sentence: sentence.into(),
            error: None,
        }
    }

    fn warning(sentence: impl Into<String>) -> Self {
        Self {
            gravity: Gravity::Warning,
            sentence: sentence.into(),
            error: None,
        }
    }

    fn failure(error: StreamError) -> Self {
        Self {
            gravity: Gravity::Failure,
            sentence: error.to_string(),
            error: Some(error),
        }
    }
}

/// Checks broker, topics, settings and permissions. Whether this principal may
/// write cannot be known without writing, and is not tried.
pub fn check(settings: &StreamSettings) -> Vec<Checked> {
    let mut all = Vec::new();
    match inputs(settings, &mut all) {
        Ok(()) => {}
        // Without a broker every further sentence would say the same.
        Err(error) => {
            all.push(Checked::failure(error));
            return all;
        }
    }
    outputs(settings, &mut all);
    match log(settings) {
        Ok(sentence) => all.push(Checked::fine(sentence)),
        Err(StreamError::TopicMissing { .. }) => {}
        Err(error) => all.push(Checked::failure(error)),
    }
    if settings.privacy_key.is_none() {
        all.push(Checked::warning(
            "no `privacy.key` is set: numbers are pseudonymised with a salt that stands in the internal log, which is no secret; set `privacy.key: {file: PATH}`",
        ));
    }
    if settings.keep_numbers {
        all.push(Checked::warning(
            "`privacy.keep_numbers` is on: full numbers are kept in the internal log",
        ));
    }
    all
}

fn inputs(settings: &StreamSettings, all: &mut Vec<Checked>) -> Result<(), StreamError> {
    let consumer = plain_consumer(settings, "check", &settings.router_group())?;
    let mut feeds = Vec::new();
    for input in &settings.inputs {
        match partitions_of(&consumer, settings, &input.topic, settings.pace.connect) {
            Ok(Some(partitions)) => {
                all.push(Checked::fine(format!(
                    "input `{}`: {partitions} partitions, format {}",
                    input.topic,
                    input.format.name()
                )));
                feeds.extend((0..partitions as i32).map(|partition| Feed {
                    topic: input.topic.as_str().into(),
                    partition,
                }));
            }
            Ok(None) => all.push(Checked::failure(StreamError::InputMissing {
                topic: input.topic.clone(),
            })),
            Err(error @ StreamError::Unauthorized { .. }) => all.push(Checked::failure(error)),
            Err(error) => return Err(error),
        }
    }
    if !feeds.is_empty() {
        match patiently(settings.pace.connect, |left| ask_positions(&consumer, &feeds, left)) {
            Ok(positions) => {
                let started = positions.iter().filter(|position| position.committed.is_some()).count();
                all.push(Checked::fine(format!(
                    "group `{}` may be read; {started} of {} input partitions have a committed position",
                    settings.router_group(),
                    positions.len()
                )));
            }
            Err(error) => all.push(Checked::failure(StreamError::from_kafka(
                &format!("reading the offsets of group `{}`", settings.router_group()),
                &settings.brokers,
                &error,
            ))),
        }
    }
    Ok(())
}

fn outputs(settings: &StreamSettings, all: &mut Vec<Checked>) {
    let specs = wanted(settings, DEFAULT_LOG_PARTITIONS, false);
    for spec in &specs {
        match describe(settings, std::slice::from_ref(spec)) {
            Ok(reports) => {
                for report in reports {
                    match report.partitions {
                        None => all.push(Checked::failure(StreamError::TopicMissing { topic: report.name })),
                        Some(partitions) if report.differences.is_empty() => all.push(Checked::fine(format!(
                            "{} `{}`: {partitions} partitions, {} copies",
                            report.purpose, report.name, report.replication
                        ))),
                        Some(_) => all.extend(report.differences.into_iter().map(Checked::warning)),
                    }
                }
            }
            // Asking for settings needs a permission that running does not.
            Err(error @ StreamError::Unauthorized { .. }) => all.push(Checked::warning(error.to_string())),
            Err(error) => all.push(Checked::warning(format!(
                "the settings of `{}` could not be read: {error}",
                spec.name
            ))),
        }
    }
}

fn log(settings: &StreamSettings) -> Result<String, StreamError> {
    let consumer = plain_consumer(settings, "check-log", &settings.detector_group())?;
    let topic = &settings.topics.events;
    let agreed = header::find(settings, &consumer)?;
    let partitions = partitions_of(&consumer, settings, topic, settings.pace.connect)?.unwrap_or_default();
    let feeds: Vec<Feed> = (0..partitions as i32)
        .map(|partition| Feed {
            topic: topic.as_str().into(),
            partition,
        })
        .collect();
    let ends = patiently(settings.pace.connect, |left| {
        offsets_at(&consumer, &feeds, Offset::End, left)
    })
    .map_err(|error| StreamError::from_kafka(&format!("reading `{topic}`"), &settings.brokers, &error))?;
    let records: i64 = ends.iter().map(|(_, end)| end).sum();
    Ok(match agreed {
        Some(header) => format!(
            "internal log `{topic}`: deployment {:032x}, {} partitions, {records} records",
            header.deployment_id, header.partitions
        ),
        None => format!("internal log `{topic}`: {partitions} partitions, not begun yet"),
    })
}
