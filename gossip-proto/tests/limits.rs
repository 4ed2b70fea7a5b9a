//! Every limit of the wire: what reaches it is taken, what exceeds it is refused by its cap.

mod common;

use common::{actor, content, space};
use engram_gossip_proto::{
    Actor, Body, Compression, Content, DecodeError, Delivery, Done, Dot, FrameHeader, HEADER_LEN,
    Hello, Line, Listing, Message, Node, PatternRequest, PatternSync, Prefix, Record, RootAdvert,
    SpaceId, SpaceRoot, Spaces, SubtreeRequest, SubtreeResponse, Summary, WalkedRoot, Want, limits,
};

/// A message made to measure is taken at the cap and refused one above it.
fn reaches(cap: usize, make: impl Fn(usize) -> Message) {
    let frame = make(cap).encode(Compression::Off, true);
    assert!(frame.len() <= limits::MAX_FRAME);
    Message::decode(&frame).unwrap_or_else(|error| panic!("at the cap of {cap}: {error}"));
    match Message::decode(&make(cap + 1).encode(Compression::Off, true)) {
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

fn many_actors(count: usize) -> impl Iterator<Item = Actor> {
    (0..count).map(|i| Actor { node: digest(i), incarnation: 1 })
}

fn sync(records: Vec<Record>, contents: Vec<([u8; 32], Content)>) -> Message {
    Message::PatternSync(PatternSync { space: 0, delivery: Delivery { records, contents } })
}

fn one_record(siblings: Vec<Body>) -> Record {
    let siblings = siblings
        .into_iter()
        .enumerate()
        .map(|(at, body)| (Dot { actor: actor(1), counter: at as u64 + 1 }, body));
    Record { id: "id".into(), siblings: siblings.collect(), context: vec![(actor(1), 1 << 40)] }
}

/// A content that comes ahead of its record.
fn alone(content: Content) -> Message {
    sync(vec![], vec![([1; 32], content)])
}

#[test]
fn of_a_frame() {
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
fn of_the_hello() {
    let hello = |parameters| {
        Message::MerkleRootExchange(Hello {
            capabilities: 0,
            salt: 0,
            receive_budget: 0,
            parameters,
            spaces: Spaces::Hosts(vec![]),
        })
    };
    let parameters = common::parameters;
    reaches(limits::MAX_NAME, |len| {
        hello(engram_gossip_proto::Parameters { hash: "h".repeat(len).into(), ..parameters() })
    });
    reaches(limits::MAX_NAME, |len| {
        hello(engram_gossip_proto::Parameters { strategy: "s".repeat(len).into(), ..parameters() })
    });
}

#[test]
fn of_spaces() {
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
        let roots = (0..count as u32).map(|space| WalkedRoot { space, root: [0; 32] }).collect();
        Message::Done(Done { digest: [0; 32], kept_back: false, roots })
    });
    assert!(SpaceId::new("x".repeat(limits::MAX_SPACE_NAME)).is_ok());
    assert!(SpaceId::new("x".repeat(limits::MAX_SPACE_NAME + 1)).is_err());
}

#[test]
fn of_the_walk() {
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
        let lines = (0..count).map(|i| Line { key: key(i), record: [0; 5] }).collect();
        let listings = vec![Listing { prefix: Prefix::ROOT, lines }];
        Message::SubtreeResponse(SubtreeResponse { space: 0, listings })
    });
}

#[test]
fn of_requests() {
    let want = |i| Want { key: key(i), holds: vec![], context: vec![] };
    let request = |wants| Message::PatternRequest(PatternRequest { space: 0, wants });
    reaches(limits::MAX_WANTS, |count| request((0..count).map(want).collect()));
    reaches(limits::MAX_RECORD_CONTENTS, |count| {
        let holds = (0..count).map(|i| [0, 0, 0, 0, i as u8]).collect();
        request(vec![Want { holds, ..want(0) }])
    });
    reaches(limits::MAX_WANT_CONTEXT, |count| {
        let context = many_actors(count).map(|actor| (actor, 1)).collect();
        request(vec![Want { context, ..want(0) }])
    });
}

