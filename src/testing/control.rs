//! What code inside a simulation can ask of it.

use super::backend::nanos;
use super::core::{self, Core};
use super::shared::{self, Shared};
use super::timer::Timer;
use crate::internal::label as labels;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

/// Whether the calling code runs inside a simulation (and not on a thread beside it).
///
/// # Examples
///
/// ```
/// use regatta::testing;
///
/// assert!(!testing::in_simulation());
/// assert!(testing::run(async || testing::in_simulation()));
/// ```
pub fn in_simulation() -> bool {
    shared::somewhere()
}

fn current(what: &str) -> Rc<Core> {
    core::current().unwrap_or_else(|| {
        panic!("testing::{what} outside a simulation: call it inside `testing::run`, `check` or one of their kin")
    })
}

/// How far the virtual clock has moved since the simulation began.
///
/// # Panics
///
/// Outside a simulation.
///
/// # Examples
///
/// ```
/// use regatta::{Runtime, testing};
/// use std::time::Duration;
///
/// testing::run(async || {
///     assert_eq!(testing::now(), Duration::ZERO);
///     Runtime::current().sleep(Duration::from_millis(3)).await;
///     assert_eq!(testing::now(), Duration::from_millis(3));
/// });
/// ```
pub fn now() -> Duration {
    current("now").shared.lock().time()
}

/// Says what the calling task is about to wait on; reports of a simulation show it until the task is polled again.
///
/// Does nothing elsewhere, so code that also runs for real may call it.
///
/// # Examples
///
/// ```
/// use regatta::testing::{self, Config};
///
/// let report = testing::run_with(Config::new(0), async || {
///     testing::label("the other half");
///     std::future::pending::<()>().await
/// });
/// assert!(report.value.unwrap_err().to_string().contains("waiting on the other half"));
/// ```
pub fn label(what: &'static str) {
    labels::set(what);
}

/// Lets every other task that can run go first, once. Works on every runtime.
///
/// # Cancel safety
///
/// Dropping it does nothing.
///
/// # Examples
///
/// ```
/// use regatta::testing;
///
/// testing::run(async || testing::yield_now().await);
/// ```
pub fn yield_now() -> impl Future<Output = ()> + Send + Sync + Unpin + 'static {
    let mut yielded = false;
    std::future::poll_fn(move |cx| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
}

/// Waits until no task can run unless time moves.
///
/// Goes before the clock: while somebody settles, time stands still. When several tasks do, they return one after the other, each at a moment when nothing else could run.
///
/// # Panics
///
/// Outside a simulation.
///
/// # Cancel safety
///
/// Dropping it removes it from the queue.
///
/// # Examples
///
/// ```
/// use regatta::{Runtime, testing};
///
/// testing::run(async || {
///     let task = Runtime::current().try_spawn(async {
///         for _ in 0..10 {
///             testing::yield_now().await;
///         }
///     });
///     let task = task.expect("it can spawn");
///     assert!(!task.is_finished());
///     testing::settle().await;
///     assert!(task.is_finished());
/// });
/// ```
pub async fn settle() {
    let shared = current("settle").shared.clone();
    Settle { shared, key: None }.await;
}

struct Settle {
    shared: Arc<Shared>,
    key: Option<u64>,
}

impl Future for Settle {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let me = &mut *self;
        let waker = cx.waker().clone();
        let mut s = me.shared.lock();
        let key = match me.key {
            // Taken out: everything was quiet.
            Some(key) if !s.settling.contains_key(&key) => {
                me.key = None;
                return Poll::Ready(());
            }
            Some(key) => key,
            None => s.key(),
        };
        me.key = Some(key);
        let old = s.settling.insert(key, waker);
        drop(s);
        drop(old);
        labels::set("all other tasks (settle)");
        Poll::Pending
    }
}

impl Drop for Settle {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            let old = self.shared.lock().settling.remove(&key);
            drop(old);
        }
    }
}

/// Moves the clock on by `duration`: everything that is due on the way runs, in order, and so does everything due at its end.
///
/// # Panics
///
/// Outside a simulation.
///
/// # Cancel safety
///
/// Dropping it leaves the clock where it is by then.
///
/// # Examples
///
/// ```
/// use regatta::{Runtime, testing};
/// use std::time::Duration;
///
/// testing::run(async || {
///     let second = Duration::from_secs(1);
///     let task = Runtime::current().try_spawn(Runtime::current().sleep(second)).expect("it can spawn");
///     testing::advance(second / 2).await;
///     assert!(!task.is_finished());
///     testing::advance(second / 2).await;
///     assert!(task.is_finished());
/// });
/// ```
pub async fn advance(duration: Duration) {
    let shared = current("advance").shared.clone();
    let at = shared.lock().now.saturating_add(nanos(duration));
    labels::set("the clock (advance)");
    // The clock jumps from timer to timer by itself; what is left is to wait for it, and for the last ones to run.
    Timer::new(shared.clone(), at).await;
    Settle { shared, key: None }.await;
}
