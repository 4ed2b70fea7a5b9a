//! Reads a node's state from the rows of its store.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::mem;
use std::sync::Arc;

use engram_gossip_net::NodeId;
use engram_gossip_proto::SpaceId;
use engram_gossip_proto::limits::MAX_SPACES;
use engram_merkle::AnyHasher;

use crate::durable::recovery::{MAX_NAMED_LOSSES, OpenError, Recovery};
use crate::durable::rows::each_row;
use crate::durable::schema::{self, OWNERS, Owner, SCHEMA};
use crate::durable::storage::{Batch, StateStore, StorageError, Table};
use crate::engram::timestamp::Timestamp;
use crate::replica::change::StoredRoot;
use crate::replica::content::{Contents, Held};
use crate::replica::rules::Rules;
use crate::replica::state::{SpaceState, StoredRow};

/// The placeholder for the id of a lost record whose id is also damaged.
const UNREADABLE: &str = "an unreadable id";

/// A node's state, as read from its store.
pub(crate) struct Restored {
    pub(crate) recovery: Recovery,
    pub(crate) states: Vec<(SpaceId, SpaceState)>,
    /// Stored spaces that were not read.
    pub(crate) unhosted: BTreeSet<SpaceId>,
    /// Repairs of the store, to be committed before any other change.
    pub(crate) repairs: Batch,
}

/// The spaces that a node reads from its store.
pub(crate) struct Hosting {
    pub(crate) spaces: BTreeSet<SpaceId>,
    pub(crate) others: Others,
}

/// Which stored spaces are read besides the named ones.
#[derive(Clone, Copy)]
pub(crate) enum Others {
    /// None.
    Unhosted,
    /// As many as a node can host: [`MAX_SPACES`] spaces in all.
    Learned,
    /// All, even if they are more than a node can host.
    All,
}

impl Hosting {
    /// Whether another stored space is read.
    fn has_room(&self) -> bool {
        match self.others {
            Others::Unhosted => false,
            Others::Learned => self.spaces.len() < MAX_SPACES,
            Others::All => true,
        }
    }
}

/// Reads the hosted spaces from `store`. Skips damaged rows; sets the store aside if it is damaged as a whole.
///
/// # Errors
/// [`OpenError`] if the store cannot be read for another reason, or cannot be set aside.
pub(crate) fn restore(
    store: &dyn StateStore,
    node: NodeId,
    mut hosting: Hosting,
    rules: &Rules,
) -> Result<Restored, OpenError> {
    match read(store, node, &mut hosting, rules) {
        Err(OpenError::Storage(StorageError::Damaged { reason, .. })) => {
            let place = store.set_aside()?;
            let owner = Owner::new(node.into(), rules);
            let empty = Loaded::default().finish(&owner, &hosting, rules);
            Ok(Restored { recovery: Recovery::SetAside { place, reason }, ..empty })
        }
        restored => restored,
    }
}

/// Reads all spaces from `store`, and leaves the store as it is. Skips damaged rows.
///
/// # Errors
/// [`OpenError`] if the store cannot be read at all.
pub(crate) fn read_all(
    store: &dyn StateStore,
    node: NodeId,
    rules: &Rules,
) -> Result<Restored, OpenError> {
    let mut hosting = Hosting { spaces: BTreeSet::new(), others: Others::All };
    read(store, node, &mut hosting, rules)
}

fn read(
    store: &dyn StateStore,
    node: NodeId,
    hosting: &mut Hosting,
    rules: &Rules,
) -> Result<Restored, OpenError> {
    let (owner, mut loaded) = (Owner::new(node.into(), rules), Loaded::default());
    loaded.load(store, &owner, hosting, &rules.hasher)?;
    Ok(loaded.finish(&owner, hosting, rules))
}

