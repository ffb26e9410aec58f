//! Streams from async code that yields.
//!
//! The code and the stream share a place for one item. The stream takes the item out in the same poll in which the code has put it there, so the
//! place is empty whenever the code runs, unless the code puts several items at once; those wait for each other.
//!
//! The place is a cell that whoever polls the stream opens, by leaving the key (its owner) in a thread-local: two moves a poll, no lock. Who puts from elsewhere,
//! without the key, takes the side door, which has a lock and wakes the stream.

use crate::internal::lock::Lock;
use futures_core::{FusedStream, Stream};
use futures_util::task::AtomicWaker;
use pin_project_lite::pin_project;
use qcell::{QCell, QCellOwner, QCellOwnerID};
use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::mem::ManuallyDrop;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

/// Turns async code into a stream: what it [puts](Yielder::put) are the items. Python's `async def` with `yield`.
///
/// Nothing runs until the stream is polled, and the code never runs ahead: it goes on when the next item is asked for. It may borrow what is
/// around it, await anything, and use loops and `?` (with [`try_generate`]). It runs on the task that polls the stream: no runtime is needed, and
/// cancel scopes and deadlines around the consumer reach it.
///
/// Use [`then_stage`](super::StreamOps::then_stage) behind it to have it run ahead.
///
/// # Cancel safety
///
/// Dropping the stream drops the code where it waits: guards and destructors run, async cleanup ([`finally`](crate::cancel::finally)) is skipped, as
/// in every drop from outside. Dropping a `next` that waits loses nothing.
///
/// # Examples
///
/// ```
/// use futures::StreamExt;
/// use regatta::{stream::generate, time};
/// use std::{pin::pin, time::Duration};
///
/// regatta::testing::run(async || {
///     let words = vec!["ready", "steady", "go"];
///     let countdown = pin!(generate(async |y| {
///         for word in &words {
///             y.put(*word).await;
///             time::sleep(Duration::from_secs(1)).await;
///         }
///     }));
///     assert_eq!(countdown.collect::<Vec<_>>().await, ["ready", "steady", "go"]);
///     assert_eq!(words.len(), 3, "they were only borrowed");
/// });
/// ```
pub fn generate<T, F, Fut>(code: F) -> Generate<T, Fut>
where
    F: FnOnce(Yielder<T>) -> Fut,
    Fut: Future<Output = ()>,
{
    let (key, place) = Place::new();
    let code = code(Yielder {
        place: place.clone(),
    });
    Generate {
        code: Some(code),
        last: None,
        key,
        place,
    }
}

/// [`generate`] for code that can fail: what it puts comes out as `Ok`, and an error it ends with as the last item, `Err`.
///
/// # Errors
///
/// The code's own, as the last item of the stream.
///
/// # Cancel safety
///
/// As [`generate`].
///
/// # Examples
///
/// The pages of an API, asked for one after the other and only as far as they are read:
///
/// ```
/// use futures::StreamExt;
/// use regatta::stream::try_generate;
///
/// /// The entries of a page, and the number of the next.
/// async fn fetch(page: u32) -> Result<(Vec<u32>, Option<u32>), String> {
///     match page {
///         1 => Ok((vec![10, 11], Some(2))),
///         2 => Ok((vec![20], Some(3))),
///         _ => Err(format!("no page {page}")),
///     }
/// }
///
/// regatta::testing::run(async || {
///     let entries = try_generate(async |y| {
///         let mut next = Some(1);
///         while let Some(page) = next {
///             let (entries, more) = fetch(page).await?;
///             for entry in entries {
///                 y.put(entry).await;
///             }
///             next = more;
///         }
///         Ok(())
///     });
///     let all: Vec<Result<u32, String>> = entries.collect().await;
///     assert_eq!(all, [Ok(10), Ok(11), Ok(20), Err("no page 3".into())]);
/// });
/// ```
pub fn try_generate<T, E, F, Fut>(code: F) -> TryGenerate<T, Fut>
where
    F: FnOnce(Yielder<T>) -> Fut,
    Fut: Future<Output = Result<(), E>>,
{
    let (key, place) = Place::new();
    let code = code(Yielder {
        place: place.clone(),
    });
    TryGenerate {
        inner: Generate {
            code: Some(code),
            last: None,
            key,
            place,
        },
    }
}

