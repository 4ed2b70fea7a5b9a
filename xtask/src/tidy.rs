//! House rules that no compiler checks.

mod alerts;
mod declared;
mod dependencies;
mod doc_commands;
mod documents;
mod metrics;
mod modules;
mod names;
mod package_files;
mod sources;

use std::fmt;

use anyhow::Result;
use clap::Args;
use serde_json::json;

use crate::Verdict;
use crate::workspace::members;
use sources::Source;

/// Check the house rules that no compiler checks
///
/// Crates and modules have only permitted dependencies; every source file is compiled; packages have licences, READMEs
/// and changelogs; no clock, thread, network or unordered map is used below gossip-net; every limit is named in a test;
/// no name contains a retired word, and no test name is too long; links, commands, code and metric names in documents
/// exist; every alert has a runbook and tests.
#[derive(Args)]
pub(crate) struct Tidy {
    /// Also run the commands that the documents show, as a reader would type them; takes minutes
    #[arg(long)]
    run_commands: bool,
    /// Print the violations as one JSON array on standard output
    #[arg(long)]
    json: bool,
}

/// A violation of a house rule: where it is, and what is wrong, often with what to do about it.
#[derive(PartialEq, Eq, Debug)]
pub(crate) struct Violation {
    place: String,
    says: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.says)
    }
}

impl Tidy {
    pub(crate) fn run(self) -> Result<Verdict> {
        let members = members()?;
        let mut violations = Vec::new();
        let mut all = Vec::new();
        for member in &members {
            violations.extend(dependencies::check(member));
            let sources = Source::read_all(member, &["src", "tests"])?;
            violations.extend(modules::check_circles(&member.name, &sources));
            violations.extend(names::check_retired(&sources));
            violations.extend(names::check_tests(&sources));
            if member.is_library {
                violations.extend(package_files::check(member));
                violations.extend(sources::check_purity(&member.name, &sources));
                violations.extend(sources::check_limits(&sources));
            }
            if member.name == "engram-bridge" {
                violations.extend(modules::check_rooms(&sources));
                violations.extend(modules::check_root(&sources));
            }
            let programs = Source::read_all(member, &["examples", "benches"])?;
            violations.extend(declared::check(&sources));
            violations.extend(declared::check(&programs));
            all.extend(sources);
            all.extend(programs);
        }
        let names = all.iter().flat_map(Source::names).map(str::to_owned).collect();
        let files: Vec<_> = all.iter().map(|source| source.place.clone()).collect();
        let documents = documents::read_all()?;
        violations.extend(documents::check_links(&documents));
        violations.extend(documents::check_commands(&documents));
        violations.extend(documents::check_code(&documents, &names, &files));
        violations.extend(metrics::check(&documents)?);
        violations.extend(alerts::check(&documents)?);
        if self.run_commands && violations.is_empty() {
            violations.extend(doc_commands::run(&documents)?);
        }
        for violation in &violations {
            eprintln!("{violation}");
        }
        if self.json {
            let list: Vec<_> =
                violations.iter().map(|v| json!({"place": v.place, "says": v.says})).collect();
            println!("{}", json!(list));
        }
        Ok(if violations.is_empty() { Verdict::Passed } else { Verdict::Failed })
    }
}
