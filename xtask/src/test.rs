//! Everything CI runs.

use anyhow::Result;
use clap::Args;

use crate::Verdict;

/// Run everything that CI runs
#[derive(Args)]
pub(crate) struct Test {}

impl Test {
    pub(crate) fn run(self) -> Result<Verdict> {
        Ok(Verdict::Passed)
    }
}