/// What the code and the stream share.
struct Place<T> {
    owner: QCellOwnerID,
    /// Opened by the owner that lies in [`POLLED`] while the stream is polled. The mutex is never locked: it makes the cell `Sync`, which `T` need not be.
    item: QCell<Mutex<Option<T>>>,
    /// For items that are put while the stream is not polled, or from inside another generator.
    side: Lock<Option<T>>,
    has_side: AtomicBool,
    /// Who waits for the stream, for those who put from elsewhere.
    waiter: AtomicWaker,
    /// Which waker the stream is being polled with, as far as that can be told.
    waker: AtomicUsize,
}

/// The key to a place; one word, which moves faster than two. A thread that ends in the middle of a poll leaks it: without a destructor the thread-local
/// needs no look at its state each time.
type Polled = ManuallyDrop<QCellOwner>;

thread_local! {
    /// Of the innermost generator that is being polled on this thread.
    // Opened in place by those who put: a key that is moved out and back costs twice as much.
    static POLLED: RefCell<Option<Polled>> = const { RefCell::new(None) };
}

/// Keeps the key to a place while the stream is not polled.
struct Key(Option<Polled>);

impl Drop for Key {
    fn drop(&mut self) {
        self.0.take().map(ManuallyDrop::into_inner);
    }
}

/// Puts a key into [`POLLED`], and takes it back when dropped, by a panic too.
struct Open<'a> {
    own: &'a mut Option<Polled>,
    around: Option<Polled>,
}

impl<'a> Open<'a> {
    #[inline]
    fn new(own: &'a mut Option<Polled>) -> Self {
        let around = POLLED.replace(own.take());
        Open { own, around }
    }
}

impl Drop for Open<'_> {
    #[inline]
    fn drop(&mut self) {
        *self.own = POLLED.replace(self.around.take());
    }
}

impl<T> Place<T> {
    fn new() -> (Key, Arc<Self>) {
        let owner = QCellOwner::new();
        let place = Arc::new(Place {
            owner: owner.id(),
            item: owner.cell(Mutex::new(None)),
            side: Lock::new(None),
            has_side: AtomicBool::new(false),
            waiter: AtomicWaker::new(),
            waker: AtomicUsize::new(0),
        });
        (Key(Some(ManuallyDrop::new(owner))), place)
    }

    /// Takes `item` out of there, unless another one waits in the place.
    #[inline]
    fn put(&self, item: &mut Option<T>) {
        let mine = POLLED.with_borrow_mut(|key| match key {
            Some(owner) if owner.id() == self.owner => {
                let place = self.item.rw(owner).get_mut();
                let place = place.unwrap_or_else(PoisonError::into_inner);
                if place.is_none() {
                    *place = item.take();
                }
                true
            }
            _ => false,
        });
        if !mine {
            self.put_aside(item);
        }
    }

    #[cold]
    fn put_aside(&self, item: &mut Option<T>) {
        let mut side = self.side.lock();
        if side.is_some() {
            return;
        }
        *side = item.take();
        self.has_side.store(true, Ordering::Release);
        drop(side);
        self.waiter.wake();
    }

    // Always in its caller: an item that is returned in memory is stored in parts and loaded whole, and such a load waits for the stores.
    #[inline(always)]
    fn take(&self, key: &mut Key) -> Option<T> {
        // Put before what the code has put: it came while nobody polled.
        if self.has_side.load(Ordering::Acquire) {
            return self.take_aside();
        }
        let owner: &mut QCellOwner = key.0.as_mut()?;
        let place = self.item.rw(owner).get_mut();
        place.unwrap_or_else(PoisonError::into_inner).take()
    }

    #[cold]
    #[inline(never)]
    fn take_aside(&self) -> Option<T> {
        let mut side = self.side.lock();
        self.has_side.store(false, Ordering::Relaxed);
        side.take()
    }

    /// Has those who put from elsewhere wake the stream.
    fn wait<O>(&self, cx: &Context<'_>) -> Poll<O> {
        self.waiter.register(cx.waker());
        if self.has_side.load(Ordering::Acquire) {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }
}

/// Names a waker; two may share a name.
#[inline]
fn name(cx: &Context<'_>) -> usize {
    cx.waker().data().addr()
}

/// Puts items into a stream; given to the code of [`generate`] and [`try_generate`].
pub struct Yielder<T> {
    place: Arc<Place<T>>,
}

impl<T> Yielder<T> {
    /// Puts an item into the stream, and waits until the next one is asked for.
    ///
    /// # Cancel safety
    ///
    /// Dropped before its first poll, it did not happen. After that the item is in the stream, unless another `put` of the same moment has taken the
    /// place: then it is dropped with this future.
    pub fn put(&self, item: T) -> Put<'_, T> {
        Put {
            place: &self.place,
            item: Some(item),
        }
    }
}

