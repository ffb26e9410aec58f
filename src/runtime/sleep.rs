//! One sleep type over each runtime's own timer.

use super::{Kind, Runtime, neutral};
use crate::runtime::BoxFuture;
use crate::runtime::Instant;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

// A runtime that is not compiled in has a timer that cannot exist.
#[cfg(not(feature = "tokio"))]
type TokioSleep = std::future::Pending<()>;
#[cfg(feature = "tokio")]
type TokioSleep = super::tokio::NativeSleep;
#[cfg(not(feature = "smol"))]
type SmolSleep = std::future::Pending<()>;
#[cfg(feature = "smol")]
type SmolSleep = super::smol::NativeSleep;

pin_project_lite::pin_project! {
    // One after the other in the same place, not side by side: a task with a sleep in it is as large as with tokio's own.
    #[project = StateProj]
    enum State {
        // Nothing is registered anywhere: before the first poll, after the end, and for a moment that never comes.
        Still {
            when: When,
            runtime: Option<Runtime>,
            stage: Stage,
        },
        // Knows its moment and its runtime.
        Tokio {
            #[pin]
            sleep: TokioSleep,
            // Reset to never: registered for a moment decades away.
            off: bool,
        },
        Other {
            at: Instant,
            runtime: Option<Runtime>,
            #[pin]
            timer: Timer,
        },
    }
}

