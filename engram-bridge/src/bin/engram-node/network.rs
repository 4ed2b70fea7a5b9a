//! Events of the network, as they are reported.

use engram_gossip_net::{Event as Net, NodeId, SessionReport};
use engram_gossip_proto::Event as Noticed;

use crate::event::{Event, Session};
use crate::notice::Notice;

/// The advice when a peer and this node stay different. The one that refuses names each record and
/// the reason; the other one learns only this.
const STALLED: &str = "one of the two refuses records of the other, and reports there which and why; \
     or holds records that exceed a limit of the wire, which both report";

/// An event that is reported.
pub(crate) enum Report {
    /// Each time.
    Always(Event),
    /// Once for each episode.
    Once(Notice),
}

impl From<Event> for Report {
    fn from(event: Event) -> Self {
        Self::Always(event)
    }
}

/// The report of an event; `None` if it is of no interest. `name` names a node for people.
pub(crate) fn report(event: Net, name: impl Fn(NodeId) -> String) -> Option<Report> {
    let (peer, reason) = match event {
        Net::Session(session) => return Some(Event::Session(of(&session, name)).into()),
        Net::SessionFailed { peer, cause } => (name(peer), format!("the session failed: {cause}")),
        Net::Unreachable { peer, cause, retry_in } => {
            (name(peer), format!("not reached: {cause}; tried again in {retry_in:.1?}"))
        }
        Net::Noticed { peer, what: Noticed::Rejected { space, id, reason } } => {
            return Some(Report::Once(Notice::rejected(name(peer), &space, &id, reason)));
        }
        Net::Noticed { peer, what: Noticed::Unsendable(record) } => {
            return Some(Report::Once(Notice::unsendable(name(peer), &record)));
        }
        Net::Refused { address, cause } => (address.to_string(), cause.to_string()),
        Net::Disconnected { peer, reason } => (name(peer), reason),
        Net::Connected { peer } => (name(peer), "connected".to_owned()),
        Net::Member { peer, liveness, incarnation } => {
            let liveness = format!("{liveness:?}").to_lowercase();
            return Some(Event::Member { peer: name(peer), liveness, incarnation }.into());
        }
        Net::Stalled { peer, sessions } => {
            (name(peer), format!("{sessions} sessions in a row made no progress: {STALLED}"))
        }
        _ => return None,
    };
    Some(Event::Peer { peer, reason }.into())
}

fn of(session: &SessionReport, name: impl Fn(NodeId) -> String) -> Session {
    Session {
        peer: name(session.peer),
        result: session.reason().to_owned(),
        sent: session.bytes_sent,
        received: session.bytes_received,
        records_in: session.outcome.stats.records_in,
        records_out: session.outcome.stats.records_out,
    }
}
