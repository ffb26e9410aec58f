//! Our layer with those of tower, in every order: a thousand calls through each stack, and none is stuck.
//!
//! The layers of tower need tokio's timers, so this is on tokio alone; its clock is paused, so a stack that is stuck
//! says so at once.

use super::{MS, SECOND};
use futures_util::future::join_all;
use regatta::bulkhead::Bulkhead;
use regatta::integrations::tower::PolicyLayer;
use regatta::policy::Policy;
use regatta::rate_limit::{Quota, RateLimiter};
use regatta::retry::Backoff;
use std::future::{Future, Ready, ready};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::task::{Context, Poll};
use std::time::Duration;
use tower::balance::p2c::Balance;
use tower::buffer::Buffer;
use tower::discover::ServiceList;
use tower::limit::{ConcurrencyLimit, RateLimit, rate::Rate};
use tower::load::Constant;
use tower::load_shed::LoadShed;
use tower::retry::Retry;
use tower::timeout::Timeout;
use tower::util::BoxCloneService;
use tower::{BoxError, Layer as _, Service, ServiceExt as _};

type Stack = BoxCloneService<u32, u32, BoxError>;

/// What all stand on: takes a moment, and fails every third time.
#[derive(Clone, Default)]
struct Ground(Arc<AtomicU32>);

impl Service<u32> for Ground {
    type Response = u32;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<u32, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, n: u32) -> Self::Future {
        let call = self.0.fetch_add(1, SeqCst);
        Box::pin(async move {
            tokio::time::sleep(MS * (call % 4)).await;
            if call % 3 == 2 {
                return Err("down".into());
            }
            Ok(n)
        })
    }
}

#[derive(Clone)]
struct Twice(u32);

impl tower::retry::Policy<u32, u32, BoxError> for Twice {
    type Future = Ready<()>;

    fn retry(&mut self, _: &mut u32, answer: &mut Result<u32, BoxError>) -> Option<Ready<()>> {
        let again = answer.is_err() && self.0 > 0;
        self.0 = self.0.saturating_sub(1);
        again.then(|| ready(()))
    }

    fn clone_request(&mut self, n: &u32) -> Option<u32> {
        Some(*n)
    }
}

type Wrap = fn(Stack) -> Stack;

fn under(policy: Policy, stack: Stack) -> Stack {
    PolicyLayer::new(policy)
        .layer(stack)
        .map_err(|failure| BoxError::from(failure.to_string()))
        .boxed_clone()
}

/// One at a time, tried again until it works: whoever keeps something over a wait blocks all others.
fn narrow(stack: Stack) -> Stack {
    let policy = Policy::new()
        .retry(Backoff::constant(Duration::ZERO).max_attempts(20))
        .bulkhead(Bulkhead::new(1, 10_000));
    under(policy, stack)
}

/// With waits of every kind, and calls beside each other.
fn wide(stack: Stack) -> Stack {
    let policy = Policy::new()
        .timeout(600 * SECOND)
        .retry(Backoff::constant(MS).max_attempts(20))
        .hedge(2 * MS)
        .bulkhead(Bulkhead::new(3, 10_000))
        .rate_limit(RateLimiter::new(Quota::per_second(1000)))
        .attempt_timeout(60 * SECOND);
    under(policy, stack)
}

const OURS: [(&str, Wrap); 2] = [("narrow", narrow), ("wide", wide)];

const THEIRS: [(&str, Wrap); 7] = [
    ("concurrency limit", |stack| {
        ConcurrencyLimit::new(stack, 1).boxed_clone()
    }),
    ("buffer", |stack| Buffer::new(stack, 1).boxed_clone()),
    ("rate limit", |stack| {
        let limited = RateLimit::new(stack, Rate::new(10, 5 * MS));
        Buffer::new(limited, 2).boxed_clone()
    }),
    ("load shed", |stack| LoadShed::new(stack).boxed_clone()),
    ("timeout", |stack| {
        Timeout::new(stack, 600 * SECOND).boxed_clone()
    }),
    ("balance", |stack| {
        // Two that are limited each, of which it keeps both ready and calls one.
        let one = || Constant::new(ConcurrencyLimit::new(stack.clone(), 1), 1);
        let list = ServiceList::new([one(), one()]);
        Buffer::new(Balance::<_, u32>::new(list), 2).boxed_clone()
    }),
    ("retry", |stack| Retry::new(Twice(3), stack).boxed_clone()),
];

/// A thousand calls, fifty at a time. How many gave their value; each did, or gave an error.
async fn through(name: &str, stack: Stack, calls: u32) -> u32 {
    let good = AtomicU32::new(0);
    let callers = join_all((0..50).map(|caller| {
        let (mut stack, good) = (stack.clone(), &good);
        async move {
            for n in (caller..calls).step_by(50) {
                let answer = match stack.ready().await {
                    Ok(ready) => ready.call(n).await,
                    Err(error) => Err(error),
                };
                match answer {
                    Ok(answer) => {
                        assert_eq!(answer, n);
                        good.fetch_add(1, SeqCst);
                    }
                    // Overloaded, or failed more often than it is tried again.
                    Err(_) => tokio::time::sleep(MS).await,
                }
            }
        }
    }));
    let ended = tokio::time::timeout(3600 * SECOND, callers).await;
    assert!(ended.is_ok(), "{name}: stuck");
    good.load(SeqCst)
}

fn paused() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime can be had")
}

fn ground() -> Stack {
    Ground::default().boxed_clone()
}

#[test]
fn above_and_below_each_layer_of_tower_a_thousand_calls_end() {
    paused().block_on(async {
        for (ours, our) in OURS {
            for (theirs, their) in THEIRS {
                let name = format!("{ours} over {theirs}");
                let good = through(&name, our(their(ground())), 1000).await;
                // Twenty tries do, except where most are turned away.
                assert!(good >= 900 || theirs == "load shed", "{name}: {good}");
                let name = format!("{theirs} over {ours}");
                let good = through(&name, their(our(ground())), 1000).await;
                assert!(good >= 900, "{name}: {good}");
            }
        }
    });
}

#[test]
fn between_any_two_layers_of_tower_a_thousand_calls_end() {
    paused().block_on(async {
        for (outer, above) in THEIRS {
            for (inner, below) in THEIRS {
                for ((ours, our), calls) in OURS.into_iter().zip([1000, 200]) {
                    let name = format!("{outer} over {ours} over {inner}");
                    through(&name, above(our(below(ground()))), calls).await;
                }
            }
        }
    });
}

/// The same on several threads, with the real clock.
#[test]
fn on_several_threads_the_calls_end_too() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .build()
        .expect("a runtime can be had");
    runtime.block_on(async {
        for (theirs, their) in THEIRS {
            let name = format!("narrow over {theirs}, threads");
            let stack = narrow(their(ground()));
            let tasks: Vec<_> = (0..4)
                .map(|_| {
                    let (name, stack) = (name.clone(), stack.clone());
                    tokio::spawn(async move { through(&name, stack, 50).await })
                })
                .collect();
            let all = join_all(tasks);
            let ended = tokio::time::timeout(30 * SECOND, all).await;
            for ended in ended.unwrap_or_else(|_| panic!("{name}: stuck")) {
                ended.expect("it does not panic");
            }
        }
    });
}
