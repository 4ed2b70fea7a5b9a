//! Dials a node at several of its addresses.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use quinn::crypto::rustls::QuicClientConfig;
use quinn::{ClientConfig, Connection};
use tokio::time::Instant;

use super::{Socket, handshake};
use crate::dial::{Attempt, Target, race};
use crate::limits::{DIAL_DELAY, MAX_ADDRESSES};
use crate::tls::{self, Expected, PeerVerifier};
use crate::{HandshakeError, Identity, NodeId};

impl Socket {
    /// Dials a node at up to [`MAX_ADDRESSES`] of its addresses, and accepts no other node.
    ///
    /// # Errors
    /// [`HandshakeError::Address`] if this socket can reach none of the addresses; otherwise the
    /// first failure other than a time-out, or a time-out.
    pub(crate) async fn dial(
        &self,
        target: Target,
        time: Duration,
        identity: &Identity,
    ) -> Result<Connection, HandshakeError> {
        let within = Instant::now() + time;
        let addresses = self.reachable(&target.addresses)?;
        let dial = |address| {
            let attempt = self.dial_one(target.node, address, within, identity.clone());
            let on_met = target.on_met.clone();
            let attempt: Attempt = Box::pin(async move {
                attempt.await.inspect_err(|cause| {
                    if let HandshakeError::WrongNode { found, .. } = cause {
                        on_met(*found, address);
                    }
                })
            });
            attempt
        };
        race(addresses.into_iter().map(dial).collect(), DIAL_DELAY).await
    }

    fn dial_one(
        &self,
        node: NodeId,
        address: SocketAddr,
        within: Instant,
        identity: Identity,
    ) -> Attempt {
        let (endpoint, transport) = (self.endpoint(), self.transport.clone());
        Box::pin(async move {
            let verifier = PeerVerifier::new(identity.trust.clone(), Expected::Node(node));
            let verifier = Arc::new(verifier);
            let crypto =
                QuicClientConfig::try_from(tls::client_config(&identity, verifier.clone()))
                    .expect("ring has the cipher suite of QUIC's first packets");
            let mut client = ClientConfig::new(Arc::new(crypto));
            client.transport_config(transport);
            let stopped = || HandshakeError::Closed("the node is shutting down".into());
            let connecting = endpoint
                .ok_or_else(stopped)?
                .connect_with(client, address, tls::SERVER_NAME)
                .map_err(|error| HandshakeError::Address(error.to_string()))?;
            handshake(connecting, within, &verifier).await
        })
    }

    /// The addresses that this socket can reach, in the order of the attempts.
    fn reachable(&self, found: &[SocketAddr]) -> Result<Vec<SocketAddr>, HandshakeError> {
        let addresses = by_turns(found.iter().filter_map(|found| self.reach(*found)));
        match addresses.is_empty() {
            false => Ok(addresses),
            true => {
                let fault = "none of its addresses belongs to this node's address family";
                Err(HandshakeError::Address(fault.into()))
            }
        }
    }

    /// Returns the address in the form that this socket dials, and whether it is IPv6. Returns
    /// `None` if the address is unreachable.
    fn reach(&self, address: SocketAddr) -> Option<(SocketAddr, bool)> {
        match (self.address, address) {
            (SocketAddr::V4(_), SocketAddr::V4(_)) => Some((address, false)),
            (SocketAddr::V6(_), SocketAddr::V6(_)) => Some((address, true)),
            (SocketAddr::V6(ours), SocketAddr::V4(theirs)) if ours.ip().is_unspecified() => {
                Some(((theirs.ip().to_ipv6_mapped(), theirs.port()).into(), false))
            }
            _ => None,
        }
    }
}

/// Returns the first [`MAX_ADDRESSES`] distinct addresses, alternating between the families (RFC
/// 8305, section 4). The flag of each address in `found` is true for IPv6.
fn by_turns(found: impl Iterator<Item = (SocketAddr, bool)>) -> Vec<SocketAddr> {
    let (v6, v4): (Vec<_>, Vec<_>) = found.partition(|(_, is_v6)| *is_v6);
    let mut addresses: Vec<SocketAddr> = Vec::new();
    let (mut v6, mut v4) = (v6.into_iter(), v4.into_iter());
    loop {
        let pair = [v6.next(), v4.next()];
        if pair.iter().all(Option::is_none) {
            return addresses;
        }
        for (found, _) in pair.into_iter().flatten() {
            if !addresses.contains(&found) && addresses.len() < MAX_ADDRESSES {
                addresses.push(found);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::*;

    #[test]
    fn dial_tries_few_addresses_of_both_families() {
        let v4 = |n: u8| (SocketAddr::from((Ipv4Addr::new(10, 0, 0, n), 7700)), false);
        let v6 =
            |n: u16| (SocketAddr::from((Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, n), 7700)), true);
        let found = (0..200).flat_map(|n| [v4(n), v4(n)]).chain((0..2).map(v6));
        let addresses = by_turns(found);
        assert_eq!(addresses.len(), MAX_ADDRESSES);
        assert_eq!(addresses[..4], [v6(0), v4(0), v6(1), v4(1)].map(|(address, _)| address)[..]);
    }
}
