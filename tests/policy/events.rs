//! The observer and the figures.

use super::{MS, SECOND};
use futures_util::future::BoxFuture;
use regatta::bulkhead::Bulkhead;
use regatta::circuit_breaker::CircuitBreaker;
use regatta::load_shed::LoadShed;
use regatta::policy::{Event, Layer, Policy};
use regatta::rate_limit::{Quota, RateLimiter};
use regatta::retry::Backoff;
use regatta::{task, time};
use std::convert::Infallible;
use std::future::pending;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A policy that writes down what happens, in short.
fn noted(policy: Policy) -> (Policy, impl Fn() -> Vec<String>) {
    let notes = Arc::new(Mutex::new(Vec::new()));
    let log = notes.clone();
    let policy = policy.observer(move |event| {
        let took = event.took();
        let note = match event {
            Event::Waited { layer, .. } => format!("waited for the {layer} for {took:?}"),
            Event::Refused {
                layer, retry_after, ..
            } => format!("refused by the {layer} after {took:?}, {retry_after:?}"),
            Event::Hedged { number, .. } => format!("call {number}"),
            Event::Attempted { ended, .. } => format!("{ended:?} in {took:?}"),
            Event::Retrying { delay, .. } => format!("again in {delay:?}"),
            Event::Succeeded { .. } => format!("value in {took:?}"),
            Event::Failed { layer, .. } => format!("failure in {took:?}, {layer:?}"),
            Event::Dropped { .. } => format!("dropped after {took:?}"),
            other => format!("{other:?}"),
        };
        log.lock()
            .unwrap()
            .push(format!("{}: {note}", event.attempt()));
    });
    (policy, move || std::mem::take(&mut *notes.lock().unwrap()))
}

/// A call that takes so long.
fn takes(duration: Duration) -> impl FnMut() -> BoxFuture<'static, Result<(), &'static str>> {
    move || {
        Box::pin(async move {
            time::sleep(duration).await;
            Ok(())
        })
    }
}

async fn the_observer_hears_of_every_layer_in_order() {
    let (policy, notes) = noted(
        Policy::new()
            .retry(Backoff::constant(SECOND).max_attempts(3))
            .rate_limit(RateLimiter::new(Quota::new(1, 3 * SECOND)))
            .attempt_timeout(500 * MS),
    );
    let calls = AtomicUsize::new(0);
    let call = || async {
        match calls.fetch_add(1, SeqCst) {
            0 => Err("down"),
            1 => pending().await,
            _ => {
                time::sleep(200 * MS).await;
                Ok(())
            }
        }
    };
    policy.run(call).await.unwrap();
    assert_eq!(
        notes(),
        [
            "1: Failed in 0ns",
            "1: again in 1s",
            "2: waited for the rate limit for 2s",
            "2: TimedOut in 500ms",
            "2: again in 1s",
            "3: waited for the rate limit for 1.5s",
            "3: Succeeded in 200ms",
            "3: value in 6.2s",
        ]
    );
}

async fn refusals_say_where_and_how_long_it_had_waited() {
    let bulkhead = Bulkhead::builder(1).queue(1).max_wait(2 * SECOND).build();
    let (policy, notes) = noted(Policy::new().bulkhead(bulkhead.clone()));
    let place = bulkhead.try_enter().unwrap();
    assert!(policy.run(takes(MS)).await.is_err());
    assert_eq!(
        notes(),
        [
            "1: refused by the bulkhead after 2s, None",
            "1: failure in 2s, Some(Bulkhead)",
        ]
    );
    drop(place);
    let breaker = CircuitBreaker::builder().consecutive_failures(1).build();
    breaker.try_enter().unwrap().failed();
    let shed = LoadShed::builder().max_in_flight(1).build();
    let (policy, notes) = noted(
        Policy::new()
            .circuit_breaker(breaker)
            .load_shed(shed.clone()),
    );
    assert!(policy.run(takes(MS)).await.is_err());
    let pass = shed.try_enter().unwrap();
    assert!(policy.run(takes(MS)).await.is_err());
    drop(pass);
    assert_eq!(
        notes(),
        [
            "1: refused by the circuit breaker after 0ns, Some(30s)",
            "1: failure in 0ns, Some(CircuitBreaker)",
            "0: refused by the load shed after 0ns, None",
            "0: failure in 0ns, Some(LoadShed)",
        ]
    );
}

