//! Dispatches each message by the stage of the session; refuses messages out of order.

use super::{Session, Stage};
use crate::{Message, ProtocolViolation, SessionError, View};

impl<V: View> Session<V> {
    /// Handles one message of the peer's turn.
    pub(super) fn handle_message(&mut self, message: Message) -> Result<(), SessionError> {
        let violation = |what| Err(SessionError::Violation(what));
        match (self.stage, message) {
            (_, Message::Refuse(refusal)) => Err(SessionError::RefusedByPeer(refusal)),
            (Stage::Greeting, Message::MerkleRootExchange(hello)) => self.on_hello(&hello),
            (Stage::Greeting, _) => violation(ProtocolViolation::NoHello),
            (_, Message::MerkleRootExchange(_)) => violation(ProtocolViolation::SecondHello),
            // A side may send summaries before it knows which spaces differ.
            (Stage::Equal | Stage::Spaces, Message::Versions(_)) => Ok(()),
            (Stage::Equal, _) => violation(ProtocolViolation::AfterEquality),
            (Stage::Spaces, Message::Spaces(spaces)) => self.on_spaces(spaces),
            (Stage::Spaces, _) => violation(ProtocolViolation::SpacesExpected),
            (Stage::Descending, Message::Spaces(_)) => violation(ProtocolViolation::LateSpaces),
            (Stage::Descending, Message::SubtreeRequest(request)) => {
                self.on_subtree_request(request)
            }
            (Stage::Descending, Message::SubtreeResponse(response)) => {
                self.on_subtree_response(response)
            }
            (Stage::Descending, Message::PatternRequest(request)) => {
                self.on_pattern_request(request)
            }
            (Stage::Descending, Message::PatternSync(sync)) => self.on_pattern_sync(sync),
            (Stage::Descending, Message::ContentPart(part)) => self.on_content_part(part),
            (Stage::Descending, Message::Versions(versions)) => self.on_versions(&versions),
            (Stage::Descending, Message::RangeOffer(offer)) => {
                let space = self.directory.at(offer.space);
                let space =
                    space.ok_or(SessionError::Violation(ProtocolViolation::UnsharedSpace))?;
                let untaken = self.deltas.on_offer(&offer, &space.view)?;
                let stats = &mut self.stats;
                stats.came_by_others = stats.came_by_others.saturating_add(untaken.came);
                if space.view.accepts_records() {
                    stats.left_to_others = stats.left_to_others.saturating_add(untaken.left);
                } else {
                    self.transfer.leave();
                }
                Ok(())
            }
            (Stage::Descending, Message::RangeAnswer(answer)) => {
                self.deltas.on_answer(&answer, self.session_key)
            }
            (Stage::Descending, Message::Done(done)) => self.on_done(done),
        }
    }
}
