//! Every limit of the wire: decoders accept a value at the limit, and refuse one above it.

use crate::common::{self, content, parameters_of, read, space};
use engram_gossip_proto::{
    Compression, ContentPart, DecodeError, Delivery, Done, Ending, FinalRoots, FrameHeader,
    Greeting, HEADER_LEN, Hello, HelloParameters, IdError, Intake, Line, Listing, Message, Node,
    OpaqueContent, Parameters, Part, PatternContent, PatternRequest, PatternSync, Prefix,
    RangeAnswer, RangeOffer, Record, RootAdvert, SpaceId, SpaceRoot, Spaces,
    SubtreeRequest, SubtreeResponse, Summary, Tag, UnsendableRecord, VersionBase, Versions,
    WalkedRoot, Want, Wire, check_content, check_id, limits,
};

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
    // Equal ids take twelve bytes each on the wire, and 256 in memory.
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
