//! The result of a comparison of nodes, and its exit status.

use std::process::ExitCode;

use crate::Failure;

/// Whether nodes are in the same state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Agreement {
    /// The nodes are in the same state.
    Full,
    /// The nodes are not in the same state, for this reason.
    Broken(String),
}

/// Prints why nodes do not agree, or the error. Returns the exit status of the comparison, with the
/// values of diff(1): 0 for agreement, 1 for disagreement, 2 for an error.
pub(crate) fn status(compared: Result<Agreement, Failure>) -> ExitCode {
    match compared {
        Ok(Agreement::Full) => ExitCode::SUCCESS,
        Ok(Agreement::Broken(reason)) => {
            eprintln!("{reason}");
            ExitCode::from(1)
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}
