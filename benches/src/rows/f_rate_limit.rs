//! F: a permit at once, and a thousand who wait for theirs at 100,000 a second.

use crate::harness::{now, time_calls};
use crate::runtimes::On;
use crate::table::Table;
use governor::clock::MonotonicClock;
use regatta::rate_limit::{Quota, RateLimiter};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

const TRIES: usize = 10_000;
const WAITERS: usize = 1000;
const RATE: u32 = 100_000;

fn most() -> NonZeroU32 {
    NonZeroU32::MAX
}

fn at_once() -> Table {
    // So many that none is refused.
    let ours = RateLimiter::new(Quota::per_second(1_000_000_000));
    let quota = governor::Quota::per_second(most());
    let monotonic = governor::RateLimiter::direct_with_clock(quota, MonotonicClock);
    let default = governor::RateLimiter::direct(quota);
    Table::each("try_acquire", TRIES)
        .ours("RateLimiter", move || {
            time_calls(TRIES, || ours.try_acquire(1).is_ok())
        })
        .peer("governor, std clock", move || {
            time_calls(TRIES, || monotonic.check().is_ok())
        })
        // Reads the processor's counter instead of the system's clock, which no paused or virtual time can follow.
        .bare("governor, TSC clock", move || {
            time_calls(TRIES, || default.check().is_ok())
        })
        .faster("RateLimiter", &["governor, std clock"], 1.0)
}

/// A thousand tasks of the runtime, each with one permit to get.
fn waiters<L, Fut>(
    on: On,
    limiter: fn() -> L,
    acquire: impl Fn(Arc<L>) -> Fut + Copy + Send + 'static,
) -> impl FnMut() -> Duration
where
    L: Send + Sync + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    move || {
        on.run(async move {
            let limiter = Arc::new(limiter());
            let start = now();
            if on == On::Smol {
                let within = |f| regatta::Runtime::smol().within(f);
                let tasks: Vec<_> = (0..WAITERS)
                    .map(|_| smol::spawn(within(acquire(limiter.clone()))))
                    .collect();
                for task in tasks {
                    task.await;
                }
            } else {
                let tasks: Vec<_> = (0..WAITERS)
                    .map(|_| tokio::spawn(acquire(limiter.clone())))
                    .collect();
                for task in tasks {
                    task.await.expect("no panic");
                }
            }
            now() - start
        })
    }
}

type Governor = governor::DefaultDirectRateLimiter;

fn queue(on: On) -> Table {
    let title = format!(
        "1,000 waiters at 100,000 a second, which is 10,000 µs, {}",
        on.name()
    );
    let table = Table::whole(title, WAITERS)
        .ours(
            "RateLimiter",
            waiters(
                on,
                || RateLimiter::new(Quota::per_second(RATE).burst(1)),
                |limiter: Arc<RateLimiter>| async move {
                    limiter.acquire(1).await.expect("one can always be had");
                },
            ),
        )
        .peer(
            "governor",
            waiters(
                on,
                || {
                    let one = NonZeroU32::MIN;
                    let rate = NonZeroU32::new(RATE).expect("not zero");
                    Governor::direct(governor::Quota::per_second(rate).allow_burst(one))
                },
                |limiter: Arc<Governor>| async move { limiter.until_ready().await },
            ),
        );
    if on == On::Smol {
        return table;
    }
    table.peer(
        "leaky-bucket",
        waiters(
            on,
            || {
                leaky_bucket::RateLimiter::builder()
                    // With less it gives a permit a millisecond: it fills once in that time.
                    .max(RATE as usize / 1000)
                    .initial(1)
                    .refill(RATE as usize / 1000)
                    .interval(Duration::from_millis(1))
                    .build()
            },
            |limiter: Arc<leaky_bucket::RateLimiter>| async move { limiter.acquire(1).await },
        ),
    )
}

pub fn tables() -> Vec<Table> {
    let queues = On::ALL.map(queue).into_iter();
    std::iter::once(at_once()).chain(queues).collect()
}
