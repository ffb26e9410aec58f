//! Many simulations of one program.

mod report;
mod shrink;

pub use report::{ExploreFailure, ExploreReport};

use super::chooser::Logged;
use super::config::{Config, Policy};
use super::env;
use super::run::simulate;
use crate::runtime::Instant;
use crate::runtime::Runtime;
use shrink::shrink;
use std::collections::HashSet;
use std::future::Future;
use std::ops::Range;
use std::panic::Location;
use std::time::Duration;

fn clock() -> Instant {
    Runtime::neutral().now()
}

/// Runs `root` under `seeds` schedules: a test.
///
/// `REGATTA_SEED` replays that one seed instead, `REGATTA_SEEDS` sets how many there are. The first seed is run
/// twice, to see whether `root` depends on anything but the seed.
///
/// # Panics
///
/// At the first failure, shrunk and with its seed. When two runs of one seed differ. When an environment variable is no number. Inside a simulation.
///
/// # Examples
///
/// ```
/// use regatta::{Runtime, testing};
/// use std::sync::atomic::{AtomicU32, Ordering};
/// use std::sync::Arc;
///
/// testing::check(200, || async {
///     let sum = Arc::new(AtomicU32::new(0));
///     for i in 1..=3 {
///         let sum = sum.clone();
///         let task = Runtime::current().try_spawn(async move { sum.fetch_add(i, Ordering::Relaxed) });
///         drop(task.expect("it can spawn"));
///     }
///     testing::settle().await;
///     assert_eq!(sum.load(Ordering::Relaxed), 6);
/// });
/// ```
#[track_caller]
pub fn check<F, Fut>(seeds: u64, root: F) -> ExploreReport
where
    F: Fn() -> Fut,
    Fut: Future<Output = ()>,
{
    let at = Location::caller();
    let seeds = match env::seed() {
        Some(seed) => seed..seed.saturating_add(1),
        None => 0..env::seeds().unwrap_or(seeds),
    };
    if let Some(first) = seeds.clone().next() {
        check_twice(first, at, &root);
    }
    let report = explore_seeds(seeds, at, &root);
    report.unwrap();
    report
}

/// Whether two runs of one seed are one and the same.
#[track_caller]
fn check_twice<F, Fut>(seed: u64, at: &'static Location<'static>, root: &F)
where
    F: Fn() -> Fut,
    Fut: Future<Output = ()>,
{
    let logged = || {
        let mut config = Config::swarm(seed);
        config.log = true;
        simulate(config, at, root).report
    };
    let once = logged();
    if once.value.is_err() {
        // The search that follows finds it again, and shrinks it.
        return;
    }
    let again = logged();
    if once.trace == again.trace {
        return;
    }
    let (a, b) = (once.log.unwrap_or_default(), again.log.unwrap_or_default());
    let same = a.iter().zip(&b).take_while(|(a, b)| a == b).count();
    let ran = |log: &[Logged]| match log.get(same) {
        Some(Logged { serial: 0, now }) => {
            format!("the root ran at {:?}", Duration::from_nanos(*now))
        }
        Some(Logged { serial, now }) => {
            format!("task #{serial} ran at {:?}", Duration::from_nanos(*now))
        }
        None => "it was over".into(),
    };
    panic!(
        "not deterministic: two runs of seed {seed} parted at step {}, where once {} and once {}. Something here depends on the real \
         clock, on addresses, or on randomness that the seed does not reach (a HashMap's order, `futures::select!`)",
        same + 1,
        ran(&a),
        ran(&b)
    );
}

