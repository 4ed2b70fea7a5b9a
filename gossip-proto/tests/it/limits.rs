//! The limits of the wire and of a session: decoders accept a value at a limit of the wire, and
//! refuse one above it.

use crate::common::{self, content, parameters_of, read, space};
use engram_gossip_proto::{
    Compression, ContentPart, DecodeError, Delivery, Done, Ending, FinalRoots, FrameHeader,
    Greeting, HEADER_LEN, Hello, HelloParameters, IdError, Intake, Line, Listing, Message, Node,
    OpaqueContent, Parameters, Part, PatternContent, PatternRequest, PatternSync, Prefix,
    RangeAnswer, RangeOffer, Record, RootAdvert, SpaceId, SpaceIdError, SpaceRoot, Spaces,
    SubtreeRequest, SubtreeResponse, Summary, Tag, UnsendableRecord, VersionBase, Versions,
    WalkedRoot, Want, Wire, check_content, check_id, limits,
};

/// Checks that a message is accepted at the cap and refused one above it.
fn reaches(cap: usize, make: impl Fn(usize) -> Message) {
    let frame = make(cap).encode(Compression::Off, true);
    assert!(frame.len() <= limits::MAX_FRAME);
    read(&frame).unwrap_or_else(|error| panic!("at the cap of {cap}: {error}"));
    match read(&make(cap + 1).encode(Compression::Off, true)) {
        Err(DecodeError::OverLimit { value, cap: named, .. }) => {
            assert_eq!((value, named), (cap as u64 + 1, cap as u64));
        }
        other => panic!("above the cap of {cap}: {other:?}"),
    }
}

fn key(i: usize) -> [u8; 6] {
    *(i as u64).to_be_bytes().last_chunk().unwrap()
}

fn digest(i: usize) -> [u8; 32] {
    let mut digest = [0; 32];
    digest[..8].copy_from_slice(&(i as u64).to_be_bytes());
    digest
}

fn sync(records: Vec<Record>, contents: Vec<([u8; 32], PatternContent)>) -> Message {
    let delivery = Delivery { records, contents };
    Message::PatternSync(PatternSync::new(0, delivery, vec![], Compression::Off))
}

fn one_record(parts: Vec<Part>) -> Record {
    Record { id: "id".into(), parts, suppressed: vec![] }
}

/// A part without live dots.
fn part(node: usize) -> Part {
    Part { node: digest(node), entry: 1 << 60, dots: vec![] }
}

/// A content sent ahead of its record.
fn alone(content: PatternContent) -> Message {
    sync(vec![], vec![([1; 32], content)])
}

fn done(roots: FinalRoots, unsendable: Vec<UnsendableRecord>) -> Message {
    Message::Done(Done { roots, kept_back: false, has_news: false, unsendable })
}

#[test]
fn unsendable_records_are_limited() {
    let record = |id: usize, what: usize| UnsendableRecord {
        space: 0,
        id: "i".repeat(id),
        what: "w".repeat(what),
    };
    reaches(limits::MAX_UNSENDABLE, |count| done(FinalRoots::Yours, vec![record(1, 1); count]));
    // A longer text is truncated, not refused.
    let long = done(FinalRoots::Yours, vec![record(limits::MAX_ID + 1, limits::MAX_NAME + 1)]);
    let cut = done(FinalRoots::Yours, vec![record(limits::MAX_ID, limits::MAX_NAME)]);
    let frame = long.encode(Compression::Off, true);
    assert_eq!(Message::decode(&frame), Ok((cut, true)));
}

#[test]
fn frame_length_is_limited() {
    let header = |body_len: usize| {
        let mut header: [u8; HEADER_LEN] = Message::Refuse(engram_gossip_proto::Refusal::Busy)
            .encode(Compression::Off, true)[..HEADER_LEN]
            .try_into()
            .unwrap();
        header[5..].copy_from_slice(&(body_len as u32).to_le_bytes());
        FrameHeader::parse(&header).map(|header| header.body_len() + HEADER_LEN)
    };
    assert_eq!(header(limits::MAX_BODY), Ok(limits::MAX_FRAME));
    assert!(matches!(header(limits::MAX_BODY + 1), Err(DecodeError::OverLimit { .. })));
}

