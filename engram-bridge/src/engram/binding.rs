//! The connection between a store and its gossip.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

use engram_gossip_net::{Event, Events, Gossip, SessionReport};
use engram_gossip_proto::{Ending, SpaceId};
use tokio::sync::watch;
use tokio::task::{AbortHandle, spawn_blocking};
use tokio::time::{Instant, sleep_until};

use crate::engram::gossiper::{ConsolidationGossiper, UnknownSpace};
use crate::replica::first_contact::FirstContact;
use crate::replica::store::Store;

/// How long a space that starts empty waits for a peer, unless progress extends it: 10 seconds.
pub const DEFAULT_SETTLE: Duration = Duration::from_secs(10);

/// Connects a store with its gossip: announces local changes to the peers, tells the store who the
/// members are, and ends the wait of spaces that started empty.
///
/// Cheap to clone. It works until the last clone, or the last [`ConsolidationGossiper`] made from
/// it, is dropped.
#[derive(Clone, Debug)]
pub struct Binding {
    inner: Arc<Inner>,
}

struct Inner {
    store: Arc<Store>,
    gossip: Gossip,
    task: AbortHandle,
}

impl Binding {
    /// Connects `store` with `gossip`, which was bound to it, and lets new spaces wait for
    /// [`DEFAULT_SETTLE`].
    ///
    /// # Panics
    /// If called outside of a tokio runtime.
    pub fn new(store: Arc<Store>, gossip: Gossip) -> Self {
        Self::with_settle(store, gossip, DEFAULT_SETTLE)
    }

    /// Connects `store` with `gossip`, which was bound to it.
    ///
    /// A space whose store is new, or lost rows, keeps the submissions of its engine back until a
    /// session told it what its peers know of this node: a node that lost its state must not
    /// overwrite its own later versions. The wait ends with the first session that leaves nothing behind, or once no session
    /// made progress for `settle`, at the latest after six times that. A node without peers does
    /// not wait.
    ///
    /// # Panics
    /// If called outside of a tokio runtime.
    pub fn with_settle(store: Arc<Store>, gossip: Gossip, settle: Duration) -> Self {
        let driver = Driver::new(&store, &gossip, settle);
        let task = tokio::spawn(driver.run()).abort_handle();
        Self { inner: Arc::new(Inner { store, gossip, task }) }
    }

    /// The gossip of one of the store's spaces.
    ///
    /// # Errors
    /// [`UnknownSpace`] if the store does not host it.
    pub fn gossiper(&self, space: &SpaceId) -> Result<ConsolidationGossiper, UnknownSpace> {
        ConsolidationGossiper::new(self, space)
    }

    /// The store.
    pub fn store(&self) -> &Arc<Store> {
        &self.inner.store
    }

    /// The gossip.
    pub fn gossip(&self) -> &Gossip {
        &self.inner.gossip
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inner").field("store", &self.store).finish_non_exhaustive()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The task behind a [`Binding`].
struct Driver {
    store: Weak<Store>,
    gossip: Gossip,
    events: Events,
    changes: watch::Receiver<u64>,
    /// The spaces that wait for their first contact.
    waiting: BTreeMap<SpaceId, FirstContact>,
    started: Instant,
}

impl Driver {
    fn new(store: &Arc<Store>, gossip: &Gossip, settle: Duration) -> Self {
        let (events, changes) = (gossip.events(), store.local_changes());
        let mut driver = Self {
            store: Arc::downgrade(store),
            gossip: gossip.clone(),
            events,
            changes,
            waiting: BTreeMap::new(),
            started: Instant::now(),
        };
        driver.set_members(store);
        if !gossip.peers().is_empty() && settle > Duration::ZERO {
            let waiting = store.iter().filter(|space| space.await_contact());
            let contact = FirstContact::new(settle, Duration::ZERO);
            driver.waiting = waiting.map(|space| (space.id().clone(), contact)).collect();
        }
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
                () = timer => self.end_overdue().await,
            }
        }
    }

    async fn on_event(&mut self, event: Event) {
        match event {
            Event::Session(session) if !self.waiting.is_empty() => self.on_session(&session).await,
            // Nodes that are all empty have equal roots, which lead to no session by themselves.
            Event::Connected { peer } if !self.waiting.is_empty() => {
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

    async fn end_overdue(&mut self) {
        let now = self.started.elapsed();
        let overdue = self.waiting.iter().filter(|(_, contact)| contact.deadline() <= now);
        let overdue: Vec<SpaceId> = overdue.map(|(space, _)| space.clone()).collect();
        for space in overdue {
            self.end(&space).await;
        }
    }

    /// Ends the wait of a space. Submissions that cannot be stored go on waiting, until the next
    /// deadline.
    async fn end(&mut self, space: &SpaceId) {
        let Some(mut contact) = self.waiting.remove(space) else { return };
        let Some(hosted) = self.store.upgrade().and_then(|store| store.space(space).cloned())
        else {
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
