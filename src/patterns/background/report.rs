//! What background tasks leave to be told.

use std::fmt;
use std::sync::Arc;

/// Something that went wrong in the background; given to the sink of a [`Background`](super::Background).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mishap<E> {
    /// A task ended with an error.
    Failed {
        /// Its name.
        task: Arc<str>,
        /// Its error.
        error: E,
    },
    /// A task panicked.
    Panicked {
        /// Its name.
        task: Arc<str>,
        /// What it said.
        message: String,
    },
    /// A task was spawned after the shutdown began, and never ran.
    Refused {
        /// Its name.
        task: Arc<str>,
    },
}

impl<E> Mishap<E> {
    /// The name of the task.
    pub fn task(&self) -> &str {
        match self {
            Mishap::Failed { task, .. }
            | Mishap::Panicked { task, .. }
            | Mishap::Refused { task } => task,
        }
    }
}

impl<E: fmt::Display> fmt::Display for Mishap<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Mishap::Failed { task, error } => write!(f, "background task `{task}` failed: {error}"),
            Mishap::Panicked { task, message } => {
                write!(f, "background task `{task}` panicked: {message}")
            }
            Mishap::Refused { task } => {
                write!(f, "background task `{task}` was spawned after the shutdown")
            }
        }
    }
}

impl<E: fmt::Debug + fmt::Display> std::error::Error for Mishap<E> {}

/// How every background task ended; returned by [`Background::shutdown`](super::Background::shutdown). Counts run from the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// Tasks that ended well.
    pub completed: u64,
    /// Tasks that ended with an error.
    pub failed: u64,
    /// Tasks that panicked.
    pub panicked: u64,
    /// Tasks that were cancelled, by name: they were still running when the grace was over.
    pub cancelled: Vec<Arc<str>>,
    /// Tasks that did not even end their cleanup in time, by name. They are dropped as soon as they let go of their thread.
    pub stragglers: Vec<Arc<str>>,
}
