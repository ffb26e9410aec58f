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
    /// A task was not taken, and never ran.
    Refused {
        /// Its name.
        task: Arc<str>,
        /// Why.
        why: Refusal,
    },
    /// A task was dropped half way: its runtime ended before it did, and nobody had asked for that.
    Lost {
        /// Its name.
        task: Arc<str>,
    },
}

/// Why a background task was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// The shutdown had begun.
    ShutDown,
    /// The runtime that the tasks run on has ended.
    RuntimeEnded,
}

impl<E> Mishap<E> {
    /// The name of the task.
    pub fn task(&self) -> &str {
        match self {
            Mishap::Failed { task, .. }
            | Mishap::Panicked { task, .. }
            | Mishap::Refused { task, .. }
            | Mishap::Lost { task } => task,
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
            Mishap::Refused { task, why } => {
                let why = match why {
                    Refusal::ShutDown => "was spawned after the shutdown",
                    Refusal::RuntimeEnded => "was spawned after its runtime had ended",
                };
                write!(f, "background task `{task}` {why}")
            }
            Mishap::Lost { task } => {
                write!(
                    f,
                    "background task `{task}` was lost: its runtime ended before it did"
                )
            }
        }
    }
}

impl<E: fmt::Debug + fmt::Display> std::error::Error for Mishap<E> {}

/// How every background task ended; returned by [`Background::shutdown`](super::Background::shutdown). Counts run from
/// the start, and each task counts once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// Tasks that ended well.
    pub completed: u64,
    /// Tasks that ended with an error.
    pub failed: u64,
    /// Tasks that panicked.
    pub panicked: u64,
    /// Tasks that were cancelled by a shutdown, by name. They are gone, their cleanup done.
    pub cancelled: Vec<Arc<str>>,
    /// Tasks that were still there when the time of a shutdown was over, by name. They are dropped as soon as they let
    /// go of their thread, without the rest of their cleanup.
    pub stragglers: Vec<Arc<str>>,
    /// Tasks that were dropped half way because their runtime ended, by name.
    pub lost: Vec<Arc<str>>,
}
