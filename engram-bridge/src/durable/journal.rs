//! Group commit: changes that wait for the disk become durable together.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock};
use std::time::{Duration, Instant};

use engram_gossip_proto::SpaceId;

use crate::durable::schema;
use crate::durable::storage::{Batch, StateStore, StorageError, Table};
use crate::engram::timestamp::Timestamp;
use crate::replica::change::Staged;
use crate::replica::record::Record;

/// Makes the changes to all spaces durable.
///
/// One thread commits at a time. Changes that arrive during a commit become durable together in the next one,
/// so their writers share one sync of the disk. The journal holds no lock during disk I/O.
pub(crate) struct Journal {
    store: Option<Arc<dyn StateStore>>,
    queue: Mutex<Queue>,
    ended: Condvar,
    on_state: OnState,
}

/// Called with the failure when commits or checks begin to fail, and with `None` when commits succeed again.
type OnState = Box<dyn Fn(Option<StorageError>) + Send + Sync>;

/// The outcome of a commit, shared by the writers whose changes are in it.
type Outcome = OnceLock<Result<(), StorageError>>;

#[derive(Default)]
struct Queue {
    /// The changes in the next commit.
    next: Batch,
    outcome: Arc<Outcome>,
    /// Whether a thread is committing.
    busy: bool,
    /// The number of threads that commit or wait for a commit.
    writers: usize,
    closed: bool,
    /// Repairs of the store. Each commit writes them before its own changes, until a commit succeeds.
    repairs: Batch,
    figures: Figures,
}

/// Statistics of the commits since the journal was created.
#[derive(Clone, Default)]
pub(crate) struct Figures {
    pub(crate) commits: u64,
    /// The total time that these commits took.
    pub(crate) commit_time: Duration,
    pub(crate) failures: u64,
    /// The cause, if the last commit or a later check of the store failed.
    pub(crate) failure: Option<StorageError>,
}

impl Journal {
    /// Creates a journal on `store`; if `store` is `None`, nothing is stored. Calls `on_state` when commits or checks
    /// begin to fail, and when commits succeed again.
    pub(crate) fn new(
        store: Option<Arc<dyn StateStore>>,
        on_state: impl Fn(Option<StorageError>) + Send + Sync + 'static,
    ) -> Self {
        let on_state = Box::new(on_state);
        Self { store, queue: Mutex::default(), ended: Condvar::new(), on_state }
    }

    /// Checks that the journal is not closed.
    ///
    /// # Errors
    /// [`StorageError::Stopped`] if it is closed.
    pub(crate) fn check_open(&self) -> Result<(), StorageError> {
        self.queue().check_open()
    }

    /// Makes staged changes to a space durable. The caller installs them only if this succeeds.
    pub(crate) fn commit(&self, space: &SpaceId, staged: &Staged) -> Result<(), StorageError> {
        if self.store.is_none() {
            return self.check_open();
        }
        let mut batch = Batch::default();
        for (write, record) in staged.rows() {
            let key = schema::key(space, write.id.as_bytes());
            if *record == Record::default() {
                batch.remove(Table::Records, key);
            } else {
                let submitted = write.last_submitted.as_ref();
                let beside = write.placement.beside.as_ref();
                let row = schema::encode_record(&key, record, submitted, beside);
                batch.put(Table::Records, key, row);
            }
            schema::put_own_rows(&mut batch, space, &write.placement);
        }
        batch.put(
            Table::Meta,
            schema::root_key(space),
            schema::encode_root(space, &staged.stored_root()),
        );
        put_generated(&mut batch, space, staged.generated_at);
        self.commit_batch(batch)
    }

    /// Makes the `generated_at` of each space durable.
    pub(crate) fn commit_generated(
        &self,
        times: impl Iterator<Item = (SpaceId, Timestamp)>,
    ) -> Result<(), StorageError> {
        let mut batch = Batch::default();
        times.for_each(|(space, at)| put_generated(&mut batch, &space, at));
        self.commit_batch(batch)
    }

    /// Durably records that the first contact of a space is over.
    pub(crate) fn commit_settled(&self, space: &SpaceId) -> Result<(), StorageError> {
        let mut batch = Batch::default();
        let (key, mark) = (schema::settled_key(space), schema::encode_settled(space));
        batch.put(Table::Meta, key, mark);
        self.commit_batch(batch)
    }

    /// Commits the repairs of the store. If the disk refuses writes now, the first commit that succeeds
    /// includes them.
    pub(crate) fn repair(&self, repairs: Batch) -> Result<(), StorageError> {
        if repairs.is_empty() {
            return Ok(());
        }
        self.queue().repairs.append(repairs);
        match self.commit_batch(Batch::default()) {
            Err(error) if !error.refuses_writes() => Err(error),
            _ => Ok(()),
        }
    }

    /// Records a failure if the store refuses changes, so that it is reported before the first change fails.
    /// A successful [`retry`](Self::retry) ends the failure.
    pub(crate) fn check(&self) {
        let Some(store) = self.store.as_ref().filter(|_| !self.is_failing()) else { return };
        if let Err(failure) = store.check_writable() {
            self.queue().figures.failure = Some(failure.clone());
            (self.on_state)(Some(failure));
        }
    }

