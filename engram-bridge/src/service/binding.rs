//! The connection between a store and its gossip.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use engram_gossip_net::{Event, Events, Gossip, SessionReport};
use engram_gossip_proto::{Ending, SpaceId};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};
use tokio::task::{AbortHandle, spawn_blocking};
use tokio::time::{Instant, sleep_until};

use crate::durable::storage::StorageError;
use crate::replica::first_contact::FirstContact;
use crate::service::background::{compare_across_ids, spread_spaces};
use crate::service::pending::Pending;
use crate::service::retry::retry_storage;
use crate::spaces::error::AddSpaceError;
use crate::spaces::space::Space;
use crate::spaces::store::Store;

/// The default time without progress after which a space stops waiting for its first contact: 10 seconds. See
/// [`Binding::with_settle`].
pub const DEFAULT_SETTLE: Duration = Duration::from_secs(10);

/// Connects a store to its gossip.
///
/// A binding announces local changes and added spaces to the peers, hosts the spaces that peers name if the store
/// learns spaces, and passes the members of the roster to the store. It decides when a space stops waiting for its
/// first contact, compares the visible patterns across ids, checks periodically that the stored data is in its place,
/// and retries writes periodically after a storage failure.
///
/// Cheap to clone. It works until all clones, and every [`ConsolidationGossiper`](crate::ConsolidationGossiper)
/// made from them, have been dropped.
#[derive(Clone, Debug)]
pub struct Binding {
    inner: Arc<Inner>,
}

struct Inner {
    store: Arc<Store>,
    gossip: Gossip,
    runtime: Handle,
    settle: Duration,
    added: mpsc::UnboundedSender<SpaceId>,
    tasks: [AbortHandle; 4],
    services: Mutex<Vec<Registered>>,
}

/// A service of a binding.
#[derive(Clone)]
struct Registered {
    queue: Weak<Pending>,
    follower: Weak<dyn Follow>,
}

/// A service that passes on changes to the merged view.
pub(super) trait Follow: Send + Sync {
    /// Passes on the changes since the last call. Writes files.
    fn follow(&self);
}

impl Binding {
    /// Connects `store` with `gossip`, which must be bound to it. Equivalent to [`with_settle`](Self::with_settle) with
    /// [`DEFAULT_SETTLE`].
    ///
    /// # Panics
    /// If called outside a tokio runtime.
    pub fn new(store: Arc<Store>, gossip: Gossip) -> Self {
        Self::with_settle(store, gossip, DEFAULT_SETTLE)
    }

    /// Connects `store` with `gossip`, which must be bound to it.
    ///
    /// A space whose store is new or has lost rows holds its engine's submissions back until a session reports which of
    /// this node's versions the peers have: a node that lost its state must not overwrite its own later versions. The
    /// wait ends with the first complete session, or when no session has made progress for `settle`, and at the latest
    /// after six times `settle`. A node without peers does not wait, nor does any node if `settle` is zero.
    ///
    /// # Panics
    /// If called outside a tokio runtime.
    pub fn with_settle(store: Arc<Store>, gossip: Gossip, settle: Duration) -> Self {
        let (added, additions) = mpsc::unbounded_channel();
        let spread = watch::Sender::new(());
        let spreader = tokio::spawn(spread_spaces(gossip.clone(), spread.subscribe()));
        let comparing = compare_across_ids(Arc::downgrade(&store), store.view_changes());
        let retrying = retry_storage(Arc::downgrade(&store), store.events());
        let additions = (added.clone(), additions);
        let driver = Driver::new(&store, &gossip, settle, additions, spread);
        let (comparing, retrying) = (tokio::spawn(comparing), tokio::spawn(retrying));
        let tasks = [tokio::spawn(driver.run()), spreader, comparing, retrying];
        let tasks = tasks.map(|task| task.abort_handle());
        let runtime = Handle::current();
        let services = Mutex::default();
        Self { inner: Arc::new(Inner { store, gossip, runtime, settle, added, tasks, services }) }
    }

    /// Hosts `space` from now on.
    pub(super) fn host(&self, space: &SpaceId) -> Result<Arc<Space>, AddSpaceError> {
        let Inner { store, gossip, settle, added, .. } = &*self.inner;
        let waits = !settle.is_zero() && !gossip.peers().is_empty();
        add_space(store, space, waits, added)
    }

