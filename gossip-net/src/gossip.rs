//! The handle of a running node.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use engram_gossip_proto::schedule::{Agreement, ConfigError, RateLimits, Reach};
use engram_gossip_proto::{DecodeError, Parameters, RootAdvert, SpaceId, View};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::command::{Answer, Command, PreviewRequest};
use crate::endpoint::Socket;
use crate::error::{AdvertError, RotateError};
use crate::handle::Peer;
use crate::membership::{Membership, MembershipInput, StaticSeeds};
use crate::node::{Phase, Shared};
use crate::peer;
use crate::replicas::{Replicas, Replicated, open_over};
use crate::{
    BindError, Event, Events, Identity, IdentityChange, Member, NetConfig, NodeId, PeerStatus,
    Roster, RoundReport, SessionReport, Stats, SyncError, Validity, accept, driver, keep,
};

/// A running node, which connects to the members of its roster and synchronizes with them.
///
/// Clones are handles to the same node and can be used on any thread. Only [`bind`](Self::bind) and
/// [`bind_with`](Self::bind_with) must be called within a tokio runtime. The node stops on
/// [`shutdown`](Self::shutdown), or abruptly when the last handle is dropped.
#[derive(Clone)]
pub struct Gossip {
    node: Arc<Node>,
}

/// The shared state of the handles; dropping it stops the node.
struct Node {
    shared: Arc<Shared>,
    address: SocketAddr,
    /// Held while a new roster takes effect in the handshakes, the peers' tasks, the scheduler and
    /// the membership, which must all follow the same one.
    roster_turn: Mutex<()>,
}

impl Gossip {
    /// Starts a node on the current tokio runtime.
    ///
    /// `replicas` holds the replicated state. All nodes of the cluster have to use the same
    /// `parameters`.
    ///
    /// # Errors
    /// [`BindError`] if a value or the identity is invalid, if the address cannot be bound, or if
    /// there is no current tokio runtime.
    pub fn bind<R: Replicas>(
        config: NetConfig,
        identity: Identity,
        roster: Roster,
        parameters: Parameters,
        replicas: Arc<R>,
    ) -> Result<Self, BindError> {
        Self::bind_with(config, identity, roster, parameters, replicas, Arc::new(StaticSeeds))
    }

    /// Like [`bind`](Self::bind), with a failure detector.
    ///
    /// # Errors
    /// The same as those of [`bind`](Self::bind).
    pub fn bind_with<R: Replicas>(
        config: NetConfig,
        identity: Identity,
        roster: Roster,
        parameters: Parameters,
        replicas: Arc<R>,
        membership: Arc<dyn Membership>,
    ) -> Result<Self, BindError> {
        let runtime = Handle::try_current().map_err(|_| BindError::NoRuntime)?;
        config.check()?;
        identity.check(SystemTime::now())?;
        let source = Replicated::new(replicas, parameters, config.session.clone())?;
        let socket = Socket::bind(&config, &identity)?;
        let address = socket.address();
        let source = Arc::new(source);
        let shared = Shared::new(config, identity, roster, socket, source, membership, runtime)?;
        let shared = Arc::new(shared);
        let (us, roster) = (shared.us, shared.roster());
        shared.tell_membership(MembershipInput::Started { us, roster: &roster });
        for member in roster.iter().filter(|member| member.id != us) {
            shared.peers().insert(member.id, peer::spawn(&shared, member.clone()));
        }
        shared.tell_roots();
        shared.tell_members(&roster);
        tokio::spawn(accept::run(shared.clone()));
        tokio::spawn(driver::run(shared.clone()));
        tokio::spawn(keep::run(shared.clone()));
        Ok(Self { node: Arc::new(Node { shared, address, roster_turn: Mutex::default() }) })
    }

    /// The id of this node.
    pub fn node_id(&self) -> NodeId {
        self.shared().us
    }

    /// The bound address. It contains the actual port if the configured port is 0.
    pub fn local_addr(&self) -> SocketAddr {
        self.node.address
    }

    /// Announces a change to the local state. The scheduler receives the new roots immediately, and
    /// coalesces calls in quick succession. Without an announcement, the node notices a change
    /// within a second.
    pub fn announce(&self) {
        self.shared().tell_roots();
    }

    /// Opens a session with `peer` that begins after this call, and waits for its end.
    ///
    /// A peer without a connection is dialled first, regardless of its back-off. If a connected peer
    /// has died silently, the session fails after
    /// [`SessionConfig::idle_timeout`](engram_gossip_proto::SessionConfig::idle_timeout) (10 s by
    /// default) and its connection is closed; later calls fail within the time-out of a dial, 1.5 to
    /// 5 s, until the peer answers.
    ///
    /// # Errors
    /// [`SyncError`] gives the cause. Records that were joined before the failure remain joined.
    pub async fn sync_with(&self, peer: NodeId) -> Result<SessionReport, SyncError> {
        self.shared().ask_peer(peer, Command::Request).await
    }

