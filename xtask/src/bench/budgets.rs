//! The budgets for times: what may cost how much, beside what. Sizes carry their budgets themselves.

#[derive(Clone, Copy)]
pub(super) struct Budget {
    pub(super) name: &'static str,
    pub(super) input: &'static str,
    /// The benchmark of ours, `group/who/input`.
    pub(super) ours: &'static str,
    pub(super) reference: Reference,
    /// The ratio of ours to the reference may be this high.
    pub(super) at_most: f64,
}

#[derive(Clone, Copy)]
pub(super) enum Reference {
    /// A benchmark of the same run: a floor, or the crate one would take instead.
    Measured { name: &'static str, id: &'static str },
    /// A limit that holds on any machine of this decade.
    Nanoseconds(f64),
}

const fn beside(
    name: &'static str,
    input: &'static str,
    ours: &'static str,
    at_most: f64,
    reference: &'static str,
    id: &'static str,
) -> Budget {
    Budget { name, input, ours, reference: Reference::Measured { name: reference, id }, at_most }
}

const fn within(
    name: &'static str,
    input: &'static str,
    ours: &'static str,
    nanoseconds: f64,
) -> Budget {
    Budget { name, input, ours, reference: Reference::Nanoseconds(nanoseconds), at_most: 1.0 }
}

#[rustfmt::skip]
pub(super) const CORE: [Budget; 17] = [
    beside("one upsert and root", "10^4, SHA-256", "merkle_upsert/ours/sha256-10000", 1.3, "bare hashes", "merkle_upsert/floor/sha256-10000"),
    beside("one upsert and root", "10^4, BLAKE3", "merkle_upsert/ours/blake3-10000", 1.3, "bare hashes", "merkle_upsert/floor/blake3-10000"),
    beside("one upsert and root", "10^4, SHA-256", "merkle_upsert/ours/sha256-10000", 0.75, "merkle-search-tree", "merkle_upsert/merkle-search-tree/10000"),
    beside("one upsert and root", "10^6, SHA-256", "merkle_upsert/ours/sha256-1000000", 2.0, "the same at 10^4", "merkle_upsert/ours/sha256-10000"),
    beside("build from scratch", "10^4, SHA-256", "merkle_build/ours/sha256-10000", 1.0, "rs_merkle", "merkle_build/rs_merkle/sha256-10000"),
    beside("build from scratch", "10^6, SHA-256", "merkle_build/ours/sha256-1000000", 1.0, "rs_merkle", "merkle_build/rs_merkle/sha256-1000000"),
    within("root comparison", "10^4", "merkle_diff/ours/root-comparison", 50.0),
    within("divergence of one entry", "10^4", "merkle_diff/ours/1-of-10000", 100e3),
    beside("clock merge", "3 actors", "clock_merge/ours/3", 0.25, "crdts", "clock_merge/crdts/3"),
    beside("clock merge", "16 actors", "clock_merge/ours/16", 0.25, "crdts", "clock_merge/crdts/16"),
    beside("clock compare, before", "3 actors", "clock_compare_before/ours/3", 0.35, "crdts", "clock_compare_before/crdts/3"),
    beside("clock compare, before", "16 actors", "clock_compare_before/ours/16", 0.35, "crdts", "clock_compare_before/crdts/16"),
    beside("clock compare, equal", "16 actors", "clock_compare_equal/ours/16", 0.35, "crdts", "clock_compare_equal/crdts/16"),
    beside("clock compare, concurrent", "3 actors", "clock_compare_concurrent/ours/3", 0.35, "crdts", "clock_compare_concurrent/crdts/3"),
    beside("clock compare, concurrent", "16 actors", "clock_compare_concurrent/ours/16", 0.35, "crdts", "clock_compare_concurrent/crdts/16"),
    beside("cosine", "768 x f32", "cosine/ours/768", 0.4, "plain loop", "cosine/plain loop/768"),
    beside("weighted blend", "2 of 768 x f32", "blend/ours/2x768", 0.4, "plain loop", "blend/plain loop/2x768"),
];
