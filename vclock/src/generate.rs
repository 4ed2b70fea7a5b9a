//! Generators for property tests: any clock, and histories of replicas that really can happen.

use alloc::vec::Vec;
use core::ops::Range;

use proptest::collection::{btree_map, vec};
use proptest::prelude::{Just, Strategy, prop_oneof};

use crate::{Actor, Dot, DotSource, Lease, MAX_COUNTER, Siblings, SiblingsError, VectorClock};

/// Counters of every length, small ones most often, the cap now and then.
pub fn counter() -> impl Strategy<Value = u64> {
    prop_oneof![
        6 => 1..=4_u64,
        3 => 1..=300_u64,
        1 => 1..=MAX_COUNTER,
        1 => MAX_COUNTER - 1..=MAX_COUNTER,
    ]
}

/// Clocks over `actor`, of a size within `len`.
pub fn clock<A: Ord + Clone + core::fmt::Debug>(
    actor: impl Strategy<Value = A>,
    len: Range<usize>,
) -> impl Strategy<Value = VectorClock<A>> {
    btree_map(actor, counter(), len)
        .prop_map(|entries| VectorClock::from_sorted(entries).expect("a map is sorted"))
}

/// One thing that happens to one key. Nodes are numbered from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The node writes without looking at the other nodes' values.
    Submit {
        /// Who writes.
        node: u8,
    },
    /// The node looks at all values it holds and writes one in their place.
    Resolve {
        /// Who writes.
        node: u8,
    },
    /// A client reads at a node, and keeps what it read for a later write. There is one client.
    Read {
        /// Where it reads.
        node: u8,
    },
    /// The client writes at a node, having seen what it last read.
    Write {
        /// Where it writes.
        node: u8,
    },
    /// The node receives the present state of another.
    Join {
        /// Who sends.
        from: u8,
        /// Who receives.
        into: u8,
    },
    /// The node restarts with its state, but cannot prove it intact: a new incarnation begins.
    Restart {
        /// Who restarts.
        node: u8,
    },
    /// The node loses its disk: a new incarnation begins with no state.
    Wipe {
        /// Who loses it.
        node: u8,
    },
}

/// A step of one of `nodes` nodes.
pub fn step(nodes: u8) -> impl Strategy<Value = Step> {
    let node = 0..nodes;
    prop_oneof![
        4 => node.clone().prop_map(|node| Step::Submit { node }),
        2 => node.clone().prop_map(|node| Step::Resolve { node }),
        1 => node.clone().prop_map(|node| Step::Read { node }),
        1 => node.clone().prop_map(|node| Step::Write { node }),
        8 => (node.clone(), node.clone()).prop_map(|(from, into)| Step::Join { from, into }),
        1 => node.clone().prop_map(|node| Step::Restart { node }),
        1 => node.prop_map(|node| Step::Wipe { node }),
    ]
}

/// Histories of one key on `nodes` nodes, with a number of steps within `steps`.
pub fn history(nodes: u8, steps: Range<usize>) -> impl Strategy<Value = History> {
    (Just(nodes), vec(step(nodes), steps)).prop_map(|(nodes, steps)| History::run(nodes, &steps))
}

/// A state of the key. Values number the writes of the history from 0.
pub type State = Siblings<u32, Actor<u8>>;

/// What became of one key on several nodes.
#[derive(Clone, Debug)]
pub struct History {
    /// The steps that were taken.
    pub steps: Vec<Step>,
    /// The state of the writing node right after each write.
    pub deltas: Vec<State>,
    /// The state of each node after the last step.
    pub replicas: Vec<State>,
}

impl History {
    /// Takes the steps, one after the other, from an empty key on every node. Joins of a node with
    /// itself are allowed and change nothing.
    ///
    /// # Panics
    ///
    /// If a step names a node that does not exist.
    #[must_use]
    pub fn run(nodes: u8, steps: &[Step]) -> Self {
        let mut world = World {
            replicas: (0..nodes).map(|_| Siblings::new()).collect(),
            sources: (0..nodes)
                .map(|node| DotSource::new(Actor { node, incarnation: 1 }))
                .collect(),
            read: VectorClock::new(),
            deltas: Vec::new(),
        };
        for step in steps {
            world.take(*step);
        }
        Self { steps: steps.to_vec(), deltas: world.deltas, replicas: world.replicas }
    }
}

struct World {
    replicas: Vec<State>,
    sources: Vec<DotSource<u8>>,
    /// What the client last read.
    read: VectorClock<Actor<u8>>,
    deltas: Vec<State>,
}

impl World {
    fn take(&mut self, step: Step) {
        match step {
            Step::Submit { node } => {
                self.put(node, |state, dot, value, _| state.submit(dot, value))
            }
            Step::Resolve { node } => {
                self.put(node, |state, dot, value, _| state.resolve(dot, value))
            }
            Step::Write { node } => {
                self.put(node, |state, dot, value, read| state.write(dot, value, read))
            }
            Step::Read { node } => self.read = self.replicas[usize::from(node)].context().clone(),
            Step::Join { from, into } => {
                let sent = self.replicas[usize::from(from)].clone();
                self.replicas[usize::from(into)].join(&sent);
            }
            Step::Restart { node } => roll(&mut self.sources[usize::from(node)]),
            Step::Wipe { node } => {
                self.replicas[usize::from(node)] = Siblings::new();
                roll(&mut self.sources[usize::from(node)]);
            }
        }
    }

    fn put(&mut self, node: u8, write: Put) {
        let node = usize::from(node);
        let dot = next_dot(&mut self.sources[node]);
        let value = self.deltas.len() as u32;
        write(&mut self.replicas[node], dot, value, &self.read)
            .expect("a source issues each dot once");
        self.deltas.push(self.replicas[node].clone());
    }
}

/// One of the ways to write: the state, the new dot, the value, and what the client last read.
type Put =
    fn(&mut State, Dot<Actor<u8>>, u32, &VectorClock<Actor<u8>>) -> Result<usize, SiblingsError>;

fn roll(source: &mut DotSource<u8>) {
    let next = source.actor().incarnation + 1;
    source.roll(next).expect("the incarnation is another");
}

fn next_dot(source: &mut DotSource<u8>) -> Dot<Actor<u8>> {
    if source.remaining() == 0 {
        let lease: Lease<u8> = source.propose_lease(16).expect("a history is short");
        source.accept_lease(lease).expect("it was proposed just now");
    }
    source.next_dot().expect("it has a lease")
}
