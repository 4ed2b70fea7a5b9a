//! Converts the store of a stopped node to a different precision.

use clap::{Args, ValueEnum};
use engram_bridge::Precision;
use engram_bridge::durable::Recovery;

use crate::Failure;
use crate::source::Source;
use crate::words::counted;

/// Converts the state of a stopped node to a different precision of embeddings.
///
/// Stop all nodes, migrate each, set the precision in the `merkle_tree` section of each, and start
/// them. Versions and contexts do not change, so nodes that were equal before are equal afterwards.
/// Suppressed contents that are no longer held cannot be converted, and are listed.
#[derive(Args)]
pub(crate) struct Migrate {
    #[command(flatten)]
    source: Source,
    /// The new precision.
    #[arg(long)]
    precision: Target,
}

#[derive(Clone, Copy, ValueEnum)]
enum Target {
    F32,
    F16,
}

impl Migrate {
    pub(crate) fn run(self) -> Result<(), Failure> {
        let config = self.source.load()?;
        let precision = match self.precision {
            Target::F32 => Precision::F32,
            Target::F16 => Precision::F16,
        };
        let done = config.migrate(precision)?;
        outln!(
            "stored with {precision}: {} of {}; rounded: {}",
            counted(done.records, "record", "records"),
            counted(done.spaces as u64, "space", "spaces"),
            counted(done.rounded, "content", "contents")
        );
        if let Recovery::Repaired { .. } = &done.recovery {
            outln!("the store before the migration: {}", done.recovery);
        }
        for (space, id, digest) in &done.released {
            outln!("no longer forgotten: content {digest} of pattern {id:?} of {space}");
        }
        outln!("set precision = \"{precision}\" in [merkle_tree] on all nodes, and start them");
        Ok(())
    }
}
