//! How a shutdown goes. Public through the patterns that shut down.

use crate::runtime::Instant;
use crate::runtime::{Runtime, Sleep, coop};
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

/// How long a shutdown takes: how long work may go on before it is cancelled, and how long cleanup may take after that.
///
/// Everybody is cancelled at the same moment, and both times count from the call: the shutdown never takes longer than
/// their sum. A plain [`Duration`] is [`within`](Shutdown::within) it.
///
/// # Examples
///
/// ```
/// use regatta::{background::{Background, Shutdown}, time};
/// use std::time::Duration;
///
/// regatta::testing::run(async || {
///     let background = Background::<String>::new(|mishap| eprintln!("{mishap}")).expect("virtual time can spawn");
///     background.spawn("refresh the cache", async {
///         loop {
///             time::sleep(Duration::from_secs(3)).await; // and read everything anew
///         }
///     });
///     // It never ends by itself, so there is nothing to wait for before it is asked to.
///     let report = background.shutdown(Shutdown::now().cleanup(Duration::from_secs(10))).await;
///     assert_eq!(report.cancelled, ["refresh the cache".into()]);
///     assert_eq!(regatta::testing::now(), Duration::ZERO);
/// });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shutdown {
    work: Duration,
    cleanup: Duration,
}

impl Shutdown {
    /// Cancels everybody at once. Without a time for [`cleanup`](Shutdown::cleanup), whoever does not go at once is
    /// left.
    pub const fn now() -> Self {
        Shutdown::after(Duration::ZERO)
    }

    /// Lets work go on for up to `limit`, then cancels what is left. [`Duration::MAX`] waits for ever.
    pub const fn after(limit: Duration) -> Self {
        Shutdown {
            work: limit,
            cleanup: Duration::ZERO,
        }
    }

    /// Takes `total` at the most, cleanup included: what still works when three quarters of it have passed is
    /// cancelled. [`Duration::MAX`] waits for ever.
    pub const fn within(total: Duration) -> Self {
        let cleanup = match total.checked_div(4) {
            Some(quarter) if total.as_secs() < u64::MAX => quarter,
            _ => Duration::ZERO,
        };
        Shutdown {
            work: total.saturating_sub(cleanup),
            cleanup,
        }
    }

    /// The time for the cleanup of those that are cancelled. Default: none.
    pub const fn cleanup(self, limit: Duration) -> Self {
        Shutdown {
            cleanup: limit,
            ..self
        }
    }

    /// Waits until `gone` is ready, with a call of `ask` in between, as long as may be. False: not everybody is gone in
    /// time.
    ///
    /// On the timers of the caller, which lives: what is being shut down may have lost its runtime.
    pub(crate) async fn run(self, gone: impl Future, ask: impl FnOnce()) -> bool {
        coop::spend().await;
        let mut gone = pin!(gone);
        let runtime = Runtime::current();
        let asks_at = runtime.now().checked_add(self.work);
        if !self.work.is_zero() && until(&runtime, asks_at, gone.as_mut()).await {
            return true;
        }
        ask();
        let ends_at = asks_at.and_then(|at| at.checked_add(self.cleanup));
        until(&runtime, ends_at, gone).await
    }
}

impl From<Duration> for Shutdown {
    fn from(total: Duration) -> Self {
        Shutdown::within(total)
    }
}

/// True when `gone` was ready first. `None`: there is no end to the waiting.
async fn until(runtime: &Runtime, at: Option<Instant>, mut gone: Pin<&mut impl Future>) -> bool {
    let mut timer: Option<Pin<Box<Sleep>>> = at.map(|at| Box::pin(runtime.sleep_until(at)));
    poll_fn(|cx| {
        if gone.as_mut().poll(cx).is_ready() {
            return Poll::Ready(true);
        }
        match &mut timer {
            Some(timer) => timer.as_mut().poll_unbudgeted(cx).map(|()| false),
            None => Poll::Pending,
        }
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_limit_is_for_work_and_cleanup_together() {
        let shutdown = Shutdown::from(Duration::from_secs(10));
        assert_eq!(shutdown.work, Duration::from_millis(7500));
        assert_eq!(shutdown.cleanup, Duration::from_millis(2500));
        for total in [0, 1, 2, 3, 1_000_000_007].map(Duration::from_nanos) {
            let Shutdown { work, cleanup } = Shutdown::within(total);
            assert_eq!(work + cleanup, total);
        }
        assert_eq!(Shutdown::within(Duration::MAX).work, Duration::MAX);
    }
}
