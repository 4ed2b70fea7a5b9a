//! A session between two nodes in memory, frame by frame.

use std::time::Duration;

use engram_gossip_proto::sim::Host;
use engram_gossip_proto::{
    Delivery, Ending, Entry, Kind, Message, Parameters, Prefix, Receipt, Record, Session,
    SessionConfig, Summary, View,
};

use crate::replica::{Replica, default_space};

/// A completed session.
pub(crate) struct Conversation {
    /// For each frame: whether the opener sent it, its kind and its length.
    frames: Vec<(bool, Kind, usize)>,
    /// Number of records sent.
    pub(crate) records: usize,
    /// Number of context entries of the records.
    pub(crate) context_entries: usize,
    /// Number of contents sent.
    pub(crate) contents: usize,
    content_bytes: usize,
    pub(crate) ending: Ending,
}

impl Conversation {
    /// Runs a session from `opener` to `acceptor` until it ends.
    pub(crate) fn hold(opener: &Replica, acceptor: &Replica, config: SessionConfig) -> Self {
        let space = default_space();
        let parameters = [opener.parameters(), acceptor.parameters()];
        Self::over([opener.pin(&space), acceptor.pin(&space)], parameters, config)
    }

    /// Like `hold`, but hides the version clocks of both nodes, so that the session compares trees.
    pub(crate) fn without_clocks(opener: &Replica, acceptor: &Replica) -> Self {
        let space = default_space();
        let parameters = [opener.parameters(), acceptor.parameters()];
        let views = [opener, acceptor].map(|host| Clockless(host.pin(&space)));
        Self::over(views, parameters, SessionConfig::default())
    }

    fn over<V: View>(views: [V; 2], parameters: [Parameters; 2], config: SessionConfig) -> Self {
        let now = Duration::ZERO;
        let [ours, theirs] = views.map(|view| vec![(default_space(), view)]);
        let [opening, accepting] = parameters;
        let mut ends = [
            Session::open(config.clone(), opening, [1; 8], ours, now),
            Session::accept(config, accepting, [2; 8], theirs, now),
        ]
        .map(|end| end.expect("the configuration is valid"));
        let mut talk = Self {
            frames: Vec::new(),
            records: 0,
            context_entries: 0,
            contents: 0,
            content_bytes: 0,
            ending: Ending::Synced,
        };
        let mut sender = 0;
        while ends.iter().any(|end| end.outcome().is_none()) {
            while let Some(frame) = ends[sender].poll_frame(now) {
                talk.note(sender == 0, &frame);
                ends[1 - sender].handle_frame(&frame, now).expect("both ends follow the protocol");
            }
            sender = 1 - sender;
        }
        talk.ending = ends[0].outcome().expect("the session is over").result.clone();
        talk
    }

    fn note(&mut self, by_opener: bool, frame: &[u8]) {
        let (message, _) = Message::decode(frame).expect("a session sends valid frames");
        self.frames.push((by_opener, message.kind(), frame.len()));
        if let Message::PatternSync(sync) = message {
            self.records += sync.records.len() + sync.short.len();
            self.context_entries +=
                sync.records.iter().map(|record| record.parts.len()).sum::<usize>()
                    + sync.short.iter().map(|record| record.parts.len()).sum::<usize>();
            self.contents += sync.count as usize;
            self.content_bytes += sync.contents.len();
        }
    }

    /// Bytes of all frames, without the contents of the patterns.
    pub(crate) fn bytes_beside_contents(&self) -> usize {
        self.bytes() - self.content_bytes
    }

    /// Half the number of turns up to and including the first one with records; 1 if there is none.
    pub(crate) fn round_trips_to_records(&self) -> f64 {
        let turns: Vec<_> = self.frames.chunk_by(|(a, ..), (b, ..)| a == b).collect();
        let has_records = |turn: &&[(bool, Kind, usize)]| {
            turn.iter().any(|(_, kind, _)| *kind == Kind::PatternSync)
        };
        let first = turns.iter().position(has_records);
        first.map_or(1.0, |first| (first + 1) as f64 / 2.0)
    }

    /// Bytes of all frames.
    pub(crate) fn bytes(&self) -> usize {
        self.frames.iter().map(|(.., len)| len).sum()
    }

    /// Bytes of the frames with records.
    pub(crate) fn record_bytes(&self) -> usize {
        let records = self.frames.iter().filter(|(_, kind, _)| *kind == Kind::PatternSync);
        records.map(|(.., len)| len).sum()
    }

    /// Bytes of the frames by which both sides find the records to send: all but records and
    /// `Done`.
    pub(crate) fn learning_bytes(&self) -> usize {
        let moves = |kind| matches!(kind, Kind::PatternSync | Kind::Done);
        let learning = self.frames.iter().filter(|(_, kind, _)| !moves(*kind));
        learning.map(|(.., len)| len).sum()
    }
}

/// A view that hides its clocks from sessions.
struct Clockless<V>(V);

impl<V: View> View for Clockless<V> {
    type Content = V::Content;

    fn summary(&self) -> Summary {
        self.0.summary()
    }

    fn count(&self, prefix: &Prefix) -> u64 {
        self.0.count(prefix)
    }

    fn children(&self, prefix: &Prefix) -> [Option<[u8; 32]>; 16] {
        self.0.children(prefix)
    }

    fn entries(&self, prefix: &Prefix) -> Vec<Entry> {
        self.0.entries(prefix)
    }

    fn record(&self, key: &[u8; 32]) -> Option<Record> {
        self.0.record(key)
    }

    fn content(&self, digest: &[u8; 32]) -> Option<V::Content> {
        self.0.content(digest)
    }

    fn holds(&self, digest: &[u8; 32]) -> bool {
        self.0.holds(digest)
    }

    fn key_of(&self, id: &str) -> [u8; 32] {
        self.0.key_of(id)
    }

    fn digest(&self, content: &V::Content) -> [u8; 32] {
        self.0.digest(content)
    }

    fn apply(&mut self, delivery: Delivery<V::Content>) -> Receipt {
        self.0.apply(delivery)
    }

    fn live_summary(&self) -> Summary {
        self.0.live_summary()
    }
}
