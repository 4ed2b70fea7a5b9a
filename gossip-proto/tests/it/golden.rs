//! The bytes of every message and advert, compared with golden files. A change to a golden file
//! needs a new version of the wire, or of adverts.
//!
//! `BLESS=1 cargo test --test it golden::` rewrites the golden files.

use std::fmt::Write as _;
use std::path::PathBuf;

use crate::common::{self, samples};
use engram_gossip_proto::{Compression, Message, RootAdvert, Summary};

/// Compares bytes with a file of hexadecimal lines, or writes it.
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

#[test]
fn the_limits_of_the_specification() {
    let text = include_str!("../../PROTOCOL.md");
    let source = include_str!("../../src/limits.rs");
    for line in source.lines().filter_map(|line| line.strip_prefix("pub const ")) {
        let name = line.split(':').next().unwrap();
        assert!(text.contains(&format!("| {name} | ")), "{name} is not in the specification");
    }
}