/// Reads another space from the store of a running node. Returns its state and the repairs to commit. Skips
/// damaged rows.
///
/// # Errors
/// [`OpenError`] if the store cannot be read. It is not set aside, since it is in use.
pub(crate) fn restore_space(
    store: &dyn StateStore,
    node: NodeId,
    space: &SpaceId,
    rules: &Rules,
) -> Result<(SpaceState, Batch), OpenError> {
    let owner = Owner::new(node.into(), rules);
    let mut hosting = Hosting { spaces: BTreeSet::from([space.clone()]), others: Others::Unhosted };
    let mut loaded = Loaded::default();
    loaded.load(store, &owner, &mut hosting, &rules.hasher)?;
    let state = loaded.take_state(space, rules);
    Ok((state, loaded.repairs))
}

/// Returns the owner that an undamaged row of `rows` names.
fn owner_in(rows: &[Vec<u8>; OWNERS.len()]) -> Result<Owner, OpenError> {
    let mut sound = OWNERS.iter().zip(rows).filter_map(|(key, row)| Owner::decode(key, row));
    if let Some(owner) = sound.next() {
        return Ok(owner);
    }
    if let Some(found) = Owner::schema(&rows[0]).filter(|found| *found != SCHEMA) {
        return Err(OpenError::Schema { found, known: SCHEMA });
    }
    let place = "the store".to_owned();
    let reason = "the two rows that name its node are damaged or missing".to_owned();
    Err(StorageError::Damaged { place, reason }.into())
}

/// The sound rows of a store.
#[derive(Default)]
struct Loaded {
    owner: Option<Owner>,
    unhosted: BTreeSet<SpaceId>,
    spaces: BTreeMap<SpaceId, LoadedSpace>,
    /// The edits that repair the rows of the owner and of the hosted spaces.
    repairs: Batch,
    damaged: u64,
    lost: Vec<(SpaceId, String)>,
}

/// The sound rows of one space.
#[derive(Default)]
struct LoadedSpace {
    rows: Vec<(Arc<str>, StoredRow)>,
    /// The contents in the rows of the records; after [`Loaded::settle`], all contents that records reference.
    contents: Contents,
    /// The contents in rows of their own.
    own_rows: Contents,
    root: Option<StoredRoot>,
    /// The stored `generated_at`.
    generated_at: Option<Timestamp>,
    /// Whether the first contact of the space is over.
    settled: bool,
    damaged: bool,
}

impl Loaded {
    /// Reads the hosted spaces. Leaves the rows of other spaces unchanged.
    fn load(
        &mut self,
        store: &dyn StateStore,
        owner: &Owner,
        hosting: &mut Hosting,
        hasher: &AnyHasher,
    ) -> Result<(), OpenError> {
        let (mut meta, mut names) = (Some(BTreeMap::new()), schema::Names::new());
        each_row(store, |table, key, value| {
            if table == Table::Meta {
                meta.iter_mut().for_each(|rows| _ = rows.insert(key.to_vec(), value.to_vec()));
                return Ok(());
            }
            // The table of the owner comes first.
            if let Some(rows) = meta.take() {
                self.load_meta(rows, owner, hosting)?;
            }
            match table {
                Table::Records => self.load_record(key, value, &hosting.spaces, hasher, &mut names),
                _ => self.load_content(key, value, &hosting.spaces, hasher, &mut names),
            }
            Ok::<_, OpenError>(())
        })?;
        // A store without any row is new. If there are rows but no owner, `load_meta` reports damage.
        if let Some(rows) = meta.filter(|rows| !rows.is_empty()) {
            self.load_meta(rows, owner, hosting)?;
        }
        let mut spaces = mem::take(&mut self.spaces);
        spaces.iter_mut().for_each(|(space, found)| self.settle(space, found));
        self.spaces = spaces;
        Ok(())
    }

    fn load_meta(
        &mut self,
        mut rows: BTreeMap<Vec<u8>, Vec<u8>>,
        owner: &Owner,
        hosting: &mut Hosting,
    ) -> Result<(), OpenError> {
        let written = OWNERS.map(|key| rows.remove(key).unwrap_or_default());
        let found = owner_in(&written)?;
        if found.node != owner.node {
            return Err(OpenError::Foreign { found: found.node.into() });
        }
        if found != *owner {
            let (found, configured) = (found.to_string(), owner.to_string());
            return Err(OpenError::Parameters { found, configured });
        }
        if OWNERS.iter().zip(&written).any(|(key, row)| *row != found.encode(key)) {
            self.damaged += 1;
            found.put(&mut self.repairs);
        }
        self.owner = Some(found);
        for space in rows.keys().filter_map(|key| schema::root_space(key)) {
            if hosting.has_room() {
                hosting.spaces.insert(space);
            } else if !hosting.spaces.contains(&space) {
                self.unhosted.insert(space);
            }
        }
        for (key, value) in rows {
            self.load_mark(&key, &value, &hosting.spaces);
        }
        Ok(())
    }

