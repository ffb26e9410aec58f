//! Drops or cancels an operation at every point where that can happen, and looks at what is left.

mod at_every_await;
mod cancel_at;
mod drop_at;
mod report;

pub use at_every_await::{cancel_at_every_await, cancel_at_every_await_all};
pub use drop_at::{DropMode, Outcome};
pub use report::{CancelFailure, CancelReport};

use super::config::{Config, Policy};
use super::control::yield_now;
use super::env;
use super::explore::next_schedule;
use super::run::simulate;
use drop_at::DropIt;
use std::cell::Cell;
use std::future::Future;
use std::marker::PhantomData;
use std::ops::Range;
use std::panic::Location;

/// For each seed, runs `op` once undisturbed to learn how often it is polled, and then once for each poll and each
/// [`DropMode`], dropping it there.
///
/// `setup` builds the world and spawns the rivals of `op`; `verify` gets the world and how `op` ended, may await, and says what is
/// wrong. A simulation that fails (a deadlock in `verify`, say, because a permit is gone) counts as a failure too.
/// `REGATTA_SEED` replaces the range by that one seed.
///
/// # Panics
///
/// When `REGATTA_SEED` is no number; inside a simulation. Failures are in the report: [`unwrap`](CancelReport::unwrap) it.
///
/// # Examples
///
/// ```
/// use regatta::testing;
/// use std::sync::{Arc, atomic::{AtomicU32, Ordering::SeqCst}};
///
/// // Counts itself in, waits, and counts itself out: dropped while it waits, it stays counted.
/// let report = testing::cancel_safety(
///     0..10,
///     async || Arc::new(AtomicU32::new(0)),
///     |count| async move {
///         count.fetch_add(1, SeqCst);
///         testing::yield_now().await;
///         count.fetch_sub(1, SeqCst);
///     },
///     |count, _outcome| async move {
///         match count.load(SeqCst) {
///             0 => Ok(()),
///             n => Err(format!("{n} still counted")),
///         }
///     },
/// );
/// assert!(report.failed > 0);
/// assert!(report.to_string().contains("1 still counted"));
/// ```
#[track_caller]
pub fn cancel_safety<W, T, S, SF, O, OF, V, VF>(
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
    Trial::<_, _, _, DropIt>::new(Location::caller(), &setup, &op, &verify).for_each(seeds)
}

/// [`cancel_safety`] with as many seeds as it takes to drop `op` at least `min_drops` times. Ends early after 100 failures.
///
/// # Panics
///
/// As [`cancel_safety`].
///
/// # Examples
///
/// ```
/// use regatta::testing;
///
/// let report = testing::cancel_safety_drops(
///     1000,
///     async || (),
///     |()| testing::yield_now(),
///     |(), _| async { Ok(()) },
/// );
/// report.unwrap();
/// assert!(report.drops >= 1000);
/// ```
#[track_caller]
pub fn cancel_safety_drops<W, T, S, SF, O, OF, V, VF>(
    min_drops: u64,
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
    let trial = Trial::<_, _, _, DropIt>::new(Location::caller(), &setup, &op, &verify);
    let mut report = CancelReport::default();
    if let Some(seed) = env::seed() {
        report.max_polls = trial.every_point(seed, &mut report);
        return report;
    }
    for seed in 0.. {
        report.max_polls = report.max_polls.max(trial.every_point(seed, &mut report));
        if report.drops >= min_drops || report.failed >= ENOUGH_FAILURES {
            break;
        }
    }
    report
}

/// A broken operation need not be broken a hundred thousand times.
const ENOUGH_FAILURES: u64 = 100;

/// [`cancel_safety`] over every interleaving of the program, at most `max_runs` for each point where `op` is dropped.
///
/// # Panics
///
/// Inside a simulation.
///
/// # Examples
///
/// ```
/// use regatta::{Runtime, testing};
///
/// let report = testing::cancel_safety_all(
///     10_000,
///     async || drop(Runtime::current().try_spawn(testing::yield_now())),
///     |()| testing::yield_now(),
///     |(), _| async { Ok(()) },
/// );
/// report.unwrap();
/// assert!(report.complete);
/// ```
#[track_caller]
pub fn cancel_safety_all<W, T, S, SF, O, OF, V, VF>(
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
    Trial::<_, _, _, DropIt>::new(Location::caller(), &setup, &op, &verify).exhaust(max_runs)
}

/// Where to disturb an operation.
#[derive(Clone, Copy, Debug)]
struct Point {
    /// After how many polls.
    after: u32,
    mode: DropMode,
    /// Within the poll, not after it.
    inside: bool,
}

/// How an operation is disturbed.
trait Way {
    /// What was done to it.
    const VERB: &'static str;
    /// Whether that can happen while it is polled.
    const INSIDE: bool;

