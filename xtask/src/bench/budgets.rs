//! The budgets for times, each with its reference. The benchmarks that measure sizes print their own budgets.

#[derive(Clone, Copy)]
pub(super) struct Budget {
    pub(super) name: &'static str,
    pub(super) input: &'static str,
    /// Our benchmark, `group/implementation/input`.
    pub(super) ours: &'static str,
    pub(super) reference: Reference,
    /// The maximum ratio of our time to the reference; `None` if the ratio is only shown.
    pub(super) at_most: Option<f64>,
}

#[derive(Clone, Copy)]
pub(super) enum Reference {
    /// A benchmark of the same run, such as the bare cost of the work or an alternative crate.
    Measured { name: &'static str, id: &'static str },
    /// An absolute time limit that any current machine should meet.
    Nanoseconds(f64),
}

const fn shown(
    name: &'static str,
    input: &'static str,
    ours: &'static str,
    reference: &'static str,
    id: &'static str,
) -> Budget {
    let reference = Reference::Measured { name: reference, id };
    Budget { name, input, ours, reference, at_most: None }
}

const fn beside(
    name: &'static str,
    input: &'static str,
    ours: &'static str,
    at_most: f64,
    reference: &'static str,
    id: &'static str,
) -> Budget {
    Budget { at_most: Some(at_most), ..shown(name, input, ours, reference, id) }
}

const fn within(
    name: &'static str,
    input: &'static str,
    ours: &'static str,
    nanoseconds: f64,
) -> Budget {
    let reference = Reference::Nanoseconds(nanoseconds);
    Budget { name, input, ours, reference, at_most: Some(1.0) }
}

// Pattern ids and embeddings are real; inputs larger than the real sets come from deterministic generators.
#[rustfmt::skip]
pub(super) const CORE: &[Budget] = &[
    beside("one upsert and root", "10^4, SHA-256", "merkle_upsert/ours/sha256-10000", 1.3, "bare hashes", "merkle_upsert/floor/sha256-10000"),
    beside("one upsert and root", "10^4, BLAKE3", "merkle_upsert/ours/blake3-10000", 1.3, "bare hashes", "merkle_upsert/floor/blake3-10000"),
    beside("one upsert and root", "10^4, SHA-256", "merkle_upsert/ours/sha256-10000", 0.75, "merkle-search-tree", "merkle_upsert/merkle-search-tree/10000"),
    beside("one upsert and root", "10^6, SHA-256", "merkle_upsert/ours/sha256-1000000", 2.0, "the same at 10^4", "merkle_upsert/ours/sha256-10000"),
    shown("one upsert and root", "10^6, SHA-256", "merkle_upsert/ours/sha256-1000000", "bare hashes", "merkle_upsert/floor/sha256-1000000"),
    shown("one upsert and root", "10^6, SHA-256", "merkle_upsert/ours/sha256-1000000", "merkle-search-tree", "merkle_upsert/merkle-search-tree/1000000"),
    beside("build from scratch", "10^4, SHA-256", "merkle_build/ours/sha256-10000", 1.0, "rs_merkle", "merkle_build/rs_merkle/sha256-10000"),
    beside("build from scratch", "10^6, SHA-256", "merkle_build/ours/sha256-1000000", 1.0, "rs_merkle", "merkle_build/rs_merkle/sha256-1000000"),
    within("root comparison", "10^4", "merkle_diff/ours/root-comparison", 50.0),
    within("divergence of one entry", "10^4", "merkle_diff/ours/1-of-10000", 100e3),
    shown("divergence of one entry", "10^4", "merkle_diff/ours/1-of-10000", "merkle-search-tree", "merkle_diff/merkle-search-tree/1-of-10000"),
    shown("divergence of 100", "10^4", "merkle_diff/ours/100-of-10000", "merkle-search-tree", "merkle_diff/merkle-search-tree/100-of-10000"),
    beside("clock merge", "3 actors", "clock_merge/ours/3", 0.25, "crdts", "clock_merge/crdts/3"),
    beside("clock merge", "16 actors", "clock_merge/ours/16", 0.25, "crdts", "clock_merge/crdts/16"),
    shown("clock merge", "3 actors", "clock_merge/ours/3", "vclock", "clock_merge/vclock/3"),
    shown("clock merge", "16 actors", "clock_merge/ours/16", "vclock", "clock_merge/vclock/16"),
    beside("clock compare, before", "3 actors", "clock_compare_before/ours/3", 0.35, "crdts", "clock_compare_before/crdts/3"),
    beside("clock compare, before", "16 actors", "clock_compare_before/ours/16", 0.35, "crdts", "clock_compare_before/crdts/16"),
    shown("clock compare, before", "16 actors", "clock_compare_before/ours/16", "vclock", "clock_compare_before/vclock/16"),
    beside("clock compare, equal", "3 actors", "clock_compare_equal/ours/3", 0.35, "crdts", "clock_compare_equal/crdts/3"),
    beside("clock compare, equal", "16 actors", "clock_compare_equal/ours/16", 0.35, "crdts", "clock_compare_equal/crdts/16"),
    beside("clock compare, concurrent", "3 actors", "clock_compare_concurrent/ours/3", 0.35, "crdts", "clock_compare_concurrent/crdts/3"),
    beside("clock compare, concurrent", "16 actors", "clock_compare_concurrent/ours/16", 0.35, "crdts", "clock_compare_concurrent/crdts/16"),
    shown("siblings join", "3 values", "siblings_join/ours/3", "crdts", "siblings_join/crdts/3"),
    beside("cosine", "768 x f32, real", "cosine/ours/768", 0.4, "plain loop", "cosine/plain loop/768"),
    shown("cosine", "768 x f32, real", "cosine/ours/768", "simsimd", "cosine/simsimd/768"),
    beside("weighted blend", "2 of 768 x f32, real", "blend/ours/2x768", 0.4, "plain loop", "blend/plain loop/2x768"),
    within("view, one changed pattern", "10^4 from real ones", "view/one changed pattern/10000", 10e6),
];

