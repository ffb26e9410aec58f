//! Where a generator's code leaves an item for the stream.
//!
//! The place is a cell. The task that polls the stream opens it, by leaving the key (its owner) in a thread-local: two
//! moves a poll, no lock. A put from elsewhere, without the key, stands in line at the side door, which has a lock, and
//! is woken when the stream has taken the item, or is gone.

use crate::internal::caught::{discard, quietly};
use crate::internal::line::{Line, Place as Seat, Spare, Wakers, wake};
use crate::internal::lock::Lock;
use futures_util::task::AtomicWaker;
use qcell::{QCell, QCellOwner, QCellOwnerID};
use std::cell::RefCell;
use std::mem::ManuallyDrop;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

/// What the code and the stream share.
pub(super) struct Place<T> {
    owner: QCellOwnerID,
    /// Opened by the owner that lies in [`POLLED`] while the stream is polled. The mutex is never locked: it makes the
    /// cell `Sync`, which `T` need not be.
    item: QCell<Mutex<Option<T>>>,
    /// For items that are put while the stream is not polled, or from inside another generator.
    side: Lock<Side<T>>,
    /// A put stands there.
    has_side: AtomicBool,
    /// The task that waits for the stream; puts from elsewhere wake it.
    waiter: AtomicWaker,
    /// Which waker the stream is being polled with, as far as that can be told.
    pub(super) waker: AtomicUsize,
}

struct Side<T> {
    /// `None` where the stream has taken the item.
    line: Line<Option<T>>,
    /// The stream has ended, or was dropped.
    ended: bool,
}

/// The key to a place; one word, which moves faster than two. A thread that ends in the middle of a poll leaks it:
/// without a destructor the thread-local needs no look at its state each time.
type Polled = ManuallyDrop<QCellOwner>;

thread_local! {
    /// Of the innermost generator that is being polled on this thread.
    // Opened in place by each put: a key that is moved out and back costs twice as much.
    static POLLED: RefCell<Option<Polled>> = const { RefCell::new(None) };
}

/// Keeps the key to a place while the stream is not polled.
pub(super) struct Key(Option<Polled>);

impl Key {
    #[inline]
    pub(super) fn open(&mut self) -> Open<'_> {
        Open::new(&mut self.0)
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        self.0.take().map(ManuallyDrop::into_inner);
    }
}

