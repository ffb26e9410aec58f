//! What ends the whole job. What goes wrong with one file is a [`Trouble`](crate::count::Trouble) and goes into the report.

use regatta::runtime::{JoinError, NoRuntime};
use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why the job could not go on.
#[derive(Debug)]
pub(crate) enum JobError {
    /// There are no threads for blocking work.
    NoRuntime(NoRuntime),
    /// The report cannot be written.
    Report(PathBuf, io::Error),
    /// Code on a blocking thread panicked.
    Thread(JoinError),
}

impl fmt::Display for JobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            JobError::NoRuntime(e) => e.fmt(f),
            JobError::Report(path, e) => {
                write!(f, "{}: the report cannot be written: {e}", path.display())
            }
            JobError::Thread(e) => write!(f, "on a blocking thread: {e}"),
        }
    }
}

impl std::error::Error for JobError {}

impl From<NoRuntime> for JobError {
    fn from(e: NoRuntime) -> Self {
        JobError::NoRuntime(e)
    }
}

impl From<JoinError> for JobError {
    fn from(e: JoinError) -> Self {
        JobError::Thread(e)
    }
}