pin_project_lite::pin_project! {
    #[project = TimerProj]
    enum Timer {
        Smol { #[pin] sleep: SmolSleep },
        Neutral { #[pin] sleep: neutral::NativeSleep },
        // Never locked: it makes the timer `Sync`, which a boxed future need not be, and with it whoever owns an interval.
        Custom { sleep: Mutex<BoxFuture<'static, ()>> },
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Stage {
    Fresh,
    /// A time that has already come still lets the other tasks run once.
    Yielded,
    Done,
}

#[derive(Clone, Copy, Debug)]
enum When {
    /// Counted from the first poll.
    After(Duration),
    At(Instant),
    /// Beyond what the clock can name.
    Never,
}

impl When {
    fn or_never(at: Option<Instant>) -> When {
        at.map_or(When::Never, When::At)
    }
}

pin_project_lite::pin_project! {
    /// Waits until a moment has come; made by [`sleep`](crate::time::sleep), [`sleep_until`](crate::time::sleep_until) and [`Runtime::sleep`].
    ///
    /// Stands on the timer of its runtime, which is armed at the first poll. A moment that has already come (also a zero
    /// duration) gives way to the other tasks once and touches no timer.
    ///
    /// # Cancel safety
    ///
    /// Dropping it removes the timer.
    #[must_use = "futures do nothing unless polled"]
    pub struct Sleep {
        #[pin]
        state: State,
    }
}

impl Sleep {
    #[inline]
    fn still(when: When, runtime: Option<Runtime>) -> Self {
        let stage = Stage::Fresh;
        Sleep {
            state: State::Still {
                when,
                runtime,
                stage,
            },
        }
    }

    /// Counts from the first poll, on the runtime that is current then.
    #[inline]
    pub(crate) fn after(duration: Duration) -> Self {
        Sleep::still(When::After(duration), None)
    }

    /// Until `at` on the runtime that is current at the first poll; `None` never comes.
    pub(crate) fn until(at: Option<Instant>) -> Self {
        Sleep::still(When::or_never(at), None)
    }

    pub(super) fn on(runtime: Runtime, at: Option<Instant>) -> Self {
        Sleep::still(When::or_never(at), Some(runtime))
    }

    /// Until `at` on `runtime`, whose clock says `now`: for those who have just read it. Does not give way when `at` has come.
    ///
    /// In place, for a timer is large to move; [`boxed`](Sleep::boxed) makes one.
    #[inline]
    pub(crate) fn start(self: Pin<&mut Self>, runtime: Runtime, at: Instant, now: Instant) {
        let mut state = self.project().state;
        if at > now {
            state.set(native(runtime, at));
        } else {
            state.set(State::Still {
                when: When::At(at),
                runtime: Some(runtime),
                stage: Stage::Done,
            });
        }
    }

    /// What the running task's clock says; nothing where it takes more to find out which runtime this is.
    #[inline]
    pub(crate) fn now_in_task() -> Option<Instant> {
        #[cfg(feature = "tokio")]
        if super::current::in_tokio_task() {
            return Some(super::tokio::ambient_now());
        }
        None
    }

    /// [`start`](Sleep::start), on the runtime of the running task, whose clock has just told `now`.
    #[inline]
    pub(crate) fn start_in_task(self: Pin<&mut Self>, at: Instant, now: Instant) {
        #[cfg(feature = "tokio")]
        if at > now {
            let sleep = super::tokio::ambient_sleep_until(at);
            return self.project().state.set(State::Tokio { sleep, off: false });
        }
        self.start(Runtime::current(), at, now);
    }

    /// [`reset`](Sleep::reset), on this runtime.
    pub(crate) fn move_to(mut self: Pin<&mut Self>, on: &Runtime, at: Option<Instant>) {
        if let StateProj::Still { runtime, .. } = self.as_mut().project().state.project() {
            runtime.get_or_insert_with(|| on.clone());
        }
        self.reset(at);
    }

    /// [`start`](Sleep::start)ed, in a box.
    pub(crate) fn boxed(runtime: Runtime, at: Instant, now: Instant) -> Pin<Box<Self>> {
        let mut sleep = Box::pin(Sleep::until(None));
        sleep.as_mut().start(runtime, at, now);
        sleep
    }

    /// The moment it waits for: `None` before the first poll of a relative sleep, and for one that never ends.
    pub fn deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Still {
                when: When::At(at), ..
            }
            | State::Other { at, .. } => Some(*at),
            #[cfg(feature = "tokio")]
            State::Tokio { sleep, off: false } => Some(sleep.deadline().into_std()),
            State::Still { .. } | State::Tokio { .. } => None,
        }
    }

    /// Waits for another moment instead; also after it has ended. `None` never comes. Whoever waits has to poll it again: only
    /// that arms the timer anew.
    ///
    /// # Examples
    ///
    /// ```
    /// use regatta::{Runtime, time};
    /// use std::{pin::pin, time::Duration};
    ///
    /// regatta::testing::run(async || {
    ///     let start = Runtime::current().now();
    ///     let mut sleep = pin!(time::sleep(Duration::from_secs(3600)));
    ///     sleep.as_mut().reset(Some(start + Duration::from_secs(1)));
    ///     sleep.await;
    ///     assert_eq!(Runtime::current().now() - start, Duration::from_secs(1));
    /// });
    /// ```
    pub fn reset(self: Pin<&mut Self>, at: Option<Instant>) {
        let mut state = self.project().state;
        let runtime = match state.as_mut().project() {
            // tokio's timers can be moved without leaving the wheel; the others are made anew.
            #[cfg(feature = "tokio")]
            StateProj::Tokio { sleep, off } => {
                *off = at.is_none();
                return match at {
                    Some(at) => super::tokio::move_to(sleep, at),
                    None => super::tokio::put_off(sleep),
                };
            }
            #[cfg(not(feature = "tokio"))]
            StateProj::Tokio { .. } => None,
            StateProj::Still { runtime, .. } | StateProj::Other { runtime, .. } => runtime.take(),
        };
        let stage = Stage::Fresh;
        state.set(State::Still {
            when: When::or_never(at),
            runtime,
            stage,
        });
    }
}

impl Sleep {
    /// For timers that end somebody else's work: not held up by work that uses up the budget of each poll. tokio's
    /// timers spend from it themselves, and would never be seen to end.
    #[inline]
    pub(crate) fn poll_unbudgeted(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        #[cfg(feature = "tokio")]
        if !super::tokio::has_budget() {
            return super::tokio::poll_unbudgeted(self, cx);
        }
        self.poll(cx)
    }
}

impl fmt::Debug for Sleep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sleep")
            .field("deadline", &self.deadline())
            .finish_non_exhaustive()
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.project().state;
        loop {
            let done = match state.as_mut().project() {
                // Says so again when asked again.
                StateProj::Tokio { sleep, .. } => return sleep.poll(cx),
                StateProj::Other { at, runtime, timer } => {
                    ready!(timer.poll(cx));
                    State::Still {
                        when: When::At(*at),
                        runtime: runtime.take(),
                        stage: Stage::Done,
                    }
                }
                StateProj::Still {
                    stage: Stage::Fresh,
                    ..
                } => {
                    ready!(arm(state.as_mut(), cx));
                    continue;
                }
                StateProj::Still { stage, .. } => {
                    *stage = Stage::Done;
                    return Poll::Ready(());
                }
            };
            state.set(done);
            return Poll::Ready(());
        }
    }
}

impl Future for Timer {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        match self.project() {
            TimerProj::Smol { sleep } => sleep.poll(cx).map(|_| ()),
            TimerProj::Neutral { sleep } => sleep.poll(cx),
            TimerProj::Custom { sleep } => {
                let sleep = sleep.get_mut().unwrap_or_else(PoisonError::into_inner);
                sleep.as_mut().poll(cx)
            }
        }
    }
}

