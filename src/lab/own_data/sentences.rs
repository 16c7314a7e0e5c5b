//! The figures in words and tables, the same in Markdown and HTML.

use super::report::{Judged, OwnReport};
use crate::lab::backtest::{money, span};
use crate::lab::evaluate::report::markdown::{grouped, number};
use crate::lab::ledger::{Amount, Shown};
use crate::model::Millis;

/// Ranges of a campaign that a table lists.
const RANGES_MAX: usize = 4;

/// A table: its head and its rows. The first column is text, and so are those
/// that `texts` names.
pub(super) struct Table {
    pub head: Vec<String>,
    pub rows: Vec<Vec<String>>,
    pub texts: &'static [usize],
    /// Columns whose text may be broken into lines.
    pub long: &'static [usize],
}

/// The report's first paragraphs: what a hurried reader must know.
pub(super) fn headlines(report: &OwnReport) -> Vec<String> {
    let (traffic, main) = (&report.traffic, report.main());
    let currency = &report.currency;
    let mut said = vec![format!(
        "From {} to {}, {} messages left{}, to {} different numbers in {}; {}.",
        day(traffic.first_time.as_deref()),
        day(traffic.last_time.as_deref()),
        grouped(traffic.messages),
        cost_clause(&traffic.cost, currency),
        grouped(traffic.numbers),
        countries(traffic.countries_in_all),
        if traffic.lacks.verifications {
            "no verification is among the events".to_owned()
        } else {
            format!("{} codes came back and were right", grouped(traffic.verifications))
        },
    )];
    let blocked = report.campaigns.iter().filter(|c| c.blocked.is_some()).count();
    let alerted = report.campaigns.len() - blocked;
    if report.campaigns.is_empty() {
        said.push("Pumpwatch finds no SMS pumping in it.".into());
    } else {
        said.push(format!(
            "Pumpwatch would have blocked {}, {} in all{}.",
            plural(blocked as u64, "campaign"),
            plural(main.blocked_prefixes, "number range"),
            if alerted == 0 {
                String::new()
            } else {
                format!(
                    ", and shown {} more for a person to look at",
                    plural(alerted as u64, "suspicion")
                )
            }
        ));
    }
    if blocked > 0 {
        let share = ratio(main.saved.amount, traffic.cost.amount);
        said.push(format!(
            "Once they stood, the blocks would have stopped {} messages that cost {} {currency}{}.",
            grouped(main.stopped_messages),
            money(main.saved.amount),
            share.map_or_else(String::new, |share| format!(
                ": {} % of all that was spent",
                number(100.0 * share)
            ))
        ));
        said.push(people(main, traffic.verifications));
    }
    said
}

fn people(main: &Judged, verifications: u64) -> String {
    if main.verified_people_inside == 0 {
        return "Nobody who was verified would have been inside a block.".into();
    }
    let share = ratio(main.verified_people_inside as f64, verifications as f64);
    format!(
        "{} with a verified code would have been inside a block{}. Some of them may be the attacker's own: faked conversions \
         are part of many campaigns.",
        plural(main.verified_people_inside, "number"),
        share.map_or_else(String::new, |share| format!(
            ", {} in a million verifications",
            number((share * 1e6).round())
        ))
    )
}

/// What the reader should keep in mind.
pub(super) fn caveats(report: &OwnReport) -> Vec<String> {
    let lacks = &report.traffic.lacks;
    let mut said = vec![
        "The blocks were not in force. What an attacker would have done next, such as moving to other ranges, is not in \
         these figures."
            .to_owned(),
        "Nobody has labelled these events: whether a campaign is one is for somebody who knows the business to say. The \
         campaigns' last column gives the reasons."
            .to_owned(),
    ];
    if report.traffic.days < 7.0 {
        said.push(format!(
            "The events span {}. In its first days Pumpwatch knows little of what is usual here and is more careful than \
             later; four weeks show more.",
            span(report.traffic.days * 86_400.0)
        ));
    }
    if lacks.verifications {
        said.push(
            "Without verifications the strongest evidence is missing. Add the times at which codes were verified \
             (`verified_time`), and look again."
                .into(),
        );
    }
    for (share, what, so) in [
        (
            lacks.source,
            "neither an address, a network nor a device of the client",
            "attacks are then found later, since what they come from says a great deal",
        ),
        (
            lacks.join,
            "neither a session nor a message id",
            "their verifications are joined by the number",
        ),
        (
            lacks.price,
            "no price",
            "they are counted at the mean price of their country in these events, or at the one that --price gives",
        ),
    ] {
        if share > 0.005 {
            said.push(format!(
                "{} % of the messages bear {what}: {so}.",
                number(100.0 * share)
            ));
        }
    }
    if report.traffic.cost.unpriced_messages > 0 {
        said.push(format!(
            "{} messages could not be priced at all and count as nothing; --price says what a message costs.",
            grouped(report.traffic.cost.unpriced_messages)
        ));
    }
    let records = &report.records;
    if records.dead_lettered > 0 {
        let all = records.usable + records.ignored + records.dead_lettered;
        said.push(format!(
            "{} of {} records could not be used and are left out.",
            grouped(records.dead_lettered),
            grouped(all)
        ));
    }
    said
}

