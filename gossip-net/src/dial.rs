//! Dials the addresses of a node with overlapping attempts, as in Happy Eyeballs (RFC 8305).

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use quinn::Connection;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::{HandshakeError, NodeId};

/// The node to dial, and its addresses.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) node: NodeId,
    pub(crate) addresses: Vec<SocketAddr>,
    /// Called if another node answers.
    pub(crate) on_met: OnMet,
}

/// A callback that receives a node and the address at which it answered in place of the dialled
/// node.
pub(crate) type OnMet = Arc<dyn Fn(NodeId, SocketAddr) + Send + Sync>;

/// A handshake at one address.
pub(crate) type Attempt<T = Connection> =
    Pin<Box<dyn Future<Output = Result<T, HandshakeError>> + Send>>;

/// Starts the next attempt when any attempt has failed or `delay` has passed, and returns the first
/// connection that succeeds.
///
/// # Errors
/// Returns the first failure other than a time-out, or a time-out if there is no other failure.
pub(crate) async fn race<T: Send + 'static>(
    attempts: Vec<Attempt<T>>,
    delay: Duration,
) -> Result<T, HandshakeError> {
    let mut waiting = attempts.into_iter();
    // Dropping this set at the end of the race aborts the remaining attempts.
    let mut running = JoinSet::new();
    let mut failed: Option<HandshakeError> = None;
    loop {
        let more = waiting.next();
        let is_last = waiting.len() == 0;
        if let Some(attempt) = more {
            running.spawn(attempt);
        }
        let ended = tokio::select! {
            ended = running.join_next() => ended,
            () = sleep(delay), if !is_last => continue,
        };
        match ended {
            Some(Ok(Ok(connection))) => return Ok(connection),
            Some(Ok(Err(error))) => {
                if failed.as_ref().is_none_or(|before| *before == HandshakeError::TimedOut) {
                    failed = Some(error);
                }
            }
            // A panicked attempt counts as failed and does not end the others.
            Some(Err(_)) => {}
            None => return Err(failed.unwrap_or(HandshakeError::TimedOut)),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;
    use crate::limits::DIAL_DELAY as DELAY;

    fn attempt(after: u64, result: Result<u8, HandshakeError>) -> Attempt<u8> {
        Box::pin(async move {
            sleep(Duration::from_millis(after)).await;
            result
        })
    }

    fn silent() -> Attempt<u8> {
        attempt(5_000, Err(HandshakeError::TimedOut))
    }

    #[tokio::test(start_paused = true)]
    async fn silent_address_delays_the_next_briefly() {
        let begun = Instant::now();
        let won = race(vec![silent(), silent(), attempt(10, Ok(3))], DELAY).await;
        assert_eq!(won.unwrap(), 3);
        assert_eq!(begun.elapsed(), DELAY * 2 + Duration::from_millis(10));
    }

    #[tokio::test(start_paused = true)]
    async fn failed_address_does_not_delay_the_next() {
        let begun = Instant::now();
        let failed = attempt(5, Err(HandshakeError::Expired));
        assert_eq!(race(vec![failed, attempt(10, Ok(2))], DELAY).await.unwrap(), 2);
        assert_eq!(begun.elapsed(), Duration::from_millis(15));
    }

    #[tokio::test(start_paused = true)]
    async fn reported_failure_prefers_answer_to_silence() {
        for refused_first in [true, false] {
            let mut attempts = vec![silent(), attempt(5, Err(HandshakeError::Expired))];
            if refused_first {
                attempts.reverse();
            }
            let failed = race(attempts, DELAY).await.unwrap_err();
            assert_eq!(failed, HandshakeError::Expired);
        }
    }
}
