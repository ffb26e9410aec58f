//! Drops protected calls at every await, 100,000 times, and counts what is left: every permit once, no probe, no attempt.

use regatta::circuit_breaker::{CircuitBreaker, OnDrop};
use regatta::policy::{Failure, Policy};
use regatta::rate_limit::{Quota, RateLimiter};
use regatta::retry::Backoff;
use regatta::testing::{Outcome, cancel_safety_drops};
use regatta::time;
use regatta_soak::{DROPS, MS, passed};

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
    passed(&report);
}
