//! Sends requests to a running node over the socket in its state folder.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::mem;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf, absolute};
use std::time::{Duration, Instant};

use clap::{Args, Subcommand};

use crate::Failure;
use crate::request::{Answer, Request};
use crate::socket::SOCKET;
use crate::source::Source;
use crate::terminal::{failed, print_json};
use engram_bridge::notices::printable;

/// The time that a node may take to answer and, after a stop, to end its process.
const TIME_LIMIT: Duration = Duration::from_secs(60);
/// The time that a node may take for requests that read or write whole files.
const FILE_TIME_LIMIT: Duration = Duration::from_secs(3_600);

/// Sends a request to a running node on this machine. Only the node's user and root may do so.
///
/// Quote an id that contains spaces for the shell. An id that begins with a quotation mark is read as a JSON
/// string, so that it can contain control characters: '"tab\there"'. The node itself reads
/// and writes the files of submit, export and backup, so its user needs access to them.
#[derive(Args)]
pub(crate) struct Ctl {
    /// The node's configuration, whose store.path names the state folder.
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    /// The section of that file that contains the configuration.
    #[arg(long, value_name = "NAME", global = true, requires = "config")]
    section: Option<String>,
    /// The state folder itself. Without a configuration, it defaults to the folder of the shipped
    /// systemd unit and container image.
    #[arg(
        long,
        value_name = "DIR",
        global = true,
        conflicts_with = "config",
        default_value = "/var/lib/engram-node/state"
    )]
    state_folder: PathBuf,
    /// Prints the answer as one JSON object.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Submits every snapshot in a file.
    Submit { path: PathBuf },
    /// Deletes a pattern on all nodes, or withdraws everything that an evicted node wrote.
    Forget(Forget),
    /// Withdraws this node's own version of a pattern.
    Withdraw(Pattern),
    /// Replaces all versions of a pattern with one of them, which receives the citations of all.
    Resolve {
        space: String,
        /// The beginning of the version's digest, as explain and the status page show it.
        version: String,
        id: String,
    },
    /// Prints the versions of a pattern, their writers, and the decision of the strategy.
    Explain(Pattern),
    /// Drops versions that are too far in the future, on this node only, and reissues this
    /// node's own writes among them.
    DropImplausible,
    /// Prints the conflicts across ids in each space.
    Groups,
    /// Copies the state to a new folder.
    Backup { path: PathBuf },
    /// Returns unused space of the store's file to the file system.
    Compact,
    /// Writes the visible patterns to a new file, one JSON object per line.
    Export { path: PathBuf },
    /// Reads the configuration and the certificates again.
    Reload,
    /// Prints the number of visible patterns and the root; with --json, also the traffic.
    State,
    /// Stops the node cleanly. Returns when everything is stored and the process has ended, or fails
    /// after a minute.
    Stop,
}

#[derive(Args)]
struct Pattern {
    /// The memory space of the pattern.
    space: String,
    /// The id of the pattern.
    id: String,
}

#[derive(Args)]
struct Forget {
    /// The memory space. Optional with --node, which applies to all spaces by default.
    #[arg(required_unless_present = "node")]
    space: Option<String>,
    /// The id of the pattern.
    #[arg(required_unless_present = "node", conflicts_with = "node")]
    id: Option<String>,
    /// Withdraws every version that the node NODE_ID wrote; patterns that other nodes also wrote
    /// stay visible.
    #[arg(long, value_name = "NODE_ID")]
    node: Option<String>,
}

impl Ctl {
    pub(crate) fn run(self) -> Result<(), Failure> {
        let (json, request) = (self.json, self.task.request());
        let place = Place { config: self.config, section: self.section, folder: self.state_folder };
        let answer = place.ask(request.clone()).map_err(|error| match json {
            true => failed(request.name(), error),
            false => error,
        })?;
        if json {
            print_json(&answer.json);
        } else if answer.done {
            answer.text.lines().for_each(|line| outln!("{}", printable(line)));
        }
        match (answer.done, json) {
            (true, _) => Ok(()),
            (false, true) => Err("the node refused".into()),
            (false, false) => Err(printable(&answer.text).into()),
        }
    }
}

/// Where to find the node.
struct Place {
    config: Option<PathBuf>,
    section: Option<String>,
    folder: PathBuf,
}

impl Place {
    fn ask(self, mut request: Request) -> Result<Answer, Failure> {
        complete(&mut request)?;
        let folder = match self.config {
            Some(path) => state_folder(&Source { path, section: self.section })?,
            None => self.folder,
        };
        let mut connection = connect(&folder.join(SOCKET), time_limit(&request))?;
        let answer = connection.ask(&request)?;
        if answer.done && request == Request::Stop {
            connection.await_end()?;
        }
        Ok(answer)
    }
}

impl Task {
    /// Converts the command line to a request, with the path and the id as given.
    fn request(self) -> Request {
        match self {
            Self::Submit { path } => Request::Submit { path },
            Self::Backup { path } => Request::Backup { path },
            Self::Compact => Request::Compact,
            Self::Export { path } => Request::Export { path },
            Self::Forget(Forget { node: Some(node), space, .. }) => {
                Request::ForgetNode { node, space }
            }
            Self::Forget(Forget { space, id, node: None }) => {
                let (space, id) = (space.unwrap_or_default(), id.unwrap_or_default());
                Request::Forget { space, id }
            }
            Self::Withdraw(Pattern { space, id }) => Request::Withdraw { space, id },
            Self::Explain(Pattern { space, id }) => Request::Explain { space, id },
            Self::DropImplausible => Request::DropImplausible,
            Self::Groups => Request::Groups,
            Self::Resolve { space, version, id } => Request::Resolve { space, version, id },
            Self::Reload => Request::Reload,
            Self::State => Request::State,
            Self::Stop => Request::Stop,
        }
    }
}

