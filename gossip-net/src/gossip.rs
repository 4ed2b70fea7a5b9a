//! The handle of a running node.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use engram_gossip_proto::{DecodeError, Parameters, RootAdvert};
use rustls::pki_types::UnixTime;
use tokio::time::Instant;

use crate::endpoint::Socket;
use crate::error::{AdvertError, RotateError};
use crate::membership::{self, Membership, MembershipInput, StaticSeeds};
use crate::peer::{self, Command};
use crate::replicas::{Replicas, Replicated};
use crate::rotation::Rotation;
use crate::shared::{Parts, Phase, Shared};
use crate::{
    BindError, ConfigError, Event, Events, Identity, NetConfig, NodeId, PeerStatus, Roster,
    RoundReport, SessionReport, Stats, SyncError, Transfer, accept, advert, rounds,
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
    rotation: Mutex<Rotation>,
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

    /// As [`bind`](Self::bind), with a failure detector that says who is worth contacting.
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
        identity.check(UnixTime::now())?;
        let source = Replicated::new(replicas, parameters, config.session.clone())?;
        let socket = Socket::bind(&config, &identity)?;
        let address = socket.address();
        let parts =
            Parts { config, identity, roster, socket, source: Arc::new(source), membership };
        let shared = Arc::new(Shared::new(parts));
        let us = shared.us;
        shared.tell_membership(MembershipInput::Started { us, roster: &shared.roster() });
        for member in shared.roster().iter().filter(|member| member.id != shared.us) {
            let peer = peer::spawn(&shared, member.clone());
            shared.peers().insert(member.id, peer);
        }
        tokio::spawn(accept::keep(shared.clone()));
        tokio::spawn(advert::keep(shared.clone()));
        tokio::spawn(rounds::keep(shared.clone()));
        tokio::spawn(membership::keep::keep(shared.clone()));
        Ok(Self { node: Arc::new(Node { shared, rotation: Mutex::default(), address }) })
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
    /// each other closely are told as one. Costs nothing more than a flag.
    pub fn announce(&self) {
        self.shared().changed.notify_one();
    }

    /// Opens a session with `peer` that begins after this call, and waits for its end.
    ///
    /// A peer without a connection is dialled first, whatever its back-off.
    ///
    /// # Errors
    /// [`SyncError`] says what stands in the way. Whatever was joined until then stays joined.
    pub async fn sync_with(&self, peer: NodeId) -> Result<SessionReport, SyncError> {
        self.shared().sync_with(peer).await
    }

    /// Contacts up to `fanout` peers now, whatever the timer says. Peers whose dials fail are left
    /// out until their back-off ends, and a failure with one does not touch the others.
    pub async fn round(&self) -> RoundReport {
        rounds::round(self.shared(), &self.node.rotation).await
    }

    /// Subscribes to what happens from now on.
    pub fn events(&self) -> Events {
        self.shared().events.subscribe()
    }

    /// How it stands with each member of the roster, ascending by id.
    pub fn peers(&self) -> Vec<PeerStatus> {
        let now = Instant::now();
        // The membership is asked without a lock.
        let peers = self.shared().peers().clone();
        let membership = &*self.shared().membership;
        peers.values().map(|peer| peer.board.status(now, membership)).collect()
    }

    /// What this node has done since it started.
    pub fn stats(&self) -> Stats {
        self.shared().counters.snapshot()
    }

    /// How much sessions may move, as it is in force.
    pub fn transfer(&self) -> Transfer {
        self.shared().transfer().transfer()
    }

    /// Puts other bounds in force for sessions that begin from now on. What was used up stays so:
    /// what is owed is paid back at the new rates.
    ///
    /// # Errors
    /// [`ConfigError`] names the value that cannot work. The old bounds stay in force.
    pub fn set_transfer(&self, transfer: Transfer) -> Result<(), ConfigError> {
        transfer.check()?;
        self.shared().transfer().set(transfer);
        self.shared().transfer_changed.send_replace(());
        Ok(())
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
        let before = peers.len();
        peers.retain(|id, _| roster.contains(id));
        let removed = before - peers.len();
        let mut added = 0;
        for member in roster.iter().filter(|member| member.id != shared.us) {
            match peers.get(&member.id) {
                Some(peer) => {
                    peer.board.notes().member.clone_from(member);
                    // Only a nudge to dial the new address at once: a full mailbox may lose it.
                    _ = peer.mailbox.try_send(Command::Moved);
                }
                None if shared.is_running() => {
                    peers.insert(member.id, peer::spawn(shared, member.clone()));
                    added += 1;
                }
                None => {}
            }
        }
        drop(peers);
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
        identity.check(UnixTime::now())?;
        if identity.node_id() != shared.us {
            return Err(RotateError::OtherNode { expected: shared.us, found: identity.node_id() });
        }
        shared.set_identity(identity);
        shared.recheck.send_replace(());
        Ok(())
    }

    /// The roots of this node in at most `room` bytes, for a membership layer that carries them in
    /// its own messages. With more spaces than fit, each call names the next ones in turn.
    pub fn advert(&self, room: usize) -> Vec<u8> {
        self.shared().advert(room)
    }

    /// Takes the roots of `peer` as its membership layer carried them. The carrier has to make sure
    /// that they are `peer`'s; a forged one costs a session and nothing else.
    ///
    /// # Errors
    /// [`AdvertError`] if `peer` is not in the roster or the bytes are no advert. They are ignored.
    pub fn handle_advert(&self, peer: NodeId, bytes: &[u8]) -> Result<(), AdvertError> {
        let known = self.shared().peer(&peer).ok_or(AdvertError::NotInRoster(peer))?;
        let advert = RootAdvert::decode(bytes)
            .map_err(|fault: DecodeError| AdvertError::Unreadable(fault))?;
        // A peer whose mailbox is full has adverts enough to look at.
        if known.mailbox.try_send(Command::Heard(advert)).is_err() {
            self.shared().counters.update(|stats| stats.adverts_dropped += 1);
        }
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
