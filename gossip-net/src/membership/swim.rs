//! SWIM, implemented by `foca`: probes, suspicion, refutation, leaving and rejoining.
//!
//! Das, Gupta, Motivala: SWIM, scalable weakly-consistent infection-style process group membership
//! protocol, 2002.

mod codec;
mod config;
mod out;

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use foca::{Foca, Identity, Member, NoCustomBroadcast, State};
use rand::SeedableRng;
use rand::rngs::SmallRng;

use self::codec::{Compact, Relayed};
pub use self::config::SwimConfig;
use self::config::foca_config;
use self::out::{Due, Out};
use crate::{ConfigError, Liveness, Membership, MembershipInput, NodeId, Roster};

/// A failure detector: SWIM over the node's existing connections (feature `swim`).
///
/// Its packets are QUIC datagrams between authenticated members; each carries the sender's roots. A
/// faulty member can falsely report another one as down; the victim then starts a new incarnation,
/// which costs a round of packets and no data.
pub struct Swim {
    engine: Mutex<Engine>,
}

struct Engine {
    config: SwimConfig,
    /// `None` before the node starts and after it leaves.
    foca: Option<Foca<Instance, Compact, SmallRng, NoCustomBroadcast>>,
    roster: Vec<NodeId>,
    /// The index in `roster` at which the search for the next member to invite starts.
    invited: usize,
    /// The greatest incarnation that each member has reported about itself; reports by others are
    /// ignored.
    incarnations: BTreeMap<NodeId, u64>,
    seen: BTreeMap<NodeId, (Liveness, u64)>,
    out: Out,
    changes: VecDeque<(NodeId, Liveness)>,
}

/// A node in one incarnation. foca uses it as an identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Instance {
    node: NodeId,
    incarnation: u64,
}

impl Identity for Instance {
    type Addr = NodeId;

    fn renew(&self) -> Option<Self> {
        Some(Self { incarnation: self.incarnation.saturating_add(1), ..*self })
    }

    fn addr(&self) -> NodeId {
        self.node
    }

    fn win_addr_conflict(&self, adversary: &Self) -> bool {
        self.incarnation > adversary.incarnation
    }
}

impl Swim {
    /// Creates a failure detector, which starts when its node starts.
    ///
    /// # Errors
    /// [`ConfigError`] names the invalid value and its valid range.
    pub fn new(config: SwimConfig) -> Result<Self, ConfigError> {
        config.check()?;
        let engine = Engine {
            config,
            foca: None,
            roster: Vec::new(),
            invited: 0,
            incarnations: BTreeMap::new(),
            seen: BTreeMap::new(),
            out: Out::default(),
            changes: VecDeque::new(),
        };
        Ok(Self { engine: Mutex::new(engine) })
    }

    fn engine(&self) -> MutexGuard<'_, Engine> {
        self.engine.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Swim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let engine = self.engine();
        f.debug_struct("Swim")
            .field("config", &engine.config)
            .field("seen", &engine.seen)
            .finish_non_exhaustive()
    }
}

impl Membership for Swim {
    fn liveness(&self, node: &NodeId) -> Liveness {
        self.engine().seen.get(node).map_or(Liveness::Alive, |(liveness, _)| *liveness)
    }

    fn incarnation(&self, node: &NodeId) -> Option<u64> {
        self.engine().seen.get(node).map(|(_, incarnation)| *incarnation)
    }

    fn handle(&self, input: MembershipInput<'_>, now: Duration) {
        let mut engine = self.engine();
        engine.out.now = engine.out.now.max(now);
        match input {
            MembershipInput::Started { us, roster } => engine.start(us, roster),
            MembershipInput::Roster(roster) => engine.set_roster(roster),
            MembershipInput::Connected(peer) => engine.connected(peer),
            MembershipInput::Left(peer) => engine.left(peer),
            MembershipInput::Packet { from, bytes } => engine.packet(from, bytes),
            MembershipInput::Timeout => engine.timeout(),
            MembershipInput::Leaving => engine.leave(),
        }
        engine.look();
    }

    fn poll_packet(&self) -> Option<(NodeId, Vec<u8>)> {
        self.engine().out.packets.pop_front()
    }

    fn poll_change(&self) -> Option<(NodeId, Liveness)> {
        self.engine().changes.pop_front()
    }

    fn poll_timeout(&self) -> Option<Duration> {
        self.engine().out.next_due()
    }
}

impl Engine {
    fn start(&mut self, us: NodeId, roster: &Roster) {
        let clock = || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let by_clock = || u64::try_from(clock().as_millis()).unwrap_or(u64::MAX);
        let incarnation = self.config.incarnation.unwrap_or_else(by_clock);
        let seed = self.config.seed.unwrap_or_else(|| fastrand::u64(..));
        let instance = Instance { node: us, incarnation };
        let config = foca_config(&self.config, roster.len());
        self.foca =
            Some(Foca::new(instance, config, SmallRng::seed_from_u64(seed), Compact { us }));
        self.set_roster(roster);
        self.out.schedule(Due::Invitation, self.config.probe_interval);
    }

    fn set_roster(&mut self, roster: &Roster) {
        self.roster = roster.iter().map(|member| member.id).collect();
        self.roster.sort_unstable();
        let Self { roster, seen, incarnations, .. } = self;
        seen.retain(|node, _| roster.binary_search(node).is_ok());
        incarnations.retain(|node, _| roster.binary_search(node).is_ok());
    }

