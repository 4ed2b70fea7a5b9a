//! The picture of a convergence: patterns per node above, distinct roots below, over time.

use std::fmt::Write as _;

use super::progress::Sample;

const WIDTH: f64 = 860.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 700.0;
const COLOURS: [&str; 8] =
    ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f3c8d", "#555555"];

/// One of the two diagrams: its position and its greatest value.
struct Panel {
    top: f64,
    bottom: f64,
    seconds: f64,
    highest: f64,
}

/// Draws `history` up to `seconds` as SVG.
pub(crate) fn draw(
    names: &[String],
    union: usize,
    history: &[Sample],
    seconds: f64,
    converged: bool,
) -> String {
    // Slightly beyond the end, to show the end.
    let span = seconds * 1.05;
    let highest = history.iter().flat_map(|sample| &sample.patterns).copied().max().unwrap_or(0);
    let patterns = Panel {
        top: 60.0,
        bottom: 320.0,
        seconds: span,
        highest: highest.max(union as u64).max(1) as f64,
    };
    let most = history.iter().map(|sample| sample.distinct_roots).max().unwrap_or(1);
    let roots = Panel { top: 370.0, bottom: 490.0, seconds: span, highest: most.max(2) as f64 };

    let mut body = String::new();
    body.push_str(&patterns.frame("visible patterns"));
    body.push_str(&roots.frame("distinct roots"));
    body.push_str(&patterns.union(union));
    for (node, name) in names.iter().enumerate() {
        let colour = COLOURS[node % COLOURS.len()];
        let dash = if node < COLOURS.len() { "" } else { r#" stroke-dasharray="5 3""# };
        let steps = history.iter().map(|sample| (sample.seconds, sample.patterns[node] as f64));
        let path = patterns.steps(steps);
        let middle = 72.0 + 16.0 * node as f64;
        let name = escaped(name);
        write!(
            body,
            r#"<path d="{path}" fill="none" stroke="{colour}" stroke-width="2"{dash}><title>{name}</title></path>
<line x1="720" y1="{middle}" x2="744" y2="{middle}" stroke="{colour}" stroke-width="2"{dash}/>
<text x="750" y="{baseline}">{name}</text>
"#,
            baseline = middle + 4.0
        )
        .expect("writing to a string cannot fail");
    }
    let steps = history.iter().map(|sample| (sample.seconds, sample.distinct_roots as f64));
    let path = roots.steps(steps);
    let end = if converged { "one root after" } else { "no agreement after" };
    let title = format!("{} nodes, {union} patterns: {end} {seconds:.1} s", names.len());
    format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} 540" font-family="system-ui, sans-serif" font-size="12" fill="#222">
<title>{title}</title>
<rect width="100%" height="100%" fill="#fff"/>
<text x="{LEFT}" y="30" font-size="16">{title}</text>
{body}<path d="{path}" fill="none" stroke="#222" stroke-width="2"/>
<text x="{middle}" y="530" text-anchor="middle">seconds since the nodes were started</text>
</svg>
"##,
        middle = (LEFT + RIGHT) / 2.0
    )
}

impl Panel {
    fn x(&self, seconds: f64) -> f64 {
        LEFT + (RIGHT - LEFT) * (seconds / self.seconds.max(f64::MIN_POSITIVE)).clamp(0.0, 1.0)
    }

    fn y(&self, value: f64) -> f64 {
        self.bottom - (self.bottom - self.top) * value / self.highest
    }

    /// A value holds until the next one.
    fn steps(&self, samples: impl Iterator<Item = (f64, f64)>) -> String {
        let mut path = format!("M{:.1} {:.1}", self.x(0.0), self.y(0.0));
        for (seconds, value) in samples {
            write!(path, "H{:.1}V{:.1}", self.x(seconds), self.y(value))
                .expect("writing to a string cannot fail");
        }
        write!(path, "H{:.1}", self.x(self.seconds)).expect("writing to a string cannot fail");
        path
    }

    /// Draws axes, grid lines with their values, and the title.
    fn frame(&self, label: &str) -> String {
        let mut svg = String::new();
        let mut add = |part: String| {
            svg.push_str(&part);
            svg.push('\n');
        };
        for value in ticks(self.highest, 1.0) {
            let y = self.y(value);
            add(format!(
                r##"<line x1="{LEFT}" y1="{y:.1}" x2="{RIGHT}" y2="{y:.1}" stroke="#ddd"/>"##
            ));
            add(format!(
                r#"<text x="{}" y="{:.1}" text-anchor="end">{value}</text>"#,
                LEFT - 8.0,
                y + 4.0
            ));
        }
        for second in ticks(self.seconds, 0.1) {
            let x = self.x(second);
            let (bottom, below) = (self.bottom, self.bottom + 18.0);
            add(format!(
                r##"<line x1="{x:.1}" y1="{bottom}" x2="{x:.1}" y2="{}" stroke="#222"/>"##,
                bottom + 4.0
            ));
            add(format!(r#"<text x="{x:.1}" y="{below}" text-anchor="middle">{second}</text>"#));
        }
        let (top, bottom) = (self.top, self.bottom);
        add(format!(r##"<path d="M{LEFT} {top}V{bottom}H{RIGHT}" fill="none" stroke="#222"/>"##));
        let middle = (top + bottom) / 2.0;
        add(format!(
            r#"<text transform="translate(18 {middle}) rotate(-90)" text-anchor="middle">{label}</text>"#
        ));
        svg
    }

    /// Draws the line that every node must reach.
    fn union(&self, union: usize) -> String {
        let y = self.y(union as f64);
        format!(
            "<line x1=\"{LEFT}\" y1=\"{y:.1}\" x2=\"{RIGHT}\" y2=\"{y:.1}\" stroke=\"#222\" stroke-dasharray=\"2 4\"/>\n\
             <text x=\"{LEFT}\" y=\"{:.1}\" dx=\"6\">union of what was fed in: {union}</text>\n",
            y - 5.0
        )
    }
}

/// Values from 0 up to `highest` in steps of 1, 2 or 5 times a power of ten, at least `least`: at most seven values.
fn ticks(highest: f64, least: f64) -> Vec<f64> {
    let magnitude = 10_f64.powf((highest / 3.0).log10().floor());
    let step = [5.0, 2.0, 1.0]
        .map(|factor| factor * magnitude)
        .into_iter()
        .find(|step| highest / step >= 2.0);
    let step = step.unwrap_or(magnitude).max(least);
    (0..=(highest / step) as u64)
        .map(|count| {
            // Rounds off the noise that would show in the label.
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
    fn every_node_has_a_line_over_the_whole_time() {
        let sample = |seconds, patterns: [u64; 2], distinct_roots| Sample {
            seconds,
            patterns: patterns.into(),
            distinct_roots,
        };
        let history = [sample(1.0, [4, 0], 2), sample(2.0, [4, 4], 1)];
        let svg = draw(&["a".to_owned(), "<b>".to_owned()], 4, &history, 2.0, true);
        assert!(svg.contains("2 nodes, 4 patterns: one root after 2.0 s"));
        assert!(svg.contains("M70.0 320.0H370.0V60.0H670.0V60.0H700.0"), "{svg}");
        assert!(svg.contains("M70.0 320.0H370.0V320.0H670.0V60.0H700.0"), "{svg}");
        assert!(svg.contains("&lt;b>") && svg.ends_with("</svg>\n"));
    }

    #[test]
    fn empty_history_draws_a_picture() {
        assert!(!draw(&[], 0, &[], 0.0, false).contains("NaN"));
    }
}