/// Runs `root` once for each seed, with a [swarm](Config::swarm) of configurations; stops at the first failure, shrinks it and
/// prints how to replay it. `REGATTA_SEED` replaces the range by that one seed.
///
/// # Panics
///
/// When `REGATTA_SEED` is no number; inside a simulation.
///
/// # Examples
///
/// ```
/// use regatta::{Runtime, testing};
/// use std::sync::{Arc, Mutex};
///
/// // Two tasks race, and the test relies on who wins.
/// let report = testing::explore(0..1000, || async {
///     let order = Arc::new(Mutex::new(vec![]));
///     for i in 0..2 {
///         let order = order.clone();
///         drop(Runtime::current().try_spawn(async move { order.lock().unwrap().push(i) }));
///     }
///     testing::settle().await;
///     assert_eq!(*order.lock().unwrap(), [0, 1]);
/// });
/// let failure = report.failure.expect("some schedule runs the second task first");
/// assert!(failure.to_string().contains(&format!("REGATTA_SEED={}", failure.seed)));
/// ```
#[track_caller]
#[must_use = "a failure is in the report; `unwrap` panics with it"]
pub fn explore<F, Fut>(seeds: Range<u64>, root: F) -> ExploreReport
where
    F: Fn() -> Fut,
    Fut: Future<Output = ()>,
{
    let at = Location::caller();
    let seeds = env::seed().map_or(seeds, |seed| seed..seed.saturating_add(1));
    let report = explore_seeds(seeds, at, &root);
    if let Some(failure) = &report.failure {
        eprintln!("{failure}");
    }
    report
}

fn explore_seeds<F, Fut>(
    seeds: Range<u64>,
    at: &'static Location<'static>,
    root: &F,
) -> ExploreReport
where
    F: Fn() -> Fut,
    Fut: Future<Output = ()>,
{
    let start = clock();
    let mut traces = HashSet::new();
    let mut all = ExploreReport::default();
    for seed in seeds {
        let config = Config::swarm(seed);
        let report = simulate(config.clone(), at, root).report;
        all.count(&report);
        traces.insert(report.trace);
        if let Err(failure) = report.value {
            let replay = shrink(config, &failure, report.choices, report.steps, at, root);
            all.failure = Some(ExploreFailure {
                failure,
                seed,
                runs_before: all.runs - 1,
                replay,
                by_seed: true,
            });
            break;
        }
    }
    all.distinct = traces.len() as u64;
    all.real_time = clock() - start;
    all
}

/// Runs `root` under every interleaving of its tasks, at most `max_runs`: depth first over each choice of who runs next. A proof when the
/// report says [`complete`](ExploreReport::complete). For programs of a few tasks with a few awaits: the number grows
/// exponentially.
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
/// let report = testing::explore_all(100_000, || async {
///     for _ in 0..3 {
///         drop(Runtime::current().try_spawn(testing::yield_now()));
///     }
///     testing::settle().await;
/// });
/// report.unwrap();
/// assert!(report.complete);
/// ```
#[track_caller]
#[must_use = "a failure is in the report; `unwrap` panics with it"]
pub fn explore_all<F, Fut>(max_runs: u64, root: F) -> ExploreReport
where
    F: Fn() -> Fut,
    Fut: Future<Output = ()>,
{
    let at = Location::caller();
    let start = clock();
    let mut all = ExploreReport::default();
    let mut next = Some(Vec::new());
    while let Some(prefix) = next.take().filter(|_| all.runs < max_runs) {
        let config = Config::new(0).policy(Policy::Replay(prefix));
        let report = simulate(config.clone(), at, &root).report;
        all.count(&report);
        if let Err(failure) = report.value {
            let replay = shrink(config, &failure, report.choices, report.steps, at, &root);
            all.failure = Some(ExploreFailure {
                failure,
                seed: 0,
                runs_before: all.runs - 1,
                replay,
                by_seed: false,
            });
            break;
        }
        next = next_schedule(report.choices, &report.widths);
        all.complete = next.is_none();
    }
    all.distinct = all.runs;
    all.real_time = clock() - start;
    if let Some(failure) = &all.failure {
        eprintln!("{failure}");
    }
    all
}

/// The schedule that comes after `choices` in depth-first order: the last choice that has an alternative takes it.
pub(super) fn next_schedule(mut choices: Vec<u16>, widths: &[u16]) -> Option<Vec<u16>> {
    while let Some(last) = choices.pop() {
        if last + 1 < widths[choices.len()] {
            choices.push(last + 1);
            return Some(choices);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedules_are_counted_up_like_numbers() {
        let mut seen = vec![];
        let mut next = Some(vec![0, 0]);
        while let Some(now) = next {
            seen.push(now.clone());
            next = next_schedule(now, &[2, 2]).map(|mut c| {
                c.resize(2, 0);
                c
            });
        }
        assert_eq!(seen, [[0, 0], [0, 1], [1, 0], [1, 1]]);
    }
}
