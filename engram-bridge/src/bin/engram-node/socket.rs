//! The socket in the state folder, which serves `engram-node ctl`.

use std::fs::{self, Permissions};
use std::io;
use std::mem;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf, absolute};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Notify, Semaphore, mpsc};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep, timeout};

use crate::control::Asked;
use crate::request::{Answer, MAX_REQUEST, Request};

/// The name of the socket in the state folder.
pub(crate) const SOCKET: &str = "control.sock";
/// The number of slots. A client whose request [needs a slot](needs_slot) holds one until it has
/// received its answer or hangs up; other such clients wait.
const SLOTS: usize = 8;
/// The time that a client may take to send its request, and to receive its answer.
const TIME_LIMIT: Duration = Duration::from_secs(10);

/// The time that a shutdown waits for answers in progress, once the node has stopped.
const LAST_ANSWERS: Duration = Duration::from_secs(1);

/// A listening socket.
pub(crate) struct Socket {
    path: PathBuf,
    /// The device and the inode number of its file.
    file: (u64, u64),
    end: Arc<Notify>,
    accepting: JoinHandle<()>,
}

impl Socket {
    /// Listens in `folder`, which must be locked by this process. Only root and the owner of the
    /// socket are served.
    pub(crate) fn listen(folder: &Path, requests: mpsc::Sender<Asked>) -> io::Result<Self> {
        let path = absolute(folder)?.join(SOCKET);
        // A killed node leaves its socket behind. This process holds the folder's lock, so no other
        // process listens there.
        if fs::symlink_metadata(&path).is_ok_and(|file| file.file_type().is_socket()) {
            fs::remove_file(&path)?;
        }
        let listener = UnixListener::bind(&path)?;
        fs::set_permissions(&path, Permissions::from_mode(0o600))?;
        let made = fs::metadata(&path)?;
        let end = Arc::new(Notify::new());
        let accepting = tokio::spawn(accept(listener, made.uid(), requests, Arc::clone(&end)));
        Ok(Self { path, file: (made.dev(), made.ino()), end, accepting })
    }

    /// Stops listening, and removes the path if it still leads to this socket. Requests that have
    /// already arrived are still answered: see [`LastAnswers`].
    pub(crate) fn close(self) -> LastAnswers {
        if self.is_reachable() {
            // The next start replaces a socket that remains.
            _ = fs::remove_file(&self.path);
        }
        self.abandon()
    }

    /// Stops listening, but does not remove the path, which may belong to another socket.
    pub(crate) fn abandon(self) -> LastAnswers {
        self.end.notify_one();
        LastAnswers(self.accepting)
    }

    /// Whether the path still leads to this socket.
    pub(crate) fn is_reachable(&self) -> bool {
        fs::symlink_metadata(&self.path).is_ok_and(|file| (file.dev(), file.ino()) == self.file)
    }

