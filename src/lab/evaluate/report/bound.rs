//! False alarms against the bound, as Markdown and HTML.

use std::fmt::Write as _;

use super::markdown::{grouped, number};
use super::{Report, escaped};
use crate::lab::evaluate::bound::Bound;

/// The section's heading.
pub(super) const HEADING: &str = "False alarms against the bound";

const COLUMNS: [&str; 8] = [
    "Level",
    "False alarms",
    "Per million",
    "95 % upper bound",
    "95 % lower bound",
    "D/A per million",
    "D·N/A",
    "Lower bound within D/A",
];

/// What the table shows.
pub(super) fn lead(report: &Report) -> Option<String> {
    let first = report.bounds.first()?;
    let judge = report.judges.first().map_or("", |judge| judge.name.as_str());
    Some(format!(
        "False alarms of {judge} in the {} worlds without an attack, N = {} honest sends. D = {} kinds of node that \
         a send touches; ln A = {} for a block, and an alert opens at a hundredth of A. The bounds are Poisson, \
         one-sided.",
        first.worlds,
        grouped(first.honest),
        number(report.promise.node_kinds),
        number(first.log_a),
    ))
}

fn cells(bound: &Bound) -> [String; 8] {
    [
        bound.level.into(),
        grouped(bound.observed),
        number(bound.per_million),
        number(bound.upper_per_million),
        number(bound.lower_per_million),
        number(bound.promised_per_million),
        number(bound.promised),
        if bound.is_kept { "yes" } else { "NO" }.into(),
    ]
}

/// The section; empty where no world was without an attack.
pub(super) fn markdown(report: &Report) -> String {
    let Some(lead) = lead(report) else {
        return String::new();
    };
    let mut text = format!(
        "## {HEADING}\n\n{lead}\n\n|{}|\n{}|\n",
        COLUMNS.join("|"),
        "|---".repeat(COLUMNS.len())
    );
    for bound in &report.bounds {
        let _ = writeln!(text, "| {} |", cells(bound).join(" | "));
    }
    text.push('\n');
    text
}

/// The section's body; empty where no world was without an attack.
pub(super) fn html(report: &Report) -> String {
    let Some(lead) = lead(report) else {
        return String::new();
    };
    let mut text = format!("<p>{}</p><div class='wide'><table><tr>", escaped(&lead));
    for name in COLUMNS {
        let _ = write!(text, "<th>{}</th>", escaped(name));
    }
    text.push_str("</tr>");
    for bound in &report.bounds {
        text.push_str("<tr>");
        for cell in cells(bound) {
            let _ = write!(text, "<td>{}</td>", escaped(&cell));
        }
        text.push_str("</tr>");
    }
    text.push_str("</table></div>");
    text
}
