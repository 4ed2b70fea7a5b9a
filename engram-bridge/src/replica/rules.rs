//! The rules of one memory space.

use std::fmt;
use std::sync::Arc;

use engram_conflict::Strategy;
use engram_merkle::{AnyHasher, BaseDepth};

use crate::engram::pattern::SemanticPattern;
use crate::replica::across_ids::AcrossIds;
use crate::replica::content::Shape;
use crate::replica::retention::Retention;

/// The parameters of a cluster's state, and how this node shows it.
#[derive(Clone)]
pub(crate) struct Rules {
    pub(crate) hasher: AnyHasher,
    pub(crate) depth: BaseDepth,
    pub(crate) shape: Shape,
    pub(crate) strategy: Arc<dyn Strategy<Arc<SemanticPattern>>>,
    pub(crate) retention: Retention,
    pub(crate) across_ids: Option<AcrossIds>,
}

impl fmt::Debug for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { hasher, depth, shape, strategy, retention, .. } = self;
        let Shape { dimension, precision } = shape;
        let strategy = strategy.id().to_string();
        write!(f, "{hasher:?}, {depth:?}, {dimension} x {precision}, {strategy}, {retention:?}")
    }
}
