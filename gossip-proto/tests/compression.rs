//! What the codec makes of real patterns.

mod common;

use common::real;
use engram_gossip_proto::{Compression, Content, Message, PatternSync};

fn sizes(contents: Vec<Content>) -> (usize, usize, usize) {
    let batch = real::batch(contents);
    let plain = real::plain_len(&batch);
    let message = Message::PatternSync(PatternSync { space: 0, delivery: batch });
    let len = |compression| {
        let frame = message.encode(compression, false);
        assert_eq!(Message::decode(&frame).unwrap(), (message.clone(), false));
        frame.len()
    };
    (plain, len(Compression::Off), len(Compression::Lz4))
}

#[test]
fn print() {
    for n in [1, 10, 90] {
        let full = sizes(real::contents()[..n].to_vec());
        let half = sizes(real::half_contents()[..n].to_vec());
        eprintln!(
            "{n}: {full:?} {:.4} {:.4} half {half:?} {:.4}",
            full.2 as f64 / full.0 as f64,
            full.2 as f64 / full.1 as f64,
            half.2 as f64 / half.0 as f64
        );
    }
}
