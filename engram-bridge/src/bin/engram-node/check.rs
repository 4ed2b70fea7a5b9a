//! Checks a configuration.

use std::path::PathBuf;
use std::time::SystemTime;

use clap::Args;
use engram_bridge::config::ClusterConfig;
use engram_bridge::telemetry::EXPIRY_NOTICE;
use engram_gossip_proto::SpaceId;

use crate::certs::until;
use crate::{Failure, variables};

/// Checks a configuration and the files it names as `run` does, and starts nothing.
#[derive(Args)]
pub(crate) struct Check {
    /// The configuration, cluster.toml.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Prints the effective configuration, defaults and variables included, and checks no
    /// certificate.
    #[arg(long)]
    print_config: bool,
}

impl Check {
    pub(crate) fn run(self) -> Result<(), Failure> {
        let config = ClusterConfig::load_with(&self.config, variables())?;
        if self.print_config {
            print!("{config}");
            return Ok(());
        }
        let now = SystemTime::now();
        let identity = config.check(now)?;
        let spaces: Vec<_> = config.node.spaces.iter().map(SpaceId::as_str).collect();
        println!("{} is fine", self.config.display());
        println!("{} has the node id {}", config.node.name, identity.node_id());
        println!("it hosts {} and knows {} peers", spaces.join(", "), config.peers.len());
        println!("its certificate is valid {}", until(identity.validity(), now));
        if identity.validity().left(now).is_some_and(|left| left <= EXPIRY_NOTICE) {
            println!("warning: the certificate expires soon; `engram-node certs rotate` renews it");
        }
        if config.key_is_exposed() {
            let key = config.tls.key.display();
            println!("warning: other users may read {key}; `chmod 600` it, or replace the key");
        }
        if config.store.path.is_none() {
            println!("warning: store.path is not set, so the state ends with the process");
        }
        Ok(())
    }
}