#[test]
fn of_records() {
    reaches(limits::MAX_RECORDS, |count| {
        sync((0..count).map(|_| one_record(vec![])).collect(), vec![])
    });
    reaches(limits::MAX_ID, |len| {
        sync(vec![Record { id: "-".repeat(len), ..one_record(vec![]) }], vec![])
    });
    let tombstone = || Body::Tombstone { buried: vec![] };
    reaches(limits::MAX_SIBLINGS, |count| {
        sync(vec![one_record((0..count).map(|_| tombstone()).collect())], vec![])
    });
    reaches(limits::MAX_RECORD_CONTENTS, |count| {
        sync(vec![one_record((0..count).map(|i| Body::Content(digest(i))).collect())], vec![])
    });
    reaches(limits::MAX_BURIED, |count| {
        let buried = (0..count).map(digest).collect();
        sync(vec![one_record(vec![Body::Tombstone { buried }])], vec![])
    });
    reaches(limits::MAX_BURIED, |count| {
        // The same over several tombstones of one record.
        let half =
            |range: std::ops::Range<usize>| Body::Tombstone { buried: range.map(digest).collect() };
        sync(vec![one_record(vec![half(0..100), half(100..count)])], vec![])
    });
    reaches(limits::MAX_CONTEXT, |count| {
        let context = many_actors(count).map(|actor| (actor, 1)).collect();
        sync(vec![Record { context, ..one_record(vec![]) }], vec![])
    });
    reaches(limits::MAX_COUNTER as usize, |counter| {
        let context = vec![(actor(1), counter as u64)];
        sync(vec![Record { context, ..one_record(vec![]) }], vec![])
    });
    reaches(limits::MAX_ACTORS, |count| {
        let actors: Vec<_> = many_actors(count).collect();
        let record = |part: &[Actor]| Record {
            context: part.iter().map(|actor| (*actor, 1)).collect(),
            ..one_record(vec![])
        };
        sync(actors.chunks(limits::MAX_CONTEXT).map(record).collect(), vec![])
    });
}

#[test]
fn of_contents() {
    let small = |_| Content { embedding: [1.0].into(), source_episodes: vec![], ..content("x", 1) };
    reaches(limits::MAX_CONTENTS, |count| {
        sync(vec![], (0..count).map(|i| (digest(i), small(i))).collect())
    });
    reaches(limits::MAX_EPISODES, |count| {
        alone(Content { source_episodes: vec!["e".into(); count], ..small(0) })
    });
    reaches(limits::MAX_EPISODE_ID, |len| {
        alone(Content { source_episodes: vec!["-".repeat(len)], ..small(0) })
    });
    reaches(limits::MAX_DIMENSION as usize, |dimension| {
        alone(Content { embedding: vec![1.5; dimension].into(), ..small(0) })
    });
}

#[test]
fn of_what_a_frame_unfolds_to() {
    // Equal ids take three bytes each on the wire, and 256 in memory.
    let bomb = |contents: usize| {
        let episodes = vec!["e".repeat(256); 3_000];
        let large =
            Content { source_episodes: episodes, embedding: [1.0].into(), ..content("x", 1) };
        sync(vec![], (0..contents).map(|i| (digest(i), large.clone())).collect())
    };
    assert!(Message::decode(&bomb(4).encode(Compression::Off, true)).is_ok());
    for compression in [Compression::Off, Compression::Lz4] {
        let frame = bomb(10).encode(compression, true);
        assert!(frame.len() < 500_000);
        let cap = limits::MAX_UNFOLDED as u64;
        match Message::decode(&frame) {
            Err(DecodeError::OverLimit { what, cap: named, .. }) => {
                assert_eq!((what, named), ("an unfolded batch", cap));
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn of_an_advert() {
    let summary = Summary { root: [1; 32], count: 1, generation: 1 };
    let spaces: Vec<_> = (0..200).map(|i| (space(&format!("space-{i:03}")), summary)).collect();
    let mut told = RootAdvert::encode(&spaces, usize::MAX);
    assert!(told.len() <= limits::MAX_ADVERT);
    assert!(RootAdvert::decode(&told).is_ok());
    told.resize(limits::MAX_ADVERT + 1, 0);
    assert!(matches!(RootAdvert::decode(&told), Err(DecodeError::OverLimit { .. })));
}

#[test]
fn of_subtrees_in_a_turn() {
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
    assert!(contact.opener.stats.records_in > 14_000, "the walk goes on in later turns");
}

#[test]
fn of_what_waits_to_be_sent() {
    // A peer that asks for the same few keys again and again fills the queue, and no more.
    let store = common::Store::default();
    for i in 0..12 {
        store.0.borrow_mut().submit(1, i + 1, content(&format!("pattern_{i}"), i as u32));
    }
    let now = std::time::Duration::ZERO;
    let config = engram_gossip_proto::SessionConfig::default();
    let spaces = vec![(space("default"), store.pin())];
    let mut session =
        engram_gossip_proto::Session::accept(config, common::parameters(), spaces, now).unwrap();
    let root = SpaceRoot { space: space("default"), root: [9; 32], count: 0, generation: 0 };
    let hello = Message::MerkleRootExchange(Hello {
        capabilities: 0,
        salt: 0,
        receive_budget: 512 << 20,
        parameters: common::parameters(),
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
