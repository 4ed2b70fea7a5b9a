//! House rules that no compiler knows.

mod arrows;
mod documents;
mod papers;
mod shown;
mod sources;

use std::fmt;

use anyhow::Result;
use clap::Args;
use serde_json::json;

use crate::Verdict;
use crate::workspace::members;
use sources::Source;

/// Check the house rules that no compiler knows
///
/// Which crate may depend on which; licences, crate pages and changelogs; no clock, thread, network or unordered map below
/// gossip-net; every limit named in a test; links and commands in documents that are right.
#[derive(Args)]
pub(crate) struct Tidy {
    /// Also run the commands that the documents show, as a reader would type them; takes minutes
    #[arg(long)]
    run_commands: bool,
    /// Print the violations as one JSON array on standard output
    #[arg(long)]
    json: bool,
}

/// A rule that was broken, where, and what to do.
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
        for member in &members {
            violations.extend(arrows::check(member));
            if member.is_library {
                violations.extend(papers::check(member));
                let sources = Source::read_all(member)?;
                violations.extend(sources::check_purity(&member.name, &sources));
                violations.extend(sources::check_limits(&sources));
            }
        }
        let documents = documents::read_all()?;
        violations.extend(documents::check_links(&documents));
        violations.extend(documents::check_commands(&documents));
        if self.run_commands && violations.is_empty() {
            violations.extend(shown::run(&documents)?);
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
