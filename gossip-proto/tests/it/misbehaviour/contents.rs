//! Contents ahead of their part of a record: too many, in too many parts, or in parts that do not
//! fit together.

use super::{Victim, few, hello, records, sync};
use crate::common::{content, content_digest};
use engram_gossip_proto::{
    Compression, ContentPart, Message, PatternContent, ProtocolViolation, Refusal, SessionConfig,
    SessionError, Wire, limits,
};

#[test]
fn contents_ahead_of_their_part_are_limited() {
    let mut victim = Victim::greeted(few());
    let ahead = |seed: u32| {
        let large = PatternContent {
            source_episodes: (0..2_000).map(|i| format!("{seed}-{i:0240}")).collect(),
            ..content("late", seed)
        };
        let contents = vec![(content_digest(&large), large)];
        sync(vec![], contents)
    };
    let mut sent = 0;
    while victim.say(&ahead(sent), false).is_ok() {
        sent += 1;
        assert!(sent < 100, "contents are kept without a limit");
    }
    let (error, refusal) = victim.ended(&few());
    let (what, cap) = ("contents ahead of their part", limits::MAX_NODE_DOTS as u64);
    assert_eq!(error, SessionError::OverLimit { what, cap });
    assert_eq!(refusal, Some(Refusal::Limit { what: what.into(), cap }));
}

/// A content encoded alone.
fn encoded(content: &PatternContent) -> Vec<u8> {
    let mut bytes = Vec::new();
    Wire::encode(&[content], Compression::Off, &mut bytes);
    bytes
}

fn part_of(bytes: &[u8], range: std::ops::Range<usize>) -> ContentPart {
    let (total, offset) = (bytes.len() as u32, range.start as u32);
    ContentPart { space: 0, total, offset, bytes: bytes[range].to_vec() }
}

#[test]
fn parts_of_no_content_are_refused() {
    let whole = encoded(&content("late", 7));
    let (len, half) = (whole.len(), whole.len() / 2);
    let first = part_of(&whole, 0..half);
    let garbage = ContentPart { bytes: vec![0xff; len], ..part_of(&whole, 0..len) };
    let longer = ContentPart { total: first.total + 1, ..part_of(&whole, half..len) };
    let misfits: [(&[ContentPart], &str); 4] = [
        (&[part_of(&whole, 1..half)], "does not follow"),
        (&[first.clone(), first.clone()], "does not follow"),
        (&[first.clone(), longer], "does not follow"),
        (&[garbage], "cannot be read"),
    ];
    for (parts, why) in misfits {
        let mut victim = Victim::greeted(few());
        let (last, before) = parts.split_last().unwrap();
        for part in before {
            victim.say(&Message::ContentPart(part.clone()), false).unwrap();
        }
        let error = victim.say(&Message::ContentPart(last.clone()), false).unwrap_err();
        assert!(error.to_string().contains(why), "{error}");
    }
}

#[test]
fn unfinished_parts_are_refused() {
    let whole = encoded(&content("late", 7));
    let first = Message::ContentPart(part_of(&whole, 0..whole.len() - 1));
    let missing = SessionError::Violation(ProtocolViolation::MissingPart);
    // The turn ends, or records follow, before the last part.
    let mut victim = Victim::greeted(few());
    assert_eq!(victim.say(&first, true), Err(missing.clone()));
    let mut victim = Victim::greeted(few());
    victim.say(&first, false).unwrap();
    assert_eq!(victim.say(&records(&["stranger-1"]), true), Err(missing));
    // The maximum number of contents, and one more.
    let mut victim = Victim::greeted(few());
    for _ in 0..limits::MAX_NODE_DOTS {
        let part = part_of(&whole, 0..whole.len());
        victim.say(&Message::ContentPart(part), false).unwrap();
    }
    let part = Message::ContentPart(part_of(&whole, 0..whole.len()));
    let (what, cap) = ("contents ahead of their part", limits::MAX_NODE_DOTS as u64);
    assert_eq!(victim.say(&part, false), Err(SessionError::OverLimit { what, cap }));
}

#[test]
fn one_byte_parts_are_bounded_by_the_budget() {
    let cap = 4 << 20;
    let config = SessionConfig { receive_budget: cap, ..SessionConfig::default() };
    let mut victim = Victim::new(few(), config);
    victim.say(&hello(), true).unwrap();
    victim.listen();
    let total = limits::MAX_CONTENT_LEN as u32;
    let part = |offset| ContentPart { space: 0, total, offset, bytes: vec![7] };
    let refused = (0..).find_map(|offset| {
        let said = victim.say(&Message::ContentPart(part(offset)), false);
        said.err().map(|error| (offset, error))
    });
    let (parts, error) = refused.unwrap();
    assert_eq!(error, SessionError::OverLimit { what: "bytes of a session", cap });
    // Each byte costs its sender a frame.
    assert!(u64::from(parts) * 16 < cap, "{parts} parts");
    victim.ended(&few());
}
