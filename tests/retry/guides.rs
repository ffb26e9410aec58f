//! The bugs of the guides' `retry` (`seeds/004`), which cannot be written here: it retries everything, cancellation and mistakes in the program too, and sleeps once more
//! after the last failure.

use super::{MS, SECOND, flaky};
use futures_util::FutureExt;
use regatta::cancel::CancelToken;
use regatta::retry::{Backoff, GaveUp, retry};
use regatta::testing::now;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU32, Ordering};

/// Three attempts, a second and twice as long each time: it sleeps for 1, 2 and once more 4 seconds.
async fn after_the_last_failure_nothing_is_waited_for() {
    let backoff = Backoff::exponential(SECOND).max_attempts(3);
    let error = retry(backoff, flaky(3)).await.unwrap_err();
    assert_eq!((error.attempts, error.gave_up), (3, GaveUp::Attempts));
    assert_eq!(now(), 3 * SECOND);
    // Where the one attempt there is fails, none at all.
    let backoff = Backoff::exponential(SECOND).max_attempts(1);
    assert!(retry(backoff, flaky(1)).await.is_err());
    assert_eq!(now(), 3 * SECOND);
}

/// An `AttributeError` is tried three times there.
async fn a_mistake_in_the_program_is_not_retried() {
    let calls = AtomicU32::new(0);
    let call = retry(Backoff::constant(MS), || async {
        calls.fetch_add(1, Ordering::Relaxed);
        let empty: [u32; 0] = [];
        Ok::<_, &str>(empty[calls.load(Ordering::Relaxed) as usize])
    });
    assert!(AssertUnwindSafe(call).catch_unwind().await.is_err());
    assert_eq!(calls.load(Ordering::Relaxed), 1);
}

/// Cancelled while it waits for the next attempt, there is none.
async fn who_is_cancelled_in_a_delay_makes_no_further_attempt() {
    let (token, calls) = (CancelToken::new(), AtomicU32::new(0));
    let call = retry(Backoff::constant(SECOND), || async {
        calls.fetch_add(1, Ordering::Relaxed);
        token.cancel();
        regatta::time::sleep(SECOND).await;
        Ok::<_, &str>(())
    });
    let delayed = retry(Backoff::constant(SECOND), || {
        calls.fetch_add(1, Ordering::Relaxed);
        std::future::ready(Err::<(), _>("down"))
    });
    assert!(token.run(call).await.is_err());
    assert_eq!(calls.swap(0, Ordering::Relaxed), 1);
    let token = CancelToken::new();
    let cancels = async {
        futures_lite::future::yield_now().await;
        token.cancel();
    };
    let (ended, ()) = futures_lite::future::zip(token.run(delayed), cancels).await;
    assert!(ended.is_err());
    assert_eq!(calls.load(Ordering::Relaxed), 1);
}

regatta::matrix! {
    after_the_last_failure_nothing_is_waited_for [sim];
    a_mistake_in_the_program_is_not_retried;
    who_is_cancelled_in_a_delay_makes_no_further_attempt;
}
