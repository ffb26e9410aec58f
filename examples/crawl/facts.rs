//! What is known about an address.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;
use url::Url;

/// An address that was found and not visited yet.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// Its row in the database.
    pub(crate) id: i64,
    pub(crate) url: Url,
}

/// An address that was visited.
#[derive(Debug)]
pub(crate) struct Visit {
    pub(crate) id: i64,
    pub(crate) outcome: Outcome,
    /// Where it leads, in full.
    pub(crate) links: BTreeSet<String>,
    /// Requests that were made.
    pub(crate) requests: u32,
    /// How long the last one took.
    pub(crate) took: Duration,
}

/// How the visit ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// A page that was read.
    Page { bytes: u64, title: String },
    /// It is there, and no page: a picture, a script.
    File,
    /// The content is elsewhere.
    Redirect(String),
    /// The server said no: 400 to 599.
    Refused(u16),
    /// There was no whole answer, at any attempt.
    Failed(Trouble),
}

impl Outcome {
    /// Its name in the database.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Outcome::Page { .. } => "page",
            Outcome::File => "file",
            Outcome::Redirect(_) => "redirect",
            Outcome::Refused(_) => "refused",
            Outcome::Failed(trouble) => trouble.name(),
        }
    }
}

/// Why a request has no answer that can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Trouble {
    /// 429, or 500 and above: it may pass.
    Busy(u16),
    /// Nobody is there.
    NoConnection,
    /// The connection ended before the answer began.
    BrokenOff,
    /// The connection ended within the answer.
    CutShort,
    /// It took longer than the time for one request.
    TooSlow,
    /// More than a page may have.
    TooLarge,
    /// The host's circuit breaker stayed open.
    HostDown,
    /// The answer is no HTTP that anybody can read.
    Unreadable,
}

impl Trouble {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Trouble::Busy(_) => "refused",
            Trouble::NoConnection => "no connection",
            Trouble::BrokenOff => "broken off",
            Trouble::CutShort => "cut short",
            Trouble::TooSlow => "too slow",
            Trouble::TooLarge => "too large",
            Trouble::HostDown => "host down",
            Trouble::Unreadable => "unreadable",
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trouble::Busy(status) => write!(f, "{status}"),
            other => f.write_str(other.name()),
        }
    }
}
