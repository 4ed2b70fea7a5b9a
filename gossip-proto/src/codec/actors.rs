//! The actors of a message, each named once; everything else calls an actor by its place.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use crate::limits::{MAX_ACTORS, MAX_COUNTER};
use crate::wire::{Reader, put, put_count};
use crate::{Actor, DecodeError};

/// The table of a message, ascending.
#[derive(PartialEq, Eq)]
pub(crate) struct Actors(Vec<Actor>);

impl Actors {
    /// Bytes of the longest encoding of one actor in the table.
    pub(crate) const WIRE: usize = 42;
    /// Bytes of the longest encoding of a place and a counter.
    pub(crate) const COUNTER_WIRE: usize = 10;

    /// The table of all that occur.
    pub(crate) fn of(all: impl Iterator<Item = Actor>) -> Self {
        Self(all.collect::<BTreeSet<_>>().into_iter().collect())
    }

    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        put_count(out, self.0.len());
        for actor in &self.0 {
            put(out, &(actor.node, actor.incarnation));
        }
    }

    /// Takes a table; `count` is told the number of actors before each is allocated.
    ///
    /// The caller compares it with the table of what follows, so that it has one form only.
    pub(crate) fn take(
        r: &mut Reader<'_>,
        mut count: impl FnMut() -> Result<(), DecodeError>,
    ) -> Result<Self, DecodeError> {
        let actors = r.list("actors of a message", MAX_ACTORS, 33, |r| {
            count()?;
            let (node, incarnation) = r.take("an actor")?;
            Ok(Actor { node, incarnation })
        })?;
        Ok(Self(actors))
    }

    /// Appends the place of `actor`, which the table has, and a counter of it.
    pub(crate) fn put_counter(&self, out: &mut Vec<u8>, actor: Actor, counter: u64) {
        let place = self.0.binary_search(&actor).expect("the table has every actor of its message");
        put(out, &(place as u32, counter));
    }

    /// Takes a place and a counter.
    pub(crate) fn take_counter(&self, r: &mut Reader<'_>) -> Result<(Actor, u64), DecodeError> {
        let (place, counter) = r.take::<(u32, u64)>("a counter")?;
        let actor = self.0.get(place as usize).ok_or(DecodeError::Invalid("an actor's place"))?;
        match counter {
            0 => Err(DecodeError::Invalid("a counter")),
            1..=MAX_COUNTER => Ok((*actor, counter)),
            _ => {
                Err(DecodeError::OverLimit { what: "a counter", value: counter, cap: MAX_COUNTER })
            }
        }
    }
}
