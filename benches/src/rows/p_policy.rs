//! P: what a policy costs a call that works at once.

use crate::harness::time;
use crate::runtimes::On;
use crate::table::Table;
use regatta::bulkhead::Bulkhead;
use regatta::circuit_breaker::CircuitBreaker;
use regatta::load_shed::LoadShed;
use regatta::policy::Policy;
use regatta::rate_limit::{Quota, RateLimiter};
use regatta::retry::Backoff;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

const CALLS: usize = 10_000;
const SECOND: Duration = Duration::from_secs(1);

/// Every layer, and none that has to refuse.
fn all() -> Policy {
    Policy::new()
        .load_shed(LoadShed::builder().max_in_flight(100).build())
        .timeout(10 * SECOND)
        .retry(Backoff::exponential(SECOND))
        .hedge(SECOND)
        .bulkhead(Bulkhead::new(100, 100))
        .rate_limit(RateLimiter::new(Quota::per_second(1_000_000_000)))
        .circuit_breaker(CircuitBreaker::new())
        .attempt_timeout(SECOND)
}

fn under(policy: fn() -> Policy) -> impl FnMut() -> Duration {
    let policy = Arc::new(policy());
    move || {
        let policy = policy.clone();
        On::Current.run(async move {
            time(CALLS, || {
                policy.run(|| async { black_box(Ok::<_, u32>(1)) })
            })
            .await
        })
    }
}

pub fn tables() -> Vec<Table> {
    let table = Table::each("a call that works, tokio-ct", CALLS)
        .bare("the call alone", || {
            On::Current.run(async { time(CALLS, || async { black_box(Ok::<_, u32>(1)) }).await })
        })
        .ours("nothing configured", under(Policy::new))
        .ours(
            "retry",
            under(|| Policy::new().retry(Backoff::exponential(SECOND))),
        )
        .ours("timeout", under(|| Policy::new().timeout(SECOND)))
        .ours("hedge", under(|| Policy::new().hedge(SECOND)))
        .ours(
            "bulkhead",
            under(|| Policy::new().bulkhead(Bulkhead::new(9, 9))),
        )
        .ours(
            "circuit breaker",
            under(|| Policy::new().circuit_breaker(CircuitBreaker::new())),
        )
        .ours(
            "rate limit",
            under(|| {
                let quota = Quota::per_second(1_000_000_000);
                Policy::new().rate_limit(RateLimiter::new(quota))
            }),
        )
        .ours(
            "load shed",
            under(|| Policy::new().load_shed(LoadShed::builder().max_in_flight(9).build())),
        )
        .ours("all layers", under(all))
        .ours("all layers, measured", under(|| all().measured()))
        .at_most("nothing configured", Some("the call alone"), 1.0, 5.0)
        .at_most("all layers", Some("the call alone"), 1.0, 150.0);
    vec![table]
}