    /// Opens a session with `peer` over the caller's views, and waits for its end. Use it to
    /// preview a session or to inspect the peer's records.
    ///
    /// `pin` is called immediately before the session begins, and again if the session is reopened
    /// because it crossed a session that the peer opened, or because its connection was replaced.
    /// The session makes no claims, so it withholds no record from other sessions. Sync sessions
    /// take precedence, but wait for a running preview with their peer. A preview takes one of the
    /// [`outbound_sessions`](crate::ScheduleConfig::outbound_sessions), and counts towards the rate
    /// limits. For the peer, this is an ordinary session: to leave the peer's records unchanged,
    /// the view must send no records of its own.
    ///
    /// # Errors
    /// Those of [`sync_with`](Self::sync_with), and [`SyncError::TooManyPreviews`] if
    /// [`MAX_PEER_PREVIEWS`](crate::limits::MAX_PEER_PREVIEWS) previews with the peer or
    /// [`MAX_PREVIEWS`](crate::limits::MAX_PREVIEWS) previews in total are already running or
    /// waiting.
    pub async fn sync_with_view<V: View<Content: Send> + Send + 'static>(
        &self,
        peer: NodeId,
        pin: impl Fn() -> Vec<(SpaceId, V)> + Send + Sync + 'static,
    ) -> Result<SessionReport, SyncError> {
        let machine = Arc::new(move |setup| open_over::<V>(setup, pin()));
        let request = |answer| Command::RequestPreview(PreviewRequest { machine, answer });
        self.shared().ask_peer(peer, request).await
    }

    /// Contacts up to `fanout` peers now, regardless of the timer. Skips unreachable peers. A
    /// failed contact does not affect the others.
    pub async fn round(&self) -> RoundReport {
        let chosen = self.shared().schedule.ask(|scheduler, _| scheduler.choose_round());
        let mut sessions = JoinSet::new();
        for peer in chosen {
            let gossip = self.clone();
            let session = async move { (peer, gossip.sync_with(peer).await) };
            sessions.spawn_on(session, &self.shared().runtime);
        }
        let mut report = RoundReport::default();
        while let Some(contact) = sessions.join_next().await {
            report.contacts.extend(contact);
        }
        report
    }

    /// Subscribes to future events.
    pub fn events(&self) -> Events {
        self.shared().events.subscribe()
    }

    /// The status of each member of the roster except this node, ascending by id.
    pub fn peers(&self) -> Vec<PeerStatus> {
        let now = Instant::now();
        // Ask the membership without holding the lock.
        let peers: Vec<(NodeId, Peer)> =
            self.shared().peers().iter().map(|(id, peer)| (*id, peer.clone())).collect();
        let membership = &*self.shared().membership;
        let status = |(id, peer): &(NodeId, Peer)| {
            let (agreement, stalled) = self
                .shared()
                .schedule
                .ask(|scheduler, _| (scheduler.agreement(*id), scheduler.stalled_sessions(*id)));
            let agreement = agreement.unwrap_or(Agreement::Unknown);
            peer.state.status(now, membership, agreement, stalled)
        };
        peers.iter().map(status).collect()
    }

    /// Statistics since the start of this node.
    pub fn stats(&self) -> Stats {
        let stats = self.shared().counters.snapshot();
        self.shared().schedule.ask(|scheduler, _| stats.with(scheduler.stats()))
    }

    /// The rate limits in force.
    pub fn limits(&self) -> RateLimits {
        self.shared().schedule.ask(|scheduler, _| scheduler.config().limits)
    }

    /// Replaces the rate limits for future sessions. Unused quota carries over, up to the new burst,
    /// and so does debt, which is paid off at the new rates.
    ///
    /// # Errors
    /// [`ConfigError`] names the invalid value. The old limits stay in force.
    pub fn set_limits(&self, limits: RateLimits) -> Result<(), ConfigError> {
        self.shared().tell(|scheduler, now| scheduler.set_limits(limits, now))
    }

    /// The roster in force.
    pub fn roster(&self) -> Roster {
        (*self.shared().roster()).clone()
    }

    /// Replaces the roster. Removed members are disconnected immediately, new members that have an
    /// address are dialled, and the others keep their connections. Concurrent calls take effect one
    /// after the other.
    pub fn set_roster(&self, roster: Roster) {
        let shared = self.shared();
        let _turn = self.node.roster_turn.lock().unwrap_or_else(PoisonError::into_inner);
        // Update the roster of the handshakes first, so that no removed member connects meanwhile.
        shared.set_roster(roster.clone());
        let mut peers = shared.peers();
        let removed: Vec<NodeId> =
            peers.keys().filter(|id| !roster.contains(id)).copied().collect();
        removed.iter().for_each(|id| _ = peers.remove(id));
        let mut added = 0;
        for member in roster.iter().filter(|member| member.id != shared.us) {
            match peers.get(&member.id) {
                Some(peer) => {
                    peer.state.notes().member.clone_from(member);
                    peer.command(Command::Moved);
                }
                None if shared.is_running() => {
                    peers.insert(member.id, peer::spawn(shared, member.clone()));
                    added += 1;
                }
                None => {}
            }
        }
        drop(peers);
        shared.tell(|scheduler, now| {
            removed.iter().for_each(|id| scheduler.remove_member(*id, now));
        });
        shared.tell_members(&roster);
        let removed = removed.len();
        shared.tell_membership(MembershipInput::Roster(&roster));
        shared.events.publish(Event::RosterChanged { added, removed });
    }

    /// Replaces the certificate or the trusted authorities without a restart.
    ///
    /// New handshakes use the new identity immediately. Existing connections are kept, except those
    /// to peers whose certificates the new authorities do not accept. Returns the parts that differ
    /// from the previous identity.
    ///
    /// # Errors
    /// [`RotateError`] if peers would refuse the certificate, or if it is for another key. The old
    /// identity stays in force.
    pub fn set_identity(&self, identity: Identity) -> Result<IdentityChange, RotateError> {
        let shared = self.shared();
        identity.check(SystemTime::now())?;
        if identity.node_id() != shared.us {
            return Err(RotateError::OtherNode { expected: shared.us, found: identity.node_id() });
        }
        let change = identity.changes_from(&shared.identity());
        shared.identity.send_replace(Arc::new(identity));
        Ok(change)
    }

    /// The validity of the certificate in force. A node with an expired certificate keeps its
    /// connections until its peers check it again, and makes no new ones.
    pub fn certificate_validity(&self) -> Validity {
        self.shared().identity().validity()
    }

    /// Encodes the roots of this node in at most `room` bytes, for a membership layer that carries
    /// them in its own messages. An advert without roots takes 4 bytes, even if `room` is smaller.
    /// If not all spaces fit, successive calls rotate through them.
    pub fn advert(&self, room: usize) -> Vec<u8> {
        self.shared().tell_roots();
        self.shared().schedule.ask(|scheduler, _| scheduler.advert(room))
    }

    /// Handles an advert from `peer` that arrived in a message of the membership layer. That layer
    /// must authenticate the sender; a forged advert costs at most one session.
    ///
    /// # Errors
    /// [`AdvertError`] if `peer` is not in the roster or the bytes are not an advert. In both
    /// cases, the node ignores the bytes.
    pub fn handle_advert(&self, peer: NodeId, bytes: &[u8]) -> Result<(), AdvertError> {
        if self.shared().peer(&peer).is_none() {
            return Err(AdvertError::NotInRoster(peer));
        }
        let advert = RootAdvert::decode(bytes)
            .map_err(|fault: DecodeError| AdvertError::Unreadable(fault))?;
        self.shared().tell_advert(peer, &advert);
        Ok(())
    }

    /// Stops the node gracefully. Starts no new sessions, waits at most
    /// [`NetConfig::shutdown_grace`] for running sessions to end and their last bytes to arrive,
    /// then closes every connection. This method is idempotent.
    pub async fn shutdown(&self) {
        // The spawned task stops the node even if this future is dropped.
        let stop = self.shared().clone().stop();
        _ = self.shared().runtime.spawn(stop).await;
    }

    fn shared(&self) -> &Arc<Shared> {
        &self.node.shared
    }
}

