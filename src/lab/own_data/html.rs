//! The report as one HTML file that needs nothing else.

use std::fmt::Write as _;

use super::report::OwnReport;
use super::sentences::{Table, by_country, campaigns, caveats, compared, headlines, legend, others, plural};
use super::timeline::timeline;
use crate::lab::backtest::money;
use crate::lab::evaluate::report::markdown::grouped;
use crate::lab::evaluate::report::{STYLE, escaped};

/// The page.
pub fn html(report: &OwnReport) -> String {
    let mut page = format!(
        "<!doctype html>\n<html lang='en'><head><meta charset='utf-8'>\
         <meta name='viewport' content='width=device-width, initial-scale=1'>\
         <title>SMS pumping in past traffic</title><style>{STYLE}{}</style></head>\n<body><h1>SMS pumping in past traffic</h1>\n",
        include_str!("style.css"),
    );
    page.push_str(&tiles(report));
    list(&mut page, "lead", &headlines(report));
    let plot = timeline(report);
    if !plot.is_empty() {
        section(&mut page, "Spending over time", &plot);
    }
    if !report.campaigns.is_empty() {
        section(&mut page, "Campaigns", &table(&campaigns(report), None));
    }
    section(
        &mut page,
        "At other settings, and by other rules",
        &table(&compared(report), Some(0)),
    );
    let lines: Vec<String> = legend(report)
        .iter()
        .map(|(name, title)| format!("{name}: {title}."))
        .collect();
    list(&mut page, "small", &lines);
    if !report.others.is_empty() {
        section(&mut page, "What else was noticed", &table(&others(report), None));
    }
    section(&mut page, "Where the money goes", &table(&by_country(report), None));
    page.push_str("<h2>To keep in mind</h2>\n");
    list(&mut page, "small", &caveats(report));
    let _ = writeln!(
        page,
        "<p class='small'>Pumpwatch {}, logic {}. Number ranges are shown by their first digits; no full number is in this report.</p></body></html>",
        report.version, report.logic
    );
    page
}

/// The four figures that a reader looks for.
fn tiles(report: &OwnReport) -> String {
    let main = report.main();
    let mut text = String::from("<div class='tiles'>");
    let blocked = report.campaigns.iter().filter(|c| c.blocked.is_some()).count() as u64;
    for (figure, what) in [
        (
            grouped(blocked),
            format!(
                "{} blocked",
                plural(blocked, "campaign").split_once(' ').map_or("", |(_, what)| what)
            ),
        ),
        (
            grouped(main.stopped_messages),
            "messages that blocks would have stopped".into(),
        ),
        (
            format!("{} {}", money(main.saved.amount), report.currency),
            format!("saved, of {} spent", money(report.traffic.cost.amount)),
        ),
        (
            grouped(main.verified_people_inside),
            format!(
                "verified people inside a block, of {} verifications",
                grouped(report.traffic.verifications)
            ),
        ),
    ] {
        let _ = write!(
            text,
            "<div><b>{}</b><span>{}</span></div>",
            escaped(&figure),
            escaped(&what)
        );
    }
    text.push_str("</div>\n");
    text
}

fn section(page: &mut String, title: &str, body: &str) {
    let _ = writeln!(page, "<h2>{}</h2>\n{body}", escaped(title));
}

fn list(page: &mut String, class: &str, sentences: &[String]) {
    let _ = write!(page, "<ul class='{class}'>");
    for sentence in sentences {
        let _ = write!(page, "<li>{}</li>", escaped(sentence));
    }
    page.push_str("</ul>\n");
}

/// `own` is the row that the report is about.
fn table(table: &Table, own: Option<usize>) -> String {
    let mut text = String::from("<div class='wide'><table><tr>");
    let class = |column: usize| match (table.texts.contains(&column), table.long.contains(&column)) {
        (true, true) => " class='text'",
        (true, false) => " class='left'",
        _ => "",
    };
    for (column, name) in table.head.iter().enumerate() {
        let _ = write!(text, "<th{}>{}</th>", class(column), escaped(name));
    }
    text.push_str("</tr>");
    for (place, row) in table.rows.iter().enumerate() {
        text.push_str(if own == Some(place) { "<tr class='own'>" } else { "<tr>" });
        for (column, cell) in row.iter().enumerate() {
            let _ = write!(text, "<td{}>{}</td>", class(column), escaped(cell));
        }
        text.push_str("</tr>");
    }
    text.push_str("</table></div>");
    text
}
