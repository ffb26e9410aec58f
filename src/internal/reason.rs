//! Why something was cancelled. Public through `cancel` and `time`.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// A deadline passed before the work was done; says which one when it was named.
///
/// # Examples
///
/// ```
/// use regatta::time;
/// use std::time::Duration;
///
/// regatta::testing::run(async || {
///     let late = time::timeout(Duration::from_secs(2), std::future::pending::<()>()).named("fetch page").await;
///     assert_eq!(late.expect_err("it never ends").to_string(), "deadline `fetch page` of 2s passed");
/// });
/// ```
#[derive(Clone, PartialEq, Eq)]
// One word, so that the result of a timeout is not larger than most values; `None` is a deadline without a name and a limit.
pub struct Elapsed(Option<Arc<Passed>>);

#[derive(PartialEq, Eq)]
struct Passed {
    name: Option<Arc<str>>,
    limit: Option<Duration>,
}

impl Elapsed {
    pub(crate) fn new(name: Option<Arc<str>>, limit: Option<Duration>) -> Self {
        let plain = name.is_none() && limit.is_none();
        Elapsed((!plain).then(|| Arc::new(Passed { name, limit })))
    }

    /// The name given to the deadline.
    pub fn name(&self) -> Option<&str> {
        self.0.as_ref()?.name.as_deref()
    }

    /// How long the work was given (the last time, when the deadline was moved); `None` for a deadline that was set as a moment.
    pub fn limit(&self) -> Option<Duration> {
        self.0.as_ref()?.limit
    }
}

impl fmt::Debug for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Elapsed")
            .field("name", &self.name())
            .field("limit", &self.limit())
            .finish()
    }
}

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("deadline ")?;
        if let Some(name) = self.name() {
            write!(f, "`{name}` ")?;
        }
        if let Some(limit) = self.limit() {
            write!(f, "of {limit:?} ")?;
        }
        f.write_str("passed")
    }
}

impl std::error::Error for Elapsed {}

impl From<Elapsed> for std::io::Error {
    fn from(e: Elapsed) -> Self {
        std::io::Error::new(std::io::ErrorKind::TimedOut, e)
    }
}

/// Why something was cancelled. The first reason given wins and stays.
///
/// # Examples
///
/// ```
/// use regatta::cancel::{CancelToken, Reason};
///
/// let token = CancelToken::new();
/// token.cancel_with("the user closed the window");
/// token.cancel();
/// assert_eq!(token.reason(), Some(Reason::Other("the user closed the window".into())));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// Somebody called `cancel`.
    Requested,
    /// A deadline passed; this one.
    Deadline(Elapsed),
    /// Another task of the same group failed or panicked.
    SiblingFailed,
    /// The task failed; its error is in the error of its group.
    Failed,
    /// The task panicked; the panic goes on in the caller of its group.
    Panicked,
    /// The scope that owned it ended, or was dropped.
    ScopeEnded,
    /// The service it belonged to is shutting down.
    Shutdown,
    /// In the canceller's own words.
    Other(Arc<str>),
}

impl From<&str> for Reason {
    fn from(s: &str) -> Self {
        Reason::Other(s.into())
    }
}

impl From<String> for Reason {
    fn from(s: String) -> Self {
        Reason::Other(s.into())
    }
}

impl From<Elapsed> for Reason {
    fn from(e: Elapsed) -> Self {
        Reason::Deadline(e)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Reason::Requested => "requested",
            Reason::Deadline(e) => return e.fmt(f),
            Reason::SiblingFailed => "a sibling task failed",
            Reason::Failed => "the task failed",
            Reason::Panicked => "the task panicked",
            Reason::ScopeEnded => "the scope that owned it ended",
            Reason::Shutdown => "shutdown",
            Reason::Other(s) => s,
        })
    }
}

/// The error of work that was cancelled: it did not happen, and the reason tells why.
///
/// # Examples
///
/// ```
/// use regatta::cancel::CancelToken;
///
/// let token = CancelToken::new();
/// assert!(token.check().is_ok());
/// token.cancel();
/// assert_eq!(token.check().expect_err("it was cancelled").to_string(), "cancelled: requested");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cancelled {
    reason: Reason,
}

impl Cancelled {
    /// An error with this reason.
    pub fn new(reason: impl Into<Reason>) -> Self {
        Cancelled {
            reason: reason.into(),
        }
    }

    /// Why.
    pub fn reason(&self) -> &Reason {
        &self.reason
    }

    /// Takes the reason out.
    pub fn into_reason(self) -> Reason {
        self.reason
    }
}

impl fmt::Display for Cancelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cancelled: {}", self.reason)
    }
}

impl std::error::Error for Cancelled {}

impl From<Cancelled> for std::io::Error {
    fn from(c: Cancelled) -> Self {
        std::io::Error::new(std::io::ErrorKind::Interrupted, c)
    }
}
