//! `pumpwatch version`.

use clap::Args;

use crate::detector::policy::{LOGIC_VERSION, PRICES_VERSION};
use crate::model::log::ENCODING_VERSION;

use super::error::CliError;
use super::output::Output;
use super::wire;

#[derive(Debug, Args)]
pub(super) struct VersionArgs {
    /// Also what it is built of, and the versions that decide whether two members fit together
    #[arg(long, short)]
    verbose: bool,
}

pub(super) fn execute(args: &VersionArgs) -> Result<(), CliError> {
    let mut text = format!("pumpwatch {}\n", env!("CARGO_PKG_VERSION"));
    if args.verbose {
        let mut rows = vec![
            ("internal log encoding", ENCODING_VERSION.to_string()),
            ("detection logic", LOGIC_VERSION.to_owned()),
            ("price table", PRICES_VERSION.to_owned()),
        ];
        rows.extend(wire::library_versions());
        rows.push(("target", format!("{} {}", std::env::consts::ARCH, std::env::consts::OS)));
        for (what, version) in rows {
            text.extend([what, ": ", &version, "\n"]);
        }
    }
    let mut output = Output::new();
    output.bytes(text.as_bytes())?;
    output.flush()
}
