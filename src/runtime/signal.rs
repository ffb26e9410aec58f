//! Ctrl-C as a future, on every runtime. Feature `signal`.
//!
//! # Example
//!
//! ```
//! use regatta::runtime::signal;
//! use regatta::task::{OneOf, race_of};
//! use regatta::time;
//! use std::time::Duration;
//!
//! async fn serve() -> &'static str {
//!     time::sleep(Duration::from_millis(5)).await;
//!     "all is served"
//! }
//!
//! regatta::run(async {
//!     let ctrl_c = signal::ctrl_c().expect("no other handler is installed");
//!     // Whichever is first; the other one is cancelled, and cleans up.
//!     let ended = match race_of((serve(), ctrl_c)).await {
//!         OneOf::A(said) => said,
//!         OneOf::B(()) => "stopped by Ctrl-C",
//!     };
//!     assert_eq!(ended, "all is served");
//! });
//! ```
//!
//! # How it behaves
//!
//! The first call of [`ctrl_c`] installs a handler for the process, with a thread of its own. From then on Ctrl-C
//! does not end the process by itself. Every future that exists when Ctrl-C is pressed becomes ready, on whatever
//! runtime it is polled. A second press counts for futures made after the first: make a second future to let an
//! impatient user break off a slow shutdown.
//!
//! The idea is that of `tokio::signal::ctrl_c`; the handler is that of the `ctrlc` crate.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// How often it was pressed.
static PRESSED: AtomicU64 = AtomicU64::new(0);
static INSTALLED: Mutex<bool> = Mutex::new(false);
/// By the number of the future. No waker is cloned, woken or dropped under the lock.
static WAITING: Mutex<BTreeMap<u64, Waker>> = Mutex::new(BTreeMap::new());
static NEXT: AtomicU64 = AtomicU64::new(0);

fn waiting() -> MutexGuard<'static, BTreeMap<u64, Waker>> {
    WAITING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits for the next Ctrl-C (SIGINT; on Windows also Ctrl-Break), counted from this call.
///
/// # Errors
///
/// [`SignalError`]: the program has installed a handler of another kind, or the system refused ours. The next call
/// tries again.
///
/// # Cancel safety
///
/// Dropping the future leaves nothing behind but the handler of the process: Ctrl-C does not end the process by itself
/// any more.
pub fn ctrl_c() -> Result<CtrlC, SignalError> {
    let mut installed = INSTALLED.lock().unwrap_or_else(PoisonError::into_inner);
    if !*installed {
        ctrlc::try_set_handler(pressed).map_err(SignalError)?;
        *installed = true;
    }
    Ok(CtrlC {
        number: NEXT.fetch_add(1, Ordering::Relaxed),
        seen: PRESSED.load(Ordering::SeqCst),
    })
}

fn pressed() {
    PRESSED.fetch_add(1, Ordering::SeqCst);
    let all = std::mem::take(&mut *waiting());
    for waker in all.into_values() {
        // One that panics must not keep it from the others. The panic hook has said it.
        let _ = catch_unwind(AssertUnwindSafe(|| waker.wake()));
    }
}

/// Becomes ready when Ctrl-C is pressed; made by [`ctrl_c`].
#[must_use = "futures do nothing unless polled"]
pub struct CtrlC {
    number: u64,
    seen: u64,
}

impl Future for CtrlC {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let is_pressed = || PRESSED.load(Ordering::SeqCst) != self.seen;
        if is_pressed() {
            return Poll::Ready(());
        }
        let waker = cx.waker().clone();
        let old = waiting().insert(self.number, waker);
        drop(old);
        // Registered first and looked at second, so no press falls in between.
        if is_pressed() {
            return Poll::Ready(());
        }
        Poll::Pending
    }
}

impl Drop for CtrlC {
    fn drop(&mut self) {
        let waker = waiting().remove(&self.number);
        drop(waker);
    }
}

impl fmt::Debug for CtrlC {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CtrlC").finish_non_exhaustive()
    }
}

/// Ctrl-C cannot be listened for.
#[derive(Debug)]
pub struct SignalError(ctrlc::Error);

impl fmt::Display for SignalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "ctrl_c: the handler could not be installed; if the program has one of its own, let that one stop the work, by a `CancelToken`",
        )
    }
}

impl std::error::Error for SignalError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}
