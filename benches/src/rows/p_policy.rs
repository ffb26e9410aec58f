//! P: what a policy costs a call that works at once, and a stack of tower's layers.

use crate::harness::{now, time};
use crate::runtimes::On;
use crate::table::Table;
use regatta::bulkhead::Bulkhead;
use regatta::circuit_breaker::CircuitBreaker;
use regatta::load_shed::LoadShed;
use regatta::policy::Policy;
use regatta::rate_limit::{Quota, RateLimiter};
use regatta::retry::Backoff;
use std::future::{Ready, ready};
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;
use tower::{BoxError, Service, ServiceBuilder, ServiceExt, service_fn};

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

/// The layers that tower has, too.
fn those_of_tower() -> Policy {
    Policy::new()
        .load_shed(LoadShed::builder().max_in_flight(100).build())
        .timeout(10 * SECOND)
        .retry(Backoff::exponential(SECOND))
        .bulkhead(Bulkhead::new(100, 100))
        .rate_limit(RateLimiter::new(Quota::per_second(1_000_000_000)))
}

/// How tower is told to try again, at once.
#[derive(Clone)]
struct Tries(u32);

impl tower::retry::Policy<(), u32, BoxError> for Tries {
    type Future = Ready<()>;
    fn retry(&mut self, _: &mut (), result: &mut Result<u32, BoxError>) -> Option<Ready<()>> {
        let again = result.is_err() && self.0 > 0;
        again.then(|| {
            self.0 -= 1;
            ready(())
        })
    }
    fn clone_request(&mut self, (): &()) -> Option<()> {
        Some(())
    }
}

async fn called((): ()) -> Result<u32, BoxError> {
    black_box(Ok(1))
}

/// One stack, used by one caller, which is the cheapest way: shared, it would need a buffer with a task, for a rate limit of tower's is no clone.
fn tower_stack() -> impl FnMut() -> Duration {
    move || {
        On::Current.run(async {
            let mut stack = ServiceBuilder::new()
                .load_shed()
                .timeout(10 * SECOND)
                .rate_limit(1_000_000_000, SECOND)
                .retry(Tries(3))
                .concurrency_limit(100)
                .service(service_fn(called));
            let start = now();
            for _ in 0..CALLS {
                let ready = stack.ready().await.expect("it has room");
                let _ = black_box(ready.call(()).await);
            }
            now() - start
        })
    }
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
        .ours("the layers of the tower stack", under(those_of_tower))
        .peer("tower stack", tower_stack())
        .at_most("nothing configured", Some("the call alone"), 1.0, 5.0)
        .faster("the layers of the tower stack", &[], 1.5);
    vec![table]
}
