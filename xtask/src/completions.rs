//! Shell completions for `cargo xtask`.

use std::io;

use anyhow::Result;
use clap::Args;
use clap_complete::{Shell, generate};

use crate::Verdict;

/// Print completions for a shell
///
/// They complete a command called `xtask`, because shells do not know cargo's aliases. For bash, in ~/.bashrc:
///
///     xtask() { cargo xtask "$@"; }
///     source <(cargo xtask completions bash)
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(self, mut command: clap::Command) -> Result<Verdict> {
        generate(self.shell, &mut command, "xtask", &mut io::stdout());
        Ok(Verdict::Passed)
    }
}
