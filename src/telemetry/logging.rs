//! Where log lines go and how they look: text at a terminal, JSON otherwise.

use std::io::IsTerminal;
use std::str::FromStr;

use thiserror::Error;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, fmt};

/// What is logged when nothing is asked for.
const FILTER_DEFAULT: &str = "info";

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line, for machines.
    Json,
}

impl FromStr for LogFormat {
    type Err = LogError;

    fn from_str(text: &str) -> Result<Self, LogError> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            other => Err(LogError::Format(other.to_owned())),
        }
    }
}

/// What the user asked for; `None` is the default.
#[derive(Clone, Debug, Default)]
pub struct LogOptions {
    /// Directives as in `RUST_LOG`, e.g. `info,pumpwatch::stream=debug`.
    pub filter: Option<String>,
    /// Text or JSON; by default text at a terminal.
    pub format: Option<LogFormat>,
}

/// Why logging could not be set up.
#[derive(Debug, Error)]
pub enum LogError {
    /// Neither `text` nor `json`.
    #[error("`{0}` is not a log format; use text or json")]
    Format(String),
    /// Not a list of directives.
    #[error("`{filter}` is not a log filter: {reason}; write it as in info or info,pumpwatch::stream=debug")]
    Filter {
        /// What was asked for.
        filter: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Called twice.
    #[error("logging has been set up already")]
    Twice,
}

/// Sends log lines to standard error, so that standard output stays data.
///
/// # Errors
/// The filter cannot be read, or logging has been set up before.
pub fn init(options: &LogOptions) -> Result<(), LogError> {
    let directives = options.filter.as_deref().unwrap_or(FILTER_DEFAULT);
    let filter = EnvFilter::builder()
        .parse(directives)
        .map_err(|error| LogError::Filter {
            filter: directives.to_owned(),
            reason: error.to_string(),
        })?;
    let at_terminal = std::io::stderr().is_terminal();
    let format = options
        .format
        .unwrap_or(if at_terminal { LogFormat::Text } else { LogFormat::Json });
    tracing_subscriber::registry()
        .with(layer(format, at_terminal).with_filter(filter))
        .try_init()
        .map_err(|_| LogError::Twice)
}

/// A line that cannot be written is given up: complaining on the same standard
/// error would panic where its reader has gone.
fn layer(format: LogFormat, colours: bool) -> Box<dyn Layer<Registry> + Send + Sync> {
    match format {
        LogFormat::Text => fmt::layer()
            .with_writer(std::io::stderr)
            .with_ansi(colours)
            .with_target(false)
            .log_internal_errors(false)
            .boxed(),
        LogFormat::Json => fmt::layer()
            .with_writer(std::io::stderr)
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_span_list(false)
            .log_internal_errors(false)
            .boxed(),
    }
}
