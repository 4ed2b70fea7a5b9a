//! The built-in strategies keep their laws.

use engram_conflict::{
    ConfidenceVoting, ConfidenceWeighted, KeepBoth, LastWriter, Law, Laws, Outcome, OwnedVersion,
    Reason, Strategy, Versions, assert_strategy_laws,
};

/// Every strategy of the crate, with the laws it does not promise.
fn strategies() -> [(Box<dyn Strategy>, Option<Law>); 5] {
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
    assert_strategy_laws!(ConfidenceVoting);
    assert_strategy_laws!(ConfidenceWeighted::new());
    assert_strategy_laws!(ConfidenceWeighted::by_confirmations());
    assert_strategy_laws!(LastWriter, except Citations);
    assert_strategy_laws!(KeepBoth);
}

#[test]
fn each_strategy_keeps_its_laws_from_other_seeds() {
    for (strategy, excepted) in strategies() {
        let laws = excepted.into_iter().fold(Laws::new().cases(100), Laws::except);
        for seed in 1..6 {
            laws.clone().seed(seed).assert(&*strategy);
        }
    }
}

/// Law S6: these numbers were written on x86-64. Every machine and build must find them again.
#[test]
fn the_bits_of_all_answers_are_those_of_every_other_machine() {
    let fingerprints = strategies().map(|(strategy, excepted)| {
        let laws = excepted.into_iter().fold(Laws::new(), Laws::except);
        (strategy.id().to_string(), laws.check(&*strategy).unwrap().fingerprint)
    });
    let expected = [
        ("confidence-voting/1", 0xb737d56019c5e329),
        ("confidence-weighted/1;weight=confidence", 0xa058ba4e75454634),
        ("confidence-weighted/1;weight=confidence-confirmations", 0x0c8ac1ed29d31d7a),
        ("last-writer/1", 0x0aed9ff71ace0e1f),
        ("keep-both/1", 0x3f3f302c065d8856),
    ];
    assert_eq!(fingerprints, expected.map(|(id, bits)| (id.to_string(), bits)));
}

fn version(digest: u8, embedding: [f32; 3], citation: &str) -> OwnedVersion {
    OwnedVersion {
        digest: [digest; 32],
        embedding: embedding.to_vec(),
        citations: vec![citation.to_string(), "shared".to_string()],
        strength: 0.8,
        confidence: 0.75,
        consolidated_at: 1_700_000_000_000_000_000,
        confirmations: 1,
    }
}

/// What replicas do: they join sets. Folding pairs of results is what does not converge.
#[test]
fn three_nodes_with_equal_confidence_agree_in_all_six_merge_orders() {
    let nodes = [
        version(1, [1.0, 0.0, 0.3], "a"),
        version(2, [0.0, 1.0, 0.1], "b"),
        version(3, [0.2, 0.1, 0.7], "c"),
    ];
    let orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
    for (strategy, _) in strategies() {
        let results = orders.map(|order| {
            let held = order.map(|node| nodes[node].as_version());
            let versions = Versions::new(held).unwrap();
            let resolution = strategy.resolve(&versions);
            let visible = resolution.visible(&versions);
            let bits: Vec<u32> = visible.embedding.iter().map(|x| x.to_bits()).collect();
            let scalars = (visible.strength.to_bits(), visible.confidence.to_bits());
            (bits, visible.citations.to_vec(), scalars, visible.consolidated_at)
        });
        assert!(results.windows(2).all(|pair| pair[0] == pair[1]), "{}", strategy.id());
    }
}

#[test]
fn voting_takes_the_most_confident_and_all_citations() {
    let (mut sure, mut late) = (version(1, [1.0; 3], "a"), version(2, [0.5; 3], "b"));
    sure.confidence = 0.875;
    late.consolidated_at += 5;
    let versions = Versions::new([sure.as_version(), late.as_version()]).unwrap();
    let resolution = ConfidenceVoting.resolve(&versions);
    let visible = resolution.visible(&versions);
    assert_eq!(resolution.reason, Reason::Confidence { lead: 0.125 });
    assert_eq!(visible.embedding, sure.embedding);
    assert_eq!(visible.confidence, 0.875);
    assert_eq!(visible.citations, ["a", "b", "shared"]);
    assert_eq!(visible.consolidated_at, late.consolidated_at);
}