#[test]
fn hello_is_limited() {
    let hello = |parameters| {
        Message::MerkleRootExchange(Hello {
            capabilities: 0,
            key: [0; 8],
            receive_budget: 0,
            greeting: Greeting::default(),
            parameters: HelloParameters::Full(parameters),
            spaces: Spaces::Hosts(vec![]),
        })
    };
    let parameters = || parameters_of("sha256", 12);
    reaches(limits::MAX_NAME, |len| hello(parameters_of(&"h".repeat(len), 12)));
    reaches(limits::MAX_NAME, |len| hello(parameters().report("s".repeat(len), "")));
    reaches(limits::MAX_NAME, |len| hello(parameters().require("s", "v".repeat(len))));
    reaches(limits::MAX_PARAMETERS, |count| {
        let none = Parameters::new("sha256", 12);
        hello((0..count).fold(none, |all, n| all.require(format!("name-{n}"), "value")))
    });
    let many = (0..10_000).fold(parameters(), |all, n| all.report(format!("name-{n}"), "value"));
    let frame = hello(many).encode(Compression::Off, true);
    let error = Message::decode(&frame).unwrap_err();
    assert!(matches!(error, DecodeError::OverLimit { value: 10_002, cap: 64, .. }), "{error}");
}

#[test]
fn spaces_are_limited() {
    let root = |i| SpaceRoot {
        space: space(&format!("space-{i:05}")),
        root: [0; 32],
        count: 0,
        generation: 0,
    };
    reaches(limits::MAX_SPACES, |count| {
        let spaces = (0..count).map(root).collect();
        Message::Spaces(Spaces::Table { buckets: u16::MAX, spaces })
    });
    reaches(limits::MAX_SPACES / 8, |len| Message::Spaces(Spaces::Hosts(vec![0; len])));
    reaches(limits::MAX_SPACES, |count| {
        let others = (0..count).map(|i| space(&format!("space-{i:05}"))).collect();
        Message::Spaces(Spaces::HostsAndOthers { hosts: vec![], others })
    });
    reaches(limits::MAX_SPACES, |count| {
        let roots = (0..count as u32).map(|space| WalkedRoot { space, root: [0; 32] }).collect();
        done(FinalRoots::All(roots), vec![])
    });
    assert!(SpaceId::new("x".repeat(limits::MAX_SPACE_NAME)).is_ok());
    assert!(SpaceId::new("x".repeat(limits::MAX_SPACE_NAME + 1)).is_err());
}

#[test]
fn descent_messages_are_limited() {
    let node = Node { prefix: Prefix::ROOT, children: [None; 16] };
    reaches(limits::MAX_NODES, |count| {
        Message::SubtreeRequest(SubtreeRequest { space: 0, nodes: vec![node; count] })
    });
    reaches(limits::MAX_DEPTH.into(), |depth| {
        let prefix = Prefix::of(&[0; 32], depth as u8).unwrap();
        let listings = vec![Listing { prefix, lines: vec![] }];
        Message::SubtreeResponse(SubtreeResponse { space: 0, listings })
    });
    reaches((limits::MAX_DEPTH - 1).into(), |depth| {
        let prefix = Prefix::of(&[0; 32], depth as u8).unwrap();
        Message::SubtreeRequest(SubtreeRequest { space: 0, nodes: vec![Node { prefix, ..node }] })
    });
    let listing = Listing { prefix: Prefix::ROOT, lines: vec![] };
    reaches(limits::MAX_LISTINGS, |count| {
        let listings = vec![listing.clone(); count];
        Message::SubtreeResponse(SubtreeResponse { space: 0, listings })
    });
    reaches(limits::MAX_LINES, |count| {
        let lines = (0..count).map(|i| Line { key: key(i), record: [0; 3] }).collect();
        let listings = vec![Listing { prefix: Prefix::ROOT, lines }];
        Message::SubtreeResponse(SubtreeResponse { space: 0, listings })
    });
}

#[test]
fn requests_are_limited() {
    let want = |i| Want { key: key(i), holds: vec![], context: vec![] };
    let request = |wants| Message::PatternRequest(PatternRequest { space: 0, wants });
    reaches(limits::MAX_WANTS, |count| request((0..count).map(want).collect()));
    reaches(limits::MAX_WANT_HOLDS, |count| {
        let holds = (0..count).map(|i| [0, 0, 0, (i >> 8) as u8, i as u8]).collect();
        request(vec![Want { holds, ..want(0) }])
    });
    reaches(limits::MAX_WANT_CONTEXT, |count| {
        let context = (0..count).map(|node| (digest(node), 1)).collect();
        request(vec![Want { context, ..want(0) }])
    });
    reaches(limits::MAX_NODE_IDS, |count| {
        let nodes: Vec<_> = (0..count).map(|node| (digest(node), 1)).collect();
        let context = nodes.chunks(limits::MAX_WANT_CONTEXT).map(<[_]>::to_vec);
        request(context.enumerate().map(|(i, context)| Want { context, ..want(i) }).collect())
    });
}

