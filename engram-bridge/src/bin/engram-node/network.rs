//! Reports of network events.

use engram_gossip_net::{Event as Net, NodeId, SessionReport};

use crate::event::{Event, Session};
use engram_bridge::notices::Notice;

/// How an event is reported.
pub(crate) enum Report {
    /// Reported each time.
    Always(Event),
    /// Reported in full the first time; its repetitions are counted.
    Once(Notice),
}

/// Returns how an event is reported; `None` if it is not reported. `name` returns the display name
/// of a node.
pub(crate) fn report(event: Net, name: impl Fn(NodeId) -> String) -> Option<Report> {
    Some(match event {
        Net::Session(session) => Report::Always(Event::Session(of(&session, name))),
        Net::Member { peer, liveness, incarnation } => {
            let liveness = format!("{liveness:?}").to_lowercase();
            Report::Always(Event::Member { peer: name(peer), liveness, incarnation })
        }
        event => Report::Once(Notice::of_network(&event, name)?),
    })
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
