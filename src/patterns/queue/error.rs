//! What can go wrong. Every error about an item hands the item back.

use std::fmt;

/// An item that was not put, and why; returned by [`Queue::put`](super::Queue::put) and its relatives.
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PutError<T> {
    /// The queue is closed, or was closed while the put waited.
    Closed(T),
    /// The time of [`put_timeout`](super::Queue::put_timeout) passed before there was room.
    Elapsed(T),
    /// There is no room, and [`Overflow::Reject`](super::Overflow::Reject) says not to wait.
    Full(T),
    /// The item's number in [`by_number`](super::Builder::by_number) is NaN.
    NotANumber(T),
}

/// An item that was not put at once, and why; returned by [`Queue::try_put`](super::Queue::try_put) and [`Queue::displace`](super::Queue::displace).
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TryPutError<T> {
    /// There is no room, or what room there is belongs to puts that came before.
    Full(T),
    /// The queue is closed.
    Closed(T),
    /// The item's number in [`by_number`](super::Builder::by_number) is NaN.
    NotANumber(T),
}

const CLOSED: &str = "the queue is closed: it takes no more items";
const ELAPSED: &str = "the queue stayed full for the whole time limit";
const FULL: &str = "the queue is full";
const NAN: &str = "the item's priority is NaN, which has no place in an order: give every item a number, or filter such items out before the put";

impl<T> PutError<T> {
    /// The item.
    pub fn into_inner(self) -> T {
        match self {
            PutError::Closed(item)
            | PutError::Elapsed(item)
            | PutError::Full(item)
            | PutError::NotANumber(item) => item,
        }
    }

    fn text(&self) -> (&'static str, &'static str) {
        match self {
            PutError::Closed(_) => ("Closed", CLOSED),
            PutError::Elapsed(_) => ("Elapsed", ELAPSED),
            PutError::Full(_) => ("Full", FULL),
            PutError::NotANumber(_) => ("NotANumber", NAN),
        }
    }
}

impl<T> TryPutError<T> {
    /// The item.
    pub fn into_inner(self) -> T {
        match self {
            TryPutError::Full(item) | TryPutError::Closed(item) | TryPutError::NotANumber(item) => {
                item
            }
        }
    }

    fn text(&self) -> (&'static str, &'static str) {
        match self {
            TryPutError::Full(_) => ("Full", FULL),
            TryPutError::Closed(_) => ("Closed", CLOSED),
            TryPutError::NotANumber(_) => ("NotANumber", NAN),
        }
    }
}

impl<T> fmt::Debug for PutError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}(..)", self.text().0)
    }
}

impl<T> fmt::Display for PutError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text().1)
    }
}

impl<T> std::error::Error for PutError<T> {}

impl<T> fmt::Debug for TryPutError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}(..)", self.text().0)
    }
}

impl<T> fmt::Display for TryPutError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text().1)
    }
}

impl<T> std::error::Error for TryPutError<T> {}

impl<T> From<TryPutError<T>> for PutError<T> {
    fn from(error: TryPutError<T>) -> Self {
        match error {
            TryPutError::Full(item) => PutError::Full(item),
            TryPutError::Closed(item) => PutError::Closed(item),
            TryPutError::NotANumber(item) => PutError::NotANumber(item),
        }
    }
}

/// Waiting for room in a queue that is closed; returned by [`Queue::reserve`](super::Queue::reserve) and by operations that bring no item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed;

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(CLOSED)
    }
}

impl std::error::Error for Closed {}

/// A value that was not sent, because no receiver can get it any more; returned by
/// [`Broadcast::send`](super::Broadcast::send) and [`OneshotSender::send`](super::OneshotSender::send).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SendError<T> {
    item: T,
    why: &'static str,
}

impl<T> SendError<T> {
    pub(super) const fn new(item: T, why: &'static str) -> Self {
        SendError { item, why }
    }

    /// The value.
    pub fn into_inner(self) -> T {
        self.item
    }
}

impl<T> fmt::Debug for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SendError(..)")
    }
}

impl<T> fmt::Display for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.why)
    }
}

impl<T> std::error::Error for SendError<T> {}

/// How many items a subscriber of a [`Broadcast`](super::Broadcast) missed because it was too slow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lagged(pub u64);

impl fmt::Display for Lagged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "missed {} items: receive faster, or give the broadcast more capacity",
            self.0
        )
    }
}

impl std::error::Error for Lagged {}
