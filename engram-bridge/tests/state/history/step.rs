//! The steps of a history.

/// One step of a history.
///
/// Processes, patterns and values are numbers. The first processes are the nodes, in the order of
/// their ids; the later ones run under the key of node 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// The engine of a process submits a value of a pattern.
    Submit(usize, usize, u8),
    /// A process withdraws its writes of a pattern.
    Withdraw(usize, usize),
    /// A process forgets a pattern.
    Forget(usize, usize),
    /// A process resolves a pattern to a value.
    Resolve(usize, usize, u8),
    /// A process withdraws all writes of a node.
    WithdrawNode(usize, usize),

    /// A complete session between two processes.
    Session(usize, usize),
    /// A session that breaks after a number of frames.
    Cut(usize, usize, usize),
    /// A session in which the opener submits a value of a pattern after a number of frames.
    Amid(usize, usize, usize, usize, u8),
    /// The hellos of a session, then one record from the first process to the second.
    Part(usize, usize, usize),
    /// The first process sends a record to the second; only one node's part arrives.
    Piece(usize, usize, usize, usize),
    /// The first process sends a record to the second; only the suppression arrives.
    Suppression(usize, usize, usize),
    /// A process sends a record, which remains in transit.
    Send(usize, usize),
    /// The record in transit arrives at a process, however late.
    Deliver(usize),
    /// A peer claims that a process wrote a version from the far future, which no node wrote.
    Lie(usize),

    /// A process ends; the next one starts with its disk.
    Restart(usize, Clock),
    /// A process ends; the next one starts with an empty disk.
    LoseDisk(usize, Clock),
    /// A process ends; the next one finds the row of a pattern damaged.
    Damage(usize, usize, Clock),
    /// The machine of node 0 is copied, memory included.
    Save,
    /// Node 0 starts with the copy of its disk.
    Restore(Clock),
    /// The machine of node 0 continues from its copy, memory included.
    ResumeMachine,
    /// A second machine continues from the memory and the disk of node 0.
    CloneMachine,
    /// A second machine starts with the disk of node 0.
    CloneDisk(Clock),
    /// The youngest clone ends.
    StopClone,
    /// The clock of a process is set.
    Set(usize, Clock),
    /// A process no longer waits for its first contact.
    TimeOut(usize),
    /// The disk of a process is full.
    Fill(usize),
    /// The disk of a process has room again.
    Free(usize),
    /// All rosters drop a node, which then has no session with other nodes.
    Evict(usize),
    /// An evicted node is a member again.
    Return(usize),
}

impl Step {
    /// Whether a process continues without some of its writes.
    pub(crate) const fn loses_state(&self) -> bool {
        matches!(
            self,
            Self::LoseDisk(..) | Self::Damage(..) | Self::Restore(_) | Self::ResumeMachine
        )
    }
}

/// The state of a clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Clock {
    /// The clock shows the correct time.
    Right,
    /// The clock is five years behind.
    Behind,
    /// The clock is two years ahead: wrong, but plausible.
    Near,
    /// The clock is fifty years ahead: implausible.
    Ahead,
}

pub(crate) const SECOND: i64 = 1_000_000_000;
pub(crate) const YEAR: i64 = 365 * 86_400 * SECOND;

impl Clock {
    /// The offset of the clock, in nanoseconds.
    pub(crate) const fn offset(self) -> i64 {
        match self {
            Self::Right => 0,
            Self::Behind => -5 * YEAR,
            Self::Near => 2 * YEAR,
            Self::Ahead => 50 * YEAR,
        }
    }
}
