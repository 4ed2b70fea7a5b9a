// The code that a program adds to Engram to run it in a cluster.

use std::path::Path;
use std::sync::Arc;

use engram_bridge::{ConsolidationCacheSource, ConsolidationObserver, ConsolidationRun, GossipingConsolidationService, InMemoryConsolidationService, Node, SpaceId};
use engram_bridge::config::ClusterConfig;
use engram_core::completion::{CompletionConfig, ConsolidationScheduler, SchedulerConfig};
use engram_core::{MemorySpaceId, MemoryStore, metrics};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;

use crate::adapter::Clustered;

type Error = Box<dyn std::error::Error + Send + Sync>;

/// Starts the node that `cluster.toml` describes.
pub fn start(path: &Path) -> Result<Node, Error> {
    let config = ClusterConfig::load(path)?;
    Ok(Node::start(&config)?)
}

/// Opens the store of a memory space: the body of the store factory.
pub fn open_store(
    node: &Node,
    space: &MemorySpaceId,
    capacity: usize,
) -> Result<Arc<MemoryStore>, Error> {
    let gossiper = node.add_space(&SpaceId::new(space.as_str())?)?;
    let inner = Arc::new(InMemoryConsolidationService::new());
    let service =
        GossipingConsolidationService::new(inner, gossiper).with_observer(Arc::new(EngramMetrics));
    let store = MemoryStore::for_space(space.clone(), capacity)
        .with_consolidation_service(Arc::new(Clustered::new(service)));
    Ok(Arc::new(store))
}

/// Starts the scheduler of a store. It ends when `stop` is sent `true`.
pub fn start_scheduler(
    store: &Arc<MemoryStore>,
    stop: &watch::Sender<bool>,
    config: SchedulerConfig,
) {
    let scheduler = ConsolidationScheduler::new(CompletionConfig::default(), config);
    Arc::new(scheduler).spawn(Arc::clone(store), stop.subscribe());
}

/// Engram's own metrics registry, fed by the cluster.
pub struct EngramMetrics;

impl ConsolidationObserver for EngramMetrics {
    fn on_run(&self, run: &ConsolidationRun) {
        if run.source == ConsolidationCacheSource::Scheduler {
            metrics::increment_counter(metrics::CONSOLIDATION_RUNS_TOTAL, 1);
        }
        let gauges = [
            (metrics::CONSOLIDATION_FRESHNESS_SECONDS, run.age.as_secs_f64()),
            (metrics::CONSOLIDATION_NOVELTY_GAUGE, f64::from(run.max_novelty)),
            (metrics::CONSOLIDATION_NOVELTY_VARIANCE, f64::from(run.novelty_variance)),
            (metrics::CONSOLIDATION_CITATION_CHURN, f64::from(run.citation_churn)),
            (metrics::CONSOLIDATION_CITATIONS_CURRENT, run.citations as f64),
        ];
        for (name, value) in gauges {
            metrics::record_gauge(name, value);
        }
    }
}

/// Logs the events of the state and of the network.
pub fn log_events(node: &Node, log: impl Fn(String) + Send + Sync + Clone + 'static) {
    let (mut state, mut network) = (node.store.events(), node.gossip.events());
    let log_state = log.clone();
    tokio::spawn(async move {
        loop {
            match state.recv().await {
                Ok(event) => log_state(format!("{event:?}")),
                Err(RecvError::Lagged(missed)) => log_state(format!("{missed} events were missed")),
                Err(RecvError::Closed) => return,
            }
        }
    });
    tokio::spawn(async move {
        while let Some(event) = network.next().await {
            log(format!("{event:?}"));
        }
    });
}

/// Stops the schedulers, the gossip, and the store, in this order.
pub async fn stop(node: &Node, schedulers: &watch::Sender<bool>) -> Result<(), Error> {
    schedulers.send_replace(true);
    node.gossip.shutdown().await;
    Ok(node.store.close()?)
}
