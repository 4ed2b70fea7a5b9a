//! A builder for a service.

use std::fmt;
use std::sync::Arc;

use super::observed::Settings;
use super::{GossipingConsolidationService, ServiceError};
use crate::engram::ports::ConsolidationService;
use crate::service::gossiper::ConsolidationGossiper;
use crate::spaces::observer::ConsolidationObserver;

/// Starts a [`GossipingConsolidationService`] with an observer, or without a belief log.
#[must_use = "the service starts only when `start` is called"]
pub struct ServiceBuilder {
    inner: Arc<dyn ConsolidationService>,
    gossiper: ConsolidationGossiper,
    settings: Settings,
}

impl ServiceBuilder {
    pub(super) fn new(
        inner: Arc<dyn ConsolidationService>,
        gossiper: ConsolidationGossiper,
    ) -> Self {
        let settings = Settings { observer: None, writes_log: true, ended: false };
        Self { inner, gossiper, settings }
    }

    /// Also passes the consolidation statistics to `observer`.
    pub fn with_observer(mut self, observer: Arc<dyn ConsolidationObserver>) -> Self {
        self.settings.observer = Some(observer);
        self
    }

    /// Leaves the belief log to the inner service. Engram's stock service writes a line for each
    /// *visible* pattern whenever anything changed.
    pub fn without_belief_log(mut self) -> Self {
        self.settings.writes_log = false;
        self
    }

    /// Starts the service.
    ///
    /// # Errors
    /// [`ServiceError::Exists`] if the space has a service already.
    pub fn start(self) -> Result<GossipingConsolidationService, ServiceError> {
        GossipingConsolidationService::start(self.inner, self.gossiper, self.settings)
    }
}

impl fmt::Debug for ServiceBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceBuilder").field("gossiper", &self.gossiper).finish_non_exhaustive()
    }
}
