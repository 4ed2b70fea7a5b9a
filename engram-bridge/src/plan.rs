//! What may be done to a pattern id, and what each operation leaves of it.

use std::collections::BTreeSet;
use std::sync::Arc;

use engram_gossip_net::NodeId;
use engram_gossip_proto::Rejection;
use engram_merkle::Digest;

use crate::SemanticPattern;
use crate::content::{Content, PatternError};
use crate::deletions::{Due, Patience};
use crate::record::{self, Body, MAX_BURIED, MAX_CONTENTS, MAX_DOTS, Record};
use crate::state::{Change, SpaceState};
use crate::writer::Writer;

/// What became of a submitted pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Submitted {
    /// It is a new version.
    Written,
    /// It is what this node submitted last; nothing was written.
    Unchanged,
    /// It was forgotten on purpose and stays so; nothing was written.
    Buried,
    /// It is the very pattern that the merged view shows and that gossip put there; nothing was
    /// written. Somebody handed the view back as if the engine had made it.
    Echoed,
}

impl SpaceState {
    /// The rule of a blind writer: what equals the last submission is no news, and what is news
    /// supersedes this node's own writes only, since the engine never saw those of the others.
    pub(crate) fn plan_submit(
        &self,
        pattern: &Arc<SemanticPattern>,
        content: Content,
        writer: &mut Writer,
    ) -> Result<(Submitted, Option<Change>), PatternError> {
        let digest = content.digest();
        let id = content.pattern().id.as_str();
        let entry = self.entry(id).map(|(_, entry)| entry);
        if entry.and_then(|entry| entry.last_submitted) == Some(digest) {
            return Ok((Submitted::Unchanged, None));
        }
        if entry.is_some_and(|entry| self.made_by_gossip(entry, pattern)) {
            return Ok((Submitted::Echoed, None));
        }
        let id = Arc::from(id);
        let mut record = entry.map(|entry| entry.record.clone()).unwrap_or_default();
        if record::buried(&record).contains(&digest) {
            let change = Change {
                id,
                record: None,
                contents: Vec::new(),
                last_submitted: Some(digest),
                origin: None,
            };
            return Ok((Submitted::Buried, Some(change)));
        }
        refuse_crowd(&record, &writer.actor().node, &digest)?;
        record
            .submit(writer.next_dot(), Body::Content(digest))
            .expect("the writer's dots are new to every record");
        let change = Change {
            id,
            record: Some(record),
            contents: vec![content],
            last_submitted: Some(digest),
            origin: None,
        };
        Ok((Submitted::Written, Some(change)))
    }

    /// Takes back this node's own writes of `id`; those of others stay. `None` if there are none.
    pub(crate) fn plan_withdraw(&self, id: &str, writer: &mut Writer) -> Option<Change> {
        let (id, entry) = self.entry(id)?;
        let node = writer.actor().node;
        let own = |(dot, body): (&engram_vclock::Dot, &Body)| {
            dot.actor.node == node && matches!(body, Body::Content(_))
        };
        entry.record.iter().any(own).then(|| {
            let mut record = entry.record.clone();
            record
                .submit(writer.next_dot(), Body::Tombstone(Arc::from([])))
                .expect("the writer's dots are new to every record");
            Change::of_record(id, record)
        })
    }

    /// Deletes every content of `id` that is known here, and remembers what it was. `None` if
    /// there is none.
    pub(crate) fn plan_forget(&self, id: &str, writer: &mut Writer) -> Option<Change> {
        let (id, entry) = self.entry(id)?;
        let contents = record::contents(&entry.record);
        (!contents.is_empty()).then(|| {
            let mut record = entry.record.clone();
            let buried = bury(&contents, &record::buried(&record));
            record
                .resolve(writer.next_dot(), Body::Tombstone(buried))
                .expect("the writer's dots are new to every record");
            Change::of_record(id, record)
        })
    }

    /// Writes `content` over everything that is known here of its id.
    pub(crate) fn plan_resolve(&self, content: Content, writer: &mut Writer) -> Change {
        let id = content.pattern().id.as_str();
        let mut record = self.record(id).cloned().unwrap_or_default();
        record
            .resolve(writer.next_dot(), Body::Content(content.digest()))
            .expect("the writer's dots are new to every record");
        let mut change = Change::of_record(&Arc::from(id), record);
        change.contents.push(content);
        change
    }

