//! Checks that the guide quotes the examples, which are compiled and run, shows a valid section,
//! and lists items that resolve.

/// The text without white space, and without the commas that a formatter adds when it breaks a
/// line.
fn bare(text: &str) -> String {
    let bare: String = text.split_whitespace().collect();
    bare.replace(",)", ")").replace(",}", "}")
}

const GUIDE: &str = include_str!("../../docs/ENGRAM.md");

/// The code blocks of the guide whose language begins with `language`.
fn blocks(language: &str) -> Vec<&'static str> {
    let blocks = GUIDE.split("\n```").skip(1).step_by(2);
    blocks
        .filter(|block| block.starts_with(language))
        .map(|block| block.split_once('\n').unwrap().1)
        .collect()
}

#[test]
fn guide_quotes_the_example_verbatim() {
    let sources = [
        include_str!("../../examples/engram_stub/cluster.rs"),
        include_str!("../../examples/engram_stub/engram_core.rs"),
        include_str!("../../examples/engram_stub/main.rs"),
        include_str!("../../examples/engram_stub/swim.rs"),
    ];
    let blocks = blocks("rust");
    assert!(blocks.len() >= 10, "{}", blocks.len());
    for block in blocks {
        let block = bare(block);
        let shown = |source: &&str| bare(source).contains(&block);
        assert!(sources.iter().any(shown), "{block}");
    }
}

#[cfg(feature = "config")]
#[test]
fn guide_shows_a_valid_section() {
    let section = blocks("toml").into_iter().find(|block| block.contains("[consolidation_gossip"));
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), section.unwrap()).unwrap();
    let section = "consolidation_gossip";
    let config = engram_bridge::config::ClusterConfig::load_section(file.path(), section).unwrap();
    assert_eq!(config.peers.len(), 1);
}

#[cfg(feature = "http")]
mod paths {
    use std::collections::BTreeSet;

    #[allow(dead_code, unreachable_pub, reason = "only the paths are used")]
    mod engram {
        pub(super) mod chrono {
            include!("../../examples/engram_stub/chrono.rs");
        }
        pub(super) mod engram_core {
            include!("../../examples/engram_stub/engram_core.rs");
        }
    }
    use self::engram::engram_core;

    /// Imports items, and lists their paths.
    macro_rules! items {
        ($($first:ident $(:: $next:ident)+,)+) => {
            $(
                #[allow(unused_imports, reason = "the import shows that the path resolves")]
                use $first $(:: $next)+ as _;
            )+
            const ITEMS: &[&str] =
                &[$(concat!(stringify!($first) $(, "::", stringify!($next))+)),+];
        };
    }

    items! {
        engram_bridge::Node,
        engram_bridge::GossipingConsolidationService,
        engram_bridge::InMemoryConsolidationService,
        engram_bridge::ConsolidationService,
        engram_bridge::ConsolidationSnapshot,
        engram_bridge::SemanticPattern,
        engram_bridge::Confidence,
        engram_bridge::ConsolidationCacheSource,
        engram_bridge::BeliefUpdateRecord,
        engram_bridge::ConsolidationObserver,
        engram_bridge::ConsolidationRun,
        engram_bridge::ConsolidationGossiper,
        engram_bridge::SpaceId,
        engram_bridge::Timestamp,
        engram_bridge::ENGRAM_DIMENSION,
        engram_bridge::config::ClusterConfig,
        engram_bridge::config::ConfigError,
        engram_bridge::durable::StorageError,
        engram_bridge::http::axum_0_8,
        engram_bridge::metrics::METRICS_CONTENT_TYPE,
        engram_bridge::net::ADVERT_ROOM,
        engram_bridge::net::AdvertError,
        engram_bridge::net::CONSOLIDATION_ROOT,
        engram_bridge::notices::LogLine,
        engram_bridge::notices::Notices,
        engram_bridge::replica::SubmitReport,
        engram_bridge::spaces::Incomplete,
        engram_bridge::telemetry::Telemetry,
        engram_core::completion::ConsolidationScheduler,
        engram_core::completion::SchedulerConfig,
        engram_core::completion::CompletionConfig,
        engram_core::completion::ConsolidationSnapshot,
        engram_core::completion::ConsolidationStats,
        engram_core::completion::SemanticPattern,
        engram_core::consolidation::ConsolidationService,
        engram_core::consolidation::ConsolidationCacheSource,
        engram_core::consolidation::BeliefUpdateRecord,
        engram_core::MemoryStore,
        engram_core::MemorySpaceId,
        engram_core::MemorySpaceError,
        engram_core::SpaceDirectories,
        engram_core::Confidence,
        engram_core::metrics,
        tokio::sync::watch,
        tokio::task::JoinHandle,
    }

    #[test]
    fn guide_lists_items_that_resolve() {
        let (_, table) = super::GUIDE.split_once("| item | path |\n|-|-|\n").unwrap();
        let (table, _) = table.split_once("\n\n").unwrap();
        let mut listed = BTreeSet::new();
        for row in table.lines() {
            let mut cells = row.split('|').skip(1);
            let (items, path) = (cells.next().unwrap(), cells.next().unwrap());
            let path = path.trim().trim_matches('`');
            let items = items.split(',').map(|item| item.trim().trim_matches('`'));
            listed.extend(items.map(|item| format!("{path}::{item}")));
        }
        let items: BTreeSet<String> = ITEMS.iter().map(|item| (*item).to_owned()).collect();
        assert_eq!(listed, items);
    }
}
