//! The operations on one pattern id, and the record that each of them leaves.

mod waiting;

use std::collections::BTreeSet;
use std::sync::Arc;

use engram_gossip_net::NodeId;
use engram_merkle::Digest;
use engram_vclock::{Changed, Dot};

use crate::engram::pattern::SemanticPattern;
use crate::replica::change::Change;
use crate::replica::content::{Content, MAX_EPISODES, PatternError};
use crate::replica::entry::Entry;
use crate::replica::issuer::DotIssuer;
use crate::replica::record::{LastWrite, Record};
use crate::replica::report::{Submitted, SuppressionFault};
use crate::replica::state::SpaceState;

/// The citations that a resolved pattern gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Citations {
    /// The citations of the pattern and of all versions that it replaces (default).
    #[default]
    Union,
    /// The citations of the pattern alone.
    AsGiven,
}

/// A change, and the limits of suppression that it reached.
pub(crate) struct Planned {
    pub(crate) change: Change,
    pub(crate) faults: Vec<SuppressionFault>,
}

impl From<Change> for Planned {
    fn from(change: Change) -> Self {
        Self { change, faults: Vec::new() }
    }
}

const FRESH: &str = "the issuer's dots are above every own entry";

impl SpaceState {
    /// Plans the submission of `content` by this node's engine. The engine may not have seen the
    /// peers' versions, so the new dot replaces only this node's own dots.
    pub(crate) fn plan_submit(
        &self,
        content: Content,
        issuer: &mut DotIssuer,
    ) -> Result<(Submitted, Option<Change>), PatternError> {
        let digest = content.digest();
        let held = self.entry(&content.pattern().id);
        if let Some((id, entry)) = held {
            if entry.record.suppression.is_suppressed(&digest) {
                return Ok((Submitted::Suppressed, plan_suppressed(id, entry, digest, issuer)?));
            }
            if entry.last_submitted == Some(digest) && !holds_replaced(&entry.record, issuer) {
                let last_write = confirmed_write(entry, digest, issuer);
                let record = self.is_in_doubt(id).then(|| entry.record.clone());
                let confirms = last_write != entry.last_write || record.is_some();
                let confirm = || Change { record, last_write, ..Change::of(id, Some(entry)) };
                return Ok((Submitted::Unchanged, confirms.then(confirm)));
            }
            if is_echo(entry, &content) {
                return Ok((Submitted::Echoed, None));
            }
        }
        let mut change = match held {
            Some((id, entry)) => Change::of(id, Some(entry)),
            None => Change::of(&Arc::from(content.pattern().id.as_str()), None),
        };
        let mut record = held.map(|(_, entry)| entry.record.clone()).unwrap_or_default();
        let dot = above(&record, issuer)?;
        let superseded = |older: &Dot| issuer.is_own(&older.node);
        record.siblings.supersede(dot, Some(digest), superseded).expect(FRESH);
        change.record = Some(record);
        change.contents = vec![content];
        change.last_submitted = Some(digest);
        change.last_write = Some(LastWrite { version: dot.version, value: digest });
        Ok((Submitted::Written, Some(change)))
    }

    /// Plans the withdrawal of this node's own dots of `id`; other nodes' dots remain. `None` if
    /// this node has none.
    pub(crate) fn plan_withdraw(
        &self,
        id: &str,
        issuer: &mut DotIssuer,
    ) -> Result<Option<Change>, PatternError> {
        let own = [&[*issuer.node()], issuer.replaced()].concat();
        self.plan_removal(id, issuer, |node| own.contains(node))
    }

    /// Plans the removal of all dots whose node satisfies `of`. `None` if there are no such dots.
    pub(crate) fn plan_removal(
        &self,
        id: &str,
        issuer: &mut DotIssuer,
        of: impl Fn(&[u8; 32]) -> bool,
    ) -> Result<Option<Change>, PatternError> {
        let concerned = |entry: &Entry| entry.record.siblings.iter().any(|(dot, _)| of(&dot.node));
        let Some((id, entry)) = self.entry(id).filter(|(_, entry)| concerned(entry)) else {
            return Ok(None);
        };
        let mut record = entry.record.clone();
        let dot = above(&record, issuer)?;
        record.siblings.supersede(dot, None, |older| of(&older.node)).expect(FRESH);
        Ok(Some(Change { record: Some(record), ..Change::of(id, Some(entry)) }))
    }

