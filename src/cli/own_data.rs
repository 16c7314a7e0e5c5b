//! `pumpwatch evaluate --input`: a report on one's own past traffic.

use std::path::{Path, PathBuf};

use clap::{Args, ValueHint};

use crate::config::{Brokers, Secret};
use crate::detector::Policy;
use crate::lab::evaluate::peers::{PEERS, Peer};
use crate::lab::own_data::{Options, examine, html, markdown};
use crate::model::Micros;

use super::config_args::ConfigArgs;
use super::error::{CliError, Exit};
use super::evaluate::{make_folder, write};
use super::output::Output;
use super::source_args::TenantSourceArgs;
use super::wire::{Bar, replay_error, report_refused};

/// Settings that stand beside the configured one.
const BUDGETS: [f64; 3] = [0.1, 1.0, 10.0];

/// Rules of others and their thresholds: twenty sends into ten thousand numbers
/// within ten minutes; and as published, under a tenth of a hundred verified.
const RULES: [(&str, f64); 2] = [("velocity", 20.0), ("conversion", 100.0)];

#[derive(Debug, Args)]
#[command(next_help_heading = "On your own data")]
pub(super) struct OwnDataArgs {
    /// Instead of simulated worlds: past traffic, as `replay --input` takes it; writes a report into --out
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, requires = "out",
          conflicts_with_all = ["suite", "seeds", "first_seed", "only", "readme", "tuning", "ablation", "no_sweeps", "threads"])]
    input: Option<PathBuf>,

    #[command(flatten)]
    config: ConfigArgs,

    /// What a message costs, in the configuration's currency, where the events of its country tell no price
    #[arg(long, value_name = "AMOUNT", requires = "input", value_parser = price)]
    price: Option<Micros>,

    #[command(flatten)]
    written: TenantSourceArgs,
}

fn price(text: &str) -> Result<Micros, String> {
    let amount = text.parse::<f64>().ok().and_then(Micros::from_units);
    amount.ok_or_else(|| "write what one message costs, as in 0.05".into())
}

impl OwnDataArgs {
    /// The input, where one was named.
    pub(super) fn input(&self) -> Option<&Path> {
        self.input.as_deref()
    }

    /// Whether a configuration was named without an input.
    pub(super) fn has_idle_config(&self) -> bool {
        self.input.is_none() && self.config.is_given()
    }

    /// Examines `input` and writes the reports into `out`.
    pub(super) fn execute(&self, input: &Path, out: &Path, with_rules: bool) -> Result<(), CliError> {
        let config = self.config.load(Brokers::Optional)?;
        let mut policies = vec![config.policy.clone()];
        for budget in BUDGETS {
            if policies.iter().all(|policy| policy.false_alarms_per_million != budget) {
                policies.push(Policy {
                    false_alarms_per_million: budget,
                    ..config.policy.clone()
                });
            }
        }
        // The configured one stays first; the others in order.
        policies[1..].sort_by(|a, b| a.false_alarms_per_million.total_cmp(&b.false_alarms_per_million));
        let mut source = self.written.open(input)?;
        make_folder(out)?;
        let options = Options {
            policies,
            rules: if with_rules { rules() } else { Vec::new() },
            secret: config.privacy.key.as_ref().map(Secret::expose),
            assumed_price: self.price,
        };
        let mut bar = Bar::default();
        let (report, replayed) = examine(source.as_mut(), &options, &mut |done, of| bar.reach(done, of))
            .map_err(|error| replay_error(&error))?;
        drop(bar);
        report_refused(&replayed, source.as_ref())?;
        if report.traffic.messages + report.traffic.messages_not_sent == 0 {
            return Err(CliError::new(
                Exit::Input,
                "the input holds no message that was sent; a report needs the sends, not the verifications alone",
            ));
        }
        let text = markdown(&report);
        write(&out.join("report.json"), &report.json())?;
        write(&out.join("report.md"), &text)?;
        write(&out.join("report.html"), &html(&report))?;
        let mut output = Output::new();
        output.bytes(text.as_bytes())?;
        output.flush()
    }
}

fn rules() -> Vec<(&'static Peer, f64)> {
    let find = |(name, threshold): (&str, f64)| Some((PEERS.iter().find(|peer| peer.name == name)?, threshold));
    RULES.into_iter().filter_map(find).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rules_exist() {
        assert_eq!(rules().len(), RULES.len());
        assert_eq!(price("0.05"), Ok(Micros(50_000)));
        assert!(price("-1").is_err() && price("x").is_err());
    }
}
