use super::*;

const A: [u8; 32] = [0xaa; 32];
const B: [u8; 32] = [0xbb; 32];

fn digest(byte: u8) -> Digest {
    Digest::from([byte; 32])
}

fn record() -> Record {
    let mut record = Record::default();
    record.siblings.submit(Dot::new(A, 3), digest(1)).unwrap();
    record.siblings.submit(Dot::new(B, 9), digest(2)).unwrap();
    record.siblings.withdraw(Dot::new(B, 11)).unwrap();
    _ = record.suppression.suppress(digest(4));
    record
}

/// A change to one of these values makes old and new nodes incompatible, so it needs a new tag.
#[test]
fn golden_digests() {
    let digest = |hasher| record().digest("pattern_7", &hasher).to_string();
    assert_eq!(
        digest(AnyHasher::Sha256),
        "552d5b8a75bf42d19a13803fd2d8ea0b47271d70724dbeb26329dcc69f2b8745"
    );
    assert_eq!(
        digest(AnyHasher::Blake3),
        "e8d2b212bcee22cf428050116c98fa110414e80bb0640773b63d64178893eadd"
    );
}

#[test]
fn the_stored_form_round_trips() {
    let mut bytes = Vec::new();
    record().encode(&mut bytes);
    assert_eq!(Record::decode(&bytes), Some((record(), &[][..])));
    for cut in 0..bytes.len() {
        assert_eq!(Record::decode(&bytes[..cut]), None, "cut at {cut}");
    }
    bytes.push(7);
    assert_eq!(Record::decode(&bytes), Some((record(), &[7][..])));
}

#[test]
fn the_wire_form_round_trips() {
    let wire = record().to_wire("p");
    assert_eq!(Record::from_wire(wire.clone()), Ok(("p".to_owned(), record())));
    assert_eq!(record().to_wire("p"), wire);
}

#[test]
fn non_canonical_records_are_refused() {
    for change in [
        (|r| r.id.clear()) as fn(&mut wire::Record),
        |r| r.parts.reverse(),
        |r| r.parts[1].node = r.parts[0].node,
        |r| r.parts[0].entry = 0,
        |r| r.parts[0].entry = 2,
        |r| r.parts[0].dots[0].0 = 0,
        |r| r.parts[0].dots = vec![(3, [1; 32]), (2, [1; 32])],
        |r| r.parts[0].dots = vec![(3, [1; 32]); 2],
        |r| r.parts[0].dots = (0..=MAX_NODE_DOTS as u8).map(|n| (3, [n; 32])).collect(),
        |r| r.suppressed[0].1 = 0,
        |r| r.suppressed[0].1 = u32::MAX,
        |r| r.suppressed = vec![([4; 32], 1); 2],
        |r| r.suppressed = (0..=MAX_SUPPRESSED as u16).map(|n| (wide(n), 1)).collect(),
    ] {
        let mut wire = record().to_wire("p");
        change(&mut wire);
        assert_eq!(Record::from_wire(wire), Err(Rejection::InvalidRecord));
    }
}

fn wide(n: u16) -> [u8; 32] {
    let mut digest = [0; 32];
    digest[..2].copy_from_slice(&n.to_be_bytes());
    digest
}

#[test]
fn the_limits_themselves_are_taken() {
    let mut wire = record().to_wire("p");
    wire.parts[0].dots = (0..MAX_NODE_DOTS as u8).map(|n| (3, [n; 32])).collect();
    wire.suppressed = (0..MAX_SUPPRESSED as u16).map(|n| (wide(n), 1 << 31)).collect();
    assert!(Record::from_wire(wire).is_ok());
}
