//! Signals to the process.

use std::future;
use std::io;

/// The signals that a node handles. Once registered, they no longer end the process.
pub(crate) struct Signals {
    /// The request to stop: Ctrl-C; on Unix, also SIGTERM.
    pub(crate) end: End,
    /// The request to read the configuration again: on Unix, SIGHUP; elsewhere, there is none.
    pub(crate) reload: Reload,
}

impl Signals {
    /// On Unix, registers the signals; elsewhere, the first wait for Ctrl-C registers it. Must be
    /// called on a tokio runtime.
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self { end: End::listen()?, reload: Reload::listen()? })
    }
}

#[cfg(unix)]
mod system {
    use std::io;

    use tokio::signal::unix::{Signal, SignalKind, signal};

    pub(crate) struct End {
        interrupt: Signal,
        terminate: Signal,
    }

    impl End {
        pub(super) fn listen() -> io::Result<Self> {
            let interrupt = signal(SignalKind::interrupt())?;
            Ok(Self { interrupt, terminate: signal(SignalKind::terminate())? })
        }

        pub(crate) async fn recv(&mut self) {
            tokio::select! {
                Some(()) = self.interrupt.recv() => {}
                Some(()) = self.terminate.recv() => {}
                else => super::never().await,
            }
        }
    }

    pub(crate) struct Reload(Signal);

    impl Reload {
        pub(super) fn listen() -> io::Result<Self> {
            signal(SignalKind::hangup()).map(Self)
        }

        pub(crate) async fn recv(&mut self) {
            if self.0.recv().await.is_none() {
                super::never().await;
            }
        }
    }
}

#[cfg(not(unix))]
mod system {
    use std::io;

    pub(crate) struct End;

    impl End {
        pub(super) fn listen() -> io::Result<Self> {
            Ok(Self)
        }

        pub(crate) async fn recv(&mut self) {
            // If no handler can be installed, the system's default action ends the process.
            if tokio::signal::ctrl_c().await.is_err() {
                super::never().await;
            }
        }
    }

    pub(crate) struct Reload;

    impl Reload {
        pub(super) fn listen() -> io::Result<Self> {
            Ok(Self)
        }

        pub(crate) async fn recv(&mut self) {
            super::never().await;
        }
    }
}

pub(crate) use system::{End, Reload};

async fn never() {
    future::pending().await
}
