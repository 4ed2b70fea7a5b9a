//! Runs real nodes on separate hosts under bad network conditions.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::json;

use crate::Verdict;
use crate::command::spelled;
use crate::demo::Demo;
use crate::hosts::{self, Shape, lay};

/// Run the demo on separate hosts under bad network conditions
///
/// Each of three nodes gets a network namespace, with a router between them; the condition applies to their packets.
/// When the nodes have converged, compares their states as in the demo. Needs Linux with unshare, ip and tc, but no
/// privileges. Skips conditions that this machine does not support, and names them. Leaves no process or namespace
/// behind.
#[derive(Args)]
pub(crate) struct Netem {
    /// Run only this condition; may be given several times
    #[arg(long, value_name = "CONDITION")]
    only: Vec<String>,
    /// List the conditions without running them
    #[arg(long)]
    list: bool,
    /// Print the outcome of each condition as one JSON array on standard output
    #[arg(long)]
    json: bool,
    /// Internal: this process runs in its new namespaces
    #[arg(long, hide = true, value_name = "CONDITION")]
    inside: Option<String>,
}

/// One condition.
pub(crate) struct Condition {
    name: &'static str,
    about: &'static str,
    shape: Shape,
}

const CONDITIONS: [Condition; 10] = [
    condition("loss-1", "one packet in a hundred is lost", Shape::Queue("netem loss 1%")),
    condition("loss-5", "one packet in twenty is lost", Shape::Queue("netem loss 5%")),
    condition("loss-20", "one packet in five is lost", Shape::Queue("netem loss 20%")),
    condition(
        "delay",
        "packets take 75 ms, plus or minus 50 ms",
        Shape::Queue("netem delay 75ms 50ms"),
    ),
    condition(
        "reorder",
        "a quarter of the packets are reordered",
        Shape::Queue("netem delay 20ms reorder 25% 50%"),
    ),
    condition(
        "duplicate",
        "a fifth of the packets are duplicated",
        Shape::Queue("netem duplicate 20%"),
    ),
    condition(
        "slow",
        "each host sends at most one megabit per second",
        Shape::Queue("tbf rate 1mbit burst 16kb latency 400ms"),
    ),
    condition("narrow", "no packet is longer than 1,280 bytes", Shape::Mtu(1280)),
    condition("one-way", "packets from the first host to the second are lost", Shape::OneWay),
    condition("fair", "an unimpaired network", Shape::Mtu(1500)),
];

const fn condition(name: &'static str, about: &'static str, shape: Shape) -> Condition {
    Condition { name, about, shape }
}

/// The outcome of a run under one condition.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Ending {
    Passed,
    Failed,
    /// The requirement that this machine does not meet.
    Skipped(String),
}

impl Netem {
    pub(crate) fn run(self) -> Result<Verdict> {
        if let Some(name) = &self.inside {
            lay(&find(name)?.shape)?;
            return Demo::on_hosts().run();
        }
        let chosen = self.choose()?;
        if self.list {
            chosen
                .iter()
                .for_each(|condition| println!("{:<10} {}", condition.name, condition.about));
            return Ok(Verdict::Passed);
        }
        let lacking = lacks_namespaces();
        let mut endings = Vec::new();
        for condition in chosen {
            eprintln!("\n== {}: {} ==", condition.name, condition.about);
            let lacking = lacking.clone().or_else(|| condition.shape.lacks());
            endings.push((condition.name, lacking.map_or_else(|| under(condition), Ok)?));
        }
        eprintln!();
        for (name, ending) in &endings {
            match ending {
                Ending::Passed => eprintln!("passed   {name}"),
                Ending::Failed => eprintln!("FAILED   {name}"),
                Ending::Skipped(why) => eprintln!("skipped  {name}: {why}"),
            }
        }
        if self.json {
            println!("{}", json!(endings.iter().map(|(name, e)| e.json(name)).collect::<Vec<_>>()));
        }
        let failed = endings.iter().any(|(_, ending)| *ending == Ending::Failed);
        Ok(if failed { Verdict::Failed } else { Verdict::Passed })
    }

    fn choose(&self) -> Result<Vec<&'static Condition>> {
        match self.only.is_empty() {
            true => Ok(CONDITIONS.iter().collect()),
            false => self.only.iter().map(|name| find(name)).collect(),
        }
    }
}

fn find(name: &str) -> Result<&'static Condition> {
    match CONDITIONS.iter().find(|condition| condition.name == name) {
        Some(condition) => Ok(condition),
        None => bail!("there is no condition {name}; cargo xtask netem --list names them"),
    }
}

/// Starts this program in new namespaces, where it creates the network and runs the demo.
fn under(condition: &Condition) -> Result<Ending> {
    let us = std::env::current_exe().context("cannot find the path of this program")?;
    let mut command = hosts::apart();
    command.arg(us).args(["netem", "--inside", condition.name]);
    // Standard output is reserved for the result of this task.
    command.stdout(Stdio::from(std::io::stderr()));
    let status = command.status().with_context(|| format!("cannot start {}", spelled(&command)))?;
    Ok(if status.success() { Ending::Passed } else { Ending::Failed })
}

fn lacks_namespaces() -> Option<Ending> {
    let mut probe = hosts::apart();
    probe.args(["ip", "link", "set", "lo", "up"]);
    (!works(&mut probe)).then(|| {
        Ending::Skipped("this machine cannot create network namespaces with ip".to_owned())
    })
}

impl Shape {
    /// Checks whether this machine can shape the network in this way, and returns what is missing, if anything.
    fn lacks(&self) -> Option<Ending> {
        let Self::Queue(queue) = self else { return None };
        let mut probe = hosts::apart();
        probe.args(["tc", "qdisc", "add", "dev", "lo", "root"]).args(queue.split(' '));
        let kind = queue.split(' ').next().unwrap_or_default();
        (!works(&mut probe))
            .then(|| Ending::Skipped(format!("this machine has no tc queue of the kind {kind}")))
    }
}

fn works(command: &mut Command) -> bool {
    let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}

impl Ending {
    fn json(&self, condition: &str) -> serde_json::Value {
        let (ending, reason) = match self {
            Self::Passed => ("passed", None),
            Self::Failed => ("failed", None),
            Self::Skipped(why) => ("skipped", Some(why)),
        };
        json!({"condition": condition, "ending": ending, "reason": reason})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_condition_is_found_by_its_unique_name() {
        for condition in &CONDITIONS {
            assert_eq!(find(condition.name).unwrap().about, condition.about);
        }
        let error = find("hail").err().unwrap().to_string();
        assert!(error.contains("no condition hail;"), "{error}");
    }

    #[test]
    fn skipped_condition_names_its_reason() {
        let skipped = Ending::Skipped("no rain here".to_owned()).json("rain");
        assert_eq!(
            (&skipped["ending"], &skipped["reason"]),
            (&"skipped".into(), &"no rain here".into())
        );
        assert_eq!(Ending::Passed.json("rain")["reason"], serde_json::Value::Null);
    }
}
