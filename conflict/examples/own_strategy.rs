//! A strategy of one's own: the version with the most citations, with the citations of all.
//! The laws tell whether replicas may rely on it.

use engram_conflict::{
    Embedding, Laws, Merged, OwnedVersion, Reason, Resolution, Strategy, StrategyId, Versions,
    assert_strategy_laws, union,
};

/// Of equal numbers of citations the more confident wins, of equal confidences the digest.
struct BestSupported {
    id: StrategyId,
}

impl BestSupported {
    fn new() -> Self {
        Self { id: StrategyId::new("best-supported", 1).expect("a valid literal") }
    }
}

impl Strategy for BestSupported {
    fn id(&self) -> StrategyId {
        self.id.clone()
    }

    fn resolve(&self, versions: &Versions<'_>) -> Resolution {
        let index = versions.best_by(|a, b| {
            let by_citations = a.citations.len().cmp(&b.citations.len());
            by_citations.then(a.confidence.total_cmp(&b.confidence))
        });
        let winner = versions[index];
        let merged = Merged {
            embedding: Embedding::Of(index),
            citations: union(versions.iter().map(|version| version.citations)),
            strength: winner.strength,
            confidence: winner.confidence,
            consolidated_at: winner.consolidated_at,
        };
        Resolution::composed(merged, versions, Reason::Other("the most citations".into()))
    }
}

/// The same with a mistake that is easily made: the first version wins.
struct FirstWins;

impl Strategy for FirstWins {
    fn id(&self) -> StrategyId {
        StrategyId::new("first-wins", 1).expect("a valid literal")
    }

    fn resolve(&self, _: &Versions<'_>) -> Resolution {
        Resolution::chosen(0, Reason::Other("the first".into()))
    }
}

fn main() {
    // In a test this line is all it takes.
    assert_strategy_laws!(BestSupported::new());
    println!("best-supported/1 keeps the laws\n");

    let version = |digest, citations: &[&str], confidence| OwnedVersion {
        digest: [digest; 32],
        embedding: vec![f32::from(digest), 1.0],
        citations: citations.iter().map(|id| id.to_string()).collect(),
        strength: confidence,
        confidence,
        consolidated_at: 1_740_829_742_789_000_000,
        confirmations: 1,
    };
    let owned = [version(1, &["mon", "tue"], 0.6), version(2, &["wed"], 0.9)];
    let versions = Versions::new(owned.iter().map(OwnedVersion::as_version)).expect("valid");
    println!("{}\n", BestSupported::new().explain(&versions));

    let broken = Laws::new().check(&FirstWins).expect_err("it is wrong");
    println!("{broken}");
}
