//! Tests that bad input gives an error that names the cause, or a documented result.

use engram_conflict::pattern::{
    ConfidenceVoting, ConfidenceWeighted, CrossIdView, InvalidPattern, KeepBoth, LastWriter,
    Observed, OwnedPattern, Thresholds, blend, cosine, explain,
};
use engram_conflict::{
    Explanation, InvalidStrategyId, InvalidVersions, Strategy, StrategyId, Version, Versions,
    Violation,
};

type Sibling = Version<OwnedPattern>;

/// Creates a valid version and applies `change` to its pattern.
fn version(digest: u8, change: impl FnOnce(&mut OwnedPattern)) -> Sibling {
    let mut pattern = OwnedPattern::new(vec![0.5; 40], vec!["e".to_string()]);
    (pattern.confidence, pattern.consolidated_at) = (0.5, 7);
    change(&mut pattern);
    Version::new([digest; 32], pattern)
}

fn valid(digest: u8) -> Sibling {
    version(digest, |_| ())
}

#[track_caller]
fn refused(versions: impl IntoIterator<Item = Sibling>) -> InvalidVersions<InvalidPattern> {
    Versions::new(versions).expect_err("must be refused")
}

#[test]
fn an_empty_set_is_refused() {
    assert_eq!(refused([]), InvalidVersions::Empty);
    assert_eq!(refused([]).to_string(), "no versions: a set to resolve has at least one");
}

#[test]
fn non_finite_numbers_are_refused_by_field() {
    for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let error = refused([valid(1), version(2, |p| p.embedding[33] = value)]).to_string();
        let expected = format!(
            "version 02020202: component 33 of the embedding is {value}, not a finite number"
        );
        assert_eq!(error, expected);
        let error = refused([valid(1), version(2, |p| p.strength = value)]).to_string();
        assert!(error.starts_with("version 02020202: strength"), "{error}");
        let error = refused([valid(1), version(2, |p| p.confidence = value)]).to_string();
        assert!(error.starts_with("version 02020202: confidence"), "{error}");
    }
}

#[test]
fn strength_may_exceed_one_confidence_may_not() {
    let InvalidVersions::Value(invalid) = refused([version(1, |p| p.confidence = 1.000_000_1)])
    else {
        panic!("the value is invalid")
    };
    assert_eq!(invalid.digest, [1; 32]);
    assert!(matches!(invalid.cause, InvalidPattern::Confidence { value } if value > 1.0));
    // The engine emits this strength: it is accepted and returned unchanged.
    let versions = Versions::new([version(1, |p| p.strength = 1.000_000_1)]).unwrap();
    let resolution = ConfidenceVoting.resolve(&versions);
    assert_eq!(resolution.visible(&versions).strength.to_bits(), 1.000_000_1f32.to_bits());
    refused([version(1, |p| p.strength = -0.1)]);
}

#[test]
fn versions_that_do_not_match_are_refused() {
    assert_eq!(
        refused([version(2, |p| p.embedding = vec![0.5; 39]), valid(1)]).to_string(),
        "version 02020202: the embedding has 39 dimensions, but the other versions have 40"
    );
    assert!(refused([valid(1).confirmed(0)]).to_string().contains("0 confirmations"));
    assert_eq!(
        refused([valid(1), version(1, |p| p.consolidated_at = 8)]),
        InvalidVersions::Contradiction { digest: [1; 32] }
    );
    let signs = [0.0, -0.0].map(|zero| version(1, |p| p.confidence = zero));
    assert!(matches!(refused(signs), InvalidVersions::Contradiction { .. }));
}

#[test]
fn extremes_are_valid_and_resolved() {
    let extremes = [0.0, -0.0, 1e-45, f32::MIN_POSITIVE, f32::MAX, f32::MIN];
    let owned: Vec<Sibling> = (0..64)
        .map(|i| {
            let change = |p: &mut OwnedPattern| {
                p.embedding = (0..40).map(|j| extremes[(i + j) % extremes.len()]).collect();
                p.confidence = [0.0, -0.0, 1e-45, 1.0][i % 4];
                p.strength = [0.0, f32::MAX][i % 2];
                p.consolidated_at = [i64::MIN, i64::MAX][i % 2];
            };
            version(i as u8, change).confirmed(u32::MAX)
        })
        .collect();
    // Each version occurs twice, so the confirmations saturate.
    let versions = Versions::new(owned.iter().chain(&owned).cloned()).unwrap();
    assert_eq!(versions.len(), 64);
    assert!(versions.iter().all(|version| version.confirmations == u32::MAX));
    let strategies: [&dyn Strategy<OwnedPattern>; 5] = [
        &ConfidenceVoting,
        &ConfidenceWeighted::new(),
        &ConfidenceWeighted::by_confirmations(),
        &LastWriter,
        &KeepBoth,
    ];
    for strategy in strategies {
        let resolution = strategy.resolve(&versions);
        let visible = resolution.visible(&versions);
        assert!(visible.embedding.iter().all(|x| x.is_finite()));
        assert!(visible.strength.is_finite() && (0.0..=1.0).contains(&visible.confidence));
        assert_eq!(explain(strategy, &versions).contributions.len(), 64);
    }
}

