//! Submitting: a future that waits for room.

use super::error::SubmitError;
use super::job::{Job, Slot};
use super::shared::{Order, Shared};
use crate::queue::{Put, PutError};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

/// Waits until a job is taken; made by [`Workers::submit`](super::Workers::submit).
#[must_use = "nothing is submitted until it is awaited"]
pub struct Submit<'a, J, T, E> {
    shared: &'a Shared<J, T, E>,
    put: Put<'a, Order<J, T, E>>,
    slot: Option<Arc<Slot<T, E>>>,
}

impl<J, T, E> fmt::Debug for Submit<'_, J, T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Submit")
            .field("done", &self.slot.is_none())
            .finish_non_exhaustive()
    }
}

impl<'a, J, T, E> Submit<'a, J, T, E> {
    pub(super) fn new(shared: &'a Shared<J, T, E>, input: J) -> Self {
        let order = shared.order(input);
        let slot = order.slot.clone();
        Submit {
            shared,
            put: shared.queue.put(order),
            slot: Some(slot),
        }
    }

    /// Gives up, and gives the job back; `None` when it was taken, or handed back with an error. Exact: a job that comes back
    /// was never taken.
    pub fn into_job(self) -> Option<J> {
        self.put
            .into_item()
            .and_then(|mut order| order.input.take())
    }
}

impl<J, T, E> Future for Submit<'_, J, T, E> {
    type Output = Result<Job<T, E>, SubmitError<J>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let put = ready!(Pin::new(&mut this.put).poll(cx));
        let slot = this
            .slot
            .take()
            .expect("a submit is over when it has ended");
        Poll::Ready(match put {
            Ok(()) => Ok(Job::new(slot)),
            Err(refused) => {
                let full = matches!(refused, PutError::Full(_));
                Err(this.shared.refusal(refused.into_inner(), full))
            }
        })
    }
}
