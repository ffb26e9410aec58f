//! What can be wrong with a request to a semaphore.

use std::error::Error;
use std::fmt;

/// Why [`acquire`](super::Semaphore::acquire) or [`acquire_many`](super::Semaphore::acquire_many) gives no permit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AcquireError {
    /// The semaphore was closed.
    Closed,
    /// More were asked for than the semaphore has in all, so that it would have waited for ever.
    TooMany {
        /// How many were asked for.
        asked: usize,
        /// How many there are in all, free or not.
        size: usize,
    },
    /// 0 were asked for.
    NoneAsked,
}

impl fmt::Display for AcquireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AcquireError::Closed => {
                f.write_str("acquire: the semaphore was closed; it gives no more permits")
            }
            AcquireError::TooMany { asked, size } => too_many(f, *asked, *size),
            AcquireError::NoneAsked => none_asked(f),
        }
    }
}

impl Error for AcquireError {}

fn too_many(f: &mut fmt::Formatter<'_>, asked: usize, size: usize) -> fmt::Result {
    write!(
        f,
        "acquire_many({asked}): the semaphore has {size} permits in all; ask for at most {size}, or `add_permits({})` first",
        asked - size
    )
}

fn none_asked(f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str("acquire_many(0): a permit for nothing would hold nobody back; ask for at least 1")
}

/// Why [`try_acquire`](super::Semaphore::try_acquire) or [`try_acquire_many`](super::Semaphore::try_acquire_many) gives no permit now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TryAcquireError {
    /// Not enough are free, or those that are belong to who waits.
    NoPermits {
        /// How many were asked for.
        asked: usize,
        /// How many were free.
        free: usize,
        /// How many waited.
        waiting: usize,
    },
    /// The semaphore was closed.
    Closed,
    /// More were asked for than the semaphore has in all.
    TooMany {
        /// How many were asked for.
        asked: usize,
        /// How many there are in all, free or not.
        size: usize,
    },
    /// 0 were asked for.
    NoneAsked,
}

impl fmt::Display for TryAcquireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TryAcquireError::NoPermits {
                asked,
                free,
                waiting,
            } => write!(
                f,
                "try_acquire: {asked} asked, {free} free, {waiting} waiting; `acquire` waits for its turn"
            ),
            TryAcquireError::Closed => {
                f.write_str("try_acquire: the semaphore was closed; it gives no more permits")
            }
            TryAcquireError::TooMany { asked, size } => {
                f.write_str("try_")?;
                too_many(f, *asked, *size)
            }
            TryAcquireError::NoneAsked => {
                f.write_str("try_")?;
                none_asked(f)
            }
        }
    }
}

impl Error for TryAcquireError {}

/// Why [`resize`](super::Semaphore::resize) or [`add_permits`](super::Semaphore::add_permits) changed nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ResizeError {
    /// The semaphore was closed.
    Closed,
    /// There would be more than [`Semaphore::MAX_PERMITS`](super::Semaphore::MAX_PERMITS).
    Overflow {
        /// How many were to be added.
        asked: usize,
        /// How many there are.
        total: usize,
    },
}

impl fmt::Display for ResizeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ResizeError::Closed => f.write_str("resize: the semaphore was closed; make a new one"),
            ResizeError::Overflow { asked, total } => write!(
                f,
                "resize: {asked} permits more than {total} are too many; there can be {} in all",
                super::Semaphore::MAX_PERMITS
            ),
        }
    }
}

impl Error for ResizeError {}

/// Why [`Permit::split`](super::Permit::split) gives no second permit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SplitError {
    /// How many were to be split off.
    pub asked: usize,
    /// How many the permit stands for.
    pub held: usize,
}

impl fmt::Display for SplitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let SplitError { asked, held } = self;
        match held {
            1 => write!(f, "split({asked}): a permit for 1 cannot be split"),
            _ => write!(
                f,
                "split({asked}): the permit stands for {held}, and both parts need at least 1; split off 1 to {}",
                held - 1
            ),
        }
    }
}

impl Error for SplitError {}

/// Two permits of different semaphores were to be merged; gives the other one back.
pub struct MergeError<'a>(pub super::Permit<'a>);

impl fmt::Debug for MergeError<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("MergeError").field(&self.0).finish()
    }
}

impl fmt::Display for MergeError<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("merge: the permits belong to different semaphores; keep them apart")
    }
}

impl Error for MergeError<'_> {}
