//! Spending over time as inline SVG: a bar for each hour, day or week, with the
//! part that blocks would have stopped.

use std::fmt::Write as _;

use super::report::{Bar, OwnReport};
use crate::lab::evaluate::report::markdown::number;

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 260.0;
const LEFT: f64 = 64.0;
const TOP: f64 = 30.0;
const BOTTOM: f64 = 46.0;
/// Dates below the bars, at most.
const DATES_MAX: usize = 8;
const DATE_WIDTH: f64 = 72.0;

/// The plot; empty where there is nothing to show.
pub(super) fn timeline(report: &OwnReport) -> String {
    let bars = &report.timeline;
    let has_cost = bars.iter().any(|bar| bar.cost > 0.0);
    let of = |bar: &Bar| {
        if has_cost {
            (bar.cost, bar.stopped_cost)
        } else {
            (bar.messages as f64, bar.stopped_messages as f64)
        }
    };
    let highest = bars.iter().map(|bar| of(bar).0).fold(0.0, f64::max);
    if highest <= 0.0 {
        return String::new();
    }
    let step = nice(highest / 4.0);
    let top = step * (highest / step).ceil();
    let across = |place: f64| LEFT + place * (WIDTH - LEFT - 8.0) / bars.len() as f64;
    let down = |value: f64| HEIGHT - BOTTOM - value / top * (HEIGHT - TOP - BOTTOM);
    let mut svg = format!("<svg viewBox='0 0 {WIDTH} {HEIGHT}' role='img' aria-label='spending over time'>");
    let mut tick = 0.0;
    while tick <= top * 1.001 {
        let y = down(tick);
        let _ = write!(
            svg,
            "<line class='grid' x1='{LEFT}' y1='{y:.1}' x2='{:.1}' y2='{y:.1}'/>\
             <text x='{:.1}' y='{:.1}' text-anchor='end'>{}</text>",
            WIDTH - 8.0,
            LEFT - 6.0,
            y + 4.0,
            number(tick)
        );
        tick += step;
    }
    let width = (across(1.0) - across(0.0)).max(1.0);
    let gap = if width > 4.0 { 1.0 } else { 0.0 };
    let every = bars.len().div_ceil(DATES_MAX).max(1);
    let every = if report.bar_hours == 1 {
        [1, 2, 6, 12, 24].into_iter().find(|step| *step >= every).unwrap_or(48)
    } else {
        every
    };
    for (place, bar) in bars.iter().enumerate() {
        let (all, stopped) = of(bar);
        let x = across(place as f64);
        for (class, from, to) in [("all", stopped, all), ("stopped", 0.0, stopped)] {
            if to > from {
                let _ = write!(
                    svg,
                    "<rect class='{class}' x='{x:.1}' y='{:.1}' width='{:.1}' height='{:.1}'/>",
                    down(to),
                    width - gap,
                    down(from) - down(to)
                );
            }
        }
        // A date that would be cut off at the end is left out.
        if place % every == 0 && x + DATE_WIDTH <= WIDTH {
            let _ = write!(
                svg,
                "<text x='{x:.1}' y='{:.1}'>{}</text>",
                HEIGHT - BOTTOM + 16.0,
                date(&bar.time, report.bar_hours)
            );
        }
    }
    let unit = if has_cost { report.currency.as_str() } else { "messages" };
    let each = match report.bar_hours {
        1 => "an hour",
        24 => "a day",
        _ => "a week",
    };
    let _ = write!(
        svg,
        "<text class='name' x='{LEFT}' y='14'>{unit} {each} (UTC)</text>\
         <rect class='all' x='{0}' y='5' width='12' height='10'/><text x='{1}' y='14'>spent</text>\
         <rect class='stopped' x='{2}' y='5' width='12' height='10'/><text x='{3}' y='14'>would have been stopped</text></svg>",
        WIDTH - 260.0,
        WIDTH - 243.0,
        WIDTH - 190.0,
        WIDTH - 173.0
    );
    svg
}

/// 1, 2 or 5 times a power of ten, at least `value`.
fn nice(value: f64) -> f64 {
    let power = libm::pow(10.0, libm::log10(value).floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|step| step * power);
    steps.into_iter().find(|step| *step >= value * 0.999).unwrap_or(power)
}

fn date(time: &str, bar_hours: i64) -> String {
    if bar_hours == 1 {
        time.get(5..16).unwrap_or(time).replace('T', " ")
    } else {
        time.get(..10).unwrap_or(time).to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round() {
        assert_eq!(
            [0.3, 1.0, 1.1, 23.0, 7_000.0].map(nice),
            [0.5, 1.0, 2.0, 50.0, 10_000.0]
        );
    }
}
