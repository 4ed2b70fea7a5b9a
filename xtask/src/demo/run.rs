//! One run of a cluster, from the first process to the last check.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde_json::json;

use super::cluster::Cluster;
use super::data::Feed;
use super::event::Event;
use super::node::{Node, Nodes};
use super::outcome::Outcome;
use super::progress::Progress;
use super::verify::{Export, verify};

/// A replay takes about this long, however many snapshots there are: long enough to watch.
const REPLAY: Duration = Duration::from_secs(3);

/// How often lost ports are replaced before something else must be wrong.
const ATTEMPTS: usize = 5;

/// How long the nodes may take to write what they show.
const EXPORT: Duration = Duration::from_secs(60);

/// How long the first node may take to compare its patterns across ids.
const COMPARISON: Duration = Duration::from_secs(120);

/// How long to wait for news before looking at the clock and at Ctrl-C.
const TICK: Duration = Duration::from_millis(100);

pub(crate) struct Run<'a> {
    pub(crate) cluster: Cluster<'a>,
    pub(crate) folder: &'a Path,
    pub(crate) feeds: &'a [Feed],
    pub(crate) union: usize,
    /// Seconds between the timed rounds.
    pub(crate) interval: u64,
    pub(crate) timeout: Duration,
    pub(crate) interrupted: &'a AtomicBool,
}

/// How waiting for the nodes ended.
#[derive(PartialEq)]
enum Wait {
    Done,
    TimedOut,
    /// Somebody else took the port between its choice and the node's start.
    PortTaken,
}

/// Nodes that have converged. They end with this value.
pub(crate) struct Running {
    _nodes: Nodes,
    events: Receiver<(usize, Event)>,
}

impl Running {
    /// Lets the nodes run until somebody interrupts, or one of them ends.
    pub(crate) fn hold(&self, interrupted: &AtomicBool) {
        eprintln!("The nodes run on; look at their pages. Ctrl-C ends them.");
        while !interrupted.load(Ordering::Relaxed) {
            match self.events.recv_timeout(TICK) {
                Ok((_, Event::Ended)) | Err(RecvTimeoutError::Disconnected) => return,
                _ => {}
            }
        }
    }
}

