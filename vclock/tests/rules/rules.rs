//! The adopted rules, their bounds, and the weaker rules that counterexamples rule out.

/// One rule that differs from the adopted ones.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Weaker {
    /// V1: a version is (incarnation, counter); a start takes a new incarnation.
    IncarnationAndCounter,
    /// V1: a version above the clock is the highest known version + 1, without a random step.
    NextWithoutRandom,
    /// V1: a node accepts any version of its own from a hello, however far in the future.
    ImplausibleHelloBelieved,
    /// V1: one implausible version makes a node refuse the whole record, not only its part.
    ImplausibleRecordRefused,
    /// V1: the node's clock is used, however far it lies above every clock that peers reported.
    OwnClockTrusted,
    /// V1: an implausible own clock is replaced by the highest known version, not by the reported
    /// clock.
    OwnClockByHighest,
    /// V1: dropping a node's own implausible part does not rewrite its contents.
    DropForgetsWrites,
    /// V1: dropping a node's own implausible part keeps the highest known version.
    DropKeepsHighest,
    /// V2: a part is sent with the context of the whole record.
    PartsCarryWholeContext,
    /// V2: a new name over the cap makes a node refuse the whole record.
    CapRefusesRecord,
    /// V2: a full node refuses records of ids that it holds.
    CapRefusesHeld,
    /// V4: the number of live dots of one node has no limit.
    TwinsUnbounded,
    /// V5: a removed write is never reissued.
    ReissueNever,
    /// V5: the arrival of a higher own version makes the node reissue all its own live writes.
    ReissueAllOfNode,
    /// V5: the arrival of a higher own version makes the process reissue the node's live writes under
    /// each id for which the last write of the process is live.
    ReissueAllOfProcess,
    /// V5: a write is reissued only if the arriving entry is ahead of the clock.
    ReissueIfAheadOfClock,
    /// V5: the reissued dot supersedes the node's own dots that arrived.
    ReissueSupersedes,
    /// V5: the version of a reissue is minted, not the arriving entry + 1.
    ReissueAtClock,
    /// V5: a reissue at the limit on own dots drops the lowest dot.
    ReissueDropsLowest,
    /// V3: a submission of a suppressed content does not supersede the node's own dots.
    SuppressedSupersedesNothing,
    /// V6: the part of the node that forgot a content holds the suppressed digest; the node's next
    /// write removes it.
    SuppressedInTombstone,
    /// V6: like `SuppressedInTombstone`, but the node's next writes keep the digests.
    SuppressedCarriedOn,
    /// V7: a join never changes `last_submitted`.
    LastSubmittedKept,
    /// V7: `last_submitted` is kept when a later own version covers the node's own dots.
    CoveredLastSubmittedKept,
    /// V7: an unchanged submission does not claim the write for this process.
    UnchangedClaimsNothing,
    /// V8: deletions that every node has are removed; a node then refuses records at or below the
    /// removed versions.
    DeletionsReaped,
    /// V9: a node waits only while its store is empty; a restart after half a session ends the
    /// wait.
    WaitWhileEmpty,
    /// V9: an operation does not first apply the waiting submission of its id.
    OperationPassesWaiting,
    /// V11: a replaced node's dots count as own dots for "unchanged" and `last_submitted`.
    ReplacedCountsAsOwn,
    /// V11: a new key replaces only the last key, not the keys that the last key had replaced.
    ReplacesOne,
    /// Echo: a returned blend is written like any other content.
    EchoWritten,
    /// Echo: only the current blend is recognised, not the blends handed out before.
    EchoOfCurrentOnly,
    /// Echo: a content that equals the shown one is an echo even if a peer's live dot holds it.
    EchoOfLive,
    /// Summaries: records are selected by live dots, not by context entries.
    SelectByLiveDot,
    /// Summaries: if a session left out no record and the roots still differ, it always descends.
    DescendAlways,
    /// Summaries: records above the sender's own summary entry are sent like the others.
    AboveOwnEntryFirst,
    /// Summaries: a budget may separate records of equal version.
    EqualVersionsSeparated,
    /// Descent: a limited descent sends records in the order of the ids.
    DescentInFixedOrder,
}

/// The rules under test, with small bounds: the adopted rules, or all of them except one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    /// The one rule that differs from the adopted ones, if there is one.
    pub(crate) weaker: Option<Weaker>,
    /// V2, V4: the maximum number of live dots of one node under one id (16 in the product).
    pub(crate) max_dots: usize,
    /// V6: the maximum number of suppressed digests of one id (1,024 in the product).
    pub(crate) max_suppressed: usize,
    /// V1: the number of steps by which a version may lie above the clock (10 years in the
    /// product).
    pub(crate) max_ahead: i64,
}

impl Rules {
    pub(crate) const ADOPTED: Self =
        Self { weaker: None, max_dots: 2, max_suppressed: 2, max_ahead: 300 };

    /// The adopted rules except for one.
    pub(crate) const fn but(weaker: Weaker) -> Self {
        Self { weaker: Some(weaker), ..Self::ADOPTED }
    }

    pub(crate) fn has(&self, weaker: Weaker) -> bool {
        self.weaker == Some(weaker)
    }

    /// Whether suppressed digests are a separate part of the record (V6).
    pub(crate) fn suppresses_in_set(&self) -> bool {
        !self.has(Weaker::SuppressedInTombstone) && !self.has(Weaker::SuppressedCarriedOn)
    }
}
