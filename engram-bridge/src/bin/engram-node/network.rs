//! Reports of network events.

use engram_gossip_net::{Event as Net, NodeId, SessionReport};
use engram_gossip_proto::Event as Noticed;

use crate::event::{Event, Level, Session};
use crate::notice::Notice;

/// The explanation of states that stay different. The node that refuses records reports each of them
/// with the reason; the other node knows only this.
const STALLED: &str = "one of the two nodes refuses records of the other, and reports their ids and the \
     reasons; or one holds records that exceed a limit of the wire, which both report; or a record exceeds \
     the quota of bytes that one node grants the other";

/// How an event is reported.
pub(crate) enum Report {
    /// Reported each time.
    Always(Event),
    /// Reported once per episode.
    Once(Notice),
}

/// The report of an event; `None` if it is not reported. `name` returns the display name of a
/// node.
pub(crate) fn report(event: Net, name: impl Fn(NodeId) -> String) -> Option<Report> {
    use Level::{Info, Warning};
    let (code, level, peer, reason) = match event {
        Net::Session(session) => {
            return Some(Report::Always(Event::Session(of(&session, name))));
        }
        Net::Member { peer, liveness, incarnation } => {
            let liveness = format!("{liveness:?}").to_lowercase();
            let member = Event::Member { peer: name(peer), liveness, incarnation };
            return Some(Report::Always(member));
        }
        Net::Noticed { peer, what: Noticed::Rejected { space, id, reason } } => {
            return Some(Report::Once(Notice::rejected(name(peer), &space, &id, reason)));
        }
        Net::Noticed { peer, what: Noticed::Unsendable(record) } => {
            return Some(Report::Once(Notice::unsendable(name(peer), &record)));
        }
        Net::Refused { address, cause } => {
            let notice = Notice::refused(&address.to_string(), &cause.to_string());
            return Some(Report::Once(notice));
        }
        Net::SessionFailed { peer, cause } => {
            let cause = cause.to_string();
            let notice = Notice::peer("session_failed", Warning, name(peer), cause.clone());
            return Some(Report::Once(notice.caused_by(cause)));
        }
        Net::Unreachable { peer, cause, retry_in } => {
            let reason = format!("{cause}; retrying in {retry_in:.1?}");
            let notice = Notice::peer("unreachable", Warning, name(peer), reason);
            return Some(Report::Once(notice.caused_by(cause.to_string())));
        }
        Net::Disconnected { peer, reason } => ("disconnected", Info, peer, reason),
        Net::Connected { peer } => {
            ("connected", Info, peer, "a connection is established".to_owned())
        }
        Net::Stalled { peer, sessions } => {
            let reason = format!("{sessions} sessions in a row made no progress: {STALLED}");
            ("stalled", Warning, peer, reason)
        }
        _ => return None,
    };
    Some(Report::Once(Notice::peer(code, level, name(peer), reason)))
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
