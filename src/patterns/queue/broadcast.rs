//! A queue that every subscriber sees all of.

use super::error::SendError;
use super::subscriber::Subscriber;
use crate::internal::caught::discard;
use crate::internal::line::{Line, Wakers};
use crate::internal::lock::Lock;
use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

const CLOSED: &str = "send: the broadcast is closed: it takes no more items";

pub(super) struct State<T> {
    pub(super) ring: VecDeque<Arc<T>>,
    capacity: usize,
    /// The number of the first in `ring`.
    pub(super) first: u64,
    pub(super) waiting: Line<()>,
    pub(super) subscribers: usize,
    senders: usize,
    pub(super) closed: bool,
}

impl<T> State<T> {
    pub(super) fn next(&self) -> u64 {
        self.first + self.ring.len() as u64
    }

    fn wake_all(&mut self) -> Wakers {
        let mut wakers = Wakers::new();
        self.waiting.serve_each(&mut wakers, |()| true);
        wakers
    }
}

impl<T> Drop for State<T> {
    fn drop(&mut self) {
        // One by one: an item whose destructor panics takes no other with it.
        self.ring.drain(..).for_each(discard);
    }
}

/// Sends every item to every subscriber.
///
/// A subscriber sees all items from its subscription on, in the order in which they were sent. A send never waits: at most `capacity` items are
/// kept, and a subscriber that falls further behind is told how many it [missed](super::Lagged), and goes on with the oldest that is kept. Clones
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
    /// [`SendError`] with the item, when the broadcast is closed.
    pub fn send(&self, item: T) -> Result<usize, SendError<T>> {
        let mut state = self.0.lock();
        if state.closed {
            drop(state);
            return Err(SendError::new(item, CLOSED));
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
        wakers.wake();
        discard(oldest);
        Ok(subscribers)
    }

    /// A subscriber that sees what is sent from now on.
    pub fn subscribe(&self) -> Subscriber<T> {
        let mut state = self.0.lock();
        state.subscribers += 1;
        let next = state.next();
        Subscriber::new(self.0.clone(), next)
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

    /// How many handles there are that can send; the broadcast closes with the last.
    pub fn senders(&self) -> usize {
        self.0.lock().senders
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
    wakers.wake();
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
