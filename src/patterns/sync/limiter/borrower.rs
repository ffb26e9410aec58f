//! [`Borrower`]: on whose behalf a token is borrowed.

use std::fmt;
use std::sync::Arc;

/// Who borrows: a name or a number of yours. Two that are equal are one borrower.
///
/// # Examples
///
/// ```
/// use regatta::sync::Borrower;
///
/// assert_eq!(Borrower::from("nightly import").to_string(), "`nightly import`");
/// assert_eq!(Borrower::from(7).to_string(), "7");
/// assert_ne!(Borrower::from(7), Borrower::from("7"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Borrower(Identity);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Identity {
    Number(u64),
    Name(Arc<str>),
}

impl From<u64> for Borrower {
    fn from(number: u64) -> Self {
        Borrower(Identity::Number(number))
    }
}

impl From<&str> for Borrower {
    fn from(name: &str) -> Self {
        Borrower(Identity::Name(name.into()))
    }
}

impl From<String> for Borrower {
    fn from(name: String) -> Self {
        Borrower(Identity::Name(name.into()))
    }
}

impl fmt::Display for Borrower {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Identity::Number(number) => number.fmt(f),
            Identity::Name(name) => write!(f, "`{name}`"),
        }
    }
}
