//! Requests on standard input, one per line.

use std::io::{self, BufRead, Read as _};
use std::thread;

use tokio::sync::{mpsc, oneshot};

use crate::request::{Answer, MAX_REQUEST, Request};

/// A request, with the channel for its answer.
pub(crate) struct Asked {
    pub(crate) request: Result<Request, String>,
    /// The receiver may have been dropped.
    pub(crate) answer: oneshot::Sender<Answer>,
}

impl Asked {
    pub(crate) fn new(request: Result<Request, String>) -> (Self, oneshot::Receiver<Answer>) {
        let (answer, answered) = oneshot::channel();
        (Self { request, answer }, answered)
    }
}

/// Reads requests on a separate thread, since reading a terminal cannot be cancelled. Each request
/// waits for the answer to the previous request. The end of the input requests a stop: a node does
/// not outlive its controller.
pub(crate) fn listen(requests: mpsc::Sender<Asked>) {
    thread::spawn(move || pass_on(io::stdin().lock(), &requests));
}

fn pass_on(mut input: impl BufRead, requests: &mpsc::Sender<Asked>) {
    while let Ok(Some(line)) = read_line(&mut input) {
        if line.trim_ascii().is_empty() {
            continue;
        }
        let (asked, answered) = Asked::new(Request::parse(&line));
        if requests.blocking_send(asked).is_err() {
            return;
        }
        // An error means that the node is stopping.
        _ = answered.blocking_recv();
    }
    _ = requests.blocking_send(Asked::new(Ok(Request::Stop)).0);
}

/// Reads a line with its line ending, if it has one; `None` at the end of the input. Returns only the beginning
/// of a line that is too long, which is not a valid request.
fn read_line(input: &mut impl BufRead) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    if input.by_ref().take(MAX_REQUEST as u64).read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    if line.len() == MAX_REQUEST && line.last() != Some(&b'\n') {
        input.skip_until(b'\n')?;
    }
    Ok(Some(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invalid_request_line_is_skipped() {
        let mut input = b"{\"command\":\"state\"}\n\xff\xfe\n\n".to_vec();
        input.extend([b'x'; MAX_REQUEST + 7]);
        input.extend(b"\n{\"command\":\"reload\"}");
        let (sender, mut requests) = mpsc::channel(16);
        let reading = thread::spawn(move || pass_on(&input[..], &sender));
        let mut seen = Vec::new();
        while let Some(asked) = requests.blocking_recv() {
            seen.push(asked.request.ok());
        }
        reading.join().unwrap();
        let expected =
            [Some(Request::State), None, None, Some(Request::Reload), Some(Request::Stop)];
        assert_eq!(seen, expected);
    }
}
