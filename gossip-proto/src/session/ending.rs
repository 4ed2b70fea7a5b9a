//! The end of a session: final messages, outcome and failure.

use super::turn::Turn;
use super::{Ending, Outcome, SentRoots, Session, Stage};
use crate::message::{Done, FinalRoots, WalkedRoot};
use crate::view::ask;
use crate::{Compression, Message, ProtocolViolation, Refusal, SessionError, View};

impl<V: View> Session<V> {
    pub(super) fn on_done(&mut self, done: Done) -> Result<(), SessionError> {
        self.peer_kept_back |= done.kept_back;
        self.peer_has_news = done.has_news;
        self.on_unsendable(done.unsendable)?;
        let digest = match done.roots {
            FinalRoots::Yours => {
                let sent_roots = self.sent_roots.take().ok_or(NOTHING_SAID)?;
                self.note_roots(&sent_roots.roots)?;
                sent_roots.digest
            }
            FinalRoots::All(roots) => {
                self.note_roots(&roots)?;
                self.directory.told_digest(roots.len()).ok_or(NOT_ALL)?
            }
            FinalRoots::Differing { digest, roots } => {
                self.note_roots(&roots)?;
                digest
            }
        };
        self.told_digest = Some(digest);
        Ok(())
    }

    fn note_roots(&mut self, roots: &[WalkedRoot]) -> Result<(), SessionError> {
        for root in roots {
            let space = self.directory.at_mut(root.space);
            space.ok_or(SessionError::Violation(ProtocolViolation::UnsharedSpace))?.told(root.root);
        }
        Ok(())
    }

    pub(super) fn done(&mut self) -> Done {
        let (digest, roots) = (self.directory.shared_digest(), self.directory.walked_roots());
        let final_roots = if self.told_digest == Some(digest) {
            FinalRoots::Yours
        } else if self.directory.shares(roots.len()) {
            FinalRoots::All(roots.clone())
        } else {
            FinalRoots::Differing { digest, roots: roots.clone() }
        };
        self.sent_roots = Some(SentRoots { digest, roots });
        Done {
            roots: final_roots,
            kept_back: self.kept_back(),
            has_news: self.has_news(),
            unsendable: self.unsent.take_untold(),
        }
    }

    /// Whether this side leaves records to a later session.
    fn kept_back(&self) -> bool {
        self.descent.kept_back() || self.transfer.kept_back() || self.deltas.kept_back()
    }

    /// Whether one side accepts no records.
    fn is_one_way(&self) -> bool {
        self.transfer.is_closed() || !self.directory.accepts_records()
    }

    /// Ends the session normally, after its last message.
    pub(super) fn finish(&mut self) {
        let told_equal = || self.told_digest == Some(self.directory.shared_digest());
        let equal = self.stage == Stage::Equal || told_equal();
        let kept_back = self.peer_kept_back || self.kept_back();
        self.turn = Turn::Over;
        self.agree(equal);
        self.end(if self.directory.shares_nothing() {
            Ending::NothingShared
        } else if equal {
            Ending::InSync
        } else if kept_back && self.is_one_way() {
            Ending::NotAccepted
        } else if kept_back {
            Ending::BudgetSpent
        } else if !self.unsent.is_empty() {
            Ending::Unsendable
        } else {
            Ending::Synced
        });
    }

    /// Whether this side has more records to send by clocks in the next session.
    fn has_news(&self) -> bool {
        self.deltas.iter().any(|(space_index, delta)| {
            self.directory.at(space_index).is_some_and(|space| delta.has_news(&space.view))
        })
    }

    /// Raises the summary and keeps a base for each space with equal roots whose summary the peer
    /// sent, because both sides have handled the same records there.
    fn agree(&mut self, all_equal: bool) {
        for (space_index, told) in self.deltas.told() {
            let Some(space) = self.directory.at(space_index) else { continue };
            let root = space.view.live_summary().root;
            if all_equal || space.theirs() == Some(root) {
                ask(&space.view, |clocks| {
                    told.iter().for_each(|(node, version)| clocks.raise(node, version));
                    clocks.agree(&root, self.deltas.peer());
                });
            }
        }
    }

    fn end(&mut self, result: Ending) {
        self.outcome = Some(Outcome {
            result,
            stats: self.stats,
            spaces: self.directory.outcomes(),
            unhosted: self.directory.unhosted(),
            cursor: self.transfer.cursor(),
            postponed: self.postponed,
            unsendable: self.unsent.named(),
        });
    }

    /// Ends the session immediately; queues a refusal if the peer can use it.
    pub(super) fn fail(&mut self, error: SessionError) -> SessionError {
        self.turn = Turn::Over;
        self.queued.clear();
        self.outbox.clear();
        if let Some(refusal) = Refusal::of(&error) {
            self.outbox.push_back(Message::Refuse(refusal).encode(Compression::Off, true));
        }
        self.end(Ending::Failed(error.clone()));
        error
    }
}

const NOTHING_SAID: SessionError = SessionError::Violation(ProtocolViolation::UnnamedRoots);
const NOT_ALL: SessionError = SessionError::Violation(ProtocolViolation::MissingRoots);
