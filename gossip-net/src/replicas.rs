//! The interface between the transport and the replicated state.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use engram_gossip_proto::schedule::{ClaimingView, Terms};
use engram_gossip_proto::{
    Greeting, KeyHalf, Outcome, Parameters, Session, SessionConfig, SessionError, SetupError,
    SpaceId, Summary, View,
};
use ring::rand::{Random, SystemRandom, generate};

use crate::NodeId;
use crate::schedule::SessionClaims;

/// The spaces that a node hosts.
///
/// Several tasks call these methods concurrently and often, so they must be fast. A method that
/// blocks, for example on an SQL store, must block inside `tokio::task::block_in_place`, so that
/// the sessions with other peers continue. `block_in_place` panics on a current-thread runtime; the
/// section "Blocking stores" of the [crate documentation](crate) shows a function that checks the
/// runtime. Waiting for a lock that [`View::apply`] holds during a write also blocks: protect the
/// data that these methods read with a separate lock. Each session pins a view, so it sees one
/// consistent tree while the node continues to write.
pub trait Replicas: Send + Sync + 'static {
    /// A pinned snapshot of one space.
    type View: View<Content: Send> + Send + 'static;

    /// The spaces that this node hosts, in any order.
    fn spaces(&self) -> Vec<SpaceId>;

    /// Pins the space for one session. Returns `None` if this node does not host the space.
    fn pin(&self, space: &SpaceId) -> Option<Self::View>;

    /// Like [`pin`](Self::pin), but for a session with `peer`. The default implementation ignores
    /// `peer`.
    fn pin_for(&self, space: &SpaceId, peer: NodeId) -> Option<Self::View> {
        let _ = peer;
        self.pin(space)
    }

    /// The current root, count and generation of the space, or `None` if this node does not host
    /// the space.
    fn summary(&self, space: &SpaceId) -> Option<Summary>;

    /// The greeting that this node sends to `peer` in a session: the greatest version of `peer`
    /// that this node knows, and this node's clock. Called before the session begins.
    ///
    /// The greeting protects a node that lost its data or whose clock was set back: each peer
    /// reports the greatest version of the node that it knows, and the node continues with greater
    /// versions. The default greeting is empty, which is sufficient for a node that never loses its
    /// version counter.
    fn greeting(&self, peer: NodeId) -> Greeting {
        let _ = peer;
        Greeting::default()
    }

    /// Handles the greeting of `peer`. Called at most once per session, before any record from the
    /// peer is applied.
    ///
    /// An implementation must raise this node's version counter to [`Greeting::known`], so that its
    /// next write supersedes its earlier writes everywhere. It must ignore a value that is
    /// implausible for the version clock, because a faulty peer can send any number. The default
    /// implementation ignores the greeting.
    fn greeted(&self, peer: NodeId, greeting: Greeting) {
        let _ = (peer, greeting);
    }
}

/// Type-erased replicas, so that the transport compiles only once.
pub(crate) trait Source: Send + Sync {
    /// Creates the machine of a session that this node opens with `peer`.
    fn open(&self, peer: NodeId, claims: SessionClaims, terms: Terms) -> NewMachine;
    /// Creates the machine of a session that `peer` opened.
    fn accept(&self, peer: NodeId, claims: SessionClaims, terms: Terms) -> NewMachine;
    /// Prepares the arguments of a session with `peer` on these terms.
    fn setup(&self, peer: NodeId, terms: Terms) -> Setup;
    /// Passes the greeting of `peer` to the replicas.
    fn greeted(&self, peer: NodeId, greeting: Greeting);
    /// The summaries of the hosted spaces, ascending by name.
    fn summaries(&self) -> Vec<(SpaceId, Summary)>;
}

/// A machine, or the reason why a session is impossible.
pub(crate) type NewMachine = Result<Box<dyn Machine>, SetupError>;

/// Creates the machine of a preview. Called again if the session is reopened.
pub(crate) type MakeMachine = Arc<dyn Fn(Setup) -> NewMachine + Send + Sync>;

/// The arguments of a session that do not depend on its views.
pub(crate) struct Setup {
    config: SessionConfig,
    parameters: Parameters,
    key_half: KeyHalf,
}

/// A session with its view type erased. Times count from the start of the session.
pub(crate) trait Machine: Send {
    fn handle_frame(&mut self, frame: &[u8], now: Duration) -> Result<(), SessionError>;
    fn poll_frame(&mut self, now: Duration) -> Option<Vec<u8>>;
    fn poll_event(&mut self) -> Option<engram_gossip_proto::Event>;
    fn poll_timeout(&self) -> Option<Duration>;
    fn handle_timeout(&mut self, now: Duration);
    fn outcome(&self) -> Option<&Outcome>;
    fn stats(&self) -> engram_gossip_proto::Stats;
}

/// A node's replicas and the parameters of its sessions.
pub(crate) struct Replicated<R> {
    replicas: Arc<R>,
    parameters: Parameters,
    config: SessionConfig,
    keys: KeyHalves,
}

