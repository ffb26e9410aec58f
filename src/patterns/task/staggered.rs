//! [`staggered_race`]: one after the other, not waiting for the slow.

use super::error::{ErrorGroup, Fault};
use super::heat::{Event, Heat};
use super::race::judge;
use crate::internal::member::Poller;
use crate::internal::scope;
use crate::runtime::Sleep;
use crate::time::sleep;
use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

/// Tries one after the other, not waiting for the slow: the next starts when `delay` has passed, or at once when the
/// last one failed. The first success wins; the others are cancelled and waited for, as in [`race`](super::race).
///
/// Happy Eyeballs (RFC 8305) for anything: addresses, mirrors, replicas. A zero `delay` starts all of them.
///
/// Once a scope around it is cancelled, it starts nobody else: those that run have their grace, or their cleanup.
///
/// # Errors
///
/// [`ErrorGroup`] with every error, in the order they came, when nobody succeeded. When it was cancelled before all
/// had their try, and had the grace to fail, the group says so: [`ErrorGroup::cancelled`].
///
/// # Panics
///
/// A panic of a future goes on in the caller.
///
/// # Cancel safety
///
/// As [`race`](super::race); what has not started never starts.
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
pub fn staggered_race<I, S, F, T, E>(
    delay: Duration,
    starters: I,
) -> StaggeredRace<I::IntoIter, S, F::IntoFuture, T, E>
where
    I: IntoIterator<Item = S>,
    S: FnOnce() -> F,
    F: IntoFuture<Output = Result<T, E>>,
{
    let mut starters = starters.into_iter();
    let upcoming = starters.next();
    StaggeredRace {
        delay,
        starters,
        upcoming,
        heat: Heat::new(),
        faults: Vec::new(),
        pause: None,
        has_begun: false,
        was_cut: false,
        poll: run,
    }
}

/// Attempts that start one after the other; made by [`staggered_race`].
// The parameters after `I` stand here although it says what they are, and `poll` is a pointer, for the reason given
// at `Gathering`.
#[must_use = "futures do nothing unless polled"]
pub struct StaggeredRace<I, S, F, T, E> {
    delay: Duration,
    starters: I,
    /// The next of them.
    upcoming: Option<S>,
    heat: Heat<F, T>,
    faults: Vec<Fault<E>>,
    /// Until the next one starts.
    pause: Option<Pin<Box<Sleep>>>,
    has_begun: bool,
    /// Cancelled while there were others to start.
    was_cut: bool,
    poll: Run<I, S, F, T, E>,
}

type Ended<T, E> = Result<T, ErrorGroup<E>>;
type Run<I, S, F, T, E> = Poller<StaggeredRace<I, S, F, T, E>, Ended<T, E>>;

impl<I, S, F, T, E> Unpin for StaggeredRace<I, S, F, T, E> {}

impl<I, S, F, T, E> fmt::Debug for StaggeredRace<I, S, F, T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StaggeredRace")
            .field("delay", &self.delay)
            .field("failed", &self.faults.len())
            .field("decided", &self.heat.is_leaving())
            .finish_non_exhaustive()
    }
}

impl<I, S, F, T, E> StaggeredRace<I, S, F, T, E>
where
    I: Iterator<Item = S>,
{
    /// Starts the next one, unless the caller is cancelled. (The first starts in any case, as whatever is polled does.)
    fn start<W>(&mut self)
    where
        S: FnOnce() -> W,
        W: IntoFuture<IntoFuture = F>,
    {
        self.pause = None;
        let Some(start) = self.upcoming.take() else {
            return;
        };
        if std::mem::replace(&mut self.has_begun, true) && scope::is_cancelled() {
            self.was_cut = true;
            return;
        }
        self.heat.enter(start().into_future());
        self.upcoming = self.starters.next();
    }
}

impl<I, S, F, T, E> Future for StaggeredRace<I, S, F, T, E> {
    type Output = Ended<T, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        (this.poll)(this, cx)
    }
}

fn run<I, S, W, F, T, E>(
    race: &mut StaggeredRace<I, S, F, T, E>,
    cx: &mut Context<'_>,
) -> Poll<Ended<T, E>>
where
    I: Iterator<Item = S>,
    S: FnOnce() -> W,
    W: IntoFuture<IntoFuture = F, Output = Result<T, E>>,
    F: Future<Output = Result<T, E>>,
{
    if !race.has_begun {
        ready!(race.heat.poll_pay(cx));
        race.start();
    }
    loop {
        let faults = &mut race.faults;
        match race.heat.poll(cx, |output| judge(output, faults)) {
            Poll::Ready(Event::Won(value)) => return Poll::Ready(Ok(value)),
            Poll::Ready(Event::Failed) => race.start(),
            Poll::Ready(Event::Empty) => return race.nobody(),
            Poll::Pending => {
                // Until the last one has failed, or had its time; the very last has all the time there is.
                if race.upcoming.is_none() || race.heat.is_leaving() {
                    return Poll::Pending;
                }
                let delay = race.delay;
                let pause = race.pause.get_or_insert_with(|| Box::pin(sleep(delay)));
                ready!(pause.as_mut().poll_unbudgeted(cx));
                if race.heat.owes_a_poll(cx) {
                    return Poll::Pending;
                }
                race.start();
            }
        }
    }
}

impl<I, S, F, T, E> StaggeredRace<I, S, F, T, E> {
    /// All have failed.
    fn nobody(&mut self) -> Poll<Ended<T, E>> {
        let reason = if self.was_cut { scope::reason() } else { None };
        if reason.is_some() && scope::dropping() {
            // The scope that is cancelled drops this, and says why.
            return Poll::Pending;
        }
        let faults = std::mem::take(&mut self.faults);
        Poll::Ready(Err(ErrorGroup::new(None, faults).with_cancelled(reason)))
    }
}
