//! Which records which session is bringing, so that no other session asks for them as well.
//!
//! A node that catches up with several peers at once finds the same differences with each of them.
//! Whichever session asks for a record first claims it; the others leave it out, and look again
//! when a session has ended. A claim is a hint: it saves bytes, and a lost one costs some.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use engram_gossip_proto::{
    Clocks, Content, Delivery, Entry, KEY_LEN, Prefix, Receipt, Record, ShortNode, SpaceId,
    Summary, VersionRange, View,
};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::NodeId;
use crate::limits::{CLAIM_TIMEOUT, DISTRUST, MAX_CLAIMS};

/// The key of a record within its space, as requests name it.
type Key = [u8; KEY_LEN];
/// A session, by the order in which they began.
type Serial = u64;

/// The claims of all sessions of a node.
#[derive(Debug)]
pub(crate) struct Claims {
    table: Mutex<Table>,
    /// Tells whenever a session that claimed something has ended.
    ended: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct Table {
    last: Serial,
    sessions: BTreeMap<Serial, Holder>,
    spaces: BTreeMap<SpaceId, HashMap<Key, State>>,
    /// The nodes of whose ranges of versions a session takes everything.
    ranges: BTreeMap<(SpaceId, ShortNode), Serial>,
    len: usize,
    /// Peers that let claims lapse, and until when they get no further ones.
    distrusted: BTreeMap<NodeId, Instant>,
}

/// A session that may hold claims.
#[derive(Debug)]
struct Holder {
    /// Its claims count until then; each delivery puts that off.
    until: Instant,
    open: usize,
    /// Whether it ever claimed anything.
    claimed: bool,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// This session asked for it.
    Claimed(Serial),
    /// It came, when this session was the last to have begun: older ones have pinned their trees
    /// before, and do not see it there.
    Came(Serial),
}

impl Default for Claims {
    fn default() -> Self {
        Self { table: Mutex::default(), ended: watch::Sender::new(()) }
    }
}

impl Claims {
    /// A session with `peer` is about to pin its views.
    pub(crate) fn begin(self: &Arc<Self>, peer: NodeId) -> Arc<Ticket> {
        let now = Instant::now();
        let mut table = self.lock();
        table.last += 1;
        let serial = table.last;
        table.distrusted.retain(|_, until| now < *until);
        let trusted = !table.distrusted.contains_key(&peer);
        let holder = Holder { until: now + CLAIM_TIMEOUT, open: 0, claimed: false };
        table.sessions.insert(serial, holder);
        drop(table);
        Arc::new(Ticket { claims: self.clone(), serial, peer, trusted })
    }

    /// Whether some session holds claims now.
    pub(crate) fn are_held(&self) -> bool {
        let now = Instant::now();
        self.lock().sessions.values().any(|holder| holder.open > 0 && now < holder.until)
    }

