//! Standard output of the commands that print one answer and exit.

use std::fmt::Arguments;
use std::io::{self, ErrorKind, Write as _};
use std::process::exit;

use engram_bridge::notices::printable_json;
use serde_json::{Value, json};

use crate::Failure;

/// Prints like `print!`; see [`print()`] for errors.
macro_rules! out {
    ($($text:tt)*) => { $crate::terminal::print(format_args!($($text)*)) };
}

/// Prints like `println!`; see [`print()`] for errors.
macro_rules! outln {
    ($($text:tt)*) => { $crate::terminal::print(format_args!("{}\n", format_args!($($text)*))) };
}

/// Prints to standard output. The text is lost if the reader has closed the pipe; any other error ends the program with
/// status 2, so that a truncated answer is not mistaken for a complete one.
pub(crate) fn print(text: Arguments<'_>) {
    let mut output = io::stdout();
    match output.write_fmt(text).and_then(|()| output.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            eprintln!("error: cannot write to standard output: {error}; the answer is incomplete");
            exit(2);
        }
        _ => {}
    }
}

/// Prints the failure of a command whose output is JSON, and returns it.
pub(crate) fn failed(command: &str, error: Failure) -> Failure {
    print_json(&json!({ "event": "failed", "command": command, "reason": error.to_string() }));
    error
}

/// Prints JSON as one line.
pub(crate) fn print_json(value: &Value) {
    outln!("{}", printable_json(&value.to_string()));
}
