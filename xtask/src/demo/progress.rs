//! The progress of the nodes, in lines for terminals and logs.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::event::{Event, Groups, State};

/// The minimum time between two lines. The last line does not wait.
const PACE: Duration = Duration::from_millis(500);

/// The maximum number of transfers that a line lists, the largest first; the rest are only counted.
const NAMED: usize = 6;

/// The known state of the whole cluster.
pub(crate) struct Progress {
    names: Vec<String>,
    node_ids: Vec<String>,
    union: usize,
    begun: Instant,
    states: Vec<State>,
    history: Vec<Sample>,
    exports: usize,
    /// The first node's last answer about conflicts across ids.
    groups: Option<Vec<Groups>>,
    /// The time at which every node had written its whole input, in seconds.
    fed: Option<f64>,
    /// Patterns since the last line, by receiver and sender.
    transfers: BTreeMap<(String, String), u64>,
    said: Instant,
    /// Whether the state changed since the last line.
    changed: bool,
    headed: bool,
}

/// The values at one moment, for the picture.
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
            groups: None,
            fed: None,
            transfers: BTreeMap::new(),
            said: Instant::now(),
            changed: false,
            headed: false,
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

    /// The time at which every node had written its whole input, in seconds after the start; `None` before that.
    pub(crate) fn fed(&self) -> Option<f64> {
        self.fed
    }

    /// Whether every node has written its whole input and all roots are equal. Each root then covers the input of every
    /// node.
    pub(crate) fn converged(&self) -> bool {
        self.written() && self.distinct_roots() == 1
    }

    fn written(&self) -> bool {
        self.states.iter().all(|state| state.replay_done && state.waiting == 0)
    }

    fn distinct_roots(&self) -> usize {
        self.states.iter().map(|state| &state.root).collect::<BTreeSet<_>>().len()
    }

    pub(crate) fn take(&mut self, node: usize, event: Event) {
        match event {
            Event::State(state) => {
                self.changed |= state.root != self.states[node].root;
                self.states[node] = state;
                if self.fed.is_none() && self.written() {
                    self.fed = Some(self.seconds());
                }
                self.history.push(Sample {
                    seconds: self.seconds(),
                    patterns: self.states.iter().map(|state| state.patterns).collect(),
                    distinct_roots: self.distinct_roots(),
                });
            }
            Event::Session { peer, records_in } if records_in > 0 => {
                let known = self.node_ids.iter().position(|node_id| *node_id == peer);
                let peer = known.map_or(&peer, |number| &self.names[number]);
                let transfer = (self.short(&self.names[node]), self.short(peer));
                *self.transfers.entry(transfer).or_default() += records_in;
                self.changed = true;
            }
            Event::Exported => self.exports += 1,
            Event::Groups(groups) => self.groups = Some(groups),
            _ => {}
        }
    }

    /// Whether every node has exported its visible patterns.
    pub(crate) fn exported(&self) -> bool {
        self.exports == self.names.len()
    }

    /// The conflicts across ids of each space, from the first node.
    pub(crate) fn groups(&self) -> &[Groups] {
        self.groups.as_deref().unwrap_or_default()
    }

    /// Whether the first node has answered about conflicts across ids.
    pub(crate) fn compared(&self) -> bool {
        self.groups.is_some()
    }

    pub(crate) fn forget_groups(&mut self) {
        self.groups = None;
    }

    /// Prints, once, the header that explains the columns of the lines.
    fn headline(&mut self) {
        if std::mem::replace(&mut self.headed, true) {
            return;
        }
        let names = self.names.join(" ");
        eprintln!("  time  roots and patterns of {names}; bytes; patterns by receiver<-sender");
    }

    /// Writes a line if the state changed, at most one per [`PACE`].
    pub(crate) fn say(&mut self) {
        if self.said.elapsed() >= PACE {
            self.say_last();
        }
    }

    /// Writes a line if the state changed.
    pub(crate) fn say_last(&mut self) {
        if self.changed {
            self.headline();
            eprintln!("{}", cut(&self.line(), columns()));
            self.transfers.clear();
            self.said = Instant::now();
            self.changed = false;
        }
    }

    fn line(&self) -> String {
        // Enough digits to distinguish the roots, few enough for sixteen nodes in one line.
        let digits = if self.states.len() <= 4 { 8 } else { 4 };
        let width = self.union.to_string().len();
        let roots = self.states.iter().map(|state| format!("{:-<digits$.digits$}", state.root));
        let patterns = self.states.iter().map(|state| format!("{:>width$}", state.patterns));
        let bytes = self.states.iter().map(|state| state.bytes_sent).sum();
        format!(
            "{:>5.1}s  {}  {} of {}  {:>8}  {}",
            self.seconds(),
            roots.collect::<Vec<_>>().join(" "),
            patterns.collect::<Vec<_>>().join(" "),
            self.union,
            human_bytes(bytes),
            self.largest_transfers(),
        )
    }

    fn largest_transfers(&self) -> String {
        let mut transfers: Vec<_> = self.transfers.iter().collect();
        transfers.sort_by_key(|(_, patterns)| std::cmp::Reverse(**patterns));
        let named = transfers.iter().take(NAMED);
        let named = named.map(|((to, from), patterns)| format!("{to}<-{from} {patterns}"));
        let more = transfers.len().saturating_sub(NAMED);
        let more = (more > 0).then(|| format!("and {more} more"));
        named.chain(more).collect::<Vec<_>>().join("  ")
    }

    /// Returns the name without its prefix up to the last hyphen, if all names share that prefix.
    fn short(&self, name: &str) -> String {
        let common = |prefix: &&str| self.names.iter().all(|name| name.starts_with(*prefix));
        let prefix = name.rfind('-').map(|hyphen| &name[..=hyphen]).filter(common);
        name[prefix.map_or(0, str::len)..].to_owned()
    }
}

