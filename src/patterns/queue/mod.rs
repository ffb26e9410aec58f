//! Queues between tasks: bounded, fair, and without a lost item.
//!
//! Use a queue when some tasks make what others work on. For the results of a list of jobs, [`gather`](crate::task::gather) is simpler.
//!
//! | you want | use |
//! |---|---|
//! | a queue that slows producers down when consumers are slow | [`Queue::bounded`] |
//! | the smallest first; the newest first | [`Queue::priority`], [`Builder::by_key`], [`Builder::by_number`]; [`Builder::lifo`] |
//! | to know when everything is worked off | [`get`](Queue::get) and [`join`](Queue::join) |
//! | the quickest way through, without `join` | [`take`](Queue::take), [`take_many`](Queue::take_many) |
//! | what failed to be tried again, or to be kept aside | [`OnDrop::Requeue`], [`OnDrop::DeadLetter`] |
//! | to drop rather than to wait, as live audio does | [`Overflow`], [`Queue::displace`] |
//! | to make an item only when there is room for it | [`Queue::reserve`] |
//! | a queue that closes by itself when producers or consumers are gone | [`Queue::split`] |
//! | a put to be over when its item is in the hands of a consumer | [`Queue::rendezvous`] |
//! | every consumer to see every item | [`Broadcast`] |
//! | one value, from one task to another | [`oneshot`] |
//!
//! # Example
//!
//! ```
//! use regatta::{queue::Queue, task, time};
//! use std::time::Duration;
//!
//! regatta::testing::run(async || {
//!     let queue = Queue::bounded(2);
//!     let total: u32 = task::task_group(async |g| {
//!         let workers: Vec<_> = (0..3)
//!             .map(|_| {
//!                 let queue = queue.clone();
//!                 g.spawn(async move {
//!                     let mut sum = 0;
//!                     while let Some(n) = queue.take().await {
//!                         time::sleep(Duration::from_secs(1)).await;
//!                         sum += n;
//!                     }
//!                     Ok(sum)
//!                 })
//!             })
//!             .collect();
//!         for n in 1..=10 {
//!             queue.put(n).await?;
//!         }
//!         queue.close(); // every worker sees the end
//!         let mut total = 0;
//!         for worker in workers {
//!             total += worker.await;
//!         }
//!         Ok::<_, regatta::queue::PutError<u32>>(total)
//!     })
//!     .await
//!     .expect("the queue stayed open");
//!     assert_eq!(total, 55);
//! });
//! ```
//!
//! # How it behaves
//!
//! **Order.** Items stand in the order in which their puts began: first in first out, or as chosen. One that had to wait for room comes in when its task runs
//! again, at its place; a get before that may meet the item of a newcomer who found room, too. An item that comes back, from a consumer that
//! was dropped or by [`OnDrop::Requeue`], goes to its old place. It may then stand above the capacity, and puts wait until it is below again.
//!
//! **Fairness.** Who waits is served in the order of waiting, and nobody steals: an item that is put while somebody waits for one belongs to who waits
//! longest, and room that appears while somebody waits to put belongs to who waits longest, before a newcomer or a `try_` call can see it.
//! Of two puts that were given room at the same time, the one that runs first puts first; the items still stand in the order of waiting when
//! both are there.
//!
//! **Dropping.** A put that is dropped before it is ready did not happen, and its room goes to the next. A get that is dropped did not happen; an item
//! that it was given goes to the next, or back. A future that was given something and is neither polled nor dropped keeps it from the others.
//!
//! **Acknowledgement.** An item counts as open from its put until its [`Item`] is consumed or dropped. Panics and cancellations drop it, so `join` is
//! exact. It cannot be acknowledged twice.
//!
//! **The end.** After [`close`](Queue::close) every consumer gets what is left, then `None`, as often as it asks. Dropping handles closes
//! nothing: a [`Queue`] is a handle for both sides. Those of [`split`](Queue::split) close it.
//!
//! **Scheduling.** After some hundreds of operations in a row that did not wait, one lets other tasks run first, as
//! tokio's own do. It keeps its place in line and what it has got meanwhile, so `put_timeout` with no time, or one
//! poll, never fails for that.
//!
//! **Code of yours.** No value is dropped, cloned or woken under the lock of the queue; a panic of a waker, or of the
//! destructor of an item that the queue drops, ends nothing. Comparisons of a queue by priority do run under it.

