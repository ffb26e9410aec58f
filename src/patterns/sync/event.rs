//! [`Event`]: a flag that tasks wait for.

use crate::internal::atomic::{AtomicUsize, Ordering};
use crate::internal::caught::discard;
use crate::internal::label;
use crate::internal::line::{Line, Place, Spare, wake};
use crate::internal::lock::Lock;
use crate::runtime::coop;
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
            wake(waker);
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
            step: Step::Fresh,
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
    step: Step,
}

#[derive(Clone, Copy)]
enum Step {
    Fresh,
    /// Where it waits, and since which generation.
    Waits(Place, usize),
    /// The event was set when it came, and it gives way to other tasks first.
    Released,
}

impl Inner {
    /// True: it is set, or was since this waiter came.
    fn poll(&self, step: &mut Step, cx: &mut Context<'_>) -> bool {
        match *step {
            Step::Released => true,
            Step::Waits(place, since) => self.look(place, since, cx),
            Step::Fresh => {
                // First, as it may run code of the user.
                let gives_way = coop::poll_spend(cx).is_pending();
                let set = self.word.load(Ordering::Acquire) & SET != 0;
                match if set { None } else { self.enter(cx) } {
                    Some((place, since)) => *step = Step::Waits(place, since),
                    None if gives_way => {
                        *step = Step::Released;
                        label::set("its next turn");
                    }
                    None => return true,
                }
                false
            }
        }
    }

    /// `None`: it is set.
    fn enter(&self, cx: &Context<'_>) -> Option<(Place, usize)> {
        let mut spare = Spare::of(cx);
        let mut line = self.line.lock();
        let word = self.word.load(Ordering::Acquire);
        // Set since the first look.
        if word & SET != 0 {
            return None;
        }
        let place = line.enter((), spare.take()?);
        label::set("an event");
        Some((place, generation(word)))
    }

    fn look(&self, place: Place, since: usize, cx: &Context<'_>) -> bool {
        let released = || since != generation(self.word.load(Ordering::Acquire));
        let mut spare = Spare::none();
        loop {
            if released() {
                return true;
            }
            let mut line = self.line.lock();
            // Since the first look.
            if released() {
                return true;
            }
            if line.renew(place, cx, &mut spare) {
                label::set("an event");
                return false;
            }
            drop(line);
            spare.fill(cx);
        }
    }
}

impl Future for WaitEvent<'_> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        let Some(inner) = this.event else {
            panic!("`Event::wait` was polled again after it had returned");
        };
        if !inner.poll(&mut this.step, cx) {
            return Poll::Pending;
        }
        this.event = None;
        Poll::Ready(())
    }
}

impl Drop for WaitEvent<'_> {
    fn drop(&mut self) {
        let (Step::Waits(place, since), Some(inner)) = (self.step, self.event) else {
            return;
        };
        let mut line = inner.line.lock();
        if since != generation(inner.word.load(Ordering::Acquire)) {
            return;
        }
        let left = line.leave(place);
        drop(line);
        discard(left);
    }
}

impl fmt::Debug for WaitEvent<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitEvent")
            .field("waiting", &matches!(self.step, Step::Waits(..)))
            .finish_non_exhaustive()
    }
}