    /// Joins a record that arrived with what is held (or `pending`, from the same delivery).
    /// `None` if it holds nothing new.
    pub(crate) fn plan_join(
        &self,
        id: &str,
        arrived: &Record,
        pending: Option<&Change>,
    ) -> Result<Option<Change>, Rejection> {
        let held = pending.and_then(|change| change.record.as_ref()).or_else(|| self.record(id));
        let joined = match held.filter(|held| !record::is_bottom(held)) {
            Some(held) => record::join(Some(held), arrived)?,
            None => self.join_unknown(arrived)?,
        };
        Ok(joined.map(|joined| {
            let mut change = Change::of_record(&Arc::from(id), joined);
            change.origin = origin(held, arrived);
            change
        }))
    }

    /// The join with what is held of an id of which nothing is: at most what the floor remembers. A
    /// deletion that was reaped long ago becomes a husk again, so that its sender learns of it.
    fn join_unknown(&self, arrived: &Record) -> Result<Option<Record>, Rejection> {
        let remembered = self.deletions().remembered(arrived)?;
        match record::join(remembered.as_ref(), arrived)? {
            Some(joined) => Ok(Some(joined)),
            None => Ok(remembered.filter(|_| !arrived.is_empty())),
        }
    }

    /// Goes on with the deletions for which the wait is over.
    pub(crate) fn plan_reap(&self, patience: Patience<'_>) -> Vec<Change> {
        let due = self.deletions().due(patience, |id| self.record(id));
        let changes = due.map(|(id, record, due)| {
            let left = match due {
                Due::Reap => record::husk(record.context().clone()),
                Due::Drop => Record::new(),
            };
            Change::of_record(id, left)
        });
        changes.collect()
    }
}

impl Change {
    fn of_record(id: &Arc<str>, record: Record) -> Self {
        Self {
            id: Arc::clone(id),
            record: Some(record),
            contents: Vec::new(),
            last_submitted: None,
            origin: None,
        }
    }

    /// How many different contents of the id live then.
    pub(crate) fn versions(&self) -> usize {
        self.record.as_ref().map_or(0, |record| record::contents(record).len())
    }

    /// The contents that the new record names.
    pub(crate) fn named(&self) -> impl Iterator<Item = Digest> {
        self.record.iter().flat_map(record::contents)
    }

    /// Adds a content that the new record names and the space does not hold.
    pub(crate) fn supply(&mut self, content: Content) {
        self.contents.push(content);
    }
}

/// What a tombstone remembers: all that it buries, and of what was buried before as much as still
/// fits. A tombstone beyond the limit would be refused by every peer, for ever.
fn bury(contents: &BTreeSet<Digest>, before: &BTreeSet<Digest>) -> Arc<[Digest]> {
    let room = MAX_BURIED.saturating_sub(contents.len());
    let kept = before.difference(contents).take(room);
    contents.iter().chain(kept).collect::<BTreeSet<_>>().into_iter().copied().collect()
}

/// Refuses a further version of a pattern that has so many already. Those of the peers are never
/// dropped for it, and what a node wrote itself makes room for what it writes now.
fn refuse_crowd(record: &Record, node: &[u8; 32], new: &Digest) -> Result<(), PatternError> {
    let others = || record.iter().filter(|(dot, _)| dot.actor.node != *node);
    let contents = others().filter_map(|(_, body)| match body {
        Body::Content(digest) => Some(*digest),
        Body::Tombstone(_) => None,
    });
    let contents: BTreeSet<Digest> = contents.collect();
    let full = contents.len() >= MAX_CONTENTS && !contents.contains(new);
    if full || others().count() >= MAX_DOTS {
        return Err(PatternError::Crowded { versions: contents.len() });
    }
    Ok(())
}

/// Who wrote what is new in `arrived`: the node of the newest write that was not known.
fn origin(held: Option<&Record>, arrived: &Record) -> Option<NodeId> {
    let known = held.map(Record::context);
    let news = arrived
        .context()
        .iter()
        .filter(|(actor, counter)| known.is_none_or(|known| known.get(actor) < *counter));
    news.max_by_key(|(_, counter)| *counter).map(|(actor, _)| NodeId::from(actor.node))
}
