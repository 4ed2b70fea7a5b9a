//! The sides take turns to send. A side that has nothing more to send or request ends its turn with
//! `Done`.

use alloc::vec::Vec;

use super::pieces::Terms;
use super::{Session, Stage};
use crate::limits::MAX_TURNS;
use crate::{Message, SessionError, View, frame};

/// Part of the peer's receive budget, in bytes, that is reserved for hashes and for the end of the
/// session.
const RESERVE: u64 = 1 << 20;
/// Number of turns before [`MAX_TURNS`] in which this side starts nothing new, so that the session
/// ends with `Done` instead of an error.
const LAST_TURNS: u32 = 16;

/// The current turn: which side has it, and its progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// This side builds frames.
    Ours(TurnSoFar),
    /// The last frame of this side's turn is ready, but has not been polled.
    Flushing(TurnSoFar),
    /// The peer sends frames.
    Theirs(TurnSoFar),
    /// The session is over; a last frame may be left to poll.
    Over,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct TurnSoFar {
    pub(super) frames: u32,
    /// Whether the turn holds a message that the other side has to answer.
    pub(super) expects_answer: bool,
    pub(super) done: bool,
    /// Whether the turn holds records.
    pub(super) has_records: bool,
}

impl TurnSoFar {
    /// Whether the turn holds only `Done`.
    pub(super) fn is_bare(self) -> bool {
        self.done && self.frames == 1
    }
}

/// The limits on the next message that carries records.
pub(super) struct Allowance {
    /// Maximum number of records.
    pub(super) records: usize,
    pub(super) terms: Terms,
    /// Number of bytes of records that may still be sent.
    pub(super) bytes: u64,
    /// Number of bytes that the peer still accepts.
    pub(super) peer_bytes: u64,
    /// Whether no records have been sent in this turn. The first message ignores `bytes`, so that
    /// records that are refused again and again cannot starve those of later turns.
    pub(super) is_first: bool,
}

impl Allowance {
    pub(super) fn is_spent(&self, wire: usize) -> bool {
        !self.is_first && wire as u64 > self.bytes
    }

    /// Whether `bytes`, which must be sent without interruption, exceed what the peer still
    /// accepts.
    pub(super) fn exceeds_peer(&self, bytes: usize) -> bool {
        bytes as u64 > self.peer_bytes
    }
}

impl<V: View> Session<V> {
    /// Ends the peer's turn: finishes the session, or begins this side's turn.
    ///
    /// # Errors
    /// Fails if the session has no turn left.
    pub(super) fn end_of_peers_turn(&mut self, turn: TurnSoFar) -> Result<(), SessionError> {
        self.stats.turns += 1;
        self.transfer.end_of_peers_turn(&self.directory, self.session_key);
        self.deltas.end_of_peers_turn(&self.directory);
        self.peer_closed = turn.done;
        let equal_on_both_sides = self.stage == Stage::Equal && self.queued.is_empty();
        if equal_on_both_sides || turn.is_bare() && self.closed {
            self.finish();
            return Ok(());
        }
        self.check_turns()?;
        if self.winds_down() {
            self.descent.stop();
            self.transfer.stop(&mut self.deltas);
        }
        if turn.done {
            self.judge();
        }
        self.descent.begin_turn();
        self.turn = Turn::Ours(TurnSoFar::default());
        Ok(())
    }

    /// Whether this side starts nothing new, because few turns are left or the peer accepts few
    /// bytes. Once this method has returned true, it never returns false again.
    pub(super) fn winds_down(&self) -> bool {
        self.stats.turns + LAST_TURNS > MAX_TURNS || self.peer_takes < RESERVE
    }

    /// Builds frames until it is known whether the next one is the last of the turn.
    pub(super) fn fill_outbox(&mut self) {
        while let Turn::Ours(mut turn) = self.turn {
            if self.outbox.len() == 2 {
                return;
            }
            let Some(message) = self.next_message(turn) else {
                let last = self.outbox.back_mut().expect("a turn holds at least one message");
                frame::end_turn(last);
                self.turn = Turn::Flushing(turn);
                return;
            };
            turn.frames += 1;
            turn.done = matches!(message, Message::Done(_));
            let has_records = matches!(message, Message::PatternSync(_) | Message::ContentPart(_));
            turn.has_records |= has_records;
            turn.expects_answer |= !turn.done && !has_records;
            self.turn = Turn::Ours(turn);
            let frame = self.encode(&message);
            self.outbox.push_back(frame);
        }
    }

    fn encode(&mut self, message: &Message) -> Vec<u8> {
        let frame = message.encode(self.compression, false);
        match message {
            Message::PatternSync(sync) => {
                self.stats.records_out += (sync.records.len() + sync.short.len()) as u64;
                self.stats.contents_out += u64::from(sync.count);
            }
            Message::ContentPart(part) => {
                // A content is counted once, with its first part.
                self.stats.contents_out += u64::from(part.offset == 0);
            }
            _ => return frame,
        }
        self.stats.record_bytes += frame.len() as u64;
        self.sent_records += frame.len() as u64;
        frame
    }

    fn next_message(&mut self, turn: TurnSoFar) -> Option<Message> {
        if let Some(message) = self.queued.pop_front() {
            return Some(message);
        }
        if self.stage == Stage::Greeting || self.stage == Stage::Spaces {
            // Summaries may be sent with this side's table.
            return self.deltas.next(&self.directory, self.session_key);
        }
        if self.stage == Stage::Equal || turn.done {
            return None;
        }
        if let Some(message) = self.deltas.next(&self.directory, self.session_key) {
            return Some(message);
        }
        if let Some(message) = self.descent.next(&self.directory, self.session_key) {
            return Some(message);
        }
        if let Some(request) = self.transfer.next_request(&self.directory, self.session_key) {
            return Some(Message::PatternRequest(request));
        }
        let allowance = self.allowance(turn);
        let (deltas, unsent) = (&mut self.deltas, &mut self.unsent);
        let records = self.transfer.next_records(&self.directory, deltas, &allowance, unsent);
        self.report_unsent();
        if records.is_some() {
            return records;
        }
        (!turn.expects_answer).then(|| Message::Done(self.done()))
    }

    fn allowance(&self, turn: TurnSoFar) -> Allowance {
        let ours = self.config.send_budget.saturating_sub(self.sent_records);
        let queued: u64 = self.outbox.iter().map(|frame| frame.len() as u64).sum();
        let theirs = self.peer_takes.saturating_sub(queued + RESERVE);
        Allowance {
            records: self.config.max_patterns_per_sync as usize,
            terms: Terms {
                session_key: self.session_key,
                compression: self.compression,
                peer_takes: self.peer_budget.saturating_sub(2 * RESERVE),
            },
            bytes: ours.min(theirs),
            peer_bytes: theirs,
            is_first: !turn.has_records,
        }
    }
}
