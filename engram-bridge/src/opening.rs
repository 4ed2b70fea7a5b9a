//! What a node finds when it starts: the state that it left, or doubt.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;

use engram_gossip_proto::SpaceId;
use engram_merkle::AnyHasher;

use crate::content::Contents;
use crate::record;
use crate::rows::{self, LIFE, Life, OWNER, Owner, RecordRow, Root, SCHEMA};
use crate::storage::{Batch, StateStore, StorageError, Table};

/// In which state a node found what it had stored. Show it to whoever runs the node.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Opening {
    /// Nothing is stored: the state ends with the process.
    InMemory,
    /// There was nothing yet.
    New,
    /// Everything was there, and is proven to be what was written last. The node goes on in the
    /// life that it had.
    Resumed {
        /// How many pattern ids there are.
        records: u64,
    },
    /// There is doubt. The node kept what is sound and began a new life: whatever it wrote in the
    /// old one and has lost comes back from its peers, and cannot be mistaken for what it writes
    /// now.
    Doubted {
        /// How many pattern ids were kept.
        records: u64,
        /// What is in doubt.
        doubt: Doubt,
    },
}

/// Why a node cannot go on in the life that it had.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Doubt {
    /// The file is a copy, or an older state came back.
    Moved,
    /// The machine was started anew and the node had not been closed.
    PowerLost,
    /// The rows are sound, but they are not the state that was committed last, or it names a write
    /// that was never made.
    Inconsistent,
    /// Some rows are damaged.
    Damaged {
        /// How many were left out.
        rows: u64,
    },
    /// Nothing could be read.
    Unreadable {
        /// Where the data were put.
        aside: String,
        /// What was found.
        reason: String,
    },
}

impl fmt::Display for Opening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InMemory => f.write_str("nothing is stored; the state ends with the process"),
            Self::New => f.write_str("a new store"),
            Self::Resumed { records } => write!(f, "{records} records, all as they were left"),
            Self::Doubted { records, doubt } => {
                write!(f, "{doubt}; {records} records were kept and a new life was begun, ")?;
                f.write_str("what is missing comes from the peers")
            }
        }
    }
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Moved => f.write_str("the store is a copy, or an older state of it came back"),
            Self::PowerLost => {
                f.write_str("the machine was started anew and the node had not been closed")
            }
            Self::Inconsistent => f.write_str("the store is not in the state it was left in"),
            Self::Damaged { rows } => write!(f, "{rows} rows of the store are damaged"),
            Self::Unreadable { aside, reason } => {
                write!(f, "the store cannot be read ({reason}) and was put aside as {aside}")
            }
        }
    }
}

/// Why a store cannot be opened. Nothing was changed in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// It cannot be read or written.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// A newer program wrote it.
    #[error(
        "the store has schema {found}, this version knows {known}; install the newer version again, or start with another store.path and let the peers fill it"
    )]
    Newer {
        /// Its schema.
        found: u32,
        /// The newest that this version reads.
        known: u32,
    },
    /// Another node wrote it.
    #[error(
        "the store belongs to another node ({found}); give this one its own store.path, or the certificate and key of that node"
    )]
    Foreign {
        /// Whose it is.
        found: engram_gossip_net::NodeId,
    },
    /// It was written with other parameters.
    #[error(
        "the store was written with {found}, the configuration says {configured}; set it back, or start with another store.path and let the peers fill it"
    )]
    Parameters {
        /// What the store says.
        found: String,
        /// What the configuration says.
        configured: String,
    },
}

/// What is sound of a store.
#[derive(Default)]
pub(crate) struct Loaded {
    pub(crate) life: Option<Life>,
    pub(crate) spaces: BTreeMap<SpaceId, LoadedSpace>,
    /// Rows that are damaged, or that no other names.
    pub(crate) useless: Batch,
    pub(crate) damaged: u64,
}

/// What is sound of one space.
#[derive(Default)]
pub(crate) struct LoadedSpace {
    pub(crate) records: Vec<(Arc<str>, RecordRow)>,
    pub(crate) contents: Contents,
    pub(crate) root: Option<Root>,
}

/// Reads the hosted spaces. Rows of others stay where they are.
pub(crate) fn load(
    store: &mut dyn StateStore,
    owner: &Owner,
    hosted: &BTreeSet<SpaceId>,
    hasher: &AnyHasher,
) -> Result<Loaded, OpenError> {
    let mut loaded = Loaded::default();
    read_meta(store, owner, &mut loaded)?;
    let mut contents = HashMap::<SpaceId, Contents>::new();
    store.scan(Table::Contents, &mut |key, bytes| {
        let Some((space, digest)) = rows::split_key(key) else {
            return loaded.damage(Table::Contents, key);
        };
        if !hosted.contains(&space) {
            return;
        }
        match rows::decode_content(digest, bytes, hasher) {
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
    found.records.retain(|(id, row)| {
        let named = record::contents(&row.record);
        let sound = named.iter().all(|digest| held.contains_key(digest));
        if sound {
            let taken = named.iter().filter_map(|digest| held.remove_entry(digest));
            found.contents.extend(taken);
        } else {
            lost += 1;
            useless.remove(Table::Records, rows::key(space, id.as_bytes()));
        }
        sound
    });
    let mut orphans: Vec<_> = held.into_keys().collect();
    orphans.sort();
    for digest in orphans {
        useless.remove(Table::Contents, rows::key(space, digest.as_bytes()));
    }
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
    for (key, value) in &rows {
        let Some(space) = Root::space(key) else { continue };
        loaded.spaces.entry(space).or_default().root = Root::decode(key, value);
    }
    Ok(())
}

impl Loaded {
    fn damage(&mut self, table: Table, key: &[u8]) {
        self.damaged += 1;
        self.useless.remove(table, key.to_vec());
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { hash, depth, dimension, .. } = self;
        write!(f, "{hash}, depth {depth} and {dimension} dimensions")
    }
}
