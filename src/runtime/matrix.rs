//! Starts one test body on a runtime of its own, for [`matrix!`](crate::matrix).
//!
//! The two gates are macros defined under `cfg` here, so that they follow the features of this crate: a `cfg(feature)` inside
//! an exported macro would read those of the crate that calls it.

use super::{BoxFuture, Runtime};
use std::fmt;
use std::future::Future;
use std::io::Write as _;
use std::panic::resume_unwind;
use std::pin::pin;
use std::sync::mpsc;
use std::task::Poll;
use std::time::Duration;

/// Keeps its input when feature `tokio` is on.
#[cfg(feature = "tokio")]
#[doc(hidden)]
#[macro_export]
macro_rules! __with_tokio {
    ($($item:tt)*) => { $($item)* };
}

/// Keeps its input when feature `tokio` is on.
#[cfg(not(feature = "tokio"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __with_tokio {
    ($($item:tt)*) => {};
}

/// Keeps its input when feature `smol` is on.
#[cfg(feature = "smol")]
#[doc(hidden)]
#[macro_export]
macro_rules! __with_smol {
    ($($item:tt)*) => { $($item)* };
}

/// Keeps its input when feature `smol` is on.
#[cfg(not(feature = "smol"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __with_smol {
    ($($item:tt)*) => {};
}

/// How long a test may take before it counts as hung.
const LIMIT: Duration = Duration::from_secs(60);

/// How much longer its runtime may take to say so and to close.
const GRACE: Duration = Duration::from_secs(30);

/// A real runtime to test on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ground {
    /// tokio on the calling thread.
    TokioCurrent,
    /// tokio with two workers.
    TokioMulti,
    /// smol's global executor.
    Smol,
}

impl fmt::Display for Ground {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Ground::TokioCurrent => "tokio_current",
            Ground::TokioMulti => "tokio_multi",
            Ground::Smol => "smol",
        })
    }
}

/// Runs `body` as a spawned task and returns what it returns; a panic goes on in the caller.
pub(crate) fn run_test(
    ground: Ground,
    test: &str,
    body: BoxFuture<'static, Result<(), String>>,
) -> Result<(), String> {
    run_within(LIMIT, ground, test, body)
}

fn run_within<F>(limit: Duration, ground: Ground, test: &str, body: F) -> F::Output
where
    F: Future<Output: Send> + Send + 'static,
{
    let _alarm = Alarm::new(limit + GRACE, format!("{test} on {ground}"));
    start(ground, async move {
        let task = Runtime::current()
            .try_spawn(body)
            .unwrap_or_else(|e| panic!("{test} on {ground}: {e}"));
        let mut task = pin!(task);
        // Real time, whatever the runtime's clock does: tokio's may be paused.
        let mut hung = pin!(Runtime::neutral().sleep(limit));
        let ended = std::future::poll_fn(|cx| match task.as_mut().poll(cx) {
            Poll::Ready(ended) => Poll::Ready(Some(ended)),
            Poll::Pending => hung.as_mut().poll(cx).map(|()| None),
        });
        match ended.await {
            Some(Ok(value)) => value,
            Some(Err(error)) => {
                let why = error.to_string();
                match error.into_panic() {
                    Some(payload) => resume_unwind(payload),
                    None => panic!("{test} on {ground}: {why}"),
                }
            }
            None => panic!("{test} hung on {ground}: it was still running after {limit:?}"),
        }
    })
}

/// Ends the process over a test that stops its runtime: a poll that never returns, or a blocking closure that keeps it from closing.
struct Alarm(#[expect(dead_code, reason = "dropping it calls the alarm off")] mpsc::Sender<()>);

impl Alarm {
    fn new(limit: Duration, test: String) -> Self {
        let (sender, off) = mpsc::channel::<()>();
        let watch = move || {
            if off.recv_timeout(limit) == Err(mpsc::RecvTimeoutError::Timeout) {
                // Written past the test harness, which would keep it until the test ends.
                let _ = writeln!(
                    std::io::stderr().lock(),
                    "\n{test} is stuck: after {limit:?} its runtime does not come back. It blocks a thread, or loops without awaiting. Aborting."
                );
                std::process::abort();
            }
        };
        // Without a thread to spare the test runs unwatched.
        drop(
            std::thread::Builder::new()
                .name("regatta-alarm".into())
                .spawn(watch),
        );
        Alarm(sender)
    }
}

/// Blocks on `main` under a fresh runtime; smol has one for the process.
fn start<F: Future>(ground: Ground, main: F) -> F::Output {
    match ground {
        #[cfg(feature = "tokio")]
        Ground::TokioCurrent => super::run::start(super::Flavor::TokioCurrent, false, main),
        #[cfg(feature = "tokio")]
        Ground::TokioMulti => super::tokio::run_on_two_threads(main),
        #[cfg(feature = "smol")]
        Ground::Smol => super::run::start(super::Flavor::Smol, false, main),
        #[cfg(not(all(feature = "tokio", feature = "smol")))]
        missing => {
            drop(main);
            panic!("{missing} is not compiled in")
        }
    }
}

#[cfg(all(test, any(feature = "tokio", feature = "smol")))]
mod tests {
    use super::*;

    #[cfg(feature = "tokio")]
    const GROUND: Ground = Ground::TokioMulti;
    #[cfg(not(feature = "tokio"))]
    const GROUND: Ground = Ground::Smol;

    #[test]
    #[should_panic(expected = "some::test hung on ")]
    fn a_hung_test_is_named() {
        let limit = Duration::from_millis(20);
        run_within(limit, GROUND, "some::test", std::future::pending::<()>());
    }

    #[test]
    fn a_test_runs_as_a_task_of_its_runtime() {
        let name = run_within(LIMIT, GROUND, "t", async { Runtime::current().name() });
        assert!(GROUND.to_string().starts_with(name));
    }
}