impl<R: Replicas> Replicated<R> {
    /// Creates the source of sessions, and checks that a session can be opened.
    pub(crate) fn new(
        replicas: Arc<R>,
        parameters: Parameters,
        config: SessionConfig,
    ) -> Result<Self, SetupError> {
        let replicated = Self { replicas, parameters, config, keys: KeyHalves::default() };
        let spaces = replicated.replicas.spaces().into_iter();
        let spaces =
            spaces.filter_map(|space| Some((space.clone(), replicated.replicas.pin(&space)?)));
        let setup = replicated.setup_with(None, Greeting::default(), Terms::UNLIMITED);
        open_over(setup, spaces.collect())?;
        Ok(replicated)
    }

    /// Prepares the arguments of a session; the trial session in [`new`](Self::new) has no peer.
    fn setup_with(&self, peer: Option<NodeId>, greeting: Greeting, terms: Terms) -> Setup {
        let peer = peer.map(Into::into);
        let config = SessionConfig { peer, greeting, ..self.config.clone() };
        let (parameters, key_half) = (self.parameters.clone(), self.keys.draw());
        Setup { config: terms.apply(config), parameters, key_half }
    }

    fn pin(&self, peer: NodeId, claims: &SessionClaims) -> Pinned<R> {
        let pin = |space: SpaceId| {
            let view = self.replicas.pin_for(&space, peer)?;
            Some((space.clone(), ClaimingView::new(view, space, claims.clone())))
        };
        self.replicas.spaces().into_iter().filter_map(pin).collect()
    }
}

type Pinned<R> = Vec<(SpaceId, ClaimingView<<R as Replicas>::View, SessionClaims>)>;

/// Creates the machine of a session that this node opens over `spaces`.
pub(crate) fn open_over<V: View<Content: Send> + Send + 'static>(
    setup: Setup,
    spaces: Vec<(SpaceId, V)>,
) -> NewMachine {
    let Setup { config, parameters, key_half } = setup;
    Ok(Box::new(Session::open(config, parameters, key_half, spaces, Duration::ZERO)?))
}

/// Unpredictable halves of session keys, one per session.
///
/// They are generated in batches, because a system call takes longer than all the hashing in a
/// session between equal replicas.
#[derive(Default)]
struct KeyHalves(Mutex<Vec<KeyHalf>>);

impl KeyHalves {
    fn draw(&self) -> KeyHalf {
        // If a thread panics while it holds the lock, at worst some halves remain unused.
        let mut drawn = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        drawn.pop().unwrap_or_else(|| {
            let random: Random<[u8; 256]> = generate(&SystemRandom::new())
                .expect("the system provides randomness, since TLS requires it");
            let random = random.expose();
            let (half, rest) = random.as_chunks().0.split_first().expect("256 bytes hold several");
            drawn.extend(rest);
            *half
        })
    }
}

impl<R: Replicas> Source for Replicated<R> {
    fn open(&self, peer: NodeId, claims: SessionClaims, terms: Terms) -> NewMachine {
        open_over(self.setup(peer, terms), self.pin(peer, &claims))
    }

    fn accept(&self, peer: NodeId, claims: SessionClaims, terms: Terms) -> NewMachine {
        let Setup { config, parameters, key_half } = self.setup(peer, terms);
        let spaces = self.pin(peer, &claims);
        let session = Session::accept(config, parameters, key_half, spaces, Duration::ZERO)?;
        Ok(Box::new(session))
    }

    fn greeted(&self, peer: NodeId, greeting: Greeting) {
        self.replicas.greeted(peer, greeting);
    }

    fn setup(&self, peer: NodeId, terms: Terms) -> Setup {
        self.setup_with(Some(peer), self.replicas.greeting(peer), terms)
    }

    fn summaries(&self) -> Vec<(SpaceId, Summary)> {
        let spaces = self.replicas.spaces().into_iter();
        let mut summaries: Vec<_> = spaces
            .filter_map(|space| Some((space.clone(), self.replicas.summary(&space)?)))
            .collect();
        summaries.sort_by(|(a, _), (b, _)| a.cmp(b));
        summaries
    }
}

impl<V: View<Content: Send> + Send> Machine for Session<V> {
    fn handle_frame(&mut self, frame: &[u8], now: Duration) -> Result<(), SessionError> {
        self.handle_frame(frame, now)
    }

    fn poll_frame(&mut self, now: Duration) -> Option<Vec<u8>> {
        self.poll_frame(now)
    }

    fn poll_event(&mut self) -> Option<engram_gossip_proto::Event> {
        self.poll_event()
    }

    fn poll_timeout(&self) -> Option<Duration> {
        self.poll_timeout()
    }

    fn handle_timeout(&mut self, now: Duration) {
        self.handle_timeout(now);
    }

    fn outcome(&self) -> Option<&Outcome> {
        self.outcome()
    }

    fn stats(&self) -> engram_gossip_proto::Stats {
        self.stats()
    }
}
