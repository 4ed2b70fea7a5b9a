//! Deletions leave when nobody needs them any more.

use std::sync::{Arc, Weak};
use std::time::Duration;

use engram_gossip_net::{Event, Gossip, NodeId, SessionReport};
use engram_merkle::Digest;
use tokio::task::{AbortHandle, spawn_blocking};
use tokio::time::{MissedTickBehavior, interval};

use crate::deletions::Patience;
use crate::space::Space;
use crate::{ConsolidationCacheSource, StorageError, Store};

/// How often deletions are looked at without a reason: for a grace that is over.
const LOOK: Duration = Duration::from_secs(60);

impl Space {
    /// Takes note that `peer` ended a session with this root and in this very state, which it has made
    /// durable. If the state is another one by now, nothing is noted: a later session will tell.
    ///
    /// # Errors
    /// [`StorageError`] if it cannot be stored; then it is not known after the next start.
    pub fn note_equal(&self, peer: NodeId, root: Digest) -> Result<(), StorageError> {
        let mut journal = self.journal();
        let waited = {
            let mut state = self.state_mut();
            if state.tree().root() != root {
                return Ok(());
            }
            state.deletions_mut().note_equal(peer)
        };
        if !waited {
            return Ok(());
        }
        let floor = self.state().deletions().floor();
        journal.commit_floor(self.id(), &floor)
    }

    /// Goes on with the deletions that everybody in `roster`, which names the other members of the
    /// cluster, is known to cover: tombstones are reaped once the grace is over, and what reminds of
    /// them goes when nobody can need it. Returns how many deletions went on. O(deletions).
    ///
    /// Nothing that is visible changes, on any node.
    ///
    /// # Errors
    /// [`StorageError`] if it cannot be stored. Nothing was changed.
    pub fn reap(&self, roster: &[NodeId]) -> Result<usize, StorageError> {
        if !self.state().deletions().knows(roster) {
            self.state_mut().deletions_mut().learn(roster);
        }
        let cause = self.cause(ConsolidationCacheSource::OnDemand);
        let mut reaped = 0;
        self.change(cause, |state, writer| {
            let node = NodeId::from(writer.actor().node);
            let (now, grace) = (cause.generated_at, self.rules.grace);
            let changes = state.plan_reap(Patience { roster, node, now, grace });
            reaped = changes.len();
            changes
        })?;
        Ok(reaped)
    }

    /// How many deletions wait for the roster.
    pub fn waiting_deletions(&self) -> usize {
        self.state().deletions().len()
    }

    /// How many tombstones were reaped since the process started.
    pub fn reaped_deletions(&self) -> u64 {
        self.state().deletions().reaped()
    }

    /// How many deletions `peer` is not known to cover. O(deletions).
    pub fn held_up_by(&self, peer: &NodeId) -> u64 {
        self.state().deletions().behind(peer)
    }
}

/// Lets the deletions of a node leave: notes with whom its sessions ended equal, and reaps what the
/// whole roster covers. It ends with this value, or with the node. [`Node`](crate::Node) has one; make
/// one where there is none.
#[derive(Debug)]
pub struct Reaper {
    task: AbortHandle,
}

impl Reaper {
    /// `gossip` must have been bound to `store`.
    ///
    /// # Panics
    /// If called outside of a tokio runtime.
    pub fn start(store: &Arc<Store>, gossip: &Gossip) -> Self {
        let (store, gossip) = (Arc::downgrade(store), gossip.clone());
        Self { task: tokio::spawn(reap(store, gossip)).abort_handle() }
    }
}

impl Drop for Reaper {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn reap(store: Weak<Store>, gossip: Gossip) {
    let mut events = gossip.events();
    let mut look = interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let session = tokio::select! {
            event = events.next() => match event {
                Some(Event::Session(session)) => Some(session),
                Some(Event::RosterChanged { .. }) => None,
                Some(_) => continue,
                None => return,
            },
            _ = look.tick() => None,
        };
        let Some(store) = store.upgrade() else { return };
        let roster: Vec<NodeId> = gossip.roster().iter().map(|member| member.id).collect();
        let work = spawn_blocking(move || work(&store, session.as_ref(), &roster));
        // What cannot be stored is tried again: nothing was noted, and nothing reaped.
        if let Ok(Ok(1..)) = work.await {
            gossip.announce();
        }
    }
}

/// Returns how many deletions went on.
fn work(
    store: &Store,
    session: Option<&SessionReport>,
    roster: &[NodeId],
) -> Result<usize, StorageError> {
    if let Some(session) = session.filter(|session| session.is_equal()) {
        for agreed in session.outcome.spaces.iter() {
            if let Some(space) = store.space(&agreed.space) {
                space.note_equal(session.peer, agreed.ours.into())?;
            }
        }
    }
    let waiting = store.iter().filter(|space| space.waiting_deletions() > 0);
    waiting.map(|space| space.reap(roster)).sum()
}
