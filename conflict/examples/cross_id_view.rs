//! Shows which of four related patterns describe one memory, which are disputed, and why.

use engram_conflict::Version;
use engram_conflict::pattern::{CrossIdView, OwnedPattern, Rules};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let pattern = |embedding: [f32; 3], citations: &[&str], confidence| {
        let citations = citations.iter().map(ToString::to_string).collect();
        let mut pattern = OwnedPattern::new(embedding.to_vec(), citations);
        pattern.confidence = confidence;
        Version::named(pattern)
    };
    let patterns = [
        ("morning", pattern([0.9, 0.2, 0.1], &["mon", "tue", "wed"], 0.90)),
        ("morning, grown", pattern([0.8, 0.3, 0.1], &["mon", "tue", "wed", "thu"], 0.84)),
        ("early hours", pattern([0.7, 0.4, 0.3], &["mon", "tue", "fri"], 0.80)),
        ("rain", pattern([0.0, 0.3, 0.9], &["wed", "sat", "sun"], 0.75)),
    ];
    let mut view = CrossIdView::new(Rules::default())?;
    view.update(patterns.map(|(id, version)| (id, Some(version))))?;
    for viewed in view.iter() {
        println!("{viewed}");
    }

    println!("\nWithout \"morning\" the others are decided again:\n");
    view.remove(&"morning");
    for group in view.groups() {
        println!("{} {:?}", group.representative, group.members);
    }
    Ok(())
}
