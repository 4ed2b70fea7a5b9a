//! Where a node's configuration is read from.

use std::fmt;
use std::path::PathBuf;

use clap::Args;
use engram_bridge::config::{ClusterConfig, ConfigError};

use crate::variables;

/// Where a node's configuration is read from.
#[derive(Args, Clone)]
pub(crate) struct Source {
    /// The configuration, cluster.toml.
    #[arg(long = "config", value_name = "FILE")]
    pub(crate) path: PathBuf,
    /// The section of the file that contains the configuration, such as consolidation_gossip in
    /// Engram's file. By default, the whole file is the configuration.
    #[arg(long, value_name = "NAME")]
    pub(crate) section: Option<String>,
}

impl Source {
    /// Reads the configuration, with the values of the environment variables.
    pub(crate) fn load(&self) -> Result<ClusterConfig, ConfigError> {
        match &self.section {
            None => ClusterConfig::load_with(&self.path, variables()),
            Some(section) => ClusterConfig::load_section_with(&self.path, section, variables()),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.section {
            None => write!(f, "{}", self.path.display()),
            Some(section) => write!(f, "[{section}] of {}", self.path.display()),
        }
    }
}
