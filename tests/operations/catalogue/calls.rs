//! Calls that are made again, twice or otherwise: `retry`, `hedge`, `fallback`.

use crate::world::{Entry, Gate, World, entry};
use regatta::fallback::{fallback, fallback_when};
use regatta::hedge::hedge;
use regatta::retry::{Backoff, retry, retry_with};
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);

type Trouble<T = ()> = Result<T, &'static str>;

/// Fails the first time.
fn second_time(gate: Gate) -> impl FnMut() -> std::pin::Pin<Box<dyn Future<Output = Trouble>>> {
    let mut calls = 0;
    move || {
        calls += 1;
        let (first, gate) = (calls == 1, gate.clone());
        Box::pin(async move {
            gate.pass().await;
            if first {
                Err("the first fails")
            } else {
                Ok(())
            }
        })
    }
}

pub(super) fn entries() -> Vec<Entry> {
    vec![
        entry("retry::retry", |user| {
            let user = user.clone();
            World::around(move |gate: Gate| {
                let user = user.clone();
                async move {
                    let again = Backoff::constant(Duration::ZERO).max_attempts(3);
                    let (hook, judge) = (user.clone(), user);
                    retry(again, second_time(gate))
                        .on_retry(move |_| hook.call())
                        .when(move |_| {
                            judge.call();
                            true
                        })
                        .await
                }
            })
        }),
        entry("retry::retry (at once)", |_| {
            World::around(|gate: Gate| async move {
                let call = || {
                    let gate = gate.clone();
                    async move {
                        gate.pass().await;
                        Trouble::Ok(())
                    }
                };
                retry(Backoff::constant(HOUR), call).await
            })
        }),
        entry("retry::Retry::attempt_timeout", |_| {
            World::around(|gate: Gate| async move {
                let again = Backoff::constant(Duration::ZERO).max_attempts(3);
                retry(again, second_time(gate)).attempt_timeout(HOUR).await
            })
        }),
        entry("retry::Retry::total_timeout", |_| {
            World::around(|gate: Gate| async move {
                let again = Backoff::constant(Duration::ZERO).max_attempts(3);
                retry(again, second_time(gate)).total_timeout(HOUR).await
            })
        }),
        entry("retry::retry_with", |user| {
            let user = user.clone();
            World::around(move |gate: Gate| {
                let state = user.value();
                async move {
                    let again = Backoff::constant(Duration::ZERO).max_attempts(3);
                    let mut call = second_time(gate);
                    let call = move |state| {
                        let future = call();
                        async move { (state, future.await) }
                    };
                    retry_with(again, state, call).await.1
                }
            })
        }),
        entry("hedge::hedge", |user| {
            let user = user.clone();
            World::around(move |gate: Gate| {
                let user = user.clone();
                async move {
                    let call = || {
                        let gate = gate.clone();
                        async move {
                            gate.pass().await;
                            Trouble::Ok(())
                        }
                    };
                    let hedged = hedge(Duration::from_millis(1), call).max_attempts(2);
                    hedged.on_hedge(move |_| user.call()).await
                }
            })
        })
        .covers(&["hedge::Hedge::max_attempts", "hedge::Hedge::on_hedge"]),
        entry("fallback::fallback", |_| {
            World::around(|gate: Gate| async move {
                let mut call = second_time(gate);
                let (first, second) = (call(), call());
                fallback(first, |_| second).await
            })
        }),
        entry("fallback::fallback_when", |user| {
            let user = user.clone();
            World::around(move |gate: Gate| {
                let user = user.clone();
                async move {
                    let mut call = second_time(gate);
                    let (first, second) = (call(), call());
                    let always = move |_: &_| {
                        user.call();
                        true
                    };
                    fallback_when(first, always, |_| second).await
                }
            })
        }),
    ]
}
