//! What a history means, told with sets of writes and without any clock.

use std::collections::BTreeSet;

use engram_vclock::generate::Step;

/// Per node the writes it has heard of, per write the writes that it replaced.
pub(crate) struct Spec {
    pub(crate) known: Vec<BTreeSet<u32>>,
    read: BTreeSet<u32>,
    writers: Vec<u8>,
    replaced: Vec<BTreeSet<u32>>,
}

impl Spec {
    pub(crate) fn run(nodes: u8, steps: &[Step]) -> Self {
        let mut spec = Self {
            known: vec![BTreeSet::new(); usize::from(nodes)],
            read: BTreeSet::new(),
            writers: Vec::new(),
            replaced: Vec::new(),
        };
        for step in steps {
            spec.take(*step);
        }
        spec
    }

    /// The writes that `node` shows: those it knows, without those that a write it knows has
    /// replaced.
    pub(crate) fn value(&self, node: usize) -> BTreeSet<u32> {
        let known = &self.known[node];
        let replaced =
            known.iter().flat_map(|&write| &self.replaced[write as usize]).copied().collect();
        known.difference(&replaced).copied().collect()
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Submit { node } => {
                let own = |write: &&u32| self.writers[**write as usize] == node;
                self.put(node, self.known[usize::from(node)].iter().filter(own).copied().collect());
            }
            Step::Resolve { node } => self.put(node, self.known[usize::from(node)].clone()),
            Step::Write { node } => self.put(node, self.read.clone()),
            Step::Read { node } => self.read = self.known[usize::from(node)].clone(),
            Step::Join { from, into } => {
                let sent = self.known[usize::from(from)].clone();
                self.known[usize::from(into)].extend(sent);
            }
            Step::Restart { .. } => {}
            Step::Wipe { node } => self.known[usize::from(node)].clear(),
        }
    }

    fn put(&mut self, node: u8, replaced: BTreeSet<u32>) {
        let known = &mut self.known[usize::from(node)];
        known.extend(&replaced);
        known.insert(self.writers.len() as u32);
        self.writers.push(node);
        self.replaced.push(replaced);
    }
}
