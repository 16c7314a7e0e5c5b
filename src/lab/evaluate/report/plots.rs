//! Plots as inline SVG. Colours and type come from the page's style sheet.

use std::fmt::Write as _;

use super::markdown::number;

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 340.0;
const LEFT: f64 = 62.0;
const RIGHT: f64 = 170.0;
const TOP: f64 = 14.0;
const BOTTOM: f64 = 46.0;
/// Colours of the style sheet.
const COLOURS: usize = 10;

/// One axis of a plot.
#[derive(Clone, Copy, Debug)]
pub(super) struct Axis {
    /// What it shows.
    pub name: &'static str,
    /// Its ends.
    pub low: f64,
    /// See `low`.
    pub high: f64,
    /// Whether it is logarithmic; its ends must be above 0 then.
    pub is_log: bool,
}

impl Axis {
    /// Where on the axis a value lies, from 0 to 1; values outside are at an end.
    fn place(&self, value: f64) -> f64 {
        let of = |value: f64| {
            if self.is_log {
                libm::log10(value.max(1e-300))
            } else {
                value
            }
        };
        let (low, high) = (of(self.low), of(self.high));
        ((of(value) - low) / (high - low)).clamp(0.0, 1.0)
    }

    fn ticks(&self) -> Vec<f64> {
        if !self.is_log {
            let step = (self.high - self.low) / 5.0;
            return (0..=5).map(|i| self.low + step * f64::from(i)).collect();
        }
        let first = libm::log10(self.low).ceil() as i32;
        let last = libm::log10(self.high).floor() as i32;
        (first..=last).map(|power| libm::pow(10.0, f64::from(power))).collect()
    }
}

/// A named line.
#[derive(Clone, Debug)]
pub(super) struct Series {
    /// Its name.
    pub name: String,
    /// Its points, from left to right.
    pub points: Vec<(f64, f64)>,
}

/// A line for each series; `is_step` draws it as a staircase.
pub(super) fn lines(x: Axis, y: Axis, series: &[Series], is_step: bool) -> String {
    let at = |(px, py): (f64, f64)| {
        let across = LEFT + x.place(px) * (WIDTH - LEFT - RIGHT);
        let down = HEIGHT - BOTTOM - y.place(py) * (HEIGHT - TOP - BOTTOM);
        (across, down)
    };
    let mut svg = open(HEIGHT);
    for tick in x.ticks() {
        let (across, bottom) = at((tick, y.low));
        let _ = write!(
            svg,
            "<line class='grid' x1='{across:.1}' y1='{TOP}' x2='{across:.1}' y2='{bottom:.1}'/>\
             <text x='{across:.1}' y='{:.1}' text-anchor='middle'>{}</text>",
            bottom + 16.0,
            tick_name(tick)
        );
    }
    for tick in y.ticks() {
        let (_, down) = at((x.low, tick));
        let _ = write!(
            svg,
            "<line class='grid' x1='{LEFT}' y1='{down:.1}' x2='{:.1}' y2='{down:.1}'/>\
             <text x='{:.1}' y='{:.1}' text-anchor='end'>{}</text>",
            WIDTH - RIGHT,
            LEFT - 6.0,
            down + 4.0,
            tick_name(tick)
        );
    }
    names(&mut svg, (x.name, f64::midpoint(LEFT, WIDTH - RIGHT)), y.name, HEIGHT);
    for (place, one) in series.iter().enumerate() {
        let colour = place % COLOURS;
        let mut path = String::new();
        let mut before: Option<(f64, f64)> = None;
        for point in &one.points {
            let (across, down) = at(*point);
            match before {
                None => {
                    let _ = write!(path, "M{across:.1} {down:.1}");
                }
                Some(_) if is_step => {
                    let _ = write!(path, "H{across:.1}V{down:.1}");
                }
                Some(_) => {
                    let _ = write!(path, "L{across:.1} {down:.1}");
                }
            }
            if !is_step {
                let _ = write!(
                    svg,
                    "<circle class='f{colour}' cx='{across:.1}' cy='{down:.1}' r='2.5'/>"
                );
            }
            before = Some((across, down));
        }
        let row = TOP + 10.0 + 17.0 * place as f64;
        let from = WIDTH - RIGHT + 14.0;
        let _ = write!(
            svg,
            "<path class='s{colour}' d='{path}'/><line class='s{colour}' x1='{from}' y1='{row}' x2='{:.0}' y2='{row}'/>\
             <text x='{:.0}' y='{:.1}'>{}</text>",
            from + 18.0,
            from + 24.0,
            row + 4.0,
            escaped(&one.name)
        );
    }
    svg.push_str("</svg>");
    svg
}

/// A value with its interval.
#[derive(Clone, Debug)]
pub(super) struct Dot {
    /// Its name.
    pub name: String,
    /// The value and its ends; the value may be missing.
    pub value: Option<f64>,
    /// Lower end.
    pub low: Option<f64>,
    /// Upper end.
    pub high: Option<f64>,
}

