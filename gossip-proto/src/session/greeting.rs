//! The first turns of a session, which compare the parameters and find the spaces that differ.

use alloc::vec::Vec;

use super::{Session, Stage, Turn};
use crate::limits::MAX_POSTPONED;
use crate::message::{Hello, HelloParameters, Versions};
use crate::parameters::Difference;
use crate::tag::SessionKey;
use crate::{
    Compression, Event, Intake, Message, Prefix, ProtocolViolation, SessionError, Spaces, View,
};

/// Maximum number of summaries that a side may send early, for spaces that it expects to differ.
const MAX_EARLY: usize = 16;

impl<V: View> Session<V> {
    pub(super) fn greet(&mut self, parameters: HelloParameters, spaces: Spaces) {
        let lz4 = match self.config.compression {
            Compression::Off => 0,
            Compression::Lz4 => Hello::LZ4,
        };
        let learns = if self.config.learn_spaces { Hello::LEARNS_SPACES } else { 0 };
        let sends_only = if self.directory.accepts_records() { 0 } else { Hello::SENDS_ONLY };
        let asks = match self.config.intake {
            Intake::AtOnce => 0,
            Intake::ByClocks => Hello::ASKS_FOR_LISTINGS,
            Intake::Offered => Hello::ASKS_FOR_OFFERS | Hello::ASKS_FOR_LISTINGS,
        };
        let capabilities = lz4 | learns | sends_only | asks;
        self.queued.push_back(Message::MerkleRootExchange(Hello {
            capabilities,
            key: self.key_half,
            receive_budget: self.config.receive_budget,
            greeting: self.config.greeting,
            parameters,
            spaces,
        }));
    }

    pub(super) fn on_hello(&mut self, hello: &Hello) -> Result<(), SessionError> {
        self.compare_parameters(&hello.parameters)?;
        if hello.capabilities & Hello::LZ4 != 0 {
            self.compression = self.config.compression;
        }
        self.peer_learns = hello.capabilities & Hello::LEARNS_SPACES != 0;
        if hello.capabilities & Hello::SENDS_ONLY != 0 {
            self.deltas.keep_back();
            self.transfer.keep_back();
        }
        if hello.capabilities & Hello::ASKS_FOR_OFFERS != 0 {
            self.deltas.offer_all();
        }
        if hello.capabilities & Hello::ASKS_FOR_LISTINGS != 0 {
            self.transfer.offer_all();
        }
        (self.peer_budget, self.peer_takes) = (hello.receive_budget, hello.receive_budget);
        self.session_key = match self.stats.turns {
            0 => SessionKey::of(hello.key, self.key_half),
            _ => SessionKey::of(self.key_half, hello.key),
        };
        if self.stats.turns == 0 {
            self.answer_hello(&hello.spaces)?;
        } else {
            self.on_answered_hello(&hello.spaces)?;
        }
        self.peer_greeting = Some(hello.greeting);
        self.events.push(Event::Greeted(hello.greeting));
        Ok(())
    }

    /// Compares the parameters: the acceptor compares only the digests, and the opener compares
    /// every value if the digests differ.
    fn compare_parameters(&mut self, theirs: &HelloParameters) -> Result<(), SessionError> {
        match (self.stats.turns, theirs) {
            (0, HelloParameters::Digest(digest)) => {
                self.peer_agrees = *digest == self.parameters.digest();
            }
            (0, _) => return Err(SessionError::Violation(ProtocolViolation::NoParameterDigest)),
            (_, HelloParameters::Same) => {}
            (_, HelloParameters::Full(theirs)) => {
                for Difference { name, ours, theirs } in self.parameters.compare(theirs)? {
                    self.events.push(Event::ParameterDiffers { name, ours, theirs });
                }
            }
            (_, HelloParameters::Digest(_)) => {
                return Err(SessionError::Violation(ProtocolViolation::UnexpectedParameterDigest));
            }
        }
        Ok(())
    }

    /// Handles the opening hello, and answers it.
    fn answer_hello(&mut self, theirs: &Spaces) -> Result<(), SessionError> {
        let answer = match theirs {
            // Equality also requires equal parameters.
            Spaces::Digest { .. } if self.peer_agrees && *theirs == self.directory.digest() => {
                self.all_equal(theirs.clone())
            }
            Spaces::Digest { .. } => {
                self.stage = Stage::Spaces;
                self.directory.narrowing(self.session_key)
            }
            Spaces::Table { buckets, spaces } => {
                let is_whole = *buckets == u16::MAX;
                if self.peer_agrees && is_whole && self.directory.equals(spaces) {
                    self.all_equal(self.directory.digest())
                } else {
                    self.adopt(*buckets, spaces)?
                }
            }
            _ => return Err(SessionError::Violation(ProtocolViolation::NoSpaces)),
        };
        let parameters = match self.peer_agrees {
            true => HelloParameters::Same,
            false => HelloParameters::Full(self.parameters.clone()),
        };
        self.greet(parameters, answer);
        if !self.adopted {
            self.tell_early();
        }
        Ok(())
    }

    /// Handles the answer to the opening hello.
    fn on_answered_hello(&mut self, theirs: &Spaces) -> Result<(), SessionError> {
        if let Spaces::Digest { .. } = theirs {
            let ours = self.directory.digest();
            if *theirs != ours {
                return Err(SessionError::Violation(ProtocolViolation::FalseEquality));
            }
            self.all_equal(ours);
            return Ok(());
        }
        self.on_spaces(theirs.clone())
    }

