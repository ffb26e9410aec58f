//! [`Event`]: a flag that tasks wait for.

use super::turns::Turns;
use crate::internal::atomic::{AtomicUsize, Ordering};
use crate::internal::label;
use crate::internal::line::{Line, Place};
use crate::internal::lock::Lock;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// A flag that any number of tasks wait for. [`set`](Event::set) releases all who wait, and whoever comes while it is set.
///
/// A clone is a handle to the same event. Who waits when it is set is released, also when it is [cleared](Event::clear) before he runs:
/// setting and clearing at once releases exactly those who wait at that moment, in the order they came.
///
/// For a value that changes, see [`Condition`](super::Condition); for permits, [`Semaphore`](super::Semaphore).
///
/// It is asyncio's event, which can be cleared; AnyIO's and Trio's cannot. Do not clear it and this is theirs.
///
/// # Examples
///
/// ```
/// use regatta::{sync::Event, task, time};
/// use std::time::Duration;
///
/// regatta::testing::run(async || {
///     let start = Event::new();
///     let runners = (0..3).map(|_| {
///         let start = start.clone();
///         async move {
///             start.wait().await;
///             regatta::testing::now()
///         }
///     });
///     let gun = async {
///         time::sleep(Duration::from_secs(5)).await;
///         start.set();
///     };
///     let (times, ()) = futures::join!(async { task::gather(runners).settled().await }, gun);
///     assert_eq!(times, [Duration::from_secs(5); 3]);
/// });
/// ```
#[derive(Clone, Default)]
pub struct Event {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    /// [`SET`], and above it the generation: how often waiters were released. Who waits since an earlier generation is released, whatever
    /// came after. Written under the lock only, so that nobody enters the line of an event that is set; read without it.
    word: AtomicUsize,
    /// Those who wait for the next `set`; it takes them all away at once.
    line: Lock<Line<()>>,
    turns: Turns,
}

const SET: usize = 1;
const GENERATION: usize = 2;

fn generation(word: usize) -> usize {
    word & !SET
}

impl Event {
    /// An event that is not set.
    pub fn new() -> Self {
        Event::default()
    }

    /// Sets it, and releases all who wait. Setting it twice is setting it once.
    pub fn set(&self) {
        let mut line = self.inner.line.lock();
        let word = self.inner.word.load(Ordering::Relaxed) | SET;
        if line.is_empty() {
            self.inner.word.store(word, Ordering::Release);
            return;
        }
        let released = std::mem::take(&mut *line);
        self.inner
            .word
            .store(word.wrapping_add(GENERATION), Ordering::Release);
        drop(line);
        for waker in released.into_wakers() {
            waker.wake();
        }
    }

    /// Clears it: whoever comes waits for the next [`set`](Event::set). Who was released stays released.
    pub fn clear(&self) {
        let _line = self.inner.line.lock();
        self.inner.word.fetch_and(!SET, Ordering::Release);
    }

    /// Whether it is set.
    pub fn is_set(&self) -> bool {
        self.inner.word.load(Ordering::Acquire) & SET != 0
    }

    /// How many wait.
    pub fn waiting(&self) -> usize {
        self.inner.line.lock().len()
    }

    /// Waits until it is set. Returns at once when it is.
    ///
    /// # Panics
    ///
    /// When it is polled again after it has returned.
    ///
    /// # Cancel safety
    ///
    /// Dropped while it waits it leaves nothing behind.
    pub fn wait(&self) -> WaitEvent<'_> {
        WaitEvent {
            event: Some(&self.inner),
            place: None,
        }
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("set", &self.is_set())
            .field("waiting", &self.waiting())
            .finish()
    }
}

/// Waits for an event; made by [`Event::wait`].
#[must_use = "futures do nothing unless polled"]
pub struct WaitEvent<'a> {
    /// `None` once it has returned.
    event: Option<&'a Inner>,
    /// Where it waits, and since which generation.
    place: Option<(Place, usize)>,
}

impl Inner {
    /// True: it is set, or was since this waiter came.
    fn poll(&self, place: &mut Option<(Place, usize)>, cx: &mut Context<'_>) -> bool {
        let word = self.word.load(Ordering::Acquire);
        let old = match *place {
            Some((_, since)) if since != generation(word) => {
                *place = None;
                return true;
            }
            Some((at, since)) => {
                let mut line = self.line.lock();
                // Released since the first look.
                if since != generation(self.word.load(Ordering::Acquire)) {
                    *place = None;
                    return true;
                }
                line.set_waker(at, cx.waker())
            }
            None if word & SET != 0 => {
                if self.turns.go_round(cx) {
                    label::set("its next turn");
                    return false;
                }
                self.turns.count();
                return true;
            }
            None => {
                // Cloned before the lock is taken: it is not our code.
                let waker = cx.waker().clone();
                let mut line = self.line.lock();
                let word = self.word.load(Ordering::Acquire);
                // Set since the first look.
                if word & SET != 0 {
                    drop(line);
                    drop(waker);
                    return true;
                }
                *place = Some((line.enter((), waker), generation(word)));
                None
            }
        };
        drop(old);
        self.turns.reset();
        label::set("an event");
        false
    }
}

impl Future for WaitEvent<'_> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        let Some(inner) = this.event else {
            panic!("`Event::wait` was polled again after it had returned");
        };
        if !inner.poll(&mut this.place, cx) {
            return Poll::Pending;
        }
        this.event = None;
        Poll::Ready(())
    }
}

impl Drop for WaitEvent<'_> {
    fn drop(&mut self) {
        let (Some((place, since)), Some(inner)) = (self.place, self.event) else {
            return;
        };
        let mut line = inner.line.lock();
        if since != generation(inner.word.load(Ordering::Acquire)) {
            return;
        }
        let left = line.leave(place);
        drop(line);
        drop(left);
    }
}

impl fmt::Debug for WaitEvent<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitEvent")
            .field("waiting", &self.place.is_some())
            .finish_non_exhaustive()
    }
}
