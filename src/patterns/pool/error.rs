//! Pools that cannot be built, and objects that cannot be had.

use crate::runtime::NoRuntime;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Why there is no pool.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum BuildError {
    /// No runtime to connect on.
    NoRuntime(NoRuntime),
    /// A size, total or for one key, is 0.
    Empty,
    /// More are to be kept idle than there may be.
    MinAboveMax {
        /// [`min_idle`](super::Builder::min_idle).
        min_idle: usize,
        /// [`max_size`](super::Builder::max_size).
        max_size: usize,
    },
    /// A limit is zero.
    ZeroDuration {
        /// The setter.
        setting: &'static str,
    },
    /// A [jitter](super::Builder::lifetime_jitter) that is not from 0.0 to 1.0.
    Jitter(f64),
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BuildError::NoRuntime(error) => error.fmt(f),
            BuildError::Empty => {
                f.write_str("a pool for 0 objects could never give one: use at least 1")
            }
            BuildError::MinAboveMax { min_idle, max_size } => write!(
                f,
                "min_idle({min_idle}) is above max_size({max_size}): use at most {max_size}"
            ),
            BuildError::ZeroDuration { setting } => write!(
                f,
                "{setting}(0s) leaves no time at all: use more than zero, or leave it out for the default"
            ),
            BuildError::Jitter(part) => {
                write!(f, "lifetime_jitter({part}): use a part from 0.0 to 1.0")
            }
        }
    }
}

impl std::error::Error for BuildError {}

/// Why [`resize`](super::Pool::resize) did nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ResizeError {
    /// To 0, or below what is to be kept idle.
    TooSmall {
        /// What was asked for.
        asked: usize,
        /// The least that is possible.
        least: usize,
    },
    /// The pool is closed.
    Closed,
}

impl fmt::Display for ResizeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ResizeError::TooSmall { asked, least } => {
                write!(f, "resize({asked}): use at least {least}")
            }
            ResizeError::Closed => f.write_str("the pool is closed"),
        }
    }
}

impl std::error::Error for ResizeError {}

/// Why an attempt to connect gave no object.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectError<E> {
    /// [`Manager::connect`](super::Manager::connect), or the hook behind it, failed with this.
    Failed(E),
    /// It took longer than [`connect_timeout`](super::Builder::connect_timeout).
    TimedOut(Duration),
    /// It panicked, with this message.
    Panicked(String),
    /// Its task was dropped: the runtime has stopped, or the pool was closed.
    Dropped,
}

impl<E> ConnectError<E> {
    /// The manager's own error.
    pub fn into_inner(self) -> Option<E> {
        match self {
            ConnectError::Failed(error) => Some(error),
            _ => None,
        }
    }
}

impl<E: fmt::Display> fmt::Display for ConnectError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConnectError::Failed(error) => write!(f, "cannot connect: {error}"),
            ConnectError::TimedOut(limit) => {
                write!(f, "cannot connect: it took longer than {limit:?}")
            }
            ConnectError::Panicked(message) => {
                write!(f, "cannot connect: the manager panicked: {message}")
            }
            ConnectError::Dropped => f.write_str(
                "cannot connect: the task was dropped, because its runtime has stopped or the pool was closed",
            ),
        }
    }
}

impl<E: std::error::Error + 'static> std::error::Error for ConnectError<E> {
    /// What lies below the manager's error, which is part of this one's own text.
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            ConnectError::Failed(error) => error.source(),
            _ => None,
        }
    }
}

/// Why [`Pool::get`](super::Pool::get) gave no object.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum GetError<E> {
    /// The pool is closed, or was meanwhile.
    Closed,
    /// It waited as long as it may.
    TimedOut(TimedOut),
    /// Its turn had come, and there was none to be made.
    Connect(ConnectError<E>),
}

impl<E: fmt::Display> fmt::Display for GetError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            GetError::Closed => f.write_str("the pool is closed"),
            GetError::TimedOut(error) => error.fmt(f),
            GetError::Connect(error) => error.fmt(f),
        }
    }
}

impl<E: std::error::Error + 'static> std::error::Error for GetError<E> {
    /// What lies below the manager's error, which is part of this one's own text.
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            GetError::Closed | GetError::TimedOut(_) => None,
            GetError::Connect(error) => error.source(),
        }
    }
}

/// A wait that was too long, and what was the matter.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TimedOut {
    /// [`wait_timeout`](super::Builder::wait_timeout).
    pub limit: Duration,
    /// Most objects that there may be.
    pub max_size: usize,
    /// How many were in use.
    pub in_use: usize,
    /// How many attempts to connect were under way.
    pub connecting: usize,
    /// How many were being closed.
    pub closing: usize,
    /// How many others waited.
    pub waiting: usize,
    /// What the last attempt to connect said, when it failed.
    pub last_failure: Option<Arc<str>>,
}

impl fmt::Display for TimedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "no object of the pool was free within {:?}: of {}, {} in use, {} connecting, {} closing; {} others wait",
            self.limit, self.max_size, self.in_use, self.connecting, self.closing, self.waiting
        )?;
        match &self.last_failure {
            Some(failure) => write!(f, "; the last attempt failed: {failure}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for TimedOut {}

/// Why [`Pool::try_get`](super::Pool::try_get) gave no object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TryGetError {
    /// The pool is closed.
    Closed,
    /// None lies idle.
    NoneIdle {
        /// How many there are, in use or being made or closed.
        size: usize,
        /// How many wait.
        waiting: usize,
    },
}

impl fmt::Display for TryGetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TryGetError::Closed => f.write_str("the pool is closed"),
            TryGetError::NoneIdle { size, waiting } => write!(
                f,
                "no object of the pool is idle: all {size} are in use, and {waiting} wait"
            ),
        }
    }
}

impl std::error::Error for TryGetError {}

/// Why an object did not pass its check.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CheckError<E> {
    /// [`Manager::check`](super::Manager::check) failed with this.
    Failed(E),
    /// It took longer than [`check_timeout`](super::Builder::check_timeout).
    TimedOut(Duration),
    /// It panicked, with this message.
    Panicked(String),
}

impl<E: fmt::Display> fmt::Display for CheckError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CheckError::Failed(error) => write!(f, "the check failed: {error}"),
            CheckError::TimedOut(limit) => write!(f, "the check took longer than {limit:?}"),
            CheckError::Panicked(message) => write!(f, "the check panicked: {message}"),
        }
    }
}

impl<E: std::error::Error + 'static> std::error::Error for CheckError<E> {
    /// What lies below the manager's error, which is part of this one's own text.
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            CheckError::Failed(error) => error.source(),
            _ => None,
        }
    }
}