/// Every setting and rule.
pub(super) fn compared(report: &OwnReport) -> Table {
    let head = [
        "",
        "Campaigns blocked",
        "Only alerted",
        "Ranges blocked",
        "Messages stopped",
        "Share of messages",
        &format!("Saved, {}", report.currency),
        "Verified people inside",
    ];
    let rows = report.settings.iter().chain(&report.rules).map(|judged| {
        let count = |of: fn(&crate::lab::replay::Findings) -> u64| {
            judged
                .findings
                .as_ref()
                .map_or_else(|| "–".into(), |found| grouped(of(found)))
        };
        let share = ratio(judged.stopped_messages as f64, report.traffic.messages as f64);
        vec![
            judged.name.clone(),
            count(|found| found.block),
            count(|found| found.alert),
            grouped(judged.blocked_prefixes),
            grouped(judged.stopped_messages),
            share.map_or_else(|| "–".into(), |share| format!("{} %", number(100.0 * share))),
            money(judged.saved.amount),
            grouped(judged.verified_people_inside),
        ]
    });
    Table {
        head: head.map(str::to_owned).to_vec(),
        rows: rows.collect(),
        texts: &[],
        long: &[],
    }
}

/// What each row of [`compared`] is.
pub(super) fn legend(report: &OwnReport) -> Vec<(String, String)> {
    let all = report.settings.iter().chain(&report.rules);
    all.map(|judged| (judged.name.clone(), judged.title.clone())).collect()
}

/// The campaigns.
pub(super) fn campaigns(report: &OwnReport) -> Table {
    let head = [
        "Found (UTC)",
        "Country",
        "Ranges",
        "Level",
        "After so many messages",
        &format!("Lost by then, {}", report.currency),
        "Messages stopped",
        &format!("Saved, {}", report.currency),
        "Verified people inside",
        "Why",
    ];
    Table {
        head: head.map(str::to_owned).to_vec(),
        rows: report.campaigns.iter().map(campaign).collect(),
        texts: &[1, 2, 3, 9],
        long: &[2, 9],
    }
}

fn campaign(shown: &Shown) -> Vec<String> {
    let cost = shown.stopped_cost.unwrap_or_default();
    let region = if shown.region.is_empty() {
        "–"
    } else {
        shown.region.as_str()
    };
    vec![
        minute(shown.blocked.as_deref().unwrap_or(&shown.opened)),
        region.into(),
        shown.ranges(RANGES_MAX),
        shown.level.into(),
        grouped(shown.sends_before),
        money(shown.loss_before),
        grouped(shown.stopped_messages.unwrap_or_default()),
        money(cost.amount),
        grouped(shown.verified_people_inside.unwrap_or_default()),
        shown.message.clone(),
    ]
}

/// What else was said.
pub(super) fn others(report: &OwnReport) -> Table {
    let rows = report.others.iter().map(|shown| {
        vec![
            minute(&shown.opened),
            shown.kind.replace('_', " "),
            shown.message.clone(),
        ]
    });
    Table {
        head: ["Time (UTC)", "Kind", "What"].map(str::to_owned).to_vec(),
        rows: rows.collect(),
        texts: &[1, 2],
        long: &[2],
    }
}

/// The countries.
pub(super) fn by_country(report: &OwnReport) -> Table {
    let head = [
        "Country",
        "Messages",
        &format!("Cost, {}", report.currency),
        "Verifications for each message",
    ];
    let rows = report.traffic.countries.iter().map(|country| {
        let share = ratio(country.verifications as f64, country.messages as f64);
        vec![
            country.region.clone(),
            grouped(country.messages),
            money(country.cost),
            share.map_or_else(|| "–".into(), |share| format!("{} %", number(100.0 * share))),
        ]
    });
    Table {
        head: head.map(str::to_owned).to_vec(),
        rows: rows.collect(),
        texts: &[],
        long: &[],
    }
}

fn cost_clause(cost: &Amount, currency: &str) -> String {
    if cost.amount > 0.0 {
        let about = if cost.estimated_messages + cost.unpriced_messages > 0 {
            "about "
        } else {
            ""
        };
        format!(" and cost {about}{} {currency}", money(cost.amount))
    } else {
        String::new()
    }
}

fn countries(count: u64) -> String {
    if count == 1 {
        "one country".into()
    } else {
        format!("{count} countries")
    }
}

pub(super) fn plural(count: u64, what: &str) -> String {
    let ending = if count == 1 { "" } else { "s" };
    format!("{} {what}{ending}", grouped(count))
}

fn ratio(part: f64, whole: f64) -> Option<f64> {
    (whole > 0.0).then(|| part / whole)
}

fn day(time: Option<&str>) -> String {
    time.map_or_else(|| "?".into(), |time| time.get(..10).unwrap_or(time).to_owned())
}

/// A time of a report to the minute.
pub(super) fn minute(time: &str) -> String {
    let parsed = Millis::parse_rfc3339(time).map(|time| time.to_string());
    let text = parsed.unwrap_or_else(|| time.to_owned());
    text.get(..16).unwrap_or(&text).replace('T', " ")
}
