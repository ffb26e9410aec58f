//! A queue that every subscriber sees all of.

use super::error::{Closed, Lagged};
use crate::internal::label;
use crate::internal::line::{Line, Place};
use crate::internal::lock::Lock;
use futures_core::Stream;
use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

struct State<T> {
    ring: VecDeque<Arc<T>>,
    capacity: usize,
    /// The number of the first in `ring`.
    first: u64,
    waiting: Line<()>,
    subscribers: usize,
    senders: usize,
    closed: bool,
}

impl<T> State<T> {
    fn next(&self) -> u64 {
        self.first + self.ring.len() as u64
    }

    fn wake_all(&mut self) -> Vec<Waker> {
        let mut wakers = Vec::with_capacity(self.waiting.len());
        while !self.waiting.is_empty() {
            wakers.extend(self.waiting.serve_front(|()| ()));
        }
        wakers
    }
}

fn wake(wakers: Vec<Waker>) {
    for waker in wakers {
        waker.wake();
    }
}

/// Sends every item to every subscriber.
///
/// A subscriber sees all items from its subscription on, in the order in which they were sent. A send never waits: at most `capacity` items are
/// kept, and a subscriber that falls further behind is told how many it [missed](Lagged), and goes on with the oldest that is kept. Clones
/// send to the same subscribers; when the last is dropped, the broadcast closes.
///
/// For items that one consumer each takes, use a [`Queue`](super::Queue).
///
/// # Examples
///
/// ```
/// use regatta::queue::{Broadcast, Lagged};
///
/// regatta::testing::run(async || {
///     let news = Broadcast::new(2);
///     let mut reader = news.subscribe();
///     for n in 1..=3 {
///         news.send(n).expect("it is open");
///     }
///     drop(news);
///     assert_eq!(reader.recv().await, Some(Err(Lagged(1))));
///     assert_eq!(reader.recv().await, Some(Ok(2)));
///     assert_eq!(reader.recv().await, Some(Ok(3)));
///     assert_eq!(reader.recv().await, None);
/// });
/// ```
pub struct Broadcast<T>(Arc<Lock<State<T>>>);

impl<T> Broadcast<T> {
    /// A broadcast that keeps at most `capacity` items for those who are behind.
    ///
    /// # Panics
    ///
    /// When `capacity` is 0.
    #[track_caller]
    pub fn new(capacity: usize) -> Self {
        assert!(
            capacity > 0,
            "a broadcast of capacity 0 could never hold an item: use at least 1"
        );
        Broadcast(Arc::new(Lock::new(State {
            ring: VecDeque::new(),
            capacity,
            first: 0,
            waiting: Line::new(),
            subscribers: 0,
            senders: 1,
            closed: false,
        })))
    }

    /// Sends to all who are subscribed; says how many that are. With none, the item is dropped, as nobody could ever see it.
    ///
    /// # Errors
    ///
    /// [`Closed`], when the broadcast is closed; the item is handed back beside it.
    pub fn send(&self, item: T) -> Result<usize, (Closed, T)> {
        // Allocated before locking; given back when it is not wanted.
        let mut state = self.0.lock();
        if state.closed {
            drop(state);
            return Err((Closed, item));
        }
        let subscribers = state.subscribers;
        if subscribers == 0 {
            drop(state);
            drop(item);
            return Ok(0);
        }
        let mut oldest = None;
        if state.ring.len() == state.capacity {
            oldest = state.ring.pop_front();
            state.first += 1;
        }
        state.ring.push_back(Arc::new(item));
        let wakers = state.wake_all();
        drop(state);
        drop(oldest);
        wake(wakers);
        Ok(subscribers)
    }

    /// A subscriber that sees what is sent from now on.
    pub fn subscribe(&self) -> Subscriber<T> {
        let mut state = self.0.lock();
        state.subscribers += 1;
        let next = state.next();
        Subscriber {
            shared: self.0.clone(),
            next,
            stand: None,
        }
    }

    /// Takes no more items; subscribers see what is left, then the end.
    pub fn close(&self) {
        close(&self.0);
    }

    /// Whether it takes no more items.
    pub fn is_closed(&self) -> bool {
        self.0.lock().closed
    }

    /// How many are subscribed.
    pub fn subscribers(&self) -> usize {
        self.0.lock().subscribers
    }

    /// How many items are kept at most.
    pub fn capacity(&self) -> usize {
        self.0.lock().capacity
    }
}

fn close<T>(shared: &Lock<State<T>>) {
    let mut state = shared.lock();
    state.closed = true;
    let wakers = state.wake_all();
    drop(state);
    wake(wakers);
}

impl<T> Clone for Broadcast<T> {
    fn clone(&self) -> Self {
        self.0.lock().senders += 1;
        Broadcast(self.0.clone())
    }
}

