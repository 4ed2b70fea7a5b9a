//! Two sessions that exchange frames.

use std::collections::VecDeque;
use std::time::Duration;

use engram_gossip_proto::{Event, KeyHalf, Outcome, Parameters, Session, SessionConfig, View};

use super::{Spaces, Store, parameters, space};

/// The result of a session at both ends.
#[derive(Debug)]
pub(crate) struct Contact {
    pub(crate) opener: Outcome,
    pub(crate) acceptor: Outcome,
    pub(crate) events: Vec<Event>,
    /// Every frame in order; true if the opener sent it.
    pub(crate) frames: Vec<(bool, Vec<u8>)>,
}

impl Contact {
    pub(crate) fn bytes(&self) -> usize {
        self.frames.iter().map(|(_, frame)| frame.len()).sum()
    }

    /// Bytes of all frames except `PatternSync` and `Done`.
    pub(crate) fn bytes_to_learn(&self) -> usize {
        let frames = self.frames.iter().map(|(_, frame)| frame);
        frames.filter(|frame| ![6, 7].contains(&frame[3])).map(Vec::len).sum()
    }
}

/// Two connected sessions, driven frame by frame.
pub(crate) struct Pair<V: View> {
    pub(crate) opener: Session<V>,
    pub(crate) acceptor: Session<V>,
    pub(crate) now: Duration,
}

impl<V: View> Pair<V> {
    pub(crate) fn new(
        config: (SessionConfig, SessionConfig),
        parameters: (Parameters, Parameters),
        spaces: (Spaces<V>, Spaces<V>),
    ) -> Self {
        Self::keyed([[1; 8], [2; 8]], config, parameters, spaces)
    }

    /// Like [`new`](Self::new), with these halves of the session key.
    pub(crate) fn keyed(
        halves: [KeyHalf; 2],
        config: (SessionConfig, SessionConfig),
        parameters: (Parameters, Parameters),
        spaces: (Spaces<V>, Spaces<V>),
    ) -> Self {
        let now = Duration::from_secs(1_000);
        Self {
            opener: Session::open(config.0, parameters.0, halves[0], spaces.0, now).unwrap(),
            acceptor: Session::accept(config.1, parameters.1, halves[1], spaces.1, now).unwrap(),
            now,
        }
    }

    /// Runs to the end, and lets the deadlines pass once no frame is left. `tamper` sees every
    /// frame and may change, drop or duplicate it.
    pub(crate) fn run(
        mut self,
        mut tamper: impl FnMut(usize, bool, Vec<u8>) -> Vec<Vec<u8>>,
    ) -> Contact {
        let mut frames = Vec::new();
        let mut queue = VecDeque::new();
        loop {
            while let Some(frame) = self.opener.poll_frame(self.now) {
                queue.push_back((true, frame));
            }
            while let Some(frame) = self.acceptor.poll_frame(self.now) {
                queue.push_back((false, frame));
            }
            let Some((from_opener, frame)) = queue.pop_front() else { break };
            frames.push((from_opener, frame.clone()));
            let to = if from_opener { &mut self.acceptor } else { &mut self.opener };
            for frame in tamper(frames.len() - 1, from_opener, frame) {
                let _ = to.handle_frame(&frame, self.now);
            }
            assert!(frames.len() < 100_000, "the session does not end");
        }
        for session in [&mut self.opener, &mut self.acceptor] {
            if let Some(deadline) = session.poll_timeout() {
                session.handle_timeout(deadline);
            }
        }
        let mut events = Vec::new();
        for session in [&mut self.opener, &mut self.acceptor] {
            let events_of_one = std::iter::from_fn(|| session.poll_event());
            // Most tests do not check the greeting.
            events.extend(events_of_one.filter(|event| !matches!(event, Event::Greeted(_))));
        }
        Contact {
            opener: self.opener.outcome().expect("every session ends").clone(),
            acceptor: self.acceptor.outcome().expect("every session ends").clone(),
            events,
            frames,
        }
    }
}

/// Runs one undisturbed session between two stores that share one space.
pub(crate) fn sync(a: &Store, b: &Store) -> Contact {
    sync_with(a, b, SessionConfig::default(), SessionConfig::default())
}

pub(crate) fn sync_with(
    a: &Store,
    b: &Store,
    ours: SessionConfig,
    theirs: SessionConfig,
) -> Contact {
    let spaces = |store: &Store| vec![(space("default"), store.pin())];
    Pair::new((ours, theirs), (parameters(), parameters()), (spaces(a), spaces(b)))
        .run(|_, _, frame| vec![frame])
}
