//! From rows to a node's state, and how far they are to be trusted.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use engram_gossip_net::NodeId;
use engram_gossip_proto::SpaceId;
use engram_merkle::AnyHasher;

use crate::Timestamp;
use crate::content::Contents;
use crate::deletions::{Floor, Since};
use crate::journal::Journal;
use crate::opening::{Doubt, OpenError, Opening};
use crate::record;
use crate::rows::{self, LIFE, Life, OWNER, Owner, RecordRow, Root, SCHEMA};
use crate::state::{Rules, SpaceState};
use crate::storage::{Batch, Seal, StateStore, StorageError, Table};
use crate::writer::Writer;

/// A node's state as it was found.
pub(crate) struct Restored {
    pub(crate) opening: Opening,
    pub(crate) journal: Journal,
    pub(crate) states: Vec<(SpaceId, SpaceState)>,
}

/// Takes up what is in `store`. `writer` is that of a new life, in case there is doubt.
pub(crate) fn restore(
    mut store: Box<dyn StateStore>,
    mut writer: Writer,
    node: NodeId,
    hosted: BTreeSet<SpaceId>,
    rules: &Rules,
    now: Timestamp,
) -> Result<Restored, OpenError> {
    let owner = Owner::new(node.into(), rules);
    let loaded = match load(&mut *store, &owner, &hosted, &rules.hasher) {
        Err(OpenError::Storage(StorageError::Damaged { reason, .. })) => {
            let doubt = Doubt::Unreadable { aside: store.set_aside()?, reason };
            Loaded { doubt: Some(doubt), ..Loaded::default() }
        }
        loaded => loaded?,
    };
    let Loaded { life, mut spaces, useless: mut batch, damaged, mut doubt } = loaded;
    batch.put(Table::Meta, OWNER.to_vec(), owner.encode());
    let (mut states, mut consistent) = (Vec::with_capacity(hosted.len()), true);
    for space in hosted {
        let found = spaces.remove(&space).unwrap_or_default();
        found.records.iter().for_each(|(_, row)| writer.recall(row.record.context()));
        writer.recall(&found.floor.floor);
        let LoadedSpace { records, contents, root: stored, floor, since } = found;
        let state = SpaceState::restore(rules.clone(), records, contents, floor, &since, now);
        let root = state.stored_root();
        consistent &= stored.is_none_or(|stored| stored == root);
        batch.put(Table::Meta, Root::key(&space), root.encode(&space));
        states.push((space, state));
    }
    let records = states.iter().map(|(_, state)| state.stored_root().count).sum();
    if damaged > 0 {
        doubt = doubt.or(Some(Doubt::Damaged { rows: damaged }));
    }
    let sealed = store.seal();
    let opening = match (doubt, life) {
        (Some(doubt), _) => Opening::Doubted { records, doubt },
        (None, None) if records == 0 && sealed.place.is_empty() => Opening::New,
        (None, None) => Opening::Doubted { records, doubt: Doubt::Inconsistent },
        (None, Some(life)) => match suspicion(&life, &sealed) {
            Some(doubt) => Opening::Doubted { records, doubt },
            None if consistent && writer.resume(&life).is_ok() => Opening::Resumed { records },
            None => Opening::Doubted { records, doubt: Doubt::Inconsistent },
        },
    };
    for (space, state) in &mut states {
        if matches!(opening, Opening::Doubted { .. }) {
            state.deletions_mut().doubt();
        }
        let floor = rows::encode_floor(space, &state.deletions().floor());
        batch.put(Table::Meta, rows::floor_key(space), floor);
    }
    // Everything that was there before has another seal from now on.
    let seal = store.renew_seal()?;
    let mut journal = Journal::durable(writer, store, seal);
    journal.commit_batch(batch)?;
    Ok(Restored { opening, journal, states })
}

/// What makes it doubtful that `life` wrote nothing after what is stored.
fn suspicion(life: &Life, seal: &Seal) -> Option<Doubt> {
    if life.seal.place != seal.place {
        return Some(Doubt::Moved);
    }
    let same_boot = !seal.boot.is_empty() && life.seal.boot == seal.boot;
    (!life.closed && !same_boot).then_some(Doubt::PowerLost)
}

/// What is sound of a store.
#[derive(Default)]
struct Loaded {
    life: Option<Life>,
    spaces: BTreeMap<SpaceId, LoadedSpace>,
    /// Rows that are damaged, or that no other names.
    useless: Batch,
    damaged: u64,
    /// Why nothing could be read.
    doubt: Option<Doubt>,
}

/// What is sound of one space.
#[derive(Default)]
struct LoadedSpace {
    records: Vec<(Arc<str>, RecordRow)>,
    contents: Contents,
    root: Option<Root>,
    floor: Floor,
    /// Since when its deleted patterns are.
    since: BTreeMap<Arc<str>, Since>,
}

