//! Uses the crate with only `core` and `alloc`.

#![no_std]

extern crate alloc;

use alloc::vec::Vec;
use core::panic::PanicInfo;
use core::time::Duration;

use engram_gossip_proto::{
    Compression, PatternContent, Delivery, Entry, Message, Parameters, PatternSync, Prefix,
    Receipt, Record, RootAdvert, Session, SessionConfig, SpaceId, Summary, View,
};

#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    loop {}
}

/// A space without records, with a given root.
struct Empty([u8; 32]);

impl View for Empty {
    type Content = PatternContent;

    fn summary(&self) -> Summary {
        Summary { root: self.0, count: 0, generation: 0 }
    }

    fn count(&self, _: &Prefix) -> u64 {
        0
    }

    fn children(&self, _: &Prefix) -> [Option<[u8; 32]>; 16] {
        [None; 16]
    }

    fn entries(&self, _: &Prefix) -> Vec<Entry> {
        Vec::new()
    }

    fn record(&self, _: &[u8; 32]) -> Option<Record> {
        None
    }

    fn content(&self, _: &[u8; 32]) -> Option<PatternContent> {
        None
    }

    fn holds(&self, _: &[u8; 32]) -> bool {
        false
    }

    fn key_of(&self, _: &str) -> [u8; 32] {
        [0; 32]
    }

    fn digest(&self, _: &PatternContent) -> [u8; 32] {
        [0; 32]
    }

    fn apply(&mut self, _: Delivery<PatternContent>) -> Receipt {
        Receipt::default()
    }

    fn live_summary(&self) -> Summary {
        self.summary()
    }
}

/// Runs a session between two empty spaces, and encodes and decodes a batch and an advert.
pub extern "C" fn exercise() -> bool {
    let Ok(space) = SpaceId::new("default") else { return false };
    let parameters = Parameters::new("sha256", 12).require("dimension", "768");
    let spaces = |root| Vec::from([(space.clone(), Empty([root; 32]))]);
    let (config, now) = (SessionConfig::default(), Duration::ZERO);
    let Ok(mut a) = Session::open(config.clone(), parameters.clone(), [1; 8], spaces(1), now) else {
        return false;
    };
    let Ok(mut b) = Session::accept(config, parameters, [2; 8], spaces(2), now) else { return false };
    loop {
        let mut moved = false;
        while let Some(frame) = a.poll_frame(now) {
            moved = b.handle_frame(&frame, now).is_ok();
        }
        while let Some(frame) = b.poll_frame(now) {
            moved = a.handle_frame(&frame, now).is_ok();
        }
        if !moved {
            break;
        }
    }

    let sync = Message::PatternSync(PatternSync::new(
        0,
        Delivery::<PatternContent>::default(),
        Vec::new(),
        Compression::Off,
    ));
    let frame = sync.encode(Compression::Lz4, true);
    let advert = RootAdvert::encode(&[(space, Empty([1; 32]).summary())], 100);
    a.outcome().is_some()
        && b.outcome().is_some()
        && Message::decode(&frame) == Ok((sync, true))
        && RootAdvert::decode(&advert).is_ok()
}
