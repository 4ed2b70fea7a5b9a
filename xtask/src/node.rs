//! Runs one node from its configuration.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use crate::Verdict;
use crate::product;

/// Run one node from its configuration, until Ctrl-C
#[derive(Args)]
pub(crate) struct Node {
    /// The node's cluster.toml
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// More options for `engram-node run`, such as --snapshots FILE; `-- --help` lists them
    #[arg(last = true)]
    options: Vec<String>,
}

impl Node {
    pub(crate) fn run(self) -> Result<Verdict> {
        let config = self.config.to_string_lossy().into_owned();
        let mut arguments = vec!["run".to_owned(), "--config".to_owned(), config];
        arguments.extend(self.options);
        product::hand_over(product::node()?, &arguments)
    }
}
