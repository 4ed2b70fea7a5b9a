//! Encodings: there and back, one form only, nothing allocated on the word of a count.

mod common;

use common::bytes;
use engram_vclock::generate::{State, clock, history};
use engram_vclock::{
    Actor, ActorTable, DecodeError, Dot, MAX_COUNTER, NotInTable, Reader, Siblings, VectorClock,
    write_varint,
};
use proptest::prelude::*;

fn decode(bytes: &[u8]) -> Result<VectorClock<u8>, DecodeError> {
    VectorClock::from_bytes(bytes)
}

fn decode_state(bytes: &[u8]) -> Result<Siblings<u8, u8>, DecodeError> {
    let mut input = Reader::new(bytes);
    let state = Siblings::decode(&mut input, |input| input.byte())?;
    input.finish()?;
    Ok(state)
}

fn table(actors: impl IntoIterator<Item = u8>) -> ActorTable<u8> {
    actors.into_iter().collect()
}

fn actor() -> impl Strategy<Value = Actor> {
    (any::<[u8; 32]>(), any::<u64>()).prop_map(|(node, incarnation)| Actor { node, incarnation })
}

proptest! {
    #[test]
    fn prop_varint_survives(bits in 0..64_u32, low in any::<u64>()) {
        let value = low >> bits;
        let mut bytes = Vec::new();
        write_varint(value, &mut bytes);
        let mut input = Reader::new(&bytes);
        prop_assert_eq!(input.varint(), Ok(value));
        prop_assert_eq!(input.finish(), Ok(()));
    }

    #[test]
    fn prop_clock_survives(clock in clock(actor(), 0..20)) {
        let bytes = clock.to_bytes();
        prop_assert_eq!(bytes.len(), clock.encoded_len());
        prop_assert_eq!(VectorClock::from_bytes(&bytes), Ok(clock));
    }

    #[test]
    fn prop_clock_of_names_survives(clock in clock("[a-zäöü]{0,9}", 0..20)) {
        let bytes = clock.to_bytes();
        prop_assert_eq!(bytes.len(), clock.encoded_len());
        prop_assert_eq!(VectorClock::<String>::from_bytes(&bytes), Ok(clock));
    }

    #[test]
    fn prop_frame_survives(clocks in proptest::collection::vec(clock(any::<u8>(), 0..40), 0..6)) {
        let table = ActorTable::of(&clocks);
        let mut frame = Vec::new();
        table.encode(&mut frame);
        for clock in &clocks {
            clock.encode_with(&table, &mut frame).expect("every actor is in the table");
        }
        let mut input = Reader::new(&frame);
        let table = ActorTable::decode(&mut input).expect("was encoded");
        for clock in clocks {
            prop_assert_eq!(VectorClock::decode_with(&table, &mut input), Ok(clock));
        }
        prop_assert_eq!(input.finish(), Ok(()));
    }

    #[test]
    fn prop_state_survives(history in history(3, 1..24)) {
        let table = ActorTable::of(history.replicas.iter().map(State::context));
        for state in history.replicas {
            let alone = bytes(&state);
            let value = |input: &mut Reader<'_>| input.array().map(u32::from_be_bytes);
            prop_assert_eq!(State::decode(&mut Reader::new(&alone), value), Ok(state.clone()));
            let mut shared = Vec::new();
            let write = |value: &u32, out: &mut Vec<u8>| out.extend(value.to_be_bytes());
            state.encode_with(&table, &mut shared, write).expect("every actor is in the table");
            let mut input = Reader::new(&shared);
            prop_assert_eq!(State::decode_with(&table, &mut input, value), Ok(state));
            prop_assert!(shared.len() <= alone.len());
        }
    }
}