/// A row for each value; `mark` is a line to compare with.
pub(super) fn dots(x: Axis, rows: &[Dot], mark: Option<(f64, &str)>) -> String {
    let left = 190.0;
    let height = TOP + BOTTOM + 22.0 * rows.len() as f64 + 14.0;
    let at = |value: f64| left + x.place(value) * (WIDTH - left - 30.0);
    let mut svg = open(height);
    for tick in x.ticks() {
        let across = at(tick);
        let _ = write!(
            svg,
            "<line class='grid' x1='{across:.1}' y1='{TOP}' x2='{across:.1}' y2='{:.1}'/>\
             <text x='{across:.1}' y='{:.1}' text-anchor='middle'>{}</text>",
            height - BOTTOM,
            height - BOTTOM + 16.0,
            // What is too small for the axis, 0 above all, lies at its end.
            if x.is_log && tick <= x.low {
                format!("≤ {}", tick_name(tick))
            } else {
                tick_name(tick)
            }
        );
    }
    if let Some((value, name)) = mark {
        let across = at(value);
        let _ = write!(
            svg,
            "<line class='mark' x1='{across:.1}' y1='{TOP}' x2='{across:.1}' y2='{:.1}'/>\
             <text class='note' x='{:.1}' y='{:.1}'>{}</text>",
            height - BOTTOM,
            across + 4.0,
            height - BOTTOM - 4.0,
            escaped(name)
        );
    }
    for (place, dot) in rows.iter().enumerate() {
        let down = TOP + 12.0 + 22.0 * place as f64;
        let _ = write!(
            svg,
            "<text x='{:.0}' y='{:.1}' text-anchor='end'>{}</text>",
            left - 10.0,
            down + 4.0,
            escaped(&dot.name)
        );
        let (low, high) = (dot.low.unwrap_or(x.low), dot.high.unwrap_or(x.high));
        let _ = write!(
            svg,
            "<line class='s{0}' x1='{1:.1}' y1='{down:.1}' x2='{2:.1}' y2='{down:.1}'/>",
            usize::from(place > 0),
            at(low),
            at(high)
        );
        if let Some(value) = dot.value {
            let _ = write!(
                svg,
                "<circle class='f{}' cx='{:.1}' cy='{down:.1}' r='4'/>",
                usize::from(place > 0),
                at(value)
            );
        }
    }
    names(&mut svg, (x.name, f64::midpoint(left, WIDTH - 30.0)), "", height);
    svg.push_str("</svg>");
    svg
}

fn open(height: f64) -> String {
    format!("<svg viewBox='0 0 {WIDTH} {height}' role='img'>")
}

/// A tick's value as short as it goes: 0.2, not 0.200.
fn tick_name(value: f64) -> String {
    let text = number(value);
    if text.contains('.') && !text.contains('e') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

/// The axes' names; that of the first stands around its middle.
fn names(svg: &mut String, (x, middle): (&str, f64), y: &str, height: f64) {
    let _ = write!(
        svg,
        "<text class='name' x='{middle:.0}' y='{:.0}' text-anchor='middle'>{}</text>",
        height - 8.0,
        escaped(x)
    );
    if !y.is_empty() {
        let down = f64::midpoint(TOP, HEIGHT - BOTTOM);
        let _ = write!(
            svg,
            "<text class='name' transform='translate(14 {down:.0}) rotate(-90)' text-anchor='middle'>{}</text>",
            escaped(y)
        );
    }
}

/// Text for HTML and SVG.
pub(crate) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('\'', "&#39;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_lie_where_the_axis_says() {
        let log = Axis {
            name: "x",
            low: 1.0,
            high: 100.0,
            is_log: true,
        };
        assert_eq!([1.0, 10.0, 1e9, 0.0].map(|v| log.place(v)), [0.0, 0.5, 1.0, 0.0]);
        assert_eq!(log.ticks(), [1.0, 10.0, 100.0]);
        let line = Axis {
            name: "y",
            low: 0.0,
            high: 1.0,
            is_log: false,
        };
        assert_eq!(line.place(0.25), 0.25);
        assert_eq!(
            [0.0, 0.2, 0.01, 10.0, 1_000.0].map(tick_name),
            ["0", "0.2", "0.01", "10", "1,000"]
        );
    }

    #[test]
    fn names_cannot_break_the_page() {
        let axis = Axis {
            name: "<x>",
            low: 0.0,
            high: 1.0,
            is_log: false,
        };
        let series = Series {
            name: "a<script>".into(),
            points: vec![(0.0, 0.0), (1.0, 1.0)],
        };
        let svg = lines(axis, axis, &[series], true);
        assert!(!svg.contains("<script") && svg.contains("a&lt;script&gt;"), "{svg}");
    }
}
