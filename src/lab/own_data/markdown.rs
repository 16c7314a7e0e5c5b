//! The report as Markdown.

use std::fmt::Write as _;

use super::report::OwnReport;
use super::sentences::{Table, by_country, campaigns, caveats, compared, headlines, legend, others};

/// The whole report.
pub fn markdown(report: &OwnReport) -> String {
    let mut text = String::from("# SMS pumping in past traffic\n\n");
    for sentence in headlines(report) {
        let _ = writeln!(text, "- {sentence}");
    }
    let _ = writeln!(
        text,
        "\n## At other settings, and by other rules\n\n{}",
        table(&compared(report))
    );
    for (name, title) in legend(report) {
        let _ = writeln!(text, "- {name}: {title}.");
    }
    if !report.campaigns.is_empty() {
        let _ = writeln!(text, "\n## Campaigns\n\n{}", table(&campaigns(report)));
    }
    if !report.others.is_empty() {
        let _ = writeln!(text, "\n## What else was noticed\n\n{}", table(&others(report)));
    }
    let _ = writeln!(text, "\n## Where the money goes\n\n{}", table(&by_country(report)));
    text.push_str("\n## To keep in mind\n\n");
    for sentence in caveats(report) {
        let _ = writeln!(text, "- {sentence}");
    }
    let _ = writeln!(text, "\nPumpwatch {}, logic {}.", report.version, report.logic);
    text
}

fn table(table: &Table) -> String {
    let mut text = format!("|{}|\n", table.head.join("|"));
    text.push_str(&"|---".repeat(table.head.len()));
    text.push_str("|\n");
    for row in &table.rows {
        let cells: Vec<String> = row.iter().map(|cell| cell.replace('|', "\\|")).collect();
        let _ = writeln!(text, "| {} |", cells.join(" | "));
    }
    text
}
