//! Checks the stored data, and retries writes after a storage failure, in case nothing else writes.

use std::sync::Weak;
use std::time::Duration;

use tokio::sync::broadcast::{self, error::RecvError};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep, timeout_at};

use crate::spaces::event::StateEvent;
use crate::spaces::store::Store;

/// The pause before each retry, and between two checks of the stored data.
const PAUSE: Duration = Duration::from_secs(10);

/// Until the store is dropped, checks periodically that the stored data is in its place, and retries a write
/// periodically after a change could not be stored. `events` are the store's events.
pub(super) async fn retry_storage(store: Weak<Store>, mut events: broadcast::Receiver<StateEvent>) {
    let mut next_check = Instant::now() + PAUSE;
    while let Some(held) = store.upgrade() {
        let failed = held.write_stats().storage_failure.is_some();
        drop(held);
        if failed {
            sleep(PAUSE).await;
            let Some(store) = store.upgrade() else { return };
            _ = spawn_blocking(move || store.retry_storage()).await;
            continue;
        }
        if Instant::now() >= next_check {
            let Some(store) = store.upgrade() else { return };
            _ = spawn_blocking(move || store.check_in_place()).await;
            next_check = Instant::now() + PAUSE;
            continue;
        }
        // An event may report a failure. It does not postpone the next check.
        if let Ok(Err(RecvError::Closed)) = timeout_at(next_check, events.recv()).await {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;
    use std::sync::atomic::Ordering::Relaxed;

    use engram_gossip_proto::SpaceId;

    use super::*;
    use crate::durable::storage::{Batch, MemoryStateStore, OnRow, StateStore, StorageError};
    use crate::engram::pattern::{Confidence, SemanticPattern};
    use crate::engram::timestamp::Timestamp;
    use crate::replica::environment::Environment;
    use crate::spaces::error::AddSpaceError;
    use crate::spaces::store::StoreConfig;

    /// A store that counts the calls of `check_in_place`.
    #[derive(Default)]
    struct Checked {
        rows: MemoryStateStore,
        checks: AtomicUsize,
    }

    impl StateStore for Checked {
        fn scan(&self, row: &mut OnRow<'_>) -> Result<(), StorageError> {
            self.rows.scan(row)
        }
        fn commit(&self, batch: &Batch) -> Result<(), StorageError> {
            self.rows.commit(batch)
        }
        fn check_in_place(&self) -> Result<(), StorageError> {
            self.checks.fetch_add(1, Relaxed);
            Ok(())
        }
        fn set_aside(&self) -> Result<String, StorageError> {
            self.rows.set_aside()
        }
        fn backup(&self, to: &Path) -> Result<(), StorageError> {
            self.rows.backup(to)
        }
    }

    #[tokio::test(start_paused = true)]
    async fn events_do_not_postpone_checks() {
        let disk = Arc::new(Checked::default());
        let space = SpaceId::new("default").unwrap();
        let config = StoreConfig::new([1; 32].into(), [space.clone()]);
        let store = Store::open(config, Environment::system(), Arc::clone(&disk) as _).unwrap();
        let store = Arc::new(store);
        let retrying = tokio::spawn(retry_storage(Arc::downgrade(&store), store.events()));
        let refused = AddSpaceError::TooMany { space: space.clone() };
        for _ in 0..20 {
            store.note_unlearned(&space, &refused);
            sleep(PAUSE / 2).await;
        }
        let checks = disk.checks.load(Relaxed);
        assert!((9..=10).contains(&checks), "{checks} checks in 10 pauses");
        drop(store);
        retrying.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn retry_ends_a_storage_failure() {
        let disk = MemoryStateStore::new();
        let space = SpaceId::new("default").unwrap();
        let mut config = StoreConfig::new([1; 32].into(), [space.clone()]);
        config.dimension = 1;
        let store = Store::open(config, Environment::system(), Arc::new(disk.clone())).unwrap();
        let store = Arc::new(store);
        let mut events = store.events();
        let retrying = tokio::spawn(retry_storage(Arc::downgrade(&store), store.events()));

        let (place, reason) = ("memory".to_owned(), "simulated failure".to_owned());
        let full = StorageError::Full { place, reason };
        disk.fail(Some(full.clone()));
        let pattern = SemanticPattern {
            id: "p".to_owned(),
            embedding: Arc::from([1.0]),
            source_episodes: vec![],
            strength: 1.0,
            schema_confidence: Confidence::CERTAIN,
            last_consolidated: Timestamp::EPOCH,
        };
        let hosted = store.space(&space).unwrap();
        assert!(hosted.submit_pattern(&Arc::new(pattern)).is_err());
        assert_eq!(events.recv().await, Ok(StateEvent::Storage { failure: Some(full) }));
        // The task keeps retrying, and the store emits no event while nothing changes.
        while store.write_stats().storage_failures < 4 {
            sleep(PAUSE).await;
        }
        assert!(events.is_empty());
        disk.fail(None);
        assert_eq!(events.recv().await, Ok(StateEvent::Storage { failure: None }));
        drop((store, hosted));
        retrying.await.unwrap();
    }
}
