//! Runs one hot operation a given number of times, on one thread of tokio's, and prints how many allocations that took.
//!
//! `.ci/hot` runs this under valgrind, once with few and once with many rounds; the difference is what one round costs,
//! to the instruction, whatever else the machine is doing. The counts of the last accepted change are in
//! `benches/hot/counts.txt`.
//!
//! ```text
//! regatta-hot            lists the operations
//! regatta-hot OP ROUNDS
//! ```

use futures::future::poll_fn;
use regatta::bulkhead::Bulkhead;
use regatta::cancel::CancelToken;
use regatta::circuit_breaker::CircuitBreaker;
use regatta::load_shed::LoadShed;
use regatta::policy::Policy;
use regatta::pool::{Manager, Pool};
use regatta::queue::Queue;
use regatta::rate_limit::{Quota, RateLimiter};
use regatta::retry::{Backoff, retry};
use regatta::sync::{Mutex, Semaphore};
use regatta::task::{TaskGroup, gather, task_group};
use regatta::time::timeout;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use std::alloc::System;
use std::convert::Infallible;
use std::hint::black_box;
use std::task::Poll;
use std::time::Duration;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const SECOND: Duration = Duration::from_secs(1);

const OPERATIONS: &[&str] = &[
    "group_of_1",
    "group_of_100",
    "gather_in_place_100",
    "gather_on_runtime_100",
    "timeout_ready",
    "timeout_one_yield",
    "token_run_ready",
    "semaphore_acquire",
    "mutex_lock",
    "queue_put_take",
    "pool_get",
    "retry_ok",
    "rate_limit_try_acquire",
    "policy_all_layers",
];

/// Pending once, woken at once.
async fn one_yield() {
    let mut pending = true;
    poll_fn(|cx| {
        if std::mem::take(&mut pending) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(())
    })
    .await;
}

struct Numbers;

impl Manager for Numbers {
    type Object = u64;
    type Error = Infallible;
    async fn connect(&self) -> Result<u64, Infallible> {
        Ok(1)
    }
}

async fn group(n: u64) -> u64 {
    let sum = task_group(async move |g: TaskGroup<'static, Infallible>| {
        let tasks: Vec<_> = (0..n)
            .map(|i| g.spawn(async move { Ok(black_box(i)) }))
            .collect();
        let mut sum = 0;
        for task in tasks {
            sum += task.await;
        }
        Ok(sum)
    });
    sum.await.expect("no task fails")
}

async fn work(i: u64) -> u64 {
    black_box(i)
}

async fn rounds(operation: &str, n: u64) {
    let waited = "it waits for nothing";
    match operation {
        "group_of_1" => {
            for _ in 0..n {
                black_box(group(1).await);
            }
        }
        "group_of_100" => {
            for _ in 0..n {
                black_box(group(100).await);
            }
        }
        "gather_in_place_100" => {
            for _ in 0..n {
                black_box(gather((0..100).map(work)).settled().await);
            }
        }
        "gather_on_runtime_100" => {
            for _ in 0..n {
                black_box(gather((0..100).map(work)).settled().on_runtime().await);
            }
        }
        "timeout_ready" => {
            for i in 0..n {
                black_box(timeout(SECOND, work(i)).await.expect(waited));
            }
        }
        "timeout_one_yield" => {
            for _ in 0..n {
                timeout(SECOND, one_yield()).await.expect(waited);
            }
        }
        "token_run_ready" => {
            let token = CancelToken::new();
            for i in 0..n {
                black_box(token.run(work(i)).await.expect(waited));
            }
        }
        "semaphore_acquire" => {
            let semaphore = Semaphore::new(1);
            for _ in 0..n {
                drop(black_box(semaphore.acquire().await.expect(waited)));
            }
        }
        "mutex_lock" => {
            let mutex = Mutex::new(0);
            for _ in 0..n {
                *mutex.lock().await += 1;
            }
        }
        "queue_put_take" => {
            let queue = Queue::bounded(16);
            for i in 0..n {
                queue.put(i).await.expect(waited);
                black_box(queue.take().await.expect(waited));
            }
        }
        "pool_get" => {
            let pool = Pool::builder(Numbers).max_size(16).build();
            let pool = pool.expect("there is a runtime");
            for _ in 0..n {
                drop(black_box(pool.get().await.expect(waited)));
            }
        }
        "retry_ok" => {
            for i in 0..n {
                let answer = retry(Backoff::exponential(SECOND), || async move {
                    Ok::<_, Infallible>(black_box(i))
                });
                black_box(answer.await.expect(waited));
            }
        }
        "rate_limit_try_acquire" => {
            let limiter = RateLimiter::new(Quota::per_second(1_000_000_000));
            for _ in 0..n {
                limiter.try_acquire(1).expect(waited);
            }
        }
        "policy_all_layers" => {
            let policy = Policy::new()
                .load_shed(LoadShed::builder().max_in_flight(100).build())
                .timeout(10 * SECOND)
                .retry(Backoff::exponential(SECOND))
                .hedge(SECOND)
                .bulkhead(Bulkhead::new(100, 100))
                .rate_limit(RateLimiter::new(Quota::per_second(1_000_000_000)))
                .circuit_breaker(CircuitBreaker::new())
                .attempt_timeout(SECOND);
            for i in 0..n {
                let call = policy.run(|| async move { Ok::<_, u64>(black_box(i)) });
                black_box(call.await.expect(waited));
            }
        }
        unknown => panic!("there is no operation {unknown:?}"),
    }
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let (Some(operation), Some(n)) = (arguments.next(), arguments.next()) else {
        OPERATIONS.iter().for_each(|name| println!("{name}"));
        return;
    };
    let n = n.parse().expect("a number of rounds");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime");
    let before = ALLOCATOR.stats();
    runtime.block_on(async move {
        // In a task, as most code is.
        tokio::spawn(async move { rounds(&operation, n).await })
            .await
            .expect("it does not panic");
    });
    let after = ALLOCATOR.stats();
    println!("allocations {}", after.allocations - before.allocations);
}
