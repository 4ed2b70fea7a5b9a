//! Host name resolution.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::limits::{LOOKUP_TIMEOUT, MAX_LOOKUPS};
use crate::{HandshakeError, NetConfig};

/// Resolves names. The number of concurrent lookups is limited, because each lookup by the system
/// occupies a thread.
pub(crate) struct Names {
    permits: Arc<Semaphore>,
}

impl Names {
    pub(super) fn of(config: &NetConfig) -> Self {
        // An in-memory network has no DNS: lookups get no answer.
        #[cfg(feature = "memory-network")]
        let permits = if config.network.is_some() { 0 } else { MAX_LOOKUPS };
        #[cfg(not(feature = "memory-network"))]
        let (permits, _) = (MAX_LOOKUPS, config);
        Self { permits: Arc::new(Semaphore::new(permits)) }
    }

    /// Resolves `host:port`.
    ///
    /// # Errors
    /// [`HandshakeError::Address`] if the lookup fails or times out.
    pub(crate) async fn look_up(&self, address: &str) -> Result<Vec<SocketAddr>, HandshakeError> {
        if let Ok(address) = address.parse() {
            return Ok(vec![address]);
        }
        let failed = |fault: String| HandshakeError::Address(format!("{address}: {fault}"));
        let name = address.to_owned();
        let found = self.look_up_with(move || name.to_socket_addrs().map(Vec::from_iter));
        let found = timeout(LOOKUP_TIMEOUT, found).await;
        let found = found.map_err(|_| failed("no answer from DNS".into()))?;
        found.map_err(|fault| failed(fault.to_string()))
    }

    async fn look_up_with(
        &self,
        look_up: impl FnOnce() -> io::Result<Vec<SocketAddr>> + Send + 'static,
    ) -> io::Result<Vec<SocketAddr>> {
        let permit = self.permits.clone().acquire_owned().await.map_err(io::Error::other)?;
        // The thread continues after its lookup is abandoned, so it holds the permit.
        let found = spawn_blocking(move || {
            let found = look_up();
            drop(permit);
            found
        });
        found.await.map_err(io::Error::other)?
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Condvar, Mutex};

    use tokio::task::JoinSet;

    use super::*;

    #[tokio::test]
    async fn address_needs_no_lookup() {
        let names = Names { permits: Arc::new(Semaphore::new(0)) };
        for address in ["10.0.0.1:7700", "[fd00::1]:7700"] {
            assert_eq!(names.look_up(address).await, Ok(vec![address.parse().unwrap()]));
        }
    }

    #[tokio::test]
    async fn invalid_address_is_reported() {
        let names = Names::of(&NetConfig::new(([127, 0, 0, 1], 0).into()));
        let Err(HandshakeError::Address(fault)) = names.look_up("no port").await else {
            panic!("a name without a port has no address")
        };
        assert!(fault.starts_with("no port: "), "{fault}");
    }

    /// Counts the running lookups, and blocks each one until it may end.
    #[derive(Default)]
    struct Running {
        lookups: Mutex<(usize, bool)>,
        changed: Condvar,
    }

    impl Running {
        fn look_up(&self) -> io::Result<Vec<SocketAddr>> {
            let mut lookups = self.lookups.lock().unwrap();
            lookups.0 += 1;
            self.changed.notify_all();
            let _ended = self.changed.wait_while(lookups, |(_, may_end)| !*may_end).unwrap();
            Ok(Vec::new())
        }

        fn wait_for(&self, count: usize) {
            let lookups = self.lookups.lock().unwrap();
            drop(self.changed.wait_while(lookups, |(running, _)| *running < count).unwrap());
        }
    }

    #[tokio::test]
    async fn concurrent_lookups_are_limited() {
        let names = Arc::new(Names::of(&NetConfig::new(([127, 0, 0, 1], 0).into())));
        let running = Arc::new(Running::default());
        let mut lookups = JoinSet::new();
        for _ in 0..MAX_LOOKUPS * 2 {
            let (names, running) = (names.clone(), running.clone());
            lookups.spawn(async move { names.look_up_with(move || running.look_up()).await });
        }
        let seen = running.clone();
        spawn_blocking(move || seen.wait_for(MAX_LOOKUPS)).await.unwrap();
        lookups.abort_all();
        while lookups.join_next().await.is_some() {}
        let free = names.permits.available_permits();
        let begun = std::mem::replace(&mut *running.lookups.lock().unwrap(), (0, true)).0;
        running.changed.notify_all();
        assert_eq!((begun, free), (MAX_LOOKUPS, 0), "the threads of the aborted lookups still run");
        assert!(names.look_up_with(|| Ok(Vec::new())).await.is_ok());
    }
}