    /// Tells whenever a session that claimed something has ended.
    pub(crate) fn subscribe(&self) -> watch::Receiver<()> {
        self.ended.subscribe()
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        // A table that a panicking holder left half done holds wrong hints at worst.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A session's right to claim. Dropping it gives back what it still claims.
#[derive(Debug)]
pub(crate) struct Ticket {
    claims: Arc<Claims>,
    serial: Serial,
    peer: NodeId,
    trusted: bool,
}

impl Ticket {
    /// Claims a record, unless another session is bringing it, or has brought it since this one
    /// pinned its views.
    fn claim(&self, space: &SpaceId, key: Key) -> bool {
        let now = Instant::now();
        let mut table = self.claims.lock();
        let Table { sessions, spaces, len, .. } = &mut *table;
        let known = spaces.get(space).and_then(|keys| keys.get(&key)).copied();
        let previous = match known {
            Some(State::Came(last)) if last >= self.serial => return false,
            Some(State::Claimed(other)) if other != self.serial => {
                let holder = sessions.get_mut(&other);
                if holder.as_ref().is_some_and(|holder| now < holder.until) {
                    return false;
                }
                holder
            }
            _ => None,
        };
        if let Some(lapsed) = previous {
            lapsed.open -= 1;
        }
        // Who is not trusted may bring what it likes, but keeps nobody else from it.
        if self.trusted && *len < MAX_CLAIMS {
            let before =
                spaces.entry(space.clone()).or_default().insert(key, State::Claimed(self.serial));
            *len += usize::from(before.is_none());
            let again = matches!(before, Some(State::Claimed(own)) if own == self.serial);
            if let Some(holder) = sessions.get_mut(&self.serial) {
                holder.until = now + CLAIM_TIMEOUT;
                holder.claimed = true;
                holder.open += usize::from(!again);
            }
        }
        true
    }

    /// Claims all records of a range by versions until the session ends, unless another session has
    /// claimed records of the same node.
    fn claim_range(&self, space: &SpaceId, node: ShortNode) -> bool {
        let now = Instant::now();
        let mut table = self.claims.lock();
        let Table { sessions, ranges, .. } = &mut *table;
        let known = ranges.get(&(space.clone(), node)).copied();
        let holder = known.filter(|other| *other != self.serial).and_then(|n| sessions.get(&n));
        if holder.is_some_and(|holder| now < holder.until) {
            return false;
        }
        if self.trusted && ranges.len() < MAX_CLAIMS {
            ranges.insert((space.clone(), node), self.serial);
            if let Some(holder) = sessions.get_mut(&self.serial) {
                holder.until = now + CLAIM_TIMEOUT;
                holder.claimed = true;
            }
        }
        true
    }

    /// These records came, claimed or not.
    fn came(&self, space: &SpaceId, keys: impl Iterator<Item = Key>) {
        let mut table = self.claims.lock();
        let Table { last, sessions, spaces, len, .. } = &mut *table;
        // If this is the only session, all later ones will see them in their trees.
        let is_alone = sessions.len() == 1;
        let known = spaces.entry(space.clone()).or_default();
        for key in keys {
            let before = match is_alone || *len >= MAX_CLAIMS {
                true => known.remove(&key).inspect(|_| *len -= 1),
                false => {
                    let before = known.insert(key, State::Came(*last));
                    *len += usize::from(before.is_none());
                    before
                }
            };
            if let Some(State::Claimed(holder)) = before
                && let Some(holder) = sessions.get_mut(&holder)
            {
                holder.open -= 1;
            }
        }
        if let Some(holder) = sessions.get_mut(&self.serial) {
            holder.until = Instant::now() + CLAIM_TIMEOUT;
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut table = self.claims.lock();
        let Some(holder) = table.sessions.remove(&self.serial) else { return };
        if holder.open > 0 {
            // It promised what it did not bring. Once is bad luck; nobody gets to do it often.
            table.distrusted.insert(self.peer, Instant::now() + DISTRUST);
        }
        table.ranges.retain(|_, serial| *serial != self.serial);
        let oldest = table.sessions.first_key_value().map(|(serial, _)| *serial);
        let Table { spaces, len, .. } = &mut *table;
        *len = 0;
        spaces.retain(|_, keys| {
            keys.retain(|_, state| match state {
                State::Claimed(serial) => *serial != self.serial,
                State::Came(last) => oldest.is_some_and(|oldest| oldest <= *last),
            });
            *len += keys.len();
            !keys.is_empty()
        });
        drop(table);
        if holder.claimed {
            self.claims.ended.send_replace(());
        }
    }
}

/// A view whose session asks for nothing that another one is bringing.
pub(crate) struct ClaimingView<V> {
    pub(crate) view: V,
    pub(crate) space: SpaceId,
    pub(crate) ticket: Arc<Ticket>,
}

impl<V: View> View for ClaimingView<V> {
    fn summary(&self) -> Summary {
        self.view.summary()
    }

    fn count(&self, prefix: &Prefix) -> u64 {
        self.view.count(prefix)
    }

    fn children(&self, prefix: &Prefix) -> [Option<[u8; 32]>; 16] {
        self.view.children(prefix)
    }

    fn entries(&self, prefix: &Prefix) -> Vec<Entry> {
        self.view.entries(prefix)
    }

    fn record(&self, key: &[u8; 32]) -> Option<Record> {
        self.view.record(key)
    }

    fn content(&self, digest: &[u8; 32]) -> Option<Content> {
        self.view.content(digest)
    }

    fn holds(&self, digest: &[u8; 32]) -> bool {
        self.view.holds(digest)
    }

    fn key_of(&self, id: &str) -> [u8; 32] {
        self.view.key_of(id)
    }

    fn apply(&mut self, delivery: Delivery) -> Receipt {
        let keys: Vec<Key> = (delivery.records.iter())
            .filter_map(|record| self.view.key_of(&record.id).first_chunk().copied())
            .collect();
        let receipt = self.view.apply(delivery);
        self.ticket.came(&self.space, keys.into_iter());
        receipt
    }

    fn live_summary(&self) -> Summary {
        self.view.live_summary()
    }

    fn claim(&self, key: &[u8; KEY_LEN]) -> bool {
        self.ticket.claim(&self.space, *key) && self.view.claim(key)
    }

    fn claim_range(&self, range: &VersionRange) -> bool {
        self.ticket.claim_range(&self.space, range.node) && self.view.claim_range(range)
    }

    fn with_clocks(&self, work: &mut dyn FnMut(&mut dyn Clocks)) -> bool {
        self.view.with_clocks(work)
    }

    fn repin(&mut self) {
        self.view.repin();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: Key = [1; KEY_LEN];

    fn peer(n: u8) -> NodeId {
        NodeId::from([n; 32])
    }

    fn space() -> SpaceId {
        SpaceId::new("space").unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn one_session_brings_a_record_and_the_others_leave_it_out() {
        let claims = Arc::<Claims>::default();
        let [first, second] = [1, 2].map(|n| claims.begin(peer(n)));
        assert!(first.claim(&space(), KEY) && first.claim(&space(), KEY));
        assert!(!second.claim(&space(), KEY));
        first.came(&space(), [KEY].into_iter());
        assert!(!claims.are_held());
        assert!(!second.claim(&space(), KEY), "it came after its tree was pinned");
        let third = claims.begin(peer(3));
        assert!(third.claim(&space(), KEY), "it would see it in its tree: this is a newer one");
    }

    #[tokio::test(start_paused = true)]
    async fn a_claim_ends_with_its_session_or_when_nothing_comes() {
        let claims = Arc::<Claims>::default();
        let [first, second, third] = [1, 2, 3].map(|n| claims.begin(peer(n)));
        let ended = claims.subscribe();
        assert!(first.claim(&space(), KEY));
        assert!(!second.claim(&space(), KEY));
        drop(first);
        assert!(ended.has_changed().unwrap());
        assert!(second.claim(&space(), KEY));
        tokio::time::advance(CLAIM_TIMEOUT).await;
        assert!(third.claim(&space(), KEY));
        assert!(!second.claim(&space(), KEY), "now it is the third one's");
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_does_not_bring_what_it_promised_holds_nobody_up_again() {
        let claims = Arc::<Claims>::default();
        let honest = claims.begin(peer(1));
        let liar = claims.begin(peer(2));
        assert!(liar.claim(&space(), KEY));
        drop(liar);
        let liar = claims.begin(peer(2));
        assert!(liar.claim(&space(), KEY), "it may bring it");
        assert!(honest.claim(&space(), KEY), "but so may others");
        drop(liar);
        tokio::time::advance(DISTRUST).await;
        let liar = claims.begin(peer(2));
        assert!(liar.claim(&space(), [2; KEY_LEN]));
        assert!(!honest.claim(&space(), [2; KEY_LEN]), "bad luck is forgotten");
    }

    #[tokio::test(start_paused = true)]
    async fn one_session_takes_a_range() {
        let claims = Arc::<Claims>::default();
        let [first, second] = [1, 2].map(|n| claims.begin(peer(n)));
        assert!(first.claim_range(&space(), [1; 8]) && first.claim_range(&space(), [1; 8]));
        assert!(!second.claim_range(&space(), [1; 8]));
        assert!(second.claim_range(&space(), [2; 8]), "another node's");
        drop(first);
        assert!(second.claim_range(&space(), [1; 8]));
        tokio::time::advance(CLAIM_TIMEOUT).await;
        let third = claims.begin(peer(3));
        assert!(third.claim_range(&space(), [1; 8]), "nothing came for too long");
    }

    #[tokio::test(start_paused = true)]
    async fn beyond_max_claims_records_may_come_twice() {
        let claims = Arc::<Claims>::default();
        let [first, second] = [1, 2].map(|n| claims.begin(peer(n)));
        let key = |n: usize| *(n as u64).to_be_bytes().last_chunk().unwrap();
        (0..=MAX_CLAIMS).for_each(|n| assert!(first.claim(&space(), key(n))));
        assert!(!second.claim(&space(), key(MAX_CLAIMS - 1)));
        assert!(second.claim(&space(), key(MAX_CLAIMS)));
        first.came(&space(), (0..=MAX_CLAIMS).map(key));
        drop((first, second));
        assert_eq!(claims.lock().len, 0, "nothing is remembered once all sessions have ended");
        assert!(claims.lock().spaces.is_empty());
    }
}
