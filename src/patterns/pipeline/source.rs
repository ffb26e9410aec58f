//! The tasks of stages that are streams: the source, and what [`through`](super::Pipeline::through) puts in.

use super::meter::{Meter, count};
use super::work::Judge;
use crate::cancel::{CancelToken, Reason};
use crate::internal::lock::Lock;
use crate::internal::pipe::{End, Flow, Inlet, Outlet};
use crate::runtime::Runtime;
use futures_core::Stream;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

pub(super) type BoxStream<T> = Pin<Box<dyn Stream<Item = T> + Send>>;

/// What ends the source before its end.
#[derive(Default)]
pub(super) struct Drain {
    pub(super) on: Lock<Option<CancelToken>>,
    /// Why it did. A token that is cancelled later has stopped nothing.
    pub(super) why: OnceLock<Reason>,
}

impl Drain {
    fn note(&self, token: Option<&CancelToken>) {
        if let Some(reason) = token.and_then(CancelToken::reason) {
            let _first = self.why.set(reason);
        }
    }
}

/// Fills the pipe from a stream, until that ends, or `drain` is cancelled, or nobody takes from the pipe any more.
pub(super) async fn draw<T, E>(
    mut stream: BoxStream<Result<T, E>>,
    mut inlet: Inlet<T>,
    mut judge: Judge<E>,
    drain: Arc<Drain>,
) -> Result<(), E> {
    let runtime = Runtime::current();
    let token = drain.on.lock().clone();
    let mut drained = pin!(token.as_ref().map(CancelToken::cancelled));
    while inlet.room().await {
        if token.as_ref().is_some_and(CancelToken::is_cancelled) {
            drain.note(token.as_ref());
            break;
        }
        let asked = runtime.now();
        let next = poll_fn(|cx| {
            if let Poll::Ready(next) = stream.as_mut().poll_next(cx) {
                return Poll::Ready(next);
            }
            match drained.as_mut().as_pin_mut() {
                Some(drained) => drained.poll(cx).map(|_| {
                    drain.note(token.as_ref());
                    None
                }),
                None => Poll::Pending,
            }
        });
        match next.await {
            Some(Ok(item)) => {
                let waited = runtime.now().saturating_duration_since(asked);
                judge.meter.times.add(waited);
                count(&judge.meter.taken);
                inlet.push(item);
                count(&judge.meter.given);
            }
            Some(Err(error)) => {
                count(&judge.meter.taken);
                judge.take(error)?;
            }
            None => break,
        }
    }
    // Gone before the stages below see the end.
    drop(stream);
    inlet.end(End::Done);
    Ok(())
}

/// Fills the pipe from a stream that stands on the stage above.
pub(super) async fn pass<T>(mut stream: BoxStream<T>, mut inlet: Inlet<T>, meter: Arc<Meter>) {
    while inlet.room().await {
        match poll_fn(|cx| stream.as_mut().poll_next(cx)).await {
            Some(item) => {
                inlet.push(item);
                count(&meter.given);
            }
            None => break,
        }
    }
    drop(stream);
    inlet.end(End::Done);
}

/// What comes from the stage above, as a stream. It ends only if that stage ended well: otherwise it waits for the pipeline to be cancelled.
pub(super) struct Intake<T> {
    pub(super) input: Outlet<T>,
    pub(super) meter: Arc<Meter>,
    pub(super) lost: bool,
}

impl<T> Stream for Intake<T> {
    type Item = T;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        if self.lost {
            return Poll::Pending;
        }
        match std::task::ready!(self.input.poll_flow(cx)) {
            Flow::Item(item) => {
                count(&self.meter.taken);
                Poll::Ready(Some(item))
            }
            Flow::End(End::Done) => Poll::Ready(None),
            Flow::End(_) => {
                self.lost = true;
                Poll::Pending
            }
        }
    }
}
