//! The bytes of every format, kept in a file. A change of any of them is a new version of the
//! format.

use engram_vclock::{Actor, ActorTable, Dot, MAX_COUNTER, Siblings, VectorClock, write_varint};

const GOLDEN: &str = include_str!("data/golden.txt");

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn varints(values: &[u64]) -> Vec<u8> {
    let mut out = Vec::new();
    values.iter().for_each(|value| write_varint(*value, &mut out));
    out
}

fn actor(node: u8, incarnation: u64) -> Actor {
    Actor { node: [node; 32], incarnation }
}

/// Two concurrent values and one that was superseded.
fn state() -> Siblings<&'static str> {
    let mut state = Siblings::new();
    for (node, counter, value) in [(0xaa, 1, "old"), (0xaa, 300, "red"), (0xbb, 7, "blue")] {
        state
            .submit(Dot::new(actor(node, 0x0123_4567_89ab_cdef), counter), value)
            .expect("a new dot");
    }
    state
}

fn write_text(value: &&str, out: &mut Vec<u8>) {
    write_varint(value.len() as u64, out);
    out.extend(value.as_bytes());
}

fn formats() -> Vec<(&'static str, Vec<u8>)> {
    let small = VectorClock::from_sorted([(3_u16, 1), (7, 241), (9, 242)]).expect("sorted");
    let names = [("kyiv", 2_289), ("lima", 2_290), ("oslo", MAX_COUNTER)];
    let names =
        VectorClock::from_sorted(names.map(|(name, n)| (name.to_owned(), n))).expect("sorted");
    let table: ActorTable<u16> = (0..20).collect();
    let few = VectorClock::from_sorted([(4_u16, 5), (19, 6)]).expect("sorted");
    let all = VectorClock::from_sorted((0..20_u16).map(|actor| (actor, 1))).expect("sorted");
    let shared = |clock: &VectorClock<u16>| {
        let mut out = Vec::new();
        clock.encode_with(&table, &mut out).expect("in the table");
        out
    };
    let mut table_alone = Vec::new();
    table.encode(&mut table_alone);
    let mut state_alone = Vec::new();
    state().encode(&mut state_alone, write_text);
    vec![
        (
            "varints at the ends of each length",
            varints(&[
                0,
                240,
                241,
                2_288,
                2_289,
                67_824,
                67_825,
                0xff_ffff,
                0x100_0000,
                u64::from(u32::MAX),
                1 << 32,
                (1 << 40) - 1,
                1 << 40,
                (1 << 48) - 1,
                1 << 48,
                (1 << 56) - 1,
                1 << 56,
                u64::MAX,
            ]),
        ),
        ("empty clock", VectorClock::<u64>::new().to_bytes()),
        ("clock of u16 actors", small.to_bytes()),
        ("clock of named actors", names.to_bytes()),
        ("clock of nodes", state().context().to_bytes()),
        ("table of u16 actors", table_alone),
        ("clock beside the table, by gaps", shared(&few)),
        ("clock beside the table, by bitmap", shared(&small)),
        ("clock beside the table, all actors", shared(&all)),
        ("siblings", state_alone),
    ]
}

#[test]
fn formats_have_not_changed() {
    let now: String =
        formats().iter().map(|(name, bytes)| format!("{name}: {}\n", hex(bytes))).collect();
    assert!(now == GOLDEN, "a byte format has changed; the formats are now:\n{now}");
}
