//! Four patterns that speak of each other: what is one memory, what is disputed, and why.

use engram_conflict::{CrossIdView, OwnedVersion, Pattern, Rules};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let pattern = |embedding: [f32; 3], citations: &[&str], confidence| {
        OwnedVersion {
            digest: [0; 32],
            embedding: embedding.to_vec(),
            citations: citations.iter().map(|id| id.to_string()).collect(),
            strength: confidence,
            confidence,
            consolidated_at: 0,
            confirmations: 1,
        }
        .named()
    };
    let patterns = [
        ("morning", pattern([0.9, 0.2, 0.1], &["mon", "tue", "wed"], 0.90)),
        ("morning, grown", pattern([0.8, 0.3, 0.1], &["mon", "tue", "wed", "thu"], 0.84)),
        ("early hours", pattern([0.7, 0.4, 0.3], &["mon", "tue", "fri"], 0.80)),
        ("rain", pattern([0.0, 0.3, 0.9], &["wed", "sat", "sun"], 0.75)),
    ];
    let mut view = CrossIdView::new(Rules::default())?;
    view.update(patterns.iter().map(|(id, version)| (*id, Some(as_pattern(version)))))?;
    for viewed in view.iter() {
        println!("{viewed}");
    }

    println!("\nWithout \"morning\" the others are decided anew:\n");
    view.remove(&"morning");
    for group in view.groups() {
        println!("{} {:?}", group.head, group.members);
    }
    Ok(())
}

fn as_pattern(version: &OwnedVersion) -> Pattern<'_> {
    Pattern {
        digest: version.digest,
        embedding: version.embedding.as_slice().into(),
        citations: &version.citations,
        confidence: version.confidence,
    }
}
