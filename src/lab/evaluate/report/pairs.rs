//! Innocent explanations alone and in pairs, as Markdown and HTML.

use std::fmt::Write as _;

use super::markdown::grouped;
use super::{Report, escaped};
use crate::lab::evaluate::pairs::{PairRow, PairTable};
use crate::lab::simulate::pairs::kinds;

/// The section's heading.
pub(super) const HEADING: &str = "Innocent explanations, alone and in pairs";

const COLUMNS: [&str; 7] = [
    "",
    "With a block",
    "With an alert",
    "Blocks",
    "Alerts",
    "Blocks beside",
    "Alerts beside",
];

fn lead(table: &PairTable) -> String {
    let rows = table.rows.iter();
    let alone = rows.clone().filter(|row| row.first == row.second).count();
    format!(
        "{} pairs of innocent explanations, overlapping in time with the same tenant and in the same country, and {} \
         alone, each construction of the world counted. An alarm about the tenant counts for them from \
         the first one's beginning to six hours before the next ones' on the same tenant; others are beside.",
        rows.len() - alone,
        alone
    )
}

fn cells(table: &PairTable) -> [String; 7] {
    let sum = |of: fn(&PairRow) -> u64| table.rows.iter().map(of).sum::<u64>();
    let of_all = |count: usize| format!("{count} of {}", table.rows.len());
    let least = if table.is_cut { "≥ " } else { "" };
    [
        table.judge.clone(),
        of_all(table.count(|row| row.blocks)),
        of_all(table.count(|row| row.alerts)),
        format!("{least}{}", grouped(sum(|row| row.blocks))),
        format!("{least}{}", grouped(sum(|row| row.alerts))),
        format!("{least}{}", grouped(table.blocks_beside)),
        format!("{least}{}", grouped(table.alerts_beside)),
    ]
}

fn words(name: &str) -> String {
    name.replace('_', " ")
}

fn named(row: &PairRow) -> String {
    if row.first == row.second {
        format!("{} alone", words(row.first))
    } else {
        format!("{}, {}", words(row.first), words(row.second))
    }
}

/// Where the first alarms were.
fn alarms(row: &PairRow) -> String {
    let shown = row.alarms.iter().map(|alarm| {
        let place = if alarm.prefix.is_empty() {
            &alarm.tenant
        } else {
            &alarm.prefix
        };
        format!("{} {place} {}", alarm.level, alarm.time)
    });
    shown.collect::<Vec<_>>().join("; ")
}

/// The rows of a table that have any alarm.
fn loud(table: &PairTable) -> impl Iterator<Item = &PairRow> {
    table.rows.iter().filter(|row| row.blocks + row.alerts > 0)
}

/// The section; empty where no such world was run.
pub(super) fn markdown(report: &Report) -> String {
    let Some(own) = report.pairs.first() else {
        return String::new();
    };
    let mut text = format!(
        "## {HEADING}\n\n{}\n\n|{}|\n{}|\n",
        lead(own),
        COLUMNS.join("|"),
        "|---".repeat(COLUMNS.len())
    );
    for table in &report.pairs {
        let _ = writeln!(text, "| {} |", cells(table).join(" | "));
    }
    if loud(own).next().is_none() {
        let _ = writeln!(text, "\n{} raised neither a block nor an alert in any.\n", own.judge);
        return text;
    }
    let _ = writeln!(
        text,
        "\nThose in which {} raised any:\n\n|Explanations|World|Blocks|Alerts|First alarms|\n|---|---|---|---|---|",
        own.judge
    );
    for row in loud(own) {
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} |",
            named(row),
            row.world.to_ascii_uppercase(),
            row.blocks,
            row.alerts,
            alarms(row)
        );
    }
    text.push('\n');
    text
}

/// The section's body; empty where no such world was run.
pub(super) fn html(report: &Report) -> String {
    let Some(own) = report.pairs.first() else {
        return String::new();
    };
    let mut text = format!("<p>{}</p><div class='wide'><table><tr>", escaped(&lead(own)));
    for name in COLUMNS {
        let _ = write!(text, "<th>{}</th>", escaped(name));
    }
    text.push_str("</tr>");
    for (place, table) in report.pairs.iter().enumerate() {
        text.push_str(if place == 0 { "<tr class='own'>" } else { "<tr>" });
        for cell in cells(table) {
            let _ = write!(text, "<td>{}</td>", escaped(&cell));
        }
        text.push_str("</tr>");
    }
    let _ = write!(
        text,
        "</table></div><p>{}, both constructions of the world together (on the diagonal: alone; B: blocks, a: alerts):</p>",
        escaped(&own.judge)
    );
    matrix(&mut text, own);
    if loud(own).next().is_some() {
        text.push_str("<details><summary>The alarms</summary><ul>");
        for row in loud(own) {
            let world = row.world.to_ascii_uppercase();
            let _ = write!(
                text,
                "<li>{}, world {world}: {}</li>",
                escaped(&named(row)),
                escaped(&alarms(row))
            );
        }
        text.push_str("</ul></details>");
    }
    text
}

fn matrix(text: &mut String, table: &PairTable) {
    let names: Vec<&str> = kinds().collect();
    text.push_str("<div class='wide'><table class='pairs'><tr><th></th>");
    for name in &names {
        let _ = write!(text, "<th><span>{}</span></th>", escaped(&words(name)));
    }
    text.push_str("</tr>");
    for (place, name) in names.iter().enumerate() {
        let _ = write!(text, "<tr><td>{}</td>", escaped(&words(name)));
        for other in &names[..=place] {
            let of = table
                .rows
                .iter()
                .filter(|row| [(*name, *other), (*other, *name)].contains(&(row.first, row.second)));
            let (mut ran, mut blocks, mut alerts) = (0, 0, 0);
            for row in of {
                ran += row.runs;
                blocks += row.blocks;
                alerts += row.alerts;
            }
            let (class, cell) = match (ran, blocks, alerts) {
                (0, ..) => ("", String::new()),
                (_, 0, 0) => ("", "·".into()),
                (_, 0, alerts) => ("alert", format!("a{alerts}")),
                (_, blocks, 0) => ("block", format!("B{blocks}")),
                (_, blocks, alerts) => ("block", format!("B{blocks} a{alerts}")),
            };
            let _ = write!(text, "<td class='{class}'>{cell}</td>");
        }
        text.push_str("</tr>");
    }
    text.push_str("</table></div>");
}
