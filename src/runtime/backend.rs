//! What a runtime that regatta does not know has to bring along.

use crate::runtime::Instant;
use std::fmt;
use std::future::Future;
use std::pin::Pin;

/// A boxed future that may cross threads: what a [`Backend`] is given to run.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A boxed closure for a thread that may block.
pub type BoxWork = Box<dyn FnOnce() + Send>;

/// The four things regatta needs from an executor; everything else is built once, on top.
///
/// Wrap your executor in a type that implements this, and hand it to
/// [`Runtime::custom`](super::Runtime::custom). tokio and smol need no `Backend`: their features bring one.
///
/// # Examples
///
/// A backend that gives every task a thread of its own:
///
/// ```
/// use regatta::runtime::{Backend, BoxFuture, BoxWork, Runtime};
/// use std::time::Instant;
///
/// struct Threads;
/// impl Backend for Threads {
///     fn spawn(&self, task: BoxFuture<'static, ()>) {
///         std::thread::spawn(|| futures::executor::block_on(task));
///     }
///     fn spawn_blocking(&self, work: BoxWork) {
///         std::thread::spawn(work);
///     }
///     fn sleep_until(&self, at: Instant) -> BoxFuture<'static, ()> {
///         let wait = at.saturating_duration_since(Instant::now());
///         Box::pin(futures_timer::Delay::new(wait))
///     }
///     fn now(&self) -> Instant {
///         Instant::now()
///     }
/// }
///
/// let runtime = Runtime::custom(Threads);
/// let sum = runtime.try_spawn(async { 20 + 22 }).expect("a backend can always spawn");
/// assert_eq!(futures::executor::block_on(sum).expect("the task does not panic"), 42);
/// ```
pub trait Backend: Send + Sync + 'static {
    /// Starts `task`; it runs to its end although nobody holds a handle.
    ///
    /// An executor that stops early drops the future, which counts as cancelling it.
    fn spawn(&self, task: BoxFuture<'static, ()>);

    /// Runs `work` on a thread that may block, apart from the event loop.
    fn spawn_blocking(&self, work: BoxWork);

    /// Becomes ready when [`now`](Backend::now) has reached `at`, never earlier.
    fn sleep_until(&self, at: Instant) -> BoxFuture<'static, ()>;

    /// The time on this runtime's clock; never goes back.
    fn now(&self) -> Instant;
}

impl fmt::Debug for dyn Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Backend")
    }
}
