//! Convergence curves as SVG.

use std::fmt::Write;

use crate::run::Run;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 360.0;
const MARGIN: f64 = 48.0;

/// An SVG with one line per seed: the fraction of records in place over time.
pub(crate) fn svg(title: &str, runs: &[Run]) -> String {
    let seconds = |run: &Run| run.curve.last().map_or(0.0, |(at, _)| *at);
    let longest = runs.iter().map(seconds).fold(1e-3, f64::max);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n\
         <text x=\"{MARGIN}\" y=\"24\" font-size=\"15\">{title}: share of records in place, {} seeds</text>\n",
        runs.len(),
    );
    let x = |at: f64| MARGIN + at / longest * (WIDTH - 2.0 * MARGIN);
    let y = |share: f64| HEIGHT - MARGIN - share * (HEIGHT - 2.0 * MARGIN);
    for tick in 0..=4 {
        let share = f64::from(tick) / 4.0;
        let (at, level) = (x(share * longest), y(share));
        let (right, base) = (WIDTH - MARGIN, HEIGHT - MARGIN + 18.0);
        write(
            &mut svg,
            format_args!(
                "<path d=\"M{MARGIN} {level}H{right}\" stroke=\"#ddd\"/>\
             <text x=\"12\" y=\"{}\">{:.0}%</text>\
             <text x=\"{at}\" y=\"{base}\" text-anchor=\"middle\">{:.1} s</text>\n",
                level + 4.0,
                share * 100.0,
                share * longest,
            ),
        );
    }
    for run in runs {
        let (first, last) =
            (run.curve.first().map_or(0, |p| p.1), run.curve.last().map_or(0, |p| p.1));
        let share = |records: u64| {
            records.saturating_sub(first) as f64 / last.saturating_sub(first).max(1) as f64
        };
        svg.push_str(
            "<polyline fill=\"none\" stroke=\"#2563a8\" stroke-opacity=\"0.35\" points=\"",
        );
        for (at, records) in &run.curve {
            write(&mut svg, format_args!("{:.1},{:.1} ", x(*at), y(share(*records))));
        }
        svg.push_str("\"/>\n");
    }
    svg.push_str("</svg>\n");
    svg
}

fn write(svg: &mut String, text: std::fmt::Arguments<'_>) {
    svg.write_fmt(text).expect("writing to a string succeeds");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn curve_spans_the_plot() {
        let curve = vec![(0.0, 100), (1.0, 150), (2.0, 200)];
        let svg = svg("test", &[Run { curve, ..Run::default() }]);
        assert!(svg.contains("points=\"48.0,312.0 360.0,180.0 672.0,48.0 \""), "{svg}");
    }
}
