//! What many simulations of one program showed.

use crate::testing::config::{Config, Policy};
use crate::testing::failure::Failure;
use crate::testing::report::Report;
use std::fmt;
use std::time::Duration;

/// The schedule that failed, and the smallest one found that still does.
///
/// # Examples
///
/// ```
/// use regatta::{Runtime, testing};
///
/// let report = testing::explore(0..100, async || panic!("always"));
/// let found = report.failure.expect("it fails at once");
/// assert!(found.schedule().is_empty());
/// let again = testing::run_with(found.replay, async || panic!("always"));
/// assert!(again.value.is_err());
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ExploreFailure {
    /// What happened.
    pub failure: Failure,
    /// The seed it happened under.
    pub seed: u64,
    /// How many schedules went well before.
    pub runs_before: u64,
    /// Does it again, with as few tasks out of order as were needed: give it to [`run_with`](crate::testing::run_with).
    pub replay: Config,
    pub(super) by_seed: bool,
}

impl ExploreFailure {
    /// The choices of [`replay`](ExploreFailure::replay); 0 is the task that was woken first.
    pub fn schedule(&self) -> &[u16] {
        match &self.replay.policy {
            Policy::Replay(choices) => choices,
            _ => &[],
        }
    }
}

impl fmt::Display for ExploreFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nth = self.runs_before + 1;
        write!(f, "{}\nfound in schedule {nth}", self.failure)?;
        if self.by_seed {
            write!(f, "; replay: REGATTA_SEED={}", self.seed)?;
        }
        let schedule = self.schedule();
        let moved = schedule.iter().filter(|c| **c != 0).count();
        write!(f, "; {moved} choice(s) out of order are enough")?;
        if schedule.len() <= 64 {
            write!(f, ": Policy::Replay(vec!{schedule:?})")?;
        }
        Ok(())
    }
}

/// What [`check`](super::check), [`explore`](super::explore) and [`explore_all`](super::explore_all) did.
///
/// # Examples
///
/// ```
/// use regatta::testing;
///
/// let report = testing::explore(0..100, async || testing::yield_now().await);
/// report.unwrap();
/// println!("{report}");
/// assert_eq!((report.runs, report.steps), (100, 200));
/// ```
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ExploreReport {
    /// How many schedules were run.
    pub runs: u64,
    /// How many of them were different.
    pub distinct: u64,
    /// How many polls in all.
    pub steps: u64,
    /// Virtual time, added up.
    pub virtual_time: Duration,
    /// Real time.
    pub real_time: Duration,
    /// Every interleaving was run ([`explore_all`](super::explore_all) only).
    pub complete: bool,
    /// The first failure, which ended the search.
    pub failure: Option<ExploreFailure>,
}

impl ExploreReport {
    /// Schedules in a second of real time.
    pub fn per_second(&self) -> f64 {
        self.runs as f64 / self.real_time.as_secs_f64().max(1e-9)
    }

    /// Returns when nothing failed.
    ///
    /// # Panics
    ///
    /// With the failure, when there is one.
    #[track_caller]
    pub fn unwrap(&self) {
        if let Some(failure) = &self.failure {
            panic!("{failure}");
        }
    }

    pub(super) fn count<T>(&mut self, report: &Report<T>) {
        self.runs += 1;
        self.steps += report.steps;
        self.virtual_time += report.elapsed;
    }
}

impl fmt::Display for ExploreReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = if self.complete { ", all there are" } else { "" };
        write!(
            f,
            "{} schedules ({} distinct{all}), {} steps, {:?} virtual in {:?} real: {:.0} schedules/s",
            self.runs,
            self.distinct,
            self.steps,
            self.virtual_time,
            self.real_time,
            self.per_second()
        )
    }
}
