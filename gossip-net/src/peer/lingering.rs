//! Streams of ended sessions, kept until they can be closed.

use std::time::Duration;

use quinn::{RecvStream, SendStream};
use tokio::time::{Instant, timeout_at};

use crate::limits::FINISH_TIMEOUT;
use crate::stream::{Linger, has_ended};

/// The streams of ended sessions.
#[derive(Default)]
pub(super) struct Lingering {
    /// The last session's stream if its FIN has not been sent, and the deadline for sending it.
    pending_fin: Option<(SendStream, Instant)>,
    /// Streams whose last bytes may still be in flight, each with the deadline for their arrival.
    draining: Vec<(RecvStream, Instant)>,
}

/// How long a FIN waits for another packet to carry it. The delay equals QUIC's default maximum
/// acknowledgement delay, and is much shorter than the peer's wait for the FIN.
const FIN_DELAY: Duration = Duration::from_millis(25);

impl Lingering {
    pub(super) fn add(&mut self, linger: Linger, now: Instant) {
        match linger {
            Linger::Drain(recv) => self.draining.push((recv, now + FINISH_TIMEOUT)),
            Linger::PendingFin(send) => self.pending_fin = Some((send, now + FIN_DELAY)),
        }
    }

    /// Takes the stream whose FIN the first packet of the next session will carry.
    pub(super) fn take_pending_fin(&mut self) -> Option<SendStream> {
        self.pending_fin.take().map(|(send, _)| send)
    }

    /// Drops streams that have ended.
    pub(super) fn forget_ended(&mut self) {
        self.draining.retain_mut(|(recv, _)| !has_ended(recv));
    }

    pub(super) fn expire(&mut self, now: Instant) {
        self.pending_fin.take_if(|(_, by)| *by <= now);
        self.draining.retain(|(_, by)| *by > now);
    }

    pub(super) fn next_due(&self) -> Option<Instant> {
        let fin = self.pending_fin.as_ref().map(|(_, by)| *by);
        let last = self.draining.first().map(|(_, by)| *by);
        fin.into_iter().chain(last).min()
    }

    /// Sends the pending FIN, and waits until the last bytes have arrived or the deadlines have
    /// passed.
    pub(super) async fn finish(&mut self) {
        self.pending_fin = None;
        for (mut recv, by) in self.draining.drain(..) {
            _ = timeout_at(by, recv.read_chunk(1, true)).await;
        }
    }
}
