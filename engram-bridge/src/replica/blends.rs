//! Remembers the blends that were handed out, so that they are not mistaken for the engine's own
//! results when the engine submits them.

use std::sync::Arc;

use engram_merkle::Digest;

use crate::engram::pattern::SemanticPattern;

/// The maximum number of blends of one pattern that are remembered; a further one displaces the
/// oldest.
pub(crate) const MAX_BLENDS: usize = 8;

/// The latest blends of one pattern that this process handed out. They are lost when the process
/// ends, like the engine's own state.
#[derive(Debug, Default)]
pub(crate) struct Blends {
    /// The digests, oldest first. Most patterns never have several versions, so the list is usually
    /// empty.
    digests: Vec<Digest>,
    latest: Option<Arc<SemanticPattern>>,
}

impl Blends {
    /// Whether `blend` is the one handed out last.
    pub(crate) fn is_latest(&self, blend: &Arc<SemanticPattern>) -> bool {
        self.latest.as_ref().is_some_and(|latest| Arc::ptr_eq(latest, blend))
    }

    /// Remembers a blend and its digest.
    pub(crate) fn hand_out(&mut self, blend: &Arc<SemanticPattern>, digest: Digest) {
        self.latest = Some(Arc::clone(blend));
        if self.contains(&digest) {
            return;
        }
        if self.digests.len() == MAX_BLENDS {
            self.digests.remove(0);
        }
        self.digests.push(digest);
    }

    /// Whether one of the remembered blends has this digest.
    pub(crate) fn contains(&self, digest: &Digest) -> bool {
        self.digests.contains(digest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engram::pattern::Confidence;
    use crate::engram::timestamp::Timestamp;

    #[test]
    fn oldest_blend_is_dropped() {
        let mut blends = Blends::default();
        let blend = Arc::new(SemanticPattern {
            id: "p".to_owned(),
            embedding: Arc::from([1.0]),
            source_episodes: Vec::new(),
            strength: 1.0,
            schema_confidence: Confidence::HIGH,
            last_consolidated: Timestamp::EPOCH,
        });
        for n in 0..=MAX_BLENDS as u8 {
            blends.hand_out(&blend, Digest::from([n; 32]));
        }
        assert!(!blends.contains(&Digest::from([0; 32])));
        assert!(blends.contains(&Digest::from([1; 32])));
        assert!(blends.is_latest(&blend));
    }
}