/// The width of a line, in columns, if the variable `COLUMNS` is not set to at least 40.
const COLUMNS: usize = 120;

fn columns() -> usize {
    let told = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    told.filter(|columns| *columns >= 40).unwrap_or(COLUMNS)
}

/// Cuts the line to a number of columns.
fn cut(line: &str, columns: usize) -> String {
    if line.chars().count() <= columns {
        return line.to_owned();
    }
    line.chars().take(columns - 1).chain(['…']).collect()
}

/// Formats bytes in a suitable decimal unit.
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

    fn waiting(root: &str) -> Event {
        let (root, replay_done) = (root.to_owned(), true);
        Event::State(State { root, waiting: 1, replay_done, ..State::default() })
    }

    fn two() -> Progress {
        let names = vec!["node-a".to_owned(), "node-b".to_owned()];
        Progress::new(names, vec!["ida".to_owned(), "idb".to_owned()], 3)
    }

    #[test]
    fn equal_roots_count_only_when_all_is_written() {
        let mut progress = two();
        assert!(!progress.converged(), "nothing is known yet");
        progress.take(0, state("r", 3, true));
        progress.take(1, state("r", 3, false));
        assert!(!progress.converged());
        progress.take(1, state("s", 3, true));
        assert!(!progress.converged());
        progress.take(1, waiting("r"));
        assert!(!progress.converged());
        progress.take(1, state("r", 3, true));
        assert!(progress.converged());
        let roots: Vec<_> = progress.history().iter().map(|sample| sample.distinct_roots).collect();
        assert_eq!(roots, [2, 1, 2, 1, 1]);
    }

    #[test]
    fn line_shows_roots_patterns_and_transfer_sums() {
        let mut progress = two();
        progress.take(0, state("0123456789", 2, false));
        for records_in in [2, 0, 3] {
            progress.take(1, Event::Session { peer: "ida".to_owned(), records_in });
        }
        let line = progress.line();
        assert!(line.contains("01234567 --------  2 0 of 3"), "{line}");
        assert!(line.ends_with("  b<-a 5"), "{line}");
    }

    #[test]
    fn many_transfers_are_counted() {
        let mut progress = two();
        for sender in 0..8 {
            progress.take(0, Event::Session { peer: format!("n{sender}"), records_in: sender + 1 });
        }
        let told = progress.largest_transfers();
        assert!(told.starts_with("a<-n7 8  a<-n6 7") && told.ends_with("and 2 more"), "{told}");
    }

    #[test]
    fn a_long_line_is_cut() {
        assert_eq!(cut("abcdef", 6), "abcdef");
        assert_eq!(cut("abcdefg", 6), "abcde…");
    }

    #[test]
    fn feeding_ends_with_the_last_snapshot() {
        let mut progress = two();
        progress.take(0, state("r", 3, true));
        assert_eq!(progress.fed(), None);
        progress.take(1, waiting("r"));
        assert_eq!(progress.fed(), None);
        progress.take(1, state("s", 3, true));
        let fed = progress.fed().unwrap();
        progress.take(1, state("r", 3, true));
        assert_eq!(progress.fed(), Some(fed));
    }

    #[test]
    fn bytes_have_a_fitting_unit() {
        assert_eq!([999, 1_500, 2_000_000].map(human_bytes), ["999 B", "1.5 kB", "2.0 MB"]);
    }
}