#[test]
fn voting_chooses_a_version_that_has_everything_instead_of_copying_it() {
    let (mut rich, poor) = (version(1, [1.0; 3], "a"), version(2, [0.5; 3], "a"));
    rich.confidence = 1.0;
    rich.citations = ["shared", "a", "b"].map(String::from).to_vec();
    let versions = Versions::new([rich.as_version(), poor.as_version()]).unwrap();
    assert_eq!(ConfidenceVoting.resolve(&versions).outcome, Outcome::Chosen(0));
}

#[test]
fn equal_confidences_are_decided_by_the_greater_digest() {
    let nodes = [version(1, [1.0; 3], "a"), version(2, [0.5; 3], "b"), version(3, [0.1; 3], "c")];
    let versions = Versions::new(nodes.iter().map(|node| node.as_version())).unwrap();
    let resolution = ConfidenceVoting.resolve(&versions);
    assert_eq!(resolution.reason, Reason::Digest { tied: 3 });
    assert_eq!(resolution.visible(&versions).embedding, [0.1; 3]);
    assert_eq!(LastWriter.resolve(&versions).outcome, Outcome::Chosen(2));
    assert_eq!(KeepBoth.resolve(&versions).outcome, Outcome::Kept(vec![2, 1, 0]));
}

#[test]
fn the_weighted_mean_weighs_all_versions_at_once() {
    let mut nodes = [
        version(1, [1.0, 0.0, 0.0], "a"),
        version(2, [0.0, 1.0, 0.0], "b"),
        version(3, [0.0, 0.0, 1.0], "c"),
    ];
    let versions = Versions::new(nodes.iter().map(|node| node.as_version())).unwrap();
    let third = (1.0f64 / 3.0) as f32;
    let resolution = ConfidenceWeighted::new().resolve(&versions);
    assert_eq!(resolution.visible(&versions).embedding, [third; 3]);
    assert_eq!(resolution.visible(&versions).confidence, 0.75);

    nodes[0].confirmations = 2;
    let versions = Versions::new(nodes.iter().map(|node| node.as_version())).unwrap();
    let resolution = ConfidenceWeighted::by_confirmations().resolve(&versions);
    assert_eq!(resolution.visible(&versions).embedding, [0.5, 0.25, 0.25]);
}

#[test]
fn without_any_weight_the_mean_is_plain() {
    let mut nodes = [version(1, [1.0, 0.0, 0.5], "a"), version(2, [0.0, 1.0, 0.5], "b")];
    nodes.iter_mut().for_each(|node| node.confidence = 0.0);
    let versions = Versions::new(nodes.iter().map(|node| node.as_version())).unwrap();
    let resolution = ConfidenceWeighted::new().resolve(&versions);
    assert_eq!(resolution.reason, Reason::PlainMean);
    assert_eq!(resolution.visible(&versions).embedding, [0.5; 3]);
    assert_eq!(resolution.visible(&versions).confidence.to_bits(), 0.0f32.to_bits());
}

#[test]
fn an_explanation_tells_the_story_of_the_resolution() {
    let (mut sure, other) = (version(1, [1.0; 3], "a"), version(2, [0.5; 3], "b"));
    sure.confidence = 0.875;
    let versions = Versions::new([sure.as_version(), other.as_version()]).unwrap();

    let voting = ConfidenceVoting.explain(&versions);
    assert_eq!(voting.contributions.iter().map(|c| c.share).collect::<Vec<_>>(), [1.0, 0.0]);
    assert!(voting.contributions.iter().all(|c| c.citations_of_its_own == 1));
    assert_eq!((voting.citations, voting.citations_lost), (3, 0));
    assert_eq!(
        voting.to_string(),
        "confidence-voting/1: the greatest confidence, by 0.125; confidence 0.875, 3 citations\n  \
         01010101: 100.0 % of the embedding, confidence 0.875, 1 x confirmed, 2 citations (1 of its own)\n  \
         02020202: 0.0 % of the embedding, confidence 0.75, 1 x confirmed, 2 citations (1 of its own)"
    );

    let last = LastWriter.explain(&versions);
    assert_eq!((last.citations, last.citations_lost), (2, 1));

    let mean = ConfidenceWeighted::new().explain(&versions);
    let shares: f64 = mean.contributions.iter().map(|c| c.share).sum();
    assert_eq!(shares, 1.0);
}
