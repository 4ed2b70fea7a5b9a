// Carries roots in the datagrams of Engram's SWIM. An unmodified node ignores bytes that follow a
// message.

use std::collections::BTreeMap;

use engram_bridge::ConsolidationGossiper;
use engram_bridge::net::{ADVERT_ROOM, AdvertError, CONSOLIDATION_ROOT};

/// The longest datagram that Engram sends.
const MAX_DATAGRAM: usize = 1_400;

/// Appends roots of this node to an encoded SWIM message, if [`ADVERT_ROOM`] bytes still fit into the datagram.
pub fn append_roots(datagram: &mut Vec<u8>, gossiper: &ConsolidationGossiper) {
    if datagram.len() + ADVERT_ROOM <= MAX_DATAGRAM {
        let mut metadata = BTreeMap::new();
        gossiper.attach_consolidation_gossip(&mut metadata);
        datagram.extend(&metadata[CONSOLIDATION_ROOT]);
    }
}

/// Handles the bytes that follow a SWIM message from the member whose name in Engram is `from`.
pub fn take_roots(
    from: &str,
    trailing: &[u8],
    gossiper: &ConsolidationGossiper,
) -> Result<(), AdvertError> {
    if trailing.is_empty() {
        return Ok(());
    }
    let metadata = BTreeMap::from([(CONSOLIDATION_ROOT.to_owned(), trailing.to_vec())]);
    gossiper.handle_consolidation_gossip(from, &metadata)
}
