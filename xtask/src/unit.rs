//! Verifies the shipped systemd unit.

use std::fs;
use std::process::Command;

use anyhow::Result;
use clap::Args;

use crate::Verdict;
use crate::command::{passes, root};
use crate::scratch::Scratch;
use crate::tool::Tool;

/// Verify the shipped systemd unit
///
/// Skipped if systemd-analyze is not installed. The unit names a program in /usr/local/bin; the verified copy names one
/// that exists.
#[derive(Args)]
pub(crate) struct Unit {}

const UNIT: &str = "engram-node.service";

impl Unit {
    pub(crate) fn run(self) -> Result<Verdict> {
        if !Tool::SYSTEMD_ANALYZE.is_here_or_say() {
            return Ok(Verdict::Passed);
        }
        let text = fs::read_to_string(root().join("engram-bridge/deploy").join(UNIT))?;
        let scratch = Scratch::new()?;
        let copy = scratch.path().join(UNIT);
        fs::write(&copy, text.replace("/usr/local/bin/engram-node", "/bin/true"))?;
        let mut verify = Command::new("systemd-analyze");
        verify.arg("verify").arg(&copy);
        let verified = passes(&mut verify)?;
        Ok(if verified { Verdict::Passed } else { Verdict::Failed })
    }
}
