//! Sample messages of every kind. The golden frames are the encodings of these messages, so the
//! messages must not change.

use engram_gossip_proto::{
    Compression, ContentPart, Delivery, Done, FinalRoots, Greeting, Hello, HelloParameters, Line,
    Listing, Message, Node, Part, PatternContent, PatternRequest, PatternSync, Prefix, RangeAnswer,
    RangeOffer, Record, Refusal, SpaceRoot, Spaces, SubtreeRequest, SubtreeResponse, Tag,
    UnsendableRecord, VersionBase, Versions, WalkedRoot, Want,
};

use super::{content, content_digest, node_id, parameters, real, space, version};

/// Returns the name, message and compression of each sample.
pub(crate) fn all() -> Vec<(&'static str, Message, Compression)> {
    let plain = |name, message| (name, message, Compression::Off);
    let packed = |name, message| (name, message, Compression::Lz4);
    vec![
        plain("refuse-version", Message::Refuse(Refusal::Version(1))),
        plain("refuse-parameter", Message::Refuse(parameter())),
        plain("refuse-limit", Message::Refuse(Refusal::Limit { what: "nodes".into(), cap: 1024 })),
        plain("refuse-violation", Message::Refuse(Refusal::Violation("out of turn".into()))),
        plain("refuse-busy", Message::Refuse(Refusal::Busy)),
        plain("refuse-timed-out", Message::Refuse(Refusal::TimedOut)),
        plain(
            "hello-digest",
            hello(HelloParameters::Same, Spaces::Digest { count: 300, digest: [0xd1; 32] }),
        ),
        plain(
            "hello-table",
            hello(HelloParameters::Digest(parameters().digest()), table(u16::MAX)),
        ),
        plain(
            "hello-parameters",
            hello(HelloParameters::Full(parameters()), Spaces::Hosts(vec![1])),
        ),
        plain("spaces-buckets", Message::Spaces(buckets())),
        plain("spaces-table", Message::Spaces(table(0b0010_0000_0000_1001))),
        plain("spaces-hosts", Message::Spaces(Spaces::Hosts(vec![0b101]))),
        plain("spaces-hosts-and-others", Message::Spaces(hosts_and_others())),
        plain("subtree-request", subtree_request()),
        plain("subtree-response", subtree_response()),
        plain("pattern-request", pattern_request()),
        plain("pattern-sync", pattern_sync()),
        plain("pattern-sync-suppressed", suppressed()),
        plain("pattern-sync-ahead", ahead()),
        plain("content-part", part_of_content()),
        packed("pattern-sync-half-planes", half_planes()),
        packed("pattern-sync-planes", planes()),
        plain("done", done()),
        plain(
            "done-all",
            Message::Done(Done {
                roots: all_roots(),
                kept_back: false,
                has_news: true,
                unsendable: vec![],
            }),
        ),
        plain(
            "done-yours",
            Message::Done(Done {
                roots: FinalRoots::Yours,
                kept_back: true,
                has_news: false,
                unsendable: vec![],
            }),
        ),
        plain("done-unsendable", done_unsendable()),
        plain("versions-whole", Message::Versions(whole())),
        plain("versions-kept", Message::Versions(relative(VersionBase::Kept([0xba; 8])))),
        plain("versions-yours", Message::Versions(relative(VersionBase::Yours))),
        plain(
            "range-offer",
            Message::RangeOffer(RangeOffer {
                space: 1,
                ranges: vec![([1; 8], version(5), 300), ([2; 8], version(9), 1)],
            }),
        ),
        plain("range-answer", Message::RangeAnswer(RangeAnswer { space: 1, taken: vec![0b10] })),
        plain("pattern-sync-declared", declared()),
        plain("pattern-sync-by-clocks", by_clocks()),
    ]
}

/// The stored form of a record of three nodes.
pub(crate) fn stored() -> Vec<u8> {
    let mut bytes = Vec::new();
    record().encode(&mut bytes);
    bytes
}

/// A record of three nodes, with live dots, a node without any, and suppressed digests.
pub(crate) fn record() -> Record {
    let parts = vec![
        part(1, 5, &[(5, [9; 32])]),
        part(2, 9, &[(3, [8; 32]), (6, [9; 32])]),
        Part { node: node_id(3), entry: 1, dots: vec![] },
    ];
    let suppressed = vec![([1; 32], 1), ([2; 32], 1 << 31)];
    Record { id: "pattern_7".into(), parts, suppressed }
}

