//! Getting: futures that wait for items, and the stream.

use super::item::Item;
use super::shared::{Access, Shared};
use super::state::{Arrival, State};
use super::store::Entry;
use crate::internal::label;
use crate::internal::line::Place;
use futures_core::Stream;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

const WAITS: &str = "an item of a queue";

/// Gives up a stand in the line for items; what it was given goes on.
fn leave<T>(shared: &Shared<T>, place: &mut Option<Place>) {
    if let Some(place) = place.take() {
        let left = shared.lock().leave_getters(place);
        drop(left);
    }
}

/// Waits for the next entry. `take` gets it with the state still locked.
#[inline]
fn poll_entry<T, R>(
    shared: &Shared<T>,
    stand: &mut Option<Place>,
    cx: &Context<'_>,
    take: impl FnOnce(&mut State<T>, Entry<T>) -> R,
) -> Poll<Option<R>> {
    let mut state = shared.lock();
    let Some(place) = *stand else {
        if state.out_of_budget() {
            drop(state);
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if let Some(entry) = state.pop() {
            return Poll::Ready(Some(take(&mut state, entry)));
        }
        return wait(state, stand, cx);
    };
    let (arrival, old) = state.arrival(place);
    match arrival {
        Arrival::Item(entry) => {
            *stand = None;
            let taken = take(&mut state, entry);
            drop(state);
            drop(old);
            Poll::Ready(Some(taken))
        }
        Arrival::End => {
            *stand = None;
            Poll::Ready(None)
        }
        Arrival::NotYet => {
            let old = state.set_get_waker(place, cx.waker());
            drop(state);
            drop(old);
            label::set(WAITS);
            Poll::Pending
        }
    }
}

fn wait<T, R>(
    mut state: Access<'_, T>,
    stand: &mut Option<Place>,
    cx: &Context<'_>,
) -> Poll<Option<R>> {
    if state.has_ended() {
        return Poll::Ready(None);
    }
    *stand = Some(state.wait_for_item(cx.waker().clone()));
    label::set(WAITS);
    Poll::Pending
}

/// Waits for an item to be acknowledged; made by [`Queue::get`](super::Queue::get).
#[must_use = "nothing is got until it is awaited"]
pub struct Get<'a, T> {
    shared: &'a Arc<Shared<T>>,
    stand: Option<Place>,
}

/// Waits for an item; made by [`Queue::take`](super::Queue::take).
#[must_use = "nothing is taken until it is awaited"]
pub struct Take<'a, T> {
    shared: &'a Shared<T>,
    stand: Option<Place>,
}

impl<'a, T> Get<'a, T> {
    pub(super) fn new(shared: &'a Arc<Shared<T>>) -> Self {
        let stand = None;
        Get { shared, stand }
    }
}

impl<'a, T> Take<'a, T> {
    pub(super) fn new(shared: &'a Shared<T>) -> Self {
        let stand = None;
        Take { shared, stand }
    }
}

impl<T> Future for Get<'_, T> {
    type Output = Option<Item<T>>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let entry = ready!(poll_entry(this.shared, &mut this.stand, cx, |_, e| e));
        Poll::Ready(entry.map(|entry| Item::new(this.shared.clone(), entry)))
    }
}

impl<T> Future for Take<'_, T> {
    type Output = Option<T>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        poll_entry(this.shared, &mut this.stand, cx, |state, entry| {
            state.acknowledge(1);
            entry.item
        })
    }
}

impl<T> Drop for Get<'_, T> {
    fn drop(&mut self) {
        leave(self.shared, &mut self.stand);
    }
}

impl<T> Drop for Take<'_, T> {
    #[inline]
    fn drop(&mut self) {
        leave(self.shared, &mut self.stand);
    }
}

/// Waits for one item or more; made by [`Queue::get_many`](super::Queue::get_many).
#[must_use = "nothing is got until it is awaited"]
pub struct GetMany<'a, T> {
    shared: &'a Arc<Shared<T>>,
    stand: Option<Place>,
    limit: usize,
    into: &'a mut Vec<Item<T>>,
}