    pub(super) fn on_spaces(&mut self, theirs: Spaces) -> Result<(), SessionError> {
        match theirs {
            Spaces::Buckets(buckets) if !self.directory.has_table() => {
                self.stage = Stage::Spaces;
                let table = self.directory.answer_buckets(&buckets, self.session_key);
                self.queued.push_back(Message::Spaces(table));
                self.tell_early();
            }
            Spaces::Table { buckets, spaces } if !self.directory.has_table() => {
                let hosts = self.adopt(buckets, &spaces)?;
                self.queued.push_back(Message::Spaces(hosts));
            }
            Spaces::Hosts(bits) if self.directory.has_table() => self.on_hosts(&bits)?,
            Spaces::HostsAndOthers { hosts, others }
                if self.directory.has_table() && self.config.learn_spaces =>
            {
                self.directory.learn(others).map_err(SessionError::Violation)?;
                self.on_hosts(&hosts)?;
            }
            _ => return Err(SessionError::Violation(ProtocolViolation::UnexpectedSpaces)),
        }
        Ok(())
    }

    /// Handles the peer's answer to this side's table.
    fn on_hosts(&mut self, bits: &[u8]) -> Result<(), SessionError> {
        self.stage = Stage::Descending;
        let shared = self.directory.hosts(bits).map_err(SessionError::Violation)?;
        self.deltas.retain(&shared, &self.directory);
        self.descent.expect_roots(shared);
        Ok(())
    }

    /// Adopts the peer's table, and begins to compare the spaces that differ.
    fn adopt(&mut self, buckets: u16, table: &[crate::SpaceRoot]) -> Result<Spaces, SessionError> {
        debug_assert!(matches!(self.turn, Turn::Theirs(_)), "tables arrive in the peer's turn");
        self.stage = Stage::Descending;
        let (hosts, differing) = self
            .directory
            .adopt(buckets, table, self.peer_learns)
            .map_err(SessionError::Violation)?;
        for space_index in differing.into_iter().rev() {
            self.begin_to_compare(space_index);
        }
        self.adopted = true;
        Ok(hosts)
    }

    /// Begins to compare a space that differs: by clocks if possible, otherwise by its tree.
    fn begin_to_compare(&mut self, space_index: u32) {
        let Some(space) = self.directory.at_mut(space_index) else { return };
        if self.deltas.begin(space_index, space) {
            // The peer may still choose to compare the trees.
            self.descent.expect_roots([space_index]);
        } else {
            self.stats.descents += 1;
            self.descent.push((space_index, Prefix::ROOT));
        }
    }

    /// Begins the deltas of spaces that are expected to differ, so that their summaries are sent
    /// with this side's table.
    pub(super) fn tell_early(&mut self) {
        for space_index in
            self.directory.places_of(&self.config.suspects).into_iter().take(MAX_EARLY)
        {
            if let Some(space) = self.directory.named_mut(space_index) {
                self.deltas.begin(space_index, space);
            }
        }
    }

    pub(super) fn on_versions(&mut self, versions: &Versions) -> Result<(), SessionError> {
        let space_index = versions.space;
        // A summary sent early may belong to a space that is not hosted here or whose roots are
        // equal.
        let Some(space) = self.directory.at_mut(space_index) else { return Ok(()) };
        if self.deltas.get(space_index).is_none() && !self.adopted && !space.differed() {
            space.differs();
            self.begin_to_compare(space_index);
        }
        let Some(space) = self.directory.at_mut(space_index) else { return Ok(()) };
        if self.deltas.get(space_index).is_some() {
            space.differs();
        }
        self.deltas.on_versions(versions, &space.view)
    }

    /// Begins to compare the trees of the spaces that are synced by clocks and whose roots still
    /// differ after the peer's `Done`, unless records were left out or the difference can wait for
    /// the next session. Leaves the difference to the next session if this side starts nothing new.
    /// Does nothing while this side has records to request.
    pub(super) fn judge(&mut self) {
        if self.transfer.wants_any() {
            return;
        }
        let over: Vec<u32> = (self.deltas.iter())
            .filter(|(_, delta)| delta.is_over() && !delta.left_out())
            .map(|(space_index, _)| space_index)
            .collect();
        let kept_back = self.peer_kept_back || self.transfer.kept_back() || self.deltas.kept_back();
        let winds_down = self.winds_down();
        for space_index in over {
            let Some(space) = self.directory.at_mut(space_index) else { continue };
            let equal = space.theirs() == Some(space.view.live_summary().root);
            if equal || kept_back {
                continue;
            }
            let has_news =
                self.deltas.get(space_index).is_some_and(|delta| delta.has_news(&space.view));
            let has_moved = self.stats.applied + self.stats.records_out > 0;
            let may_postpone = self.config.postponed < MAX_POSTPONED;
            if (has_news || self.peer_has_news) && has_moved && may_postpone {
                self.postponed = true;
                continue;
            }
            if winds_down {
                self.transfer.leave();
                continue;
            }
            self.deltas.end(space_index);
            space.view.repin();
            self.stats.descents += 1;
            self.descent.push((space_index, Prefix::ROOT));
        }
    }

    fn all_equal(&mut self, digest: Spaces) -> Spaces {
        self.stage = Stage::Equal;
        self.directory.all_equal();
        digest
    }
}