mod broadcast;
mod error;
mod get;
mod getting;
mod heap;
mod item;
mod join;
mod oneshot;
mod policy;
mod put;
mod putting;
mod shared;
mod split;
mod state;
mod stats;
mod store;
mod subscriber;

pub use broadcast::Broadcast;
pub use error::{Closed, Lagged, PutError, SendError, TryPutError};
pub use get::{Get, GetMany, Items, Take, TakeMany};
pub use item::Item;
pub use join::Join;
pub use oneshot::{OneshotClosed, OneshotReceiver, OneshotSender, SenderGone, oneshot};
pub use policy::{Builder, OnDrop, Overflow, UNBOUNDED};
pub use put::{Put, Reserve, Slot};
pub use split::{Consumer, Producer};
pub use stats::Stats;
pub use subscriber::{Recv, Subscriber};

use shared::Shared;
use std::fmt;
use std::sync::Arc;

/// A queue between tasks; see the [module](self). Clones are the same queue.
pub struct Queue<T> {
    shared: Arc<Shared<T>>,
}

impl<T> Clone for Queue<T> {
    fn clone(&self) -> Self {
        let shared = self.shared.clone();
        Queue { shared }
    }
}

impl<T> fmt::Debug for Queue<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue")
            .field("len", &self.len())
            .field("capacity", &self.capacity())
            .field("closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}

impl<T> Queue<T> {
    fn of(shared: Shared<T>) -> Self {
        let shared = Arc::new(shared);
        Queue { shared }
    }

    /// First in, first out, at most `capacity` items; 0 is a [`rendezvous`](Queue::rendezvous).
    pub fn bounded(capacity: usize) -> Self {
        Queue::builder(capacity).build()
    }

    /// First in, first out, any number of items: producers never wait, and memory grows while consumers are slow.
    pub fn unbounded() -> Self {
        Queue::builder(UNBOUNDED).build()
    }

    /// Items go from hand to hand: a put is over when a get has taken its item, and nothing is ever in the queue, but
    /// what comes back from a consumer. The same as [`bounded(0)`](Queue::bounded). (asyncio's `Queue(0)` is without a
    /// bound; that is [`unbounded`](Queue::unbounded) here.)
    ///
    /// * A put that is dropped before a get came did not happen. A get that is dropped before it is ready has taken
    ///   nothing.
    /// * [`try_put`](Queue::try_put), and puts where [`Overflow`] says not to wait, hand their item to a get that
    ///   waits; should that get be dropped before it has seen the item, the item goes to the next get.
    /// * [`reserve`](Queue::reserve) waits until a get waits.
    ///
    /// # Examples
    ///
    /// ```
    /// use futures::join;
    /// use regatta::{queue::Queue, testing, time};
    /// use std::time::Duration;
    ///
    /// regatta::testing::run(async || {
    ///     let hands = Queue::rendezvous();
    ///     let giver = async {
    ///         hands.put("baton").await.expect("it is open");
    ///         testing::now()
    ///     };
    ///     let taker = async {
    ///         time::sleep(Duration::from_secs(3)).await;
    ///         hands.take().await
    ///     };
    ///     assert_eq!(join!(giver, taker), (Duration::from_secs(3), Some("baton")));
    /// });
    /// ```
    pub fn rendezvous() -> Self {
        Queue::builder(0).build()
    }

    /// The smallest item first, equals in the order in which they were put; at most `capacity` items. For keys and floating-point priorities see
    /// [`Builder::by_key`] and [`Builder::by_number`].
    ///
    /// # Panics
    ///
    /// When `capacity` is 0.
    ///
    /// # Examples
    ///
    /// ```
    /// use regatta::queue::Queue;
    ///
    /// regatta::testing::run(async || {
    ///     let queue = Queue::priority(10);
    ///     for job in [(2, "sweep"), (1, "cook"), (2, "polish")] {
    ///         queue.put(job).await.expect("it is open");
    ///     }
    ///     assert_eq!(queue.take().await, Some((1, "cook")));
    /// });
    /// ```
    #[track_caller]
    pub fn priority(capacity: usize) -> Self
    where
        T: Ord,
    {
        Queue::builder(capacity).smallest_first().build()
    }

    /// To choose order, overflow and what happens to unprocessed items. `capacity` may be [`UNBOUNDED`], or 0 for a
    /// [`rendezvous`](Queue::rendezvous).
    pub fn builder(capacity: usize) -> Builder<T> {
        Builder::new(capacity)
    }

    /// Waits until every item that was put is acknowledged; returns at once when none is open. More may have come by the time the caller runs.
    ///
    /// # Cancel safety
    ///
    /// Dropping it leaves nothing behind.
    pub fn join(&self) -> Join<'_, T> {
        Join::new(&self.shared)
    }

    /// Takes no more items: puts fail, those that wait too, and hand their items back. Gets take what is left, then see the end.
    /// [`join`](Queue::join) still waits for what is open. Closing twice is the same.
    pub fn close(&self) {
        self.shared.lock().close();
    }

    /// [`close`](Queue::close), and hands back what nobody has got yet, in order (in a queue by priority, in none). Items that are out stay out; what comes back of
    /// them becomes a dead letter.
    pub fn close_now(&self) -> Vec<T> {
        let left = self.shared.lock().close_now();
        left.into_iter().map(|entry| entry.item).collect()
    }

    /// Takes the dead letters out, oldest first.
    ///
    /// # Examples
    ///
    /// ```
    /// use regatta::queue::{OnDrop, Queue};
    ///
    /// let queue = Queue::builder(8).on_drop(OnDrop::DeadLetter).build();
    /// queue.try_put("torn").expect("there is room");
    /// drop(queue.try_get());
    /// assert_eq!(queue.dead_letters(), ["torn"]);
    /// ```
    pub fn dead_letters(&self) -> Vec<T> {
        self.shared.lock().take_dead_letters()
    }

    /// Whether it takes no more items.
    pub fn is_closed(&self) -> bool {
        self.shared.lock().closed
    }

    /// How many [`Producer`]s there are, of all calls of [`split`](Queue::split). Plain handles do not count.
    pub fn producers(&self) -> usize {
        self.shared.lock().producers
    }

    /// How many [`Consumer`]s there are, of all calls of [`split`](Queue::split). Plain handles do not count.
    ///
    /// # Examples
    ///
    /// ```
    /// use regatta::queue::Queue;
    ///
    /// let queue = Queue::<u8>::bounded(4);
    /// let (producer, consumer) = queue.split();
    /// let another = consumer.clone();
    /// assert_eq!((queue.producers(), queue.consumers()), (1, 2));
    /// drop((consumer, another));
    /// assert_eq!((queue.producers(), queue.consumers()), (1, 0));
    /// assert!(producer.try_put(1).is_err());
    /// ```
    pub fn consumers(&self) -> usize {
        self.shared.lock().consumers
    }

    /// How many items wait in the queue.
    pub fn len(&self) -> usize {
        self.shared.lock().len()
    }

    /// Whether no item waits in the queue.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many items it holds at most; [`UNBOUNDED`] when it has no bound.
    pub fn capacity(&self) -> usize {
        self.shared.limits.capacity
    }

    /// Figures, all of the same moment.
    pub fn stats(&self) -> Stats {
        let state = self.shared.lock();
        let (waiting_puts, waiting_gets) = state.waiting();
        Stats {
            puts: state.counts.puts,
            gets: state.counts.gets,
            dropped: state.counts.dropped,
            dead_letters_dropped: state.counts.dead_letters_dropped,
            dead_letters: state.dead_letters(),
            len: state.len(),
            high_water: state.counts.high_water,
            open: state.open(),
            waiting_puts,
            waiting_gets,
        }
    }

    /// Handles for each side: the queue closes when the last [`Producer`] is dropped, or the last [`Consumer`]. Plain handles go on working beside them, and
    /// keep nothing open. Split once: each call makes sides of its own, and the first side that is gone closes the queue.
    ///
    /// # Examples
    ///
    /// ```
    /// use regatta::queue::Queue;
    ///
    /// regatta::testing::run(async || {
    ///     let (producer, consumer) = Queue::bounded(4).split();
    ///     producer.put(1).await.expect("a consumer is there");
    ///     drop(producer);
    ///     assert_eq!(consumer.take().await, Some(1));
    ///     assert_eq!(consumer.take().await, None);
    /// });
    /// ```
    pub fn split(&self) -> (Producer<T>, Consumer<T>) {
        split::split(self.clone())
    }
}
