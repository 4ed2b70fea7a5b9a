//! The differences between two running nodes.

use clap::Args;
use serde_json::{Value, json};

use crate::Failure;
use crate::agreement::Agreement;
use crate::status::{Page, text};
use crate::terminal::{failed, print_json};
use crate::words::patterns;
use engram_bridge::notices::printable;

/// Compares two running nodes, memory space by memory space.
///
/// For each space that differs, lists up to 256 ids for each node: those of the patterns that
/// changed there since the two nodes were last known to be equal, or of all patterns if they never
/// were. The exit status is 0 if the nodes share a space, and every space that both host has the
/// same root; 1 if not; 2 if they cannot be compared, for example because one does not answer.
#[derive(Args)]
pub(crate) struct Diff {
    /// The address of a node's status page, such as 127.0.0.1:7801.
    #[arg(value_name = "PAGE", value_parser = Page::parse)]
    left: Page,
    /// The address of the other node's status page.
    #[arg(value_name = "OTHER", value_parser = Page::parse)]
    right: Page,
    /// Prints the result as one JSON array.
    #[arg(long)]
    json: bool,
}

/// A memory space that at least one of the two nodes hosts.
struct Compared {
    space: String,
    /// The root and the number of visible patterns at each node; `None` for a node that does not
    /// host the space.
    sides: [Option<(String, u64)>; 2],
    /// For each node, up to 256 ids of patterns that changed there since the two were last equal.
    changed: [Vec<String>; 2],
}

impl Diff {
    pub(crate) fn run(self) -> Result<Agreement, Failure> {
        let (names, compared) = self.compare().map_err(|error| match self.json {
            true => failed("diff", error),
            false => error,
        })?;
        if self.json {
            print_json(&compared.iter().map(Compared::json).collect());
        } else {
            compared.iter().for_each(|space| out!("{}", space.text(&names)));
        }
        Ok(verdict(&compared))
    }

    /// Compares the spaces of the two nodes. Also returns the names of the nodes.
    fn compare(&self) -> Result<([String; 2], Vec<Compared>), Failure> {
        let nodes = [self.left.node()?, self.right.node()?];
        let names = nodes.each_ref().map(|node| text(node, "name"));
        let mut compared = compare(&nodes);
        for space in compared.iter_mut().filter(|space| space.differs()) {
            space.changed = [
                ids(&self.left.diff(&names[1], &space.space)?),
                ids(&self.right.diff(&names[0], &space.space)?),
            ];
        }
        Ok((names, compared))
    }
}

fn compare(nodes: &[Value; 2]) -> Vec<Compared> {
    let side = |node: &Value, name: &str| {
        let mut spaces = node["spaces"].as_array()?.iter();
        let space = spaces.find(|space| space["name"] == name)?;
        Some((text(space, "root"), space["visible"].as_u64().unwrap_or_default()))
    };
    let spaces = nodes.iter().filter_map(|node| node["spaces"].as_array()).flatten();
    let mut names: Vec<_> = spaces.map(|space| text(space, "name")).collect();
    names.sort_unstable();
    names.dedup();
    names
        .into_iter()
        .map(|name| Compared {
            sides: nodes.each_ref().map(|node| side(node, &name)),
            space: name,
            changed: Default::default(),
        })
        .collect()
}

/// Checks that the nodes have at least one common space, and that all common spaces are equal.
fn verdict(compared: &[Compared]) -> Agreement {
    if !compared.iter().any(Compared::is_common) {
        let reason = "the two nodes share no space; compare node.spaces of both";
        return Agreement::Broken(reason.to_owned());
    }
    match compared.iter().filter(|space| space.differs()).count() {
        0 => Agreement::Full,
        1 => Agreement::Broken("1 space differs".to_owned()),
        differ => Agreement::Broken(format!("{differ} spaces differ")),
    }
}

fn ids(diff: &Value) -> Vec<String> {
    let ids = diff["ids"].as_array().into_iter().flatten();
    ids.filter_map(|id| id.as_str().map(str::to_owned)).collect()
}

impl Compared {
    /// Whether both nodes host the space, with different states.
    fn differs(&self) -> bool {
        matches!(&self.sides, [Some((left, _)), Some((right, _))] if left != right)
    }

    fn is_common(&self) -> bool {
        self.sides.iter().all(Option::is_some)
    }

    fn verdict(&self) -> &'static str {
        match &self.sides {
            [Some(_), Some(_)] if self.differs() => "differs",
            [Some(_), Some(_)] => "equal",
            _ => "hosted by only one",
        }
    }

    fn json(&self) -> Value {
        let [left, right] = self.sides.each_ref().map(|side| {
            side.as_ref().map(|(root, patterns)| json!({"root": root, "patterns": patterns}))
        });
        json!({
            "space": self.space, "verdict": self.verdict(), "left": left, "right": right,
            "changed_left": self.changed[0], "changed_right": self.changed[1],
        })
    }

    fn text(&self, names: &[String; 2]) -> String {
        let count = |side: &Option<(String, u64)>| {
            side.as_ref().map_or_else(
                || "-".to_owned(),
                |(root, n)| format!("{root:.12} ({})", patterns(*n)),
            )
        };
        let [left, right] = self.sides.each_ref().map(count);
        let mut text = format!("{:<20} {:<18} {left}  {right}\n", self.space, self.verdict());
        for (name, changed) in names.iter().zip(&self.changed) {
            let (name, ids) = (printable(name), changed.iter().map(|id| printable(id)));
            ids.for_each(|id| text += &format!("    changed at {name}: {id}\n"));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spaces_are_compared_by_their_roots() {
        let node = |spaces: &[(&str, &str)]| {
            let spaces: Vec<_> = spaces
                .iter()
                .map(|(name, root)| json!({"name": name, "root": root, "visible": 1}))
                .collect();
            json!({"spaces": spaces})
        };
        let compared = compare(&[
            node(&[("a", "1"), ("b", "2")]),
            node(&[("a", "1"), ("b", "3"), ("c", "4")]),
        ]);
        let verdicts: Vec<_> =
            compared.iter().map(|space| (space.space.as_str(), space.verdict())).collect();
        assert_eq!(verdicts, [("a", "equal"), ("b", "differs"), ("c", "hosted by only one")]);
        let broken = |reason: &str| Agreement::Broken(reason.to_owned());
        assert_eq!(verdict(&compared), broken("1 space differs"));
        assert_eq!(verdict(&compared[..1]), Agreement::Full);
        let apart = "the two nodes share no space; compare node.spaces of both";
        assert_eq!(verdict(&compared[2..]), broken(apart));
    }
}
