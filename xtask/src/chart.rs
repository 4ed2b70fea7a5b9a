//! Charts of values over time, as SVG.

use std::fmt::Write as _;

const WIDTH: f64 = 860.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 700.0;
/// The top of the first panel, below the title.
const TOP: f64 = 60.0;
/// The space between two panels, and below the last one.
const GAP: f64 = 50.0;
const COLOURS: [&str; 8] =
    ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f3c8d", "#555555"];

/// Panels stacked over a common time axis.
pub(crate) struct Chart {
    pub(crate) title: String,
    /// The label of the time axis.
    pub(crate) axis: &'static str,
    pub(crate) seconds: f64,
    pub(crate) panels: Vec<Panel>,
}

/// One diagram.
pub(crate) struct Panel {
    pub(crate) label: &'static str,
    /// In pixels.
    pub(crate) height: f64,
    /// The value at the top. Above 1, the grid lines are whole numbers.
    pub(crate) highest: f64,
    /// A value that the lines must reach, with its description.
    pub(crate) goal: Option<(f64, String)>,
    pub(crate) lines: Vec<Line>,
}

/// Seconds and values; a value holds until the next one.
pub(crate) struct Line {
    /// The entry in the legend. Lines without a name share one colour.
    pub(crate) name: Option<String>,
    pub(crate) points: Vec<(f64, f64)>,
}

/// A panel with its position.
struct Placed<'a> {
    panel: &'a Panel,
    top: f64,
    bottom: f64,
    seconds: f64,
}

impl Chart {
    pub(crate) fn svg(&self) -> String {
        let (mut body, mut top) = (String::new(), TOP);
        for panel in &self.panels {
            let bottom = top + panel.height;
            // The axis extends slightly beyond the end, so that the end is visible.
            let placed = Placed { panel, top, bottom, seconds: self.seconds * 1.05 };
            body.push_str(&placed.draw());
            top = bottom + GAP;
        }
        let (title, axis, middle) = (escaped(&self.title), self.axis, (LEFT + RIGHT) / 2.0);
        format!(
            r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top}" font-family="system-ui, sans-serif" font-size="12" fill="#222">
<title>{title}</title>
<rect width="100%" height="100%" fill="#fff"/>
<text x="{LEFT}" y="30" font-size="16">{title}</text>
{body}<text x="{middle}" y="{caption}" text-anchor="middle">{axis}</text>
</svg>
"##,
            caption = top - 10.0,
        )
    }
}

