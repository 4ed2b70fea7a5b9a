//! The belief log: one line of JSON for each changed belief, in Engram's format.

use std::fs::{self, OpenOptions};
use std::io::{self, BufWriter, Write as _};
use std::path::Path;

use serde::Serialize;

use crate::engram::ports::{BeliefUpdateRecord, ConsolidationCacheSource};

/// A line of the log. The order of the fields is Engram's; `origin` follows them if present.
#[derive(Serialize)]
struct Line<'u> {
    pattern_id: &'u str,
    confidence_delta: f32,
    citation_delta: i32,
    novelty: f32,
    generated_at: String,
    snapshot_generated_at: String,
    source: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    origin: Option<String>,
}

impl<'u> Line<'u> {
    fn of(update: &'u BeliefUpdateRecord) -> Self {
        Self {
            pattern_id: &update.pattern_id,
            confidence_delta: update.confidence_delta,
            citation_delta: update.citation_delta,
            novelty: update.novelty,
            generated_at: update.generated_at.to_string(),
            snapshot_generated_at: update.snapshot_generated_at.to_string(),
            source: update.source.name(),
            origin: update.origin.map(|origin| origin.to_string()),
        }
    }
}

impl ConsolidationCacheSource {
    /// The source as Engram writes it in its belief log: `scheduler` or `on_demand`; `gossip` for
    /// [`Gossip`](Self::Gossip), which Engram does not have.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Scheduler => "scheduler",
            Self::OnDemand => "on_demand",
            Self::Gossip => "gossip",
        }
    }
}

/// Appends a line for each update to the file at `path`. Creates the file and its directories if
/// they are missing, unless there is no update.
pub(crate) fn append(path: &Path, updates: &[BeliefUpdateRecord]) -> io::Result<()> {
    if updates.is_empty() {
        return Ok(());
    }
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut file = BufWriter::new(OpenOptions::new().create(true).append(true).open(path)?);
    for update in updates {
        serde_json::to_writer(&mut file, &Line::of(update))?;
        file.write_all(b"\n")?;
    }
    file.flush()
}

#[cfg(test)]
mod tests {
    use engram_gossip_net::NodeId;

    use super::*;
    use crate::engram::timestamp::Timestamp;

    #[test]
    fn lines_have_engrams_fields_in_engrams_order() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("alerts/belief_updates.jsonl");
        let local = BeliefUpdateRecord {
            pattern_id: "pattern_\"7\"".to_owned(),
            confidence_delta: 0.1,
            citation_delta: -2,
            novelty: 0.25,
            generated_at: Timestamp::from_nanoseconds(1_740_839_569_746_000_001),
            snapshot_generated_at: Timestamp::EPOCH,
            source: ConsolidationCacheSource::Scheduler,
            origin: None,
        };
        let remote = BeliefUpdateRecord {
            source: ConsolidationCacheSource::Gossip,
            origin: Some(NodeId::from([7; 32])),
            ..local.clone()
        };
        append(&path, &[]).unwrap();
        assert!(!path.exists(), "there is no update to log");
        append(&path, std::slice::from_ref(&local)).unwrap();
        append(&path, &[remote]).unwrap();
        let common = r#"{"pattern_id":"pattern_\"7\"","confidence_delta":0.1,"citation_delta":-2,"novelty":0.25,"generated_at":"2025-03-01T14:32:49.746000001Z","snapshot_generated_at":"1970-01-01T00:00:00.000000000Z","source":"#;
        let origin = "07".repeat(32);
        let lines = [
            format!("{common}\"scheduler\"}}"),
            format!("{common}\"gossip\",\"origin\":\"{origin}\"}}"),
        ];
        assert_eq!(fs::read_to_string(&path).unwrap(), lines.join("\n") + "\n");
    }
}
