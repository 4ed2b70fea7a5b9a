//! Memory that a peer can make this crate allocate, and the memory of a clock index, measured by a
//! counting allocator.

#[expect(dead_code, unused_imports, reason = "the tests in `it` use the rest")]
#[path = "it/common/mod.rs"]
mod common;
#[path = "memory/large.rs"]
mod large;

use std::alloc::System;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use common::{parameters, samples, space, sparse};
use engram_gossip_proto::{ClockIndex, Compression, Message, Session, SessionConfig, View, limits};
use large::Large;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static GLOBAL: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// The counters belong to the whole process, so only one measurement runs at a time.
static ALONE: Mutex<()> = Mutex::new(());

/// Bytes allocated while `work` ran, freed or not.
fn allocated<T>(work: impl FnOnce() -> T) -> usize {
    let region = Region::new(GLOBAL);
    let result = work();
    let allocated = region.change().bytes_allocated;
    drop(result);
    allocated
}

/// The highest observed number of resident bytes.
static PEAK: AtomicUsize = AtomicUsize::new(0);

fn resident() -> usize {
    let stats = GLOBAL.stats();
    stats.bytes_allocated.saturating_sub(stats.bytes_deallocated)
}

fn note_peak() {
    PEAK.fetch_max(resident(), Ordering::Relaxed);
}

#[test]
fn a_damaged_frame_never_unfolds_beyond_its_cap() {
    let _alone = ALONE.lock().unwrap();
    for (name, message, compression) in samples::all() {
        let mut frame = message.encode(compression, true);
        let sound = allocated(|| Message::decode(&frame));
        for bit in 0..frame.len() * 8 {
            frame[bit / 8] ^= 1 << (bit % 8);
            let bytes = allocated(|| Message::decode(&frame));
            // A flipped bit may enlarge a count or a length. The decoder limits counts by the bytes
            // left in the frame, and the length of a packed section by its packed size.
            let cap = 4 * sound + 64 * frame.len();
            assert!(bytes <= cap, "{name}, bit {bit}: {bytes} bytes, {sound} undamaged");
            frame[bit / 8] ^= 1 << (bit % 8);
        }
    }
}

#[test]
fn a_length_alone_allocates_nothing() {
    let _alone = ALONE.lock().unwrap();
    // For each kind, a header and a body of 0xff bytes: every length that the decoder reads there
    // is huge or invalid.
    for kind in common::kinds() {
        for len in [1usize, 5, 40] {
            let mut frame = vec![b'E', b'G', 1, kind, 1, len as u8, 0, 0, 0];
            frame.extend(std::iter::repeat_n(0xff, len));
            let bytes = allocated(|| Message::decode(&frame));
            assert!(
                bytes < 2_048,
                "kind {kind}: {bytes} bytes allocated for a body of {len} bytes"
            );
        }
    }
}

#[test]
fn a_packed_section_is_not_unpacked_on_its_word() {
    let _alone = ALONE.lock().unwrap();
    // 1 MiB of zeros packs to about 4 KiB. The claimed lengths are just above the cap, the cap
    // itself, and 3 MiB, which is below the cap but more than the packed bytes unfold to.
    let packed = lz4_flex::block::compress(&vec![0; 1 << 20]);
    for claimed in [limits::MAX_UNFOLDED + 1, limits::MAX_UNFOLDED, 3 << 20] {
        let mut body = vec![0, 1];
        body.extend(varint(claimed));
        body.extend(varint(packed.len()));
        body.extend(&packed);
        let mut frame = vec![b'E', b'G', 1, 6, 1];
        frame.extend((body.len() as u32).to_le_bytes());
        frame.extend(body);
        let bytes = allocated(|| assert!(Message::decode(&frame).is_err()));
        assert!(bytes <= limits::MAX_UNFOLDED + 4_096, "{bytes} bytes for a claim of {claimed}");
    }
}

