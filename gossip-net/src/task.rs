//! Futures in slots: work that a task does beside its other business, and a wait that may have
//! nothing to wait for.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready as wait};

/// Work that goes on whenever its owner is polled, and ends with it. It yields `None` if it panicked.
///
/// A task of its own would cost what a session in sync does: each step of it would wake up two.
pub(crate) struct Work<T>(Pin<Box<dyn Future<Output = T> + Send>>);

impl<T> Work<T> {
    pub(crate) fn new(work: impl Future<Output = T> + Send + 'static) -> Self {
        Self(Box::pin(work))
    }
}

impl<T> Future for Work<T> {
    type Output = Option<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<T>> {
        // After `None` the owner drops the work, and looks at nothing that it may have left half done.
        match catch_unwind(AssertUnwindSafe(|| self.0.as_mut().poll(context))) {
            Ok(polled) => Poll::Ready(Some(wait!(polled))),
            Err(_) => Poll::Ready(None),
        }
    }
}

/// Waits for the future in `slot`, or without end if there is none. It stays in its slot if the wait
/// is given up, and has to be taken out once it is ready.
pub(crate) async fn ready<F: Future + Unpin>(slot: &mut Option<F>) -> F::Output {
    match slot {
        Some(future) => future.await,
        None => std::future::pending().await,
    }
}

/// What `future` yields without a wait, if it does.
pub(crate) fn at_once<F: Future>(future: F) -> Option<F::Output> {
    let future = std::pin::pin!(future);
    match future.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}
