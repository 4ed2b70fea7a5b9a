//! The encoded size of real patterns, and the choice of compression on each side.

use crate::common::{Pair, Store, parameters, real, space};
use engram_gossip_proto::{
    Compression, Ending, Message, PatternContent, PatternSync, SessionConfig,
};

fn sizes(contents: Vec<PatternContent>) -> (usize, usize, usize) {
    let batch = real::batch(contents);
    let plain = real::plain_len(&batch);
    let len = |compression| {
        let message = PatternSync::new(0, batch.clone(), vec![], compression);
        let contents = batch.contents.iter().map(|(_, content)| content.clone()).collect();
        assert_eq!(message.decode_contents::<PatternContent>(), Ok(contents));
        let message = Message::PatternSync(message);
        let frame = message.encode(compression, false);
        assert_eq!(Message::decode(&frame).unwrap(), (message.clone(), false));
        frame.len()
    };
    (plain, len(Compression::Off), len(Compression::Lz4))
}

#[test]
fn lossless_planes_save_fifteen_percent() {
    let (plain, off, packed) = sizes(real::contents());
    assert!(packed * 100 <= plain * 85, "{packed} of {plain} bytes");
    assert!(off < plain, "nodes are named once and ids are packed even without compression");
}

#[test]
fn half_precision_takes_less_than_half() {
    let (plain, _, packed) = sizes(real::half_contents());
    assert!(packed * 100 <= plain * 48, "{packed} of {plain} bytes");
}

#[test]
fn a_single_pattern_is_packed_as_well() {
    let (plain, _, packed) = sizes(real::contents()[..1].to_vec());
    assert!(packed * 100 <= plain * 88, "{packed} of {plain} bytes");
    let (plain, _, packed) = sizes(real::half_contents()[..1].to_vec());
    assert!(packed * 1_000 <= plain * 495, "{packed} of {plain} bytes");
}

#[test]
fn incompressible_values_stay_unpacked() {
    // The bits are random, so packing saves almost nothing.
    let mut state = 1u64;
    let mut draw = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let bits = (state >> 32) as u32;
        // An exponent of all ones would mean an infinity or a NaN.
        f32::from_bits(if bits >> 23 & 0xff == 0xff { bits ^ 1 << 23 } else { bits })
    };
    let noise = PatternContent {
        embedding: (0..768).map(|_| draw()).collect(),
        ..real::contents()[0].clone()
    };
    let (_, off, packed) = sizes(vec![noise]);
    assert!(packed <= off, "{packed} against {off} bytes");
}

#[test]
fn both_ends_may_choose_for_themselves() {
    for (ours, theirs) in [
        (Compression::Off, Compression::Lz4),
        (Compression::Lz4, Compression::Off),
        (Compression::Off, Compression::Off),
    ] {
        let config = |compression| SessionConfig { compression, ..SessionConfig::default() };
        let (a, b) = (Store::default(), Store::default());
        for (at, content) in real::contents().into_iter().enumerate() {
            let store = if at % 2 == 0 { &a } else { &b };
            store.change().submit(1, at as u64 + 1, content);
        }
        let spaces = |store: &Store| vec![(space("default"), store.pin())];
        let parameters = parameters().require("dimension", "768");
        let contact = Pair::new(
            (config(ours), config(theirs)),
            (parameters.clone(), parameters),
            (spaces(&a), spaces(&b)),
        )
        .run(|_, _, frame| vec![frame]);
        assert_eq!(contact.opener.result, Ending::InSync);
        assert_eq!(a.state().root(), b.state().root());
        assert_eq!(a.state().essence(), b.state().essence());
    }
}
