//! The far ends of the clock, and deep nesting.

use crate::ground::{HOUR, MS, now};
use regatta::cancel::{self, CancelToken};
use regatta::testing::yield_now;
use regatta::time::{self, Deadline};
use std::future::pending;
use std::time::{Duration, Instant};

/// The last moment the clock can name, to within a second.
fn end_of_time() -> Instant {
    let mut at = now();
    let mut step = Duration::MAX;
    while step >= Duration::from_secs(1) {
        match at.checked_add(step) {
            Some(later) => at = later,
            None => step /= 2,
        }
    }
    at
}

async fn a_limit_without_end_never_fires() {
    assert_eq!(time::timeout(Duration::MAX, time::sleep(MS)).await, Ok(()));
    assert_eq!(time::timeout_or(Duration::MAX, async { 1 }, || 2).await, 1);
    let token = CancelToken::new().child_for(Duration::MAX);
    assert_eq!(token.deadline(), None);
    assert_eq!(token.run(time::sleep(MS)).await, Ok(()));
    assert!(!token.is_cancelled());
    let deadline = Deadline::after(HOUR);
    deadline.move_to_after(Duration::MAX).unwrap();
    assert_eq!(deadline.moment(), None);
    assert_eq!(deadline.run(time::sleep(MS)).await, Ok(()));
    assert_eq!(
        cancel::shield_for(Duration::MAX, time::sleep(MS)).await,
        Ok(())
    );
    let named = time::timeout(Duration::MAX, async {
        let inside = (cancel::check().is_ok(), cancel::deadline());
        yield_now().await;
        inside
    });
    assert_eq!(named.named("for ever").await, Ok((true, None)));
}

async fn the_end_of_the_clock_is_a_moment_like_others() {
    let end = end_of_time();
    assert_eq!(time::timeout_at(end, time::sleep(MS)).await, Ok(()));
    assert!(time::timeout(MS, time::sleep_until(end)).await.is_err());
    let deadline = Deadline::at(end);
    assert_eq!(
        deadline.run(async { cancel::deadline() }).await,
        Ok(Some(end))
    );
    assert_eq!(deadline.run(time::sleep(MS)).await, Ok(()));
    let token = CancelToken::new().child_until(end);
    assert!(
        token
            .run(time::timeout(MS, pending::<()>()))
            .await
            .unwrap()
            .is_err()
    );
}

async fn a_thousand_timeouts_deep() {
    let mut work: futures::future::BoxFuture<'static, u32> = Box::pin(async {
        assert!(cancel::deadline().is_some());
        time::sleep(MS).await;
        0
    });
    for _ in 0..1000 {
        let inner = work;
        work = Box::pin(async move { time::timeout(HOUR, inner).await.unwrap() + 1 });
    }
    assert_eq!(work.await, 1000);
}

regatta::matrix! {
    a_limit_without_end_never_fires;
    the_end_of_the_clock_is_a_moment_like_others;
    a_thousand_timeouts_deep;
}