    /// Plans to delete every live dot of `id` and to suppress the contents. `None` if no dot is
    /// live.
    pub(crate) fn plan_forget(
        &self,
        id: &str,
        issuer: &mut DotIssuer,
    ) -> Result<Option<Planned>, PatternError> {
        let live = |(_, entry): &(&Arc<str>, &Entry)| !entry.record.is_deletion();
        let Some((id, entry)) = self.entry(id).filter(live) else { return Ok(None) };
        let contents = entry.record.live();
        let mut record = entry.record.clone();
        let dot = above(&record, issuer)?;
        record.siblings.remove(dot).expect(FRESH);
        let mut faults = Vec::new();
        for digest in contents {
            let changed = record.suppression.suppress(digest);
            faults.extend((changed == Changed::AtBound).then_some(SuppressionFault::AtBound));
        }
        let dropped = record.suppression.bound().len();
        faults.extend((dropped > 0).then_some(SuppressionFault::Dropped { digests: dropped }));
        let change = Change { record: Some(record), ..Change::of(id, Some(entry)) };
        Ok(Some(Planned { change, faults }))
    }

    /// Plans to replace every held version of the id with `content`, and to release `content` and
    /// the digest `given` from suppression.
    pub(crate) fn plan_resolve(
        &self,
        content: Content,
        given: Digest,
        issuer: &mut DotIssuer,
    ) -> Result<Planned, PatternError> {
        let id = Arc::<str>::from(content.pattern().id.as_str());
        let entry = self.entry(&id).map(|(_, entry)| entry);
        let mut record = entry.map(|entry| entry.record.clone()).unwrap_or_default();
        let (digest, dot) = (content.digest(), above(&record, issuer)?);
        record.siblings.resolve(dot, digest).expect(FRESH);
        let mut faults = Vec::new();
        for released in BTreeSet::from([digest, given]) {
            let changed = record.suppression.release(&released);
            faults.extend((changed == Changed::AtBound).then_some(SuppressionFault::AtBound));
        }
        let change = Change {
            record: Some(record),
            contents: vec![content],
            last_write: Some(LastWrite { version: dot.version, value: digest }),
            ..Change::of(&id, entry)
        };
        Ok(Planned { change, faults })
    }

    /// Returns `pattern` with one further citation of each episode that only the versions to be
    /// replaced cite.
    ///
    /// # Errors
    /// [`PatternError::EpisodeCount`] if the result would cite more episodes than a pattern may
    /// cite.
    pub(crate) fn with_all_citations(
        &self,
        pattern: &SemanticPattern,
    ) -> Result<SemanticPattern, PatternError> {
        let mut citations = pattern.source_episodes.clone();
        let known: BTreeSet<&String> = pattern.source_episodes.iter().collect();
        let versions = self.record(&pattern.id).map(Record::live).unwrap_or_default();
        let others = versions.iter().filter_map(|digest| self.content(digest));
        let missing: BTreeSet<&String> = others
            .flat_map(|other| &other.source_episodes)
            .filter(|episode| !known.contains(episode))
            .collect();
        citations.extend(missing.into_iter().cloned());
        if citations.len() > MAX_EPISODES {
            return Err(PatternError::EpisodeCount { found: citations.len() });
        }
        Ok(SemanticPattern { source_episodes: citations, ..pattern.clone() })
    }

    /// Plans to remove from the record of `id` the parts whose versions are not plausible, and to
    /// reissue this node's own writes among them under plausible versions. `None` if there are no
    /// such parts.
    pub(crate) fn plan_drop_implausible(
        &self,
        id: &str,
        issuer: &mut DotIssuer,
        is_plausible: impl Fn(u64) -> bool,
    ) -> Result<Option<Change>, PatternError> {
        let Some((id, entry)) = self.entry(id) else { return Ok(None) };
        let mut record = entry.record.clone();
        record.siblings.retain_nodes(|_, version| is_plausible(version));
        if record == entry.record {
            return Ok(None);
        }
        let mut change = Change::of(id, Some(entry));
        let own = |record: &Record| record.siblings.context().get(issuer.node());
        if own(&record) != own(&entry.record) {
            change.last_write = None;
            let writes: Vec<Digest> =
                entry.record.of_node(issuer.node()).map(|(_, digest)| digest).collect();
            // A withdrawal is reissued, too: it covers dots that peers still hold.
            let removal = writes.is_empty().then_some(None);
            for value in writes.into_iter().map(Some).chain(removal) {
                let dot = above(&record, issuer)?;
                record.siblings.supersede(dot, value, |_| false).expect(FRESH);
                change.last_write = value.map(|value| LastWrite { version: dot.version, value });
            }
        }
        change.record = Some(record);
        Ok(Some(change))
    }
}

