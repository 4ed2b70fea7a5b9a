//! The first turns: do both sides fit together, and which spaces have to be compared?

use alloc::string::ToString;

use super::{Session, Stage, Turn};
use crate::message::Hello;
use crate::tag::SessionKey;
use crate::{Compression, Event, Message, Parameters, Prefix, SessionError, Spaces, View};

impl<V: View> Session<V> {
    pub(super) fn greet(&mut self, spaces: Spaces) {
        let capabilities = match self.config.compression {
            Compression::Off => 0,
            Compression::Lz4 => Hello::LZ4,
        };
        self.queued.push_back(Message::MerkleRootExchange(Hello {
            capabilities,
            key: self.key_half,
            receive_budget: self.config.receive_budget,
            greeting: self.config.greeting,
            parameters: (!self.peer_agrees).then(|| self.parameters.clone()),
            spaces,
        }));
    }

    pub(super) fn on_hello(&mut self, hello: &Hello) -> Result<(), SessionError> {
        self.compare_parameters(hello.parameters.as_ref())?;
        if hello.capabilities & Hello::LZ4 != 0 {
            self.compression = self.config.compression;
        }
        self.peer_takes = hello.receive_budget;
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

    fn compare_parameters(&mut self, theirs: Option<&Parameters>) -> Result<(), SessionError> {
        let Some(theirs) = theirs else {
            let is_answer = self.stats.turns > 0;
            let nothing_to_equal = SessionError::Violation("an opening hello without parameters");
            return if is_answer { Ok(()) } else { Err(nothing_to_equal) };
        };
        self.parameters.agree(theirs)?;
        self.peer_agrees = self.parameters == *theirs;
        if !self.peer_agrees {
            let ours = self.parameters.strategy.to_string();
            let theirs = theirs.strategy.to_string();
            self.events.push(Event::StrategyDiffers { ours, theirs });
        }
        Ok(())
    }

    /// The acceptor's side of the first turn.
    fn answer_hello(&mut self, theirs: &Spaces) -> Result<(), SessionError> {
        let answer = match theirs {
            Spaces::Digest { .. } if *theirs == self.directory.digest() => {
                self.all_equal(theirs.clone())
            }
            Spaces::Digest { .. } => {
                self.stage = Stage::Spaces;
                self.directory.narrowing(self.session_key)
            }
            Spaces::Table { buckets, spaces } => {
                if *buckets == u16::MAX && self.directory.equals(spaces) {
                    self.all_equal(self.directory.digest())
                } else {
                    self.adopt(*buckets, spaces)?
                }
            }
            _ => return Err(SessionError::Violation("a hello names spaces or their digest")),
        };
        self.greet(answer);
        Ok(())
    }

    /// The opener's side of the second turn.
    fn on_answered_hello(&mut self, theirs: &Spaces) -> Result<(), SessionError> {
        if let Spaces::Digest { .. } = theirs {
            let ours = self.directory.digest();
            if *theirs != ours {
                return Err(SessionError::Violation("an equal digest that is not equal"));
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
            }
            Spaces::Table { buckets, spaces } if !self.directory.has_table() => {
                let hosts = self.adopt(buckets, &spaces)?;
                self.queued.push_back(Message::Spaces(hosts));
            }
            Spaces::Hosts(bits) if self.directory.has_table() => {
                self.stage = Stage::Walking;
                let shared = self.directory.hosts(&bits).map_err(SessionError::Violation)?;
                self.walk.expect_roots(shared);
            }
            _ => return Err(SessionError::Violation("an answer about spaces that does not fit")),
        }
        Ok(())
    }

    /// Takes the peer's table, and begins to compare what differs.
    fn adopt(&mut self, buckets: u16, table: &[crate::SpaceRoot]) -> Result<Spaces, SessionError> {
        debug_assert!(matches!(self.turn, Turn::Theirs(_)), "tables come in the peer's turn");
        self.stage = Stage::Walking;
        let (hosts, differing) =
            self.directory.adopt(buckets, table).map_err(SessionError::Violation)?;
        for place in differing.into_iter().rev() {
            self.walk.push((place, Prefix::ROOT));
        }
        Ok(hosts)
    }

    fn all_equal(&mut self, digest: Spaces) -> Spaces {
        self.stage = Stage::Equal;
        self.directory.all_equal();
        digest
    }
}
