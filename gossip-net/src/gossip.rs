//! The handle of a running node.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::SystemTime;

use engram_gossip_proto::schedule::{Agreement, ConfigError, RateLimits, Reach};
use engram_gossip_proto::{DecodeError, Parameters, RootAdvert, SpaceId, View};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::command::{Command, PreviewRequest};
use crate::endpoint::Socket;
use crate::error::{AdvertError, RotateError};
use crate::handle::Peer;
use crate::membership::{Membership, MembershipInput, StaticSeeds};
use crate::node::{Phase, Shared, SharedInit};
use crate::peer;
use crate::replicas::{Replicas, Replicated, open_over};
use crate::{
    BindError, Event, Events, Identity, Member, NetConfig, NodeId, PeerStatus, Roster, RoundReport,
    SessionReport, Stats, SyncError, Validity, accept, driver, keep,
};

/// A running node: connected to the members of its roster, and kept equal with them.
///
/// Clones are handles of the same node. The node stops when [`shutdown`](Self::shutdown) is called,
/// or at once, without finishing anything, when the last handle is dropped.
#[derive(Clone)]
pub struct Gossip {
    node: Arc<Node>,
}

/// What the handles share; dropping it stops the node.
struct Node {
    shared: Arc<Shared>,
    address: SocketAddr,
}

impl Gossip {
    /// Starts a node on the current tokio runtime.
    ///
    /// `parameters` are what both sides of a session have to agree on; `replicas` is the state.
    ///
    /// # Errors
    /// [`BindError`] names the value, the file or the address that stands in the way.
    pub fn bind<R: Replicas>(
        config: NetConfig,
        identity: Identity,
        roster: Roster,
        parameters: Parameters,
        replicas: Arc<R>,
    ) -> Result<Self, BindError> {
        Self::bind_with(config, identity, roster, parameters, replicas, Arc::new(StaticSeeds))
    }

    /// As [`bind`](Self::bind), with a failure detector that says which members are worth contacting.
    ///
    /// # Errors
    /// As [`bind`](Self::bind).
    pub fn bind_with<R: Replicas>(
        config: NetConfig,
        identity: Identity,
        roster: Roster,
        parameters: Parameters,
        replicas: Arc<R>,
        membership: Arc<dyn Membership>,
    ) -> Result<Self, BindError> {
        if tokio::runtime::Handle::try_current().is_err() {
            return Err(BindError::NoRuntime);
        }
        config.check()?;
        identity.check(SystemTime::now())?;
        let source = Replicated::new(replicas, parameters, config.session.clone())?;
        let socket = Socket::bind(&config, &identity)?;
        let address = socket.address();
        let init =
            SharedInit { config, identity, roster, socket, source: Arc::new(source), membership };
        let shared = Arc::new(Shared::new(init)?);
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
        Ok(Self { node: Arc::new(Node { shared, address }) })
    }

    /// Who this node is.
    pub fn node_id(&self) -> NodeId {
        self.shared().us
    }

    /// Where this node listens; the port that was taken if the configuration left it open.
    pub fn local_addr(&self) -> SocketAddr {
        self.node.address
    }

    /// Says that the local state changed: peers hear of the new roots at once. Calls that follow
    /// each other closely are told as one. A change that nobody announces is noticed within a second.
    pub fn announce(&self) {
        self.shared().tell_roots();
    }

    /// Opens a session with `peer` that begins after this call, and waits for its end.
    ///
    /// A peer without a connection is dialled first, whatever its back-off.
    ///
    /// # Errors
    /// [`SyncError`] says what stands in the way. Whatever was joined until then stays joined.
    pub async fn sync_with(&self, peer: NodeId) -> Result<SessionReport, SyncError> {
        let (answer, result) = oneshot::channel();
        self.shared().ask_peer(peer, Command::Request(answer), result).await
    }