    /// Asks `peer` for its member list, unless foca already lists `peer` as active.
    fn connected(&mut self, peer: NodeId) {
        let Self { foca: Some(foca), out, .. } = self else { return };
        if foca.iter_members().all(|member| member.id().node != peer) {
            // The incarnation does not matter: a node answers an announcement to any of its
            // incarnations.
            ignore(foca.announce(Instance { node: peer, incarnation: 0 }, out));
        }
    }

    /// Asks the next roster member that foca does not list as active for its member list. That
    /// member may never have joined, or may be connected again: two members that have declared each
    /// other down would otherwise never exchange packets again.
    fn invite(&mut self) {
        self.out.schedule(Due::Invitation, self.config.probe_interval);
        let Some(foca) = &self.foca else { return };
        let us = foca.identity().node;
        let is_known = |node: &NodeId| foca.iter_members().any(|member| member.id().node == *node);
        let (before, after) = self.roster.split_at(self.invited.min(self.roster.len()));
        let next = after.iter().chain(before).find(|node| **node != us && !is_known(node)).copied();
        if let Some(next) = next {
            self.invited = self.roster.partition_point(|node| *node <= next);
            self.connected(next);
        }
    }

    fn left(&mut self, peer: NodeId) {
        let Self { foca: Some(foca), out, .. } = self else { return };
        let member = foca.iter_members().find(|member| member.id().node == peer).cloned();
        if let Some(member) = member {
            let down = Member::new(*member.id(), member.incarnation(), State::Down);
            ignore(foca.apply_many(std::iter::once(down), true, out));
        }
    }

    fn packet(&mut self, from: NodeId, bytes: &[u8]) {
        let Self { foca: Some(foca), out, roster, incarnations, .. } = self else { return };
        if roster.binary_search(&from).is_err() {
            return;
        }
        let mut us = *foca.identity();
        let Some(packet) = Relayed::parse(us.node, from, bytes) else { return };
        // If others have seen a greater incarnation of this node, for example from a run with a
        // fast clock, continue above it.
        let known = packet.incarnation_of(us.node).filter(|known| *known < MAX_LEARNT_INCARNATION);
        if let Some(known) = known.filter(|known| *known > us.incarnation) {
            us.incarnation = known + 1;
            ignore(foca.change_identity(us, &mut *out));
            ignore(foca.announce(*packet.sender(), &mut *out));
        }
        incarnations.insert(us.node, us.incarnation);
        let told = incarnations.entry(from).or_default();
        if packet.sender().incarnation < *told {
            let correction = codec::correction(us, *packet.sender(), *told);
            out.packets.push_back((from, correction));
        }
        *told = packet.sender().incarnation.max(*told);
        // Remove unknown incarnations: a peer could otherwise make this node probe any node, or
        // declare future incarnations down.
        if let Some(known) =
            packet.about(|instance| incarnations.get(&instance.node) == Some(&instance.incarnation))
        {
            ignore(foca.handle_data(&known, out));
        }
    }

    fn timeout(&mut self) {
        let mut due = Vec::new();
        while let Some(next) = self.out.pop_due() {
            match next {
                Due::Foca(timer) => due.push(timer),
                Due::Invitation => self.invite(),
            }
        }
        let Self { foca: Some(foca), out, .. } = self else { return };
        // If several timers are late, handling them in foca's order does the least harm.
        due.sort();
        due.into_iter().for_each(|timer| ignore(foca.handle_timer(timer, &mut *out)));
    }

    fn leave(&mut self) {
        if let Some(mut foca) = self.foca.take() {
            ignore(foca.leave_cluster(&mut self.out));
        }
        self.out.clear_timers();
    }

    /// Records changes in liveness or incarnation. Gossips suspicions, and changes of which foca
    /// notified this node, immediately.
    fn look(&mut self) {
        let Self { foca: Some(foca), out, roster, seen, changes, .. } = self else { return };
        for member in foca.iter_membership_state() {
            let Instance { node, incarnation } = *member.id();
            let now = (liveness(member.state()), incarnation);
            if seen.get(&node) == Some(&now) || roster.binary_search(&node).is_err() {
                continue;
            }
            seen.insert(node, now);
            changes.push_back((node, now.0));
            out.suspects.remove(&node);
            if now.0 == Liveness::Suspect {
                out.suspects.insert(node, member.clone());
                out.stirred = true;
            }
        }
        if std::mem::take(&mut out.stirred) {
            ignore(foca.gossip(&mut *out));
        }
        // foca sends `TurnUndead` even to members that have refuted a suspicion in time: drop these
        // packets.
        let is_down =
            |node: &NodeId| seen.get(node).is_some_and(|(seen, _)| *seen == Liveness::Down);
        out.packets.retain(|(to, packet)| !codec::says_down(packet) || is_down(to));
    }
}

/// The limit for reported incarnations of this node. If others report a greater incarnation than
/// the current one, the node continues above it only if it is less than this limit: a faulty member
/// could otherwise exhaust the numbers.
const MAX_LEARNT_INCARNATION: u64 = u64::MAX / 2;

fn liveness(state: State) -> Liveness {
    match state {
        State::Alive => Liveness::Alive,
        State::Suspect => Liveness::Suspect,
        State::Down => Liveness::Down,
    }
}

/// Ignores an error from foca. Such an error reports an invalid or outdated packet, or a timer of a
/// past incarnation; the state is unchanged, and there is nothing to do.
fn ignore(result: Result<(), foca::Error>) {
    drop(result);
}