#[test]
fn records_are_limited() {
    reaches(limits::MAX_RECORDS, |count| {
        sync((0..count).map(|_| one_record(vec![])).collect(), vec![])
    });
    reaches(limits::MAX_ID, |len| {
        sync(vec![Record { id: "-".repeat(len), ..one_record(vec![]) }], vec![])
    });
    reaches(limits::MAX_PARTS, |count| {
        sync(vec![one_record((0..count).map(part).collect())], vec![])
    });
    reaches(limits::MAX_NODE_DOTS, |count| {
        let dots = (0..count).map(|i| (i as u64 + 1, digest(i))).collect();
        sync(vec![one_record(vec![Part { dots, ..part(0) }])], vec![])
    });
    reaches(limits::MAX_SUPPRESSED, |count| {
        let suppressed = (0..count).map(|i| (digest(i), 1)).collect();
        sync(vec![Record { suppressed, ..one_record(vec![]) }], vec![])
    });
    reaches(limits::MAX_SUPPRESSION_LENGTH as usize, |length| {
        let suppressed = vec![(digest(0), length as u32)];
        sync(vec![Record { suppressed, ..one_record(vec![]) }], vec![])
    });
    reaches(limits::MAX_NODE_IDS, |count| {
        let nodes: Vec<_> = (0..count).collect();
        let record = |nodes: &[usize]| one_record(nodes.iter().map(|node| part(*node)).collect());
        sync(nodes.chunks(limits::MAX_PARTS).map(record).collect(), vec![])
    });
    let none = || {
        let delivery = Delivery::<PatternContent>::default();
        PatternSync::new(0, delivery, vec![], Compression::Off)
    };
    reaches(limits::MAX_NODE_IDS, |count| {
        let introduced = (0..count).map(digest).collect();
        Message::PatternSync(PatternSync { introduced, ..none() })
    });
    reaches(limits::MAX_NODE_IDS, |count| {
        let tags: Vec<_> = (0..count).map(tag).collect();
        let part = |node: &Tag| Part { node: *node, entry: 1, dots: vec![] };
        let record = |nodes: &[Tag]| Record {
            id: "x".into(),
            parts: nodes.iter().map(part).collect(),
            suppressed: vec![],
        };
        let short = tags.chunks(limits::MAX_PARTS).map(record).collect();
        Message::PatternSync(PatternSync { short, ..none() })
    });
}

#[test]
fn records_of_both_kinds_are_limited_together() {
    let delivery = Delivery::<PatternContent>::default();
    let none = PatternSync::new(0, delivery, vec![], Compression::Off);
    for whole in [0, 1, limits::MAX_RECORDS / 2, limits::MAX_RECORDS] {
        reaches(limits::MAX_RECORDS, |count| {
            let short = Record { id: "id".into(), parts: vec![], suppressed: vec![] };
            let (records, short) = (vec![one_record(vec![]); whole], vec![short; count - whole]);
            Message::PatternSync(PatternSync { records, short, ..none.clone() })
        });
    }
}

#[test]
fn a_packed_text_is_named_by_its_length() {
    let cap = limits::MAX_ID;
    for prefix in ["", "pattern_"] {
        let id = |len: usize| prefix.to_owned() + &"0a".repeat((len - prefix.len()) / 2);
        let frame = |len| {
            let record = Record { id: id(len), ..one_record(vec![]) };
            sync(vec![record], vec![]).encode(Compression::Off, true)
        };
        read(&frame(cap)).unwrap();
        let (value, cap) = (cap as u64 + 2, cap as u64);
        let refused = DecodeError::OverLimit { what: "an id", value, cap };
        assert_eq!(read(&frame(cap as usize + 2)), Err(refused));
    }
    // The second text shares 200 bytes with the first one.
    let texts = ["-".repeat(200), "-".repeat(200) + &"x".repeat(300)];
    let long = PatternContent { source_episodes: texts.to_vec(), ..content("id", 1) };
    let refused = read(&alone(long).encode(Compression::Off, true));
    assert!(
        matches!(refused, Err(DecodeError::OverLimit { value: 500, cap: 256, .. })),
        "{refused:?}"
    );
}