    /// Builds the states of the hosted spaces, and names the owner if the store is new.
    fn finish(mut self, owner: &Owner, hosting: &Hosting, rules: &Rules) -> Restored {
        let state = |space: &SpaceId| (space.clone(), self.take_state(space, rules));
        let states: Vec<_> = hosting.spaces.iter().map(state).collect();
        if self.owner.is_none() {
            owner.put(&mut self.repairs);
        }
        let records = states.iter().map(|(_, state)| state.stored_root().count).sum();
        let Self { owner, unhosted, damaged: rows, lost, repairs, .. } = self;
        let recovery = match (rows, owner) {
            (1.., _) => Recovery::Repaired { records, lost, rows },
            (0, Some(_)) => Recovery::Loaded { records },
            (0, None) => Recovery::New,
        };
        Restored { recovery, states, unhosted, repairs }
    }

    /// Takes the state of a loaded space. Adds repairs of its root and of its first-contact mark.
    fn take_state(&mut self, space: &SpaceId, rules: &Rules) -> SpaceState {
        let LoadedSpace { rows, contents, root, generated_at, settled, damaged, .. } =
            self.spaces.remove(space).unwrap_or_default();
        let mut state = SpaceState::restore(rules.clone(), rows, contents);
        if let Some(at) = generated_at {
            state.note_generated(at);
        }
        let found = state.stored_root();
        let sound = !damaged && root.is_none_or(|root| root == found);
        if settled && sound {
            state.settle();
        } else if settled {
            self.repairs.remove(Table::Meta, schema::settled_key(space));
        }
        if root != Some(found) {
            // A row is missing, or does not have the value committed last.
            self.damaged += u64::from(root.is_some() && self.damaged == 0);
            let key = schema::root_key(space);
            self.repairs.put(Table::Meta, key, schema::encode_root(space, &found));
        }
        state
    }

    /// Reads a row of [`Table::Meta`] about one space.
    fn load_mark(&mut self, key: &[u8], value: &[u8], hosted: &BTreeSet<SpaceId>) {
        let (of_root, of_mark) = (schema::root_space(key), schema::settled_space(key));
        let of_time = schema::generated_space(key);
        let Some(space) = of_root.as_ref().or(of_mark.as_ref()).or(of_time.as_ref()) else {
            return self.drop_row(Table::Meta, key);
        };
        if !hosted.contains(space) {
            return;
        }
        let found = self.spaces.entry(space.clone()).or_default();
        let sound = if of_root.is_some() {
            found.root = schema::decode_root(key, value);
            found.root.is_some()
        } else if of_mark.is_some() {
            found.settled = schema::is_settled(key, value);
            found.settled
        } else {
            found.generated_at = schema::decode_generated(key, value);
            found.generated_at.is_some()
        };
        if !sound {
            found.damaged = true;
            self.drop_row(Table::Meta, key);
        }
    }

    fn load_content(
        &mut self,
        key: &[u8],
        bytes: &[u8],
        hosted: &BTreeSet<SpaceId>,
        hasher: &AnyHasher,
        names: &mut schema::Names,
    ) {
        let Some((space, digest)) = schema::split_key(key) else {
            return self.drop_row(Table::Contents, key);
        };
        if !hosted.contains(&space) {
            return;
        }
        let found = self.spaces.entry(space).or_default();
        match schema::decode_content(digest, bytes, hasher, names) {
            Some(content) => {
                found.own_rows.insert(content.digest(), content.into_held());
            }
            None => {
                found.damaged = true;
                self.drop_row(Table::Contents, key);
            }
        }
    }

