//! Measures bytes, not time: one JSON object per line, for `cargo bench --bench size`.

#[expect(dead_code, unused_imports, reason = "the tests use the rest")]
#[path = "../tests/it/common/mod.rs"]
mod common;

use common::{Pair, parameters, real, space, sparse};
use engram_gossip_proto::{Compression, Message, PatternContent, PatternSync, SessionConfig};

fn print(name: &str, input: &str, value: usize, reference: (&str, usize), budget: f64) {
    let (floor, bytes) = reference;
    let ratio = value as f64 / bytes as f64;
    println!(
        r#"{{"name":"{name}","input":"{input}","value":{value},"unit":"B","reference":"{floor}","ratio":{ratio:.4},"budget":{budget},"met":{}}}"#,
        ratio <= budget
    );
}

fn main() {
    compression();
    learning();
    overhead();
}

/// Compares a batch with its simplest binary encoding.
fn compression() {
    for count in [1, 10, 90] {
        let cases = [
            ("lossless", real::contents(), if count < 10 { 0.88 } else { 0.85 }),
            ("half", real::half_contents(), if count < 10 { 0.495 } else { 0.48 }),
        ];
        for (name, contents, budget) in cases {
            let batch = real::batch(contents[..count].to_vec());
            let plain = real::plain_len(&batch);
            let message =
                Message::PatternSync(PatternSync::new(0, batch, vec![], Compression::Lz4));
            let packed = message.encode(Compression::Lz4, true).len();
            let input = format!("{count} real patterns");
            print(&format!("sync_frame/{name}"), &input, packed, ("plain encoding", plain), budget);
        }
    }
}

/// Counts the bytes until both sides know which records differ, and compares them with the budget.
fn learning() {
    let tables = [
        (10_000, [(0, 200), (1, 700), (10, 2_100), (100, 12_500)]),
        (1_000_000, [(0, 200), (1, 700), (10, 3_500), (100, 21_000)]),
    ];
    for (entries, rows) in tables {
        for (differences, budget) in rows {
            let (a, b) = sparse::pair(entries, differences, 0);
            let config = SessionConfig::default();
            let contact = Pair::new(
                (config.clone(), config),
                (parameters(), parameters()),
                (vec![(space("default"), a)], vec![(space("default"), b)]),
            )
            .run(|_, _, frame| vec![frame]);
            let input = format!("{differences} of {entries}");
            print("bytes_to_learn", &input, contact.bytes_to_learn(), ("budget", budget), 1.0);
        }
    }
}

/// Compares all bytes of a session at 1 % divergence with the bare contents that had to travel.
fn overhead() {
    let (mut a, b) = sparse::pair(10_000, 0, 0);
    let real = real::contents();
    let contents = (0..100).map(|i| {
        let content = &real[i % real.len()];
        PatternContent { id: format!("{}{i}", content.id), ..content.clone() }
    });
    let contents: Vec<PatternContent> = contents.collect();
    let bare: usize = contents.iter().map(plain_len).sum();
    a.add(contents);
    let config = SessionConfig { compression: Compression::Off, ..SessionConfig::default() };
    let parameters = parameters().require("dimension", "768");
    let contact = Pair::new(
        (config.clone(), config),
        (parameters.clone(), parameters),
        (vec![(space("default"), a)], vec![(space("default"), b)]),
    )
    .run(|_, _, frame| vec![frame]);
    print("session/uncompressed", "100 of 10000", contact.bytes(), ("bare contents", bare), 1.2);
}

fn plain_len(content: &PatternContent) -> usize {
    let episodes: usize = content.source_episodes.iter().map(|e| 1 + e.len()).sum();
    1 + content.id.len() + 1 + episodes + 4 + 4 + 8 + 4 * content.embedding.len()
}
