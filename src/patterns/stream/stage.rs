//! [`then_stage`](super::StreamOps::then_stage): what is above runs as a task of its own.

use crate::internal::caught::caught;
use crate::internal::label;
use crate::internal::pipe::{End, Flow, Inlet, Outlet, pipe};
use crate::internal::scope::{self, Mark, Scoped, Step};
use crate::runtime::{JoinHandle, Runtime};
use futures_core::Stream;
use std::fmt;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

enum Upstream<S: Stream> {
    /// Not polled yet.
    Fresh(Pin<Box<S>>),
    Task {
        items: Outlet<S::Item>,
        task: JoinHandle<()>,
    },
    /// There is no runtime to spawn on.
    InPlace(Pin<Box<S>>),
    Ended,
}

/// A stream whose upstream runs as a task of its own; made by [`then_stage`](super::StreamOps::then_stage).
#[must_use = "streams do nothing unless polled"]
pub struct Stage<S: Stream> {
    ahead: usize,
    upstream: Upstream<S>,
}

// The upstream has a pinned place of its own.
impl<S: Stream> Unpin for Stage<S> {}

impl<S: Stream> Stage<S> {
    #[track_caller]
    pub(super) fn new(stream: S, ahead: usize) -> Self {
        assert!(
            ahead > 0,
            "then_stage(0): the stage could never hand on an item; use at least 1"
        );
        Stage {
            ahead,
            upstream: Upstream::Fresh(Box::pin(stream)),
        }
    }

    /// How many items wait for the consumer; at most the `n` of [`then_stage`](super::StreamOps::then_stage).
    pub fn queued(&self) -> usize {
        match &self.upstream {
            Upstream::Task { items, .. } => items.len(),
            Upstream::Fresh(_) | Upstream::InPlace(_) | Upstream::Ended => 0,
        }
    }
}

impl<S: Stream> fmt::Debug for Stage<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stage")
            .field("ahead", &self.ahead)
            .field("queued", &self.queued())
            .finish_non_exhaustive()
    }
}

impl<S: Stream> Drop for Stage<S> {
    fn drop(&mut self) {
        if let Upstream::Task { task, .. } = &self.upstream {
            task.cancel();
        }
    }
}

impl<S> Stream for Stage<S>
where
    S: Stream<Item: Send> + Send + 'static,
{
    type Item = S::Item;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<S::Item>> {
        if let Upstream::Fresh(_) = &self.upstream
            && let Upstream::Fresh(stream) = std::mem::replace(&mut self.upstream, Upstream::Ended)
        {
            self.upstream = start(stream, self.ahead);
        }
        let flow = match &mut self.upstream {
            Upstream::InPlace(stream) => {
                let next = std::task::ready!(stream.as_mut().poll_next(cx));
                next.map_or(Flow::End(End::Done), Flow::Item)
            }
            Upstream::Task { items, .. } => match items.poll_flow(cx) {
                Poll::Ready(flow) => flow,
                Poll::Pending => {
                    label::set("the stage above");
                    return Poll::Pending;
                }
            },
            Upstream::Fresh(_) | Upstream::Ended => return Poll::Ready(None),
        };
        match flow {
            Flow::Item(item) => Poll::Ready(Some(item)),
            Flow::End(end) => {
                self.upstream = Upstream::Ended;
                match end {
                    End::Done => Poll::Ready(None),
                    End::Panicked(payload) => std::panic::resume_unwind(payload),
                    End::Lost => panic!(
                        "a stage of a stream was lost: its runtime stopped before the stream had ended"
                    ),
                }
            }
        }
    }
}

fn start<S>(stream: Pin<Box<S>>, ahead: usize) -> Upstream<S>
where
    S: Stream<Item: Send> + Send + 'static,
{
    let runtime = Runtime::current();
    if !runtime.can_spawn() {
        return Upstream::InPlace(stream);
    }
    let (inlet, items) = pipe(ahead);
    let feed = feed(stream, inlet);
    // The scopes around the consumer, for the upstream to see. Who drops the consumer drops the upstream.
    let around = scope::observe();
    let task = runtime.try_spawn(async move {
        let mut scoped = pin!(Scoped::root(Mark::Follow(around), feed));
        poll_fn(|cx| match scoped.as_mut().step(cx, false) {
            Step::Pending => Poll::Pending,
            Step::Ready(()) | Step::Gone => Poll::Ready(()),
        })
        .await;
    });
    match task {
        Ok(task) => Upstream::Task { items, task },
        Err(_) => unreachable!("it said that it can spawn"),
    }
}

async fn feed<S: Stream>(stream: Pin<Box<S>>, mut inlet: Inlet<S::Item>) {
    let end = caught(fill(stream, &mut inlet)).await;
    // The stream is gone by now: whoever sees the end finds nothing left of it.
    inlet.end(match end {
        Ok(()) => End::Done,
        Err(payload) => End::Panicked(payload),
    });
}

async fn fill<S: Stream>(mut stream: Pin<Box<S>>, inlet: &mut Inlet<S::Item>) {
    while inlet.room().await {
        match poll_fn(|cx| stream.as_mut().poll_next(cx)).await {
            Some(item) => inlet.push(item),
            None => break,
        }
    }
}
