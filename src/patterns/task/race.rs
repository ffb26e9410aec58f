//! Races: the first one counts.

use super::error::{ErrorGroup, Fault};
use crate::internal::label;
use crate::internal::member::{Member, dismiss};
use crate::internal::slots::Slots;
use crate::time::sleep;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

/// Waits until every member is gone; outputs that still come are handed to `late`.
async fn send_home<F: Future>(members: &mut Slots<Member<F>>, mut late: impl FnMut(F::Output)) {
    dismiss(members);
    while let Some(output) = next(members).await {
        late(output);
    }
}

/// The next output; `None` when all members are gone.
async fn next<F: Future>(members: &mut Slots<Member<F>>) -> Option<F::Output> {
    poll_fn(|cx| {
        loop {
            match members.poll_next(cx) {
                Poll::Ready(Some((_, Some(output)))) => return Poll::Ready(Some(output)),
                Poll::Ready(Some((_, None))) => {}
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Pending => {
                    label::set("the first of a race");
                    return Poll::Pending;
                }
            }
        }
    })
    .await
}

/// Runs futures side by side, in place; gives the output of the first that ends, and cancels the losers.
///
/// The losers are cancelled and waited for: their [cleanup](crate::cancel::finally) runs, and nothing is left. What a loser finishes with meanwhile is
/// dropped. To keep a loser, lend it: the race takes `&mut` futures too.
///
/// # Panics
///
/// When there is no future to run: such a race would never end. A panic of a future goes on in the caller.
///
/// # Cancel safety
///
/// Dropping it drops the futures at once, without their async cleanup.
///
/// # Examples
///
/// ```
/// use regatta::{task::race, time};
/// use std::{pin::pin, time::Duration};
///
/// async fn mirror(name: &str, secs: u64) -> &str {
///     time::sleep(Duration::from_secs(secs)).await;
///     name
/// }
///
/// regatta::testing::run(async || {
///     assert_eq!(race([mirror("far", 9), mirror("near", 2)]).await, "near");
///
///     let (mut a, mut b) = (pin!(mirror("a", 1)), pin!(mirror("b", 5)));
///     assert_eq!(race([a.as_mut(), b.as_mut()]).await, "a");
///     assert_eq!(b.await, "b"); // the loser goes on where it was
/// });
/// ```
pub async fn race<I>(futures: I) -> <I::Item as Future>::Output
where
    I: IntoIterator,
    I::Item: Future,
{
    let mut members = enter(futures);
    assert!(
        !members.is_empty(),
        "race: there is no future to run, so it would never end; give it at least one"
    );
    let first = next(&mut members).await;
    send_home(&mut members, drop).await;
    match first {
        Some(output) => output,
        None => unreachable!("members leave without an output only when they are dismissed"),
    }
}

/// [`race`] for the first success: errors only count when everybody failed.
///
/// # Errors
///
/// [`ErrorGroup`] with every error, in the order they came, when no future succeeded. Without futures, an empty one.
///
/// # Panics
///
/// A panic of a future goes on in the caller.
///
/// # Cancel safety
///
/// As [`race`].
///
/// # Examples
///
/// ```
/// use regatta::task::race_ok;
///
/// regatta::testing::run(async || {
///     let tries = [Err("refused"), Ok("connected"), Err("no route")].map(|r| async move { r });
///     assert_eq!(race_ok(tries).await.ok(), Some("connected"));
/// });
/// ```
pub async fn race_ok<I, T, E>(futures: I) -> Result<T, ErrorGroup<E>>
where
    I: IntoIterator,
    I::Item: Future<Output = Result<T, E>>,
{
    let mut members = enter(futures);
    let mut faults = Vec::new();
    while let Some(output) = next(&mut members).await {
        match output {
            Ok(value) => {
                send_home(&mut members, drop).await;
                return Ok(value);
            }
            Err(error) => faults.push(Fault::Leaf(None, error)),
        }
    }
    Err(ErrorGroup::new(None, faults))
}

fn enter<I: IntoIterator<Item: Future>>(futures: I) -> Slots<Member<I::Item>> {
    let mut members = Slots::default();
    for future in futures {
        members.insert(Member::new(future));
    }
    members
}

/// Tries one after the other, not waiting for the slow: the next starts when `delay` has passed, or at once when the last one failed.
/// The first success wins; the others are cancelled and waited for, as in [`race`].
///
/// Happy Eyeballs (RFC 8305) for anything: addresses, mirrors, replicas. A zero `delay` starts all of them.
///
/// # Errors
///
/// [`ErrorGroup`] with every error, in the order they came, when nobody succeeded.
///
/// # Panics
///
/// A panic of a future goes on in the caller.
///
/// # Cancel safety
///
/// As [`race`]; what has not started never starts.
///
/// # Examples
///
/// ```
/// use regatta::{task::staggered_race, time};
/// use std::time::Duration;
///
/// regatta::testing::run(async || {
///     let addresses = [("black hole", 3600), ("home", 1)];
///     let tries = addresses.map(|(host, secs)| move || async move {
///         time::sleep(Duration::from_secs(secs)).await;
///         Ok::<_, String>(host)
///     });
///     let host = staggered_race(Duration::from_millis(250), tries).await;
///     assert_eq!(host.expect("home answers"), "home");
///     assert_eq!(regatta::testing::now(), Duration::from_millis(1250));
/// });
/// ```
pub async fn staggered_race<I, S, F, T, E>(delay: Duration, starters: I) -> Result<T, ErrorGroup<E>>
where
    I: IntoIterator<Item = S>,
    S: FnOnce() -> F,
    F: Future<Output = Result<T, E>>,
{
    let mut starters = starters.into_iter().peekable();
    let mut members = Slots::default();
    let mut faults = Vec::new();
    while let Some(start) = starters.next() {
        members.insert(Member::new(start()));
        let more = starters.peek().is_some();
        let mut pause = pin!(sleep(delay));
        // Until this one has failed, or had its time; the last one has all the time there is.
        let output = poll_fn(|cx| {
            let mut next = pin!(next(&mut members));
            match next.as_mut().poll(cx) {
                Poll::Ready(output) => Poll::Ready(output),
                Poll::Pending if more => pause.as_mut().poll(cx).map(|()| None),
                Poll::Pending => Poll::Pending,
            }
        })
        .await;
        match output {
            Some(Ok(value)) => {
                send_home(&mut members, drop).await;
                return Ok(value);
            }
            Some(Err(error)) => faults.push(Fault::Leaf(None, error)),
            None => {}
        }
    }
    while let Some(output) = next(&mut members).await {
        match output {
            Ok(value) => {
                send_home(&mut members, drop).await;
                return Ok(value);
            }
            Err(error) => faults.push(Fault::Leaf(None, error)),
        }
    }
    Err(ErrorGroup::new(None, faults))
}