/// Makes the path of a request absolute, and parses its id.
fn complete(request: &mut Request) -> Result<(), Failure> {
    match request {
        Request::Submit { path } | Request::Backup { path } | Request::Export { path } => {
            *path = absolute(&*path)?;
        }
        Request::Forget { id, .. }
        | Request::Withdraw { id, .. }
        | Request::Explain { id, .. }
        | Request::Resolve { id, .. } => *id = unquoted(mem::take(id))?,
        _ => {}
    }
    Ok(())
}

/// Parses an id that is given as plain text or as a JSON string.
fn unquoted(id: String) -> Result<String, Failure> {
    if !id.starts_with('"') {
        return Ok(id);
    }
    serde_json::from_str(&id).map_err(|error| {
        format!("{id} begins with a quotation mark but is not a JSON string ({error})").into()
    })
}

fn state_folder(source: &Source) -> Result<PathBuf, Failure> {
    let folder = source.load()?.store.path;
    folder.ok_or_else(|| {
        "store.path is not set, so the node has neither a state folder nor a socket; set it".into()
    })
}

fn time_limit(request: &Request) -> Duration {
    match request {
        Request::Submit { .. }
        | Request::Export { .. }
        | Request::Backup { .. }
        | Request::Compact => FILE_TIME_LIMIT,
        _ => TIME_LIMIT,
    }
}

/// A connection to a node.
struct Connection {
    socket: PathBuf,
    stream: BufReader<UnixStream>,
    begun: Instant,
    /// The time since `begun` after which the client gives up.
    limit: Duration,
}

fn connect(socket: &Path, limit: Duration) -> Result<Connection, Failure> {
    let stream = UnixStream::connect(socket).map_err(|error| unreachable(socket, &error))?;
    let (socket, stream) = (socket.to_owned(), BufReader::new(stream));
    Ok(Connection { socket, stream, begun: Instant::now(), limit })
}

fn unreachable(socket: &Path, error: &io::Error) -> Failure {
    format!(
        "cannot reach the node on {}: {error}; is it running, and are you its user or root?",
        socket.display()
    )
    .into()
}

impl Connection {
    fn ask(&mut self, request: &Request) -> Result<Answer, Failure> {
        let failed = |error: io::Error| unreachable(&self.socket, &error);
        let mut line = serde_json::to_vec(request)?;
        line.push(b'\n');
        self.limit().map_err(failed)?;
        self.stream.get_mut().write_all(&line).map_err(failed)?;
        let mut answer = String::new();
        self.stream.read_line(&mut answer).map_err(|error| match is_timeout(&error) {
            true => self.unanswered(request),
            false => failed(error),
        })?;
        serde_json::from_str(&answer).map_err(|_| -> Failure {
            "the node closed the connection without an answer; check its log, and request the state"
                .into()
        })
    }

    /// Limits the next read to the remaining time.
    fn limit(&self) -> io::Result<()> {
        let left = self.limit.saturating_sub(self.begun.elapsed());
        // A timeout of zero is an error.
        self.stream.get_ref().set_read_timeout(Some(left.max(Duration::from_millis(1))))
    }

    /// Waits until the process of the node has ended, which ends the connection.
    fn await_end(&mut self) -> Result<(), Failure> {
        self.limit().map_err(|error| unreachable(&self.socket, &error))?;
        match self.stream.read(&mut [0]) {
            Err(error) if is_timeout(&error) => Err(self.still_running()),
            // An error also means that the connection has ended.
            Ok(_) | Err(_) => Ok(()),
        }
    }

    fn unanswered(&self, request: &Request) -> Failure {
        format!(
            "the node has not answered {} within {} s, and may still carry it out; its log reports the \
             outcome",
            request.name(),
            self.limit.as_secs()
        )
        .into()
    }

    fn still_running(&self) -> Failure {
        format!(
            "the node is stopping, but its process has not ended within {} s; check its log, and wait",
            self.limit.as_secs()
        )
        .into()
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_may_be_json() {
        assert_eq!(unquoted("a b".to_owned()).unwrap(), "a b");
        assert_eq!(unquoted(r#""a\tb\u001b""#.to_owned()).unwrap(), "a\tb\u{1b}");
        assert!(unquoted("\"a".to_owned()).is_err());
    }

    fn failure(answer: Option<&Answer>) -> String {
        let (client, mut node) = UnixStream::pair().unwrap();
        let answer = answer.map(|answer| serde_json::to_string(answer).unwrap() + "\n");
        node.write_all(answer.unwrap_or_default().as_bytes()).unwrap();
        let (socket, stream) = (PathBuf::from(SOCKET), BufReader::new(client));
        let (begun, limit) = (Instant::now(), Duration::from_millis(1));
        let mut connection = Connection { socket, stream, begun, limit };
        let stopped = connection.ask(&Request::Stop).and_then(|_| connection.await_end());
        stopped.unwrap_err().to_string()
    }

    #[test]
    fn only_a_confirmed_stop_is_reported_as_one() {
        let silent = failure(None);
        assert!(silent.starts_with("the node has not answered stop"), "{silent}");
        let answer = Answer { done: true, text: String::new(), json: serde_json::Value::Null };
        let confirmed = failure(Some(&answer));
        assert!(confirmed.starts_with("the node is stopping, but"), "{confirmed}");
    }
}
