//! What can be wrong with borrowing.

use super::Borrower;
use std::error::Error;
use std::fmt;

/// Why a [`Limiter`](super::Limiter) lends no token.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BorrowError {
    /// This borrower has a token, or waits for one.
    AlreadyBorrowed {
        /// Who asked twice.
        borrower: Borrower,
    },
    /// None is free, or somebody waits for it. From `try_borrow` and `try_borrow_for` only.
    NoTokens {
        /// How many there are in all.
        total: usize,
        /// How many are lent.
        borrowed: usize,
        /// How many wait.
        waiting: usize,
    },
}

impl fmt::Display for BorrowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BorrowError::AlreadyBorrowed { borrower } => write!(
                f,
                "borrow_for({borrower}): this borrower has a token or waits for one; drop that first, or borrow on behalf of another"
            ),
            BorrowError::NoTokens {
                total,
                borrowed,
                waiting,
            } => write!(
                f,
                "try_borrow: {borrowed} of {total} tokens are lent, {waiting} waiting; `borrow` waits for its turn"
            ),
        }
    }
}

impl Error for BorrowError {}
