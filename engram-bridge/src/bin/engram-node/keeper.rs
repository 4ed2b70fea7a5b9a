//! Maintains the socket of `engram-node ctl` in the state folder.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::control::Asked;
use crate::notice;
use crate::report::Report;
use crate::socket::{LastAnswers, Socket};

/// The time between two checks of the socket.
const CHECK: Duration = Duration::from_secs(1);

/// Listens on the socket in the state folder. If the socket cannot be created, or is removed, tries
/// again every second. Reports when the socket cannot be created, and when this succeeds again. A
/// node runs even without the socket.
pub(crate) struct Keeper {
    /// The path of the socket at the start; `None` if it could not be created.
    first: Option<PathBuf>,
    end: Arc<Notify>,
    keeping: JoinHandle<Option<Socket>>,
}

struct Kept {
    folder: PathBuf,
    requests: mpsc::Sender<Asked>,
    report: Report,
    socket: Option<Socket>,
    /// The last reported reason why the socket could not be created; `None` once it was created.
    told: Option<String>,
}

impl Keeper {
    pub(crate) fn start(folder: &Path, requests: mpsc::Sender<Asked>, report: Report) -> Self {
        let folder = folder.to_owned();
        let mut kept = Kept { folder, requests, report, socket: None, told: None };
        kept.listen();
        let first = kept.socket.as_ref().map(|socket| socket.path().to_owned());
        let end = Arc::new(Notify::new());
        let keeping = tokio::spawn(kept.keep(Arc::clone(&end)));
        Self { first, end, keeping }
    }

    /// The path of the socket, if it was created at the start.
    pub(crate) fn path(&self) -> Option<&Path> {
        self.first.as_deref()
    }

    /// Removes the socket and stops listening.
    pub(crate) async fn close(self) -> Option<LastAnswers> {
        self.end.notify_one();
        Some(self.keeping.await.ok()??.close())
    }
}

impl Kept {
    async fn keep(mut self, end: Arc<Notify>) -> Option<Socket> {
        loop {
            tokio::select! {
                () = end.notified() => return self.socket,
                () = sleep(CHECK) => {}
            }
            if !self.socket.as_ref().is_some_and(Socket::is_reachable) {
                self.listen();
            }
        }
    }

    /// Creates the socket, and reports the outcome if it has changed.
    fn listen(&mut self) {
        match Socket::listen(&self.folder, self.requests.clone()) {
            Ok(socket) => {
                if self.told.take().is_some() {
                    self.report.notify(notice::socket_recovered(socket.path()));
                }
                // Answers in progress on the previous socket continue.
                _ = self.socket.replace(socket).map(Socket::abandon);
            }
            Err(error) => {
                let reason = error.to_string();
                if self.told.as_ref() != Some(&reason) {
                    self.report.notify(notice::no_socket(&self.folder, &error));
                    self.told = Some(reason);
                }
            }
        }
    }
}
