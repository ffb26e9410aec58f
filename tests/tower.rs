//! `integrations::tower`: a policy around services, on every runtime; readiness, retries, hedges, errors.
#![cfg(feature = "tower")]
#![allow(
    clippy::unwrap_used,
    reason = "clippy allows it in test functions, not in the bodies beside them"
)]

#[cfg(feature = "tokio")]
#[path = "tower/orders.rs"]
mod orders;

use futures_util::future::BoxFuture;
use regatta::bulkhead::Bulkhead;
use regatta::circuit_breaker::{CircuitBreaker, State};
use regatta::integrations::tower::{PolicyLayer, Protected};
use regatta::policy::{Advice, Layer as Which, Policy};
use regatta::rate_limit::{Quota, RateLimiter};
use regatta::retry::Backoff;
use regatta::testing::now;
use regatta::{task, time};
use std::convert::Infallible;
use std::future::{Future, pending, poll_fn, ready};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;
use tower::limit::ConcurrencyLimit;
use tower_layer::Layer;
use tower_service::Service;

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

/// What a service says when it does not work.
#[derive(Clone, Debug, PartialEq)]
struct Trouble(&'static str);

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

type Script = dyn Fn(usize, &str) -> BoxFuture<'static, Result<String, Trouble>> + Send + Sync;

/// Insists on being polled ready before each call, as tower's own buffers and limits do. Clones are not ready.
struct Careful {
    script: Arc<Script>,
    calls: Arc<AtomicUsize>,
    polls: Arc<AtomicUsize>,
    ready: bool,
    broken: bool,
}

impl Clone for Careful {
    fn clone(&self) -> Self {
        Careful {
            script: self.script.clone(),
            calls: self.calls.clone(),
            polls: self.polls.clone(),
            ready: false,
            broken: self.broken,
        }
    }
}

impl Careful {
    fn new<F>(script: impl Fn(usize, &str) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<String, Trouble>> + Send + 'static,
    {
        Careful {
            script: Arc::new(move |n, request| Box::pin(script(n, request))),
            calls: Arc::default(),
            polls: Arc::default(),
            ready: false,
            broken: false,
        }
    }

    fn echo() -> Self {
        Careful::new(|_, request| ready(Ok(request.to_owned())))
    }
}

impl Service<String> for Careful {
    type Response = String;
    type Error = Trouble;
    type Future = BoxFuture<'static, Result<String, Trouble>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        if self.broken {
            return Poll::Ready(Err(Trouble("broken")));
        }
        // Ready at the second look.
        if self.polls.fetch_add(1, SeqCst).is_multiple_of(2) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: String) -> Self::Future {
        assert!(
            std::mem::take(&mut self.ready),
            "called without being polled ready"
        );
        (self.script)(self.calls.fetch_add(1, SeqCst) + 1, &request)
    }
}

/// As a caller does: ready, then called.
async fn ask<S>(service: &mut S, request: &str) -> Result<S::Response, S::Error>
where
    S: Service<String>,
{
    poll_fn(|cx| service.poll_ready(cx)).await?;
    service.call(request.to_owned()).await
}

fn protect(policy: Policy, service: Careful) -> Protected<Careful> {
    PolicyLayer::new(policy).layer(service)
}

async fn every_attempt_is_made_with_a_service_that_is_ready() {
    let inner = Careful::new(|n, request: &str| {
        let request = request.to_owned();
        async move {
            if n % 3 == 0 {
                Ok(format!("{request}, {n}"))
            } else {
                Err(Trouble("down"))
            }
        }
    });
    let backoff = Backoff::constant(Duration::ZERO).max_attempts(3);
    let mut service = protect(Policy::new().retry(backoff), inner);
    for round in 1..=3 {
        let answer = ask(&mut service, "hello").await;
        assert_eq!(answer.unwrap(), format!("hello, {}", 3 * round));
    }
    assert_eq!(service.get_ref().calls.load(SeqCst), 9);
}

async fn readiness_is_not_given_away() {
    let mut service = protect(Policy::new(), Careful::echo());
    // Ready, then cloned: each call polls a service of its own.
    poll_fn(|cx| service.poll_ready(cx)).await.unwrap();
    let mut clone = service.clone();
    assert_eq!(ask(&mut clone, "clone").await.unwrap(), "clone");
    assert_eq!(service.call("first".into()).await.unwrap(), "first");
    assert_eq!(ask(&mut service, "again").await.unwrap(), "again");
    assert!(!service.into_inner().ready);
}

