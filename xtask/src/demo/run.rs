//! A run of a cluster, from the first process to the last check.

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

/// The approximate duration of a replay, independent of the number of snapshots: long enough to watch.
const REPLAY: Duration = Duration::from_secs(3);

/// The number of attempts to find free ports.
const ATTEMPTS: usize = 5;

/// The time limit for the nodes to export their visible patterns.
const EXPORT: Duration = Duration::from_secs(60);

/// The time limit for the first node to compare its patterns across ids.
const COMPARISON: Duration = Duration::from_secs(120);

/// The time to wait for events before checking the clock and Ctrl-C.
const TICK: Duration = Duration::from_millis(100);

pub(crate) struct Run<'a> {
    pub(crate) cluster: Cluster<'a>,
    pub(crate) folder: &'a Path,
    pub(crate) feeds: &'a [Feed],
    pub(crate) union: usize,
    /// Seconds between timed rounds.
    pub(crate) interval: u64,
    pub(crate) timeout: Duration,
    pub(crate) interrupted: &'a AtomicBool,
}

/// The outcome of waiting for the nodes.
#[derive(PartialEq)]
enum Wait {
    Done,
    TimedOut,
    /// Another process took the port before the node started.
    PortTaken,
}

/// The nodes of a checked run, still running. Dropping this value ends them.
pub(crate) struct Running {
    _nodes: Nodes,
    events: Receiver<(usize, Event)>,
}

impl Running {
    /// Keeps the nodes running until an interrupt, or until one of them ends.
    pub(crate) fn hold(&self, interrupted: &AtomicBool) {
        eprintln!("The nodes keep running; see their status pages. Ctrl-C ends them.");
        while !interrupted.load(Ordering::Relaxed) {
            match self.events.recv_timeout(TICK) {
                Ok((_, Event::Ended)) | Err(RecvTimeoutError::Disconnected) => return,
                _ => {}
            }
        }
    }
}

impl Run<'_> {
    /// Runs the cluster until it has converged or timed out, and checks the outcome. The nodes keep running until the
    /// returned [`Running`] is dropped.
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
            eprintln!("another process took a port; choosing others");
        }
        bail!(
            "other processes took the chosen ports of 127.0.0.1 in {ATTEMPTS} attempts; try again later"
        )
    }

    fn start(&self) -> Result<(Nodes, Receiver<(usize, Event)>)> {
        let (sender, events) = mpsc::channel();
        let snapshots = self.feeds.iter().map(|feed| feed.snapshots).max().unwrap_or(1).max(1);
        let pause = REPLAY / snapshots as u32;
        let fed = self.feeds.iter().map(|feed| feed.snapshots).sum::<usize>();
        eprintln!(
            "  feeding {fed} consolidation snapshots, one to each node every {:.1} s",
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

    /// Follows the nodes until `done`, or until `deadline`. Fails on an interrupt, on a failed command or replay, and
    /// if a node ends; the error then quotes the end of its log. If another process took the node's port, returns
    /// `PortTaken` instead.
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
                bail!("interrupted; all nodes were stopped");
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

    /// Makes every node export its visible patterns, and compares them with the input; also after a time-out, to report
    /// how much is missing.
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

    /// Asks the first node for its conflicts across ids until it has compared all patterns, or until the time limit.
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

    /// Reports each node that rejected more or fewer entries of its file than are wrong.
    fn disputed(&self, progress: &Progress) -> Vec<String> {
        let counts = self.feeds.iter().zip(progress.states());
        counts
            .filter(|(feed, state)| state.rejected != feed.rejected.len() as u64)
            .map(|(feed, state)| {
                let (node, wrong) = (&feed.node, feed.rejected.len());
                format!(
                    "{node} rejected {} entries of its file, but {wrong} are wrong",
                    state.rejected
                )
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
