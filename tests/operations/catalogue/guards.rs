//! What stands before a call: `rate_limit`, `circuit_breaker`, `bulkhead`, `load_shed`, `policy`.

use crate::user::User;
use crate::world::{Entry, Gate, World, entry, on_drop, same};
use regatta::bulkhead::Bulkhead;
use regatta::circuit_breaker::CircuitBreaker;
use regatta::load_shed::LoadShed;
use regatta::policy::Policy;
use regatta::rate_limit::{ConcurrencyAndRate, Quota, RateLimiter};
use regatta::retry::Backoff;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);

type Sure = Result<(), &'static str>;

async fn passed(gate: Gate) -> Sure {
    gate.pass().await;
    Ok(())
}

/// An object, and a gate in the call that is made through it.
fn through<O, F, T, E>(object: O, op: impl Fn(O, Gate) -> F + Send + Sync + 'static) -> World
where
    O: Clone + Send + Sync + 'static,
    F: Future<Output = Result<T, E>> + 'static,
    T: 'static,
    E: std::fmt::Debug,
{
    World::around(move |gate| op(object.clone(), gate))
}

/// So many that nobody ever waits for the rate.
fn plenty() -> Quota {
    Quota::per_second(1_000_000).burst(1_000_000_000)
}

pub(super) fn entries() -> Vec<Entry> {
    vec![
        // In this one the rate is what one waits for: 1 in 20 ms.
        entry("rate_limit::RateLimiter::acquire", |_| {
            let (slow, fast) = (
                RateLimiter::new(Quota::new(1, Duration::from_millis(20))),
                RateLimiter::new(plenty()),
            );
            World::new(
                Arc::new(Mutex::new((fast.clone(), slow, fast))),
                |kept: Arc<Mutex<(RateLimiter, RateLimiter, RateLimiter)>>| {
                    let limiter = kept.lock().expect("nobody panics").0.clone();
                    async move { limiter.acquire(1).await }
                },
                |kept| {
                    {
                        let mut kept = kept.lock().expect("nobody panics");
                        kept.0 = kept.1.clone();
                        // The next one has to wait.
                        let _taken = kept.0.try_acquire(1);
                    }
                    let kept = kept.clone();
                    on_drop(move || {
                        let mut kept = kept.lock().expect("nobody panics");
                        kept.0 = kept.2.clone();
                    })
                },
            )
        }),
        entry("rate_limit::ConcurrencyAndRate::acquire", |_| {
            let seen = RateLimiter::builder(plenty()).max_in_flight(1);
            World::new(
                seen.clone(),
                async |limiter: ConcurrencyAndRate| Ok::<_, Infallible>(limiter.acquire().await),
                |limiter| limiter.try_acquire().expect("it is free"),
            )
            .check(move || {
                same(
                    "in flight and waiting",
                    (seen.in_flight(), seen.waiting()),
                    (0, 0),
                )
            })
            .in_line()
        }),
        entry("bulkhead::Bulkhead::enter", |_| {
            let seen = Bulkhead::new(1, 1_000);
            World::new(
                seen.clone(),
                async |bulkhead: Bulkhead| bulkhead.enter().await,
                |bulkhead| bulkhead.try_enter().expect("it is free"),
            )
            .check(move || {
                let now = seen.stats();
                same("running and waiting", (now.running, now.waiting), (0, 0))
            })
            .in_line()
        }),
        entry("bulkhead::Bulkhead::call", |_| {
            let seen = Bulkhead::new(1, 1_000);
            World::new(
                seen.clone(),
                async |bulkhead: Bulkhead| bulkhead.call(async { Sure::Ok(()) }).await,
                |bulkhead| bulkhead.try_enter().expect("it is free"),
            )
            .one_thread("there is one place")
            .check(move || {
                let now = seen.stats();
                same("running and waiting", (now.running, now.waiting), (0, 0))
            })
        }),
        entry("circuit_breaker::CircuitBreaker::call", |user| {
            through(breaker(user), |breaker, gate| async move {
                breaker.call(passed(gate)).await
            })
        }),
        entry("circuit_breaker::Call::judge", |user| {
            let user = user.clone();
            through(breaker(&user), move |breaker, gate| {
                let user = user.clone();
                async move {
                    let call = breaker.call(passed(gate));
                    call.is_failure(|_: &&str| {
                        user.call();
                        true
                    })
                    .await
                }
            })
        })
        .covers(&["circuit_breaker::Call::is_failure"]),
        entry("load_shed::LoadShed::enter", |_| {
            let shed = LoadShed::builder().max_in_flight(1_000_000).build();
            World::new(shed, async |shed: LoadShed| shed.enter().await, |_| ())
                .never_waits("it refuses, or lets in")
        }),
        entry("load_shed::LoadShed::call", |_| {
            let shed = LoadShed::builder().max_in_flight(1_000_000).build();
            through(
                shed,
                |shed, gate| async move { shed.call(passed(gate)).await },
            )
        }),
        entry("policy::Policy::run", |user| {
            through(policy(user), |policy, gate| async move {
                policy.run(|| passed(gate.clone())).await
            })
        }),
        entry("policy::Policy::run (no layers)", |_| {
            through(Policy::new(), |policy, gate| async move {
                policy.run(|| passed(gate.clone())).await
            })
        }),
        entry("policy::Policy::run_when", |user| {
            let judge = user.clone();
            through(policy(user), move |policy, gate| {
                let judge = judge.clone();
                async move {
                    let mut first = true;
                    let call = || {
                        let (gate, fails) = (gate.clone(), std::mem::take(&mut first));
                        async move {
                            gate.pass().await;
                            if fails {
                                Err("the first fails")
                            } else {
                                Ok(())
                            }
                        }
                    };
                    let again = move |_: &&str| {
                        judge.call();
                        true
                    };
                    policy.run_when(call, again).await
                }
            })
        }),
    ]
}

/// Never opens by itself, and tells everything.
fn breaker(user: &User) -> CircuitBreaker {
    let user = user.clone();
    let builder = CircuitBreaker::builder().consecutive_failures(1_000_000);
    builder.observer(move |_| user.call()).build()
}

fn policy(user: &User) -> Policy {
    let observer = user.clone();
    Policy::new()
        .load_shed(LoadShed::builder().max_in_flight(1_000_000).build())
        .timeout(HOUR)
        .retry(Backoff::constant(Duration::ZERO).max_attempts(3))
        .hedge(HOUR)
        .bulkhead(Bulkhead::new(1_000, 1_000))
        .rate_limit(RateLimiter::new(plenty()))
        .circuit_breaker(breaker(user))
        .attempt_timeout(HOUR)
        .measured()
        .observer(move |_| observer.call())
}