    /// Polls `future`, and disturbs it at `point`. [`DropMode::Later`] means after so many steps.
    fn take<F: Future>(
        future: F,
        point: Option<Point>,
        later: u32,
        polls: &Cell<u32>,
    ) -> impl Future<Output = Outcome<F::Output>>;
}

/// All points, for an operation that takes `polls` polls.
fn points<H: Way>(polls: u32) -> impl Iterator<Item = Point> {
    let outside = [DropMode::Pending, DropMode::Woken, DropMode::Later].map(|mode| (mode, false));
    let inside = H::INSIDE.then_some((DropMode::Pending, true));
    let ways = outside.into_iter().chain(inside);
    let points = (0..polls.max(1)).flat_map(move |after| {
        let ways = ways.clone();
        ways.map(move |(mode, inside)| Point {
            after,
            mode,
            inside,
        })
    });
    // Nobody can wake what was never polled.
    points.filter(|point| point.after > 0 || point.mode != DropMode::Woken)
}

/// One operation under test.
struct Trial<'a, S, O, V, H> {
    at: &'static Location<'static>,
    setup: &'a S,
    op: &'a O,
    verify: &'a V,
    way: PhantomData<H>,
}

/// What one schedule showed.
struct Seen {
    polls: u32,
    choices: Vec<u16>,
    widths: Vec<u16>,
}

impl<'a, W, T, S, SF, O, OF, V, VF, H> Trial<'a, S, O, V, H>
where
    H: Way,
    W: Clone,
    S: Fn() -> SF,
    SF: Future<Output = W>,
    O: Fn(W) -> OF,
    OF: Future<Output = T>,
    V: Fn(W, Outcome<T>) -> VF,
    VF: Future<Output = Result<(), String>>,
{
    fn new(at: &'static Location<'static>, setup: &'a S, op: &'a O, verify: &'a V) -> Self {
        Trial {
            at,
            setup,
            op,
            verify,
            way: PhantomData,
        }
    }

    /// All points under one seed. Returns how often the undisturbed `op` was polled.
    fn every_point(&self, seed: u64, report: &mut CancelReport) -> u32 {
        let config = || Config::swarm(seed).max_steps(100_000);
        let polls = self.once(config(), None, report).polls;
        for point in points::<H>(polls) {
            self.once(config(), Some(point), report);
        }
        polls
    }

    /// All points under each of these seeds, or under the one that `REGATTA_SEED` names.
    fn for_each(&self, seeds: Range<u64>) -> CancelReport {
        let seeds = env::seed().map_or(seeds, |seed| seed..seed.saturating_add(1));
        let mut report = CancelReport::default();
        for seed in seeds {
            report.max_polls = report.max_polls.max(self.every_point(seed, &mut report));
        }
        report
    }

    /// All points in all interleavings, so many at most for each.
    fn exhaust(&self, max_runs: u64) -> CancelReport {
        let mut report = CancelReport {
            complete: true,
            ..CancelReport::default()
        };
        let polls = self.every_schedule(None, max_runs, &mut report);
        report.max_polls = polls;
        for point in points::<H>(polls) {
            self.every_schedule(Some(point), max_runs, &mut report);
        }
        report
    }

    /// All interleavings with one point. Returns the most polls that `op` had.
    fn every_schedule(
        &self,
        point: Option<Point>,
        max_runs: u64,
        report: &mut CancelReport,
    ) -> u32 {
        let (mut next, mut runs, mut polls) = (Some(Vec::new()), 0, 0);
        while let Some(prefix) = next.take() {
            if runs >= max_runs {
                report.complete = false;
                break;
            }
            runs += 1;
            let config = Config::new(0)
                .max_steps(20_000)
                .policy(Policy::Replay(prefix));
            let seen = self.once(config, point, report);
            polls = polls.max(seen.polls);
            next = next_schedule(seen.choices, &seen.widths);
        }
        polls
    }

    fn once(&self, config: Config, point: Option<Point>, report: &mut CancelReport) -> Seen {
        let (polls, dropped) = (Cell::new(0), Cell::new(false));
        let seed = config.seed;
        let later = (seed % 5) as u32;
        let ran = simulate(config, self.at, async || {
            let world = (self.setup)().await;
            // Any number of the rivals' steps may come first.
            yield_now().await;
            let op = (self.op)(world.clone());
            let outcome = H::take(op, point, later, &polls).await;
            dropped.set(matches!(outcome, Outcome::Cancelled { .. }));
            (self.verify)(world, outcome).await
        });
        report.schedules += 1;
        report.steps += ran.report.steps;
        if dropped.get() {
            report.drops += 1;
        } else {
            report.completions += 1;
        }
        let reason = match ran.report.value {
            Ok(Ok(())) => None,
            Ok(Err(reason)) => Some(reason),
            Err(failure) => Some(failure.to_string()),
        };
        if let Some(reason) = reason {
            report.fail(seed, H::VERB, point, reason);
        }
        Seen {
            polls: polls.get(),
            choices: ran.report.choices,
            widths: ran.report.widths,
        }
    }
}
