//! The bytes of sample messages, adverts and a stored record, compared with golden files. A change
//! to a golden file needs a new wire version, a new version of the adverts, or a new schema of the
//! stores.
//!
//! `BLESS=1 cargo test --test it golden::` rewrites the golden files.

use std::fmt::Write as _;
use std::path::PathBuf;

use crate::common::{self, samples};
use engram_gossip_proto::{
    Compression, Message, PatternContent, Record, RootAdvert, Summary, limits,
};

/// Compares bytes with a file of hexadecimal lines. If `BLESS` is set, writes the file first.
fn check(name: &str, bytes: &[u8]) {
    let path =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/data/golden/{name}.hex"));
    if std::env::var_os("BLESS").is_some() {
        let mut text = String::new();
        for line in bytes.chunks(32) {
            line.iter().for_each(|byte| write!(text, "{byte:02x}").unwrap());
            text.push('\n');
        }
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
    }
    assert_eq!(read(name), bytes, "the bytes of {name} have changed");
}

fn read(name: &str) -> Vec<u8> {
    let path =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/data/golden/{name}.hex"));
    let text = std::fs::read_to_string(path).unwrap();
    let digits: Vec<char> = text.chars().filter(|c| !c.is_whitespace()).collect();
    let byte = |pair: &[char]| u8::from_str_radix(&pair.iter().collect::<String>(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

#[test]
fn frames_are_golden() {
    for (name, message, compression) in samples::all() {
        // Another LZ4 version may pack the batch differently, so packed frames are only decoded.
        if compression == Compression::Off || std::env::var_os("BLESS").is_some() {
            check(name, &message.encode(compression, true));
        }
        assert_eq!(Message::decode(&read(name)), Ok((message, true)), "{name}");
    }
}

#[test]
fn adverts_are_golden() {
    let summary = |byte, count| Summary { root: [byte; 32], count, generation: 300 };
    let one = [(common::space("default"), summary(0xaa, 10_000))];
    check("advert", &RootAdvert::encode(&one, 1_000));
    let two = [one[0].clone(), (common::space("notes"), summary(0xbb, 3))];
    check("advert-spaces", &RootAdvert::encode(&two, 1_000));
}

#[test]
fn stored_records_are_golden() {
    let record = samples::record();
    check("stored-record", &samples::stored());
    let golden = read("stored-record");
    assert_eq!(Record::decode(record.id.clone(), &golden), Ok((record, &[][..])));
}

#[test]
fn the_vectors_of_the_specification() {
    let text = include_str!("../../PROTOCOL.md");
    let vectors: Vec<&str> = text.split("Vector `").skip(1).collect();
    assert!(vectors.len() > 10);
    for vector in vectors {
        let (name, rest) = vector.split_once('`').unwrap();
        let block = rest.split("```").nth(1).unwrap().strip_prefix("text").unwrap();
        let golden: String = read(name).iter().map(|byte| format!("{byte:02x}")).collect();
        let told: String = block.split_whitespace().collect();
        assert_eq!(told, golden, "{name}");
    }
}

/// The name and the value of each of these limits.
macro_rules! values {
    ($($name:ident)*) => { [$((stringify!($name), limits::$name as u64)),*] };
}

const LIMITS: &[(&str, u64)] = &values! {
    MAX_FRAME MAX_BODY MAX_NAME MAX_PARAMETERS MAX_SPACE_NAME MAX_SPACES MAX_NODES MAX_LISTINGS
    MAX_LINES MAX_DEPTH MAX_WANTS MAX_WANT_CONTEXT MAX_WANT_HOLDS MAX_RECORDS MAX_CONTENTS
    MAX_NODE_IDS MAX_ID MAX_PARTS MAX_NODE_DOTS MAX_SUPPRESSED MAX_SUPPRESSION_LENGTH MAX_UNFOLDED
    MAX_CONTENT_LEN MAX_CONTENT_MEMORY MAX_AHEAD NODES_PER_TURN MAX_PENDING MAX_UNASKED MAX_NEWS
    MAX_SUMMARY MAX_SUMMARIES MAX_BASES MAX_REFUSED_NODES MAX_POSTPONED MAX_UNSENDABLE MAX_EVENTS MAX_TURNS
    MAX_SESSION_MEMORY MAX_ADVERT
};

/// The limits of `PatternContent`, one of the two ready-made codecs.
const OF_PATTERNS: [(&str, u64); 3] = [
    ("MAX_EPISODE_ID", PatternContent::MAX_EPISODE_ID as u64),
    ("MAX_EPISODES", PatternContent::MAX_EPISODES as u64),
    ("MAX_DIMENSION", PatternContent::MAX_DIMENSION as u64),
];

#[test]
fn the_limits_of_the_specification() {
    let source = include_str!("../../src/limits.rs");
    let declared = source.lines().filter_map(|line| line.strip_prefix("pub const "));
    let declared: Vec<&str> = declared.map(|line| line.split(':').next().unwrap()).collect();
    assert_eq!(declared, LIMITS.iter().map(|(name, _)| *name).collect::<Vec<_>>());
    let text = include_str!("../../PROTOCOL.md");
    for (name, value) in LIMITS.iter().chain(&OF_PATTERNS) {
        let start = format!("| {name} | ");
        let row = text.lines().find_map(|line| line.strip_prefix(&start));
        let row = row.unwrap_or_else(|| panic!("{name} is not in the specification"));
        let told = row.split(' ').next().unwrap().replace(',', "");
        assert_eq!(told, value.to_string(), "{name}");
    }
}