/// Reads the hosted spaces. Rows of others stay where they are.
fn load(
    store: &mut dyn StateStore,
    owner: &Owner,
    hosted: &BTreeSet<SpaceId>,
    hasher: &AnyHasher,
) -> Result<Loaded, OpenError> {
    let mut loaded = Loaded::default();
    read_meta(store, owner, &mut loaded)?;
    let (mut contents, mut names) = (HashMap::<SpaceId, Contents>::new(), rows::Names::new());
    store.scan(Table::Contents, &mut |key, bytes| {
        let Some((space, digest)) = rows::split_key(key) else {
            return loaded.damage(Table::Contents, key);
        };
        if !hosted.contains(&space) {
            return;
        }
        match rows::decode_content(digest, bytes, hasher, &mut names) {
            Some(content) => {
                let held = contents.entry(space).or_default();
                held.insert(content.digest(), content.into_held());
            }
            None => loaded.damage(Table::Contents, key),
        }
    })?;
    store.scan(Table::Records, &mut |key, bytes| {
        let Some((space, id)) = rows::split_key(key) else {
            return loaded.damage(Table::Records, key);
        };
        if !hosted.contains(&space) {
            return;
        }
        let id = std::str::from_utf8(id).ok();
        match id.and_then(|id| Some((Arc::from(id), rows::decode_record(key, bytes)?))) {
            Some(row) => loaded.spaces.entry(space).or_default().records.push(row),
            None => loaded.damage(Table::Records, key),
        }
    })?;
    store.scan(Table::Deletions, &mut |key, bytes| {
        let id = rows::split_key(key).filter(|(space, _)| hosted.contains(space));
        let id = id.and_then(|(space, id)| Some((space, std::str::from_utf8(id).ok()?)));
        // Without the row the deletion counts as new, which costs no more than a longer wait.
        if let (Some((space, id)), Some(since)) = (id, rows::decode_since(key, bytes)) {
            loaded.spaces.entry(space).or_default().since.insert(Arc::from(id), since);
        }
    })?;
    for (space, found) in &mut loaded.spaces {
        let held = contents.remove(space).unwrap_or_default();
        loaded.damaged += settle(space, found, held, &mut loaded.useless);
    }
    Ok(loaded)
}

/// Gives a space the contents that its records name, and leaves out the records that name one
/// which is not there. Returns how many these were.
fn settle(
    space: &SpaceId,
    found: &mut LoadedSpace,
    mut held: Contents,
    useless: &mut Batch,
) -> u64 {
    let mut lost = 0;
    let mut named = HashSet::with_capacity(held.len());
    found.records.retain(|(id, row)| {
        let names = record::contents(&row.record);
        let sound = names.iter().all(|digest| held.contains_key(digest));
        if sound {
            named.extend(names);
        } else {
            lost += 1;
            useless.remove(Table::Records, rows::key(space, id.as_bytes()));
        }
        sound
    });
    let mut orphans: Vec<_> =
        held.keys().filter(|digest| !named.contains(*digest)).copied().collect();
    orphans.sort();
    for digest in orphans {
        held.remove(&digest);
        useless.remove(Table::Contents, rows::key(space, digest.as_bytes()));
    }
    found.contents = held;
    lost
}

fn read_meta(
    store: &mut dyn StateStore,
    owner: &Owner,
    loaded: &mut Loaded,
) -> Result<(), OpenError> {
    let mut rows = Vec::new();
    store.scan(Table::Meta, &mut |key, value| rows.push((key.to_vec(), value.to_vec())))?;
    let row = |name: &[u8]| rows.iter().find(|(key, _)| key == name).map(|(_, value)| &**value);
    if rows.is_empty() {
        return Ok(());
    }
    let written = row(OWNER).unwrap_or_default();
    if let Some(found) = Owner::schema(written).filter(|found| *found > SCHEMA) {
        return Err(OpenError::Newer { found, known: SCHEMA });
    }
    let Some(found) = Owner::decode(written) else {
        let (place, reason) = ("the store".to_owned(), "it does not say whose it is".to_owned());
        return Err(StorageError::Damaged { place, reason }.into());
    };
    if found.node != owner.node {
        return Err(OpenError::Foreign { found: found.node.into() });
    }
    if found != *owner {
        let (found, configured) = (found.to_string(), owner.to_string());
        return Err(OpenError::Parameters { found, configured });
    }
    loaded.life = row(LIFE).and_then(Life::decode);
    let mut damaged = Vec::new();
    for (key, value) in &rows {
        if let Some(space) = Root::space(key) {
            loaded.spaces.entry(space).or_default().root = Root::decode(key, value);
        } else if let Some((space, floor)) = rows::decode_floor(key, value) {
            match floor {
                Some(floor) => loaded.spaces.entry(space).or_default().floor = floor,
                None => damaged.push(key.clone()),
            }
        }
    }
    damaged.iter().for_each(|key| loaded.damage(Table::Meta, key));
    Ok(())
}

impl Loaded {
    fn damage(&mut self, table: Table, key: &[u8]) {
        self.damaged += 1;
        self.useless.remove(table, key.to_vec());
    }
}
