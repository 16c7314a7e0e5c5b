//! The report as Markdown, and the part of it that stands in the README.

use std::fmt::Write as _;

use super::Report;
use crate::lab::evaluate::intervals::Estimate;
use crate::lab::evaluate::table::Row;

/// Where the README's table begins and ends.
const MARKS: (&str, &str) = ("<!-- evaluation:begin -->", "<!-- evaluation:end -->");

/// The whole report.
pub fn markdown(report: &Report) -> String {
    let mut text = String::from("# Evaluation\n\n");
    let _ = writeln!(text, "{}\n", summary(report));
    for group in report.groups() {
        let _ = writeln!(text, "## {}\n\n{}", heading(group), table(report, group));
    }
    text.push_str(&super::bound::markdown(report));
    text.push_str(&super::pairs::markdown(report));
    text.push_str(&sweeps(report));
    text.push_str("## Those compared\n\n| Name | What it is | Threshold |\n|---|---|---|\n");
    for judge in &report.judges {
        let threshold = judge.parameter.map_or_else(|| "–".into(), number);
        let _ = writeln!(text, "| {} | {} | {threshold} |", judge.name, judge.title);
    }
    text
}

/// One paragraph that says what was done.
pub fn summary(report: &Report) -> String {
    format!(
        "Pumpwatch {}, suite `{}`, seeds from {} on ({} for a small scenario): {} worlds with {} honest sends. \
         Intervals are 95 %. A campaign counts as met when the standing blocks cover at least half of the next \
         hundred messages that it sends; a decision acts from the next message on.",
        report.version,
        report.suite,
        report.first_seed,
        report.seeds,
        report.worlds,
        grouped(report.honest),
    )
}

/// The heading of a group.
pub fn heading(group: &str) -> String {
    match group {
        "all" => "All together".into(),
        "up to 8 ranges" => "Campaigns of up to eight ranges".into(),
        other => {
            let mut letters = other.chars();
            let first = letters.next().map(|c| c.to_ascii_uppercase());
            first.into_iter().chain(letters).collect()
        }
    }
}

/// Columns of the tables.
pub const COLUMNS: [&str; 9] = [
    "Campaigns met",
    "Messages to a block, median",
    "95th percentile",
    "Seconds, median",
    "Leak, median (money)",
    "False blocks per million",
    "False alerts per million",
    "Collateral per million",
    "Precision",
];

/// The cells of a row, in the order of [`COLUMNS`].
pub fn cells(row: &Row) -> [String; 9] {
    let has = row.campaigns > 0;
    let only = |text: String| if has { text } else { "–".into() };
    [
        only(format!("{} of {}", percent(&row.detection), row.campaigns)),
        only(with_interval(&row.messages_p50)),
        only(with_interval(&row.messages_p95)),
        only(value(&row.seconds_p50)),
        only(format!(
            "{} ({})",
            percent(&row.leak_p50),
            percent_value(row.money_leak_p50.value)
        )),
        format!("{} ({})", with_interval(&row.false_block_rate), row.false_blocks),
        format!("{} ({})", value(&row.false_alert_rate), row.false_alerts),
        row.collateral_rate.map_or_else(|| "–".into(), number),
        only(percent_value(row.precision.value)),
    ]
}

/// The table of one group.
pub fn table(report: &Report, group: &str) -> String {
    let mut text = format!("| |{}|\n|---|{}\n", COLUMNS.join("|"), "---|".repeat(COLUMNS.len()));
    for judge in &report.judges {
        if let Some(row) = report.find(&judge.name, group) {
            let _ = writeln!(text, "| {} | {} |", judge.name, cells(row).join(" | "));
        }
    }
    text
}

