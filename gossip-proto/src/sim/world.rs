//! The world: nodes, a network between them, and a virtual clock.

use core::fmt;
use core::time::Duration;
use std::boxed::Box;
use std::collections::BTreeMap;
use std::string::String;
use std::vec::Vec;

use super::agreement::Agreement;
use super::contact::Contact;
use super::event::Event;
use super::node::{Node, SessionView};
use super::queue::Queue;
use super::{Host, Link, Network, Random, Startup, Tally, Transport, WorldConfig};
use crate::schedule::Scheduler;

/// Nodes that run the real scheduler and the real sync machine over a simulated network in virtual
/// time.
///
/// Two worlds with equal configurations, equal hosts and equal calls have identical traces.
pub struct World<H: Host> {
    pub(super) config: WorldConfig,
    pub(super) nodes: Vec<Node<H>>,
    pub(super) contacts: BTreeMap<u64, Contact<SessionView<H>>>,
    pub(super) queue: Queue<Event>,
    pub(super) network: Network,
    pub(super) random: Random,
    pub(super) now: Duration,
    pub(super) tally: Tally,
    /// Number of dials begun.
    pub(super) dials: u64,
    agreement: Agreement,
    records: u64,
    trace: Option<String>,
    pub(super) tamper: Option<Tamper>,
}

/// Replaces a frame before it travels. Arguments: the number of the session, the sending end, the
/// frame.
pub type Tamper = Box<dyn FnMut(u64, Side, Vec<u8>) -> Vec<u8>>;

/// One end of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// The opener.
    Opener,
    /// The acceptor.
    Acceptor,
}

impl<H: Host> World<H> {
    /// Starts one node for each host, with all other nodes as members.
    pub fn new(config: WorldConfig, hosts: Vec<H>) -> Self {
        let mut random = Random::new(config.seed);
        let mut world = Self {
            network: Network::new(config.link, random.fork()),
            nodes: Vec::with_capacity(hosts.len()),
            contacts: BTreeMap::new(),
            queue: Queue::new(),
            random,
            now: Duration::ZERO,
            tally: Tally::default(),
            dials: 0,
            agreement: Agreement::default(),
            records: 0,
            trace: None,
            tamper: None,
            config,
        };
        for (node, host) in hosts.into_iter().enumerate() {
            let scheduler = world.scheduler(node, Duration::ZERO);
            world.nodes.push(Node::new(host, scheduler));
        }
        let count = world.nodes.len();
        (0..count).for_each(|node| world.rise(node));
        if world.config.startup == Startup::Connected {
            (0..count).for_each(|node| world.connect(node));
        }
        world
    }

    fn scheduler(&mut self, node: usize, now: Duration) -> Scheduler<usize> {
        let (config, seed) = (self.config.schedule.clone(), self.random.bits());
        Scheduler::new(node, config, seed, now)
            .expect("a simulated schedule has a valid configuration")
    }

    /// Connects a node to all others, without a handshake.
    fn connect(&mut self, node: usize) {
        let peers: Vec<usize> = (0..self.nodes.len()).filter(|peer| *peer != node).collect();
        for peer in &peers {
            let run = self.nodes[*peer].run;
            self.nodes[node].links.insert(*peer, run);
        }
        let now = self.nodes[node].read_clock(self.now);
        let scheduler = self.nodes[node].scheduler.clone();
        let mut scheduler = scheduler.borrow_mut();
        peers.iter().for_each(|peer| scheduler.handle_connected(*peer, now));
        // The first adverts are dropped: connected nodes usually begin with equal states.
        while scheduler.poll_action().is_some() {}
    }

    /// Keeps a trace from now on.
    pub fn record_trace(&mut self) {
        self.trace.get_or_insert_default();
    }

    /// The events since [`record_trace`](Self::record_trace), one per line.
    pub fn trace(&self) -> &str {
        self.trace.as_deref().unwrap_or_default()
    }

    /// Adds a line to the trace, if one is kept.
    pub fn note(&mut self, line: fmt::Arguments<'_>) {
        if let Some(trace) = &mut self.trace {
            use fmt::Write;
            let (seconds, micros) = (self.now.as_secs(), self.now.subsec_micros());
            writeln!(trace, "{seconds:5}.{micros:06}  {line}")
                .expect("writing to a string succeeds");
        }
    }

    /// The time since the world began.
    pub fn now(&self) -> Duration {
        self.now
    }

    /// Number of nodes, running or not.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there are no nodes.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// The state of a node, running or not.
    pub fn host(&self, node: usize) -> &H {
        &self.nodes[node].host
    }

    /// The mutable state of a node; call [`touch`](Self::touch) after a write.
    pub fn host_mut(&mut self, node: usize) -> &mut H {
        &mut self.nodes[node].host
    }

    /// Whether a node is running.
    pub fn is_up(&self, node: usize) -> bool {
        self.nodes[node].up
    }

    /// The network, for injecting faults.
    pub fn network(&mut self) -> &mut Network {
        &mut self.network
    }

    /// The costs so far.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Sets how far a node's clock is ahead of the world's. A running clock does not jump, so call
    /// this while the node is down.
    pub fn set_skew(&mut self, node: usize, skew: Duration) {
        self.nodes[node].skew = skew;
    }