#[test]
fn varints_grow_where_they_must() {
    let len = |value| {
        let mut bytes = Vec::new();
        write_varint(value, &mut bytes);
        assert_eq!(Reader::new(&bytes).varint(), Ok(value));
        bytes.len()
    };
    let last = [
        240,
        2_288,
        67_824,
        (1 << 24) - 1,
        (1 << 32) - 1,
        (1 << 40) - 1,
        (1 << 48) - 1,
        (1 << 56) - 1,
    ];
    for (shorter, value) in last.into_iter().enumerate() {
        assert_eq!(len(value), shorter + 1);
        assert!(len(value + 1) > len(value));
    }
    assert_eq!(len(u64::MAX), 9);
}

#[test]
fn longer_forms_are_refused() {
    for long in [
        &[250, 0, 0, 9][..],
        &[250, 1, 8, 240],
        &[251, 0, 255, 255, 255],
        &[255, 0, 1, 2, 3, 4, 5, 6, 7],
    ] {
        assert_eq!(Reader::new(long).varint(), Err(DecodeError::NotCanonical), "{long:?}");
    }
    assert_eq!(Reader::new(&[250, 1, 8, 241]).varint(), Ok(67_825));
}

#[test]
fn clocks_in_another_form_are_refused() {
    assert_eq!(decode(&[1, 7, 0]).map(|clock| clock.get(&7)), Ok(1));
    assert_eq!(decode(&[]), Err(DecodeError::UnexpectedEnd));
    assert_eq!(decode(&[1, 7]), Err(DecodeError::UnexpectedEnd));
    assert_eq!(decode(&[1, 7, 0, 0]), Err(DecodeError::TrailingBytes { count: 1 }));
    assert_eq!(decode(&[2, 7, 0, 7, 0]), Err(DecodeError::OutOfOrder));
    assert_eq!(decode(&[2, 7, 0, 6, 0]), Err(DecodeError::OutOfOrder));
    assert_eq!(decode(&[1, 7, 250, 0, 0, 9]), Err(DecodeError::NotCanonical));
}

#[test]
fn counters_end_at_the_cap() {
    let encoded = |less_one| {
        let mut bytes = vec![1, 7];
        write_varint(less_one, &mut bytes);
        decode(&bytes)
    };
    assert_eq!(encoded(MAX_COUNTER - 1).map(|clock| clock.get(&7)), Ok(MAX_COUNTER));
    assert_eq!(encoded(MAX_COUNTER), Err(DecodeError::CounterOutOfRange));
    assert_eq!(encoded(u64::MAX), Err(DecodeError::CounterOutOfRange));
}

#[test]
fn a_count_is_believed_only_as_far_as_bytes_follow() {
    for count in [2, 1_000, u64::from(u32::MAX), u64::MAX] {
        let mut bytes = Vec::new();
        write_varint(count, &mut bytes);
        bytes.extend([1, 0]);
        let end = Some(DecodeError::UnexpectedEnd);
        assert_eq!(VectorClock::<u8>::from_bytes(&bytes).err(), end);
        assert_eq!(VectorClock::<Actor>::from_bytes(&bytes).err(), end);
        assert_eq!(ActorTable::<u64>::decode(&mut Reader::new(&bytes)).err(), end);
        // The name of an actor that claims to be longer than the frame.
        bytes.splice(0..0, [1]);
        assert_eq!(VectorClock::<String>::from_bytes(&bytes).err(), end);
        // Values of no size at all are counted by their dots.
        bytes.splice(0..1, [1, 7, 0]);
        let nothing = |_: &mut Reader<'_>| Ok(());
        assert_eq!(Siblings::<(), u8>::decode(&mut Reader::new(&bytes), nothing).err(), end);
    }
}

#[test]
fn a_name_must_be_utf8() {
    let refused = VectorClock::<String>::from_bytes(&[1, 2, 0xc3, 0x28, 0]);
    assert!(matches!(refused, Err(DecodeError::InvalidValue(_))));
}

