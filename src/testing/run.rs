//! Running one simulation.

use super::config::Config;
use super::env;
use super::failure::Failure;
use super::report::Report;
use super::session::Session;
use super::shared::ROOT;
use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll};

/// Runs `root` in virtual time and gives what it returns.
///
/// Seed 0, or the one in the environment variable `REGATTA_SEED`. Spawning, timers and the clock of
/// [`Runtime::current`](crate::Runtime::current) are virtual inside; an hour's sleep costs nothing. When the root returns, tasks that are left are dropped.
///
/// # Panics
///
/// When the simulation [fails](Failure), with the report; the panic of the root itself keeps its own message. Also inside another
/// simulation, and when `REGATTA_SEED` is no number.
///
/// # Examples
///
/// ```
/// use regatta::{Runtime, testing};
/// use std::time::Duration;
///
/// let slept = testing::run(async || {
///     Runtime::current().sleep(Duration::from_secs(3600)).await;
///     testing::now()
/// });
/// assert_eq!(slept, Duration::from_secs(3600));
/// ```
#[track_caller]
pub fn run<F, Fut>(root: F) -> Fut::Output
where
    F: FnOnce() -> Fut,
    Fut: Future,
{
    let config = Config::new(env::seed().unwrap_or(0));
    let ran = simulate(config, Location::caller(), root);
    if let Some(payload) = ran.payload {
        eprintln!("regatta::testing: replay: REGATTA_SEED={}", ran.report.seed);
        std::panic::resume_unwind(payload);
    }
    ran.report.unwrap()
}

/// Runs `root` in virtual time as `config` says, and reports how it went.
///
/// # Panics
///
/// Inside another simulation.
///
/// # Examples
///
/// ```
/// use regatta::testing::{self, Config, Failure};
///
/// let endless = async || loop { testing::yield_now().await };
/// let report = testing::run_with(Config::new(0).max_steps(1000), endless);
/// assert!(matches!(report.value, Err(Failure::Livelock { .. })));
/// ```
#[track_caller]
pub fn run_with<F, Fut>(config: Config, root: F) -> Report<Fut::Output>
where
    F: FnOnce() -> Fut,
    Fut: Future,
{
    simulate(config, Location::caller(), root).report
}

pub(super) struct Ran<T> {
    pub(super) report: Report<T>,
    /// What the root panicked with.
    pub(super) payload: Option<Box<dyn Any + Send>>,
}

pub(super) fn simulate<F, Fut>(
    config: Config,
    at: &'static Location<'static>,
    root: F,
) -> Ran<Fut::Output>
where
    F: FnOnce() -> Fut,
    Fut: Future,
{
    let (seed, forbid_leaks) = (config.seed, config.forbid_leaks);
    let mut session = Session::begin(config, at);
    // The closure runs inside the first poll, where everything else runs, too.
    let root = session.runtime.within(async move { root().await });
    let mut root = pin!(Some(root));
    let mut payload = None;
    let mut value = loop {
        let turn = match session.next() {
            Ok(turn) => turn,
            Err(failure) => break Err(failure),
        };
        if turn.slot != ROOT {
            if let Err(failure) = session.poll(turn) {
                break Err(failure);
            }
            continue;
        }
        let Some(future) = root.as_mut().as_pin_mut() else {
            continue;
        };
        let mut cx = Context::from_waker(&turn.waker);
        match catch_unwind(AssertUnwindSafe(|| future.poll(&mut cx))) {
            Ok(Poll::Pending) => {
                if let Err(failure) = session.root_parked(turn) {
                    break Err(failure);
                }
            }
            Ok(Poll::Ready(value)) => break Ok(value),
            Err(panic) => {
                let failure = session.root_panicked(&*panic);
                payload = Some(panic);
                break Err(failure);
            }
        }
    };
    if value.is_ok() && forbid_leaks {
        value = session.leaks().map_or(value, Err);
    }
    let torn = session.tear_down(|| root.set(None));
    if let (Ok(_), Some(failure)) = (&value, torn) {
        value = Err(failure);
    }
    let elapsed = session.elapsed();
    let Session {
        shared,
        core,
        chooser,
        steps,
        runtime,
        installed,
        ..
    } = session;
    let tasks = core.spawned.get();
    // The thread is itself again; what still holds the shared half now was leaked.
    drop((installed, core, runtime));
    let held = Arc::strong_count(&shared) - 1 - usize::from(shared.handle_alive.load(Relaxed));
    if forbid_leaks && held > 0 && value.is_ok() {
        value = Err(Failure::LeakedWakers { count: held });
    }
    let report = Report {
        value,
        seed,
        steps,
        elapsed,
        tasks,
        trace: chooser.trace,
        choices: chooser.choices,
        widths: chooser.widths,
        log: chooser.log,
    };
    Ran { report, payload }
}
