//! Errors of this module but [`Elapsed`](super::Elapsed).

use std::fmt;

/// A number that is no length of time; returned by [`seconds`](super::seconds).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct InvalidSeconds {
    value: f64,
}

impl InvalidSeconds {
    pub(super) fn new(value: f64) -> Self {
        InvalidSeconds { value }
    }

    /// The number that was given.
    pub fn value(&self) -> f64 {
        self.value
    }
}

impl fmt::Display for InvalidSeconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.value > 0.0 {
            write!(
                f,
                "{} seconds are more than a Duration can hold: use Duration::MAX for never",
                self.value
            )
        } else {
            write!(
                f,
                "{} is no number of seconds: use a finite number that is zero or more",
                self.value
            )
        }
    }
}

impl std::error::Error for InvalidSeconds {}