/// Waits for one item or more; made by [`Queue::take_many`](super::Queue::take_many).
#[must_use = "nothing is taken until it is awaited"]
pub struct TakeMany<'a, T> {
    shared: &'a Shared<T>,
    stand: Option<Place>,
    limit: usize,
    into: &'a mut Vec<T>,
}

const NOT_ZERO: &str = "a limit of 0 would get nothing, which means the end: use at least 1";

impl<'a, T> GetMany<'a, T> {
    #[track_caller]
    pub(super) fn new(
        shared: &'a Arc<Shared<T>>,
        limit: usize,
        into: &'a mut Vec<Item<T>>,
    ) -> Self {
        assert!(limit > 0, "{NOT_ZERO}");
        GetMany {
            shared,
            stand: None,
            limit,
            into,
        }
    }
}

impl<'a, T> TakeMany<'a, T> {
    #[track_caller]
    pub(super) fn new(shared: &'a Shared<T>, limit: usize, into: &'a mut Vec<T>) -> Self {
        assert!(limit > 0, "{NOT_ZERO}");
        TakeMany {
            shared,
            stand: None,
            limit,
            into,
        }
    }
}

impl<T> Future for GetMany<'_, T> {
    type Output = usize;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<usize> {
        let this = self.get_mut();
        let before = this.into.len();
        ready!(poll_entry(
            this.shared,
            &mut this.stand,
            cx,
            |state, first| {
                this.into.push(Item::new(this.shared.clone(), first));
                while this.into.len() - before < this.limit
                    && let Some(entry) = state.pop()
                {
                    this.into.push(Item::new(this.shared.clone(), entry));
                }
            }
        ));
        Poll::Ready(this.into.len() - before)
    }
}

impl<T> Future for TakeMany<'_, T> {
    type Output = usize;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<usize> {
        let this = self.get_mut();
        let before = this.into.len();
        ready!(poll_entry(
            this.shared,
            &mut this.stand,
            cx,
            |state, first| {
                this.into.push(first.item);
                state.acknowledge(1);
                state.take_many(this.limit - 1, this.into);
                while this.into.len() - before < this.limit
                    && let Some(entry) = state.pop()
                {
                    this.into.push(entry.item);
                    state.acknowledge(1);
                }
            }
        ));
        Poll::Ready(this.into.len() - before)
    }
}

impl<T> Drop for GetMany<'_, T> {
    fn drop(&mut self) {
        leave(self.shared, &mut self.stand);
    }
}

impl<T> Drop for TakeMany<'_, T> {
    fn drop(&mut self) {
        leave(self.shared, &mut self.stand);
    }
}

/// The items of a queue as a stream; made by [`Queue::items`](super::Queue::items). Dropping it leaves what is in the queue.
#[must_use = "streams do nothing unless polled"]
pub struct Items<T> {
    shared: Arc<Shared<T>>,
    stand: Option<Place>,
}

impl<T> Items<T> {
    pub(super) fn new(shared: Arc<Shared<T>>) -> Self {
        let stand = None;
        Items { shared, stand }
    }
}

impl<T> Stream for Items<T> {
    type Item = Item<T>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Item<T>>> {
        let this = self.get_mut();
        let entry = ready!(poll_entry(&this.shared, &mut this.stand, cx, |_, e| e));
        Poll::Ready(entry.map(|entry| Item::new(this.shared.clone(), entry)))
    }
}

impl<T> Drop for Items<T> {
    fn drop(&mut self) {
        leave(&self.shared, &mut self.stand);
    }
}

macro_rules! opaque {
    ($($name:ident<$($life:lifetime,)? T>)*) => {$(
        impl<T> fmt::Debug for $name<$($life,)? T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name)).field("waiting", &self.stand.is_some()).finish_non_exhaustive()
            }
        }
    )*};
}

opaque! { Get<'_, T> Take<'_, T> GetMany<'_, T> TakeMany<'_, T> Items<T> }
