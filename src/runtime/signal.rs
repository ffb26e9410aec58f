//! Ctrl-C as a future, on every runtime. Feature `signal`.
//!
//! # Example
//!
//! ```no_run
//! use regatta::{cancel::CancelToken, runtime::signal, time};
//! use std::time::Duration;
//!
//! async fn serve() {
//!     time::sleep(Duration::from_secs(3600)).await;
//! }
//!
//! regatta::run(async {
//!     let stop = CancelToken::new();
//!     let ctrl_c = signal::ctrl_c().expect("no other handler is installed");
//!     let ended = regatta::task::race([
//!         Box::pin(async { stop.run(serve()).await.is_ok() }) as std::pin::Pin<Box<dyn Future<Output = bool>>>,
//!         Box::pin(async {
//!             ctrl_c.await;
//!             false
//!         }),
//!     ]);
//!     if !ended.await {
//!         println!("stopped by Ctrl-C");
//!     }
//! });
//! ```
//!
//! # How it behaves
//!
//! The first call of [`ctrl_c`] installs a handler for the process, with a thread of its own; from then on Ctrl-C ends the process no more. Every future that
//! exists when Ctrl-C is pressed becomes ready, on whatever runtime it is polled. A second press counts for those made after the first:
//! make a second future to let an impatient user break off a slow shutdown.
//!
//! The idea is that of `tokio::signal::ctrl_c`; the handler is that of the `ctrlc` crate.

use event_listener::{Event, EventListener};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

/// How often it was pressed.
static PRESSED: AtomicU64 = AtomicU64::new(0);
static EVENT: Event = Event::new();
static INSTALLED: Mutex<bool> = Mutex::new(false);

/// Waits for the next Ctrl-C (SIGINT; on Windows also Ctrl-Break), counted from this call.
///
/// # Errors
///
/// [`SignalError`]: the program has installed a handler of another kind, or the system refused ours. The next call tries again.
///
/// # Cancel safety
///
/// Dropping the future leaves nothing behind but the handler of the process: Ctrl-C does not end the process by itself any more.
pub fn ctrl_c() -> Result<CtrlC, SignalError> {
    let mut installed = INSTALLED.lock().unwrap_or_else(PoisonError::into_inner);
    if !*installed {
        ctrlc::try_set_handler(pressed).map_err(SignalError)?;
        *installed = true;
    }
    Ok(CtrlC {
        seen: PRESSED.load(Ordering::SeqCst),
        listener: None,
    })
}

fn pressed() {
    PRESSED.fetch_add(1, Ordering::SeqCst);
    EVENT.notify(usize::MAX);
}

/// Becomes ready when Ctrl-C is pressed; made by [`ctrl_c`].
#[must_use = "futures do nothing unless polled"]
pub struct CtrlC {
    seen: u64,
    listener: Option<EventListener>,
}

impl Future for CtrlC {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        loop {
            if PRESSED.load(Ordering::SeqCst) != this.seen {
                return Poll::Ready(());
            }
            // Listens first and looks again second, so no press falls in between.
            let Some(listener) = &mut this.listener else {
                this.listener = Some(EVENT.listen());
                continue;
            };
            match Pin::new(listener).poll(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(()) => this.listener = None,
            }
        }
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
