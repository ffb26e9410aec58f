//! A call on its way through the layers.

use super::advice::Advice;
use super::error::{Cause, Failure, Layer};
use super::layers::Layers;
use super::observer::{Ended, Event};
use super::watch::Watch;
use crate::bulkhead;
use crate::circuit_breaker::{self, Verdict};
use crate::hedge::Race;
use crate::internal::member::Member;
use crate::internal::scope;
use crate::internal::timeline::Timeline;
use crate::load_shed::{self, LoadShed};
use crate::rate_limit::RateLimiter;
use crate::retry::{Call, Tries, unless_cancelled};
use crate::runtime::{Runtime, coop};
use crate::time;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// An attempt that gave no value. In a box: what works comes back through all layers, and should be small.
type Missed<E> = Box<Miss<E>>;

struct Miss<E> {
    cause: Cause<E>,
    advice: Advice,
}

#[cold]
fn missed<E>(cause: Cause<E>, advice: Advice) -> Missed<E> {
    Box::new(Miss { cause, advice })
}

/// What all attempts of a call share.
struct Scene<'a, J> {
    watch: Watch<'a>,
    judge: J,
    /// Hedges that were let through and have not ended. All on one task; atomic because futures that borrow it are
    /// sent around between polls.
    at_work: AtomicU32,
}

/// A hedge that was let through.
struct AtWork<'s>(&'s AtomicU32);

impl<'s> AtWork<'s> {
    fn begin(count: &'s AtomicU32) -> Self {
        count.fetch_add(1, Relaxed);
        AtWork(count)
    }
}

impl Drop for AtWork<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

/// A call under way.
struct Run<'a, C, J> {
    scene: Scene<'a, J>,
    call: C,
}

/// Goes through all the layers that there are.
///
/// Nothing that is large is moved: what stands under a limit is pinned where it lies, and lent to it. What only few calls need is in a box.
pub(super) async fn run<C, J>(
    layers: &Layers,
    call: C,
    judge: J,
) -> Result<C::Value, Failure<C::Error>>
where
    C: Call,
    J: Fn(&C::Error) -> Advice + Send + Sync,
{
    let watch = Watch::new(layers);
    let mut run = Run {
        scene: Scene {
            watch,
            judge,
            at_work: AtomicU32::new(0),
        },
        call,
    };
    let mut held = None;
    if let Some(shed) = &layers.shed {
        match shed.hold_at_once() {
            Some(pass) => held = Some(pass),
            None => match Box::pin(enter_late(&run.scene.watch, shed)).await {
                Ok(pass) => held = Some(pass),
                Err(refused) => return Err(run.scene.watch.failed(refused)),
            },
        }
    }
    let ended = {
        let mut all = pin!(attempts(&mut run));
        match layers.timeout {
            None => all.await,
            Some(limit) => match time::timeout(limit, all.as_mut()).await {
                Ok(ended) => ended,
                Err(elapsed) => {
                    let layer = Layer::Timeout;
                    Err(missed(Cause::TimedOut { layer, elapsed }, Advice::GiveUp))
                }
            },
        }
    };
    drop(held);
    match ended {
        Ok(value) => {
            run.scene.watch.succeeded();
            Ok(value)
        }
        Err(missed) => {
            if let Cause::TimedOut {
                layer: Layer::Timeout,
                ..
            } = missed.cause
            {
                run.scene.watch.time_passes();
            }
            Err(run.scene.watch.failed(missed.cause))
        }
    }
}

/// Past a load shedder that refuses, or wants to measure.
async fn enter_late<'a, E>(
    watch: &Watch<'a>,
    shed: &'a LoadShed,
) -> Result<load_shed::Held<'a>, Cause<E>> {
    let since = watch.now();
    watch.time_passes();
    let Some(pass) = unless_cancelled(shed.hold()).await else {
        return Err(Cause::Cancelled);
    };
    let pass = pass.map_err(|_| watch.refused(Layer::LoadShed, since, None))?;
    watch.waited(Layer::LoadShed, since);
    Ok(pass)
}

