use alloc::vec::Vec;

use super::varint::varint_len;
use super::write_varint;
use crate::{ActorBytes, DecodeError, Dot, MAX_COUNTER, Reader, VectorClock};

/// Encoding. Alone, a clock is the number of its entries, then each actor and its counter less one,
/// ascending. A clock has exactly one form, and no other bytes are accepted as one, so bytes may be
/// compared or hashed in place of clocks.
///
/// A frame with many clocks names each actor once, in an [`ActorTable`](crate::ActorTable); see
/// [`encode_with`](Self::encode_with).
impl<A: ActorBytes> VectorClock<A> {
    /// How many bytes [`encode`](Self::encode) appends. O(n).
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        let entry_len = |(actor, counter): (&A, u64)| actor.byte_len() + varint_len(counter - 1);
        varint_len(self.len() as u64) + self.iter().map(entry_len).sum::<usize>()
    }

    /// Appends the clock. O(n).
    ///
    /// ```
    /// use engram_vclock::{DecodeError, Reader, VectorClock};
    ///
    /// let clock = VectorClock::from_sorted([(3_u16, 1), (7, 200)]).expect("sorted");
    /// let mut frame = Vec::new();
    /// clock.encode(&mut frame);
    /// assert_eq!(frame, [2, 0, 3, 0, 0, 7, 199]);
    ///
    /// let mut reader = Reader::new(&frame);
    /// assert_eq!(VectorClock::decode(&mut reader)?, clock);
    /// reader.finish()?;
    /// # Ok::<(), DecodeError>(())
    /// ```
    pub fn encode(&self, out: &mut Vec<u8>) {
        write_varint(self.len() as u64, out);
        for (actor, counter) in self.iter() {
            actor.write(out);
            write_counter(counter, out);
        }
    }

    /// The clock alone, as [`encode`](Self::encode) writes it.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.encoded_len());
        self.encode(&mut bytes);
        bytes
    }

    /// Takes a clock off the input. Allocates no more than the bytes that are really there can
    /// fill.
    ///
    /// # Errors
    ///
    /// Any [`DecodeError`] if the input does not begin with a clock in its one form.
    pub fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let count = input.count(A::MIN_LEN + 1)?;
        let mut entries: Vec<Dot<A>> = Vec::with_capacity(count);
        for _ in 0..count {
            let entry = Dot { actor: A::read(input)?, counter: read_counter(input)? };
            if entries.last().is_some_and(|last| last.actor >= entry.actor) {
                return Err(DecodeError::OutOfOrder);
            }
            entries.push(entry);
        }
        Ok(Self::from_canonical(entries))
    }

    /// A clock from bytes that hold one clock and nothing else.
    ///
    /// # Errors
    ///
    /// Any [`DecodeError`] if they do not.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut input = Reader::new(bytes);
        let clock = Self::decode(&mut input)?;
        input.finish()?;
        Ok(clock)
    }
}

/// Counters are written less one: zero, which names no write, has no form.
pub(super) fn write_counter(counter: u64, out: &mut Vec<u8>) {
    write_varint(counter - 1, out);
}

pub(super) fn read_counter(input: &mut Reader<'_>) -> Result<u64, DecodeError> {
    match input.varint()? {
        less_one if less_one < MAX_COUNTER => Ok(less_one + 1),
        _ => Err(DecodeError::CounterOutOfRange),
    }
}
