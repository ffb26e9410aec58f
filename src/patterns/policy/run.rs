//! A call on its way through the layers.

use super::advice::Advice;
use super::error::{Cause, Failure, Layer};
use super::layers::Layers;
use super::observer::{Ended, Event};
use super::watch::Watch;
use crate::bulkhead;
use crate::circuit_breaker::{self, Verdict};
use crate::hedge::hedge;
use crate::internal::scope;
use crate::rate_limit::RateLimiter;
use crate::retry::{Call, Tries};
use crate::runtime::Runtime;
use crate::time;
use std::future::{Future, poll_fn};
use std::task::Poll;
use std::time::Duration;

/// An attempt that gave no value.
struct Missed<E> {
    cause: Cause<E>,
    advice: Advice,
}

/// Goes through all the layers that there are.
pub(super) async fn run<C, J>(
    layers: &Layers,
    mut call: C,
    judge: J,
) -> Result<C::Value, Failure<C::Error>>
where
    C: Call,
    J: Fn(&C::Error) -> Advice + Send + Sync,
{
    let watch = Watch::new(layers);
    let mut held = None;
    if let Some(shed) = &layers.shed {
        match shed.hold().await {
            Ok(pass) => {
                if pass.measured {
                    let since = watch.now();
                    watch.time_passes();
                    watch.waited(Layer::LoadShed, since);
                }
                held = Some(pass);
            }
            Err(_) => {
                let since = watch.now();
                watch.time_passes();
                let refused = watch.refused(Layer::LoadShed, since, None);
                return watch.end(Err(refused));
            }
        }
    }
    let ended = match layers.timeout {
        None => attempts(&watch, &mut call, &judge).await,
        Some(limit) => match time::timeout(limit, attempts(&watch, &mut call, &judge)).await {
            Ok(ended) => ended,
            Err(elapsed) => {
                watch.time_passes();
                Err(Cause::TimedOut {
                    layer: Layer::Timeout,
                    elapsed,
                })
            }
        },
    };
    drop(held);
    watch.end(ended)
}

/// Makes attempts until one works, or there is none any more.
async fn attempts<C, J>(
    watch: &Watch<'_>,
    call: &mut C,
    judge: &J,
) -> Result<C::Value, Cause<C::Error>>
where
    C: Call,
    J: Fn(&C::Error) -> Advice + Send + Sync,
{
    let layers = watch.layers;
    if let (Some(budget), Some(_)) = (&layers.budget, &layers.backoff) {
        budget.pay_in(Runtime::current().now());
    }
    let mut tries = None;
    loop {
        watch.next_attempt();
        let missed = match &layers.hedge {
            None => attempt(watch, call(), judge).await,
            Some((delay, most)) => {
                let mut number = 0;
                let further = || {
                    number += 1;
                    if number > 1 {
                        watch.time_passes();
                        let attempt = watch.attempt();
                        layers.tell(&Event::Hedged { attempt, number });
                    }
                    attempt(watch, call(), judge)
                };
                hedge(delay.clone(), further).max_attempts(*most).await
            }
        };
        let missed = match missed {
            Ok(value) => return Ok(value),
            Err(missed) => missed,
        };
        let Some(backoff) = &layers.backoff else {
            return Err(missed.cause);
        };
        let tries = tries.get_or_insert_with(Tries::new);
        let Ok(delay) = tries.next(backoff, layers.budget.as_ref(), || missed.advice.hint()) else {
            return Err(missed.cause);
        };
        layers.tell(&Event::Retrying {
            attempt: watch.attempt(),
            delay,
        });
        // What the attempt gave is not kept over the delay.
        drop(missed);
        watch.time_passes();
        pause(tries, delay).await;
    }
}

