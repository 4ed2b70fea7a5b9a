//! The picture of a convergence: patterns per node above, distinct roots below, over time.

use super::progress::Sample;
use crate::chart::{Chart, Line, Panel};

/// Draws `history` up to `seconds` as SVG.
pub(crate) fn draw(
    names: &[String],
    union: usize,
    history: &[Sample],
    seconds: f64,
    converged: bool,
) -> String {
    let end = if converged { "one root after" } else { "no agreement after" };
    let chart = Chart {
        title: format!("{} nodes, {union} patterns: {end} {seconds:.1} s", names.len()),
        axis: "seconds since the nodes were started",
        seconds,
        panels: vec![patterns(names, union, history), roots(history)],
    };
    chart.svg()
}

fn patterns(names: &[String], union: usize, history: &[Sample]) -> Panel {
    let line = |(node, name): (usize, &String)| Line {
        name: Some(name.clone()),
        points: points(history, |sample| sample.patterns[node] as f64),
    };
    let most = history.iter().flat_map(|sample| &sample.patterns).copied().max().unwrap_or(0);
    Panel {
        label: "visible patterns",
        height: 260.0,
        highest: most.max(union as u64).max(2) as f64,
        goal: Some((union as f64, format!("union of all inputs: {union} patterns"))),
        lines: names.iter().enumerate().map(line).collect(),
    }
}

fn roots(history: &[Sample]) -> Panel {
    let most = history.iter().map(|sample| sample.distinct_roots).max().unwrap_or(1);
    let points = points(history, |sample| sample.distinct_roots as f64);
    Panel {
        label: "distinct roots",
        height: 120.0,
        highest: most.max(2) as f64,
        goal: None,
        lines: vec![Line { name: None, points }],
    }
}

fn points(history: &[Sample], value: impl Fn(&Sample) -> f64) -> Vec<(f64, f64)> {
    history.iter().map(|sample| (sample.seconds, value(sample))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

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
    }

    #[test]
    fn empty_history_draws_a_picture() {
        assert!(!draw(&[], 0, &[], 0.0, false).contains("NaN"));
    }
}
