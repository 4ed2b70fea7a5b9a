use alloc::vec::Vec;

use super::clock::{read_counter, write_counter};
use super::write_varint;
use crate::{ActorBytes, DecodeError, Dot, NotInTable, Reader, VectorClock};

/// The actors of a frame, each named once, so that the clocks of the frame can say which of them
/// they mean in a bit or a byte instead of a whole identifier.
///
/// ```
/// use engram_vclock::{ActorTable, DecodeError, Reader, VectorClock};
///
/// let a = VectorClock::try_from_iter([(1_u64, 5), (2, 9)])?;
/// let b = VectorClock::try_from_iter([(2_u64, 8)])?;
///
/// let table = ActorTable::of([&a, &b]);
/// let mut frame = Vec::new();
/// table.encode(&mut frame);
/// a.encode_with(&table, &mut frame)?;
/// b.encode_with(&table, &mut frame)?;
///
/// let mut reader = Reader::new(&frame);
/// let table = ActorTable::decode(&mut reader)?;
/// assert_eq!(VectorClock::decode_with(&table, &mut reader)?, a);
/// assert_eq!(VectorClock::decode_with(&table, &mut reader)?, b);
/// reader.finish()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActorTable<A> {
    /// Strictly ascending.
    actors: Vec<A>,
}

impl<A: Ord + Clone> ActorTable<A> {
    /// The table of all actors that the clocks name. O(e log e) for e entries.
    #[must_use]
    pub fn of<'a>(clocks: impl IntoIterator<Item = &'a VectorClock<A>>) -> Self
    where
        A: 'a,
    {
        clocks.into_iter().flat_map(|clock| clock.iter().map(|(actor, _)| actor.clone())).collect()
    }

    /// The actors in ascending order.
    #[must_use]
    pub fn actors(&self) -> &[A] {
        &self.actors
    }
}

impl<A: Ord> FromIterator<A> for ActorTable<A> {
    /// The table of these actors, in any order and however often named.
    fn from_iter<I: IntoIterator<Item = A>>(actors: I) -> Self {
        let mut actors: Vec<A> = actors.into_iter().collect();
        actors.sort_unstable();
        actors.dedup();
        Self { actors }
    }
}

impl<A: ActorBytes> ActorTable<A> {
    /// Appends the table: the number of actors, then the actors, ascending.
    pub fn encode(&self, out: &mut Vec<u8>) {
        write_varint(self.actors.len() as u64, out);
        for actor in &self.actors {
            actor.write(out);
        }
    }

    /// Takes a table off the input. Allocates no more than the bytes that are really there can
    /// fill.
    ///
    /// # Errors
    ///
    /// Any [`DecodeError`] if the input does not begin with a table in its one form.
    pub fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let count = input.count(A::MIN_LEN)?;
        let mut actors: Vec<A> = Vec::with_capacity(count);
        for _ in 0..count {
            let actor = A::read(input)?;
            if actors.last().is_some_and(|last| *last >= actor) {
                return Err(DecodeError::OutOfOrder);
            }
            actors.push(actor);
        }
        Ok(Self { actors })
    }
}

/// Encoding beside an [`ActorTable`]: the number of entries, which actors of the table they belong
/// to, and the counters less one. The table itself is not included.
///
/// Which actors: nothing if all; else one bit for each actor of the table, if that is no longer
/// than one byte for each entry; else the gap of each index to the one before. The numbers alone
/// decide, so there is one form here too.
impl<A: Ord + Clone> VectorClock<A> {
    /// Appends the clock. O(n log t) for n entries and t actors in the table.
    ///
    /// # Errors
    ///
    /// [`NotInTable`] if the table lacks an actor of the clock; nothing is appended then.
    pub fn encode_with(&self, table: &ActorTable<A>, out: &mut Vec<u8>) -> Result<(), NotInTable> {
        let indices: Vec<usize> = (self.iter())
            .map(|(actor, _)| table.actors.binary_search(actor))
            .collect::<Result<_, _>>()
            .map_err(|_| NotInTable)?;
        write_varint(indices.len() as u64, out);
        match Subset::of(indices.len(), table.actors.len()) {
            Subset::All => {}
            Subset::Bitmap { bytes } => {
                let start = out.len();
                out.resize(start + bytes, 0);
                for index in indices {
                    out[start + index / 8] |= 1 << (index % 8);
                }
            }
            Subset::Gaps => {
                let mut next = 0;
                for index in indices {
                    write_varint((index - next) as u64, out);
                    next = index + 1;
                }
            }
        }
        for (_, counter) in self.iter() {
            write_counter(counter, out);
        }
        Ok(())
    }

    /// Takes a clock off the input that was encoded beside `table`. Allocates no more than the
    /// bytes that are really there can fill.
    ///
    /// # Errors
    ///
    /// Any [`DecodeError`] if the input does not begin with a clock in its one form.
    pub fn decode_with(table: &ActorTable<A>, input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let count = input.count(1)?;
        if count > table.actors.len() {
            return Err(DecodeError::UnknownActor);
        }
        let indices = read_indices(count, table.actors.len(), input)?;
        let entries = (indices.into_iter())
            .map(|index| {
                Ok(Dot { actor: table.actors[index].clone(), counter: read_counter(input)? })
            })
            .collect::<Result<_, _>>()?;
        Ok(Self::from_canonical(entries))
    }
}

/// How a subset of a table is written.
enum Subset {
    /// Not at all.
    All,
    /// A bit for each actor of the table, lowest first; the bits behind the last actor are zero.
    Bitmap { bytes: usize },
    /// For each entry the number of actors skipped since the one before.
    Gaps,
}

impl Subset {
    const fn of(count: usize, table_len: usize) -> Self {
        let bytes = table_len.div_ceil(8);
        if count == table_len {
            Self::All
        } else if bytes <= count {
            Self::Bitmap { bytes }
        } else {
            Self::Gaps
        }
    }
}

/// The strictly ascending indices of `count` entries, each below `table_len`.
fn read_indices(
    count: usize,
    table_len: usize,
    input: &mut Reader<'_>,
) -> Result<Vec<usize>, DecodeError> {
    let mut indices = Vec::with_capacity(count);
    match Subset::of(count, table_len) {
        Subset::All => indices.extend(0..count),
        Subset::Bitmap { bytes } => {
            for (at, byte) in input.take(bytes)?.iter().enumerate() {
                indices.extend((0..8).filter(|bit| byte >> bit & 1 == 1).map(|bit| at * 8 + bit));
            }
            if indices.len() != count {
                return Err(DecodeError::NotCanonical);
            }
        }
        Subset::Gaps => {
            let mut next = 0_usize;
            for _ in 0..count {
                let gap =
                    usize::try_from(input.varint()?).map_err(|_| DecodeError::UnknownActor)?;
                let index = next.checked_add(gap).ok_or(DecodeError::UnknownActor)?;
                indices.push(index);
                next = index.checked_add(1).ok_or(DecodeError::UnknownActor)?;
            }
        }
    }
    match indices.last() {
        Some(&last) if last >= table_len => Err(DecodeError::UnknownActor),
        _ => Ok(indices),
    }
}
