//! What a fuzzer calls with any bytes. None of these may panic, and whatever is accepted has no
//! second form.

use engram_vclock::{Actor, ActorBytes, ActorTable, Reader, Siblings, VectorClock};

/// One integer.
pub(crate) fn varint(bytes: &[u8]) {
    let mut input = Reader::new(bytes);
    if let Ok(value) = input.varint() {
        let mut again = Vec::new();
        engram_vclock::write_varint(value, &mut again);
        assert_eq!(again, read(bytes, &input));
    }
}

/// One clock, with each kind of actor.
pub(crate) fn clock(bytes: &[u8]) {
    fn of<A: ActorBytes + std::fmt::Debug>(bytes: &[u8]) {
        let mut input = Reader::new(bytes);
        if let Ok(clock) = VectorClock::<A>::decode(&mut input) {
            assert_eq!(clock.to_bytes(), read(bytes, &input));
            assert_eq!(clock.encoded_len(), bytes.len() - input.remaining());
            let entries: Vec<_> =
                clock.iter().map(|(actor, counter)| (actor.clone(), counter)).collect();
            assert_eq!(VectorClock::from_sorted(entries), Ok(clock));
        }
    }
    of::<u8>(bytes);
    of::<u64>(bytes);
    of::<[u8; 3]>(bytes);
    of::<String>(bytes);
    of::<Actor<u8>>(bytes);
    of::<Actor>(bytes);
}

/// A frame: a table of actors, and states until the bytes end.
pub(crate) fn frame(bytes: &[u8]) {
    let mut input = Reader::new(bytes);
    let Ok(table) = ActorTable::<u8>::decode(&mut input) else { return };
    let mut again = Vec::new();
    table.encode(&mut again);
    assert_eq!(again, read(bytes, &input));
    while input.remaining() > 0 {
        let Ok(state) = Siblings::<u8, u8>::decode_with(&table, &mut input, |input| input.byte())
        else {
            return;
        };
        state
            .encode_with(&table, &mut again, |value, out| out.push(*value))
            .expect("its actors are in the table");
        assert_eq!(again, read(bytes, &input));
        check(state);
    }
}

/// One state.
pub(crate) fn siblings(bytes: &[u8]) {
    let mut input = Reader::new(bytes);
    if let Ok(state) = Siblings::<u8, u8>::decode(&mut input, |input| input.byte()) {
        let mut again = Vec::new();
        state.encode(&mut again, |value, out| out.push(*value));
        assert_eq!(again, read(bytes, &input));
        check(state);
    }
}

fn check(state: Siblings<u8, u8>) {
    assert!(!state.clone().join(&state));
    let (live, context) = state.clone().into_parts();
    assert_eq!(Siblings::from_parts(live, context), Ok(state));
}

/// The part of `bytes` that was read.
fn read<'a>(bytes: &'a [u8], input: &Reader<'_>) -> &'a [u8] {
    &bytes[..bytes.len() - input.remaining()]
}
