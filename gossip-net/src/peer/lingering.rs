//! The streams of sessions that have ended, until their last bytes have arrived.

use std::time::Duration;

use quinn::{RecvStream, SendStream};
use tokio::time::{Instant, timeout_at};

use crate::limits::FINISH_TIMEOUT;
use crate::stream::{Linger, has_ended};

/// The streams of sessions that have ended.
#[derive(Default)]
pub(super) struct Lingering {
    /// The stream of the last session, if its end is not told yet, and by when it has to be.
    pending_fin: Option<(SendStream, Instant)>,
    /// Streams whose last bytes may still be on their way, and how long they are waited for.
    draining: Vec<(RecvStream, Instant)>,
}

/// How long the end of a stream waits for a packet that takes it along: as long as QUIC's
/// acknowledgements do, and far shorter than the peer waits for it.
const FIN_DELAY: Duration = Duration::from_millis(25);

impl Lingering {
    pub(super) fn add(&mut self, linger: Linger, now: Instant) {
        match linger {
            Linger::Drain(recv) => self.draining.push((recv, now + FINISH_TIMEOUT)),
            Linger::PendingFin(send) => self.pending_fin = Some((send, now + FIN_DELAY)),
        }
    }

    /// The stream whose end the next session takes along.
    pub(super) fn take_pending_fin(&mut self) -> Option<SendStream> {
        self.pending_fin.take().map(|(send, _)| send)
    }

    /// The end of a stream may have come with something else.
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

    /// Waits until the last bytes have arrived, or were waited for long enough.
    pub(super) async fn finish(&mut self) {
        self.pending_fin = None;
        for (mut recv, by) in self.draining.drain(..) {
            _ = timeout_at(by, recv.read_chunk(1, true)).await;
        }
    }
}
