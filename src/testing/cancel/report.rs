//! What dropping an operation everywhere showed.

use super::{DropMode, Point};
use std::fmt;

/// One schedule in which something was left behind.
///
/// # Examples
///
/// ```
/// use regatta::testing;
///
/// let report = testing::cancel_safety(3..4, async || (), |()| async {}, |(), _| async { Err("bad".into()) });
/// let first = &report.failures[0];
/// assert_eq!((first.seed, first.dropped), (3, None));
/// assert_eq!(first.to_string(), "not dropped: bad\nreplay: REGATTA_SEED=3");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CancelFailure {
    /// The seed of the schedule.
    pub seed: u64,
    /// Where the operation was to be dropped or cancelled: after how many polls and how. `None` when it was left alone.
    pub dropped: Option<(u32, DropMode)>,
    /// Which of the two, and whether while it was polled.
    pub(super) verb: &'static str,
    pub(super) inside: bool,
    /// What was wrong.
    pub reason: String,
}

impl fmt::Display for CancelFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.dropped {
            Some((polls, _)) if self.inside => write!(f, "{} within poll {polls}", self.verb)?,
            Some((polls, mode)) => write!(f, "{} after poll {polls} ({mode:?})", self.verb)?,
            None => write!(f, "not {}", self.verb)?,
        }
        write!(f, ": {}\nreplay: REGATTA_SEED={}", self.reason, self.seed)
    }
}

/// What [`cancel_safety`](super::cancel_safety) and its kin saw.
///
/// # Examples
///
/// ```
/// use regatta::testing;
///
/// let report = testing::cancel_safety(0..5, async || (), |()| testing::yield_now(), |(), _| async { Ok(()) });
/// report.unwrap();
/// assert!(report.to_string().contains("0 failures"));
/// ```
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
#[must_use = "the failures are inside; `unwrap` panics with the first one"]
pub struct CancelReport {
    /// How many schedules were run.
    pub schedules: u64,
    /// In how many of them the operation was dropped, or ended cancelled.
    pub drops: u64,
    /// In how many it was not: it was left alone, or returned before.
    pub completions: u64,
    /// How many polls of all tasks.
    pub steps: u64,
    /// The most polls the operation took.
    pub max_polls: u32,
    /// In how many schedules something was wrong.
    pub failed: u64,
    /// The first few of those.
    pub failures: Vec<CancelFailure>,
    /// Every interleaving was run ([`cancel_safety_all`](super::cancel_safety_all) only).
    pub complete: bool,
}

/// Enough to see a pattern.
const KEPT: usize = 8;

impl CancelReport {
    pub(super) fn fail(
        &mut self,
        seed: u64,
        verb: &'static str,
        point: Option<Point>,
        reason: String,
    ) {
        self.failed += 1;
        if self.failures.len() < KEPT {
            self.failures.push(CancelFailure {
                seed,
                dropped: point.map(|point| (point.after, point.mode)),
                verb,
                inside: point.is_some_and(|point| point.inside),
                reason,
            });
        }
    }

    /// Returns when nothing was wrong.
    ///
    /// # Panics
    ///
    /// With the numbers and the first failure, when there is one.
    #[track_caller]
    pub fn unwrap(&self) {
        assert!(self.failed == 0, "{self}");
    }
}

impl fmt::Display for CancelReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} schedules, {} drops at up to {} polls, {} completions, {} steps, {} failures",
            self.schedules, self.drops, self.max_polls, self.completions, self.steps, self.failed
        )?;
        match self.failures.first() {
            Some(first) => write!(f, "; the first: {first}"),
            None => Ok(()),
        }
    }
}
