//! The report as one HTML file that needs nothing else.

use std::fmt::Write as _;

use super::markdown::{COLUMNS, cells, heading, number, summary};
use super::plots::{Axis, Dot, Series, dots, escaped, lines};
use super::{Report, bound, pairs};
use crate::lab::evaluate::intervals::Estimate;
use crate::lab::evaluate::run::Run;
use crate::lab::evaluate::score::CURVE;

/// Judges beyond these crowd a plot of lines: ablations have plots of their own.
const WITHOUT: &str = "without ";

/// The page.
pub fn html(report: &Report, runs: &[Run]) -> String {
    let mut page = format!(
        "<!doctype html>\n<html lang='en'><head><meta charset='utf-8'>\
         <meta name='viewport' content='width=device-width, initial-scale=1'>\
         <title>Pumpwatch: evaluation</title><style>{}</style></head>\n<body><h1>Evaluation</h1>\n<p class='lead'>{}</p>\n",
        super::STYLE,
        escaped(&summary(report).replace('`', ""))
    );
    section(&mut page, "All together", &table(report, "all"));
    let has_campaigns = report.rows.iter().any(|row| row.campaigns > 0);
    if has_campaigns {
        section(
            &mut page,
            "How soon: campaigns met within so many of their messages",
            &delays(report, runs),
        );
        section(
            &mut page,
            "How much leaks: share of a campaign's nth message that no block stopped",
            &leaks(report),
        );
    }
    section(
        &mut page,
        "How often wrong: false blocks per million honest sends",
        &false_blocks(report),
    );
    let in_pairs = pairs::html(report);
    if !in_pairs.is_empty() {
        section(&mut page, pairs::HEADING, &in_pairs);
    }
    sweeps(&mut page, report);
    ablations(&mut page, report);
    page.push_str("<h2>By group</h2>\n");
    for group in report.groups() {
        let _ = writeln!(
            page,
            "<details><summary>{}</summary>{}</details>",
            escaped(&heading(group)),
            table(report, group)
        );
    }
    section(&mut page, "Those compared", &compared(report));
    page.push_str("</body></html>\n");
    page
}

fn section(page: &mut String, title: &str, body: &str) {
    let _ = writeln!(page, "<h2>{}</h2>\n{body}", escaped(title));
}

fn table(report: &Report, group: &str) -> String {
    let mut text = String::from("<div class='wide'><table><tr><th></th>");
    for name in COLUMNS {
        let _ = write!(text, "<th>{}</th>", escaped(name));
    }
    text.push_str("</tr>");
    for (place, judge) in report.judges.iter().enumerate() {
        let Some(row) = report.find(&judge.name, group) else {
            continue;
        };
        let class = if place == 0 { " class='own'" } else { "" };
        let _ = write!(text, "<tr{class}><td>{}</td>", escaped(&judge.name));
        for cell in cells(row) {
            let _ = write!(text, "<td>{}</td>", escaped(&cell));
        }
        text.push_str("</tr>");
    }
    text.push_str("</table></div>");
    text
}

/// Names of the judges that are drawn as lines.
fn drawn(report: &Report) -> impl Iterator<Item = &str> {
    let names = report.judges.iter().map(|judge| judge.name.as_str());
    names.filter(|name| !name.starts_with(WITHOUT))
}

fn delays(report: &Report, runs: &[Run]) -> String {
    let series = drawn(report).map(|name| {
        let own = runs.iter().filter(|run| run.judge == name);
        let campaigns: Vec<Option<u64>> = own
            .flat_map(|run| &run.outcome.campaigns)
            .map(|campaign| campaign.delay_messages)
            .collect();
        let mut met: Vec<u64> = campaigns.iter().flatten().copied().collect();
        met.sort_unstable();
        let total = campaigns.len().max(1) as f64;
        let mut points = vec![(1.0, 0.0)];
        points.extend(met.iter().enumerate().map(|(i, n)| (*n as f64, (i + 1) as f64 / total)));
        points.push((100_000.0, met.len() as f64 / total));
        Series {
            name: name.into(),
            points,
        }
    });
    let x = Axis {
        name: "attack messages",
        low: 1.0,
        high: 100_000.0,
        is_log: true,
    };
    lines(x, share_axis("share of campaigns"), &series.collect::<Vec<_>>(), true)
}

