//! foca's outputs: packets and timers.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use foca::{Member, Timer};

use super::Instance;
use super::codec::{self, HEADER_SOURCE};
use crate::NodeId;

/// Collects foca's outputs.
#[derive(Debug, Default)]
pub(super) struct Out {
    pub(super) now: Duration,
    pub(super) packets: VecDeque<(NodeId, Vec<u8>)>,
    /// The pending timers by time, then by insertion.
    timers: BTreeMap<(Duration, u64), Due>,
    scheduled: u64,
    /// The suspected members. Every packet to a suspected member reports the suspicion if it has a
    /// member list with room for one more entry, since only that member can refute the suspicion
    /// (the buddy system of Dadgar, Phillips, Currey: Lifeguard, SWIM-ing with situational
    /// awareness, 2018).
    pub(super) suspects: BTreeMap<NodeId, Member<Instance>>,
    pub(super) stirred: bool,
}

/// A pending timer.
#[derive(Debug)]
pub(super) enum Due {
    Foca(Timer<Instance>),
    /// Invite the next member of the roster that foca does not list as active.
    Invitation,
}

impl foca::Runtime<Instance> for Out {
    fn notify(&mut self, notification: foca::Notification<'_, Instance>) {
        use foca::Notification::{MemberDown, MemberUp, Rejoin, Rename};
        self.stirred |=
            matches!(notification, MemberUp(_) | MemberDown(_) | Rename(..) | Rejoin(_));
    }

    fn send_to(&mut self, to: Instance, data: &[u8]) {
        // Omit the sender's id, which the connection proves.
        let mut packet = data.get(HEADER_SOURCE..).unwrap_or_default().to_vec();
        if let Some(suspect) = self.suspects.get(&to.node) {
            codec::mention(&mut packet, suspect);
        }
        self.packets.push_back((to.node, packet));
    }

    fn submit_after(&mut self, event: Timer<Instance>, after: Duration) {
        self.schedule(Due::Foca(event), after);
    }
}

impl Out {
    pub(super) fn schedule(&mut self, due: Due, after: Duration) {
        self.scheduled += 1;
        self.timers.insert((self.now.saturating_add(after), self.scheduled), due);
    }

    pub(super) fn next_due(&self) -> Option<Duration> {
        self.timers.first_key_value().map(|((at, _), _)| *at)
    }

    /// Removes and returns the next timer that is due.
    pub(super) fn pop_due(&mut self) -> Option<Due> {
        self.next_due().filter(|at| *at <= self.now)?;
        self.timers.pop_first().map(|(_, due)| due)
    }

    pub(super) fn clear_timers(&mut self) {
        self.timers.clear();
    }
}
