use super::*;

const SHAPE: Shape = Shape { dimension: 3, precision: Precision::F32 };

fn pattern() -> SemanticPattern {
    SemanticPattern {
        id: "pattern_7".to_owned(),
        embedding: Arc::from([0.5, -0.25, 0.0]),
        source_episodes: vec!["a".to_owned(), "a".to_owned(), "b".to_owned()],
        strength: 1.000_000_1,
        schema_confidence: Confidence::CERTAIN,
        last_consolidated: Timestamp::from_nanoseconds(1_740_839_569_746_000_001),
    }
}

fn content(pattern: SemanticPattern) -> Result<Content, PatternError> {
    Content::new(&Arc::new(pattern), SHAPE, &AnyHasher::Sha256)
}

fn changed(change: impl FnOnce(&mut SemanticPattern)) -> Result<Content, PatternError> {
    let mut pattern = pattern();
    change(&mut pattern);
    content(pattern)
}

/// A change to one of these values makes old and new nodes incompatible, so it needs a new tag.
#[test]
fn golden_digests() {
    let halves = pattern();
    let singles = SemanticPattern { embedding: Arc::from([0.5, -0.25, 0.1]), ..pattern() };
    let digests = [halves, singles].map(|pattern| {
        let pattern = Arc::new(pattern);
        let digest = |hasher| Content::new(&pattern, SHAPE, &hasher).unwrap().digest().to_string();
        [AnyHasher::Sha256, AnyHasher::Blake3].map(digest)
    });
    assert_eq!(digests, GOLDEN);
}

/// The digests of a pattern with two-byte numbers, then of one with four-byte numbers, each under SHA-256 and BLAKE3.
const GOLDEN: [[&str; 2]; 2] = [
    [
        "4b7de4a690bc412597275624a70c93a502a30116255c93205325e565b1c77050",
        "a72fbd3338dfe58a148c98c94f53e94e2dc34a60f457fb5c85f037fb97f0f979",
    ],
    [
        "38f5222851fa2e72a4944fbb1bba9b7cca893af80a7469a5285499c69c972ab5",
        "f81f693edc8d3fe87d6202931620eacc98cf9d2157921f905d313bb5169de5a2",
    ],
];

#[test]
fn every_field_counts_to_the_last_bit() {
    let whole = content(pattern()).unwrap().digest();
    let next = |x: f32| f32::from_bits(x.to_bits() + 1);
    let others = [
        changed(|p| p.id.push('0')),
        changed(|p| p.embedding = Arc::from([next(0.5), -0.25, 0.0])),
        changed(|p| p.source_episodes = vec!["a".to_owned(), "b".to_owned()]),
        changed(|p| p.source_episodes = vec!["a".to_owned(), "ab".to_owned()]),
        changed(|p| p.strength = next(p.strength)),
        changed(|p| p.schema_confidence = Confidence::HIGH),
        changed(|p| p.last_consolidated = Timestamp::from_nanoseconds(1_740_839_569_746_000_002)),
    ];
    for other in others {
        assert_ne!(other.unwrap().digest(), whole);
    }
}

#[test]
fn equal_contents_have_one_form() {
    let whole = content(pattern()).unwrap();
    let same = changed(|p| {
        p.source_episodes.reverse();
        p.embedding = Arc::from([0.5, -0.25, -0.0]);
    });
    let same = same.unwrap();
    assert_eq!(same.digest(), whole.digest());
    assert_eq!(same.pattern(), whole.pattern());
    assert_eq!(same.pattern().embedding[2].to_bits(), 0);
}

#[test]
fn a_canonical_pattern_is_shared_and_not_copied() {
    let pattern = Arc::new(pattern());
    let content = Content::new(&pattern, SHAPE, &AnyHasher::Sha256).unwrap();
    assert!(Arc::ptr_eq(content.pattern(), &pattern));
}