#[test]
fn the_length_of_a_space_name_counts_characters() {
    assert_eq!(SpaceId::new("\u{e4}\u{e4}"), Err(SpaceIdError::Length(2)));
    assert_eq!(SpaceId::new("\u{e4}".repeat(40)), Err(SpaceIdError::Character('\u{e4}')));
    assert_eq!(SpaceId::new("\u{e4}".repeat(65)), Err(SpaceIdError::Length(65)));
}

/// The tag with the number `i`.
fn tag(i: usize) -> Tag {
    *(i as u64).to_be_bytes().last_chunk().unwrap()
}

#[test]
fn entry_versions_are_checked() {
    // Any version from 1 upwards may be sent; the decoder does not check whether it is plausible.
    for entry in [1, 2, 1 << 60, u64::MAX - 1, u64::MAX] {
        let dots = vec![(1, digest(1)), (entry, digest(2))];
        let message = sync(vec![one_record(vec![Part { entry, dots, ..part(0) }])], vec![]);
        let frame = message.encode(Compression::Off, true);
        assert_eq!(Message::decode(&frame), Ok((message, true)));
    }
    for (entry, version) in [(0, 0), (5, 0), (5, 6), (u64::MAX - 1, u64::MAX)] {
        let dots = vec![(version, digest(1))];
        let message = sync(vec![one_record(vec![Part { entry, dots, ..part(0) }])], vec![]);
        let refused = Message::decode(&message.encode(Compression::Off, true));
        assert!(matches!(refused, Err(DecodeError::Invalid(_))), "{version} of {entry}");
    }
}

/// A pattern as large as its limits allow.
fn documented() -> PatternContent {
    PatternContent {
        source_episodes: vec![
            "-".repeat(PatternContent::MAX_EPISODE_ID);
            PatternContent::MAX_EPISODES
        ],
        embedding: vec![1.5; PatternContent::MAX_DIMENSION as usize].into(),
        ..content(&"x".repeat(limits::MAX_ID), 1)
    }
}

#[test]
fn store_checks_match_the_decoder() {
    // The checks for stores have the same limits as the decoder.
    let agrees = |content: PatternContent| {
        let mut bytes = Vec::new();
        Wire::encode(&[&content], Compression::Off, &mut bytes);
        let decoded = PatternContent::decode(&bytes, 1, limits::MAX_CONTENT_MEMORY);
        match (check_content(&content), decoded) {
            (Ok(()), Ok(_)) => true,
            (Err(error), Err(DecodeError::OverLimit { value, cap, .. })) => {
                assert_eq!((error.size, error.limit), (value, cap));
                false
            }
            (checked, decoded) => panic!("{checked:?}, but {:?}", decoded.err()),
        }
    };
    let base = || content("x", 1);
    let episodes = |count, len| vec!["-".repeat(len); count];
    let cases = [
        (
            PatternContent { source_episodes: episodes(PatternContent::MAX_EPISODES, 1), ..base() },
            true,
        ),
        (
            PatternContent {
                source_episodes: episodes(PatternContent::MAX_EPISODES + 1, 1),
                ..base()
            },
            false,
        ),
        (
            PatternContent {
                source_episodes: episodes(1, PatternContent::MAX_EPISODE_ID + 1),
                ..base()
            },
            false,
        ),
        (
            PatternContent {
                embedding: vec![1.0; PatternContent::MAX_DIMENSION as usize + 1].into(),
                ..base()
            },
            false,
        ),
        (documented(), true),
    ];
    for (content, taken) in cases {
        assert_eq!(agrees(content), taken);
    }
    // Opaque contents have only the limit that applies to all contents.
    let overhead = OpaqueContent::size_of(0).wire;
    let opaque = |len: usize| check_content(&OpaqueContent::new(vec![0; len]));
    assert_eq!(opaque(limits::MAX_CONTENT_LEN - overhead), Ok(()));
    let error = opaque(limits::MAX_CONTENT_LEN - overhead + 1).unwrap_err();
    assert_eq!(error.limit, limits::MAX_CONTENT_LEN as u64);
    assert_eq!(check_id(&"x".repeat(limits::MAX_ID)), Ok(()));
    assert_eq!(check_id(""), Err(IdError::Empty));
    assert!(matches!(check_id(&"x".repeat(limits::MAX_ID + 1)), Err(IdError::TooLarge(_))));
}

