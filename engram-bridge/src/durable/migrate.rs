//! Migration of a stopped node's store to another precision of embeddings.

use std::collections::BTreeMap;
use std::sync::Arc;

use engram_gossip_net::NodeId;
use engram_gossip_proto::SpaceId;
use engram_merkle::Digest;

use crate::durable::recovery::{OpenError, Recovery};
use crate::durable::restore::{Restored, read_all};
use crate::durable::schema::{self, Owner};
use crate::durable::storage::{Batch, StateStore, StorageError, Table};
use crate::engram::precision::Precision;
use crate::replica::content::{Content, Contents, PatternError, Shape};
use crate::replica::placement::Placement;
use crate::replica::rules::Rules;
use crate::replica::state::{SpaceState, StoredRow};

/// The outcome of a migration to another precision.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Migration {
    /// The state of the store before the migration. Damaged rows are not migrated.
    pub recovery: Recovery,
    /// The number of spaces in the store.
    pub spaces: usize,
    /// The number of records. Each keeps its dots and its context.
    pub records: u64,
    /// The number of contents that were rewritten because rounding changed them.
    pub rounded: u64,
    /// Suppressed digests that were dropped. Their contents are not held, so their digests under the new precision are
    /// unknown. If an engine submits such a content again, it becomes visible.
    pub released: Vec<(SpaceId, String, Digest)>,
}

impl Migration {
    const fn of(recovery: Recovery) -> Self {
        Self { recovery, spaces: 0, records: 0, rounded: 0, released: Vec::new() }
    }
}

/// Why a store was not migrated. The store is unchanged.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum MigrateError {
    /// The store cannot be opened with its old precision.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A content does not fit the new precision.
    #[error("pattern {id:?} of {space} cannot be kept: {reason}; forget it on all nodes first")]
    Pattern {
        /// The space.
        space: SpaceId,
        /// The pattern id.
        id: String,
        /// The cause.
        reason: PatternError,
    },
    /// The result cannot be written.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Migrates `store` to the precision `target` in one transaction. All nodes of the cluster must be stopped and
/// migrated. Nodes with equal states still have equal states afterwards.
pub(crate) fn migrate(
    store: &dyn StateStore,
    node: NodeId,
    rules: &Rules,
    target: Precision,
) -> Result<Migration, MigrateError> {
    let with = |precision| Rules { shape: Shape { precision, ..rules.shape }, ..rules.clone() };
    let source = match target {
        Precision::F32 => with(Precision::F16),
        Precision::F16 => with(Precision::F32),
    };
    let rules = with(target);
    let Restored { recovery, states, repairs: mut batch, .. } = read_all(store, node, &source)?;
    let mut migration = Migration::of(recovery);
    for (space, state) in &states {
        migration.spaces += 1;
        migrate_space(space, state, &rules, &mut batch, &mut migration)?;
    }
    Owner::new(node.into(), &rules).put(&mut batch);
    store.commit(&batch)?;
    Ok(migration)
}

fn migrate_space(
    space: &SpaceId,
    state: &SpaceState,
    rules: &Rules,
    batch: &mut Batch,
    migration: &mut Migration,
) -> Result<(), MigrateError> {
    let (mut rows, mut contents) = (Vec::new(), Contents::new());
    for (id, entry) in state.entries() {
        let (mut renamed, mut before, mut after) = (BTreeMap::new(), vec![], BTreeMap::new());
        for digest in entry.record.live() {
            let held = state.held(&digest).expect("every live content is held");
            let held = Content::of_held(digest, held);
            let content = held.reshaped(rules.shape, &rules.hasher);
            let content = content.map_err(|reason| MigrateError::Pattern {
                space: space.clone(),
                id: id.to_string(),
                reason,
            })?;
            migration.rounded += u64::from(content.digest() != digest);
            renamed.insert(digest, content.digest());
            contents.insert(content.digest(), content.clone().into_held());
            before.push(held);
            after.insert(content.digest(), content);
        }
        let (record, released) = entry.record.renamed(&renamed);
        let released = released.into_iter().map(|digest| (space.clone(), id.to_string(), digest));
        migration.released.extend(released);
        let last_submitted = entry.last_submitted.and_then(|digest| renamed.get(&digest).copied());
        let key = schema::key(space, id.as_bytes());
        let placement = Placement::change(&before, after.into_values().collect());
        let beside = placement.beside.as_ref();
        let row = schema::encode_record(&key, &record, last_submitted.as_ref(), beside);
        batch.put(Table::Records, key, row);
        schema::put_own_rows(batch, space, &placement);
        rows.push((Arc::clone(id), StoredRow { record, last_submitted }));
        migration.records += 1;
    }
    let root = SpaceState::restore(rules.clone(), rows, contents).stored_root();
    batch.put(Table::Meta, schema::root_key(space), schema::encode_root(space, &root));
    Ok(())
}