/// Makes attempts until one works, or there is none any more.
async fn attempts<C, J>(run: &mut Run<'_, C, J>) -> Result<C::Value, Missed<C::Error>>
where
    C: Call,
    J: Fn(&C::Error) -> Advice + Send + Sync,
{
    let layers = run.scene.watch.layers;
    if let (Some(budget), Some(_)) = (&layers.budget, &layers.backoff) {
        budget.pay_in(Timeline::read(&Runtime::current()));
    }
    let mut tries = None;
    loop {
        run.scene.watch.next_attempt();
        let ended = match &layers.hedge {
            None => attempt(&run.scene, None, &mut run.call).await,
            Some((delay, most)) => {
                let (scene, call) = (&run.scene, &mut run.call);
                let mut race = Race::new(delay);
                let mut first = pin!(Some(Member::new(hedged(scene, None, call))));
                let mut further = |number| {
                    scene.watch.time_passes();
                    let attempt = scene.watch.attempt();
                    layers.tell(&Event::Hedged { attempt, number });
                    hedged(scene, Some(&scene.at_work), call)
                };
                let limits = (delay, *most);
                let at_work = || scene.at_work.load(Relaxed) > 0;
                poll_fn(|cx| race.poll(first.as_mut(), cx, limits, &mut further, at_work)).await
            }
        };
        let watch = &run.scene.watch;
        let missed = match ended {
            Ok(value) => return Ok(value),
            Err(missed) => missed,
        };
        let Some(backoff) = &layers.backoff else {
            return Err(missed);
        };
        let tries = tries.get_or_insert_with(Tries::new);
        let Ok(delay) = tries.next(backoff, layers.budget.as_ref(), || missed.advice.hint()) else {
            return Err(missed);
        };
        layers.tell(&Event::Retrying {
            attempt: watch.attempt(),
            delay,
        });
        // What the attempt gave is not kept over the delay.
        drop(missed);
        watch.time_passes();
        let goes_on = if delay.is_zero() {
            coop::spend().await;
            // Without a wait, too, nothing more is called for a caller that is cancelled.
            let ready = std::future::ready(());
            scope::reason().is_none() || Box::pin(unless_cancelled(ready)).await.is_some()
        } else {
            let slept = Box::pin(unless_cancelled(time::sleep(delay)));
            slept.await.is_some()
        };
        if !goes_on {
            return Err(self::missed(Cause::Cancelled, Advice::GiveUp));
        }
    }
}

/// An attempt beside others, which are all of this one type.
#[inline]
fn hedged<'s, 'w, C, J>(
    scene: &'s Scene<'w, J>,
    at_work: Option<&'s AtomicU32>,
    call: &mut C,
) -> impl Future<Output = Result<C::Value, Missed<C::Error>>> + use<'s, 'w, C, J>
where
    C: Call,
    J: Fn(&C::Error) -> Advice,
{
    // In a box, for what goes into a future by an argument takes its room several times.
    let future = Box::pin(call());
    attempt(scene, at_work, move || future)
}

/// One call through the layers that see each of them.
async fn attempt<F, T, E, J>(
    scene: &Scene<'_, J>,
    at_work: Option<&AtomicU32>,
    call: impl FnOnce() -> F,
) -> Result<T, Missed<E>>
where
    F: Future<Output = Result<T, E>>,
    J: Fn(&E) -> Advice,
{
    let Scene { watch, judge, .. } = scene;
    let layers = watch.layers;
    let mut entry = Entry::default();
    let entered = match enter(watch, &mut entry) {
        Ok(true) => Ok(()),
        Ok(false) => Box::pin(wait(watch, &mut entry)).await,
        Err(cause) => Err(cause),
    };
    if let Err(cause) = entered {
        // It would be refused again: when it is worth another try, the caller is told.
        return Err(missed(cause, Advice::GiveUp));
    }
    let _at_work = at_work.map(AtWork::begin);
    let began = watch.now();
    let ended = {
        let mut call = pin!(call());
        match layers.attempt_timeout {
            None => Ok(call.await),
            Some(limit) => time::timeout(limit, call.as_mut()).await,
        }
    };
    match ended {
        Ok(Ok(value)) => {
            entry.end(Verdict::Success);
            watch.attempted(began, Ended::Succeeded);
            Ok(value)
        }
        Ok(Err(error)) => {
            let advice = judge(&error);
            // That it was cancelled says nothing about the service.
            match (scope::reason().is_none(), advice) {
                (false, _) => drop(entry),
                (true, Advice::Answer) => entry.end(Verdict::Success),
                (true, _) => entry.end(Verdict::Failure),
            }
            watch.attempted(began, Ended::Failed);
            Err(missed(Cause::Failed(error), advice))
        }
        Err(elapsed) => {
            entry.end(Verdict::Failure);
            watch.attempted(began, Ended::TimedOut);
            let layer = Layer::AttemptTimeout;
            Err(missed(Cause::TimedOut { layer, elapsed }, Advice::Retry))
        }
    }
}

/// A call that was let through.
#[derive(Default)]
struct Entry<'a> {
    breaker: Option<circuit_breaker::Held<'a>>,
    place: Option<bulkhead::Held<'a>>,
}

