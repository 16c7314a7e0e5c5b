//! `pumpwatch demo`: everything at once, without a broker of one's own.

mod board;
mod show;

use std::net::SocketAddr;
use std::time::Duration;

use clap::Args;

use super::error::{CliError, Exit};
use super::values;

#[derive(Debug, Args)]
pub(super) struct DemoArgs {
    /// Where health and metrics are served; loopback only
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:8080", value_parser = values::listen)]
    listen: SocketAddr,

    /// Stop after this time, as in 60s [default: run until stopped]
    #[arg(long = "for", value_name = "DURATION", value_parser = values::duration)]
    run_for: Option<Duration>,
}

pub(super) fn execute(args: &DemoArgs) -> Result<(), CliError> {
    // The demonstration has no tokens, so it must not be reachable from outside.
    if !args.listen.ip().is_loopback() {
        return Err(CliError::new(
            Exit::Usage,
            format!(
                "the demo asks for no token and may not listen on {}; choose a loopback address, as in 127.0.0.1:8080",
                args.listen
            ),
        ));
    }
    show::show(args.listen, args.run_for)
}