#[test]
fn extreme_engine_values_are_accepted() {
    assert!(changed(|p| p.strength = 1.000_000_1).is_ok());
    assert!(changed(|p| p.strength = 0.0).is_ok());
    assert!(changed(|p| p.source_episodes.clear()).is_ok());
    assert!(changed(|p| p.embedding = Arc::from([f32::MIN_POSITIVE / 2.0, 0.0, 1.0])).is_ok());
    assert!(changed(|p| p.id = "x".repeat(MAX_ID_BYTES)).is_ok());
    assert!(changed(|p| p.source_episodes = vec!["e".to_owned(); MAX_EPISODES]).is_ok());
    assert!(changed(|p| p.source_episodes = vec!["e".repeat(MAX_EPISODE_ID_BYTES)]).is_ok());
}

#[test]
fn unshareable_pattern_is_refused_by_field() {
    let refused = |change: fn(&mut SemanticPattern)| changed(change).unwrap_err();
    assert_eq!(refused(|p| p.id.clear()), PatternError::IdLength { bytes: 0 });
    assert_eq!(
        refused(|p| p.id = "x".repeat(MAX_ID_BYTES + 1)),
        PatternError::IdLength { bytes: MAX_ID_BYTES + 1 }
    );
    assert_eq!(
        refused(|p| p.embedding = Arc::from([1.0, 2.0])),
        PatternError::Dimension { expected: 3, found: 2 }
    );
    for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let error = changed(|p| p.embedding = Arc::from([0.0, value, 0.0])).unwrap_err();
        assert!(matches!(error, PatternError::Embedding { index: 1, .. }), "{error}");
        let error = changed(|p| p.strength = value).unwrap_err();
        assert!(matches!(error, PatternError::Strength { .. }), "{error}");
    }
    assert_eq!(refused(|p| p.strength = -0.5), PatternError::Strength { value: -0.5 });
    assert_eq!(
        refused(|p| p.source_episodes = vec![String::new(); MAX_EPISODES + 1]),
        PatternError::EpisodeCount { found: MAX_EPISODES + 1 }
    );
    assert_eq!(
        refused(|p| p.source_episodes.push("e".repeat(MAX_EPISODE_ID_BYTES + 1))),
        PatternError::EpisodeIdLength { index: 3, bytes: MAX_EPISODE_ID_BYTES + 1 }
    );
}

#[test]
fn embedding_over_the_wire_limit_is_refused() {
    let dimension = PatternContent::MAX_DIMENSION as usize + 1;
    let long = SemanticPattern { embedding: vec![0.5; dimension].into(), ..pattern() };
    let shape = Shape { dimension, ..SHAPE };
    let refused = Content::new(&Arc::new(long), shape, &AnyHasher::Sha256).unwrap_err();
    let PatternError::TooLarge(too_large) = refused else { panic!("{refused:?}") };
    let limit = PatternContent::MAX_DIMENSION.into();
    assert_eq!((too_large.size, too_large.limit), (dimension as u64, limit));
}

#[test]
fn the_wire_form_round_trips() {
    let whole = content(pattern()).unwrap();
    let taken = |wire| {
        let digest = wire_digest(&wire, &AnyHasher::Sha256);
        Content::from_wire(wire, digest, SHAPE, Introducer::Peer(None))
    };
    let again = taken(to_wire(whole.pattern())).unwrap();
    assert_eq!(again.digest(), whole.digest());
    let mut unsorted = to_wire(whole.pattern());
    unsorted.source_episodes.reverse();
    let mut negative_zero = to_wire(whole.pattern());
    negative_zero.embedding = Arc::from([-0.0, 0.0, 0.0]);
    for wire in [unsorted, negative_zero] {
        assert_eq!(taken(wire).unwrap_err(), PatternError::NotCanonical);
    }
    let mut wire = to_wire(whole.pattern());
    wire.schema_confidence = f32::NAN;
    let refused = taken(wire);
    assert!(matches!(refused, Err(PatternError::Confidence { .. })));
}
