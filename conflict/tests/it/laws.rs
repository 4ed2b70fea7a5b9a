//! Tests that the built-in strategies keep their laws.

use engram_conflict::pattern::{
    ConfidenceVoting, ConfidenceWeighted, KeepBoth, LastWriter, OwnedPattern, explain, laws,
    laws_of,
};
use engram_conflict::{Law, Laws, Outcome, Reason, Strategy, Version, Versions};
use std::sync::Arc;

/// Every strategy of the crate, with the law from which it is exempt, if any.
fn strategies() -> [(Box<dyn Strategy<OwnedPattern>>, Option<Law>); 5] {
    [
        (Box::new(ConfidenceVoting), None),
        (Box::new(ConfidenceWeighted::new()), None),
        (Box::new(ConfidenceWeighted::by_confirmations()), None),
        (Box::new(LastWriter), Some(Law::Citations)),
        (Box::new(KeepBoth), None),
    ]
}

#[test]
fn each_strategy_keeps_its_laws() {
    for (strategy, excepted) in strategies() {
        excepted.into_iter().fold(laws(), Laws::except).assert(&*strategy);
    }
}

#[test]
fn shared_and_owned_patterns_resolve_alike() {
    let shared = laws_of(Arc::new).check(&ConfidenceWeighted::new()).unwrap();
    assert_eq!(shared, laws().check(&ConfidenceWeighted::new()).unwrap());
}

#[test]
fn each_strategy_keeps_its_laws_from_other_seeds() {
    for (strategy, excepted) in strategies() {
        let laws = excepted.into_iter().fold(laws().cases(100), Laws::except);
        for seed in 1..6 {
            laws.clone().seed(seed).assert(&*strategy);
        }
    }
}

/// Law S6: these numbers were computed on x86-64. Every machine and build must reproduce them.
#[test]
fn fingerprints_of_all_answers_are_golden() {
    let fingerprints = strategies().map(|(strategy, excepted)| {
        let laws = excepted.into_iter().fold(laws(), Laws::except);
        (strategy.id().to_string(), laws.check(&*strategy).unwrap().fingerprint)
    });
    let expected = [
        ("confidence-voting/1", 0x05e75d6fe08f8f9c),
        ("confidence-weighted/1;weight=confidence", 0x0cfc9caf808902c5),
        ("confidence-weighted/1;weight=confidence-confirmations", 0xafefc0944ae491c9),
        ("last-writer/1", 0x86787e1e407c1d17),
        ("keep-both/1", 0xeb89f1930ccc580b),
    ];
    assert_eq!(fingerprints, expected.map(|(id, bits)| (id.to_string(), bits)));
}

fn version(digest: u8, embedding: [f32; 3], citation: &str) -> Version<OwnedPattern> {
    let citations = vec![citation.to_string(), "shared".to_string()];
    let mut pattern = OwnedPattern::new(embedding.to_vec(), citations);
    pattern.strength = 0.8;
    pattern.confidence = 0.75;
    pattern.consolidated_at = 1_700_000_000_000_000_000;
    Version::new([digest; 32], pattern)
}

/// Replicas join sets; if they folded pairs of results, they would not converge.
#[test]
fn equal_confidences_agree_in_six_merge_orders() {
    let nodes = [
        version(1, [1.0, 0.0, 0.3], "a"),
        version(2, [0.0, 1.0, 0.1], "b"),
        version(3, [0.2, 0.1, 0.7], "c"),
    ];
    let orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
    for (strategy, _) in strategies() {
        let results = orders.map(|order| {
            let held = order.map(|node| nodes[node].clone());
            let versions = Versions::new(held).unwrap();
            let resolution = strategy.resolve(&versions);
            let visible = resolution.visible(&versions);
            let bits: Vec<u32> = visible.embedding.iter().map(|x| x.to_bits()).collect();
            let scalars = (visible.strength.to_bits(), visible.confidence.to_bits());
            (bits, visible.citations.clone(), scalars, visible.consolidated_at)
        });
        assert!(results.windows(2).all(|pair| pair[0] == pair[1]), "{}", strategy.id());
    }
}

#[test]
fn voting_unites_citations_of_all_versions() {
    let (mut sure, mut late) = (version(1, [1.0; 3], "a"), version(2, [0.5; 3], "b"));
    sure.value.confidence = 0.875;
    late.value.consolidated_at += 5;
    let versions = Versions::new([sure.clone(), late.clone()]).unwrap();
    let resolution = ConfidenceVoting.resolve(&versions);
    let visible = resolution.visible(&versions);
    assert_eq!(resolution.reason, Reason::Confidence { lead: 0.125 });
    assert_eq!(visible.embedding, sure.value.embedding);
    assert_eq!(visible.confidence, 0.875);
    assert_eq!(visible.citations, ["a", "b", "shared"]);
    assert_eq!(visible.consolidated_at, late.value.consolidated_at);
}

