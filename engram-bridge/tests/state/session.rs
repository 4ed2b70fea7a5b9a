//! A session between two stores, passed frame by frame in memory.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use engram_bridge::Store;
use engram_bridge::sync::SpaceView;
use engram_gossip_net::Replicas;
use engram_gossip_proto::{
    Clocks, Delivery, Ending, Entry, Event, Greeting, KeyHalf, Parameters, PatternContent, Prefix,
    Receipt, Record, Session, SessionConfig, SetupError, SpaceId, Summary, View,
};

use crate::support::space;

/// An input from a session to a store.
#[derive(Clone, Debug)]
pub(crate) enum Taken {
    Greeting(Greeting),
    Delivery(Delivery<PatternContent>),
}

/// A function that begins a session: [`Session::open`] or [`Session::accept`].
type Begin = fn(
    SessionConfig,
    Parameters,
    KeyHalf,
    Vec<(SpaceId, Recorder)>,
    Duration,
) -> Result<Session<Recorder>, SetupError>;

/// One end of a session.
struct End {
    store: Arc<Store>,
    session: Session<Recorder>,
    taken: Rc<RefCell<Vec<Taken>>>,
}

impl End {
    fn new(
        store: &Arc<Store>,
        peer: &Store,
        mut config: SessionConfig,
        half: KeyHalf,
        begin: Begin,
    ) -> Self {
        config.greeting = store.greeting(&peer.node());
        config.peer = Some(peer.node().into());
        let taken = Rc::default();
        let view = Replicas::pin_for(&**store, &space(), peer.node()).unwrap();
        let views = vec![(space(), Recorder { view, taken: Rc::clone(&taken) })];
        let session = begin(config, store.parameters(), half, views, Duration::ZERO).unwrap();
        Self { store: Arc::clone(store), session, taken }
    }

    /// Handles one frame. An error ends the session.
    fn handle(&mut self, frame: &[u8]) {
        _ = self.session.handle_frame(frame, Duration::ZERO);
        while let Some(event) = self.session.poll_event() {
            if let Event::Greeted(greeting) = event {
                self.store.greeted(greeting);
                self.taken.borrow_mut().push(Taken::Greeting(greeting));
            }
        }
    }
}

/// A session in progress between two stores.
pub(crate) struct Handover {
    opener: End,
    acceptor: End,
    bytes: usize,
}

/// The current or final state of a session.
#[derive(Debug)]
pub(crate) struct Report {
    /// The endings for the opener and the acceptor; `None` for a side that has not ended.
    pub(crate) endings: [Option<Ending>; 2],
    /// The number of bytes that passed.
    pub(crate) bytes: usize,
    /// Whether the trees were compared.
    pub(crate) descended: bool,
}

impl Report {
    /// Whether both sides ended as [`Ending::InSync`] or [`Ending::Synced`].
    pub(crate) fn is_complete(&self) -> bool {
        let complete =
            |ending: &Option<Ending>| matches!(ending, Some(Ending::InSync | Ending::Synced));
        self.endings.iter().all(complete)
    }
}

impl Handover {
    pub(crate) fn new(one: &Arc<Store>, other: &Arc<Store>, config: SessionConfig) -> Self {
        Self::keyed(one, other, config, 0)
    }

    /// Begins a session; `key` is the opener's half of the session key.
    pub(crate) fn keyed(
        one: &Arc<Store>,
        other: &Arc<Store>,
        config: SessionConfig,
        key: u64,
    ) -> Self {
        Self {
            opener: End::new(one, other, config.clone(), key.to_le_bytes(), Session::open),
            acceptor: End::new(other, one, config, [1; 8], Session::accept),
            bytes: 0,
        }
    }

    /// Passes up to `frames` frames. Returns `false` if the session had fewer.
    pub(crate) fn pass(&mut self, frames: usize) -> bool {
        (0..frames).all(|_| self.pass_one())
    }

    fn pass_one(&mut self) -> bool {
        let Self { opener, acceptor, .. } = self;
        let passed = match opener.session.poll_frame(Duration::ZERO) {
            Some(frame) => {
                acceptor.handle(&frame);
                Some(frame)
            }
            None => {
                let frame = acceptor.session.poll_frame(Duration::ZERO);
                frame.inspect(|frame| opener.handle(frame))
            }
        };
        self.bytes += passed.as_ref().map_or(0, Vec::len);
        passed.is_some()
    }

    /// Passes all remaining frames.
    pub(crate) fn finish(&mut self) -> Report {
        while self.pass_one() {}
        let report = self.report();
        assert!(report.endings.iter().all(Option::is_some), "a side has not ended");
        report
    }

    /// The current state of the session.
    pub(crate) fn report(&self) -> Report {
        let ending = |end: &End| end.session.outcome().map(|outcome| outcome.result.clone());
        let endings = [ending(&self.opener), ending(&self.acceptor)];
        let compared = |end: &End| end.session.stats().descents > 0;
        let descended = compared(&self.opener) || compared(&self.acceptor);
        Report { endings, bytes: self.bytes, descended }
    }

    /// The inputs of each side since the last call, in order.
    pub(crate) fn drain(&self) -> [Vec<Taken>; 2] {
        [&self.opener, &self.acceptor].map(|end| std::mem::take(&mut *end.taken.borrow_mut()))
    }
}

/// Runs a session with the default limits. Returns whether the stores are equal afterwards.
pub(crate) fn sync(one: &Arc<Store>, other: &Arc<Store>) -> bool {
    Handover::new(one, other, SessionConfig::default()).finish();
    one.root() == other.root()
}

/// A view that records the deliveries it receives.
struct Recorder {
    view: SpaceView,
    taken: Rc<RefCell<Vec<Taken>>>,
}

impl View for Recorder {
    type Content = PatternContent;
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
    fn content(&self, digest: &[u8; 32]) -> Option<PatternContent> {
        self.view.content(digest)
    }
    fn holds(&self, digest: &[u8; 32]) -> bool {
        self.view.holds(digest)
    }
    fn key_of(&self, id: &str) -> [u8; 32] {
        self.view.key_of(id)
    }
    fn digest(&self, content: &PatternContent) -> [u8; 32] {
        self.view.digest(content)
    }
    fn apply(&mut self, delivery: Delivery<PatternContent>) -> Receipt {
        self.taken.borrow_mut().push(Taken::Delivery(delivery.clone()));
        self.view.apply(delivery)
    }
    fn live_summary(&self) -> Summary {
        self.view.live_summary()
    }
    fn with_clocks(&self, work: &mut dyn FnMut(&mut dyn Clocks)) -> bool {
        self.view.with_clocks(work)
    }
    fn repin(&mut self) {
        self.view.repin();
    }
    fn accepts_records(&self) -> bool {
        self.view.accepts_records()
    }
}