    fn load_record(
        &mut self,
        key: &[u8],
        bytes: &[u8],
        hosted: &BTreeSet<SpaceId>,
        hasher: &AnyHasher,
        names: &mut schema::Names,
    ) {
        let Some((space, id)) = schema::split_key(key) else {
            if let (Some(only), 1) = (hosted.first(), hosted.len()) {
                let id = schema::id_beside(bytes, hasher);
                self.lose(only, id.as_deref().unwrap_or(UNREADABLE));
            }
            return self.drop_row(Table::Records, key);
        };
        let id = std::str::from_utf8(id).ok();
        if !hosted.contains(&space) {
            if !self.unhosted.contains(&space) {
                // The store has no such space, so the key may be damaged.
                let named = schema::id_beside(bytes, hasher);
                self.lose(&space, named.as_deref().or(id).unwrap_or(UNREADABLE));
            }
            return;
        }
        let mut row = || schema::decode_record(key, bytes, hasher, names);
        match id.and_then(|id| Some((id, row()?))) {
            Some((id, (row, beside))) => {
                let found = self.spaces.entry(space).or_default();
                found.rows.push((Arc::from(id), row));
                let beside = beside.map(|content| (content.digest(), content.into_held()));
                found.contents.extend(beside);
            }
            None => {
                self.drop_row(Table::Records, key);
                // The key may be damaged.
                let named = schema::id_beside(bytes, hasher);
                self.lose(&space, named.as_deref().or(id).unwrap_or(UNREADABLE));
                self.spaces.entry(space).or_default().damaged = true;
            }
        }
    }

    /// Collects the contents that the records of a space reference, from the rows of the records and from
    /// [`Table::Contents`]. Drops records that reference a missing content or a content of another id, and
    /// contents that no record references.
    fn settle(&mut self, space: &SpaceId, found: &mut LoadedSpace) {
        let (mut held, own_rows) = (mem::take(&mut found.contents), mem::take(&mut found.own_rows));
        let stored_twice = own_rows.keys().filter(|digest| held.contains_key(digest)).copied();
        for digest in stored_twice.collect::<BTreeSet<_>>() {
            self.repairs.remove(Table::Contents, schema::key(space, digest.as_bytes()));
        }
        held.extend(own_rows);
        // A content belongs to a single id, so no two records name the same content.
        let (mut named, rows) = (0, found.rows.len());
        found.rows.retain(|(id, row)| {
            let names = row.record.live();
            let is_of = |content: &Held| content.pattern.id == **id;
            let sound = names.iter().all(|digest| held.get(digest).is_some_and(is_of));
            if sound {
                named += names.len();
            } else {
                self.drop_row(Table::Records, &schema::key(space, id.as_bytes()));
                self.lose(space, id);
            }
            sound
        });
        found.damaged |= found.rows.len() < rows;
        if named < held.len() {
            self.drop_orphans(space, &found.rows, &mut held);
        }
        found.contents = held;
    }

    /// Drops the contents that no record references.
    fn drop_orphans(
        &mut self,
        space: &SpaceId,
        rows: &[(Arc<str>, StoredRow)],
        held: &mut Contents,
    ) {
        let named: HashSet<_> = rows.iter().flat_map(|(_, row)| row.record.live()).collect();
        let mut orphans: Vec<_> =
            held.keys().filter(|digest| !named.contains(*digest)).copied().collect();
        orphans.sort();
        for digest in orphans {
            if let Some(orphan) = held.remove(&digest) {
                // Commits are atomic, so the row that referenced this content was lost.
                self.lose(space, &orphan.pattern.id);
            }
            self.repairs.remove(Table::Contents, schema::key(space, digest.as_bytes()));
        }
    }

    fn drop_row(&mut self, table: Table, key: &[u8]) {
        self.damaged += 1;
        self.repairs.remove(table, key.to_vec());
    }

    fn lose(&mut self, space: &SpaceId, id: &str) {
        let lost = (space.clone(), id.to_owned());
        if self.lost.len() < MAX_NAMED_LOSSES && !self.lost.contains(&lost) {
            self.lost.push(lost);
        }
    }
}
