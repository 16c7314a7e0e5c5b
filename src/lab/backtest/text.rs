//! A comparison in words.

use std::fmt::Write as _;

use super::compare::{Comparison, Move, Side};
use crate::lab::evaluate::report::markdown::{grouped, number};
use crate::lab::ledger::Shown;

/// Episodes of one kind that are listed; all of them are in the JSON.
const LISTED_MAX: usize = 50;
/// Ranges of an episode that are listed.
const RANGES_MAX: usize = 5;

/// The comparison as Markdown; the names are those of the two configurations.
pub fn text(comparison: &Comparison, names: [&str; 2]) -> String {
    let c = comparison;
    let mut text = format!(
        "# Backtest: {} against {}\n\nEpisodes that appear: {}; vanish: {}; move: {}; stay as they are: {}.\n\n",
        names[1],
        names[0],
        c.appear.len(),
        c.vanish.len(),
        c.moved.len(),
        c.unchanged
    );
    let _ = writeln!(text, "| | {} | {} |\n|---|---|---|", names[0], names[1]);
    for (name, of) in rows(c) {
        let _ = writeln!(text, "| {name} | {} | {} |", of(&c.first), of(&c.second));
    }
    list(&mut text, "Appear", &c.appear, |shown| line(shown, &c.currency));
    list(&mut text, "Vanish", &c.vanish, |shown| line(shown, &c.currency));
    list(&mut text, "Move", &c.moved, |moved| move_line(moved, &c.currency));
    text
}

type Cell<'a> = Box<dyn Fn(&Side) -> String + 'a>;

fn rows(comparison: &Comparison) -> Vec<(String, Cell<'_>)> {
    let row = |name: &str, of: fn(&Side) -> String| (name.to_owned(), Box::new(of) as Cell<'_>);
    let mut rows = vec![
        row("False alarms per million, at most", |side| {
            side.false_alarms_per_million.to_string()
        }),
        row("Episodes of level block", |side| grouped(side.findings.block)),
        row("Episodes of level alert", |side| grouped(side.findings.alert)),
        row("Operational episodes", |side| grouped(side.findings.operational)),
        row("Prefixes blocked", |side| grouped(side.blocked_prefixes)),
    ];
    if comparison.first.stopped_messages.is_some() {
        rows.push(row("Messages that the blocks would have stopped", |side| {
            grouped(side.stopped_messages.unwrap_or_default())
        }));
        let cost = |side: &Side| money(side.stopped_cost.unwrap_or_default().amount);
        rows.push((format!("What they cost, {}", comparison.currency), Box::new(cost)));
        rows.push(row("Verified people inside a block", |side| {
            grouped(side.verified_people_inside.unwrap_or_default())
        }));
    }
    rows
}

fn list<T>(text: &mut String, title: &str, items: &[T], line: impl Fn(&T) -> String) {
    if items.is_empty() {
        return;
    }
    let _ = writeln!(text, "\n## {title}\n");
    for item in items.iter().take(LISTED_MAX) {
        let _ = writeln!(text, "- {}", line(item));
    }
    if items.len() > LISTED_MAX {
        let _ = writeln!(
            text,
            "- and {} more, which are in the file that --comparison names",
            items.len() - LISTED_MAX
        );
    }
}

fn line(shown: &Shown, currency: &str) -> String {
    let mut text = format!("{}: {}", shown.opened, about(shown));
    match &shown.blocked {
        Some(blocked) if *blocked == shown.opened => text.push_str(", blocked at once"),
        Some(blocked) => {
            let _ = write!(text, ", blocked {blocked}");
        }
        None => text.push_str(", alert only"),
    }
    if let (Some(messages @ 1..), Some(cost)) = (shown.stopped_messages, shown.stopped_cost) {
        let _ = write!(
            text,
            "; its blocks would have stopped {} messages ({} {currency})",
            grouped(messages),
            money(cost.amount)
        );
    }
    text
}

fn about(shown: &Shown) -> String {
    let region = if shown.region.is_empty() {
        String::new()
    } else {
        format!(" ({})", shown.region)
    };
    format!(
        "{}, {} of {}{region}",
        shown.kind,
        shown.ranges(RANGES_MAX),
        shown.tenant
    )
}

fn move_line(moved: &Move, currency: &str) -> String {
    let mut parts = Vec::new();
    match (&moved.before.blocked, &moved.after.blocked) {
        (None, Some(_)) => parts.push("rises from alert to block".to_owned()),
        (Some(_), None) => parts.push("falls from block to alert".to_owned()),
        _ => {}
    }
    match moved.blocked_later_seconds {
        Some(0.0) | None => {}
        Some(seconds) => parts.push(format!("blocks {}", shift(seconds))),
    }
    if moved.opened_later_seconds != 0.0 {
        parts.push(format!("opens {}", shift(moved.opened_later_seconds)));
    }
    for (verb, prefixes) in [("adds", &moved.prefixes_added), ("drops", &moved.prefixes_removed)] {
        if !prefixes.is_empty() {
            let shown = prefixes[..prefixes.len().min(RANGES_MAX)].join(", ");
            let more = prefixes.len().saturating_sub(RANGES_MAX);
            let more = if more > 0 {
                format!(" and {more} more")
            } else {
                String::new()
            };
            parts.push(format!("{verb} {shown}{more}"));
        }
    }
    if let (Some(messages), Some(cost)) = (moved.stopped_messages_more, moved.stopped_cost_more)
        && messages != 0
    {
        let word = if messages > 0 { "more" } else { "fewer" };
        parts.push(format!(
            "stops {} messages {word} ({} {currency})",
            grouped(messages.unsigned_abs()),
            money(cost.abs())
        ));
    }
    format!(
        "{}: {}: {}",
        moved.before.opened,
        about(&moved.before),
        parts.join("; ")
    )
}

fn shift(seconds: f64) -> String {
    let word = if seconds < 0.0 { "earlier" } else { "later" };
    format!("{} {word}", span(seconds.abs()))
}

/// A span of time in words: two units at most.
pub(crate) fn span(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match whole {
        0 => format!("{} s", number(seconds)),
        1..60 => format!("{whole} s"),
        60..3_600 => format!("{} min {} s", whole / 60, whole % 60),
        3_600..86_400 => format!("{} h {} min", whole / 3_600, whole % 3_600 / 60),
        _ => format!("{} d {} h", whole / 86_400, whole % 86_400 / 3_600),
    }
}

/// With two digits behind the point.
pub(crate) fn money(amount: f64) -> String {
    let cents = (amount.abs() * 100.0).round() as u64;
    format!("{}.{:02}", grouped(cents / 100), cents % 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_and_money_read_well() {
        assert_eq!(
            [0.25, 59.0, 61.0, 7_260.0, 90_000.0].map(span),
            ["0.250 s", "59 s", "1 min 1 s", "2 h 1 min", "1 d 1 h"]
        );
        assert_eq!([0.004, 0.5, 1_234_567.891].map(money), ["0.00", "0.50", "1,234,567.89"]);
    }
}