impl Run<'_> {
    /// Runs the cluster until it has converged or its time is over, and checks the outcome. The nodes run on until what
    /// comes with it is dropped.
    pub(crate) fn converge(mut self) -> Result<(Outcome, Running)> {
        let spaces: BTreeSet<_> =
            self.feeds.iter().flat_map(|feed| &feed.spaces).cloned().collect();
        let spaces: Vec<_> = spaces.into_iter().collect();
        for _ in 0..ATTEMPTS {
            self.cluster.configure(&spaces, self.interval)?;
            self.introduce();
            let (mut nodes, events) = self.start()?;
            let mut progress = self.progress();
            let deadline = Instant::now() + self.timeout;
            let wait =
                self.listen(&nodes, &events, deadline, &mut progress, Progress::converged)?;
            progress.say_last();
            if wait != Wait::PortTaken {
                let outcome = self.check(&mut nodes, &events, progress, wait)?;
                return Ok((outcome, Running { _nodes: nodes, events }));
            }
            eprintln!("a port was taken by somebody else; choosing others");
        }
        bail!("no port of 127.0.0.1 stayed free in {ATTEMPTS} attempts; try again later")
    }

    fn start(&self) -> Result<(Nodes, Receiver<(usize, Event)>)> {
        let (sender, events) = mpsc::channel();
        let snapshots = self.feeds.iter().map(|feed| feed.snapshots).max().unwrap_or(1).max(1);
        let pause = REPLAY / snapshots as u32;
        let fed = self.feeds.iter().map(|feed| feed.snapshots).sum::<usize>();
        eprintln!(
            "  feeding {fed} snapshots of consolidation, one to each node every {:.1} s",
            pause.as_secs_f64()
        );
        let mut nodes = Nodes(Vec::new());
        for (number, member) in self.cluster.members.iter().enumerate() {
            let command = self.cluster.command(member, pause);
            let log = self.folder.join(format!("{}.log", member.name));
            nodes.0.push(Node::start(&member.name, number, command, log, sender.clone())?);
        }
        Ok((nodes, events))
    }

    /// Follows the nodes until `done`. A node that ends meanwhile is an error, told in its own words.
    fn listen(
        &self,
        nodes: &Nodes,
        events: &Receiver<(usize, Event)>,
        deadline: Instant,
        progress: &mut Progress,
        done: impl Fn(&Progress) -> bool,
    ) -> Result<Wait> {
        while !done(progress) {
            if self.interrupted.load(Ordering::Relaxed) {
                bail!("interrupted; all nodes are ended");
            }
            if Instant::now() >= deadline {
                return Ok(Wait::TimedOut);
            }
            match events.recv_timeout(TICK) {
                Ok((node, Event::Ended)) => {
                    let last_words = nodes.0[node].last_words();
                    if last_words.contains("in use") {
                        return Ok(Wait::PortTaken);
                    }
                    bail!("{} ended unexpectedly:\n{last_words}", self.cluster.members[node].name);
                }
                Ok((node, Event::Failed { reason })) => {
                    bail!("{}: {reason}", self.cluster.members[node].name);
                }
                Ok((node, Event::Listening { page: Some(page) })) => {
                    eprintln!("  look at {} on {page}", self.cluster.members[node].name);
                }
                Ok((node, event)) => progress.take(node, event),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => bail!("all nodes ended"),
            }
            progress.say();
        }
        Ok(Wait::Done)
    }

    /// Has every node write what it shows, and compares that with what was fed in; also after a time-out, so that it is
    /// known how much is missing.
    fn check(
        &self,
        nodes: &mut Nodes,
        events: &Receiver<(usize, Event)>,
        mut progress: Progress,
        wait: Wait,
    ) -> Result<Outcome> {
        let seconds = progress.seconds();
        let mut exports = Vec::new();
        for (node, member) in nodes.0.iter_mut().zip(&self.cluster.members) {
            let file = self.folder.join(format!("{}.export.jsonl", member.name));
            node.tell(&json!({ "command": "export", "path": file }).to_string())?;
            exports.push(Export { node: member.name.clone(), file });
        }
        let deadline = Instant::now() + EXPORT;
        if self.listen(nodes, events, deadline, &mut progress, Progress::exported)? != Wait::Done {
            bail!("the nodes did not export their patterns within {} s", EXPORT.as_secs());
        }
        self.compare(nodes, events, &mut progress)?;
        let mut findings = verify(self.feeds, &exports)?;
        findings.problems.extend(self.disputed(&progress));
        if wait == Wait::TimedOut {
            findings.problems.insert(0, format!("no common root within {seconds:.0} s"));
            findings.problems.push(
                "look at the nodes' logs (--keep DIR), or wait longer (--timeout)".to_owned(),
            );
        }
        Ok(Outcome::new(self.names(), progress, seconds, findings))
    }

    /// Asks the first node for its conflicts across ids until it has compared all patterns.
    fn compare(
        &self,
        nodes: &mut Nodes,
        events: &Receiver<(usize, Event)>,
        progress: &mut Progress,
    ) -> Result<()> {
        let answered = Progress::compared;
        let deadline = Instant::now() + COMPARISON;
        loop {
            progress.forget_groups();
            nodes.0[0].tell(&json!({ "command": "groups" }).to_string())?;
            let wait = self.listen(nodes, events, deadline, progress, answered)?;
            if wait != Wait::Done || progress.groups().iter().all(|groups| groups.pending == 0) {
                return Ok(());
            }
            thread::sleep(TICK);
        }
    }

    /// Nodes that took more or less of their files than they should have.
    fn disputed(&self, progress: &Progress) -> Vec<String> {
        let counts = self.feeds.iter().zip(progress.states());
        counts
            .filter(|(feed, state)| state.rejected != feed.rejected.len() as u64)
            .map(|(feed, state)| {
                let (node, wrong) = (&feed.node, feed.rejected.len());
                format!("{node} rejected {} of its file, but {wrong} are wrong", state.rejected)
            })
            .collect()
    }

    fn progress(&self) -> Progress {
        let members = &self.cluster.members;
        let node_ids = members.iter().map(|member| member.node_id.clone()).collect();
        Progress::new(self.names(), node_ids, self.union)
    }

    fn names(&self) -> Vec<String> {
        self.cluster.members.iter().map(|member| member.name.clone()).collect()
    }

    fn introduce(&self) {
        eprintln!();
        for (number, member) in self.cluster.members.iter().enumerate() {
            let fed = match self.feeds.get(number) {
                Some(feed) => {
                    format!("{} snapshots, {} patterns", feed.snapshots, feed.patterns.len())
                }
                None => "starts empty".to_owned(),
            };
            eprintln!(
                "  {:<8}  {:<15}  id {:.12}  {fed}",
                member.name, member.address, member.node_id
            );
        }
        eprintln!();
    }
}

#[cfg(all(test, unix))]
mod tests;