    /// Records a failure if the store was removed or replaced, so that it is reported before the next change
    /// fails. A successful [`retry`](Self::retry) ends the failure.
    pub(crate) fn check_in_place(&self) {
        let Some(store) = self.store.as_ref().filter(|_| !self.is_failing()) else { return };
        let Err(failure) = store.check_in_place() else { return };
        let mut queue = self.queue();
        if !queue.closed && queue.figures.failure.is_none() {
            (self.on_state)(Some(failure.clone()));
            queue.figures.failure = Some(failure);
        }
    }

    /// Tries a commit without changes if the journal [is failing](Self::is_failing).
    pub(crate) fn retry(&self) {
        if self.is_failing() {
            // The statistics and the events report the outcome.
            _ = self.commit_batch(Batch::default());
        }
    }

    /// Makes a batch durable, together with the batches of all other waiting threads.
    fn commit_batch(&self, batch: Batch) -> Result<(), StorageError> {
        let Some(store) = &self.store else { return self.check_open() };
        let mut queue = self.queue();
        queue.check_open()?;
        queue.writers += 1;
        queue.next.append(batch);
        let outcome = Arc::clone(&queue.outcome);
        while outcome.get().is_none() {
            if queue.busy {
                queue = self.ended.wait(queue).expect(HELD);
                continue;
            }
            let (mut all, others) = (queue.repairs.clone(), std::mem::take(&mut queue.next));
            all.append(others);
            let finished = std::mem::take(&mut queue.outcome);
            queue.busy = true;
            drop(queue);
            let begun = Instant::now();
            let committed = store_all(&**store, &all);
            queue = self.queue();
            queue.busy = false;
            self.note(&mut queue, &committed, begun.elapsed());
            finished.set(committed).expect("one thread commits");
            self.ended.notify_all();
        }
        queue.writers -= 1;
        self.ended.notify_all();
        outcome.get().cloned().expect("the loop ends once the outcome is set")
    }

    fn note(&self, queue: &mut Queue, committed: &Result<(), StorageError>, took: Duration) {
        let figures = &mut queue.figures;
        match committed {
            Ok(()) => {
                figures.commits += 1;
                figures.commit_time += took;
            }
            Err(_) => figures.failures += 1,
        }
        let failure = committed.clone().err();
        if figures.failure.is_some() != failure.is_some() {
            (self.on_state)(failure.clone());
        }
        figures.failure = failure;
        if committed.is_ok() {
            queue.repairs = Batch::default();
        }
    }

    /// Whether the last commit or a later check of the store failed.
    pub(crate) fn is_failing(&self) -> bool {
        self.queue().figures.failure.is_some()
    }

    /// The statistics of the commits so far. Does not wait for a commit.
    pub(crate) fn figures(&self) -> Figures {
        self.queue().figures.clone()
    }

    /// Writes a copy of the store to `to`.
    pub(crate) fn backup(&self, to: &Path) -> Result<(), StorageError> {
        self.stored(&to.display().to_string())?.backup(to)
    }

    /// Returns unused space of the store's file to the file system.
    pub(crate) fn compact(&self) -> Result<(), StorageError> {
        self.stored("the store")?.compact()
    }

    /// Refuses changes from now on, waits for running commits, and releases the files that the store holds
    /// open.
    pub(crate) fn close(&self) {
        let mut queue = self.queue();
        queue.closed = true;
        while queue.writers > 0 {
            queue = self.ended.wait(queue).expect(HELD);
        }
        drop(queue);
        if let Some(store) = &self.store {
            store.close();
        }
    }

    /// The store; `None` if the state is only in memory.
    pub(crate) fn store(&self) -> Option<&dyn StateStore> {
        self.store.as_deref()
    }

    fn stored(&self, place: &str) -> Result<&dyn StateStore, StorageError> {
        self.check_open()?;
        let reason = "this node keeps its state in memory only (set store.path)";
        let failed = || StorageError::Failed { place: place.to_owned(), reason: reason.to_owned() };
        self.store.as_deref().ok_or_else(failed)
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().expect(HELD)
    }
}

impl Queue {
    const fn check_open(&self) -> Result<(), StorageError> {
        if self.closed { Err(StorageError::Stopped) } else { Ok(()) }
    }
}

fn put_generated(batch: &mut Batch, space: &SpaceId, at: Timestamp) {
    let (key, row) = (schema::generated_key(space), schema::encode_generated(space, at));
    batch.put(Table::Meta, key, row);
}

const HELD: &str = "no code panics while it holds this lock";

/// Commits a batch. Turns a panic of the store into an error, so that no other thread waits forever.
fn store_all(store: &dyn StateStore, batch: &Batch) -> Result<(), StorageError> {
    catch_unwind(AssertUnwindSafe(|| store.commit(batch))).unwrap_or_else(|_| {
        let (place, reason) = ("the store".to_owned(), "the commit panicked".to_owned());
        Err(StorageError::Failed { place, reason })
    })
}

impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Journal").field("durable", &self.store.is_some()).finish_non_exhaustive()
    }
}