    /// Opens a session with `peer` over views that the caller brings, and waits for its end: for a
    /// look at what a session would do, or at what the peer holds.
    ///
    /// `pin` is called right before the session begins, and once more if the session is opened again,
    /// because it crossed one of the peer. The session claims nothing, so that it keeps no record from
    /// others, and brings no turn of others forward. Sessions that sync go first. To the peer it is a
    /// session like any other: a view that is not to change anything there answers with nothing of its
    /// own.
    ///
    /// # Errors
    /// As [`sync_with`](Self::sync_with), and [`SyncError::TooManyPreviews`] if
    /// [`MAX_PEER_PREVIEWS`](crate::limits::MAX_PEER_PREVIEWS) of the peer or
    /// [`MAX_PREVIEWS`](crate::limits::MAX_PREVIEWS) in all run or wait already.
    pub async fn sync_with_view<V: View<Content: Send> + Send + 'static>(
        &self,
        peer: NodeId,
        pin: impl Fn() -> Vec<(SpaceId, V)> + Send + Sync + 'static,
    ) -> Result<SessionReport, SyncError> {
        let (answer, result) = oneshot::channel();
        let machine = Arc::new(move |setup| open_over::<V>(setup, pin()));
        let request = PreviewRequest { machine, answer };
        self.shared().ask_peer(peer, Command::RequestPreview(request), result).await
    }

    /// Contacts up to `fanout` peers now, whatever the timer says. Peers whose dials fail are left
    /// out until their back-off ends, and a failure with one does not touch the others.
    pub async fn round(&self) -> RoundReport {
        let chosen = self.shared().schedule.ask(|scheduler, _| scheduler.choose_round());
        let mut sessions = JoinSet::new();
        for peer in chosen {
            let gossip = self.clone();
            sessions.spawn(async move { (peer, gossip.sync_with(peer).await) });
        }
        let mut report = RoundReport::default();
        while let Some(contact) = sessions.join_next().await {
            report.contacts.extend(contact);
        }
        report
    }

    /// Subscribes to what happens from now on.
    pub fn events(&self) -> Events {
        self.shared().events.subscribe()
    }

    /// How it stands with each member of the roster, ascending by id.
    pub fn peers(&self) -> Vec<PeerStatus> {
        let now = Instant::now();
        // The membership is asked without a lock.
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

    /// What this node has done since it started.
    pub fn stats(&self) -> Stats {
        let stats = self.shared().counters.snapshot();
        self.shared().schedule.ask(|scheduler, _| stats.with(scheduler.stats()))
    }

    /// How much sessions may move, as it is in force.
    pub fn limits(&self) -> RateLimits {
        self.shared().schedule.ask(|scheduler, _| scheduler.config().limits)
    }

    /// Puts other bounds in force for sessions that begin from now on. What was used up stays so: a
    /// debt is paid back at the new rates.
    ///
    /// # Errors
    /// [`ConfigError`] names the value that cannot work. The old bounds stay in force.
    pub fn set_limits(&self, limits: RateLimits) -> Result<(), ConfigError> {
        self.shared().tell(|scheduler, now| scheduler.set_limits(limits, now))
    }

    /// The roster in force.
    pub fn roster(&self) -> Roster {
        (*self.shared().roster()).clone()
    }

    /// Puts another roster in force: members that left lose their connection at once, members that
    /// came are dialled, others keep their connection.
    pub fn set_roster(&self, roster: Roster) {
        let shared = self.shared();
        // First the list that handshakes are checked against, so that nobody slips in meanwhile.
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

    /// Puts a renewed certificate, or another set of authorities, in force without a restart.
    ///
    /// New handshakes use it at once. Connections stay, except those whose peer the new authorities
    /// do not accept any more.
    ///
    /// # Errors
    /// [`RotateError`] if peers would refuse the certificate, or if it is for another key. The old
    /// identity stays in force.
    pub fn set_identity(&self, identity: Identity) -> Result<(), RotateError> {
        let shared = self.shared();
        identity.check(SystemTime::now())?;
        if identity.node_id() != shared.us {
            return Err(RotateError::OtherNode { expected: shared.us, found: identity.node_id() });
        }
        shared.set_identity(identity);
        shared.recheck.send_replace(());
        Ok(())
    }

    /// When the certificate in force is valid. A node whose certificate has expired keeps its connections
    /// for the moment, and makes no new ones.
    pub fn certificate_validity(&self) -> Validity {
        self.shared().identity().validity()
    }

    /// The roots of this node in at most `room` bytes, for a membership layer that carries them in
    /// its own messages. With more spaces than fit, each call names the next ones in turn.
    pub fn advert(&self, room: usize) -> Vec<u8> {
        self.shared().tell_roots();
        self.shared().schedule.ask(|scheduler, _| scheduler.advert(room))
    }

    /// Takes the roots of `peer` as its membership layer carried them. The carrier has to make sure
    /// that they are `peer`'s; a forged one costs a session and nothing else.
    ///
    /// # Errors
    /// [`AdvertError`] if `peer` is not in the roster or the bytes are no advert. They are ignored.
    pub fn handle_advert(&self, peer: NodeId, bytes: &[u8]) -> Result<(), AdvertError> {
        if self.shared().peer(&peer).is_none() {
            return Err(AdvertError::NotInRoster(peer));
        }
        let advert = RootAdvert::decode(bytes)
            .map_err(|fault: DecodeError| AdvertError::Unreadable(fault))?;
        self.shared().tell_advert(peer, &advert);
        Ok(())
    }

    /// Stops the node in order: begins nothing new, lets running sessions end and their last bytes
    /// arrive (at most for the configured grace), then closes every connection. Idempotent.
    pub async fn shutdown(&self) {
        let shared = self.shared();
        shared.phase.send_replace(Phase::Draining);
        // Every task holds a subscription of the phase until its end.
        shared.phase.closed().await;
        // What is noted of a peer holds its connection, and that holds the socket.
        shared.peers().clear();
        shared.socket.close(shared.config.shutdown_grace).await;
        shared.events.close();
    }

    fn shared(&self) -> &Arc<Shared> {
        &self.node.shared
    }
}

impl Shared {
    /// Passes a command on to a peer's task, and waits for the result.
    async fn ask_peer(
        &self,
        peer: NodeId,
        command: Command,
        result: oneshot::Receiver<Result<SessionReport, SyncError>>,
    ) -> Result<SessionReport, SyncError> {
        // No task: the node shuts down, or the peer was never, or is no longer, in the roster.
        let gone = || match self.is_running() {
            true => SyncError::NotInRoster(peer),
            false => SyncError::ShuttingDown,
        };
        self.peer(&peer).ok_or_else(gone)?.command(command);
        result.await.map_err(|_| gone())?
    }

    /// Tells the scheduler which members there are, and which of them can be dialled.
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