// The wire format has budgets for sizes only. Its times are shown next to those of LZ4, which alone saves nothing on
// these floats.
#[rustfmt::skip]
pub(super) const PROTO: &[Budget] = &[
    shown("encoding of records", "90 real patterns", "sync_encode/ours/f32", "LZ4 of the floats", "sync_encode/lz4/f32"),
    shown("encoding of records", "90 real patterns, half", "sync_encode/ours/f16", "LZ4 of the floats", "sync_encode/lz4/f16"),
    shown("decoding of records", "90 real patterns", "sync_decode/ours/f32", "LZ4 of the floats", "sync_decode/lz4/f32"),
    shown("decoding of records", "90 real patterns, half", "sync_decode/ours/f16", "LZ4 of the floats", "sync_decode/lz4/f16"),
    within("a session, both ends", "10^4, in sync", "session/ours/0_of_10000", 50_000.0),
    within("a session, both ends", "10^4, one difference", "session/ours/1_of_10000", 500_000.0),
];

// The `size` benchmark covers memory and start. The time on the scheduler's thread is compared with that of hashing the
// whole submission.
#[rustfmt::skip]
pub(super) const BRIDGE: &[Budget] = &[
    shown("update_cache, unchanged", "10^4 from real ones", "update_cache/ours/unchanged-10000", "hashing the snapshot", "update_cache/floor/hash-10000"),
    beside("update_cache, unchanged, adapter", "10^4 from real ones", "update_cache/adapter/unchanged-10000", 1.5, "the bridge alone", "update_cache/ours/unchanged-10000"),
    beside("update_cache, the call alone", "10^4 from real ones", "update_cache/ours/call-10000", 1.0, "hashing the snapshot", "update_cache/floor/hash-10000"),
    shown("update_cache, one changed", "10^4 from real ones", "update_cache/ours/one-changed-10000", "hashing the snapshot", "update_cache/floor/hash-10000"),
    shown("a peer's change in the cache", "10^4 from real ones", "update_cache/ours/remote-change-10000", "hashing the snapshot", "update_cache/floor/hash-10000"),
    within("a peer's change, compared across ids", "10^4 from real ones", "across_ids/ours/remote-change-10000", 10_000_000.0),
];

// Bytes and connections are counted by a benchmark that prints its own budgets. The time for two threads to wake
// each other varies more than the compared values, so the budget applies to one thread. A throughput
// of 0.45 corresponds to 1 / 0.45 of the time.
#[rustfmt::skip]
pub(super) const NET: &[Budget] = &[
    beside("in-sync check, warm", "one thread", "in_sync_check/ours/one_thread", 1.2, "bare quinn request", "in_sync_check/quinn/one_thread"),
    shown("in-sync check, warm", "a thread each", "in_sync_check/ours/a_thread_each", "bare quinn request", "in_sync_check/quinn/a_thread_each"),
    beside("bulk sync", "1,000 patterns, real and means of real ones", "bulk_sync/ours/1000", 1.0 / 0.45, "bare quinn stream", "bulk_sync/quinn/1000"),
];
