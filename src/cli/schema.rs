//! `pumpwatch schema`: what is read, written and configured, for machines.

use clap::{Args, ValueEnum};
use serde_json::{Map, Value};

use super::error::CliError;
use super::output::Output;

#[derive(Debug, Args)]
pub(super) struct SchemaArgs {
    /// Which schema [default: all of them in one object, by name]
    #[arg(value_enum)]
    name: Option<SchemaName>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum SchemaName {
    /// Canonical events
    Event,
    /// Verdicts and safe-list commands
    Feedback,
    /// Records of the alerts topic
    Finding,
    /// Records of the blocklist topic
    Block,
    /// Records of the statistics topic
    Stats,
    /// Records of the audit topic
    Audit,
    /// The configuration file
    Config,
    /// All topics (AsyncAPI)
    Asyncapi,
    /// The HTTP interface (OpenAPI)
    Openapi,
}

pub(super) fn execute(args: &SchemaArgs) -> Result<(), CliError> {
    let shown = match args.name {
        Some(name) => schema(name),
        None => SchemaName::value_variants()
            .iter()
            .map(|&name| (key(name), schema(name)))
            .collect::<Map<String, Value>>()
            .into(),
    };
    let mut text = serde_json::to_string_pretty(&shown).expect("a schema always serialises");
    text.push('\n');
    let mut output = Output::new();
    output.bytes(text.as_bytes())?;
    output.flush()
}

fn schema(name: SchemaName) -> Value {
    match name {
        SchemaName::Config => crate::config::schema(),
        SchemaName::Asyncapi => crate::render::schema::asyncapi::document(),
        SchemaName::Openapi => crate::serve::openapi::document(),
        SchemaName::Event
        | SchemaName::Feedback
        | SchemaName::Finding
        | SchemaName::Block
        | SchemaName::Stats
        | SchemaName::Audit => {
            crate::render::schema::schema(&key(name)).expect("`render` knows these names; a test prints each")
        }
    }
}

fn key(name: SchemaName) -> String {
    name.to_possible_value()
        .map_or_else(String::new, |value| value.get_name().to_owned())
}
