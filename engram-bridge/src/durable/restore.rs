//! From rows to a node's state.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use engram_gossip_net::NodeId;
use engram_gossip_proto::SpaceId;
use engram_merkle::AnyHasher;

use crate::durable::recovery::{MAX_NAMED_LOSSES, OpenError, Recovery};
use crate::durable::schema::{self, OWNER, Owner, SCHEMA};
use crate::durable::storage::{Batch, StateStore, StorageError, Table};
use crate::replica::content::{Contents, Held};
use crate::replica::state::{Rules, SpaceState, StoredRoot, StoredRow};

/// A node's state as it was found.
pub(crate) struct Restored {
    pub(crate) recovery: Recovery,
    pub(crate) states: Vec<(SpaceId, SpaceState)>,
    /// What the store lacks of the state: to be committed before anything else.
    pub(crate) repairs: Batch,
}

/// Reads the hosted spaces from `store`. Damaged rows are left out.
pub(crate) fn restore(
    store: &dyn StateStore,
    node: NodeId,
    hosted: BTreeSet<SpaceId>,
    rules: &Rules,
) -> Result<Restored, OpenError> {
    let owner = Owner::new(node.into(), rules);
    let (mut loaded, mut aside) = (Loaded::default(), None);
    match loaded.load(store, &owner, &hosted, &rules.hasher) {
        Err(OpenError::Storage(StorageError::Damaged { reason, .. })) => {
            let place = store.set_aside()?;
            (loaded, aside) = (Loaded::default(), Some(Recovery::SetAside { place, reason }));
        }
        outcome => outcome?,
    }
    let mut states = Vec::with_capacity(hosted.len());
    for space in hosted {
        let LoadedSpace { rows, contents, root, settled, damaged } =
            loaded.spaces.remove(&space).unwrap_or_default();
        let mut state = SpaceState::restore(rules.clone(), rows, contents);
        let found = state.stored_root();
        let sound = !damaged && root.is_none_or(|root| root == found);
        if settled && sound {
            state.settle();
        } else if settled {
            loaded.repairs.remove(Table::Meta, schema::settled_key(&space));
        }
        if root != Some(found) {
            // A row is missing, or no longer the one that was committed last.
            loaded.damaged += u64::from(root.is_some() && loaded.damaged == 0);
            let key = schema::root_key(&space);
            loaded.repairs.put(Table::Meta, key, schema::encode_root(&space, &found));
        }
        states.push((space, state));
    }
    if loaded.owner.is_none() {
        loaded.repairs.put(Table::Meta, OWNER.to_vec(), owner.encode());
    }
    let records = states.iter().map(|(_, state)| state.stored_root().count).sum();
    let Loaded { owner, damaged: rows, lost, repairs, .. } = loaded;
    let recovery = aside.unwrap_or(match (rows, owner) {
        (1.., _) => Recovery::Repaired { records, lost, rows },
        (0, Some(_)) => Recovery::Loaded { records },
        (0, None) => Recovery::New,
    });
    Ok(Restored { recovery, states, repairs })
}

/// The sound rows of a store.
#[derive(Default)]
struct Loaded {
    owner: Option<Owner>,
    spaces: BTreeMap<SpaceId, LoadedSpace>,
    /// Removes rows that are damaged, or that no other names.
    repairs: Batch,
    damaged: u64,
    lost: Vec<(SpaceId, String)>,
}

/// The sound rows of one space.
#[derive(Default)]
struct LoadedSpace {
    rows: Vec<(Arc<str>, StoredRow)>,
    contents: Contents,
    root: Option<StoredRoot>,
    /// Whether its first contact is over.
    settled: bool,
    damaged: bool,
}

impl Loaded {
    /// Reads the hosted spaces. Rows of others stay as they are.
    fn load(
        &mut self,
        store: &dyn StateStore,
        owner: &Owner,
        hosted: &BTreeSet<SpaceId>,
        hasher: &AnyHasher,
    ) -> Result<(), OpenError> {
        self.load_meta(store, owner, hosted)?;
        let mut contents = self.load_contents(store, hosted, hasher)?;
        self.load_records(store, hosted)?;
        let mut spaces = std::mem::take(&mut self.spaces);
        for (space, found) in &mut spaces {
            let held = contents.remove(space).unwrap_or_default();
            self.settle(space, found, held);
        }
        self.spaces = spaces;
        Ok(())
    }

