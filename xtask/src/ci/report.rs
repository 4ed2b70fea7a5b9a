//! Reports of finished steps.

use std::time::Duration;

use serde_json::{Value, json};

use crate::tool::Tool;

#[derive(PartialEq, Eq, Debug)]
pub(super) enum Ending {
    Passed,
    /// The failed command, in shell syntax.
    Failed(String),
    /// The missing tool.
    Skipped(Tool),
}

pub(super) struct Report {
    pub(super) step: &'static str,
    pub(super) took: Duration,
    pub(super) ending: Ending,
    /// The lines in which its commands reported skipped parts.
    pub(super) skipped: Vec<String>,
}

impl Report {
    pub(super) fn failed(&self) -> bool {
        matches!(self.ending, Ending::Failed(_))
    }

    pub(super) fn json(&self) -> Value {
        let (ending, reason) = match &self.ending {
            Ending::Passed => ("passed", Value::Null),
            Ending::Failed(command) => ("failed", json!(command)),
            Ending::Skipped(tool) => ("skipped", json!(format!("{} is not installed", tool.name))),
        };
        json!({
            "step": self.step,
            "seconds": self.took.as_secs(),
            "ending": ending,
            "reason": reason,
            "skipped": self.skipped,
        })
    }
}

pub(super) fn summarise(reports: &[Report]) {
    eprintln!();
    for Report { step, took, ending, skipped } in reports {
        let (verdict, reason) = match ending {
            Ending::Passed => ("passed", String::new()),
            Ending::Failed(_) => ("FAILED", String::new()),
            Ending::Skipped(tool) => ("skipped", format!(": install {} to run it", tool.name)),
        };
        eprintln!("{verdict:<7}  {:>5} s  {step}{reason}", took.as_secs());
        skipped.iter().for_each(|line| eprintln!("{:20}{line}", ""));
    }
    for report in reports {
        if let Ending::Failed(command) = &report.ending {
            eprintln!("\nthis command failed; run it alone for details:\n$ {command}");
        }
    }
}