async fn a_service_that_is_never_ready_fails_its_attempt() {
    let mut inner = Careful::echo();
    inner.broken = true;
    let mut service = protect(Policy::new(), inner);
    let failure = ask(&mut service, "hello").await.unwrap_err();
    assert_eq!((failure.attempts, failure.layer()), (1, None));
    assert_eq!(failure.into_error(), Some(Trouble("broken")));
}

async fn errors_are_judged() {
    let breaker = CircuitBreaker::builder().consecutive_failures(1).build();
    let policy = Policy::new()
        .retry(Backoff::constant(Duration::ZERO))
        .circuit_breaker(breaker.clone());
    let inner = Careful::new(|_, request: &str| {
        ready(match request {
            "missing" => Err(Trouble("not found")),
            _ => Err(Trouble("down")),
        })
    });
    let layer = PolicyLayer::new(policy).judge(|error: &Trouble| match error.0 {
        "not found" => Advice::Answer,
        _ => Advice::GiveUp,
    });
    let mut service = layer.layer(inner);
    let failure = ask(&mut service, "missing").await.unwrap_err();
    assert_eq!(
        (failure.attempts, failure.into_error()),
        (1, Some(Trouble("not found")))
    );
    assert_eq!(breaker.state(), State::Closed);
    let failure = ask(&mut service, "hello").await.unwrap_err();
    assert_eq!(failure.attempts, 1);
    let refused = ask(&mut service, "hello").await.unwrap_err();
    assert_eq!(refused.layer(), Some(Which::CircuitBreaker));
    assert_eq!(service.get_ref().calls.load(SeqCst), 2);
}

async fn a_late_answer_is_hedged_and_a_hung_one_timed_out() {
    let inner = Careful::new(|n, request: &str| {
        let request = request.to_owned();
        async move {
            match (n, &*request) {
                (1, _) | (_, "hangs") => pending().await,
                _ => time::sleep(SECOND).await,
            }
            Ok(request)
        }
    });
    let policy = Policy::new().hedge(2 * SECOND).timeout(10 * SECOND);
    let mut service = protect(policy, inner);
    assert_eq!(ask(&mut service, "hello").await.unwrap(), "hello");
    assert_eq!(now(), 3 * SECOND);
    let failure = ask(&mut service, "hangs").await.unwrap_err();
    assert_eq!(failure.layer(), Some(Which::Timeout));
    assert_eq!(now(), 13 * SECOND);
}

async fn clones_of_the_layer_share_its_limits() {
    let running = Arc::new(AtomicUsize::new(0));
    let peak = Arc::new(AtomicUsize::new(0));
    let (runs, most) = (running.clone(), peak.clone());
    let inner = Careful::new(move |_, request: &str| {
        let (runs, most, request) = (runs.clone(), most.clone(), request.to_owned());
        async move {
            most.fetch_max(runs.fetch_add(1, SeqCst) + 1, SeqCst);
            time::sleep(MS / 10).await;
            runs.fetch_sub(1, SeqCst);
            Ok(request)
        }
    });
    let policy = Policy::new()
        .bulkhead(Bulkhead::new(2, 100))
        .rate_limit(RateLimiter::new(Quota::new(10, 2 * MS)));
    let layer = PolicyLayer::new(policy);
    task::task_group(async |g| {
        for n in 0..40 {
            // Each on a clone of its own of everything.
            let mut service = layer.clone().layer(inner.clone());
            g.spawn(async move {
                let answer = ask(&mut service, &n.to_string()).await;
                assert_eq!(answer.unwrap(), n.to_string());
            });
        }
        Ok::<_, Infallible>(())
    })
    .await
    .unwrap();
    assert_eq!((running.load(SeqCst), peak.load(SeqCst)), (0, 2));
}

async fn a_dropped_call_frees_what_it_held() {
    let bulkhead = Bulkhead::new(1, 0);
    let policy = Policy::new().bulkhead(bulkhead.clone()).measured();
    let mut service = protect(policy, Careful::new(|_, _: &str| pending()));
    let call = ask(&mut service, "hello");
    assert!(time::timeout(MS, call).await.is_err());
    assert_eq!(bulkhead.stats().running, 0);
    assert_eq!(service.policy().stats().unwrap().dropped, 1);
}

/// A place for one call at a time, reserved when it is polled ready: what deadlocks when a call keeps it over a wait.
async fn no_place_of_a_limit_below_is_kept_over_a_wait() {
    for (places, waits) in [(1, Duration::ZERO), (1, MS), (3, Duration::ZERO)] {
        let inner = Careful::new(|n, request: &str| {
            let request = request.to_owned();
            async move {
                futures_lite::future::yield_now().await;
                // Two of three fail, each call until its third attempt at the latest.
                if n % 3 == 0 {
                    Ok(request)
                } else {
                    Err(Trouble("down"))
                }
            }
        });
        let policy = Policy::new()
            .retry(Backoff::constant(waits).max_attempts(50))
            .bulkhead(Bulkhead::new(places, 1000));
        let limited = ConcurrencyLimit::new(inner, 1);
        let service = PolicyLayer::new(policy).layer(limited);
        task::task_group(async |g| {
            for n in 0..50 {
                let mut service = service.clone();
                g.spawn(async move {
                    let answer = ask(&mut service, &n.to_string()).await;
                    assert_eq!(answer.unwrap(), n.to_string());
                });
            }
            Ok::<_, Infallible>(())
        })
        .await
        .unwrap();
    }
}