async fn hedges_timeouts_and_drops_are_told() {
    let (policy, notes) = noted(Policy::new().hedge(SECOND).timeout(3 * SECOND));
    let calls = AtomicUsize::new(0);
    let call = || async {
        if calls.fetch_add(1, SeqCst) == 0 {
            pending().await
        } else {
            takes(SECOND)().await
        }
    };
    policy.run(call).await.unwrap();
    assert_eq!(
        notes(),
        ["1: call 2", "1: Succeeded in 1s", "1: value in 2s"]
    );
    assert!(policy.run(takes(60 * SECOND)).await.is_err());
    assert_eq!(notes(), ["1: call 2", "1: failure in 3s, Some(Timeout)"]);
    let late = time::timeout(500 * MS, policy.run(takes(SECOND))).await;
    assert!(late.is_err());
    assert_eq!(notes(), ["1: dropped after 500ms"]);
    // Before the first poll it did not happen.
    drop(policy.run(takes(SECOND)));
    assert_eq!(notes(), [] as [&str; 0]);
}

async fn the_figures_count_every_call_once() {
    let policy = Policy::new()
        .retry(Backoff::constant(Duration::ZERO).max_attempts(2))
        .measured();
    assert!(Policy::new().stats().is_none());
    let clone = policy.clone().attempt_timeout(3600 * SECOND);
    task::scope(async |g| {
        for n in 0..90 {
            let policy = if n % 2 == 0 { &policy } else { &clone };
            g.spawn(async move {
                let call = policy.run(move || async move {
                    futures_lite::future::yield_now().await;
                    if n % 3 == 0 { Err("down") } else { Ok(()) }
                });
                let _ = call.await;
            });
        }
        Ok::<_, Infallible>(())
    })
    .await
    .unwrap();
    let stats = policy.stats().unwrap();
    assert_eq!((stats.succeeded, stats.failed, stats.dropped), (60, 30, 0));
    assert_eq!((stats.retries, stats.failed_attempts), (30, 60));
    assert_eq!((stats.calls.count(), stats.attempts.count()), (90, 120));
    assert_eq!(stats.refused.total() + stats.timed_out.total(), 0);
}

async fn the_figures_hold_latencies_and_layers() {
    let policy = Policy::new()
        .timeout(20 * SECOND)
        .rate_limit(RateLimiter::new(Quota::per_second(1)))
        .attempt_timeout(5 * SECOND)
        .measured();
    for seconds in [2, 2, 9] {
        let _ = policy.run(takes(seconds * SECOND)).await;
    }
    policy.run(takes(Duration::ZERO)).await.unwrap();
    policy.run(takes(Duration::ZERO)).await.unwrap();
    let _ = time::timeout(SECOND / 2, policy.run(takes(SECOND))).await;
    let stats = policy.stats().unwrap();
    assert_eq!((stats.succeeded, stats.failed, stats.dropped), (4, 1, 1));
    assert_eq!(stats.timed_out.of(Layer::AttemptTimeout), 1);
    assert_eq!(
        stats.timed_out.iter().collect::<Vec<_>>(),
        [(Layer::AttemptTimeout, 1)]
    );
    let near = |found: Option<Duration>, exact: Duration| {
        let found = found.unwrap();
        assert!(
            found >= exact && found <= exact * 9 / 8,
            "{found:?}, {exact:?}"
        );
    };
    near(stats.attempts.percentile(1.0), 5 * SECOND);
    near(stats.attempts.percentile(0.8), 2 * SECOND);
    // One waited for its permit, and one gave up.
    let waits = stats.waits(Layer::RateLimit).unwrap();
    assert_eq!(waits.count(), 1);
    near(waits.percentile(0.5), SECOND);
    near(stats.calls.percentile(1.0), 5 * SECOND);
    assert!(stats.waits(Layer::Retry).is_none());
    assert!(format!("{stats:?}").contains("p99"));
}

#[test]
fn events_say_which_layer_they_are_of() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = seen.clone();
    let policy = Policy::new()
        .retry(Backoff::constant(MS).max_attempts(2))
        .attempt_timeout(MS)
        .hedge(MS / 2)
        .observer(move |event| log.lock().unwrap().push((event.layer(), event.attempt())));
    regatta::testing::run(async || policy.run(pending::<Result<(), Infallible>>).await.is_err());
    let layers = [
        Some(Layer::Hedge),
        Some(Layer::AttemptTimeout),
        Some(Layer::AttemptTimeout),
        Some(Layer::Retry),
    ];
    let again = [layers[0], layers[1], layers[2], layers[1]];
    let expected = layers.map(|l| (l, 1)).into_iter();
    let expected = expected.chain(again.map(|l| (l, 2)));
    assert_eq!(*seen.lock().unwrap(), expected.collect::<Vec<_>>());
}

regatta::matrix! {
    the_observer_hears_of_every_layer_in_order [sim];
    refusals_say_where_and_how_long_it_had_waited [sim];
    hedges_timeouts_and_drops_are_told [sim];
    the_figures_count_every_call_once;
    the_figures_hold_latencies_and_layers [sim];
}
