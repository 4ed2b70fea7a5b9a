//! The steps of CI and their commands.

use std::num::NonZero;
use std::process::Command;
use std::thread::available_parallelism;

use crate::command::{cargo, root};
use crate::features;
use crate::nostd;
use crate::tool::Tool;
use crate::workspace::Member;

/// A named group of commands.
pub(super) struct Step {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    /// The tool that the step requires. The step is skipped if the tool is missing.
    pub(super) tool: Option<Tool>,
    pub(super) commands: fn(&[Member]) -> Vec<Command>,
}

impl Step {
    const fn new(
        name: &'static str,
        about: &'static str,
        commands: fn(&[Member]) -> Vec<Command>,
    ) -> Self {
        Self { name, about, tool: None, commands }
    }

    const fn with(tool: Tool, step: Self) -> Self {
        Self { tool: Some(tool), ..step }
    }

    /// The required tool, if it is not installed.
    pub(super) fn missing(&self) -> Option<Tool> {
        self.tool.filter(|tool| !tool.is_here())
    }
}

/// The checks of every change. If possible, they select all packages and features: every other selection rebuilds the
/// dependencies.
pub(super) const ORDINARY: [Step; 13] = [
    Step::new("formatting", "cargo fmt changes nothing", |_| {
        vec![cargo(["fmt", "--all", "--check"])]
    }),
    Step::new("tidy", "the house rules that no compiler checks", |_| vec![xtask(["tidy"])]),
    Step::new("lints", "no warnings from the compiler or clippy", |_| vec![lints()]),
    Step::new("tests", "the tests of all crates", |_| vec![tests()]),
    Step::new("doctests", "the examples in the documentation", |_| vec![doctests()]),
    Step::new("documentation", "rustdoc gives no warning", |_| vec![documentation()]),
    Step::new("bare", "each crate alone, without its features", |members| {
        members.iter().filter(|member| member.is_library).map(features::without).collect()
    }),
    Step::new("nostd", "four crates link without std", |members| {
        members.iter().filter_map(nostd::without_std).collect()
    }),
    Step::new("examples", "every example runs, including the quick simulations", |members| {
        members.iter().flat_map(|member| &member.examples).map(|name| example(name)).collect()
    }),
    Step::new("dashboard", "the generated files are up to date", |_| {
        vec![xtask(["dashboard", "--check"])]
    }),
    Step::with(
        Tool::PROMTOOL,
        Step::new("alerts", "the alert rules load, and fire when they should", |_| alert_rules()),
    ),
    Step::with(
        Tool::SYSTEMD_ANALYZE,
        Step::new("unit", "systemd accepts the unit", |_| vec![xtask(["unit"])]),
    ),
    Step::new("demo", "three real processes converge", |_| vec![xtask(["demo"])]),
];

/// The long checks.
pub(super) const DEEP: [Step; 12] = [
    Step::new("features", "each crate alone, with each of its features", |_| {
        vec![xtask(["features"])]
    }),
    Step::new("slow", "repeated kill -9, a hundred QUIC nodes, the state model, a browser", |_| {
        vec![slow_tests()]
    }),
    Step::new("netem", "the demo on three hosts, under each network condition", |_| {
        vec![xtask(["netem"])]
    }),
    Step::new("commands", "every command in the documents runs", |_| {
        vec![xtask(["tidy", "--run-commands"])]
    }),
    Step::new("simulation", "simulated clusters of up to 1,000 nodes", |_| {
        vec![xtask(["sim", "--all"])]
    }),
    Step::new("histories", "100,000 histories of a cluster with faults lose nothing", |_| {
        vec![histories()]
    }),
    Step::new("mutants", "tests detect every deliberate mistake", |_| vec![xtask(["mutants"])]),
    Step::with(
        Tool::BUILDAH,
        Step::new("image", "the container image builds, and a node runs in it", |_| {
            vec![xtask(["image"])]
        }),
    ),
    Step::with(
        Tool::FUZZ,
        Step::new("fuzz", "a minute for each target", |_| vec![xtask(["fuzz"])]),
    ),
    Step::with(
        Tool::DENY,
        Step::new("deny", "licences, bans, advisories", |_| vec![xtask(["deny"])]),
    ),
    Step::with(
        Tool::SEMVER,
        Step::new("semver", "no breaking change without a new version", |_| {
            vec![xtask(["semver"])]
        }),
    ),
    Step::new(
        "release",
        "each package can be published, and passes its tests from its archive",
        |_| vec![xtask(["release", "--allow-dirty", "--archives"])],
    ),
];

fn xtask<const N: usize>(arguments: [&str; N]) -> Command {
    let mut command = cargo(["xtask"]);
    command.args(arguments);
    command
}

fn alert_rules() -> Vec<Command> {
    let promtool = |task: &str, file: &str| {
        let mut command = Command::new("promtool");
        command.args([task, "rules", file]).current_dir(root().join("engram-bridge/dashboard"));
        command
    };
    vec![promtool("check", "alerts.yml"), promtool("test", "alerts.test.yml")]
}

fn lints() -> Command {
    cargo(["clippy", "--workspace", "--all-targets", "--all-features", "--", "-D", "warnings"])
}

/// Prefers nextest, which runs the tests of all crates in parallel.
fn tests() -> Command {
    if Tool::NEXTEST.is_here() {
        let mut command = cargo(["nextest", "run", "--config-file", ".cargo/nextest.toml"]);
        command.args(["--workspace", "--all-features"]);
        // Some tests mostly wait for processes and disks: on two cores, three threads take 191 s, and two 233 s.
        let threads = available_parallelism().map_or(1, NonZero::get) * 3 / 2;
        command.arg(format!("--test-threads={}", threads));
        command
    } else {
        cargo(["test", "--workspace", "--all-features", "--lib", "--bins", "--tests"])
    }
}

/// Runs the ignored tests except [`HISTORIES`]. They take minutes or have special requirements, and run one at a time,
/// because they start many processes themselves.
fn slow_tests() -> Command {
    let mut command = cargo(["test", "--release", "--workspace", "--all-features", "--tests"]);
    command.args(["--", "--ignored", "--test-threads=1", "--show-output"]);
    command.args(["--skip", HISTORIES]);
    command
}

const HISTORIES: &str = "histories::many_random_histories_lose_nothing";

fn histories() -> Command {
    let mut command = cargo(["test", "--release", "--package=engram-bridge", "--test=state"]);
    command.args(["--", "--ignored", "--exact", HISTORIES, "--show-output"]);
    command
}

fn doctests() -> Command {
    cargo(["test", "--workspace", "--all-features", "--doc"])
}

fn documentation() -> Command {
    let mut command = cargo(["doc", "--workspace", "--all-features", "--no-deps"]);
    command.env("RUSTDOCFLAGS", "-D warnings");
    command
}

fn example(name: &str) -> Command {
    cargo(["run", "--quiet", "--all-features", "--example", name])
}
