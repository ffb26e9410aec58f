//! What one simulation did.

use super::chooser::Logged;
use super::failure::Failure;
use std::time::Duration;

/// How a simulation went; made by [`run_with`](super::run_with).
///
/// # Examples
///
/// ```
/// use regatta::{Runtime, testing::{self, Config}};
/// use std::time::Duration;
///
/// let report = testing::run_with(Config::new(3), async || {
///     Runtime::current().sleep(Duration::from_secs(60)).await;
/// });
/// assert_eq!(report.elapsed, Duration::from_secs(60));
/// report.unwrap();
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
#[must_use = "the failure is in `value`; `unwrap` panics with it"]
pub struct Report<T> {
    /// What the root returned, or why it did not.
    pub value: Result<T, Failure>,
    /// The seed it ran with.
    pub seed: u64,
    /// How many polls there were.
    pub steps: u64,
    /// How far the virtual clock went.
    pub elapsed: Duration,
    /// How many tasks there were, with the root.
    pub tasks: u64,
    /// A fingerprint of which task ran when: equal for runs that took the same schedule.
    pub trace: u64,
    /// Which of the runnable tasks was chosen, wherever there were two or more: [`Policy::Replay`](super::Policy::Replay) takes it.
    pub choices: Vec<u16>,
    /// Out of how many.
    pub(super) widths: Vec<u16>,
    pub(super) log: Option<Vec<Logged>>,
}

impl<T> Report<T> {
    /// What the root returned.
    ///
    /// # Panics
    ///
    /// When the simulation failed, with the failure and the seed.
    #[track_caller]
    pub fn unwrap(self) -> T {
        match self.value {
            Ok(value) => value,
            Err(failure) => panic!("{failure}\nreplay: REGATTA_SEED={}", self.seed),
        }
    }
}
