//! Why a call into a worker process gave no value.

use std::fmt;
use std::io;
use std::time::Duration;

/// Why a call through a [`ProcessPool`](super::ProcessPool) gave no value. Each is an error of that call only.
#[derive(Debug)]
#[non_exhaustive]
pub enum ProcessError {
    /// The function returned an error; this is it.
    Failed(String),
    /// The function panicked. Its process goes on.
    Panicked(String),
    /// The worker has no function of that name: the names given to [`process_entry`](super::process_entry) are all there are.
    Unknown(String),
    /// The process died before it answered: it crashed, exited or was killed. It has been replaced.
    Died(String),
    /// The process sent something that is no answer. It was killed, and has been replaced.
    Garbage(&'static str),
    /// What was to be sent, or came back, is larger than allowed. In the second case the process was killed.
    TooLarge {
        /// Its size in bytes.
        size: u64,
        /// What is allowed.
        limit: u64,
    },
    /// It did not answer in time. The process was killed.
    TimedOut(Duration),
    /// The process that would have run it was killed because the call was cancelled, or by a shutdown.
    Cancelled,
    /// The pool is shut down.
    Closed,
    /// A worker process could not be started, or did not report.
    Start(io::Error),
    /// Something else went wrong between the processes. The worker was killed.
    Io(io::Error),
    /// [`process_entry`](super::process_entry) was not called in this process.
    NoEntry,
}

impl fmt::Display for ProcessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ProcessError::Failed(why) => write!(f, "the function failed: {why}"),
            ProcessError::Panicked(why) => write!(f, "the function panicked: {why}"),
            ProcessError::Unknown(name) => write!(
                f,
                "the worker process has no function `{name}`: give it to `process_entry`"
            ),
            ProcessError::Died(status) => {
                write!(f, "the worker process died before it answered: {status}")
            }
            ProcessError::Garbage(what) => {
                write!(f, "the worker process sent no proper answer: {what}")
            }
            ProcessError::TooLarge { size, limit } => {
                write!(f, "{size} bytes for one call, where {limit} are allowed")
            }
            ProcessError::TimedOut(limit) => {
                write!(f, "no answer within {limit:?}; the worker process was killed")
            }
            ProcessError::Cancelled => f.write_str("the call was cancelled"),
            ProcessError::Closed => f.write_str("the process pool is shut down"),
            ProcessError::Start(e) => write!(f, "a worker process could not be started: {e}"),
            ProcessError::Io(e) => write!(f, "the worker process is out of reach: {e}"),
            ProcessError::NoEntry => f.write_str(
                "`regatta::blocking::process_entry` was not called: make it the first line of `main`, because worker processes are this \
                 program started again",
            ),
        }
    }
}

impl std::error::Error for ProcessError {
    /// What lies below the system's error, which is part of this one's own text.
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            ProcessError::Start(e) | ProcessError::Io(e) => e.source(),
            _ => None,
        }
    }
}