#[test]
fn empty_embedding_and_citations_are_valid() {
    let empty = |digest, confidence| {
        version(digest, |p| {
            (p.embedding, p.citations, p.confidence) = (Vec::new(), Vec::new(), confidence);
        })
    };
    let versions = Versions::new([empty(1, 0.5), empty(2, 0.25)]).unwrap();
    let mean = ConfidenceWeighted::new().resolve(&versions);
    assert_eq!(mean.visible(&versions).embedding, [0.0; 0]);
    assert!(mean.visible(&versions).citations.is_empty());
}

#[test]
fn cosine_of_unusable_vectors_is_none() {
    assert_eq!(cosine(&[], &[]), None);
    assert_eq!(cosine(&[1.0], &[1.0, 2.0]), None);
    assert_eq!(cosine(&[f32::NAN], &[1.0]), None);
    assert_eq!(cosine(&[1.0], &[f32::INFINITY]), None);
    assert_eq!(cosine(&[0.0, -0.0], &[1.0, 1.0]), None);
    assert_eq!(cosine(&[f32::MAX; 50], &[f32::MAX; 50]), Some(1.0));
    assert_eq!(cosine(&[1e-45; 50], &[-1e-45; 50]), Some(-1.0));
    assert_eq!(cosine(&[1e-30, 0.0], &[0.0, -1e30]).map(f32::to_bits), Some(0));
    assert_eq!(blend([]), None);
    assert_eq!(blend([(1.0, &[1.0][..]), (0.0, &[])]), None);
}

#[test]
fn detection_is_total() {
    let citations = ["e".to_string()];
    let observed = |id, embedding| Observed::new(id, [0; 32], embedding, &citations);
    let thresholds = Thresholds::default();
    let conflict = thresholds.detect(None, &observed("a", &[]), &observed("b", &[f32::NAN]));
    // Without a cosine, two patterns are not similar, so a shared episode is disputed.
    assert_eq!(
        conflict.unwrap().to_string(),
        "episode ownership: no cosine, 1 episode in common (Jaccard 1.000, the same episodes)"
    );
    assert_eq!(thresholds.detect(None, &observed("a", &[]), &observed("a", &[])), None);
}

#[test]
fn identities_have_one_spelling() {
    let refused = |text: &str| text.parse::<StrategyId>().expect_err(text);
    for text in ["", "a", "a1", "name;x=1", "a/1;", "a/1;x"] {
        assert!(matches!(refused(text), InvalidStrategyId::Form(_)), "{text}");
    }
    for text in ["a/", "a/0", "a/01", "a/+1", "a/65536", "a/-1", "a/1/2"] {
        assert!(matches!(refused(text), InvalidStrategyId::Version(_)), "{text}");
    }
    for text in ["/1", "A/1", "a b/1", "ä/1", "a/1;X=1", "a/1;=1"] {
        assert!(matches!(refused(text), InvalidStrategyId::Name(_)), "{text}");
    }
    for text in ["a/1;x=", "a/1;x=1=2", "a/1;x= 1"] {
        assert!(matches!(refused(text), InvalidStrategyId::Value(_)), "{text}");
    }
    for text in ["a/1;y=1;x=1", "a/1;x=1;x=1"] {
        assert!(matches!(refused(text), InvalidStrategyId::Order(_)), "{text}");
    }
    let long = "a".repeat(65);
    assert!(matches!(refused(&format!("{long}/1")), InvalidStrategyId::Name(_)));
    let many = (10..27).map(|i| format!(";p{i}=1")).collect::<String>();
    assert_eq!(refused(&format!("a/1{many}")), InvalidStrategyId::TooMany);
    assert!(StrategyId::new("a", 0).is_err());
}

#[test]
fn public_types_are_send_and_sync() {
    fn check<T: Send + Sync + 'static>() {}
    check::<Versions<OwnedPattern>>();
    check::<Box<dyn Strategy<OwnedPattern>>>();
    check::<Explanation>();
    check::<CrossIdView<String, OwnedPattern>>();
    check::<Violation>();
}
