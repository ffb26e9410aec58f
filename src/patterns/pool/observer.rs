//! What a pool tells while it works.

use super::error::{CheckError, ConnectError, TimedOut};
use crate::runtime::Instant;
use std::panic::Location;
use std::time::Duration;

/// Something that happened in a pool; given to its [observer](super::Builder::observer). For logs, counters and
/// histograms.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a, E> {
    /// Somebody has got an object: the beginning of a span. Told only with [`spans`](super::Builder::spans).
    #[non_exhaustive]
    Taken {
        /// The same in the `Returned` that ends the span; no two of a pool are alike.
        span: u64,
        /// Where it was taken.
        at: &'static Location<'static>,
        /// How long that took, with making and checking the object.
        waited: Duration,
    },
    /// What was `Taken` is not in use any more. Told once for each, before what becomes of the object.
    #[non_exhaustive]
    Returned {
        /// That of its `Taken`.
        span: u64,
        /// Where it was taken.
        at: &'static Location<'static>,
        /// How long it was in use.
        held: Duration,
        /// An operation had begun, and was not proven to have ended well.
        in_flight: bool,
    },
    /// There is an object more.
    #[non_exhaustive]
    Connected {
        /// How long that took, with the hook.
        took: Duration,
    },
    /// There is not. The error goes to the first who waits, too.
    #[non_exhaustive]
    ConnectFailed {
        /// Why.
        error: &'a ConnectError<E>,
    },
    /// An object did not pass its check; it is closed.
    #[non_exhaustive]
    CheckFailed {
        /// Why.
        error: &'a CheckError<E>,
    },
    /// An object is going to be closed.
    #[non_exhaustive]
    Closing {
        /// Why.
        why: Why,
        /// How often it was handed out.
        uses: u64,
    },
    /// Closing did not end by itself: it took longer than [`close_timeout`](super::Builder::close_timeout), or
    /// panicked. The object was dropped.
    #[non_exhaustive]
    CloseFailed {
        /// What it panicked with; `None`: it took too long.
        panic: Option<&'a str>,
    },
    /// Somebody waited as long as one may.
    #[non_exhaustive]
    TimedOut {
        /// What was the matter.
        error: &'a TimedOut,
    },
    /// An object is in use for longer than [`leak_after`](super::Builder::leak_after). Told once for each time it is
    /// taken.
    #[non_exhaustive]
    Leaking {
        /// Where it was taken.
        at: &'static Location<'static>,
        /// How long ago.
        held: Duration,
    },
}

/// A use of an object, from when it was handed out.
#[derive(Debug)]
pub(super) struct Span {
    pub(super) number: u64,
    pub(super) at: &'static Location<'static>,
    pub(super) since: Instant,
}

/// Why an object is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Why {
    /// An operation on it was dropped half way, failed or panicked, and nobody proved it clean.
    InFlight,
    /// It was [discarded](super::Guard::discard) by who had it.
    Discarded,
    /// It did not pass its check.
    Check,
    /// A hook said so, or the one [after connecting](super::Builder::after_connect) failed.
    Hook,
    /// It was as old as it may be.
    Lifetime,
    /// It lay idle as long as it may.
    Idle,
    /// There were more than there may be, after a resize.
    Surplus,
    /// It lay idle, or came back, while another key of the pool, or another runtime, needed the room.
    Evicted,
    /// All were to be [replaced](super::Pool::expire).
    Expired,
    /// The runtime ended on which it was just being made.
    Dropped,
    /// The pool was closed.
    PoolClosed,
}

pub(super) type Observer<E> = dyn Fn(&Event<'_, E>) + Send + Sync;
