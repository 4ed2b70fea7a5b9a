//! Work that a task runs while it handles other events, and helpers that poll futures.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready as wait};

/// Work that runs when its owner is polled, and is dropped with its owner. It yields `None` if it
/// panicked.
///
/// A separate task would be as expensive as a session between equal replicas: each step would wake
/// two tasks.
pub(crate) struct Work<T>(Pin<Box<dyn Future<Output = T> + Send>>);

impl<T> Work<T> {
    pub(crate) fn new(work: impl Future<Output = T> + Send + 'static) -> Self {
        Self(Box::pin(work))
    }
}

impl<T> Future for Work<T> {
    type Output = Option<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<T>> {
        // After `None` the owner drops the work and does not observe its possibly inconsistent
        // state.
        match catch_unwind(AssertUnwindSafe(|| self.0.as_mut().poll(context))) {
            Ok(polled) => Poll::Ready(Some(wait!(polled))),
            Err(_) => Poll::Ready(None),
        }
    }
}

/// Waits for the future in `slot`, or forever if the slot is empty. A cancelled wait leaves the
/// future in its slot. The owner must remove the future once it is ready.
pub(crate) async fn ready<F: Future + Unpin>(slot: &mut Option<F>) -> F::Output {
    match slot {
        Some(future) => future.await,
        None => std::future::pending().await,
    }
}

/// Returns the output of `future` if it is ready at the first poll.
pub(crate) fn at_once<F: Future>(future: F) -> Option<F::Output> {
    let future = std::pin::pin!(future);
    match future.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}
