//! A bounded pipe from one task to another: order is kept, a full pipe holds up whoever fills it, and either end learns that the other is
//! gone, and how.
//!
//! Invariants:
//! * The lock is held alone; no waker is cloned, dropped or woken and no item dropped under it.
//! * `filler` waits only while the pipe is full, `drainer` only while it is empty; whoever changes that wakes them.
//! * Items that were in the pipe when it ended come out before its end.
//! * Whoever gives way to other tasks loses nothing by it: the room, or the item in the pipe, is there at the next
//!   poll, which does not give way again.

use super::caught::discard;
use super::line::{Spare, wake};
use super::lock::Lock;
use crate::runtime::coop;
use std::any::Any;
use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

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
        gave_way: false,
    };
    let outlet = Outlet {
        shared,
        gave_way: false,
    };
    (inlet, outlet)
}

/// Where a pipe is filled. Dropped without an [`end`](Inlet::end), it is [`Lost`](End::Lost).
pub(crate) struct Inlet<T> {
    shared: Arc<Shared<T>>,
    gave_way: bool,
}

/// Gives way to other tasks when it is time to, once: `gave_way` is for the next poll.
#[inline]
fn poll_turn(gave_way: &mut bool, cx: &mut Context<'_>) -> Poll<()> {
    if std::mem::take(gave_way) {
        return Poll::Ready(());
    }
    let turn = coop::poll_spend(cx);
    *gave_way = turn.is_pending();
    turn
}

impl<T> Inlet<T> {
    /// Waits for room. False: nobody takes from the pipe any more.
    pub(crate) async fn room(&mut self) -> bool {
        poll_fn(|cx| self.poll_room(cx)).await
    }

    pub(crate) fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        let mut spare = Spare::none();
        loop {
            let mut state = self.shared.state.lock();
            if state.abandoned {
                return Poll::Ready(false);
            }
            if state.items.len() < self.shared.room {
                drop(state);
                // Nobody else fills the pipe: the room stays.
                return poll_turn(&mut self.gave_way, cx).map(|()| true);
            }
            if spare.renew(&mut state.filler, cx) {
                return Poll::Pending;
            }
            drop(state);
            spare.fill(cx);
        }
    }

    /// Puts an item in, after [`room`](Inlet::room) has said that there is some.
    pub(crate) fn push(&mut self, item: T) {
        let mut state = self.shared.state.lock();
        if state.abandoned {
            drop(state);
            discard(item);
            return;
        }
        state.items.push_back(item);
        state.high_water = state.high_water.max(state.items.len());
        let drainer = state.drainer.take();
        drop(state);
        if let Some(waker) = drainer {
            wake(waker);
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
        discard(filler);
        if let Some(waker) = drainer {
            wake(waker);
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
    gave_way: bool,
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
        // Before an item is taken: what stays in the pipe is not lost, and counts.
        ready!(poll_turn(&mut self.gave_way, cx));
        let mut spare = Spare::none();
        loop {
            let mut state = self.shared.state.lock();
            if let Some(item) = state.items.pop_front() {
                let filler = state.filler.take();
                drop(state);
                if let Some(waker) = filler {
                    wake(waker);
                }
                return Poll::Ready(Flow::Item(item));
            }
            if state.end.is_some() {
                // Asked again, it has ended without more ado.
                let end = state.end.replace(End::Done).unwrap_or(End::Done);
                return Poll::Ready(Flow::End(end));
            }
            if spare.renew(&mut state.drainer, cx) {
                return Poll::Pending;
            }
            drop(state);
            spare.fill(cx);
        }
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
        if let Some(waker) = filler {
            wake(waker);
        }
        discard(drainer);
        for item in items {
            discard(item);
        }
    }
}