impl Placed<'_> {
    fn x(&self, seconds: f64) -> f64 {
        LEFT + (RIGHT - LEFT) * (seconds / self.seconds.max(f64::MIN_POSITIVE)).clamp(0.0, 1.0)
    }

    fn y(&self, value: f64) -> f64 {
        let highest = self.panel.highest.max(f64::MIN_POSITIVE);
        self.bottom - (self.bottom - self.top) * value / highest
    }

    fn draw(&self) -> String {
        let parts = [self.grid(), self.goal(), self.anonymous(), self.named()];
        parts.concat()
    }

    /// Draws axes, grid lines with their values, and the label.
    fn grid(&self) -> String {
        let mut svg = String::new();
        let mut add = |part: String| {
            svg.push_str(&part);
            svg.push('\n');
        };
        for value in ticks(self.panel.highest, if self.panel.highest > 1.0 { 1.0 } else { 0.1 }) {
            let y = self.y(value);
            add(format!(
                r##"<line x1="{LEFT}" y1="{y:.1}" x2="{RIGHT}" y2="{y:.1}" stroke="#ddd"/>"##
            ));
            let (x, baseline) = (LEFT - 8.0, y + 4.0);
            add(format!(r#"<text x="{x}" y="{baseline:.1}" text-anchor="end">{value}</text>"#));
        }
        let (top, bottom, below) = (self.top, self.bottom, self.bottom + 18.0);
        for second in ticks(self.seconds, 0.1) {
            let (x, end) = (self.x(second), bottom + 4.0);
            add(format!(
                r##"<line x1="{x:.1}" y1="{bottom}" x2="{x:.1}" y2="{end}" stroke="#222"/>"##
            ));
            add(format!(r#"<text x="{x:.1}" y="{below}" text-anchor="middle">{second}</text>"#));
        }
        add(format!(r##"<path d="M{LEFT} {top}V{bottom}H{RIGHT}" fill="none" stroke="#222"/>"##));
        let (middle, label) = ((top + bottom) / 2.0, self.panel.label);
        add(format!(
            r#"<text transform="translate(18 {middle}) rotate(-90)" text-anchor="middle">{label}</text>"#
        ));
        svg
    }

    fn goal(&self) -> String {
        let Some((value, description)) = &self.panel.goal else { return String::new() };
        let (y, description) = (self.y(*value), escaped(description));
        format!(
            "<line x1=\"{LEFT}\" y1=\"{y:.1}\" x2=\"{RIGHT}\" y2=\"{y:.1}\" stroke=\"#222\" stroke-dasharray=\"2 4\"/>\n\
             <text x=\"{LEFT}\" y=\"{:.1}\" dx=\"6\">{description}</text>\n",
            y - 5.0
        )
    }

    fn anonymous(&self) -> String {
        let lines: Vec<_> = self.panel.lines.iter().filter(|line| line.name.is_none()).collect();
        let opacity = if lines.len() > 1 { 0.35 } else { 1.0 };
        let draw = |line: &&Line| {
            format!(
                "<path d=\"{}\" fill=\"none\" stroke=\"#222\" stroke-opacity=\"{opacity}\" stroke-width=\"2\"/>\n",
                self.path(&line.points)
            )
        };
        lines.iter().map(draw).collect()
    }

    fn named(&self) -> String {
        let mut svg = String::new();
        let named = self.panel.lines.iter().filter_map(|line| Some((line.name.as_ref()?, line)));
        for (place, (name, line)) in named.enumerate() {
            let colour = COLOURS[place % COLOURS.len()];
            let dash = if place < COLOURS.len() { "" } else { r#" stroke-dasharray="5 3""# };
            let middle = self.top + 12.0 + 16.0 * place as f64;
            let (path, name) = (self.path(&line.points), escaped(name));
            write!(
                svg,
                r#"<path d="{path}" fill="none" stroke="{colour}" stroke-width="2"{dash}><title>{name}</title></path>
<line x1="720" y1="{middle}" x2="744" y2="{middle}" stroke="{colour}" stroke-width="2"{dash}/>
<text x="750" y="{baseline}">{name}</text>
"#,
                baseline = middle + 4.0
            )
            .expect("writing to a string cannot fail");
        }
        svg
    }

    fn path(&self, points: &[(f64, f64)]) -> String {
        let mut path = format!("M{:.1} {:.1}", self.x(0.0), self.y(0.0));
        for (seconds, value) in points {
            write!(path, "H{:.1}V{:.1}", self.x(*seconds), self.y(*value))
                .expect("writing to a string cannot fail");
        }
        write!(path, "H{:.1}", self.x(self.seconds)).expect("writing to a string cannot fail");
        path
    }
}

/// At most seven values from 0 up to `highest`. The step between them is 1, 2 or 5 times a power of ten, and at least
/// `least`.
fn ticks(highest: f64, least: f64) -> Vec<f64> {
    let magnitude = 10_f64.powf((highest / 3.0).log10().floor());
    let step = [5.0, 2.0, 1.0]
        .map(|factor| factor * magnitude)
        .into_iter()
        .find(|step| highest / step >= 2.0);
    let step = step.unwrap_or(magnitude).max(least);
    (0..=(highest / step) as u64)
        .map(|count| {
            // Rounding removes the noise that would be visible in the label.
            (count as f64 * step * 1e6).round() / 1e6
        })
        .collect()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_numbers() {
        assert_eq!(ticks(170.0, 1.0), [0.0, 50.0, 100.0, 150.0]);
        assert_eq!(ticks(3.4, 0.1), [0.0, 1.0, 2.0, 3.0]);
        assert_eq!(ticks(0.9, 0.1), [0.0, 0.2, 0.4, 0.6, 0.8]);
        assert_eq!(ticks(10_433.0, 1.0), [0.0, 5_000.0, 10_000.0]);
        assert_eq!(ticks(2.0, 1.0), [0.0, 1.0, 2.0]);
        assert_eq!(ticks(0.0, 1.0), [0.0]);
    }

    #[test]
    fn line_spans_the_panel() {
        let line = Line { name: Some("<b>".to_owned()), points: vec![(1.0, 2.0), (2.0, 4.0)] };
        let lines = vec![line, Line { name: None, points: vec![(2.0, 4.0)] }];
        let panel = Panel { label: "records", height: 200.0, highest: 4.0, goal: None, lines };
        let chart =
            Chart { title: "a & b".to_owned(), axis: "seconds", seconds: 2.0, panels: vec![panel] };
        let svg = chart.svg();
        assert!(svg.contains("M70.0 260.0H370.0V160.0H670.0V60.0H700.0"), "{svg}");
        assert!(svg.contains("M70.0 260.0H670.0V60.0H700.0"), "{svg}");
        assert!(svg.contains("&lt;b>") && svg.contains("a &amp; b") && svg.ends_with("</svg>\n"));
    }

    #[test]
    fn chart_without_time_has_finite_numbers() {
        let panel = Panel {
            label: "records",
            height: 100.0,
            highest: 0.0,
            goal: Some((0.0, "goal".to_owned())),
            lines: vec![Line { name: None, points: vec![(0.0, 0.0)] }],
        };
        let chart =
            Chart { title: String::new(), axis: "seconds", seconds: 0.0, panels: vec![panel] };
        assert!(!chart.svg().contains("NaN") && !chart.svg().contains("inf"), "{}", chart.svg());
    }
}