    /// The path of the socket.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

/// The answers in progress on a closed socket.
pub(crate) struct LastAnswers(JoinHandle<()>);

impl LastAnswers {
    /// Waits briefly for the answers.
    pub(crate) async fn finish(self) {
        let abort = self.0.abort_handle();
        if timeout(LAST_ANSWERS, self.0).await.is_err() {
            abort.abort();
        }
    }
}

async fn accept(
    listener: UnixListener,
    owner: u32,
    requests: mpsc::Sender<Asked>,
    end: Arc<Notify>,
) {
    let slots = Arc::new(Semaphore::new(SLOTS));
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = end.notified() => break,
        };
        match accepted {
            Ok((stream, _)) => {
                let (requests, slots) = (requests.clone(), Arc::clone(&slots));
                connections.spawn(async move {
                    // Errors concern only the client.
                    _ = serve(stream, owner, &requests, &slots).await;
                });
            }
            // Errors here are temporary: for example, too many files are open.
            Err(_) => sleep(TIME_LIMIT / 100).await,
        }
        while connections.try_join_next().is_some() {}
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// Answers one request. If the request [needs a slot](needs_slot), the client holds the slot until
/// it has received its answer or hangs up.
async fn serve(
    stream: UnixStream,
    owner: u32,
    requests: &mpsc::Sender<Asked>,
    slots: &Semaphore,
) -> io::Result<()> {
    let asking = stream.peer_cred()?.uid();
    if asking != owner && asking != 0 {
        return Ok(());
    }
    let line = timeout(TIME_LIMIT, read_line(&stream)).await??;
    let request = Request::parse(&line);
    let stops = request == Ok(Request::Stop);
    let slot = match needs_slot(&request) {
        true => slots.acquire().await.ok(),
        false => None,
    };
    let (asked, mut answered) = Asked::new(request);
    // An error means that the node is stopping; `answered` then also fails.
    _ = requests.send(asked).await;
    let answer = tokio::select! {
        answer = &mut answered => answer,
        () = hang_up(&stream) => {
            drop(slot);
            answered.await
        }
    };
    let answer = answer.unwrap_or_else(|_| stopping());
    let mut line = serde_json::to_vec(&answer)?;
    line.push(b'\n');
    timeout(TIME_LIMIT, write_all(&stream, &line)).await??;
    if stops && answer.done {
        // The connection ends with the process, which tells the client that the process has ended.
        mem::forget(stream);
    }
    Ok(())
}

/// Whether a request waits while all slots are taken.
fn needs_slot(request: &Result<Request, String>) -> bool {
    !matches!(request, Ok(Request::State | Request::Stop))
}

/// Waits until the client has closed its side of the connection.
async fn hang_up(stream: &UnixStream) {
    let mut part = [0; 64];
    while stream.readable().await.is_ok() {
        match stream.try_read(&mut part) {
            Ok(1..) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Ok(0) | Err(_) => return,
        }
    }
}

/// Reads to the end of a line or of the input, or to the size limit of a request.
async fn read_line(stream: &UnixStream) -> io::Result<Vec<u8>> {
    let (mut line, mut part) = (Vec::new(), [0; 4_096]);
    while line.len() < MAX_REQUEST && line.last() != Some(&b'\n') {
        stream.readable().await?;
        match stream.try_read(&mut part) {
            Ok(0) => break,
            Ok(read) => line.extend_from_slice(&part[..read]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(line)
}

async fn write_all(stream: &UnixStream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        stream.writable().await?;
        match stream.try_write(bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn stopping() -> Answer {
    let text = "the node is stopping; try again once it runs".to_owned();
    Answer { done: false, json: serde_json::json!({ "error": text }), text }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn client(folder: &Path, request: &Request) -> UnixStream {
        let stream = UnixStream::connect(folder.join(SOCKET)).await.unwrap();
        let line = serde_json::to_string(request).unwrap() + "\n";
        write_all(&stream, line.as_bytes()).await.unwrap();
        stream
    }

    #[tokio::test]
    async fn slots_block_neither_state_nor_stop() {
        let folder = tempfile::tempdir().unwrap();
        let (sender, mut requests) = mpsc::channel(1);
        let _socket = Socket::listen(folder.path(), sender).unwrap();
        let mut clients = Vec::new();
        let mut unanswered = Vec::new();
        for _ in 0..SLOTS {
            clients.push(client(folder.path(), &Request::Compact).await);
            unanswered.push(requests.recv().await.unwrap());
        }
        let waiting = client(folder.path(), &Request::Groups).await;
        for request in [Request::State, Request::Stop] {
            clients.push(client(folder.path(), &request).await);
            unanswered.push(requests.recv().await.unwrap());
            assert_eq!(unanswered.last().unwrap().request, Ok(request));
        }
        // A client that hangs up frees its slot, although its request is still carried out.
        drop(clients.remove(0));
        let asked = requests.recv().await.unwrap();
        assert_eq!(asked.request, Ok(Request::Groups));
        drop(asked);
        let answer = read_line(&waiting).await.unwrap();
        assert!(String::from_utf8(answer).unwrap().contains("the node is stopping"));
    }
}