fn leaks(report: &Report) -> String {
    let series = drawn(report).filter_map(|name| {
        let row = report.find(name, "all")?;
        let classes = CURVE.iter().zip(&row.curve);
        let points = classes
            .filter_map(|(end, share)| Some(((*end as f64).min(100_000.0), (*share)?)))
            .collect();
        Some(Series {
            name: name.into(),
            points,
        })
    });
    let x = Axis {
        name: "message of the campaign",
        low: 1.0,
        high: 100_000.0,
        is_log: true,
    };
    lines(x, share_axis("share that leaks"), &series.collect::<Vec<_>>(), false)
}

fn share_axis(name: &'static str) -> Axis {
    Axis {
        name,
        low: 0.0,
        high: 1.0,
        is_log: false,
    }
}

fn dot(name: &str, estimate: &Estimate) -> Dot {
    Dot {
        name: name.into(),
        value: estimate.value,
        low: estimate.low,
        high: estimate.high,
    }
}

fn false_blocks(report: &Report) -> String {
    let rows = report.judges.iter().filter_map(|judge| {
        let row = report.find(&judge.name, "all")?;
        Some(dot(&judge.name, &row.false_block_rate))
    });
    let rows: Vec<Dot> = rows.collect();
    let x = Axis {
        name: "false blocks per million honest sends, 95 % interval",
        low: 0.01,
        high: 10_000.0,
        is_log: true,
    };
    let mark = (report.promise.per_million, "the promised bound");
    let mut text = dots(x, &rows, Some(mark));
    text.push_str(&bound::html(report));
    text
}

fn sweeps(page: &mut String, report: &Report) {
    let mut seen = Vec::new();
    for row in &report.sweeps {
        if seen.contains(&row.sweep) {
            continue;
        }
        seen.push(row.sweep);
        let is_frontier = row.dollars_per_hour.is_some();
        let own: Vec<_> = report.sweeps.iter().filter(|other| other.sweep == row.sweep).collect();
        let series: Vec<Series> = drawn(report)
            .map(|name| {
                let of_judge = own.iter().filter(|row| row.judge == name);
                let points = of_judge.filter_map(|row| {
                    let y = if is_frontier {
                        row.detection.value
                    } else {
                        row.messages_p50.value
                    }?;
                    Some((row.dollars_per_hour.unwrap_or(row.value), y))
                });
                Series {
                    name: name.into(),
                    points: points.collect(),
                }
            })
            .collect();
        let across = series.iter().flat_map(|one| one.points.iter().map(|point| point.0));
        let (low, high) = across.fold((f64::MAX, f64::MIN), |(low, high), x| (low.min(x), high.max(x)));
        if low >= high {
            continue;
        }
        let x = Axis {
            name: if is_frontier { "US dollars an hour" } else { row.unit },
            low,
            high,
            is_log: low > 0.0,
        };
        let y = if is_frontier {
            share_axis("share of campaigns met")
        } else {
            Axis {
                name: "messages to a block, median",
                low: 1.0,
                high: 10_000.0,
                is_log: true,
            }
        };
        section(page, row.title, &lines(x, y, &series, false));
    }
}

fn ablations(page: &mut String, report: &Report) {
    let judges = || {
        let all = report.judges.iter().enumerate();
        all.filter(|(place, judge)| *place == 0 || judge.name.starts_with(WITHOUT))
            .filter_map(|(_, judge)| report.find(&judge.name, "all"))
    };
    if judges().count() < 2 {
        return;
    }
    let delays: Vec<Dot> = judges().map(|row| dot(&row.judge, &row.messages_p95)).collect();
    let x = Axis {
        name: "messages to a block, 95th percentile",
        low: 1.0,
        high: 100_000.0,
        is_log: true,
    };
    let mut text = dots(x, &delays, None);
    let alarms: Vec<Dot> = judges().map(|row| dot(&row.judge, &row.false_block_rate)).collect();
    let x = Axis {
        name: "false blocks per million honest sends",
        low: 0.01,
        high: 10_000.0,
        is_log: true,
    };
    text.push_str(&dots(
        x,
        &alarms,
        Some((report.promise.per_million, "the promised bound")),
    ));
    section(page, "Ablations: what each part buys", &text);
}

fn compared(report: &Report) -> String {
    let mut text = String::from(
        "<div class='wide'><table><tr><th>Name</th><th class='text'>What it is</th><th>Threshold</th></tr>",
    );
    for judge in &report.judges {
        let threshold = judge.parameter.map_or_else(|| "–".into(), number);
        let _ = write!(
            text,
            "<tr><td>{}</td><td class='text'>{}</td><td>{threshold}</td></tr>",
            escaped(&judge.name),
            escaped(&judge.title)
        );
    }
    text.push_str("</table></div>");
    text
}