#[test]
fn a_subset_of_a_table_has_one_form() {
    let decode_with = |actors: u8, bytes: &[u8]| {
        let mut input = Reader::new(bytes);
        let clock = VectorClock::decode_with(&table(0..actors), &mut input)?;
        input.finish().map(|()| clock)
    };
    let clock = |entries: &[(u8, u64)]| {
        Ok(VectorClock::from_sorted(entries.iter().copied()).expect("sorted"))
    };
    // All actors: counters only.
    assert_eq!(decode_with(2, &[2, 4, 5]), clock(&[(0, 5), (1, 6)]));
    // A bitmap of one byte is not longer than one byte for each of two entries.
    assert_eq!(decode_with(4, &[2, 0b1010, 4, 5]), clock(&[(1, 5), (3, 6)]));
    assert_eq!(decode_with(4, &[2, 0b1110, 4, 5]), Err(DecodeError::NotCanonical));
    assert_eq!(decode_with(4, &[2, 0b1_0010, 4, 5]), Err(DecodeError::UnknownActor));
    // One entry beside nine actors: its index.
    assert_eq!(decode_with(9, &[1, 8, 4]), clock(&[(8, 5)]));
    assert_eq!(decode_with(9, &[1, 9, 4]), Err(DecodeError::UnknownActor));
    assert_eq!(
        decode_with(9, &[1, 255, 255, 255, 255, 255, 255, 255, 255, 255, 4]),
        Err(DecodeError::UnknownActor)
    );
    // The second gap would lead back to an index before the first.
    let around = [2, 8, 255, 255, 255, 255, 255, 255, 255, 255, 250, 4, 5];
    assert_eq!(decode_with(20, &around), Err(DecodeError::UnknownActor));
    assert_eq!(decode_with(1, &[2, 0, 0, 0]), Err(DecodeError::UnknownActor));
    assert_eq!(decode_with(9, &[0]), clock(&[]));
    assert_eq!(decode_with(0, &[0]), clock(&[]));
}

#[test]
fn a_table_must_hold_every_actor() {
    let clock = VectorClock::from_sorted([(1_u8, 1), (2, 1)]).expect("sorted");
    let mut frame = vec![42];
    assert_eq!(clock.encode_with(&table([1, 3]), &mut frame), Err(NotInTable));
    assert_eq!(frame, [42]);
    for bytes in [&[2, 7, 7][..], &[2, 7, 6]] {
        assert_eq!(ActorTable::<u8>::decode(&mut Reader::new(bytes)), Err(DecodeError::OutOfOrder));
    }
}

#[test]
fn states_in_another_form_are_refused() {
    // Context {7: 3, 9: 1}; one value under 7:2, one under 9:1.
    let good = [2, 7, 2, 9, 0, 2, 0, 1, b'x', 1, 0, b'y'];
    let state = decode_state(&good).expect("canonical");
    assert_eq!(
        state.iter().collect::<Vec<_>>(),
        [(&Dot::new(7, 2), &b'x'), (&Dot::new(9, 1), &b'y')]
    );
    let refused = |live: &[u8]| decode_state(&[&good[..5], live].concat()).err();
    assert_eq!(refused(&[1, 2, 0, b'x']), Some(DecodeError::UnknownActor));
    assert_eq!(refused(&[2, 1, 0, b'x', 1, 0, b'y']), Some(DecodeError::UnknownActor));
    assert_eq!(refused(&[1, 0, 3, b'x']), Some(DecodeError::CounterOutOfRange));
    assert_eq!(refused(&[2, 0, 1, b'x', 0, 1, b'y']), Some(DecodeError::OutOfOrder));
    assert_eq!(refused(&[2, 0, 1, b'x', 0, 2, b'y']), Some(DecodeError::OutOfOrder));
    assert_eq!(refused(&[1, 0, 1]), Some(DecodeError::UnexpectedEnd));
    // Two values of one actor, the older first.
    assert_eq!(refused(&[2, 0, 2, b'x', 0, 0, b'y']), None);
}
