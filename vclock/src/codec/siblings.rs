use alloc::vec::Vec;

use super::write_varint;
use crate::{ActorBytes, ActorTable, DecodeError, Dot, NotInTable, Reader, Siblings, VectorClock};

/// Encoding: the context, the number of values, and for each value its dot and itself. A dot is
/// written as the gap between the indices of its actor in the context and of the one before, and as
/// how far its counter lies below that of the context; that is two bytes as a rule.
///
/// Values are written and read by the caller. As long as a value has one form of its own, so has
/// the whole.
impl<V, A: ActorBytes> Siblings<V, A> {
    /// Appends the state.
    ///
    /// ```
    /// use engram_vclock::{Dot, Reader, Siblings, VectorClock};
    ///
    /// let mut siblings = Siblings::new();
    /// siblings.write(Dot::new(9_u8, 1), b'x', &VectorClock::new())?;
    ///
    /// let mut frame = Vec::new();
    /// siblings.encode(&mut frame, |value, out| out.push(*value));
    /// assert_eq!(frame, [1, 9, 0, 1, 0, 0, b'x']);
    /// assert_eq!(Siblings::decode(&mut Reader::new(&frame), Reader::byte)?, siblings);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn encode(&self, out: &mut Vec<u8>, write_value: impl FnMut(&V, &mut Vec<u8>)) {
        self.context().encode(out);
        self.encode_live(out, write_value);
    }

    /// Takes a state off the input. Allocates in step with the bytes read, never on the word of a
    /// count.
    ///
    /// # Errors
    ///
    /// Any [`DecodeError`] if the input does not begin with a state in its one form.
    pub fn decode<'a>(
        input: &mut Reader<'a>,
        read_value: impl FnMut(&mut Reader<'a>) -> Result<V, DecodeError>,
    ) -> Result<Self, DecodeError> {
        let context = VectorClock::decode(input)?;
        Self::decode_live(context, input, read_value)
    }
}

impl<V, A: Ord + Clone> Siblings<V, A> {
    /// Appends the state, its context beside `table`, which is not included.
    ///
    /// # Errors
    ///
    /// [`NotInTable`] if the table lacks an actor of the context; nothing is appended then.
    pub fn encode_with(
        &self,
        table: &ActorTable<A>,
        out: &mut Vec<u8>,
        write_value: impl FnMut(&V, &mut Vec<u8>),
    ) -> Result<(), NotInTable> {
        self.context().encode_with(table, out)?;
        self.encode_live(out, write_value);
        Ok(())
    }

    /// Takes a state off the input whose context was encoded beside `table`.
    ///
    /// # Errors
    ///
    /// Any [`DecodeError`] if the input does not begin with a state in its one form.
    pub fn decode_with<'a>(
        table: &ActorTable<A>,
        input: &mut Reader<'a>,
        read_value: impl FnMut(&mut Reader<'a>) -> Result<V, DecodeError>,
    ) -> Result<Self, DecodeError> {
        let context = VectorClock::decode_with(table, input)?;
        Self::decode_live(context, input, read_value)
    }

    fn encode_live(&self, out: &mut Vec<u8>, mut write_value: impl FnMut(&V, &mut Vec<u8>)) {
        let context = self.context().entries();
        write_varint(self.len() as u64, out);
        let mut at = 0;
        for (dot, value) in self.iter() {
            // Both ascend by actor, so the search continues where it stopped.
            let gap = context[at..].partition_point(|entry| entry.actor < dot.actor);
            at += gap;
            write_varint(gap as u64, out);
            write_varint(context[at].counter - dot.counter, out);
            write_value(value, out);
        }
    }

    fn decode_live<'a>(
        context: VectorClock<A>,
        input: &mut Reader<'a>,
        mut read_value: impl FnMut(&mut Reader<'a>) -> Result<V, DecodeError>,
    ) -> Result<Self, DecodeError> {
        let mut live: Vec<(Dot<A>, V)> = Vec::new();
        let mut rest = context.entries();
        for _ in 0..input.count(2)? {
            let gap = usize::try_from(input.varint()?).map_err(|_| DecodeError::UnknownActor)?;
            rest = rest.get(gap..).ok_or(DecodeError::UnknownActor)?;
            let latest = rest.first().ok_or(DecodeError::UnknownActor)?;
            let below = input.varint()?;
            if below >= latest.counter {
                return Err(DecodeError::CounterOutOfRange);
            }
            let dot = Dot::new(latest.actor.clone(), latest.counter - below);
            if live.last().is_some_and(|(last, _)| *last >= dot) {
                return Err(DecodeError::OutOfOrder);
            }
            live.push((dot, read_value(input)?));
        }
        Ok(Self::from_canonical(live, context))
    }
}
