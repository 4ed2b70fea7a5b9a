//! Checks a configuration.

use std::time::SystemTime;

use clap::Args;
use engram_bridge::telemetry::EXPIRY_NOTICE;
use engram_gossip_proto::SpaceId;

use crate::Failure;
use crate::certs::until;
use crate::source::Source;
use crate::words::counted;

/// Checks a configuration and the files that it names, as `run` does, without starting a node.
#[derive(Args)]
pub(crate) struct Check {
    #[command(flatten)]
    source: Source,
    /// Prints the effective configuration, including defaults and variables, without checking the
    /// files that it names.
    #[arg(long)]
    print_config: bool,
}

impl Check {
    pub(crate) fn run(self) -> Result<(), Failure> {
        let config = self.source.load()?;
        if self.print_config {
            out!("{config}");
            return Ok(());
        }
        let now = SystemTime::now();
        let identity = config.check(now)?;
        let learnt = config
            .node
            .learn_spaces
            .then_some("every space that the store, a snapshot file or a peer names");
        let spaces: Vec<_> = config.node.spaces.iter().map(SpaceId::as_str).chain(learnt).collect();
        outln!("{} can be used", self.source);
        outln!("{} has the node id {}", config.node.name, identity.node_id());
        let peers = counted(config.peers.len() as u64, "peer", "peers");
        outln!("it has {peers} and hosts {}", spaces.join(" and "));
        outln!("its certificate is valid {}", until(identity.validity(), now));
        if identity.validity().left(now).is_some_and(|left| left <= EXPIRY_NOTICE) {
            let certificate = config.tls.certificate.display();
            outln!(
                "warning: the certificate expires soon; renew it with `engram-node certs rotate {certificate} --ca DIR`, \
                 where DIR is the folder of ca.key"
            );
        }
        if config.key_is_exposed() {
            let key = config.tls.key.display();
            outln!("warning: other users may read {key}; `chmod 600` it, or replace the key");
        }
        match &config.store.path {
            None => {
                outln!("warning: store.path is not set, so the state is lost when the process ends")
            }
            Some(folder) if config.store_is_exposed() => outln!(
                "warning: other users may read, lock or replace the store in {}; `chmod 700` it",
                folder.display()
            ),
            Some(_) => {}
        }
        Ok(())
    }
}
