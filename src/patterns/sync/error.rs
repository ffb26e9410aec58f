//! What `try_lock`, `try_read` and `try_write` say.

use std::error::Error;
use std::fmt;

/// The lock is held, or somebody waits for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TryLockError {
    call: &'static str,
    instead: &'static str,
}

impl TryLockError {
    pub(super) const fn new(call: &'static str, instead: &'static str) -> Self {
        TryLockError { call, instead }
    }
}

impl fmt::Display for TryLockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let TryLockError { call, instead } = self;
        write!(
            f,
            "{call}: somebody holds the lock or waits for it; `{instead}` waits for its turn"
        )
    }
}

impl Error for TryLockError {}
