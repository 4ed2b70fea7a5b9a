//! The guide shows code that is compiled and run.

/// The lines of a text without their indentation, empty ones left out.
fn lines(text: &str) -> Vec<&str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect()
}

#[test]
fn every_rust_line_of_the_guide_is_one_of_the_example() {
    let sources = [
        include_str!("../../examples/engram_stub/cluster.rs"),
        include_str!("../../examples/engram_stub/engram_core.rs"),
        include_str!("../../examples/engram_stub/swim.rs"),
    ];
    let guide = include_str!("../../docs/ENGRAM.md");
    let blocks: Vec<_> = guide.split("```rust").skip(1).collect();
    assert!(blocks.len() >= 8, "{}", blocks.len());
    for block in blocks {
        let (_, block) = block.split_once('\n').unwrap();
        let (block, _) = block.split_once("```").unwrap();
        let block = lines(block);
        let shown = |source: &&str| lines(source).windows(block.len()).any(|run| run == block);
        assert!(sources.iter().any(|source| shown(source)), "{block:#?}");
    }
}
