//! One policy in a `static`, with all layers, and runtimes that come and go: what a project has whose tests each bring
//! their own.
#![cfg(all(feature = "tokio", feature = "smol"))]

use super::{MS, SECOND};
use regatta::bulkhead::{Aimd, Bulkhead};
use regatta::circuit_breaker::{CircuitBreaker, State};
use regatta::hedge::{Delay, Latencies};
use regatta::load_shed::LoadShed;
use regatta::policy::{Layer, Policy};
use regatta::rate_limit::{Quota, RateLimiter};
use regatta::retry::{Backoff, Budget, Jitter};
use regatta::runtime::Flavor;
use regatta::{Runtime, run_on, testing, time};
use std::convert::Infallible;
use std::future::{Future, ready};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::time::Duration;

/// Everything there is. The breaker opens at the third failure in a row, for `sleep`.
fn everything(sleep: Duration, quota: Quota) -> (Policy, CircuitBreaker) {
    let breaker = CircuitBreaker::builder()
        .consecutive_failures(3)
        .open_for(sleep)
        .build();
    let latencies = Latencies::new(50);
    let policy = Policy::new()
        .load_shed(
            LoadShed::builder()
                .max_in_flight(100)
                .max_lag(60 * SECOND)
                .build(),
        )
        .timeout(30 * SECOND)
        .retry(
            Backoff::exponential(MS)
                .max_attempts(3)
                .jitter(Jitter::Full),
        )
        .retry_budget(Budget::new(1.0, 10.0))
        .hedge(Delay::percentile(&latencies, 0.9).until_known(20 * SECOND))
        .bulkhead(Bulkhead::builder(Aimd::new(2, 4, 8)).queue(100).build())
        .rate_limit(RateLimiter::new(quota))
        .circuit_breaker(breaker.clone())
        .attempt_timeout(10 * SECOND)
        .measured();
    (policy, breaker)
}

/// More calls than there are permits, some of which fail once: they wait for permits and delays, by the clock that is
/// there.
async fn a_few_calls(policy: &Policy) {
    let start = Runtime::current().now();
    let calls = (0..12).map(|n| async move {
        let failed = AtomicU32::new(0);
        let call = || async {
            time::sleep(MS).await;
            match failed.fetch_add(1, SeqCst) {
                0 if n % 4 == 0 => Err("down"),
                _ => Ok(n),
            }
        };
        assert_eq!(policy.run(call).await, Ok(n));
    });
    let all = futures_util::future::join_all(calls);
    // By the time of whoever drives it: the policy's own limits hold, too.
    let ended = time::timeout(30 * SECOND, all).await;
    assert!(ended.is_ok(), "the calls are stuck on {}", place());
    // Twelve at least, for two permits each four milliseconds, and two for the beginning.
    let took = Runtime::current().now() - start;
    assert!(took >= 15 * MS, "{took:?} on {}", place());
}

fn place() -> String {
    let clock = match testing::in_simulation() {
        true => "simulated",
        false => "real",
    };
    format!("{} ({clock})", Runtime::current().name())
}

/// Simulation, simulation, tokio, tokio, smol; or the other way round.
fn on_five_runtimes<F: Future<Output = ()>>(forwards: bool, mut body: impl FnMut() -> F) {
    let mut order = [0, 1, 2, 3, 4];
    if !forwards {
        order.reverse();
    }
    for n in order {
        match n {
            0 | 1 => testing::run(async || body().await),
            2 => run_on(Flavor::TokioCurrent, body()),
            3 => run_on(Flavor::Tokio, body()),
            _ => run_on(Flavor::Smol, body()),
        }
    }
}

#[test]
fn a_policy_serves_five_runtimes_one_after_the_other_in_either_order() {
    for forwards in [true, false] {
        let (policy, breaker) = everything(SECOND, Quota::new(2, 4 * MS));
        on_five_runtimes(forwards, || a_few_calls(&policy));
        assert_eq!(breaker.state(), State::Closed);
        let stats = policy.stats().expect("it is measured");
        assert_eq!((stats.succeeded, stats.failed), (60, 0));
        // A hedge may have done for a retry.
        assert!(stats.retries + stats.hedges > 0);
        assert!(stats.waits(Layer::RateLimit).unwrap().count() > 0);
    }
}

#[test]
fn a_policy_serves_two_threads_with_runtimes_of_their_own_at_once() {
    // Nobody waits for somebody on the other thread: simulated time would run on meanwhile.
    let (policy, _) = everything(SECOND, Quota::per_second(1_000_000));
    std::thread::scope(|scope| {
        for forwards in [true, false] {
            let policy = &policy;
            scope.spawn(move || {
                for _ in 0..3 {
                    on_five_runtimes(forwards, || served(policy));
                }
            });
        }
    });
    let stats = policy.stats().expect("it is measured");
    assert_eq!(stats.succeeded, 2 * 3 * 5 * 5);
}

/// Beside other clocks nothing is said about how long it takes.
async fn served(policy: &Policy) {
    for n in 0..5 {
        assert_eq!(policy.run(|| ready(Ok::<_, Infallible>(n))).await, Ok(n));
    }
}

/// What a test has opened is closed again after its sleep, by the clock of the next.
#[test]
fn a_breaker_of_a_policy_that_one_runtime_opened_closes_under_the_next() {
    let (policy, breaker) = everything(20 * MS, Quota::per_second(1_000_000));
    let seen = Mutex::new(Vec::new());
    for forwards in [true, false] {
        on_five_runtimes(forwards, || async {
            for _ in 0..3 {
                let failed = policy
                    .run_when(|| ready(Err::<(), _>("down")), |_| false)
                    .await;
                assert!(failed.is_err());
            }
            assert_eq!(breaker.state(), State::Open, "{}", place());
            let refused = policy.run(|| ready(Ok::<_, &str>(()))).await.unwrap_err();
            assert_eq!(refused.layer(), Some(Layer::CircuitBreaker));
            assert!(refused.retry_after().unwrap() <= 20 * MS);
            // Left open here, it has as much of its sleep before it in the next.
            seen.lock().unwrap().push(place());
        });
        on_five_runtimes(!forwards, || async {
            // As much as was left counts from when this clock is first seen.
            let _ = policy.run(|| ready(Ok::<_, &str>(1))).await;
            time::sleep(25 * MS).await;
            assert_eq!(policy.run(|| ready(Ok::<_, &str>(1))).await, Ok(1));
            assert_eq!(breaker.state(), State::Closed, "{}", place());
        });
    }
    assert_eq!(seen.into_inner().unwrap().len(), 10);
}