#[test]
fn voting_chooses_a_complete_version_uncopied() {
    let (mut rich, poor) = (version(1, [1.0; 3], "a"), version(2, [0.5; 3], "a"));
    rich.value.confidence = 1.0;
    rich.value.citations = ["shared", "a", "b"].map(String::from).to_vec();
    let versions = Versions::new([rich.clone(), poor.clone()]).unwrap();
    assert_eq!(ConfidenceVoting.resolve(&versions).outcome, Outcome::Chosen(0));
}

#[test]
fn greater_digest_breaks_confidence_ties() {
    let nodes = [version(1, [1.0; 3], "a"), version(2, [0.5; 3], "b"), version(3, [0.1; 3], "c")];
    let versions = Versions::new(nodes.clone()).unwrap();
    let resolution = ConfidenceVoting.resolve(&versions);
    assert_eq!(resolution.reason, Reason::Digest { tied: 3 });
    assert_eq!(resolution.visible(&versions).embedding, [0.1; 3]);
    assert_eq!(LastWriter.resolve(&versions).outcome, Outcome::Chosen(2));
    assert_eq!(KeepBoth.resolve(&versions).outcome, Outcome::Kept(vec![2, 1, 0]));
}

#[test]
fn weighted_mean_covers_all_versions_at_once() {
    let mut nodes = [
        version(1, [1.0, 0.0, 0.0], "a"),
        version(2, [0.0, 1.0, 0.0], "b"),
        version(3, [0.0, 0.0, 1.0], "c"),
    ];
    let versions = Versions::new(nodes.clone()).unwrap();
    let third = (1.0f64 / 3.0) as f32;
    let resolution = ConfidenceWeighted::new().resolve(&versions);
    assert_eq!(resolution.visible(&versions).embedding, [third; 3]);
    assert_eq!(resolution.visible(&versions).confidence, 0.75);

    nodes[0].confirmations = 2;
    let versions = Versions::new(nodes.clone()).unwrap();
    let resolution = ConfidenceWeighted::by_confirmations().resolve(&versions);
    assert_eq!(resolution.visible(&versions).embedding, [0.5, 0.25, 0.25]);
}

#[test]
fn zero_weights_give_the_plain_mean() {
    let mut nodes = [version(1, [1.0, 0.0, 0.5], "a"), version(2, [0.0, 1.0, 0.5], "b")];
    nodes.iter_mut().for_each(|node| node.value.confidence = 0.0);
    let versions = Versions::new(nodes.clone()).unwrap();
    let resolution = ConfidenceWeighted::new().resolve(&versions);
    assert_eq!(resolution.reason, Reason::PlainMean);
    assert_eq!(resolution.visible(&versions).embedding, [0.5; 3]);
    assert_eq!(resolution.visible(&versions).confidence.to_bits(), 0.0f32.to_bits());
}

#[test]
fn explanation_lists_shares_and_citations() {
    let (mut sure, other) = (version(1, [1.0; 3], "a"), version(2, [0.5; 3], "b"));
    sure.value.confidence = 0.875;
    let versions = Versions::new([sure.clone(), other.clone()]).unwrap();

    let voting = explain(&ConfidenceVoting, &versions);
    assert_eq!(voting.contributions.iter().map(|c| c.share).collect::<Vec<_>>(), [1.0, 0.0]);
    assert!(voting.contributions.iter().all(|c| c.citations_of_its_own == 1));
    assert_eq!((voting.citations, voting.citations_lost), (3, 0));
    assert_eq!(
        voting.to_string(),
        "confidence-voting/1: the greatest confidence, by 0.125; confidence 0.875, 3 citations\n  \
         01010101: 100.0 % of the embedding, confidence 0.875, 1 x confirmed, 2 citations (1 of its own)\n  \
         02020202: 0.0 % of the embedding, confidence 0.75, 1 x confirmed, 2 citations (1 of its own)"
    );

    let both = explain(&KeepBoth, &versions).to_string();
    assert!(both.contains("confidence 0.875, 3 citations in all\n"), "{both}");

    let last = explain(&LastWriter, &versions);
    assert_eq!((last.citations, last.citations_lost), (2, 1));

    let mean = explain(&ConfidenceWeighted::new(), &versions);
    let shares: f64 = mean.contributions.iter().map(|c| c.share).sum();
    assert_eq!(shares, 1.0);
}
