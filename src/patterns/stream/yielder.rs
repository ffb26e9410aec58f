//! The code's side of a generator: what puts items into the stream.

use super::place::Place;
use crate::internal::label;
use crate::internal::line::Place as Seat;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};

/// Names a waker; two may share a name.
#[inline]
pub(super) fn name(cx: &Context<'_>) -> usize {
    cx.waker().data().addr()
}

/// Puts items into a stream; given to the code of [`generate`](super::generate) and
/// [`try_generate`](super::try_generate).
pub struct Yielder<T> {
    place: Arc<Place<T>>,
}

impl<T> Yielder<T> {
    pub(super) fn new(place: Arc<Place<T>>) -> Self {
        Yielder { place }
    }

    /// Puts an item into the stream, and waits until the next one is asked for.
    ///
    /// From another task, it waits until the stream has taken the item. Such a task may outlive the stream: let it
    /// [`offer`](Yielder::offer).
    ///
    /// # Panics
    ///
    /// When the stream has ended or was dropped, which only another task than the code's own can see.
    ///
    /// # Cancel safety
    ///
    /// Dropped before its first poll, it did not happen. After that the item is in the stream, unless another `put` of
    /// the same moment has taken the place: then it is dropped with this future. From another task, it did not happen
    /// unless it was ready.
    pub fn put(&self, item: T) -> Put<'_, T> {
        Put {
            place: &self.place,
            item: Some(item),
            seat: None,
        }
    }

    /// [`put`](Yielder::put) for tasks that may outlive the stream.
    ///
    /// # Errors
    ///
    /// [`OfferError`] with the item, when the stream has ended or was dropped, also while it waits.
    ///
    /// # Cancel safety
    ///
    /// As [`put`](Yielder::put).
    ///
    /// # Examples
    ///
    /// ```
    /// use regatta::{Runtime, stream::generate};
    ///
    /// regatta::testing::run(async || {
    ///     let (give, given) = async_channel::bounded(1);
    ///     let mut numbers = generate(async |y| {
    ///         let producer = async move {
    ///             let mut n = 0;
    ///             while y.offer(n).await.is_ok() {
    ///                 n += 1;
    ///             }
    ///             n
    ///         };
    ///         let task = Runtime::current().try_spawn(producer).expect("virtual time can spawn");
    ///         give.send(task).await.expect("it is taken below");
    ///         std::future::pending::<()>().await;
    ///     });
    ///     assert_eq!([numbers.next().await, numbers.next().await], [Some(0), Some(1)]);
    ///     drop(numbers);
    ///     let task = given.recv().await.expect("it was sent");
    ///     assert_eq!(task.await.expect("it ends by itself"), 2);
    /// });
    /// ```
    pub fn offer(&self, item: T) -> Offer<'_, T> {
        Offer {
            put: self.put(item),
        }
    }

    /// Whether the stream has ended or was dropped: it takes no item any more.
    pub fn is_closed(&self) -> bool {
        self.place.has_ended()
    }
}

impl<T> fmt::Debug for Yielder<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Yielder").finish_non_exhaustive()
    }
}

/// The stream has ended or was dropped. Hands the item back.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct OfferError<T>(pub T);

impl<T> fmt::Display for OfferError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the stream has ended or was dropped, and takes no more items")
    }
}

impl<T> fmt::Debug for OfferError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OfferError(..)")
    }
}

impl<T> std::error::Error for OfferError<T> {}

/// Puts an item into a stream; made by [`Yielder::put`].
#[must_use = "nothing is put unless it is awaited"]
pub struct Put<'a, T> {
    place: &'a Place<T>,
    item: Option<T>,
    /// In the line of the puts from elsewhere.
    seat: Option<Seat>,
}

// The item is moved, never pinned.
impl<T> Unpin for Put<'_, T> {}

impl<T> fmt::Debug for Put<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Put").finish_non_exhaustive()
    }
}

impl<T> Put<'_, T> {
    /// `Err`: the stream is gone.
    // It is as cheap as a call of it.
    #[inline(always)]
    fn poll_put(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), T>> {
        if self.item.is_none() {
            return match self.seat {
                None => Poll::Ready(Ok(())),
                Some(seat) => self.poll_aside(seat, cx),
            };
        }
        let place = self.place;
        if !place.put(&mut self.item) {
            return self.stand_aside(cx);
        }
        // The task that polls the stream again polls us, unless an executor in between polls only the futures that were
        // woken.
        if self.item.is_some() || place.waker.load(Ordering::Relaxed) != name(cx) {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }

    #[cold]
    #[inline(never)]
    fn stand_aside(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), T>> {
        label::set("the consumer of a stream");
        if let Some(item) = self.item.take() {
            match self.place.stand_aside(item, cx) {
                Ok(seat) => self.seat = Some(seat),
                Err(item) => return Poll::Ready(Err(item)),
            }
        }
        Poll::Pending
    }

    #[cold]
    #[inline(never)]
    fn poll_aside(&mut self, seat: Seat, cx: &mut Context<'_>) -> Poll<Result<(), T>> {
        label::set("the consumer of a stream");
        let end = ready!(self.place.poll_aside(seat, cx));
        self.seat = None;
        Poll::Ready(end)
    }
}

impl<T> Drop for Put<'_, T> {
    #[inline]
    fn drop(&mut self) {
        if let Some(seat) = self.seat.take() {
            self.place.leave_aside(seat);
        }
    }
}

impl<T> Future for Put<'_, T> {
    type Output = ();

    #[inline(always)]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        match self.poll_put(cx) {
            Poll::Ready(Ok(())) => Poll::Ready(()),
            Poll::Ready(Err(item)) => nobody_takes(item),
            Poll::Pending => Poll::Pending,
        }
    }
}

#[cold]
#[inline(never)]
fn nobody_takes<T>(item: T) -> ! {
    drop(item);
    panic!(
        "Yielder::put: the stream has ended or was dropped, and nobody takes the item; a task that may outlive the stream uses `Yielder::offer`"
    );
}

/// Puts an item into a stream, or gives it back; made by [`Yielder::offer`].
#[must_use = "nothing is put unless it is awaited"]
#[derive(Debug)]
pub struct Offer<'a, T> {
    put: Put<'a, T>,
}

impl<T> Future for Offer<'_, T> {
    type Output = Result<(), OfferError<T>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.put.poll_put(cx).map(|put| put.map_err(OfferError))
    }
}
