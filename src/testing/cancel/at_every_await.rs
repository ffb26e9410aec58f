//! Cancels an operation at every point where it can be cancelled.

use super::cancel_at::CancelIt;
use super::{CancelReport, Outcome, Trial};
use std::future::Future;
use std::ops::Range;
use std::panic::Location;

/// For each seed, runs `op` once undisturbed to learn how often it is polled, and then again for each poll, cancelling
/// the [token](crate::cancel::CancelToken) around it there, and waiting until its cleanup has ended.
///
/// [`cancel_safety`](super::cancel_safety) asks what a drop from outside leaves behind; this asks whether code keeps
/// the promises of [`cancel`](crate::cancel): shields finish, `finally` runs, groups wait for their children. At each
/// await the token is cancelled in up to four ways: while `op` is being polled (as another thread may), right after the
/// poll, when `op` is next woken, and a few steps later.
///
/// `setup` builds the world and spawns the rivals of `op`; `verify` gets the world and how `op` ended, may await, and
/// says what is wrong. It ended [`Cancelled`](Outcome::Cancelled), or was [`Completed`](Outcome::Completed): not
/// cancelled, or with a value all the same. A simulation that fails (a deadlock in a cleanup, say) counts as a failure
/// too. `REGATTA_SEED` replaces the range by that one seed.
///
/// # Panics
///
/// When `REGATTA_SEED` is no number; inside a simulation. Failures are in the report: [`unwrap`](CancelReport::unwrap)
/// it.
///
/// # Examples
///
/// ```
/// use regatta::{cancel, testing};
/// use std::sync::{Arc, atomic::{AtomicI32, Ordering::SeqCst}};
///
/// // Counts itself in, waits, and counts itself out, asynchronously, whatever happens.
/// async fn stay(count: Arc<AtomicI32>) {
///     count.fetch_add(1, SeqCst);
///     let leave = async {
///         testing::yield_now().await;
///         count.fetch_sub(1, SeqCst);
///     };
///     cancel::finally(testing::yield_now(), leave).await;
/// }
///
/// let nobody_stays = |count: Arc<AtomicI32>, _outcome| async move {
///     match count.load(SeqCst) {
///         0 => Ok(()),
///         n => Err(format!("{n} still counted")),
///     }
/// };
/// let report = testing::cancel_at_every_await(0..10, async || Arc::default(), stay, nobody_stays);
/// report.unwrap();
///
/// // A mere drop has no time for that.
/// let report = testing::cancel_safety(0..10, async || Arc::default(), stay, nobody_stays);
/// assert!(report.to_string().contains("1 still counted"));
/// ```
#[track_caller]
pub fn cancel_at_every_await<W, T, S, SF, O, OF, V, VF>(
    seeds: Range<u64>,
    setup: S,
    op: O,
    verify: V,
) -> CancelReport
where
    W: Clone,
    S: Fn() -> SF,
    SF: Future<Output = W>,
    O: Fn(W) -> OF,
    OF: Future<Output = T>,
    V: Fn(W, Outcome<T>) -> VF,
    VF: Future<Output = Result<(), String>>,
{
    Trial::<_, _, _, CancelIt>::new(Location::caller(), &setup, &op, &verify).for_each(seeds)
}

/// [`cancel_at_every_await`] over every interleaving of the program, at most `max_runs` for each point where `op` is
/// cancelled.
///
/// # Panics
///
/// Inside a simulation.
///
/// # Examples
///
/// ```
/// use regatta::{cancel, testing};
///
/// let step = |()| cancel::shield(testing::yield_now());
/// let report = testing::cancel_at_every_await_all(10_000, async || (), step, |(), _| async { Ok(()) });
/// report.unwrap();
/// assert!(report.complete);
/// ```
#[track_caller]
pub fn cancel_at_every_await_all<W, T, S, SF, O, OF, V, VF>(
    max_runs: u64,
    setup: S,
    op: O,
    verify: V,
) -> CancelReport
where
    W: Clone,
    S: Fn() -> SF,
    SF: Future<Output = W>,
    O: Fn(W) -> OF,
    OF: Future<Output = T>,
    V: Fn(W, Outcome<T>) -> VF,
    VF: Future<Output = Result<(), String>>,
{
    Trial::<_, _, _, CancelIt>::new(Location::caller(), &setup, &op, &verify).exhaust(max_runs)
}
