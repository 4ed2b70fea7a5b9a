//! Commands on the standard input, one a line.

use std::io::{self, BufRead as _};
use std::path::PathBuf;
use std::thread;

use tokio::sync::mpsc;

/// A command to a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// Write the visible patterns to a file.
    Export(PathBuf),
    /// Copy the state to a folder.
    Backup(PathBuf),
    /// Withdraw this node's own version of a pattern.
    Withdraw(String, String),
    /// Delete a pattern on all nodes.
    Forget(String, String),
    /// Replace all versions of a pattern by one of them: its space, the beginning of the version's
    /// digest, its id.
    Resolve(String, String, String),
    /// Withdraw everything that another node wrote in a space: its space, its node id.
    WithdrawNode(String, String),
    /// Drop the parts of all records whose versions lie too far in the future.
    DropImplausible,
    /// Report the conflicts of each space across ids.
    Groups,
    /// Read the configuration again.
    Reload,
    /// Report the state, changed or not.
    State,
    /// End. The end of the input means the same: a node does not outlive its controller.
    Quit,
    /// None of these.
    Unknown(String),
}

/// The commands, for people.
pub(crate) const COMMANDS: &str = "export PATH, backup PATH, withdraw SPACE ID, forget SPACE ID, \
     resolve SPACE VERSION ID, withdraw-node SPACE NODE_ID, drop-implausible, groups, reload, state, \
     quit";

impl Command {
    fn parse(line: &str) -> Self {
        let line = line.trim();
        match line.split_once(' ').unwrap_or((line, "")) {
            ("export", path) if !path.trim().is_empty() => Self::Export(path.trim().into()),
            ("backup", path) if !path.trim().is_empty() => Self::Backup(path.trim().into()),
            ("withdraw", pattern) if pattern.contains(' ') => Self::of(Self::Withdraw, pattern),
            ("forget", pattern) if pattern.contains(' ') => Self::of(Self::Forget, pattern),
            ("withdraw-node", node) if node.contains(' ') => Self::of(Self::WithdrawNode, node),
            ("drop-implausible", "") => Self::DropImplausible,
            ("resolve", pattern) => match pattern.splitn(3, ' ').collect::<Vec<_>>()[..] {
                [space, version, id] if !version.is_empty() && !id.trim().is_empty() => {
                    Self::Resolve(space.to_owned(), version.to_owned(), id.trim().to_owned())
                }
                _ => Self::Unknown(line.to_owned()),
            },
            ("groups", "") => Self::Groups,
            ("reload", "") => Self::Reload,
            ("state", "") => Self::State,
            ("quit", "") => Self::Quit,
            _ => Self::Unknown(line.to_owned()),
        }
    }

    /// A command about a pattern or a node, which is named by a space and an id.
    fn of(command: fn(String, String) -> Self, named: &str) -> Self {
        let (space, id) = named.split_once(' ').unwrap_or((named, ""));
        command(space.to_owned(), id.trim().to_owned())
    }
}

/// Reads commands on a thread of its own, since reading a terminal cannot be given up. The last
/// one is always [`Command::Quit`].
pub(crate) fn listen() -> mpsc::Receiver<Command> {
    let (sender, receiver) = mpsc::channel(16);
    thread::spawn(move || {
        let lines = io::stdin().lock().lines().map_while(Result::ok);
        let commands = lines.filter(|line| !line.trim().is_empty());
        let commands = commands.map(|line| Command::parse(&line));
        for command in commands.chain([Command::Quit]) {
            if sender.blocking_send(command).is_err() {
                return;
            }
        }
    });
    receiver
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_understood_and_others_are_named() {
        assert_eq!(Command::parse("export a b.jsonl\n"), Command::Export("a b.jsonl".into()));
        let (space, id) = ("notes".to_owned(), "pattern 7".to_owned());
        let resolve = Command::Resolve(space.clone(), "a1".to_owned(), id.clone());
        assert_eq!(Command::parse("resolve notes a1 pattern 7"), resolve);
        let vague = "resolve notes a1";
        assert_eq!(Command::parse(vague), Command::Unknown(vague.to_owned()));
        assert_eq!(Command::parse("drop-implausible"), Command::DropImplausible);
        let node = Command::WithdrawNode(space.clone(), "ab".to_owned());
        assert_eq!(Command::parse("withdraw-node notes ab"), node);
        assert_eq!(Command::parse("forget notes pattern 7"), Command::Forget(space, id));
        let vague = "withdraw-node notes";
        assert_eq!(Command::parse(vague), Command::Unknown(vague.to_owned()));
        assert_eq!(Command::parse("forget notes"), Command::Unknown("forget notes".to_owned()));
        assert_eq!(Command::parse("groups"), Command::Groups);
        assert_eq!(Command::parse("reload"), Command::Reload);
        assert_eq!(Command::parse("backup b"), Command::Backup("b".into()));
        assert_eq!(Command::parse(" state "), Command::State);
        assert_eq!(Command::parse("quit"), Command::Quit);
        assert_eq!(Command::parse("export"), Command::Unknown("export".to_owned()));
        assert_eq!(Command::parse("stat"), Command::Unknown("stat".to_owned()));
    }
}
