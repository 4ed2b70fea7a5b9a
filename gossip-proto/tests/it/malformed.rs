//! Damaged sample frames and adverts: truncated, with flipped bits, with other bytes, or too long.

use crate::common::{self, samples};
use engram_gossip_proto::{Compression, DecodeError, FrameHeader, HEADER_LEN, Message, RootAdvert};

/// Checks that bytes which decode to a message are the canonical encoding of that message, apart
/// from the packing of a batch.
fn accepts_only_canonical(name: &str, bytes: &[u8]) {
    let Ok((message, ends_turn)) = Message::decode(bytes) else { return };
    match &message {
        Message::PatternSync(_) => {
            // The sender chooses how to pack a batch, but nothing else.
            let again = message.encode(Compression::Off, ends_turn);
            let (read, _) = Message::decode(&again).unwrap();
            assert_eq!(read.encode(Compression::Off, ends_turn), again, "{name}");
            let is_plain = again.len() == bytes.len();
            assert!(!is_plain || again == bytes, "{name}: two encodings of one batch");
        }
        _ => assert_eq!(message.encode(Compression::Off, ends_turn), bytes, "{name}"),
    }
}

#[test]
fn every_truncation_is_refused() {
    for (name, message, compression) in samples::all() {
        let frame = message.encode(compression, true);
        for len in 0..frame.len() {
            assert!(Message::decode(&frame[..len]).is_err(), "{name} cut to {len} bytes");
            // Cut, with a header that has the new length.
            if let Some(body_len) = len.checked_sub(HEADER_LEN) {
                let mut cut = frame[..len].to_vec();
                cut[5..HEADER_LEN].copy_from_slice(&(body_len as u32).to_le_bytes());
                assert!(Message::decode(&cut).is_err(), "{name} ending after {len} bytes");
            }
        }
    }
}

#[test]
fn every_flipped_bit_is_refused_or_canonical() {
    for (name, message, compression) in samples::all() {
        let mut frame = message.encode(compression, true);
        for bit in 0..frame.len() * 8 {
            frame[bit / 8] ^= 1 << (bit % 8);
            accepts_only_canonical(name, &frame);
            frame[bit / 8] ^= 1 << (bit % 8);
        }
    }
}

#[test]
fn every_byte_value_in_small_frames_is_handled() {
    for (name, message, compression) in samples::all() {
        let mut frame = message.encode(compression, true);
        if frame.len() > 600 {
            continue;
        }
        for at in 0..frame.len() {
            let byte = frame[at];
            for value in 0..=u8::MAX {
                frame[at] = value;
                accepts_only_canonical(name, &frame);
            }
            frame[at] = byte;
        }
    }
}

#[test]
fn bytes_after_the_end_are_refused() {
    for (name, message, compression) in samples::all() {
        let mut frame = message.encode(compression, true);
        frame.push(0);
        assert_eq!(Message::decode(&frame), Err(DecodeError::Trailing(1)), "{name}");
        // The same with a header whose length includes the extra byte.
        let body_len = (frame.len() - HEADER_LEN) as u32;
        frame[5..HEADER_LEN].copy_from_slice(&body_len.to_le_bytes());
        assert!(Message::decode(&frame).is_err(), "{name}");
    }
}

#[test]
fn the_header_names_what_is_wrong() {
    let frame = samples::all()[0].1.encode(Compression::Off, true);
    let header = |at: usize, byte| {
        let mut header: [u8; HEADER_LEN] = frame[..HEADER_LEN].try_into().unwrap();
        header[at] = byte;
        FrameHeader::parse(&header)
    };
    assert_eq!(header(0, b'X'), Err(DecodeError::Magic(*b"XG")));
    assert_eq!(header(2, 2), Err(DecodeError::Version { ours: 1, theirs: 2 }));
    assert_eq!(header(3, 12), Err(DecodeError::Kind(12)));
    assert_eq!(header(4, 0b10), Err(DecodeError::Flags(0b10)));
    let cap = (1 << 20) - HEADER_LEN as u64;
    let value = u64::from(u32::from_le_bytes([frame[5], frame[6], frame[7], 0x7f]));
    assert_eq!(header(8, 0x7f), Err(DecodeError::OverLimit { what: "frame body", value, cap }));
}

#[test]
fn adverts_are_as_strict() {
    let spaces = ["default", "notes"].map(|name| {
        (
            common::space(name),
            engram_gossip_proto::Summary { root: [7; 32], count: 9, generation: 1 },
        )
    });
    for told in [&spaces[..1], &spaces] {
        let mut bytes = RootAdvert::encode(told, 1_000);
        for len in 0..bytes.len() {
            assert!(RootAdvert::decode(&bytes[..len]).is_err());
        }
        let advert = RootAdvert::decode(&bytes).unwrap();
        for bit in 0..bytes.len() * 8 {
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_ne!(RootAdvert::decode(&bytes), Ok(advert.clone()));
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
    }
}