impl<T> Drop for Broadcast<T> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.senders -= 1;
        let last = state.senders == 0;
        drop(state);
        if last {
            close(&self.0);
        }
    }
}

impl<T> fmt::Debug for Broadcast<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Broadcast")
            .field("subscribers", &self.subscribers())
            .field("closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}

/// Receives all that a [`Broadcast`] sends; also a stream. A clone goes on from the same item.
pub struct Subscriber<T> {
    shared: Arc<Lock<State<T>>>,
    /// The number of the item it sees next.
    next: u64,
    stand: Option<Place>,
}

impl<T: Clone> Subscriber<T> {
    /// The next item; `None` at the end.
    ///
    /// # Errors
    ///
    /// [`Lagged`] with the number of items that were missed; the next call goes on after them.
    ///
    /// # Cancel safety
    ///
    /// Dropping it loses nothing: the item is for the next call.
    pub fn recv(&mut self) -> Recv<'_, T> {
        Recv(self)
    }

    /// The next item, if it is there: `None` when nothing is there yet, and at the end.
    ///
    /// # Errors
    ///
    /// As [`recv`](Subscriber::recv).
    pub fn try_recv(&mut self) -> Option<Result<T, Lagged>> {
        let shared = self.shared.clone();
        let state = shared.lock();
        let seen = self.look(&state);
        drop(state);
        seen.map(own)
    }

    fn poll_recv(&mut self, cx: &Context<'_>) -> Poll<Option<Result<T, Lagged>>> {
        let shared = self.shared.clone();
        let mut state = shared.lock();
        let seen = self.look(&state);
        let mut old = None;
        if seen.is_some() || state.closed {
            old = self
                .stand
                .take()
                .and_then(|place| state.waiting.leave(place))
                .and_then(|(_, w)| w);
            drop(state);
            drop(old);
            return Poll::Ready(seen.map(own));
        }
        match self.stand {
            Some(place) if state.waiting.is_waiting(place) => {
                old = state.waiting.set_waker(place, cx.waker());
            }
            // Somebody else's item woke it, which is overwritten by now, or it was not here yet.
            stand => {
                if let Some(place) = stand {
                    old = state.waiting.leave(place).and_then(|(_, w)| w);
                }
                self.stand = Some(state.waiting.enter((), cx.waker().clone()));
            }
        }
        drop(state);
        drop(old);
        label::set("an item of a broadcast");
        Poll::Pending
    }
}

impl<T> Subscriber<T> {
    fn look(&mut self, state: &State<T>) -> Option<Result<Arc<T>, Lagged>> {
        if self.next < state.first {
            let missed = state.first - self.next;
            self.next = state.first;
            return Some(Err(Lagged(missed)));
        }
        let item = state.ring.get((self.next - state.first) as usize)?;
        self.next += 1;
        Some(Ok(item.clone()))
    }
}

/// Clones the item, or takes it when nobody else can see it any more. After unlocking: this runs code of the user.
fn own<T: Clone>(seen: Result<Arc<T>, Lagged>) -> Result<T, Lagged> {
    seen.map(Arc::unwrap_or_clone)
}

/// Waits for the next item; made by [`Subscriber::recv`].
#[must_use = "nothing is received until it is awaited"]
#[derive(Debug)]
pub struct Recv<'a, T>(&'a mut Subscriber<T>);

impl<T: Clone> Future for Recv<'_, T> {
    type Output = Option<Result<T, Lagged>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.get_mut().0.poll_recv(cx)
    }
}

impl<T> Drop for Recv<'_, T> {
    fn drop(&mut self) {
        self.0.leave();
    }
}

impl<T: Clone> Stream for Subscriber<T> {
    type Item = Result<T, Lagged>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll_recv(cx)
    }
}

impl<T> Subscriber<T> {
    fn leave(&mut self) {
        if let Some(place) = self.stand.take() {
            let left = self.shared.lock().waiting.leave(place);
            drop(left);
        }
    }
}

impl<T> Clone for Subscriber<T> {
    fn clone(&self) -> Self {
        self.shared.lock().subscribers += 1;
        Subscriber {
            shared: self.shared.clone(),
            next: self.next,
            stand: None,
        }
    }
}

impl<T> Drop for Subscriber<T> {
    fn drop(&mut self) {
        self.leave();
        let mut state = self.shared.lock();
        state.subscribers -= 1;
        // Nobody can see them any more; they are dropped after unlocking.
        let unseen = if state.subscribers == 0 {
            state.first = state.next();
            std::mem::take(&mut state.ring)
        } else {
            VecDeque::new()
        };
        drop(state);
        drop(unseen);
    }
}

impl<T> fmt::Debug for Subscriber<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscriber")
            .field("next", &self.next)
            .finish_non_exhaustive()
    }
}