/// Frontier and sweeps; empty when none was run.
fn sweeps(report: &Report) -> String {
    let mut text = String::new();
    if report.sweeps.is_empty() {
        return text;
    }
    text.push_str("## Frontier: money that stays unseen for a week\n\n| |");
    let mut titles: Vec<&str> = report.frontiers.iter().map(|f| f.title).collect();
    titles.dedup();
    let _ = writeln!(text, "{}|\n|---|{}", titles.join("|"), "---|".repeat(titles.len()));
    for judge in &report.judges {
        let own = report.frontiers.iter().filter(|f| f.judge == judge.name);
        let cells = own.map(|f| {
            let (dollars, messages) = (number(f.dollars_per_hour), number(f.messages_per_hour));
            let least = if f.is_at_least { "at least " } else { "" };
            format!("{least}{dollars} USD an hour ({messages} messages)")
        });
        let _ = writeln!(text, "| {} | {} |", judge.name, cells.collect::<Vec<_>>().join(" | "));
    }
    text.push('\n');
    let mut seen = Vec::new();
    for row in &report.sweeps {
        if seen.contains(&row.sweep) {
            continue;
        }
        seen.push(row.sweep);
        let _ = writeln!(text, "## {}\n\n{}", row.title, sweep_table(report, row.sweep, row.unit));
    }
    text
}

fn sweep_table(report: &Report, sweep: &str, unit: &str) -> String {
    let own = || report.sweeps.iter().filter(|row| row.sweep == sweep);
    let mut values: Vec<f64> = own().map(|row| row.value).collect();
    values.dedup();
    let heads: Vec<String> = values.iter().map(|value| number(*value)).collect();
    let mut text = format!(
        "Messages to a block, median (share met), by {unit}.\n\n| |{}|\n|---|",
        heads.join("|")
    );
    let _ = writeln!(text, "{}", "---|".repeat(values.len()));
    for judge in &report.judges {
        let cells: Vec<String> = own()
            .filter(|row| row.judge == judge.name)
            .map(|row| format!("{} ({})", value(&row.messages_p50), percent_value(row.detection.value)))
            .collect();
        let _ = writeln!(text, "| {} | {} |", judge.name, cells.join(" | "));
    }
    text
}

/// The README with its table replaced; `None` when it lacks the marks.
pub fn refreshed(readme: &str, report: &Report) -> Option<String> {
    let begin = readme.find(MARKS.0)? + MARKS.0.len();
    let end = begin + readme[begin..].find(MARKS.1)?;
    let part = format!("\n{}\n\n{}", summary(report), table(report, "all"));
    Some(format!("{}{part}{}", &readme[..begin], &readme[end..]))
}

fn value(estimate: &Estimate) -> String {
    estimate.value.map_or_else(|| "never".into(), number)
}

fn with_interval(estimate: &Estimate) -> String {
    let low = estimate.low.map_or_else(|| "0".into(), number);
    let high = estimate.high.map_or_else(|| "∞".into(), number);
    match estimate.value {
        Some(value) => format!("{} [{low}, {high}]", number(value)),
        None => format!("never [{low}, ∞]"),
    }
}

fn percent(estimate: &Estimate) -> String {
    let part = |end: Option<f64>| end.map_or_else(|| "–".into(), |p| number(100.0 * p));
    match estimate.value {
        Some(value) if estimate.low.is_none() && estimate.high.is_none() => format!("{} %", number(100.0 * value)),
        Some(value) => format!(
            "{} % [{}, {}]",
            number(100.0 * value),
            part(estimate.low),
            part(estimate.high)
        ),
        None => "–".into(),
    }
}

fn percent_value(value: Option<f64>) -> String {
    value.map_or_else(|| "–".into(), |value| format!("{} %", number(100.0 * value)))
}

/// Three significant digits, or all of a whole number.
pub fn number(value: f64) -> String {
    let size = value.abs();
    match size {
        _ if size >= 99.95 => grouped(value.round() as u64),
        _ if value == value.trunc() => format!("{value}"),
        _ if size >= 10.0 => format!("{value:.1}"),
        _ if size >= 1.0 => format!("{value:.2}"),
        _ if size >= 0.0995 => format!("{value:.3}"),
        _ if size >= 0.000_1 => format!("{value:.4}"),
        _ => format!("{value:.1e}"),
    }
}

/// With a thin space between thousands.
pub fn grouped(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        let shown = [0.0, 0.0123, 0.5, 1.0, 2.345, 41.26, 1_234.4].map(number);
        assert_eq!(shown, ["0", "0.0123", "0.500", "1", "2.35", "41.3", "1,234"]);
        assert_eq!(grouped(30_000_000), "30,000,000");
        assert_eq!(heading("world A"), "World A");
    }
}