/// Polled ready and left lying, as a balancer does with services it does not choose; dropped half way.
async fn a_service_that_is_ready_and_not_called_holds_nothing() {
    let limited = ConcurrencyLimit::new(Careful::echo(), 1);
    let service = PolicyLayer::new(Policy::new()).layer(limited);
    let mut idle = service.clone();
    poll_fn(|cx| Service::<String>::poll_ready(&mut idle, cx))
        .await
        .unwrap();
    let never_polled = service.clone().call("never".into());
    let mut other = service.clone();
    let answer = time::timeout(20 * SECOND, ask(&mut other, "other")).await;
    assert_eq!(answer.expect("nobody is in its way").unwrap(), "other");
    drop((idle, never_polled));
}

/// A request that cannot be cloned, as the bodies of servers.
async fn a_policy_for_one_attempt_takes_requests_that_cannot_be_cloned() {
    #[derive(Debug, PartialEq)]
    struct Body(u32);
    #[derive(Clone)]
    struct Server;
    impl Service<Body> for Server {
        type Response = Body;
        type Error = &'static str;
        type Future = std::future::Ready<Result<Body, &'static str>>;
        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
            Poll::Ready(Ok(()))
        }
        fn call(&mut self, body: Body) -> Self::Future {
            ready(Ok(body))
        }
    }
    let policy = Policy::new()
        .timeout(60 * SECOND)
        .bulkhead(Bulkhead::new(1, 9))
        .retry(Backoff::constant(MS).max_attempts(1));
    let layer = PolicyLayer::once(policy).judge(|_: &&'static str| Advice::Retry);
    let service = layer.layer(Server);
    assert_eq!(service.clone().call(Body(7)).await, Ok(Body(7)));
    // Spawned, too, with an error that is a reference.
    let service = PolicyLayer::once(Policy::new().timeout(60 * SECOND)).layer(Server);
    async fn call<S: Service<Body>>(mut service: S, body: Body) -> Result<S::Response, S::Error> {
        poll_fn(|cx| service.poll_ready(cx)).await?;
        service.call(body).await
    }
    task::task_group(async |g| {
        let mut again = service.clone();
        g.spawn(async move { assert_eq!(call(service, Body(8)).await, Ok(Body(8))) });
        g.spawn(async move { assert_eq!(again.call(Body(9)).await, Ok(Body(9))) });
        Ok::<_, Infallible>(())
    })
    .await
    .unwrap();
}

#[test]
#[should_panic(expected = "a policy that retries or hedges (retry 5 attempts)")]
fn a_retry_needs_requests_that_can_be_cloned() {
    let _ = PolicyLayer::once(Policy::new().retry(Backoff::constant(MS)));
}

/// As a library's author uses it: with any service that fits.
#[test]
fn a_protected_service_is_a_service_like_others() {
    fn usable<S>(service: S) -> S
    where
        S: Service<String, Response = String> + Clone + Send + Sync + 'static,
        S::Future: Send + 'static,
        S::Error: std::fmt::Display + Send,
    {
        service
    }
    let log = Arc::new(Mutex::new(Vec::new()));
    let notes = log.clone();
    let policy = Policy::new().observer(move |event| notes.lock().unwrap().push(event.attempt()));
    let mut service = usable(protect(policy, Careful::echo()));
    regatta::testing::run(async || assert_eq!(ask(&mut service, "a").await.unwrap(), "a"));
    assert_eq!(*log.lock().unwrap(), [1, 1]);
}

regatta::matrix! {
    every_attempt_is_made_with_a_service_that_is_ready;
    readiness_is_not_given_away;
    a_service_that_is_never_ready_fails_its_attempt;
    errors_are_judged;
    a_late_answer_is_hedged_and_a_hung_one_timed_out [sim];
    clones_of_the_layer_share_its_limits;
    a_dropped_call_frees_what_it_held;
    no_place_of_a_limit_below_is_kept_over_a_wait;
    a_service_that_is_ready_and_not_called_holds_nothing;
    a_policy_for_one_attempt_takes_requests_that_cannot_be_cloned;
}