impl Shared {
    async fn stop(self: Arc<Self>) {
        self.phase.send_replace(Phase::Draining);
        // The tasks for incoming connections, for the schedule, for the membership and for each peer
        // hold a subscription to the phase until they end.
        self.phase.closed().await;
        // The state of a peer holds its connection, which holds the socket.
        self.peers().clear();
        self.socket.close(self.config.shutdown_grace).await;
        self.events.close();
    }

    /// Sends a command to a peer's task and waits for the result.
    async fn ask_peer(
        &self,
        peer: NodeId,
        command: impl FnOnce(Answer) -> Command,
    ) -> Result<SessionReport, SyncError> {
        let (answer, result) = oneshot::channel();
        // The peer has no task if the node is shutting down or the peer is not in the roster.
        let gone = || match self.is_running() {
            true => SyncError::NotInRoster(peer),
            false => SyncError::ShuttingDown,
        };
        self.peer(&peer).ok_or_else(gone)?.command(command(answer));
        result.await.map_err(|_| gone())?
    }

    /// Passes the members to the scheduler, and whether each can be dialled.
    fn tell_members(&self, roster: &Roster) {
        let reach = |member: &Member| match member.address {
            Some(_) => Reach::Dialable,
            None => Reach::DialsUs,
        };
        self.tell(|scheduler, now| {
            roster.iter().for_each(|member| scheduler.set_member(member.id, reach(member), now));
        });
    }
}

impl std::fmt::Debug for Gossip {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gossip")
            .field("node_id", &self.node_id())
            .field("local_addr", &self.node.address)
            .finish_non_exhaustive()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.shared.phase.send_replace(Phase::Draining);
        drop(self.shared.socket.abandon());
        self.shared.peers().clear();
        self.shared.events.close();
    }
}