fn varint(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value > 0x7f {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

#[test]
fn session_memory_stays_under_its_cap() {
    let _alone = ALONE.lock().unwrap();
    let (mut a, mut b) = sparse::pair(60_000, 60_000, 1);
    // Make the contexts as long as a request may hold.
    for side in [&mut a, &mut b] {
        side.widen(limits::MAX_WANT_CONTEXT as u8 - 1);
    }
    let [opener, _] = check_session_memory(a, b);
    assert!(opener > 20_000, "the opener received {opener} records");
}

#[test]
fn large_contents_stay_under_the_session_cap() {
    let _alone = ALONE.lock().unwrap();
    let (a, b) = (Large::new(), Large::new());
    a.write(8);
    let [_, acceptor] = check_session_memory(a, b);
    assert_eq!(acceptor, 8);
}

/// Runs a session and checks its memory. Returns the number of records that each side received.
fn check_session_memory<V: View>(a: V, b: V) -> [u64; 2] {
    let now = Duration::ZERO;
    let before = resident();
    PEAK.store(before, Ordering::Relaxed);
    let config = SessionConfig { compression: Compression::Off, ..SessionConfig::default() };
    let spaces = |view| vec![(space("default"), view)];
    let mut opener = Session::open(config.clone(), parameters(), [1; 8], spaces(a), now).unwrap();
    let mut acceptor = Session::accept(config, parameters(), [2; 8], spaces(b), now).unwrap();
    let mut frames = 0;
    loop {
        let moved = frames;
        while let Some(frame) = opener.poll_frame(now) {
            acceptor.handle_frame(&frame, now).unwrap();
            note_peak();
            frames += 1;
        }
        while let Some(frame) = acceptor.poll_frame(now) {
            opener.handle_frame(&frame, now).unwrap();
            note_peak();
            frames += 1;
        }
        if moved == frames {
            break;
        }
    }
    assert!(opener.outcome().is_some() && acceptor.outcome().is_some());
    // The cap covers two sessions, and one frame between them.
    let cap = 2 * limits::MAX_SESSION_MEMORY + limits::MAX_FRAME;
    let highest = PEAK.load(Ordering::Relaxed) - before;
    assert!(highest <= cap, "{highest} bytes at the peak");
    eprintln!("{highest} bytes for two sessions, {frames} frames");
    [opener.stats().records_in, acceptor.stats().records_in]
}

#[test]
fn the_index_takes_16_bytes_an_entry() {
    let _alone = ALONE.lock().unwrap();
    const ENTRIES: u64 = 100_000;
    let key = |n: u64| {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
        key
    };
    let node = |n: u64, nodes: u64| common::node_id((n % nodes) as u8);
    // The entries are added in order, added in another order, or added in order and rewritten
    // twice.
    let shuffled = |n: u64| n * 7_919 % ENTRIES;
    for nodes in [3, 100] {
        for (name, order) in [("in order", [0, 0]), ("shuffled", [1, 0]), ("rewritten", [0, 1])] {
            let region = Region::new(GLOBAL);
            let mut index = ClockIndex::new();
            for n in 0..ENTRIES {
                let n = if order[0] == 1 { shuffled(n) } else { n };
                index.change(&key(n), &node(n, nodes), 0, n + 1);
            }
            for n in 0..order[1] * ENTRIES * 2 {
                let id = shuffled(n % ENTRIES);
                // At the second rewrite, a record has the entry of the first rewrite.
                let before = if n < ENTRIES { id + 1 } else { n + 1 };
                index.change(&key(id), &node(id, nodes), before, ENTRIES + n + 1);
            }
            let change = region.change();
            let resident = change.bytes_allocated - change.bytes_deallocated;
            let each = resident as f64 / ENTRIES as f64;
            assert!(each <= 16.0, "{nodes} nodes, {name}: {each} bytes");
            eprintln!("{nodes} nodes, {name}: {each:.2} bytes an entry, index: {}", index.memory());
        }
    }
}

/// Every node confirms every record, one node after the other.
#[test]
fn confirmations_take_16_bytes_an_entry() {
    let _alone = ALONE.lock().unwrap();
    const RECORDS: u64 = 10_000;
    for nodes in [3, 100] {
        let region = Region::new(GLOBAL);
        let mut index = ClockIndex::new();
        for n in 0..nodes * RECORDS {
            let mut key = [0; 32];
            let record = (n * 7_919 % RECORDS).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            key[..8].copy_from_slice(&record.to_be_bytes());
            index.change(&key, &common::node_id((n / RECORDS) as u8), 0, n + 1);
        }
        let change = region.change();
        let resident = change.bytes_allocated - change.bytes_deallocated;
        let each = resident as f64 / (nodes * RECORDS) as f64;
        assert!(each <= 16.0, "{nodes} nodes: {each} bytes");
        eprintln!("{nodes} nodes confirm {RECORDS} records: {resident} bytes, {each:.2} an entry");
    }
}
