//! The accept loop, which turns connection attempts into connections of verified peers.

use std::net::SocketAddr;
use std::sync::Arc;

use quinn::Incoming;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::command::Command;
use crate::endpoint::HandshakePermit;
use crate::link::Close;
use crate::node::{Phase, Shared};
use crate::refusals::Refusals;
use crate::stats::count;
use crate::{Event, HandshakeError};

/// Answers each connection attempt in its own task until the node shuts down.
pub(crate) async fn run(shared: Arc<Shared>) {
    let mut phase = shared.phase.subscribe();
    let (mut handshakes, mut refusals) = (JoinSet::new(), Refusals::default());
    loop {
        tokio::select! {
            incoming = shared.socket.incoming() => match incoming {
                Some((incoming, permit)) => {
                    handshakes.spawn(answer(shared.clone(), incoming, permit));
                }
                None => return,
            },
            Some(ended) = handshakes.join_next() => {
                if let Ok(Err((address, cause))) = ended
                    && let Some(times) = refusals.note(address.ip(), &cause, Instant::now())
                {
                    shared.events.publish(Event::Refused { address, cause, times });
                }
            }
            () = Phase::draining(&mut phase) => return,
        }
    }
}

/// The address of a refused remote, and the cause.
type Refused = (SocketAddr, HandshakeError);

/// Answers a connection attempt.
///
/// # Errors
/// Returns the refused remote if the refusal must be reported.
async fn answer(
    shared: Arc<Shared>,
    incoming: Incoming,
    _permit: HandshakePermit,
) -> Result<(), Refused> {
    let (address, arrived) = (incoming.remote_address(), Instant::now());
    let address = (address.ip().to_canonical(), address.port()).into();
    let accepted = shared.socket.accept(incoming, &shared.identity(), shared.roster()).await;
    let (connection, id) = match accepted {
        Ok(accepted) => accepted,
        // The remote gave up; neither side refused the other.
        Err(HandshakeError::Abandoned(_)) => return Ok(()),
        Err(cause) => {
            shared.counters.update(|stats| count(&mut stats.connections_failed, cause.reason()));
            // A remote that stopped answering was not refused either.
            return match cause {
                HandshakeError::TimedOut => Ok(()),
                cause => Err((address, cause)),
            };
        }
    };
    shared.counters.update(|stats| stats.handshakes_accepted += 1);
    match shared.peer(&id) {
        // If the peer's task is ending, the command is lost and the connection is dropped.
        Some(peer) => peer.command(Command::Accepted(connection, arrived)),
        // The peer was evicted during the handshake.
        None => Close::Evicted.close(&connection),
    }
    Ok(())
}
