//! Validated configuration as the plain values that the stream layer takes.

use crate::config::{self, Config};
use crate::decode::Format;
use crate::number_plan::metadata_version;
use crate::stream::{DeadLetterValues, InputSettings, Pace, Start, StreamSettings, Topics};

use super::super::error::{CliError, Exit};

/// The stream layer's settings of a configuration.
pub(in crate::cli) fn stream_settings(config: &Config) -> Result<StreamSettings, CliError> {
    let topics = &config.topics;
    let inputs = config.inputs.iter().map(input).collect::<Result<Vec<_>, _>>()?;
    Ok(StreamSettings {
        brokers: config.kafka.bootstrap_servers(),
        properties: config
            .kafka
            .properties
            .iter()
            .map(|(k, v)| (k.clone(), v.expose().to_owned()))
            .collect(),
        group: config.kafka.group.clone(),
        topics: Topics {
            events: topics.events.clone(),
            alerts: topics.alerts.clone(),
            blocklist: topics.blocklist.clone(),
            stats: topics.stats.clone(),
            audit: topics.audit.clone(),
            dead_letters: topics.dead_letters.clone(),
            feedback: topics.feedback.clone(),
        },
        inputs,
        policy: config.policy.to_record(metadata_version()),
        privacy_key: config.privacy.key.as_ref().map(|key| key.expose().to_vec()),
        keep_numbers: config.privacy.keep_numbers,
        dead_letter_values: match config.dead_letters {
            config::DeadLetters::Original => DeadLetterValues::Original,
            config::DeadLetters::Withheld => DeadLetterValues::Withheld,
        },
        member: String::new(),
        pace: Pace::default(),
    })
}

fn input(input: &config::InputTopic) -> Result<InputSettings, CliError> {
    Ok(InputSettings {
        topic: input.topic.clone(),
        format: Format::parse(&input.format).map_err(|error| CliError::new(Exit::Config, error.to_string()))?,
        tenant: input.tenant.clone(),
        app: input.app.clone(),
        start: match input.start {
            config::Start::Earliest => Start::Earliest,
            config::Start::Latest => Start::Latest,
        },
    })
}
