//! Drops protected calls at every await, 100,000 times, and counts what is left: every permit once, no probe, no attempt.
#![cfg(not(any(feature = "tokio", feature = "smol")))] // virtual time: the same with every feature, so once is enough
#![allow(
    clippy::unwrap_used,
    reason = "clippy allows it in test functions, not in the bodies beside them"
)]

use regatta::circuit_breaker::{CircuitBreaker, OnDrop};
use regatta::policy::{Failure, Policy};
use regatta::rate_limit::{Quota, RateLimiter};
use regatta::retry::Backoff;
use regatta::testing::{Outcome, cancel_safety_drops};
use regatta::time;
use std::time::Duration;

const DROPS: u64 = 100_000;
const MS: Duration = Duration::from_millis(1);

#[test]
fn a_dropped_call_leaves_nothing_in_any_layer() {
    let setup = || async {
        let limiter = RateLimiter::new(Quota::new(2, 4 * MS));
        let breaker = CircuitBreaker::builder()
            .on_drop(OnDrop::Ignore)
            .min_calls(100)
            .build();
        (limiter, breaker)
    };
    let op = |(limiter, breaker): (RateLimiter, CircuitBreaker)| async move {
        let policy = Policy::new()
            .timeout(60 * MS)
            .retry(Backoff::constant(MS).max_attempts(4))
            .rate_limit(limiter)
            .circuit_breaker(breaker)
            .attempt_timeout(2 * MS);
        let call = || async {
            time::sleep(MS).await;
            Err::<(), _>("down")
        };
        policy.run(call).await
    };
    let verify = |(limiter, breaker): (RateLimiter, CircuitBreaker),
                  _: Outcome<Result<(), Failure<&'static str>>>| async move {
        time::sleep(20 * MS).await;
        let stats = limiter.stats();
        if stats.waiting != 0 || stats.granted > 4 {
            return Err(format!("{stats:?}"));
        }
        limiter
            .try_acquire(2)
            .map_err(|e| format!("permits were lost: {e}"))?;
        breaker
            .try_enter()
            .map(|pass| pass.ignored())
            .map_err(|e| e.to_string())
    };
    let report = cancel_safety_drops(DROPS, setup, op, verify);
    report.unwrap();
    assert!(report.drops >= DROPS, "{report}");
}