impl<T> fmt::Debug for Yielder<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Yielder").finish_non_exhaustive()
    }
}

/// Puts an item into a stream; made by [`Yielder::put`].
#[must_use = "nothing is put unless it is awaited"]
pub struct Put<'a, T> {
    place: &'a Place<T>,
    item: Option<T>,
}

// The item is moved, never pinned.
impl<T> Unpin for Put<'_, T> {}

impl<T> fmt::Debug for Put<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Put").finish_non_exhaustive()
    }
}

impl<T> Future for Put<'_, T> {
    type Output = ();

    // It is as cheap as a call of it.
    #[inline(always)]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.item.is_none() {
            return Poll::Ready(());
        }
        let place = self.place;
        place.put(&mut self.item);
        // Whoever polls the stream again polls us, unless an executor in between polls only those who were woken.
        if self.item.is_some() || place.waker.load(Ordering::Relaxed) != name(cx) {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }
}

pin_project! {
    /// A stream of what async code puts; made by [`generate`].
    #[must_use = "streams do nothing unless polled"]
    pub struct Generate<T, Fut>
    where
        Fut: Future,
    {
        // `None` after its end.
        #[pin]
        code: Option<Fut>,
        // What it ended with, while an item from before that is still to be given.
        last: Option<Fut::Output>,
        key: Key,
        place: Arc<Place<T>>,
    }
}

impl<T, Fut: Future> Generate<T, Fut> {
    /// The next item; or, after the last, what the code ended with, once.
    #[inline]
    fn poll_code(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<T, Option<Fut::Output>>> {
        let mut this = self.project();
        let Some(code) = this.code.as_mut().as_pin_mut() else {
            return Poll::Ready(match this.place.take(this.key) {
                Some(item) => Ok(item),
                None => Err(this.last.take()),
            });
        };
        this.place.waker.store(name(cx), Ordering::Relaxed);
        let polled = {
            let _open = Open::new(&mut this.key.0);
            code.poll(cx)
        };
        if let Some(item) = this.place.take(this.key) {
            if let Poll::Ready(output) = polled {
                // A `put` that was dropped after its first poll, as by a `select!`.
                this.code.set(None);
                *this.last = Some(output);
            }
            return Poll::Ready(Ok(item));
        }
        match polled {
            Poll::Ready(output) => {
                this.code.set(None);
                Poll::Ready(Err(Some(output)))
            }
            Poll::Pending => this.place.wait(cx),
        }
    }
}

impl<T, Fut: Future> fmt::Debug for Generate<T, Fut> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Generate")
            .field("ended", &self.code.is_none())
            .finish_non_exhaustive()
    }
}

impl<T, Fut: Future<Output = ()>> Stream for Generate<T, Fut> {
    type Item = T;

    #[inline]
    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        match self.poll_code(cx) {
            Poll::Ready(Ok(item)) => Poll::Ready(Some(item)),
            Poll::Ready(Err(_)) => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<T, Fut: Future<Output = ()>> FusedStream for Generate<T, Fut> {
    fn is_terminated(&self) -> bool {
        self.code.is_none() && self.last.is_none()
    }
}

pin_project! {
    /// A stream of what async code puts, with the error it ended with; made by [`try_generate`].
    #[must_use = "streams do nothing unless polled"]
    pub struct TryGenerate<T, Fut>
    where
        Fut: Future,
    {
        #[pin]
        inner: Generate<T, Fut>,
    }
}

impl<T, Fut: Future> fmt::Debug for TryGenerate<T, Fut> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TryGenerate")
            .field("ended", &self.inner.code.is_none())
            .finish_non_exhaustive()
    }
}

impl<T, E, Fut: Future<Output = Result<(), E>>> Stream for TryGenerate<T, Fut> {
    type Item = Result<T, E>;

    #[inline]
    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match self.project().inner.poll_code(cx) {
            Poll::Ready(Ok(item)) => Poll::Ready(Some(Ok(item))),
            Poll::Ready(Err(Some(Err(error)))) => Poll::Ready(Some(Err(error))),
            Poll::Ready(Err(_)) => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<T, E, Fut: Future<Output = Result<(), E>>> FusedStream for TryGenerate<T, Fut> {
    fn is_terminated(&self) -> bool {
        self.inner.code.is_none() && self.inner.last.is_none()
    }
}