    /// Sets the behaviour of every link from now on, and the transport of later sessions.
    pub fn set_conditions(&mut self, link: Link, transport: Transport) {
        self.network.set_link(link);
        self.config.transport = transport;
    }

    /// The agreement of `node` with `peer`; `None` if `node` does not have `peer` as a member.
    pub fn agreement_of(&self, node: usize, peer: usize) -> Option<crate::schedule::Agreement> {
        self.nodes[node].scheduler.borrow().agreement(peer)
    }

    /// Whether each of two nodes has a connection to the current run of the other.
    pub fn are_connected(&self, a: usize, b: usize) -> bool {
        let knows = |node: usize, peer: usize| {
            let (us, there) = (&self.nodes[node], &self.nodes[peer]);
            us.up && there.up && us.links.get(&peer) == Some(&there.run)
        };
        knows(a, b) && knows(b, a)
    }

    /// Makes `node` open a session with `peer`, independently of its timer.
    pub fn request(&mut self, node: usize, peer: usize) {
        self.tell(node, |scheduler, now| _ = scheduler.request(peer, now));
    }

    /// Changes every frame with `tamper` from now on, as a faulty implementation would.
    pub fn set_tamper(&mut self, tamper: Tamper) {
        self.tamper = Some(tamper);
    }

    /// Resets the peaks of the [`Tally`].
    pub fn reset_peaks(&mut self) {
        self.tally.most_at_once = self.contacts.len();
        self.tally.most_at_one_node = 0;
    }

    /// Whether all running nodes hold the same state.
    pub fn agrees(&self) -> bool {
        self.agreement.is_complete()
    }

    /// Number of running nodes that hold the most common root, in the space where this number is
    /// lowest.
    pub fn agreeing(&self) -> usize {
        self.agreement.largest()
    }

    /// Total number of records on all running nodes.
    pub fn records(&self) -> u64 {
        self.records
    }

    /// Runs until `until`.
    pub fn run_until(&mut self, until: Duration) {
        while self.queue.next_at().is_some_and(|at| at <= until) {
            self.step();
        }
        self.now = self.now.max(until);
    }

    /// Runs until all running nodes hold the same state, and returns the time; `None` if they still
    /// differ at `deadline`.
    pub fn run_until_agreed(&mut self, deadline: Duration) -> Option<Duration> {
        while !self.agrees() {
            match self.queue.next_at() {
                Some(at) if at <= deadline => self.step(),
                _ => {
                    self.now = self.now.max(deadline);
                    return None;
                }
            }
        }
        Some(self.now)
    }

    fn step(&mut self) {
        if let Some((at, event)) = self.queue.pop() {
            self.now = at;
            self.on_event(event);
        }
    }

    /// Stops a node as if its machine lost power: its peers receive nothing more.
    pub fn crash(&mut self, node: usize) {
        if !self.nodes[node].up {
            return;
        }
        self.note(format_args!("n{node} crashes"));
        self.forget_roots(node);
        let run = self.nodes[node].run;
        self.nodes[node].fall();
        self.cut_contacts_of(node);
        self.plan_absence(node, run);
    }

    /// Restarts a node with `host`, the state that survived the crash. Crashes the node first if it
    /// is running.
    pub fn restart(&mut self, node: usize, host: H) {
        if self.nodes[node].up {
            self.crash(node);
        }
        self.note(format_args!("n{node} restarts"));
        let now = self.nodes[node].read_clock(self.now);
        let scheduler = self.scheduler(node, now);
        let restarted = &mut self.nodes[node];
        *restarted.scheduler.borrow_mut() = scheduler;
        restarted.spaces = host.spaces();
        restarted.host = host;
        restarted.up = true;
        self.rise(node);
    }

    /// Begins a run of a node.
    fn rise(&mut self, node: usize) {
        self.count_roots(node);
        self.tell_roots(node);
        let members = (0..self.nodes.len()).filter(|peer| *peer != node).collect();
        self.introduce(node, members);
    }

    /// Checks the state of a node after a write; counts and advertises changed roots.
    pub fn touch(&mut self, node: usize) {
        if self.nodes[node].up {
            self.recount(node);
            self.tell_roots(node);
        }
    }

    /// Counts the roots of a node again, if they changed.
    pub(super) fn recount(&mut self, node: usize) {
        let Node { host, spaces, roots, .. } = &self.nodes[node];
        let stands =
            spaces.iter().zip(roots).all(|(space, root)| host.summary(space).root == *root);
        if !stands {
            self.forget_roots(node);
            self.count_roots(node);
        }
    }

    fn count_roots(&mut self, node: usize) {
        let Node { host, spaces, roots, records, .. } = &mut self.nodes[node];
        *records = 0;
        for space in &*spaces {
            let summary = host.summary(space);
            roots.push(summary.root);
            *records += summary.count;
            self.agreement.add(space, summary.root);
        }
        self.records += *records;
    }

    fn forget_roots(&mut self, node: usize) {
        let Node { spaces, roots, records, .. } = &mut self.nodes[node];
        for (space, root) in spaces.iter().zip(roots.drain(..)) {
            self.agreement.remove(space, root);
        }
        self.records -= *records;
    }
}
