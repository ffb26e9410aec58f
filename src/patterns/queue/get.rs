//! Getting: futures that wait for items, and the stream.

use super::item::Item;
use super::shared::{Access, Shared};
use super::state::{Arrival, State};
use super::store::Entry;
use crate::internal::caught::discard;
use crate::internal::label;
use crate::internal::line::{Place, Spare};
use crate::runtime::coop;
use futures_core::Stream;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

const WAITS: &str = "an item of a queue";

/// Where a get stands.
#[derive(Clone, Copy, Debug)]
enum Stand {
    Fresh,
    /// It found the end, and gives way to other tasks first.
    Ended,
    /// In the line for items; also with an item, when it gives way to other tasks first.
    In(Place),
}

/// Gives up a stand in the line for items; what it was given goes on.
#[inline]
fn leave<T>(shared: &Shared<T>, stand: &mut Stand) {
    if let Stand::In(place) = *stand {
        *stand = Stand::Fresh;
        let left = shared.lock().leave_getters(place);
        discard(left);
    }
}

/// Waits for the next entry. `take` gets it with the state still locked.
#[inline]
fn poll_entry<T, R>(
    shared: &Shared<T>,
    stand: &mut Stand,
    cx: &mut Context<'_>,
    take: impl FnOnce(&mut State<T>, Entry<T>) -> R,
) -> Poll<Option<R>> {
    // First, as it may run code of the user.
    let gives_way = matches!(stand, Stand::Fresh) && coop::poll_spend(cx).is_pending();
    if matches!(stand, Stand::Fresh) && !gives_way {
        let mut state = shared.lock();
        if let Some(entry) = state.pop() {
            return Poll::Ready(Some(take(&mut state, entry)));
        }
    }
    // Here, so that it outlives the lock that comes back.
    let mut spare = Spare::none();
    let arrived = ready!(poll_slow(shared, stand, cx, gives_way, &mut spare));
    Poll::Ready(arrived.map(|(mut state, entry)| take(&mut state, entry)))
}

#[inline(never)]
fn poll_slow<'a, T>(
    shared: &'a Shared<T>,
    stand: &mut Stand,
    cx: &Context<'_>,
    gives_way: bool,
    spare: &mut Spare,
) -> Poll<Option<(Access<'a, T>, Entry<T>)>> {
    loop {
        let mut state = shared.lock();
        match *stand {
            Stand::In(place) => match state.arrival(place) {
                Arrival::Item(entry) => {
                    *stand = Stand::Fresh;
                    return Poll::Ready(Some((state, entry)));
                }
                Arrival::End => {
                    *stand = Stand::Fresh;
                    return Poll::Ready(None);
                }
                Arrival::NotYet => {
                    if state.renew_getter(place, cx, spare) {
                        label::set(WAITS);
                        return Poll::Pending;
                    }
                }
            },
            Stand::Fresh if gives_way => {
                if let Some(place) = state.hold() {
                    *stand = Stand::In(place);
                } else if state.has_ended() {
                    *stand = Stand::Ended;
                } else if let Some(waker) = spare.take() {
                    *stand = Stand::In(state.wait_for_item(waker));
                }
                if !matches!(stand, Stand::Fresh) {
                    label::set(WAITS);
                    return Poll::Pending;
                }
            }
            Stand::Fresh | Stand::Ended => {
                if let Some(entry) = state.pop() {
                    *stand = Stand::Fresh;
                    return Poll::Ready(Some((state, entry)));
                }
                if state.has_ended() {
                    *stand = Stand::Fresh;
                    return Poll::Ready(None);
                }
                if let Some(waker) = spare.take() {
                    *stand = Stand::In(state.wait_for_item(waker));
                    label::set(WAITS);
                    return Poll::Pending;
                }
            }
        }
        drop(state);
        spare.fill(cx);
    }
}

/// Waits for an item to be acknowledged; made by [`Queue::get`](super::Queue::get).
#[must_use = "nothing is got until it is awaited"]
pub struct Get<'a, T> {
    shared: &'a Arc<Shared<T>>,
    stand: Stand,
}

/// Waits for an item; made by [`Queue::take`](super::Queue::take).
#[must_use = "nothing is taken until it is awaited"]
pub struct Take<'a, T> {
    shared: &'a Shared<T>,
    stand: Stand,
}

impl<'a, T> Get<'a, T> {
    pub(super) fn new(shared: &'a Arc<Shared<T>>) -> Self {
        let stand = Stand::Fresh;
        Get { shared, stand }
    }
}

impl<'a, T> Take<'a, T> {
    pub(super) fn new(shared: &'a Shared<T>) -> Self {
        let stand = Stand::Fresh;
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
    stand: Stand,
    limit: usize,
    into: &'a mut Vec<Item<T>>,
}

/// Waits for one item or more; made by [`Queue::take_many`](super::Queue::take_many).
#[must_use = "nothing is taken until it is awaited"]
pub struct TakeMany<'a, T> {
    shared: &'a Shared<T>,
    stand: Stand,
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
            stand: Stand::Fresh,
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
            stand: Stand::Fresh,
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
    stand: Stand,
}

impl<T> Items<T> {
    pub(super) fn new(shared: Arc<Shared<T>>) -> Self {
        let stand = Stand::Fresh;
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
                f.debug_struct(stringify!($name)).field("waiting", &matches!(self.stand, Stand::In(_))).finish_non_exhaustive()
            }
        }
    )*};
}

opaque! { Get<'_, T> Take<'_, T> GetMany<'_, T> TakeMany<'_, T> Items<T> }