    fn load_meta(
        &mut self,
        store: &dyn StateStore,
        owner: &Owner,
        hosted: &BTreeSet<SpaceId>,
    ) -> Result<(), OpenError> {
        let mut rows = BTreeMap::new();
        store.scan(Table::Meta, &mut |key, value| {
            rows.insert(key.to_vec(), value.to_vec());
        })?;
        if rows.is_empty() {
            return Ok(());
        }
        let written = rows.remove(OWNER).unwrap_or_default();
        if let Some(found) = Owner::schema(&written).filter(|found| *found != SCHEMA) {
            return Err(OpenError::Schema { found, known: SCHEMA });
        }
        let Some(found) = Owner::decode(&written) else {
            let place = "the store".to_owned();
            let reason = "the row that names its node is damaged or missing".to_owned();
            return Err(StorageError::Damaged { place, reason }.into());
        };
        if found.node != owner.node {
            return Err(OpenError::Foreign { found: found.node.into() });
        }
        if found != *owner {
            let (found, configured) = (found.to_string(), owner.to_string());
            return Err(OpenError::Parameters { found, configured });
        }
        self.owner = Some(found);
        for (key, value) in rows {
            self.load_mark(&key, &value, hosted);
        }
        Ok(())
    }

    /// Reads a row about one space.
    fn load_mark(&mut self, key: &[u8], value: &[u8], hosted: &BTreeSet<SpaceId>) {
        let (of_root, of_mark) = (schema::root_space(key), schema::settled_space(key));
        let Some(space) = of_root.as_ref().or(of_mark.as_ref()) else {
            return self.drop_row(Table::Meta, key);
        };
        if !hosted.contains(space) {
            return;
        }
        let found = self.spaces.entry(space.clone()).or_default();
        let sound = match of_root.is_some() {
            true => {
                found.root = schema::decode_root(key, value);
                found.root.is_some()
            }
            false => {
                found.settled = schema::is_settled(key, value);
                found.settled
            }
        };
        if !sound {
            found.damaged = true;
            self.drop_row(Table::Meta, key);
        }
    }

    fn load_contents(
        &mut self,
        store: &dyn StateStore,
        hosted: &BTreeSet<SpaceId>,
        hasher: &AnyHasher,
    ) -> Result<HashMap<SpaceId, Contents>, StorageError> {
        let (mut contents, mut names) = (HashMap::<_, Contents>::new(), schema::Names::new());
        store.scan(Table::Contents, &mut |key, bytes| {
            let Some((space, digest)) = schema::split_key(key) else {
                return self.drop_row(Table::Contents, key);
            };
            if !hosted.contains(&space) {
                return;
            }
            match schema::decode_content(digest, bytes, hasher, &mut names) {
                Some(content) => {
                    let held = contents.entry(space).or_default();
                    held.insert(content.digest(), content.into_held());
                }
                None => {
                    self.spaces.entry(space).or_default().damaged = true;
                    self.drop_row(Table::Contents, key);
                }
            }
        })?;
        Ok(contents)
    }

    fn load_records(
        &mut self,
        store: &dyn StateStore,
        hosted: &BTreeSet<SpaceId>,
    ) -> Result<(), StorageError> {
        store.scan(Table::Records, &mut |key, bytes| {
            let Some((space, id)) = schema::split_key(key) else {
                return self.drop_row(Table::Records, key);
            };
            if !hosted.contains(&space) {
                return;
            }
            let id = std::str::from_utf8(id).ok();
            match id.and_then(|id| Some((Arc::from(id), schema::decode_record(key, bytes)?))) {
                Some(row) => self.spaces.entry(space).or_default().rows.push(row),
                None => {
                    self.drop_row(Table::Records, key);
                    self.lose(&space, id.unwrap_or("an unreadable id"));
                    self.spaces.entry(space).or_default().damaged = true;
                }
            }
        })
    }

    /// Gives a space the contents that its records name. A record that names a content which is not
    /// there, or which is one of another id, is left out, and so is a content that no record names.
    fn settle(&mut self, space: &SpaceId, found: &mut LoadedSpace, mut held: Contents) {
        let (mut named, rows) = (HashSet::with_capacity(held.len()), found.rows.len());
        found.rows.retain(|(id, row)| {
            let names = row.record.live();
            let is_of = |content: &Held| content.pattern.id == **id;
            let sound = names.iter().all(|digest| held.get(digest).is_some_and(is_of));
            if sound {
                named.extend(names);
            } else {
                self.drop_row(Table::Records, &schema::key(space, id.as_bytes()));
                self.lose(space, id);
            }
            sound
        });
        found.damaged |= found.rows.len() < rows;
        let mut orphans: Vec<_> =
            held.keys().filter(|digest| !named.contains(*digest)).copied().collect();
        orphans.sort();
        for digest in orphans {
            held.remove(&digest);
            self.repairs.remove(Table::Contents, schema::key(space, digest.as_bytes()));
        }
        found.contents = held;
    }

    fn drop_row(&mut self, table: Table, key: &[u8]) {
        self.damaged += 1;
        self.repairs.remove(table, key.to_vec());
    }

    fn lose(&mut self, space: &SpaceId, id: &str) {
        if self.lost.len() < MAX_NAMED_LOSSES {
            self.lost.push((space.clone(), id.to_owned()));
        }
    }
}