    /// Waits until every snapshot that a service of this binding received before the call is durable,
    /// including the snapshots of dropped services.
    ///
    /// # Errors
    /// [`StorageError`] if the last snapshot of a service could not be stored.
    pub async fn durable(&self) -> Result<(), StorageError> {
        let services = self.services(|services| services.clone());
        let mut all = Ok(());
        for queue in services.iter().filter_map(|service| service.queue.upgrade()) {
            all = all.and(queue.durable().await.map(drop).map_err(|failure| failure.error));
        }
        all
    }

    /// Stops cleanly: ends the sessions, waits until the snapshots of all services are
    /// [durable](Self::durable), [closes](Store::close) the store, and logs the remaining changes to beliefs.
    /// Stop the engine first: a snapshot that arrives later is not stored, and
    /// [`durable`](crate::GossipingConsolidationService::durable) reports [`StorageError::Stopped`].
    ///
    /// # Errors
    /// [`StorageError`] if snapshots, or the changes that [`Store::close`] makes, could not be stored.
    pub async fn stop(&self) -> Result<(), StorageError> {
        self.gossip().shutdown().await;
        let submitted = self.durable().await;
        let store = Arc::clone(self.store());
        let closed = spawn_blocking(move || store.close()).await.expect("closing does not panic");
        // Closing the store ended the first contacts, which may have changed beliefs.
        let services = self.services(|services| services.clone());
        for service in services.iter().filter_map(|service| service.follower.upgrade()) {
            // If an inner service panics, continue with the other services.
            _ = spawn_blocking(move || service.follow()).await;
        }
        submitted.and(closed)
    }

    pub(super) fn register(&self, pending: &Arc<Pending>, follower: Weak<dyn Follow>) {
        self.services(|services| {
            services.retain(|service| service.queue.strong_count() > 0);
            services.push(Registered { queue: Arc::downgrade(pending), follower });
        });
    }

