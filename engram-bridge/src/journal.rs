//! The one place through which the state changes: who holds it may write.

use std::fmt;
use std::path::Path;
use std::time::{Duration, Instant};

use engram_gossip_proto::SpaceId;

use crate::WriteStats;
use crate::deletions::Floor;
use crate::rows::{self, LIFE, Life, Root};
use crate::state::{Prepared, SpaceState};
use crate::storage::{Batch, Seal, StateStore, StorageError, Table};
use crate::writer::Writer;

/// The dots of the node, and where its changes become durable.
///
/// A node has one, behind one lock. It is held from the moment a change is planned until it is
/// visible, so that nothing is ever shown to anybody that a crash could take back, and so that a
/// change that cannot be written has never happened. Readers do not need it.
pub(crate) struct Journal {
    pub(crate) writer: Writer,
    durable: Option<Durable>,
}

struct Durable {
    store: Box<dyn StateStore>,
    seal: Seal,
    commits: u64,
    commit_time: Duration,
    failures: u64,
    failure: Option<StorageError>,
}

/// Whether the node ends on purpose with what is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ending {
    Open,
    Closed,
}

impl Journal {
    /// Of a node whose state ends with the process.
    pub(crate) fn in_memory(writer: Writer) -> Self {
        Self { writer, durable: None }
    }

    /// Of a node whose state is in `store`.
    pub(crate) fn durable(writer: Writer, store: Box<dyn StateStore>, seal: Seal) -> Self {
        let durable = Durable {
            store,
            seal,
            commits: 0,
            commit_time: Duration::ZERO,
            failures: 0,
            failure: None,
        };
        Self { writer, durable: Some(durable) }
    }

    /// Makes what is prepared for a space durable. To be installed only if this succeeds.
    pub(crate) fn commit(
        &mut self,
        space: &SpaceId,
        state: &SpaceState,
        prepared: &Prepared,
    ) -> Result<(), StorageError> {
        if self.durable.is_none() {
            return Ok(());
        }
        let mut batch = Batch::default();
        for settled in prepared.settled() {
            let key = rows::key(space, settled.id.as_bytes());
            let record = settled.record.as_ref().or_else(|| state.record(&settled.id));
            let record = record.expect("a change has a record, or its id had one");
            match prepared.since(settled) {
                Some(since) => {
                    batch.put(Table::Deletions, key.clone(), rows::encode_since(&key, since));
                }
                None if state.deletions().since(&settled.id).is_some() => {
                    batch.remove(Table::Deletions, key.clone());
                }
                None => {}
            }
            if settled.is_gone() {
                batch.remove(Table::Records, key);
                continue;
            }
            let row = rows::encode_record(&key, record, settled.last_submitted.as_ref());
            batch.put(Table::Records, key, row);
            for content in &settled.added {
                let key = rows::key(space, content.digest().as_bytes());
                batch.put(Table::Contents, key, rows::encode_content(content));
            }
            for digest in &settled.dropped {
                batch.remove(Table::Contents, rows::key(space, digest.as_bytes()));
            }
        }
        let root = prepared.stored_root();
        batch.put(Table::Meta, Root::key(space), root.encode(space));
        if let Some(raised) = prepared.raised() {
            let mut floor = state.deletions().floor();
            floor.floor.merge(raised);
            batch.put(Table::Meta, rows::floor_key(space), rows::encode_floor(space, &floor));
        }
        self.commit_batch(batch)
    }

    /// Makes durable what the peers of a space are known to cover.
    pub(crate) fn commit_floor(
        &mut self,
        space: &SpaceId,
        floor: &Floor,
    ) -> Result<(), StorageError> {
        let mut batch = Batch::default();
        batch.put(Table::Meta, rows::floor_key(space), rows::encode_floor(space, floor));
        self.commit_batch(batch)
    }

    /// Makes a batch durable, with the lease of the dots that are in it.
    pub(crate) fn commit_batch(&mut self, batch: Batch) -> Result<(), StorageError> {
        self.write(batch, Ending::Open)
    }

    /// Notes that the node ends on purpose. A later change takes the note away again.
    pub(crate) fn close(&mut self) -> Result<(), StorageError> {
        self.write(Batch::default(), Ending::Closed)
    }

    fn write(&mut self, mut batch: Batch, ending: Ending) -> Result<(), StorageError> {
        let Some(durable) = &mut self.durable else { return Ok(()) };
        let lease = self.writer.lease();
        let (incarnation, lease) = (lease.actor.incarnation, lease.until);
        let closed = ending == Ending::Closed;
        let life = Life { incarnation, lease, closed, seal: durable.seal.clone() };
        batch.put(Table::Meta, LIFE.to_vec(), life.encode());
        let begun = Instant::now();
        let committed = durable.store.commit(&batch);
        durable.commit_time += begun.elapsed();
        durable.commits += u64::from(committed.is_ok());
        durable.failures += u64::from(committed.is_err());
        durable.failure = committed.clone().err();
        committed
    }

    /// Writes a copy of everything to `to`.
    pub(crate) fn backup(&mut self, to: &Path) -> Result<(), StorageError> {
        match &mut self.durable {
            Some(durable) => durable.store.backup(to),
            None => Err(StorageError::Failed {
                place: to.display().to_string(),
                reason: "this node keeps its state in memory only".to_owned(),
            }),
        }
    }

    pub(crate) fn stats(&self) -> WriteStats {
        let durable = self.durable.as_ref();
        WriteStats {
            written: self.writer.written(),
            incarnations_rolled: self.writer.rolled(),
            commits: durable.map_or(0, |durable| durable.commits),
            commit_time: durable.map_or(Duration::ZERO, |durable| durable.commit_time),
            stored_bytes: durable.and_then(|durable| durable.store.size()),
            storage_failures: durable.map_or(0, |durable| durable.failures),
            storage_failure: durable.and_then(|durable| durable.failure.clone()),
        }
    }
}

impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Journal").field("writer", &self.writer).finish_non_exhaustive()
    }
}