/// Plans the change for a submission whose content is suppressed: writes no version, and removes this node's
/// versions with other contents.
fn plan_suppressed(
    id: &Arc<str>,
    entry: &Entry,
    digest: Digest,
    issuer: &mut DotIssuer,
) -> Result<Option<Change>, PatternError> {
    let change = Change { last_submitted: None, ..Change::of(id, Some(entry)) };
    let is_replaced =
        |(dot, value): &(&Dot, &Digest)| issuer.is_own(&dot.node) && **value != digest;
    let replaced: Vec<Dot> =
        entry.record.siblings.iter().filter(is_replaced).map(|(dot, _)| *dot).collect();
    if replaced.is_empty() {
        return Ok(entry.last_submitted.is_some().then_some(change));
    }
    let mut record = entry.record.clone();
    let dot = above(&record, issuer)?;
    record.siblings.supersede(dot, None, |older| replaced.contains(older)).expect(FRESH);
    Ok(Some(Change { record: Some(record), ..change }))
}

/// Issues the next dot of this node; fails if it is not above this node's entry in `record`.
fn above(record: &Record, issuer: &mut DotIssuer) -> Result<Dot, PatternError> {
    let dot = issuer.next_dot();
    match dot.version > record.siblings.context().get(&dot.node) {
        true => Ok(dot),
        false => Err(PatternError::VersionsExhausted),
    }
}

/// Returns the last write after an unchanged submission: the greatest dot of the current key under
/// which `digest` is live. If there is no such dot, or the recorded last write is later, returns
/// the recorded one.
fn confirmed_write(entry: &Entry, digest: Digest, issuer: &DotIssuer) -> Option<LastWrite> {
    let own = entry.record.of_node(issuer.node()).filter(|(_, live)| *live == digest);
    let confirmed = own.map(|(version, value)| LastWrite { version, value }).last();
    match (confirmed, entry.last_write) {
        (Some(confirmed), Some(last_write)) if last_write.version > confirmed.version => {
            Some(last_write)
        }
        (Some(confirmed), _) => Some(confirmed),
        (None, last_write) => last_write,
    }
}

/// Whether dots of a previous key of this node are live. The next submission replaces them, since
/// nothing can be reissued under that key.
fn holds_replaced(record: &Record, issuer: &DotIssuer) -> bool {
    issuer.replaced().iter().any(|old| record.of_node(old).next().is_some())
}

/// Whether `content` is a blend of several versions that was handed out and is not a live version.
fn is_echo(entry: &Entry, content: &Content) -> bool {
    let digest = content.digest();
    entry.blends().contains(&digest) && !entry.record.live().contains(&digest)
}

/// The content that this node submitted last, after a join.
///
/// Usually the join does not change it. If dots of this node are live, but none of them was live here before or was
/// written by this process, the last submission is the content of the greatest of these dots. If a later version of
/// this node leaves none of its dots live, the node wrote after the submission in the row. The last submission is then
/// unknown, and the next one is always written.
pub(crate) fn last_submitted_after(
    before: &Record,
    change: &Change,
    after: &Record,
    issuer: &DotIssuer,
) -> Option<Digest> {
    let (node, mut newest) = (issuer.node(), None);
    for (version, digest) in after.of_node(node) {
        let known = before.of_node(node).any(|dot| dot == (version, digest));
        if known || change.last_write.is_some_and(|last_write| last_write.version == version) {
            return change.last_submitted;
        }
        newest = Some(digest);
    }
    let entry = |record: &Record| record.siblings.context().get(node);
    let is_covered = before.of_node(node).next().is_some() && entry(after) > entry(before);
    match is_covered {
        true => newest,
        false => newest.or(change.last_submitted),
    }
}

/// The node whose part of `arrived` is new; among several, the one with the greatest entry.
pub(crate) fn origin(held: &Record, arrived: &Record) -> Option<NodeId> {
    let known = held.siblings.context();
    let news = arrived.siblings.context().iter().filter(|(node, entry)| known.get(node) < *entry);
    news.max_by_key(|(_, entry)| *entry).map(|(node, _)| NodeId::from(*node))
}