fn hosts_and_others() -> Spaces {
    Spaces::HostsAndOthers { hosts: vec![0b101], others: vec![space("notes"), space("work")] }
}

fn parameter() -> Refusal {
    Refusal::Parameter { name: "depth".into(), of_sender: "12".into(), of_receiver: "16".into() }
}

fn hello(parameters: HelloParameters, spaces: Spaces) -> Message {
    Message::MerkleRootExchange(Hello {
        capabilities: 1,
        key: 0x0123_4567_89ab_cdef_u64.to_le_bytes(),
        receive_budget: 512 << 20,
        greeting: Greeting { known: version(1), clock: version(2) },
        parameters,
        spaces,
    })
}

fn table(buckets: u16) -> Spaces {
    let root = |name, byte, count| SpaceRoot {
        space: space(name),
        root: [byte; 32],
        count,
        generation: 300,
    };
    Spaces::Table { buckets, spaces: vec![root("default", 0xaa, 10_000), root("notes", 0xbb, 3)] }
}

fn buckets() -> Spaces {
    let mut buckets = [None; 16];
    buckets[0] = Some([1, 2, 3, 4, 5]);
    buckets[13] = Some([0xff; 5]);
    Spaces::Buckets(buckets)
}

fn prefix(first: u8, nibbles: u8) -> Prefix {
    let mut hash = [0x5a; 32];
    hash[0] = first;
    Prefix::of(&hash, nibbles).unwrap()
}

fn subtree_request() -> Message {
    let mut children = [None; 16];
    children[1] = Some([1; 3]);
    children[15] = Some([0xfe; 3]);
    let nodes = vec![
        Node { prefix: Prefix::ROOT, children: [Some([7; 3]); 16] },
        Node { prefix: prefix(0xc0, 1), children },
        Node { prefix: prefix(0xc4, 3), children: [None; 16] },
    ];
    Message::SubtreeRequest(SubtreeRequest { space: 0, nodes })
}

fn subtree_response() -> Message {
    let line = |last, record| Line { key: [0xc4, 0x5a, 1, 2, 3, last], record: [record; 3] };
    let listings = vec![
        Listing { prefix: prefix(0xc4, 3), lines: vec![line(1, 9), line(2, 8), line(2, 9)] },
        Listing { prefix: prefix(0x10, 2), lines: vec![] },
    ];
    Message::SubtreeResponse(SubtreeResponse { space: 200, listings })
}

fn pattern_request() -> Message {
    let wants = vec![
        Want { key: [1, 2, 3, 4, 5, 6], holds: vec![], context: vec![] },
        Want {
            key: [0xfe; 6],
            holds: vec![[1; 5], [2; 5]],
            context: vec![(node_id(1), version(300)), (node_id(7), 1)],
        },
    ];
    Message::PatternRequest(PatternRequest { space: 1, wants })
}

fn part(node: u8, entry: u64, dots: &[(u64, [u8; 32])]) -> Part {
    let dots = dots.iter().map(|(count, digest)| (version(*count), *digest)).collect();
    Part { node: node_id(node), entry: version(entry), dots }
}

fn pattern_sync() -> Message {
    let uuid = "pattern_0f3b1c52-9a77-4a9e-8d2c-6b1f00aa93cd";
    let ids = ["pattern_17446744073709551615", uuid, "free text \u{e9}"];
    let contents = ids.map(|id| content(id, 7));
    let digests = contents.clone().map(|content| content_digest(&content));
    let record = |at: usize, parts| Record { id: ids[at].into(), parts, suppressed: vec![] };
    let held = [0xcc; 32];
    let several = vec![
        part(1, 5, &[(5, digests[0])]),
        part(2, 9, &[(3, held), (6, digests[0])]),
        part(3, 1, &[]),
    ];
    let old = Part { node: node_id(9), entry: 1, dots: vec![] };
    let records = vec![
        record(0, several),
        record(1, vec![part(1, 7, &[(7, digests[1])])]),
        record(2, vec![part(2, 8, &[(8, digests[2])]), old]),
    ];
    let contents = contents.map(|c| (content_digest(&c), c)).to_vec();
    Message::PatternSync(PatternSync::new(
        0,
        Delivery { records, contents },
        vec![],
        Compression::Off,
    ))
}

