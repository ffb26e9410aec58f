//! How a run fails.

use super::Report;
use crate::task::ErrorGroup;
use std::fmt;

/// A pipeline was stopped by an error of a stage; returned by [`run`](super::Assembled::run).
#[derive(Debug)]
#[non_exhaustive]
pub struct RunError<E> {
    /// The errors, with the names of their stages.
    pub errors: ErrorGroup<E>,
    /// How far it had come.
    pub report: Report<E>,
}

impl<E: fmt::Display> fmt::Display for RunError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the pipeline was stopped: {}", self.errors)
    }
}

impl<E: fmt::Debug + fmt::Display> std::error::Error for RunError<E> {}
