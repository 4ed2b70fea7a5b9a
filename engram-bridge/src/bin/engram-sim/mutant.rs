//! Deliberate mistakes of the protocol and of its use, each of which a scenario has to notice.

use std::collections::BTreeMap;

use clap::ValueEnum;
use engram_gossip_proto::sim::{Climate, Side, Tamper};
use engram_gossip_proto::{Compression, Delivery, Message};

/// A mistake. None of them is in the product: each is a wrapper of a node, of the frames that it
/// sends, or another configuration of its scheduler.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mutant {
    /// Only the acceptor sends records; the opener only fetches.
    PullOnly,
    /// A session ends after one message of records each way, and the next one begins anew.
    NoContinuation,
    /// Of several siblings the first is sent, with the context of all.
    TruncatedSiblings,
    /// Records travel without their contents.
    NoContents,
    /// The limits on sessions at once are not looked at.
    SkippedLimit,
    /// A node that lost its disk goes on under the incarnation that it had.
    ReusedIncarnation,
    /// The engine's write supersedes what the engine never saw.
    MergedContext,
    /// What was submitted last is not remembered: each submission is a new version.
    NoLastSubmitted,
    /// A submission is compared with what is visible, not with the last submission.
    CompareWithVisible,
    /// A submission that equals what a peer wrote is left to the peer.
    Adopt,
    /// Nobody says that its state changed.
    SilentAdverts,
}

impl Mutant {
    /// Which scenario notices it.
    pub(crate) fn killer(self) -> &'static str {
        match self {
            Self::PullOnly | Self::NoContinuation | Self::NoContents => "pair",
            Self::SkippedLimit => "rush_100",
            Self::SilentAdverts => "adverts_lan_one_100",
            Self::TruncatedSiblings
            | Self::ReusedIncarnation
            | Self::MergedContext
            | Self::NoLastSubmitted
            | Self::CompareWithVisible
            | Self::Adopt => "faults",
        }
    }

    /// Changes how the world of the mutant is set up.
    pub(crate) fn spoil(self, climate: &mut Climate) {
        match self {
            Self::SkippedLimit => {
                climate.schedule.inbound = usize::MAX;
                climate.schedule.outbound = usize::MAX;
            }
            Self::SilentAdverts => climate.schedule.adverts = None,
            _ => {}
        }
    }

    /// What the mutant does to the frames that nodes send.
    pub(crate) fn tamper(self) -> Option<Tamper> {
        let mut messages: BTreeMap<(u64, Side), u32> = BTreeMap::new();
        let edit: Edit = match self {
            Self::PullOnly => Box::new(|_, side, delivery| {
                if side == Side::Opener {
                    *delivery = Default::default();
                }
            }),
            Self::NoContinuation => Box::new(move |session, side, delivery| {
                let sent = messages.entry((session, side)).or_default();
                *sent += 1;
                if *sent > 1 {
                    *delivery = Default::default();
                }
            }),
            Self::TruncatedSiblings => Box::new(|_, _, delivery| {
                delivery.records.iter_mut().for_each(|record| record.siblings.truncate(1));
            }),
            Self::NoContents => Box::new(|_, _, delivery| delivery.contents.clear()),
            _ => return None,
        };
        Some(of_deliveries(edit))
    }
}

/// What is done to the records of a frame, which one side sends in a session.
type Edit = Box<dyn FnMut(u64, Side, &mut Delivery)>;

/// Changes the records that frames carry, and nothing else.
fn of_deliveries(mut edit: Edit) -> Tamper {
    Box::new(move |session, side, frame| match Message::decode(&frame) {
        Ok((Message::PatternSync(mut sync), ends_turn)) => {
            edit(session, side, &mut sync.delivery);
            Message::PatternSync(sync).encode(Compression::Off, ends_turn)
        }
        _ => frame,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::{Setting, Tracing};
    use crate::scenario;

    #[test]
    fn mutants_that_show_at_once_are_noticed() {
        for mutant in [Mutant::PullOnly, Mutant::NoContinuation, Mutant::SkippedLimit] {
            let scenario = scenario::find(mutant.killer()).unwrap();
            let run = |mutant| scenario.run(Setting { seed: 0, trace: Tracing::Off, mutant });
            assert!(!run(Some(mutant)).passed(), "{mutant:?} went unnoticed");
            assert!(run(None).passed(), "{}", scenario.name);
        }
    }
}