/// Puts a key into [`POLLED`], and takes it back when dropped, by a panic too.
pub(super) struct Open<'a> {
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
    pub(super) fn new() -> (Key, Arc<Self>) {
        let owner = QCellOwner::new();
        let place = Arc::new(Place {
            owner: owner.id(),
            item: owner.cell(Mutex::new(None)),
            side: Lock::new(Side {
                line: Line::new(),
                ended: false,
            }),
            has_side: AtomicBool::new(false),
            waiter: AtomicWaker::new(),
            waker: AtomicUsize::new(0),
        });
        (Key(Some(ManuallyDrop::new(owner))), place)
    }

    /// Takes `item` out of there, unless another one waits in the place. False: this is not inside a poll of the
    /// stream.
    #[inline]
    pub(super) fn put(&self, item: &mut Option<T>) -> bool {
        POLLED.with_borrow_mut(|key| match key {
            Some(owner) if owner.id() == self.owner => {
                let place = self.item.rw(owner).get_mut();
                let place = place.unwrap_or_else(PoisonError::into_inner);
                if place.is_none() {
                    *place = item.take();
                }
                true
            }
            _ => false,
        })
    }

    /// To the side door. `Err`: the stream is gone.
    #[cold]
    pub(super) fn stand_aside(&self, item: T, cx: &Context<'_>) -> Result<Seat, T> {
        let waker = cx.waker().clone();
        let mut side = self.side.lock();
        if side.ended {
            drop(side);
            discard(waker);
            return Err(item);
        }
        let seat = side.line.enter(Some(item), waker);
        self.has_side.store(true, Ordering::Release);
        drop(side);
        quietly(|| self.waiter.wake());
        Ok(seat)
    }

    /// Whether the item of a put that stands aside was taken; it comes back when the stream is gone.
    #[cold]
    pub(super) fn poll_aside(&self, seat: Seat, cx: &Context<'_>) -> Poll<Result<(), T>> {
        let mut spare = Spare::none();
        loop {
            let mut side = self.side.lock();
            if !side.line.is_waiting(seat) {
                let left = side.line.leave(seat);
                drop(side);
                return Poll::Ready(match left.and_then(|(item, _)| item) {
                    Some(item) => Err(item),
                    None => Ok(()),
                });
            }
            if side.line.renew(seat, cx, &mut spare) {
                return Poll::Pending;
            }
            drop(side);
            spare.fill(cx);
        }
    }

    /// A put that stood aside goes away, with the item, unless that was taken.
    #[cold]
    pub(super) fn leave_aside(&self, seat: Seat) {
        let mut side = self.side.lock();
        let left = side.line.leave(seat);
        if side.line.is_empty() {
            self.has_side.store(false, Ordering::Relaxed);
        }
        drop(side);
        discard(left);
    }

    pub(super) fn has_ended(&self) -> bool {
        self.side.lock().ended
    }

    // Always in its caller: an item that is returned in memory is stored in parts and loaded whole, and such a load
    // waits for the stores.
    #[inline(always)]
    pub(super) fn take(&self, key: &mut Key) -> Option<T> {
        // Put before what the code has put: it came while the stream was not polled.
        // It may have gone meanwhile: then what the code has put is the next.
        if self.has_side.load(Ordering::Acquire)
            && let Some(item) = self.take_aside()
        {
            return Some(item);
        }
        let owner: &mut QCellOwner = key.0.as_mut()?;
        let place = self.item.rw(owner).get_mut();
        place.unwrap_or_else(PoisonError::into_inner).take()
    }

    #[cold]
    #[inline(never)]
    fn take_aside(&self) -> Option<T> {
        let mut item = None;
        let mut side = self.side.lock();
        let waker = side.line.serve_front(|given| item = given.take());
        if side.line.is_empty() {
            self.has_side.store(false, Ordering::Relaxed);
        }
        drop(side);
        if let Some(waker) = waker {
            wake(waker);
        }
        item
    }

    /// Has puts from elsewhere wake the stream.
    pub(super) fn wait<O>(&self, cx: &Context<'_>) -> Poll<O> {
        self.waiter.register(cx.waker());
        if self.has_side.load(Ordering::Acquire) {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }
}

/// The stream's share of the place. Dropped, it tells the puts that stand aside.
pub(super) struct Owned<T>(pub(super) Arc<Place<T>>);

impl<T> Owned<T> {
    /// The code has ended: so has the stream, unless a put stands aside, whose item this is.
    pub(super) fn end(&self) -> Option<T> {
        // With the code its yielder is gone, unless it was given away.
        if Arc::strong_count(&self.0) == 1 {
            return None;
        }
        let item = self.0.take_aside();
        if item.is_none() {
            self.close();
        }
        item
    }

    #[cold]
    fn close(&self) {
        let mut wakers = Wakers::new();
        let mut side = self.0.side.lock();
        side.ended = true;
        side.line.serve_each(&mut wakers, |_| true);
        drop(side);
        wakers.wake();
    }
}

impl<T> Drop for Owned<T> {
    fn drop(&mut self) {
        if Arc::strong_count(&self.0) > 1 {
            self.close();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_put_that_leaves_while_the_stream_takes_hides_no_item() {
        let (mut key, place) = Place::new();
        let open = key.open();
        assert!(place.put(&mut Some(1)));
        drop(open);
        // What the stream sees when the put at the side door goes between its look and its lock.
        place.has_side.store(true, Ordering::Release);
        assert_eq!(place.take(&mut key), Some(1));
        assert_eq!(place.take(&mut key), None);
    }
}