fn suppressed() -> Message {
    let suppressed = vec![([1; 32], 1), ([2; 32], 1 << 31)];
    let records = vec![Record { id: "gone".into(), parts: vec![part(4, 12, &[])], suppressed }];
    records_only(3, records, vec![])
}

fn declared() -> Message {
    let record = Record { id: "gone".into(), parts: vec![part(4, 12, &[])], suppressed: vec![] };
    records_only(0, vec![record], vec![([4; 5], version(15))])
}

fn by_clocks() -> Message {
    let contents = [content("pattern_7", 7)];
    let part = |node, entry, dots: &[(u64, [u8; 5])]| {
        let dots = dots.iter().map(|(count, tag)| (version(*count), *tag)).collect();
        Part { node: [node; 5], entry: version(entry), dots }
    };
    let suppressed = vec![([4; 5], 1), ([5; 5], 3)];
    let short = vec![
        Record {
            id: "pattern_7".into(),
            parts: vec![part(1, 5, &[(5, [9; 5])]), part(2, 9, &[(3, [8; 5])])],
            suppressed: vec![],
        },
        Record { id: "gone".into(), parts: vec![part(1, 6, &[])], suppressed },
    ];
    let contents = contents.map(|content| (content_digest(&content), content)).to_vec();
    let delivery = Delivery { records: vec![], contents };
    let declared = vec![([1; 5], version(7))];
    let sync = PatternSync::new(0, delivery, declared, Compression::Off);
    let introduced = vec![node_id(7), node_id(8)];
    Message::PatternSync(PatternSync { introduced, short, ..sync })
}

fn records_only(space: u32, records: Vec<Record>, declared: Vec<(Tag, u64)>) -> Message {
    let delivery: Delivery<PatternContent> = Delivery { records, contents: vec![] };
    Message::PatternSync(PatternSync::new(space, delivery, declared, Compression::Off))
}

fn part_of_content() -> Message {
    let bytes = (0..40).collect();
    Message::ContentPart(ContentPart { space: 1, total: 10 << 20, offset: 512 << 10, bytes })
}

fn all_roots() -> FinalRoots {
    FinalRoots::All(vec![WalkedRoot { space: 0, root: [0xaa; 32] }])
}

fn whole() -> Versions {
    let others = vec![([1; 8], version(5)), ([2; 8], version(900)), ([3; 8], 1)];
    Versions { space: 0, base: VersionBase::Whole, changes: vec![], others, repeat: true }
}

fn relative(base: VersionBase) -> Versions {
    let changes = vec![(0, 1_000_000), (2, -5)];
    Versions { space: 2, base, changes, others: vec![([9; 8], version(2))], repeat: false }
}

fn ahead() -> Message {
    let mut contents: Vec<_> =
        [1, 2].map(|seed| content("large", seed)).map(|c| (content_digest(&c), c)).to_vec();
    contents.sort_by_key(|(digest, _)| *digest);
    let delivery = Delivery { records: vec![], contents };
    Message::PatternSync(PatternSync::new(0, delivery, vec![], Compression::Off))
}

fn half_planes() -> Message {
    let delivery = real::batch(real::half_contents()[..1].to_vec());
    Message::PatternSync(PatternSync::new(0, delivery, vec![], Compression::Lz4))
}

fn planes() -> Message {
    let delivery = real::batch(real::contents()[..1].to_vec());
    Message::PatternSync(PatternSync::new(0, delivery, vec![], Compression::Lz4))
}

fn done_unsendable() -> Message {
    let record = |space, id: &str| UnsendableRecord {
        space,
        id: id.into(),
        what: "bytes of an id: 129 exceeds the cap of 128".into(),
    };
    Message::Done(Done {
        roots: FinalRoots::Yours,
        kept_back: false,
        has_news: false,
        unsendable: vec![record(0, "large"), record(3, "")],
    })
}

fn done() -> Message {
    let roots = vec![
        WalkedRoot { space: 0, root: [0xaa; 32] },
        WalkedRoot { space: 300, root: [0xbb; 32] },
    ];
    Message::Done(Done {
        roots: FinalRoots::Differing { digest: [0xdd; 32], roots },
        kept_back: true,
        has_news: true,
        unsendable: vec![],
    })
}
