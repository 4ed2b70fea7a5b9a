//! Runs a node until a command or a signal ends it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use engram_bridge::{ClusterConfig, ENGRAM_DIMENSION, Node, Telemetry, http};

use crate::Failure;
use crate::control;
use crate::event::{Event, Reader};
use crate::host::Host;
use crate::replay;
use crate::report::Report;

/// Runs a node: gossips, and replays its consolidation snapshots from a file.
#[derive(Args)]
pub(crate) struct Run {
    /// The configuration, cluster.toml.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Consolidation snapshots, as JSON lines. Without them the node starts empty.
    #[arg(long, value_name = "FILE")]
    snapshots: Option<PathBuf>,
    /// The pause between two snapshots, in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 300)]
    replay_every: u64,
    /// Reports events as JSON, one object a line, on the standard output.
    #[arg(long)]
    events: bool,
    /// Takes commands on the standard input, one a line: `export PATH`, `backup PATH`,
    /// `withdraw SPACE ID`, `forget SPACE ID`, `resolve SPACE VERSION ID`,
    /// `withdraw-node SPACE NODE_ID`, `drop-implausible`, `groups`, `reload`, `state`, `quit`.
    /// The end of the input ends the node.
    #[arg(long)]
    control: bool,
}

impl Run {
    pub(crate) fn run(self) -> Result<(), Failure> {
        let config = ClusterConfig::load_with(&self.config, std::env::vars())?;
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(self.serve(config))
    }

    async fn serve(self, config: ClusterConfig) -> Result<(), Failure> {
        let reader = if self.events { Reader::Program } else { Reader::Person };
        let report = Report::new(reader);
        let replay = match &self.snapshots {
            Some(path) => replay::open(path, ENGRAM_DIMENSION, &report)?.map(|file| (path, file)),
            None => None,
        };
        let node = Node::start(&config)?;
        report.say(Event::opened(&config.node.name, node.store.recovery(), &node.store.unhosted()));
        let http = Self::answer_http(&config, &node).await?;
        report.say(Event::Listening {
            node: config.node.name.clone(),
            node_id: node.gossip.node_id().to_string(),
            address: node.gossip.local_addr(),
            page: http.as_ref().map(|http| format!("http://{}/", http.local_addr())),
        });
        let path = self.config.clone();
        let host = Host { path, config, node, report };
        match replay {
            Some((path, file)) => {
                let pause = Duration::from_millis(self.replay_every);
                host.replay(file, path.display().to_string(), pause);
            }
            None => host.report.finish_replay(),
        }
        let commands = self.control.then(control::listen);
        host.serve(commands).await;
        drop(http);
        host.node.gossip.shutdown().await;
        Ok(host.node.store.close()?)
    }

    /// Health, metrics and the status page, if the configuration has an `[http]`.
    async fn answer_http(
        config: &ClusterConfig,
        node: &Node,
    ) -> Result<Option<http::Server>, Failure> {
        let Some(http) = config.http else { return Ok(None) };
        let (store, gossip) = (Arc::clone(&node.store), node.gossip.clone());
        let telemetry = Telemetry::new(config.node.name.clone(), store, gossip);
        Ok(Some(http::Server::start(http.listen, &telemetry).await?))
    }
}
