//! The bodies of the fuzz targets: plain functions, which `cargo test` runs over the committed
//! corpus and `cargo fuzz` over generated inputs.
//!
//! They must not panic or need more memory than the limits allow.

use std::collections::BTreeSet;

use engram_gossip_proto::limits::{MAX_ADVERT, MAX_NODE_DOTS, MAX_SUPPRESSION_LENGTH};
use engram_gossip_proto::{
    Compression, Delivery, Kind, Message, OpaqueContent, Part, PatternContent, PatternSync, Record,
    RootAdvert, SpaceId, WIRE_VERSION, Wire,
};

/// The name and the body of a target.
type Target = (&'static str, fn(&[u8]));

/// Every target.
pub(crate) const ALL: [Target; 19] = [
    ("frame", frame),
    ("refuse", |input| body(Kind::Refuse, input)),
    ("hello", |input| body(Kind::MerkleRootExchange, input)),
    ("spaces", |input| body(Kind::Spaces, input)),
    ("subtree_request", |input| body(Kind::SubtreeRequest, input)),
    ("subtree_response", |input| body(Kind::SubtreeResponse, input)),
    ("pattern_request", |input| body(Kind::PatternRequest, input)),
    ("pattern_sync", |input| body(Kind::PatternSync, input)),
    ("done", |input| body(Kind::Done, input)),
    ("versions", |input| body(Kind::Versions, input)),
    ("range_offer", |input| body(Kind::RangeOffer, input)),
    ("range_answer", |input| body(Kind::RangeAnswer, input)),
    ("content_part", |input| body(Kind::ContentPart, input)),
    ("contents", contents),
    ("record", record),
    ("stored_record", stored_record),
    ("decompression", decompression),
    ("advert", advert),
    ("session", |input| _ = super::session::run(input)),
];

/// Decodes any bytes as a whole frame. A frame that decodes must be the canonical encoding of its
/// message. The exception is a batch: its encoding need only decode to the same batch again.
pub(crate) fn frame(input: &[u8]) {
    let Ok((message, ends_turn)) = Message::decode(input) else { return };
    let again = message.encode(Compression::Off, ends_turn);
    if let Message::PatternSync(sync) = &message {
        delivery::<PatternContent>(sync);
        delivery::<OpaqueContent>(sync);
        // The sender chooses how to pack a batch, but nothing else.
        let (unfolded, _) = Message::decode(&again).expect("an encoded message decodes");
        assert_eq!(unfolded.encode(Compression::Off, ends_turn), again);
        let packed = message.encode(Compression::Lz4, ends_turn);
        let (unfolded, _) = Message::decode(&packed).expect("a packed message decodes");
        assert_eq!(unfolded.encode(Compression::Off, ends_turn), again);
    } else {
        assert_eq!(again, input, "two encodings of one message");
    }
}

/// Decodes the contents of a message with one codec. Decoded contents must survive re-encoding.
fn delivery<C: Wire + Clone>(sync: &PatternSync) {
    let Ok(contents) = sync.decode_contents::<C>() else { return };
    let encode = |contents: Vec<C>, compression| {
        let named = (0..).map(|n: u64| core::array::from_fn(|at| n.to_le_bytes()[at % 8]));
        let contents = named.zip(contents).collect();
        PatternSync::new(0, Delivery { records: vec![], contents }, vec![], compression)
    };
    for compression in [Compression::Off, Compression::Lz4] {
        let again = encode(contents.clone(), compression);
        let read = again.decode_contents::<C>().expect("an encoded message decodes");
        assert_eq!(encode(read, compression).contents, again.contents);
    }
}

/// Decodes any bytes as the body of a frame of this kind.
pub(crate) fn body(kind: Kind, input: &[u8]) {
    frame(&with_header(kind, input));
}

/// Decodes any bytes as the encoding of some contents, with each codec, under a small cap.
pub(crate) fn contents(input: &[u8]) {
    const MEMORY: usize = 1 << 16;
    let Some((&count, bytes)) = input.split_first() else { return };
    fn take<C: Wire>(bytes: &[u8], count: usize) {
        let Ok(contents) = C::decode(bytes, count, MEMORY) else { return };
        assert_eq!(contents.len(), count);
        contents.iter().try_for_each(C::check).expect("decoded contents are within the limits");
        let mut again = Vec::new();
        C::encode(&contents.iter().collect::<Vec<_>>(), Compression::Lz4, &mut again);
        assert!(count == 0 || C::decode(&again, count, usize::MAX / 4).is_ok());
    }
    take::<OpaqueContent>(bytes, count.into());
    take::<PatternContent>(bytes, count.into());
}

/// Encodes a record made from the input, canonical or not: it must decode if and only if it is
/// canonical.
pub(crate) fn record(input: &[u8]) {
    let empty =
        PatternSync::new(0, Delivery::<PatternContent>::default(), vec![], Compression::Off);
    let (whole, short) = (record_of(input), record_of(input));
    store(&whole);
    let batches = [
        (is_canonical(&whole), PatternSync { records: vec![whole], ..empty.clone() }),
        (is_canonical(&short), PatternSync { short: vec![short], ..empty }),
    ];
    for (canonical, batch) in batches {
        let message = Message::PatternSync(batch);
        match Message::decode(&message.encode(Compression::Off, true)) {
            Ok(decoded) => {
                assert!(canonical, "decoded, but not canonical: {message:?}");
                assert_eq!(decoded, (message, true));
            }
            Err(error) => assert!(!canonical, "{error}: {message:?}"),
        }
    }
}

/// Encodes a record as for a store: it must decode if and only if it is canonical apart from its
/// id.
fn store(record: &Record) {
    let mut bytes = Vec::new();
    record.encode(&mut bytes);
    bytes.extend(b"rest");
    let named = Record { id: "id".to_owned(), ..record.clone() };
    let decoded = Record::decode(named.id.clone(), &bytes);
    let expected = is_canonical(&named).then_some((named, &b"rest"[..]));
    assert_eq!(decoded.ok(), expected, "{record:?}");
}

/// Decodes any bytes as a stored record. Bytes that decode must be the only encoding of the record.
pub(crate) fn stored_record(input: &[u8]) {
    let Ok((record, rest)) = Record::decode("id".to_owned(), input) else { return };
    assert!(is_canonical(&record));
    let mut again = Vec::new();
    record.encode(&mut again);
    assert_eq!(again, &input[..input.len() - rest.len()], "two encodings of one record");
}

/// Decodes any bytes as the packed sections of a batch, with any claimed unpacked length.
pub(crate) fn decompression(input: &[u8]) {
    let Some((&[claim @ .., width], packed)) = input.split_first_chunk::<4>() else { return };
    let claim = u32::from_le_bytes([claim[0], claim[1], claim[2], 0]);
    let mut fields = vec![0, LZ4];
    put(&mut fields, claim);
    put(&mut fields, packed.len() as u32);
    fields.extend(packed);
    body(Kind::PatternSync, &fields);
    // One content ahead of its record, whose embedding has any form, valid or not.
    let mut heading = vec![0, 2, b'i', b'd'];
    heading.extend([0; 9]);
    heading.push(0);
    let mut content = vec![RAW];
    put(&mut content, heading.len() as u32);
    content.extend(heading);
    put(&mut content, claim % 70_000);
    content.push(width % 5);
    put(&mut content, packed.len() as u32);
    content.extend(packed);
    let mut planes = vec![0, RAW, 7, 0, 0, 0, 0, 0, 0, 1];
    put(&mut planes, content.len() as u32);
    planes.extend(content);
    body(Kind::PatternSync, &planes);
}

const RAW: u8 = 0;
const LZ4: u8 = 1;

/// Decodes any bytes as a root advert.
pub(crate) fn advert(input: &[u8]) {
    let Ok(advert) = RootAdvert::decode(input) else { return };
    assert!(input.len() <= MAX_ADVERT);
    let space = SpaceId::new("default").expect("a valid name");
    assert!(advert.get(&space).is_none_or(|_| input.len() > 20));
}

fn with_header(kind: Kind, body: &[u8]) -> Vec<u8> {
    let mut frame = vec![b'E', b'G', WIRE_VERSION, kind as u8, 1];
    frame.extend((body.len() as u32).to_le_bytes());
    frame.extend(body);
    frame
}

fn put(out: &mut Vec<u8>, mut value: u32) {
    while value > 0x7f {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Makes a record of a few parts and a few suppressed digests from small numbers that often
/// collide.
fn record_of<const N: usize>(input: &[u8]) -> Record<N> {
    let mut bytes = input.iter().copied();
    let mut next = move || bytes.next().unwrap_or_default();
    let version = |byte: u8| match byte {
        255 => u64::MAX,
        254 => 1 << 60,
        byte => u64::from(byte % 8),
    };
    let length = |byte: u8| match byte {
        255 => MAX_SUPPRESSION_LENGTH + 1,
        254 => MAX_SUPPRESSION_LENGTH,
        byte => u32::from(byte % 4),
    };
    let id = "i".repeat(usize::from(next()) % 140);
    let parts = (0..next() % 6)
        .map(|_| Part {
            node: [next() % 8; N],
            entry: version(next()),
            dots: (0..next() % 20).map(|_| (version(next()), [next(); N])).collect(),
        })
        .collect();
    let suppressed = (0..next() % 6).map(|_| ([next() % 8; N], length(next()))).collect();
    Record { id, parts, suppressed }
}

/// Whether a record obeys the specification; checked independently of the decoder.
fn is_canonical<const N: usize>(record: &Record<N>) -> bool {
    let nodes = record.parts.iter().map(|part| part.node);
    let digests = record.suppressed.iter().map(|(digest, _)| *digest);
    (1..=128).contains(&record.id.len())
        && ascends(nodes)
        && ascends(digests)
        && record.suppressed.iter().all(|(_, n)| (1..=MAX_SUPPRESSION_LENGTH).contains(n))
        && record.parts.iter().all(|part| {
            part.entry > 0
                && ascends(part.dots.iter().copied())
                && part.dots.len() <= MAX_NODE_DOTS
                && part.dots.iter().all(|(version, _)| (1..=part.entry).contains(version))
        })
}

/// Whether items are strictly ascending.
fn ascends<T: Ord + Copy>(items: impl Iterator<Item = T> + Clone) -> bool {
    items.clone().collect::<BTreeSet<_>>().into_iter().eq(items)
}
