//! What the nodes have reported so far, told in lines that read well on a terminal and in a log.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::event::{Event, State};

/// A line is written at most this often, unless it is the last one.
const PACE: Duration = Duration::from_millis(500);

/// Transfers that are named between two lines; the others are counted.
const NAMED: usize = 6;

/// The whole cluster, as far as it is known.
pub(crate) struct Progress {
    names: Vec<String>,
    node_ids: Vec<String>,
    union: usize,
    begun: Instant,
    states: Vec<State>,
    history: Vec<Sample>,
    exports: usize,
    transfers: Vec<String>,
    said: Option<(Instant, Vec<State>)>,
}

/// One moment of the picture.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Sample {
    pub(crate) seconds: f64,
    pub(crate) patterns: Vec<u64>,
    pub(crate) distinct_roots: usize,
}

impl Progress {
    pub(crate) fn new(names: Vec<String>, node_ids: Vec<String>, union: usize) -> Self {
        let states = vec![State::default(); names.len()];
        Self {
            names,
            node_ids,
            union,
            begun: Instant::now(),
            states,
            history: Vec::new(),
            exports: 0,
            transfers: Vec::new(),
            said: None,
        }
    }

    pub(crate) fn states(&self) -> &[State] {
        &self.states
    }

    pub(crate) fn history(&self) -> &[Sample] {
        &self.history
    }

    pub(crate) fn seconds(&self) -> f64 {
        self.begun.elapsed().as_secs_f64()
    }

    /// Every node has submitted all it was fed, and all have the same root. Since nothing is fed any more and each
    /// root covers what its own node was fed, each covers everything.
    pub(crate) fn converged(&self) -> bool {
        self.states.iter().all(|state| state.replay_done) && self.distinct_roots() == 1
    }

    fn distinct_roots(&self) -> usize {
        self.states.iter().map(|state| &state.root).collect::<BTreeSet<_>>().len()
    }

    pub(crate) fn take(&mut self, node: usize, event: Event) {
        match event {
            Event::State(state) => {
                self.states[node] = state;
                self.history.push(Sample {
                    seconds: self.seconds(),
                    patterns: self.states.iter().map(|state| state.patterns).collect(),
                    distinct_roots: self.distinct_roots(),
                });
            }
            Event::Session { peer, records_in } if records_in > 0 => {
                let peer = self.name_of(&peer);
                self.transfers.push(format!("{} <- {peer} {records_in}", self.names[node]));
            }
            Event::Exported => self.exports += 1,
            _ => {}
        }
    }

    /// Every node has written what it shows.
    pub(crate) fn exported(&self) -> bool {
        self.exports == self.names.len()
    }

    fn name_of<'a>(&'a self, peer: &'a str) -> &'a str {
        let known = self.node_ids.iter().position(|node_id| node_id == peer);
        known.map_or(peer, |number| &self.names[number])
    }

    /// Explains the columns of the lines to come.
    pub(crate) fn headline(&self) {
        let names = self.names.join(" ");
        eprintln!("   time  roots and patterns of {names}; then who received how many from whom");
    }

    /// Writes a line if anything changed since the last one, and that one is not too fresh.
    pub(crate) fn say(&mut self) {
        if self.said.as_ref().is_none_or(|(when, _)| when.elapsed() >= PACE) {
            self.say_last();
        }
    }

    /// Writes a line if anything changed since the last one.
    pub(crate) fn say_last(&mut self) {
        let same = self.said.as_ref().is_some_and(|(_, states)| *states == self.states);
        if !same || !self.transfers.is_empty() {
            eprintln!("{}", self.line());
            self.transfers.clear();
            self.said = Some((Instant::now(), self.states.clone()));
        }
    }

    fn line(&self) -> String {
        // Enough digits to tell a handful of roots apart, few enough for sixteen nodes in one line.
        let digits = if self.states.len() <= 4 { 8 } else { 4 };
        let short = |state: &State| format!("{:-<digits$.digits$}", state.root);
        let roots: Vec<_> = self.states.iter().map(short).collect();
        let patterns: Vec<_> =
            self.states.iter().map(|state| format!("{:>3}", state.patterns)).collect();
        let bytes = self.states.iter().map(|state| state.bytes_sent).sum();
        let mut line = format!(
            "{:>6.1}s  {}  {} of {}  {:>9} sent",
            self.seconds(),
            roots.join(" "),
            patterns.join(" "),
            self.union,
            human_bytes(bytes),
        );
        if !self.transfers.is_empty() {
            let named = self.transfers.len().min(NAMED);
            line.push_str("  ");
            line.push_str(&self.transfers[..named].join(", "));
            if named < self.transfers.len() {
                line.push_str(&format!(" and {} more", self.transfers.len() - named));
            }
        }
        line
    }
}

/// Bytes in the unit that suits them, decimal.
pub(crate) fn human_bytes(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        _ => format!("{:.1} MB", bytes as f64 / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(root: &str, patterns: u64, replay_done: bool) -> Event {
        Event::State(State { root: root.to_owned(), patterns, replay_done, ..State::default() })
    }

    fn two() -> Progress {
        let names = vec!["a".to_owned(), "b".to_owned()];
        Progress::new(names, vec!["ida".to_owned(), "idb".to_owned()], 3)
    }

    #[test]
    fn equal_roots_count_only_after_everything_was_fed() {
        let mut progress = two();
        assert!(!progress.converged(), "nothing is known yet");
        progress.take(0, state("r", 3, true));
        progress.take(1, state("r", 3, false));
        assert!(!progress.converged());
        progress.take(1, state("s", 3, true));
        assert!(!progress.converged());
        progress.take(1, state("r", 3, true));
        assert!(progress.converged());
        let roots: Vec<_> = progress.history().iter().map(|sample| sample.distinct_roots).collect();
        assert_eq!(roots, [2, 1, 2, 1]);
    }

    #[test]
    fn a_line_names_roots_patterns_and_transfers() {
        let mut progress = two();
        progress.take(0, state("0123456789", 2, false));
        progress.take(1, Event::Session { peer: "ida".to_owned(), records_in: 2 });
        progress.take(1, Event::Session { peer: "ida".to_owned(), records_in: 0 });
        let line = progress.line();
        assert!(
            line.contains("01234567 --------    2   0 of 3") && line.ends_with("b <- a 2"),
            "{line}"
        );
    }

    #[test]
    fn bytes_have_a_fitting_unit() {
        assert_eq!([999, 1_500, 2_000_000].map(human_bytes), ["999 B", "1.5 kB", "2.0 MB"]);
    }
}