impl Entry<'_> {
    #[inline]
    fn end(&mut self, verdict: Verdict) {
        if let Some(breaker) = self.breaker.take() {
            breaker.end(verdict);
        }
        if let Some(place) = self.place.take() {
            place.end(verdict == Verdict::Success);
        }
    }
}

/// Bulkhead, rate limit and circuit breaker, in this order; but an open breaker refuses at once, so that nobody waits, and no permit is spent, for nothing. `false`: it has to
/// wait.
#[inline]
fn enter<'a, E>(watch: &Watch<'a>, entry: &mut Entry<'a>) -> Result<bool, Cause<E>> {
    let layers = watch.layers;
    ask_breaker(watch, entry)?;
    if let Some(bulkhead) = &layers.bulkhead {
        entry.place = bulkhead.try_hold();
    }
    let has_place = entry.place.is_some() || layers.bulkhead.is_none();
    if has_place && layers.rate.as_ref().is_none_or(RateLimiter::take_one) {
        return Ok(true);
    }
    if let Some(breaker) = entry.breaker.take() {
        // Asked again after the wait, which is not part of the call.
        breaker.undo();
    }
    Ok(false)
}

#[inline]
fn ask_breaker<'a, E>(watch: &Watch<'a>, entry: &mut Entry<'a>) -> Result<(), Cause<E>> {
    if let Some(breaker) = &watch.layers.breaker {
        match breaker.hold() {
            Ok(held) => entry.breaker = Some(held),
            Err(refused) => {
                let layer = Layer::CircuitBreaker;
                return Err(watch.refused(layer, watch.now(), refused.retry_after));
            }
        }
    }
    Ok(())
}

/// [`enter`] for who has to wait: for a place, unless there is one already, and for a permit.
async fn wait<'a, E>(watch: &Watch<'a>, entry: &mut Entry<'a>) -> Result<(), Cause<E>> {
    let layers = watch.layers;
    let mut since = watch.now();
    watch.time_passes();
    if let (Some(bulkhead), None) = (&layers.bulkhead, &entry.place) {
        match unless_cancelled(bulkhead.hold()).await {
            Some(Ok(held)) => entry.place = Some(held),
            None => return Err(Cause::Cancelled),
            Some(Err(_)) => return Err(watch.refused(Layer::Bulkhead, since, None)),
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
        match unless_cancelled(rate.acquire(1)).await {
            Some(Ok(())) => {}
            None => return Err(Cause::Cancelled),
            Some(Err(never)) => unreachable!("one permit can always be had: {never}"),
        }
        watch.waited(Layer::RateLimit, since);
    }
    if let Some(place) = &mut entry.place {
        place.restart();
    }
    ask_breaker(watch, entry)
}
