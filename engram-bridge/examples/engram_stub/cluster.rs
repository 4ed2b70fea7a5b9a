// The code that a program adds to Engram to run it in a cluster.

use std::env;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use engram_bridge::config::{ClusterConfig, ConfigError};
use engram_bridge::http::axum_0_8;
use engram_bridge::metrics::METRICS_CONTENT_TYPE;
use engram_bridge::notices::{LogLine, Notices};
use engram_bridge::telemetry::Telemetry;
use engram_bridge::{
    ConsolidationCacheSource, ConsolidationObserver, ConsolidationRun, ConsolidationService as _,
    GossipingConsolidationService, InMemoryConsolidationService, Node, SpaceId,
};
use engram_core::completion::{CompletionConfig, ConsolidationScheduler, SchedulerConfig};
use engram_core::{MemorySpaceId, MemoryStore, metrics};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::adapter::Clustered;

pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// Reads the section `consolidation_gossip` of Engram's configuration file; `None` if the file has no such section.
pub fn read_section(path: &Path) -> Result<Option<ClusterConfig>, Error> {
    match ClusterConfig::load_section_with(path, "consolidation_gossip", env::vars_os()) {
        Ok(config) => Ok(Some(config)),
        Err(ConfigError::NoSection { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The cluster node of this Engram process. Keep it for as long as the process runs.
pub struct Cluster {
    pub node: Node,
    name: String,
    telemetry: Telemetry,
    stop: watch::Sender<bool>,
    schedulers: Mutex<Vec<JoinHandle<()>>>,
}

impl Cluster {
    /// Starts the node on the current tokio runtime.
    pub fn start(config: &ClusterConfig) -> Result<Self, Error> {
        let (node, name) = (Node::start(config)?, config.node.name.clone());
        let telemetry = Telemetry::new(&*name, Arc::clone(&node.store), node.gossip.clone());
        let (stop, schedulers) = (watch::Sender::new(false), Mutex::default());
        Ok(Self { node, name, telemetry, stop, schedulers })
    }
}

impl Cluster {
    /// Hosts a memory space; returns the consolidation service of its store, with the alert log at `log`.
    pub fn service(&self, space: &MemorySpaceId, log: PathBuf) -> Result<Arc<Clustered>, Error> {
        let gossiper = self.node.add_space(&SpaceId::new(space.as_str())?)?;
        let inner = Arc::new(InMemoryConsolidationService::new());
        inner.set_alert_log_path(log);
        let metrics = Arc::new(EngramMetrics::new(&self.name, space.as_str()));
        let service = GossipingConsolidationService::builder(inner, gossiper);
        Ok(Arc::new(Clustered::new(service.with_observer(metrics).start()?)))
    }

    /// Every second until the cluster stops, calls `open` with each hosted space whose name is valid in Engram.
    pub fn open_spaces<F>(&self, open: impl Fn(MemorySpaceId) -> F + Send + 'static)
    where
        F: Future<Output = ()> + Send,
    {
        let (store, mut stop) = (Arc::clone(&self.node.store), self.stop.subscribe());
        let mut ticks = tokio::time::interval(Duration::from_secs(1));
        tokio::spawn(async move {
            while !*stop.borrow() {
                for space in store.iter() {
                    if let Ok(space) = MemorySpaceId::try_from(space.id().as_str()) {
                        open(space).await;
                    }
                }
                tokio::select! {
                    _ = stop.changed() => {}
                    _ = ticks.tick() => {}
                }
            }
        });
    }

    /// Starts the scheduler of a store, unless the cluster has stopped. Call it within the tokio runtime.
    pub fn start_scheduler(&self, store: &Arc<MemoryStore>, config: SchedulerConfig) {
        let scheduler = Arc::new(ConsolidationScheduler::new(CompletionConfig::default(), config));
        let (mut schedulers, stop) = (self.schedulers(), self.stop.subscribe());
        // A receiver that is created after the stop does not report the stop as a change.
        if !*stop.borrow() {
            schedulers.push(scheduler.spawn(Arc::clone(store), stop));
        }
    }

    fn schedulers(&self) -> MutexGuard<'_, Vec<JoinHandle<()>>> {
        self.schedulers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stops the schedulers, then the node, even if a scheduler panicked. Returns the first error.
    pub async fn stop(&self) -> Result<(), Error> {
        self.stop.send_replace(true);
        let schedulers = std::mem::take(&mut *self.schedulers());
        let mut ended = Ok(());
        for scheduler in schedulers {
            ended = ended.and(scheduler.await);
        }
        let stopped = self.node.stop().await;
        ended?;
        Ok(stopped?)
    }
}

/// Records the metrics of a space's consolidation runs in Engram's own registry.
pub struct EngramMetrics {
    labels: [(&'static str, String); 2],
}

impl EngramMetrics {
    fn new(node: &str, space: &str) -> Self {
        Self { labels: [("node", node.to_owned()), ("space", space.to_owned())] }
    }
}

impl ConsolidationObserver for EngramMetrics {
    fn on_run(&self, run: &ConsolidationRun) {
        if run.source == ConsolidationCacheSource::Scheduler {
            let runs = metrics::CONSOLIDATION_RUNS_TOTAL;
            metrics::increment_counter_with_labels(runs, 1, &self.labels);
        }
        let gauges = [
            (metrics::CONSOLIDATION_FRESHNESS_SECONDS, run.age.as_secs_f64()),
            (metrics::CONSOLIDATION_NOVELTY_GAUGE, f64::from(run.max_novelty)),
            (metrics::CONSOLIDATION_NOVELTY_VARIANCE, f64::from(run.novelty_variance)),
            (metrics::CONSOLIDATION_CITATION_CHURN, f64::from(run.citation_churn)),
            (metrics::CONSOLIDATION_CITATIONS_CURRENT, run.citations as f64),
        ];
        for (name, value) in gauges {
            metrics::record_gauge_with_labels(name, value, &self.labels);
        }
    }
}

impl Cluster {
    /// The routes for Engram's axum application: `/cluster/consolidation`, and the metrics.
    pub fn routes(&self) -> Router {
        let telemetry = self.telemetry.clone();
        let cluster = axum_0_8::cluster(&telemetry);
        let prometheus = async move || ([(CONTENT_TYPE, METRICS_CONTENT_TYPE)], telemetry.prometheus());
        cluster.route("/cluster/metrics", get(prometheus))
    }

    /// Logs the notices of the node. Call it within the tokio runtime.
    pub fn log_notices(&self, log: impl Fn(LogLine) + Send + 'static) {
        let mut notices = Notices::new(&self.telemetry);
        tokio::spawn(async move {
            while let Some(line) = notices.next().await {
                log(line);
            }
        });
    }
}