async fn pause(tries: &mut Tries, delay: Duration) {
    let mut gives_way = tries.gives_way(delay);
    if !delay.is_zero() {
        time::sleep(delay).await;
    } else if gives_way {
        poll_fn(|cx| {
            if std::mem::take(&mut gives_way) {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            Poll::Ready(())
        })
        .await;
    }
}

/// One call through the layers that see each of them.
async fn attempt<F, T, E, J>(watch: &Watch<'_>, call: F, judge: &J) -> Result<T, Missed<E>>
where
    F: Future<Output = Result<T, E>>,
    J: Fn(&E) -> Advice,
{
    let layers = watch.layers;
    let entry = match enter(watch).await {
        Ok(entry) => entry,
        Err(cause) => {
            // It would be refused again: when it is worth another try, the caller is told.
            let advice = Advice::GiveUp;
            return Err(Missed { cause, advice });
        }
    };
    let began = watch.now();
    let ended = match layers.attempt_timeout {
        None => Ok(call.await),
        Some(limit) => time::timeout(limit, call).await,
    };
    let (told, verdict, ended) = match ended {
        Ok(Ok(value)) => (Ended::Succeeded, Some(Verdict::Success), Ok(value)),
        Ok(Err(error)) => {
            let advice = judge(&error);
            let cause = Cause::Failed(error);
            let verdict = match advice {
                Advice::Answer => Verdict::Success,
                _ => Verdict::Failure,
            };
            // That it was cancelled says nothing about the service.
            let verdict = scope::reason().is_none().then_some(verdict);
            (Ended::Failed, verdict, Err(Missed { cause, advice }))
        }
        Err(elapsed) => {
            let missed = Missed {
                cause: Cause::TimedOut {
                    layer: Layer::AttemptTimeout,
                    elapsed,
                },
                advice: Advice::Retry,
            };
            (Ended::TimedOut, Some(Verdict::Failure), Err(missed))
        }
    };
    if let Some(verdict) = verdict {
        entry.end(verdict);
    } else {
        drop(entry);
    }
    watch.attempted(began, told);
    ended
}

/// A call that was let through.
struct Entry<'a> {
    breaker: Option<circuit_breaker::Held<'a>>,
    place: Option<bulkhead::Held<'a>>,
}

impl Entry<'_> {
    #[inline]
    fn end(self, verdict: Verdict) {
        if let Some(breaker) = self.breaker {
            breaker.end(verdict);
        }
        if let Some(place) = self.place {
            place.end(verdict == Verdict::Success);
        }
    }
}

/// Bulkhead, rate limit and circuit breaker, in this order; but an open breaker refuses at once, so that nobody waits, and no permit is spent, for nothing.
#[inline]
async fn enter<'a, E>(watch: &Watch<'a>) -> Result<Entry<'a>, Cause<E>> {
    let layers = watch.layers;
    let breaker = ask_breaker(watch)?;
    let place = layers.bulkhead.as_ref().and_then(|b| b.try_hold());
    let has_place = place.is_some() || layers.bulkhead.is_none();
    if has_place && layers.rate.as_ref().is_none_or(RateLimiter::take_one) {
        return Ok(Entry { breaker, place });
    }
    if let Some(breaker) = breaker {
        // Asked again after the wait, which is not part of the call.
        breaker.undo();
    }
    // In a box: mostly nobody waits, and what is small is moved quickly.
    Box::pin(wait(watch, place)).await
}

#[inline]
fn ask_breaker<'a, E>(watch: &Watch<'a>) -> Result<Option<circuit_breaker::Held<'a>>, Cause<E>> {
    let Some(breaker) = &watch.layers.breaker else {
        return Ok(None);
    };
    breaker
        .hold()
        .map(Some)
        .map_err(|refused| watch.refused(Layer::CircuitBreaker, watch.now(), refused.retry_after))
}

/// The rest of [`enter`] for who has to wait: for a place, unless there is one already, and for a permit.
async fn wait<'a, E>(
    watch: &Watch<'a>,
    mut place: Option<bulkhead::Held<'a>>,
) -> Result<Entry<'a>, Cause<E>> {
    let layers = watch.layers;
    let mut since = watch.now();
    watch.time_passes();
    if let (Some(bulkhead), None) = (&layers.bulkhead, &place) {
        match bulkhead.hold().await {
            Ok(held) => place = Some(held),
            Err(_) => return Err(watch.refused(Layer::Bulkhead, since, None)),
        }
        watch.waited(Layer::Bulkhead, since);
        since = watch.now();
    }
    if let Some(rate) = layers.rate.as_ref().filter(|rate| !rate.take_one()) {
        if let (Some(most), Ok(wait)) = (layers.max_rate_wait, rate.check(1))
            && wait > most
        {
            return Err(watch.refused(Layer::RateLimit, since, Some(wait)));
        }
        if let Err(never) = rate.acquire(1).await {
            unreachable!("one permit can always be had: {never}");
        }
        watch.waited(Layer::RateLimit, since);
    }
    if let Some(place) = &mut place {
        place.restart();
    }
    let breaker = ask_breaker(watch)?;
    Ok(Entry { breaker, place })
}
