//! A session between two nodes in memory, frame by frame.

use std::time::Duration;

use engram_gossip_proto::sim::Host;
use engram_gossip_proto::{Ending, FrameHeader, Kind, Session, SessionConfig};

use crate::replica::{Replica, default_space};

/// A session that is over.
pub(crate) struct Conversation {
    /// Whether the opener sent it, its kind, its length.
    frames: Vec<(bool, Kind, usize)>,
    pub(crate) ending: Ending,
}

impl Conversation {
    /// Lets the opener's session with the acceptor run to its end.
    pub(crate) fn hold(opener: &Replica, acceptor: &Replica, config: SessionConfig) -> Self {
        let space = default_space();
        let pin = |host: &Replica| vec![(space.clone(), host.pin(&space))];
        let now = Duration::ZERO;
        let mut ends = [
            Session::open(config.clone(), opener.parameters(), [1; 8], pin(opener), now),
            Session::accept(config, acceptor.parameters(), [2; 8], pin(acceptor), now),
        ]
        .map(|end| end.expect("the configuration is valid"));
        let mut frames = Vec::new();
        let mut sender = 0;
        while ends.iter().any(|end| end.outcome().is_none()) {
            while let Some(frame) = ends[sender].poll_frame(now) {
                let header = frame.first_chunk().map(FrameHeader::parse);
                let kind = header.expect("a frame has a header").expect("ours is valid").kind;
                frames.push((sender == 0, kind, frame.len()));
                ends[1 - sender].handle_frame(&frame, now).expect("both ends keep the rules");
            }
            sender = 1 - sender;
        }
        let ending = ends[0].outcome().expect("the session is over").result.clone();
        Self { frames, ending }
    }

    /// The bytes of all frames.
    pub(crate) fn bytes(&self) -> usize {
        self.frames.iter().map(|(.., len)| len).sum()
    }

    /// The bytes of the frames that carry records.
    pub(crate) fn record_bytes(&self) -> usize {
        let records = self.frames.iter().filter(|(_, kind, _)| *kind == Kind::PatternSync);
        records.map(|(.., len)| len).sum()
    }

    /// The bytes until both sides know what to send.
    pub(crate) fn learning_bytes(&self) -> usize {
        let moves = |kind| matches!(kind, Kind::PatternSync | Kind::Done);
        let learning = self.frames.iter().filter(|(_, kind, _)| !moves(*kind));
        learning.map(|(.., len)| len).sum()
    }

    /// Half the number of turns until both sides know which entries differ: up to the turn that
    /// answers the last subtree.
    pub(crate) fn round_trips(&self) -> f64 {
        let walks = |kind| matches!(kind, Kind::SubtreeRequest | Kind::SubtreeResponse);
        let turns: Vec<_> = self.frames.chunk_by(|(a, ..), (b, ..)| a == b).collect();
        let last = turns.iter().rposition(|turn| turn.iter().any(|(_, kind, _)| walks(*kind)));
        last.map_or(1.0, |last| (last + 2) as f64 / 2.0)
    }
}