#[test]
fn contents_are_limited() {
    let small =
        |_| PatternContent { embedding: [1.0].into(), source_episodes: vec![], ..content("x", 1) };
    reaches(limits::MAX_CONTENTS, |count| {
        sync(vec![], (0..count).map(|i| (digest(i), small(i))).collect())
    });
    reaches(PatternContent::MAX_EPISODES, |count| {
        alone(PatternContent { source_episodes: vec!["e".into(); count], ..small(0) })
    });
    reaches(PatternContent::MAX_EPISODE_ID, |len| {
        alone(PatternContent { source_episodes: vec!["-".repeat(len)], ..small(0) })
    });
    reaches(PatternContent::MAX_DIMENSION as usize, |dimension| {
        alone(PatternContent { embedding: vec![1.5; dimension].into(), ..small(0) })
    });
}

#[test]
fn decoded_frame_memory_is_limited() {
    // An episode id that equals the previous one takes twelve bytes on the wire, and at least 256
    // in memory.
    let bomb = |contents: usize, compression| {
        let episodes = vec!["e".repeat(256); 1_900];
        let large = PatternContent {
            source_episodes: episodes,
            embedding: [1.0].into(),
            ..content("x", 1)
        };
        let contents = (0..contents).map(|i| (digest(i), large.clone())).collect();
        let delivery = Delivery { records: vec![], contents };
        Message::PatternSync(PatternSync::new(0, delivery, vec![], compression))
    };
    assert!(read(&bomb(6, Compression::Off).encode(Compression::Off, true)).is_ok());
    for compression in [Compression::Off, Compression::Lz4] {
        let frame = bomb(16, compression).encode(compression, true);
        assert!(frame.len() < 500_000);
        let cap = limits::MAX_UNFOLDED as u64;
        match read(&frame) {
            Err(DecodeError::OverLimit { what, cap: named, .. }) => {
                assert_eq!((what, named), ("an unfolded batch", cap));
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn content_parts_are_limited() {
    let part = |total: usize, offset: usize| {
        let (total, offset) = (total as u32, offset as u32);
        Message::ContentPart(ContentPart { space: 0, total, offset, bytes: vec![7] })
    };
    reaches(limits::MAX_CONTENT_LEN, |total| part(total, 0));
    let invalid = DecodeError::Invalid("the length of a part");
    assert_eq!(read(&part(9, 8).encode(Compression::Off, true)), Ok(part(9, 8)));
    assert_eq!(read(&part(9, 9).encode(Compression::Off, true)), Err(invalid));
}

#[test]
fn version_summaries_are_limited() {
    let node = |i: usize| *digest(i).first_chunk().unwrap();
    let others = |count: usize| (0..count).map(|i| (node(i), 1)).collect();
    let versions = |base, changes, others| {
        Message::Versions(Versions { space: 0, base, changes, others, repeat: false })
    };
    reaches(limits::MAX_SUMMARY, |count| versions(VersionBase::Whole, vec![], others(count)));
    reaches(limits::MAX_SUMMARY, |count| {
        let changes = (0..count as u32).map(|at| (at, 1)).collect();
        versions(VersionBase::Yours, changes, vec![])
    });
    reaches(limits::MAX_SUMMARY, |count| {
        let ranges = (0..count).map(|i| (node(i), 1, 1)).collect();
        Message::RangeOffer(RangeOffer { space: 0, ranges })
    });
    reaches(limits::MAX_SUMMARY / 8, |len| {
        Message::RangeAnswer(RangeAnswer { space: 0, taken: vec![0; len] })
    });
    reaches(limits::MAX_SUMMARY, |count| {
        let declared = (0..count).map(|i| (tag(i), 1)).collect();
        let delivery = Delivery::<PatternContent>::default();
        Message::PatternSync(PatternSync::new(0, delivery, declared, Compression::Off))
    });
}

#[test]
fn advert_length_is_limited() {
    let summary = Summary { root: [1; 32], count: 1, generation: 1 };
    let spaces: Vec<_> = (0..200).map(|i| (space(&format!("space-{i:03}")), summary)).collect();
    let mut told = RootAdvert::encode(&spaces, usize::MAX);
    assert!(told.len() <= limits::MAX_ADVERT);
    assert!(RootAdvert::decode(&told).is_ok());
    told.resize(limits::MAX_ADVERT + 1, 0);
    assert!(matches!(RootAdvert::decode(&told), Err(DecodeError::OverLimit { .. })));
}

#[test]
fn subtrees_in_a_turn_are_limited() {
    let (a, b) = common::sparse::pair(20_000, 20_000, 3);
    let config = engram_gossip_proto::SessionConfig::default();
    let contact = common::Pair::new(
        (config.clone(), config),
        (common::parameters(), common::parameters()),
        (vec![(space("default"), a)], vec![(space("default"), b)]),
    )
    .run(|_, _, frame| vec![frame]);
    let mut turns = vec![0];
    for (_, frame) in &contact.frames {
        *turns.last_mut().unwrap() += match Message::decode(frame).unwrap() {
            (Message::SubtreeRequest(request), _) => request.nodes.len(),
            (Message::SubtreeResponse(response), _) => response.listings.len(),
            _ => 0,
        };
        if frame[4] == 1 {
            turns.push(0);
        }
    }
    assert_eq!(turns.iter().max(), Some(&limits::NODES_PER_TURN), "{turns:?}");
    assert!(contact.opener.stats.records_in > 14_000, "the descent continues in later turns");
}

#[test]
fn a_peer_that_asks_for_listings_costs_little() {
    let entries = 4 * limits::MAX_PENDING;
    let (a, b) = (common::sparse::pair(0, 0, 3).0, common::sparse::pair(entries, 0, 3).0);
    let config = engram_gossip_proto::SessionConfig::default();
    let asking = engram_gossip_proto::SessionConfig { intake: Intake::Offered, ..config.clone() };
    let contact = common::Pair::new(
        (asking, config),
        (common::parameters(), common::parameters()),
        (vec![(space("default"), a)], vec![(space("default"), b.clone())]),
    )
    .run(|_, _, frame| vec![frame]);
    assert_eq!(contact.opener.result, Ending::BudgetSpent);
    let read = b.read.get();
    assert!(read <= 3 * limits::MAX_PENDING, "{read} entries were read");
}

#[test]
fn send_queue_is_limited() {
    // A peer that keeps requesting the same few keys can fill the queue, but not exceed its limit.
    let store = common::Store::default();
    for i in 0..12 {
        store.change().submit(1, i + 1, content(&format!("pattern_{i}"), i as u32));
    }
    let now = std::time::Duration::ZERO;
    let config = engram_gossip_proto::SessionConfig::default();
    let spaces = vec![(space("default"), store.pin())];
    let mut session =
        engram_gossip_proto::Session::accept(config, common::parameters(), [3; 8], spaces, now)
            .unwrap();
    let root = SpaceRoot { space: space("default"), root: [9; 32], count: 0, generation: 0 };
    let hello = Message::MerkleRootExchange(Hello {
        capabilities: 0,
        key: [0; 8],
        receive_budget: 512 << 20,
        greeting: Greeting::default(),
        parameters: HelloParameters::Digest(common::parameters().digest()),
        spaces: Spaces::Table { buckets: u16::MAX, spaces: vec![root] },
    });
    session.handle_frame(&hello.encode(Compression::Off, true), now).unwrap();
    while session.poll_frame(now).is_some() {}
    let want = |id: usize| Want {
        key: *common::key_of(&format!("pattern_{id}")).first_chunk().unwrap(),
        holds: vec![],
        context: vec![],
    };
    let mut wants: Vec<_> = (0..12).map(want).collect();
    wants.sort_unstable_by_key(|want| want.key);
    let request = Message::PatternRequest(PatternRequest { space: 0, wants });
    let rounds = limits::MAX_PENDING / 12 + 10;
    for round in 0..rounds {
        let last = round + 1 == rounds;
        session.handle_frame(&request.encode(Compression::Off, last), now).unwrap();
    }
    let mut last = None;
    while let Some(frame) = session.poll_frame(now) {
        last = Some(Message::decode(&frame).unwrap().0);
    }
    assert_eq!(session.stats().records_out, limits::MAX_PENDING as u64);
    assert!(matches!(last, Some(Message::Done(Done { kept_back: true, .. }))));
}
