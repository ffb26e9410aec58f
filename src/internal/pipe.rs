//! A bounded pipe from one task to another: order is kept, a full pipe holds up whoever fills it, and either end learns that the other is
//! gone, and how.
//!
//! Invariants:
//! * The lock is held alone; no waker is woken and no item dropped under it.
//! * `filler` waits only while the pipe is full, `drainer` only while it is empty; whoever changes that wakes them.
//! * Items that were in the pipe when it ended come out before its end.

use super::lock::Lock;
use futures_core::Stream;
use std::any::Any;
use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

/// How the side that fills a pipe ended.
pub(crate) enum End {
    /// There is no more.
    Done,
    /// It panicked with this.
    Panicked(Box<dyn Any + Send>),
    /// It was dropped before its end: its runtime stopped.
    Lost,
}

struct State<T> {
    items: VecDeque<T>,
    high_water: usize,
    end: Option<End>,
    /// Nobody takes from it any more.
    abandoned: bool,
    filler: Option<Waker>,
    drainer: Option<Waker>,
}

struct Shared<T> {
    room: usize,
    state: Lock<State<T>>,
}

/// How full a pipe is, and was.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Level {
    pub(crate) queued: usize,
    pub(crate) high_water: usize,
}

/// Looks at a pipe from outside.
pub(crate) trait Gauge: Send + Sync {
    fn level(&self) -> Level;
}

impl<T: Send> Gauge for Shared<T> {
    fn level(&self) -> Level {
        let state = self.state.lock();
        Level {
            queued: state.items.len(),
            high_water: state.high_water,
        }
    }
}

/// A pipe that holds at most `room` items.
pub(crate) fn pipe<T>(room: usize) -> (Inlet<T>, Outlet<T>) {
    let shared = Arc::new(Shared {
        room,
        state: Lock::new(State {
            items: VecDeque::new(),
            high_water: 0,
            end: None,
            abandoned: false,
            filler: None,
            drainer: None,
        }),
    });
    let inlet = Inlet {
        shared: shared.clone(),
        pushed: 0,
    };
    (inlet, Outlet { shared })
}

/// Where a pipe is filled. Dropped without an [`end`](Inlet::end), it is [`Lost`](End::Lost).
pub(crate) struct Inlet<T> {
    shared: Arc<Shared<T>>,
    pushed: u32,
}

/// How many items in a row are pushed before the task gives way to others.
const BUDGET: u32 = 128;

impl<T> Inlet<T> {
    /// Waits for room. False: nobody takes from the pipe any more.
    pub(crate) async fn room(&mut self) -> bool {
        poll_fn(|cx| self.poll_room(cx)).await
    }

    pub(crate) fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        if self.pushed >= BUDGET {
            self.pushed = 0;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let mut state = self.shared.state.lock();
        if state.abandoned {
            return Poll::Ready(false);
        }
        if state.items.len() < self.shared.room {
            return Poll::Ready(true);
        }
        let old = register(&mut state.filler, cx.waker());
        drop(state);
        drop(old);
        Poll::Pending
    }

    /// Puts an item in, after [`room`](Inlet::room) has said that there is some.
    pub(crate) fn push(&mut self, item: T) {
        self.pushed += 1;
        let mut state = self.shared.state.lock();
        if state.abandoned {
            drop(state);
            drop(item);
            return;
        }
        state.items.push_back(item);
        state.high_water = state.high_water.max(state.items.len());
        let drainer = state.drainer.take();
        drop(state);
        if let Some(waker) = drainer {
            waker.wake();
        }
    }

    pub(crate) fn end(self, end: End) {
        self.finish(end);
    }

    fn finish(&self, end: End) {
        let mut state = self.shared.state.lock();
        if state.end.is_none() {
            state.end = Some(end);
        }
        let (drainer, filler) = (state.drainer.take(), state.filler.take());
        drop(state);
        drop(filler);
        if let Some(waker) = drainer {
            waker.wake();
        }
    }
}

impl<T> Drop for Inlet<T> {
    fn drop(&mut self) {
        self.finish(End::Lost);
    }
}

/// Where a pipe is emptied. Dropping it drops what is inside, and tells the other side.
pub(crate) struct Outlet<T> {
    shared: Arc<Shared<T>>,
}

impl<T> fmt::Debug for Outlet<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outlet")
            .field("queued", &self.shared.state.lock().items.len())
            .finish_non_exhaustive()
    }
}

/// What comes out of a pipe.
pub(crate) enum Flow<T> {
    Item(T),
    End(End),
}

impl<T> Outlet<T> {
    pub(crate) fn poll_flow(&mut self, cx: &mut Context<'_>) -> Poll<Flow<T>> {
        let mut state = self.shared.state.lock();
        if let Some(item) = state.items.pop_front() {
            let filler = state.filler.take();
            drop(state);
            if let Some(waker) = filler {
                waker.wake();
            }
            return Poll::Ready(Flow::Item(item));
        }
        if state.end.is_some() {
            // Asked again, it has ended without more ado.
            let end = state.end.replace(End::Done).unwrap_or(End::Done);
            return Poll::Ready(Flow::End(end));
        }
        let old = register(&mut state.drainer, cx.waker());
        drop(state);
        drop(old);
        Poll::Pending
    }

    /// How many items are inside.
    pub(crate) fn len(&self) -> usize {
        self.shared.state.lock().items.len()
    }
}

impl<T: Send + 'static> Outlet<T> {
    pub(crate) fn gauge(&self) -> Arc<dyn Gauge> {
        self.shared.clone()
    }
}

impl<T> Drop for Outlet<T> {
    fn drop(&mut self) {
        let mut state = self.shared.state.lock();
        state.abandoned = true;
        let items = std::mem::take(&mut state.items);
        let (filler, drainer) = (state.filler.take(), state.drainer.take());
        drop(state);
        drop((items, drainer));
        if let Some(waker) = filler {
            waker.wake();
        }
    }
}

/// As a stream a pipe ends when it was ended; a panic of the filling side goes on here.
impl<T> Stream for Outlet<T> {
    type Item = T;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        self.poll_flow(cx).map(|flow| match flow {
            Flow::Item(item) => Some(item),
            Flow::End(End::Done | End::Lost) => None,
            Flow::End(End::Panicked(payload)) => std::panic::resume_unwind(payload),
        })
    }
}

fn register(place: &mut Option<Waker>, waker: &Waker) -> Option<Waker> {
    match place {
        Some(old) if old.will_wake(waker) => None,
        _ => place.replace(waker.clone()),
    }
}