    fn services<T>(&self, work: impl FnOnce(&mut Vec<Registered>) -> T) -> T {
        work(&mut self.inner.services.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The store.
    pub fn store(&self) -> &Arc<Store> {
        &self.inner.store
    }

    /// The gossip.
    pub fn gossip(&self) -> &Gossip {
        &self.inner.gossip
    }

    /// The runtime on which the binding's tasks run.
    pub(crate) fn runtime(&self) -> &Handle {
        &self.inner.runtime
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inner").field("store", &self.store).finish_non_exhaustive()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

/// Adds a space. A new space is reported to the driver and, if `waits` is true, waits for its first contact.
fn add_space(
    store: &Store,
    space: &SpaceId,
    waits: bool,
    added: &mpsc::UnboundedSender<SpaceId>,
) -> Result<Arc<Space>, AddSpaceError> {
    let mut is_new = false;
    let hosted = store.add_space_with(space, |new| {
        is_new = true;
        if waits {
            new.await_contact();
        }
    })?;
    if is_new {
        // Sending fails only after the driver and the gossip have ended.
        _ = added.send(space.clone());
    }
    Ok(hosted)
}

/// The main task of a [`Binding`].
struct Driver {
    store: Weak<Store>,
    gossip: Gossip,
    events: Events,
    changes: watch::Receiver<u64>,
    /// Spaces that wait for their first contact.
    waiting: BTreeMap<SpaceId, FirstContact>,
    settle: Duration,
    added: mpsc::UnboundedSender<SpaceId>,
    additions: mpsc::UnboundedReceiver<SpaceId>,
    /// Requests a session with each connected peer.
    spread: watch::Sender<()>,
    /// Whether a session of this process has ended with equal roots.
    was_equal: bool,
    started: Instant,
}

impl Driver {
    fn new(
        store: &Arc<Store>,
        gossip: &Gossip,
        settle: Duration,
        (added, additions): (mpsc::UnboundedSender<SpaceId>, mpsc::UnboundedReceiver<SpaceId>),
        spread: watch::Sender<()>,
    ) -> Self {
        let (events, changes) = (gossip.events(), store.local_changes());
        let mut driver = Self {
            store: Arc::downgrade(store),
            gossip: gossip.clone(),
            events,
            changes,
            waiting: BTreeMap::new(),
            settle,
            added,
            additions,
            spread,
            was_equal: false,
            started: Instant::now(),
        };
        driver.set_members(store);
        if !gossip.peers().is_empty() && settle > Duration::ZERO {
            let waiting = store.iter().filter(|space| space.await_contact());
            let contact = FirstContact::new(settle, Duration::ZERO);
            driver.waiting = waiting.map(|space| (space.id().clone(), contact)).collect();
        }
        // No event reports the peers that are already connected, so request sessions with them here.
        driver.spread.send_replace(());
        driver
    }

    async fn run(mut self) {
        loop {
            let deadline = self.waiting.values().map(FirstContact::deadline).min();
            let timer = async {
                match deadline {
                    Some(deadline) => sleep_until(self.started + deadline).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                event = self.events.next() => match event {
                    Some(event) => self.on_event(event).await,
                    None => return,
                },
                changed = self.changes.changed() => match changed {
                    Ok(()) => self.gossip.announce(),
                    Err(_) => return,
                },
                Some(space) = self.additions.recv() => self.on_added(space),
                () = timer => self.end_overdue().await,
            }
        }
    }

    async fn on_event(&mut self, event: Event) {
        match event {
            Event::Session(session) => {
                self.was_equal |= session.is_equal();
                self.learn(&session.outcome.unhosted).await;
                self.on_session(&session).await;
            }
            // Adverts of equal roots start no session, but only a session proves that the two nodes are equal and ends
            // the wait of a space. Adverts also start no session for a space that only one side hosts, so the other
            // side learns of the space only in a session.
            Event::Connected { peer }
                if !self.was_equal || !self.waiting.is_empty() || self.learns() =>
            {
                let gossip = self.gossip.clone();
                tokio::spawn(async move { gossip.sync_with(peer).await });
            }
            Event::RosterChanged { .. } => {
                if let Some(store) = self.store.upgrade() {
                    self.set_members(&store);
                }
            }
            _ => {}
        }
    }

    async fn on_session(&mut self, session: &SessionReport) {
        let complete = matches!(session.outcome.result, Ending::InSync | Ending::Synced);
        let now = self.started.elapsed();
        for outcome in session.outcome.spaces.iter() {
            if complete {
                self.end(&outcome.space.clone()).await;
            } else if session.changed_us()
                && let Some(contact) = self.waiting.get_mut(&outcome.space)
            {
                contact.on_progress(now);
            }
        }
    }

    fn learns(&self) -> bool {
        self.store.upgrade().is_some_and(|store| store.learns_spaces())
    }

    /// Hosts spaces that a peer named, if this node learns spaces.
    async fn learn(&mut self, unhosted: &[SpaceId]) {
        let Some(store) = self.store.upgrade().filter(|store| store.learns_spaces()) else {
            return;
        };
        let (waits, added) = (!self.settle.is_zero(), self.added.clone());
        let unhosted = unhosted.to_vec();
        let learned = spawn_blocking(move || {
            for space in &unhosted {
                if let Err(error) = add_space(&store, space, waits, &added) {
                    store.note_unlearned(space, &error);
                }
            }
        });
        _ = learned.await;
    }

    /// Handles a new space: starts its wait for the first contact, if it has to wait, and announces it to the peers.
    fn on_added(&mut self, space: SpaceId) {
        let hosted = self.store.upgrade().and_then(|store| store.space(&space));
        if hosted.is_some_and(|space| space.is_waiting()) {
            let contact = FirstContact::new(self.settle, self.started.elapsed());
            self.waiting.insert(space, contact);
        }
        self.gossip.announce();
        self.spread.send_replace(());
    }

    async fn end_overdue(&mut self) {
        let now = self.started.elapsed();
        let overdue = self.waiting.iter().filter(|(_, contact)| contact.deadline() <= now);
        let overdue: Vec<SpaceId> = overdue.map(|(space, _)| space.clone()).collect();
        for space in overdue {
            self.end(&space).await;
        }
    }

    /// Ends the wait of a space. Submissions that cannot be stored continue to wait until the next
    /// complete session or the next deadline.
    async fn end(&mut self, space: &SpaceId) {
        let Some(mut contact) = self.waiting.remove(space) else { return };
        let Some(hosted) = self.store.upgrade().and_then(|store| store.space(space)) else {
            return;
        };
        let taken = spawn_blocking(move || hosted.take_in()).await;
        if !matches!(taken, Ok(Ok(()))) {
            contact.restart(self.started.elapsed());
            self.waiting.insert(space.clone(), contact);
        }
    }

    fn set_members(&self, store: &Store) {
        store.set_members(self.gossip.roster().iter().map(|member| member.id));
    }
}
