//! The single writer of a node: its dots, and the store in which its changes become durable.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use engram_gossip_proto::SpaceId;

use crate::durable::schema;
use crate::durable::storage::{Batch, StateStore, StorageError, Table};
use crate::engram::timestamp::Timestamp;
use crate::replica::change::Staged;
use crate::replica::issuer::DotIssuer;
use crate::replica::record::Record;
use crate::replica::stats::WriteStats;

/// Issues the dots of a node and makes its changes durable.
///
/// A node has one, behind one lock. A writer holds the lock from the moment it plans a change until
/// the change is visible: nobody sees a change that a crash could take back, and a change that
/// cannot be stored has never happened. Readers do not need it.
pub(crate) struct Journal {
    pub(crate) issuer: DotIssuer,
    durable: Option<Durable>,
}

struct Durable {
    store: Arc<dyn StateStore>,
    commits: u64,
    commit_time: Duration,
    failures: u64,
}

impl Journal {
    /// The journal of a node whose state ends with the process.
    pub(crate) const fn in_memory(issuer: DotIssuer) -> Self {
        Self { issuer, durable: None }
    }

    /// The journal of a node whose state is in `store`.
    pub(crate) fn durable(issuer: DotIssuer, store: Arc<dyn StateStore>) -> Self {
        let durable = Durable { store, commits: 0, commit_time: Duration::ZERO, failures: 0 };
        Self { issuer, durable: Some(durable) }
    }

    /// Makes staged changes of a space durable. They are installed only if this succeeds.
    pub(crate) fn commit(&mut self, space: &SpaceId, staged: &Staged) -> Result<(), StorageError> {
        if self.durable.is_none() {
            return Ok(());
        }
        let mut batch = Batch::default();
        for (write, record) in staged.rows() {
            let key = schema::key(space, write.id.as_bytes());
            if *record == Record::default() {
                batch.remove(Table::Records, key);
            } else {
                let row = schema::encode_record(&key, record, write.last_submitted.as_ref());
                batch.put(Table::Records, key, row);
            }
            for content in &write.added {
                let key = schema::key(space, content.digest().as_bytes());
                batch.put(Table::Contents, key, schema::encode_content(content));
            }
            for digest in &write.dropped {
                batch.remove(Table::Contents, schema::key(space, digest.as_bytes()));
            }
        }
        batch.put(
            Table::Meta,
            schema::root_key(space),
            schema::encode_root(space, &staged.stored_root()),
        );
        put_generated(&mut batch, space, staged.generated_at);
        self.commit_batch(&batch)
    }

    /// Makes the times durable that the spaces show.
    pub(crate) fn commit_generated(
        &mut self,
        times: impl Iterator<Item = (SpaceId, Timestamp)>,
    ) -> Result<(), StorageError> {
        let mut batch = Batch::default();
        times.for_each(|(space, at)| put_generated(&mut batch, &space, at));
        self.commit_batch(&batch)
    }

    /// Notes that the first contact of a space is over.
    pub(crate) fn commit_settled(&mut self, space: &SpaceId) -> Result<(), StorageError> {
        let mut batch = Batch::default();
        let (key, mark) = (schema::settled_key(space), schema::encode_settled(space));
        batch.put(Table::Meta, key, mark);
        self.commit_batch(&batch)
    }

    /// Makes a batch durable.
    pub(crate) fn commit_batch(&mut self, batch: &Batch) -> Result<(), StorageError> {
        let Some(durable) = &mut self.durable else { return Ok(()) };
        let begun = Instant::now();
        let committed = durable.store.commit(batch);
        durable.commit_time += begun.elapsed();
        durable.commits += u64::from(committed.is_ok());
        durable.failures += u64::from(committed.is_err());
        committed
    }

    /// Puts the figures of the journal into `stats`.
    pub(crate) fn report(&self, stats: &mut WriteStats) {
        stats.written = self.issuer.minted();
        if let Some(durable) = &self.durable {
            stats.commits = durable.commits;
            stats.commit_time = durable.commit_time;
            stats.stored_bytes = durable.store.size();
            stats.storage_failures = durable.failures;
        }
    }
}

fn put_generated(batch: &mut Batch, space: &SpaceId, at: Timestamp) {
    let (key, row) = (schema::generated_key(space), schema::encode_generated(space, at));
    batch.put(Table::Meta, key, row);
}

/// Writes a copy of everything that is stored to `to`.
pub(crate) fn backup(store: Option<&dyn StateStore>, to: &Path) -> Result<(), StorageError> {
    let place = || to.display().to_string();
    let reason = "this node keeps its state in memory only, set store.path".to_owned();
    store.ok_or_else(|| StorageError::Failed { place: place(), reason })?.backup(to)
}

impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Journal").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}
