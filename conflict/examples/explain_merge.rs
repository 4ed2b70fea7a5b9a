//! Four nodes wrote three versions of one pattern concurrently. Prints what each strategy shows, and why.

use engram_conflict::pattern::{
    ConfidenceVoting, ConfidenceWeighted, InvalidPattern, KeepBoth, LastWriter, OwnedPattern,
    explain,
};
use engram_conflict::{InvalidVersions, Strategy, Version, Versions};

fn main() -> Result<(), InvalidVersions<InvalidPattern>> {
    let version = |embedding: [f32; 3], citations: &[&str], confidence, minute: i64| {
        let citations = citations.iter().map(ToString::to_string).collect();
        let mut pattern = OwnedPattern::new(embedding.to_vec(), citations);
        (pattern.strength, pattern.confidence) = (confidence, confidence);
        pattern.consolidated_at = 1_740_829_742_789_000_000 + minute * 60_000_000_000;
        Version::named(pattern)
    };
    let mut nodes = [
        version([0.9, 0.1, 0.3], &["luke-1", "luke-2", "luke-3"], 0.81, 0),
        version([0.8, 0.3, 0.3], &["luke-1", "luke-2", "luke-4"], 0.78, 5),
        version([0.8, 0.2, 0.4], &["luke-2", "luke-3", "luke-3"], 0.81, 2),
    ];
    // A fourth node wrote the same version as the first, so the version has two confirmations.
    nodes[0].confirmations = 2;

    let versions = Versions::new(nodes.clone())?;
    let strategies: [&dyn Strategy<OwnedPattern>; 5] = [
        &ConfidenceVoting,
        &ConfidenceWeighted::new(),
        &ConfidenceWeighted::by_confirmations(),
        &LastWriter,
        &KeepBoth,
    ];
    for strategy in strategies {
        println!("{}\n", explain(strategy, &versions));
    }

    // Another order of arrival changes nothing, and neither do two copies of a version with its confirmations divided.
    let mut again = nodes.to_vec();
    again.reverse();
    again[2].confirmations = 1;
    again.insert(1, again[2].clone());
    let reordered = Versions::new(again)?;
    for strategy in strategies {
        assert_eq!(strategy.resolve(&reordered), strategy.resolve(&versions));
    }
    println!("The results are the same in another order of arrival.");
    Ok(())
}