/// Resolves the moment and the runtime, and starts that runtime's timer, in place. Pending: there is nothing to start.
fn arm(mut state: Pin<&mut State>, cx: &mut Context<'_>) -> Poll<()> {
    let StateProj::Still {
        when,
        runtime,
        stage,
    } = state.as_mut().project()
    else {
        return Poll::Ready(());
    };
    let armed = if let When::After(Duration::ZERO) = when {
        Err(Armless::Come)
    } else {
        start(when, runtime)
    };
    match armed {
        Ok(armed) => {
            state.set(armed);
            return Poll::Ready(());
        }
        Err(Armless::Never) => {}
        Err(Armless::Come) => {
            *stage = Stage::Yielded;
            cx.waker().wake_by_ref();
        }
    }
    Poll::Pending
}

/// Why no timer is armed.
enum Armless {
    Come,
    Never,
}

#[inline]
fn start(when: &mut When, runtime: &mut Option<Runtime>) -> Result<State, Armless> {
    // The usual case.
    #[cfg(feature = "tokio")]
    if runtime.is_none() && super::current::in_tokio_task() {
        let at = resolve(when, super::tokio::ambient_now())?;
        return Ok(State::Tokio {
            sleep: super::tokio::ambient_sleep_until(at),
            off: false,
        });
    }
    let rt = runtime.get_or_insert_with(Runtime::current);
    let at = resolve(when, rt.now())?;
    Ok(native(runtime.take().unwrap_or_else(Runtime::current), at))
}

/// The moment to wait for, counted from `now` if it was not known yet; or why there is nothing to wait for.
#[inline]
fn resolve(when: &mut When, now: Instant) -> Result<Instant, Armless> {
    if let When::After(d) = *when {
        *when = now.checked_add(d).map_or(When::Never, When::At);
    }
    match *when {
        When::At(at) if at > now => Ok(at),
        When::At(_) => Err(Armless::Come),
        When::After(_) | When::Never => Err(Armless::Never),
    }
}

/// The timer of this runtime.
#[inline]
fn native(runtime: Runtime, at: Instant) -> State {
    let timer = match &*runtime.0 {
        #[cfg(feature = "tokio")]
        Kind::Tokio(handle) => {
            return State::Tokio {
                sleep: handle.sleep_until(at),
                off: false,
            };
        }
        #[cfg(feature = "smol")]
        Kind::Smol => Timer::Smol {
            sleep: super::smol::sleep_until(at),
        },
        Kind::Neutral(_) => Timer::Neutral {
            sleep: neutral::sleep_until(at),
        },
        Kind::Custom(backend) => Timer::Custom {
            sleep: Mutex::new(backend.sleep_until(at)),
        },
    };
    State::Other {
        at,
        runtime: Some(runtime),
        timer,
    }
}
