//! Races: the first one counts.

use super::error::{ErrorGroup, Fault};
use super::heat::{Event, Heat, Verdict};
use crate::internal::member::Poller;
use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::task::{Context, Poll};

/// Runs futures side by side, in place; gives the output of the first that ends, and cancels the losers.
///
/// The losers are cancelled and waited for: their [cleanup](crate::cancel::finally) runs, and nothing is left. What a loser finishes with meanwhile is
/// dropped. To keep a loser, lend it: the race takes `&mut` futures too. Of several that are ready in the same poll
/// the first in order wins, and those behind it that were not polled yet never start.
///
/// The futures are of one type; for a few of different types see [`race_of`](super::race_of).
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
#[track_caller]
pub fn race<I>(
    futures: I,
) -> Race<<I::Item as IntoFuture>::IntoFuture, <I::Item as IntoFuture>::Output>
where
    I: IntoIterator,
    I::Item: IntoFuture,
{
    let heat = Heat::of(futures.into_iter().map(IntoFuture::into_future));
    assert!(
        !heat.is_empty(),
        "race: there is no future to run, so it would never end; give it at least one"
    );
    Race { heat, poll: run }
}

/// Futures of which the first counts; made by [`race`].
// The iterator is not among the parameters, `T` is, and `poll` is a pointer, for the reason given at `Gathering`.
#[must_use = "futures do nothing unless polled"]
pub struct Race<F, T> {
    heat: Heat<F, T>,
    poll: Poller<Race<F, T>, T>,
}

// The futures have pinned places of their own.
impl<F, T> Unpin for Race<F, T> {}

impl<F, T> fmt::Debug for Race<F, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Race")
            .field("decided", &self.heat.is_leaving())
            .finish_non_exhaustive()
    }
}

impl<F, T> Future for Race<F, T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let this = self.get_mut();
        (this.poll)(this, cx)
    }
}

fn run<F: Future>(race: &mut Race<F, F::Output>, cx: &mut Context<'_>) -> Poll<F::Output> {
    match race.heat.poll(cx, Verdict::Wins) {
        Poll::Ready(Event::Won(output)) => Poll::Ready(output),
        Poll::Ready(Event::Failed | Event::Empty) => panic!("a race was polled after it ended"),
        Poll::Pending => Poll::Pending,
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
pub fn race_ok<I, T, E>(futures: I) -> RaceOk<<I::Item as IntoFuture>::IntoFuture, T, E>
where
    I: IntoIterator,
    I::Item: IntoFuture<Output = Result<T, E>>,
{
    RaceOk {
        heat: Heat::of(futures.into_iter().map(IntoFuture::into_future)),
        faults: Vec::new(),
        poll: run_ok,
    }
}

/// Futures of which the first success counts; made by [`race_ok`].
#[must_use = "futures do nothing unless polled"]
pub struct RaceOk<F, T, E> {
    heat: Heat<F, T>,
    faults: Vec<Fault<E>>,
    poll: Poller<RaceOk<F, T, E>, Result<T, ErrorGroup<E>>>,
}

impl<F, T, E> Unpin for RaceOk<F, T, E> {}

impl<F, T, E> fmt::Debug for RaceOk<F, T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RaceOk")
            .field("failed", &self.faults.len())
            .field("decided", &self.heat.is_leaving())
            .finish_non_exhaustive()
    }
}

impl<F, T, E> Future for RaceOk<F, T, E> {
    type Output = Result<T, ErrorGroup<E>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        (this.poll)(this, cx)
    }
}

fn run_ok<F, T, E>(
    race: &mut RaceOk<F, T, E>,
    cx: &mut Context<'_>,
) -> Poll<Result<T, ErrorGroup<E>>>
where
    F: Future<Output = Result<T, E>>,
{
    loop {
        let faults = &mut race.faults;
        match race.heat.poll(cx, |output| judge(output, faults)) {
            Poll::Ready(Event::Won(value)) => return Poll::Ready(Ok(value)),
            Poll::Ready(Event::Failed) => {}
            Poll::Ready(Event::Empty) => {
                let faults = std::mem::take(&mut race.faults);
                return Poll::Ready(Err(ErrorGroup::new(None, faults)));
            }
            Poll::Pending => return Poll::Pending,
        }
    }
}

/// A success wins; an error is kept.
pub(super) fn judge<T, E>(output: Result<T, E>, faults: &mut Vec<Fault<E>>) -> Verdict<T> {
    match output {
        Ok(value) => Verdict::Wins(value),
        Err(error) => {
            faults.push(Fault::Leaf(None, error));
            Verdict::Fails
        }
    }
}
