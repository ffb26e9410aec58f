//! A call on its way through the layers.

use super::error::{Cause, Failure, Layer};
use super::observer::Event;
use super::{Layers, Policy};
use crate::circuit_breaker::{Pass, State};
use crate::retry::{Call, Failed, retry};
use crate::time;
use std::future::Future;
use std::sync::atomic::{AtomicU32, Ordering};

/// Goes through all the layers that there are.
pub(super) async fn run<C>(
    layers: &Layers,
    mut call: C,
    mut worth: impl FnMut(&C::Error) -> bool + Send,
) -> Result<C::Value, Failure<C::Error>>
where
    C: Call,
{
    let attempts = AtomicU32::new(0);
    let count = || attempts.load(Ordering::Relaxed);
    let started = layers.observer.as_ref().map(|_| layers.now());
    let one = || {
        attempts.fetch_add(1, Ordering::Relaxed);
        // Made now, and polled when it has come through.
        attempt(layers, call())
    };
    let all = async {
        match &layers.backoff {
            None => {
                let mut one = one;
                one().await
            }
            Some(backoff) => {
                let retried = retry(backoff, one)
                    .when(move |cause| match cause {
                        Cause::Failed(error) => worth(error),
                        Cause::TimedOut { .. } => true,
                        // It will refuse again: when, the caller is told.
                        Cause::Refused { .. } => false,
                    })
                    .on_retry(|r| {
                        layers.tell(&Event::Retrying {
                            attempt: r.attempt,
                            delay: r.delay,
                        });
                    });
                let retried = match &layers.budget {
                    Some(budget) => retried.budget(budget),
                    None => retried,
                };
                retried.await.map_err(|error| match error.last {
                    Failed::With(cause) => cause,
                    Failed::TimedOut(elapsed) => Cause::TimedOut {
                        layer: Layer::Retry,
                        elapsed,
                    },
                })
            }
        }
    };
    let ended = match layers.timeout {
        None => all.await,
        Some(limit) => match time::timeout(limit, all).await {
            Ok(ended) => ended,
            Err(elapsed) => Err(Cause::TimedOut {
                layer: Layer::Timeout,
                elapsed,
            }),
        },
    };
    let attempts = count();
    if let Some(started) = started {
        let took = layers.now().saturating_duration_since(started);
        layers.tell(&match &ended {
            Ok(_) => Event::Succeeded { attempts, took },
            Err(cause) => Event::Failed {
                attempts,
                took,
                layer: match cause {
                    Cause::Failed(_) => None,
                    Cause::Refused { layer, .. } | Cause::TimedOut { layer, .. } => Some(*layer),
                },
            },
        });
    }
    ended.map_err(|cause| Failure { attempts, cause })
}

async fn attempt<F, T, E>(layers: &Layers, call: F) -> Result<T, Cause<E>>
where
    F: Future<Output = Result<T, E>>,
{
    let mut pass = None;
    if let Some(breaker) = &layers.breaker {
        // An open breaker need not be waited for, nor a permit spent on it.
        if layers.rate.is_some() && breaker.state() == State::Open {
            pass = Some(enter(layers, breaker)?);
        }
    }
    if let Some(rate) = &layers.rate
        && let Err(never) = rate.acquire(1).await
    {
        unreachable!("one permit can always be had: {never}");
    }
    if let (Some(breaker), None) = (&layers.breaker, &pass) {
        pass = Some(enter(layers, breaker)?);
    }
    let ended = match layers.attempt_timeout {
        None => call.await.map_err(Cause::Failed),
        Some(limit) => match time::timeout(limit, call).await {
            Ok(ended) => ended.map_err(Cause::Failed),
            Err(elapsed) => Err(Cause::TimedOut {
                layer: Layer::AttemptTimeout,
                elapsed,
            }),
        },
    };
    if let Some(pass) = pass {
        match &ended {
            Ok(_) => pass.succeeded(),
            Err(_) => pass.failed(),
        }
    }
    ended
}

fn enter<E>(
    layers: &Layers,
    breaker: &crate::circuit_breaker::CircuitBreaker,
) -> Result<Pass, Cause<E>> {
    breaker.try_enter().map_err(|refused| {
        layers.tell(&Event::Refused {
            layer: Layer::CircuitBreaker,
        });
        Cause::Refused {
            layer: Layer::CircuitBreaker,
            retry_after: refused.retry_after,
        }
    })
}

impl Policy {
    pub(super) fn layers(&self) -> Option<&Layers> {
        self.layers.as_deref()
    }
}
