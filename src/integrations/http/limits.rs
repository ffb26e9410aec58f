//! The limits in time of one request: one timer for all of them, which is armed when something has to be waited for,
//! and moved when it goes off too early.

use super::error::{ErrorKind, HttpError, Limit};
use crate::cancel;
use crate::runtime::Instant;
use crate::runtime::{Runtime, Sleep};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

/// What was chosen.
#[derive(Clone, Copy)]
pub(super) struct Times {
    pub(super) total: Option<Duration>,
    pub(super) read: Option<Duration>,
}

pub(super) struct Limits {
    runtime: Runtime,
    times: Times,
    /// When all of it must have ended.
    end: Option<Instant>,
    /// The server is the one to act: since when, as far as anybody looked.
    waiting: Option<Option<Instant>>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Limits {
    /// The clock of the total starts now.
    pub(super) fn start(runtime: Runtime, times: Times) -> Self {
        let end = times
            .total
            .and_then(|total| runtime.now().checked_add(total));
        Limits {
            runtime,
            times,
            end,
            waiting: None,
            timer: None,
        }
    }

    /// The same end, for another part of the same request.
    pub(super) fn again(&self) -> Self {
        Limits {
            runtime: self.runtime.clone(),
            times: self.times,
            end: self.end,
            waiting: None,
            timer: None,
        }
    }

    /// Whether the total would be over by then.
    pub(super) fn leaves_less_than(&self, wait: Duration) -> bool {
        let end_of_wait = self.runtime.now().checked_add(wait);
        self.end
            .is_some_and(|end| end_of_wait.is_none_or(|at| at >= end))
    }

    /// From now on each wait is for the server.
    pub(super) fn server_acts(&mut self) {
        self.waiting = Some(None);
    }

    /// From now on it is not.
    pub(super) fn server_rests(&mut self) {
        self.waiting = None;
    }

    /// Ready when a limit is reached; to be asked when there is nothing else to do. When a scope around the caller is
    /// cancelled, or out of time too, it is that one's turn to say so, and this stays pending.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<HttpError> {
        loop {
            let reading = match (&mut self.waiting, self.times.read) {
                (Some(since), Some(limit)) => since
                    .get_or_insert_with(|| self.runtime.now())
                    .checked_add(limit),
                _ => None,
            };
            let (due, limit) = match (reading, self.end) {
                (Some(read), Some(end)) if read < end => (read, Limit::Read),
                (_, Some(end)) => (end, Limit::Total),
                (Some(read), None) => (read, Limit::Read),
                (None, None) => return Poll::Pending,
            };
            match &mut self.timer {
                None => self.timer = Some(Box::pin(self.runtime.sleep_until(due))),
                // One that goes off too early is moved then.
                Some(timer) => {
                    if timer.deadline().is_none_or(|armed| due < armed) {
                        timer.as_mut().reset(Some(due));
                    }
                }
            }
            if let Some(timer) = &mut self.timer {
                ready!(timer.as_mut().poll_unbudgeted(cx));
                if self.runtime.now() < due {
                    timer.as_mut().reset(Some(due));
                    continue;
                }
            }
            if cancel::check().is_err() {
                return Poll::Pending;
            }
            return Poll::Ready(self.error(limit));
        }
    }

    fn error(&self, limit: Limit) -> HttpError {
        let message = match limit {
            Limit::Read => format!(
                "the server sent nothing for {:?} (read_timeout)",
                self.times.read.unwrap_or_default()
            ),
            _ => format!(
                "it took longer than {:?} (timeout)",
                self.times.total.unwrap_or_default()
            ),
        };
        HttpError::new(ErrorKind::TimedOut(limit), message)
    }

    /// Runs `work` under the limits. A value that is ready is kept. It stays where it is pinned: an argument of an
    /// `async fn` takes its room twice.
    pub(super) fn keep<T, F>(
        &mut self,
        mut work: Pin<&mut F>,
    ) -> impl Future<Output = Result<T, HttpError>>
    where
        F: Future<Output = Result<T, HttpError>>,
    {
        poll_fn(move |cx| match work.as_mut().poll(cx) {
            Poll::Ready(done) => Poll::Ready(done),
            Poll::Pending => self.poll(cx).map(Err),
        })
    }
}
