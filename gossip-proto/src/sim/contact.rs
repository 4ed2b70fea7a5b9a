//! One session between two nodes, with both of its ends.

use core::time::Duration;
use std::vec::Vec;

use super::pipe::{Parcel, Pipe, Transport};
use crate::{Session, View};

/// The end that opened the session, in [`Contact::ends`].
pub(super) const OPENER: usize = 0;
/// The end that accepts it.
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
    /// What this end sends.
    pub(super) pipe: Pipe,
    /// When the session is woken next.
    pub(super) wake_at: Option<Duration>,
}

/// How far an end has come.
pub(super) enum Stage<V: View> {
    /// Nothing has arrived yet.
    Unopened,
    /// Waiting for a permit; what arrived meanwhile.
    Waiting(Vec<Parcel>),
    /// In session.
    Running(Box<Session<V>>),
    /// Done, one way or the other.
    Over,
}

impl<V: View> Contact<V> {
    pub(super) fn new(
        opener: usize,
        acceptor: usize,
        transport: Transport,
        session: Session<V>,
    ) -> Self {
        let end = |node, stage| End { node, stage, pipe: Pipe::default(), wake_at: None };
        let ends = [end(opener, Stage::Running(Box::new(session))), end(acceptor, Stage::Unopened)];
        Self { ends, transport }
    }

    pub(super) fn is_over(&self) -> bool {
        self.ends.iter().all(|end| matches!(end.stage, Stage::Over))
    }

    /// The two nodes, the smaller number first.
    pub(super) fn pair(&self) -> (usize, usize) {
        pair(self.ends[OPENER].node, self.ends[ACCEPTOR].node)
    }
}

/// Two nodes, the smaller number first.
pub(super) fn pair(a: usize, b: usize) -> (usize, usize) {
    (a.min(b), a.max(b))
}
