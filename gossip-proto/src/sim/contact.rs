//! One session between two nodes, with both of its ends.

use core::time::Duration;
use std::vec::Vec;

use super::pipe::{Pipe, Segment, Transport};
use crate::schedule::SessionId;
use crate::{Session, View};

/// The end that opened the session, in [`Contact::ends`].
pub(super) const OPENER: usize = 0;
/// The end that accepts the session, in [`Contact::ends`].
pub(super) const ACCEPTOR: usize = 1;

/// A session between two nodes.
pub(super) struct Contact<V: View> {
    pub(super) ends: [End<V>; 2],
    pub(super) transport: Transport,
}

/// One end of a contact.
pub(super) struct End<V: View> {
    pub(super) node: usize,
    pub(super) stage: Stage<V>,
    /// The run of the node at the other end, as known when the session was opened.
    pub(super) peer_run: u32,
    /// The outgoing stream of this end.
    pub(super) pipe: Pipe,
    /// The next wake-up of the session.
    pub(super) wake_at: Option<Duration>,
}

/// The stage of an end.
pub(super) enum Stage<V: View> {
    /// Nothing has arrived yet.
    Unopened,
    /// Waiting to be accepted, with the segments that arrived meanwhile.
    Waiting(Vec<Segment>),
    /// In session.
    Running(SessionId, Box<Session<V>>),
    /// Ended.
    Over,
}

impl<V: View> Contact<V> {
    /// Creates a contact between two nodes, each given with its run.
    pub(super) fn new(
        opener: (usize, u32),
        acceptor: (usize, u32),
        transport: Transport,
        stage: Stage<V>,
    ) -> Self {
        let end = |node, peer_run, stage| {
            let (pipe, wake_at) = (Pipe::default(), None);
            End { node, stage, peer_run, pipe, wake_at }
        };
        let ends = [end(opener.0, acceptor.1, stage), end(acceptor.0, opener.1, Stage::Unopened)];
        Self { ends, transport }
    }

    pub(super) fn is_over(&self) -> bool {
        self.ends.iter().all(|end| matches!(end.stage, Stage::Over))
    }
}
