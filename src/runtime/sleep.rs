//! One sleep type over each runtime's own timer.

use super::{Kind, Runtime, neutral};
use crate::runtime::BoxFuture;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

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
    #[project = TimerProj]
    enum Timer {
        // Nothing is registered anywhere before the first poll.
        Idle,
        // A time that has already come still lets the other tasks run once.
        Yielded,
        Tokio { #[pin] sleep: TokioSleep },
        Smol { #[pin] sleep: SmolSleep },
        Neutral { #[pin] sleep: neutral::NativeSleep },
        // Never locked: it makes the timer `Sync`, which a boxed future need not be, and with it whoever owns an interval.
        Custom { sleep: Mutex<BoxFuture<'static, ()>> },
        Done,
    }
}

#[derive(Clone, Copy, Debug)]
enum When {
    /// Counted from the first poll.
    After(Duration),
    At(Instant),
    /// Beyond what the clock can name.
    Never,
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
        when: When,
        runtime: Option<Runtime>,
        #[pin]
        timer: Timer,
    }
}

impl Sleep {
    /// Counts from the first poll, on the runtime that is current then.
    pub(crate) fn after(duration: Duration) -> Self {
        Sleep {
            when: When::After(duration),
            runtime: None,
            timer: Timer::Idle,
        }
    }

    /// Until `at` on the runtime that is current at the first poll; `None` never comes.
    pub(crate) fn until(at: Option<Instant>) -> Self {
        Sleep {
            when: at.map_or(When::Never, When::At),
            runtime: None,
            timer: Timer::Idle,
        }
    }

    pub(super) fn on(runtime: Runtime, at: Option<Instant>) -> Self {
        Sleep {
            runtime: Some(runtime),
            ..Sleep::until(at)
        }
    }

    /// Until `at` on `runtime`, whose clock says `now`: for those who have just read it. Does not give way when `at` has come.
    ///
    /// In place, for a timer is large to move; [`boxed`](Sleep::boxed) makes one.
    #[inline]
    pub(crate) fn start(self: Pin<&mut Self>, runtime: Runtime, at: Instant, now: Instant) {
        let mut this = self.project();
        *this.when = When::At(at);
        if at <= now {
            this.timer.set(Timer::Done);
        } else {
            this.timer.set(native(&runtime, at));
        }
        *this.runtime = Some(runtime);
    }

    /// [`reset`](Sleep::reset), on this runtime.
    pub(crate) fn move_to(mut self: Pin<&mut Self>, runtime: &Runtime, at: Option<Instant>) {
        self.as_mut()
            .project()
            .runtime
            .get_or_insert_with(|| runtime.clone());
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
        match self.when {
            When::At(at) => Some(at),
            When::After(_) | When::Never => None,
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
        let mut this = self.project();
        *this.when = at.map_or(When::Never, When::At);
        // tokio's timers can be moved without leaving the wheel; the others are made anew.
        #[cfg(feature = "tokio")]
        if let (TimerProj::Tokio { sleep }, Some(at)) = (this.timer.as_mut().project(), at) {
            sleep.reset(at.into());
            return;
        }
        this.timer.set(Timer::Idle);
    }
}

impl fmt::Debug for Sleep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sleep")
            .field("when", &self.when)
            .finish_non_exhaustive()
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        loop {
            match this.timer.as_mut().project() {
                TimerProj::Tokio { sleep } => ready!(sleep.poll(cx)),
                TimerProj::Smol { sleep } => {
                    ready!(sleep.poll(cx));
                }
                TimerProj::Neutral { sleep } => ready!(sleep.poll(cx)),
                TimerProj::Custom { sleep } => {
                    let sleep = sleep.get_mut().unwrap_or_else(PoisonError::into_inner);
                    ready!(sleep.as_mut().poll(cx))
                }
                TimerProj::Yielded | TimerProj::Done => {}
                TimerProj::Idle => {
                    match arm(this.when, this.runtime) {
                        Armed::Timer(timer) => this.timer.set(timer),
                        Armed::Never => return Poll::Pending,
                        Armed::Come => {
                            this.timer.set(Timer::Yielded);
                            cx.waker().wake_by_ref();
                            return Poll::Pending;
                        }
                    }
                    continue;
                }
            }
            this.timer.set(Timer::Done);
            return Poll::Ready(());
        }
    }
}

enum Armed {
    Timer(Timer),
    Come,
    Never,
}

/// Resolves the moment and the runtime, and starts that runtime's timer.
fn arm(when: &mut When, runtime: &mut Option<Runtime>) -> Armed {
    if let When::After(Duration::ZERO) = when {
        return Armed::Come;
    }
    let rt = runtime.get_or_insert_with(Runtime::current);
    let now = rt.now();
    if let When::After(d) = *when {
        *when = now.checked_add(d).map_or(When::Never, When::At);
    }
    let When::At(at) = *when else {
        return Armed::Never;
    };
    if at <= now {
        return Armed::Come;
    }
    Armed::Timer(native(rt, at))
}

/// The timer of this runtime.
#[inline]
fn native(runtime: &Runtime, at: Instant) -> Timer {
    match &*runtime.0 {
        #[cfg(feature = "tokio")]
        Kind::Tokio(handle) => Timer::Tokio {
            sleep: handle.sleep_until(at),
        },
        #[cfg(feature = "smol")]
        Kind::Smol => Timer::Smol {
            sleep: super::smol::sleep_until(at),
        },
        Kind::Neutral => Timer::Neutral {
            sleep: neutral::sleep_until(at),
        },
        Kind::Custom(backend) => Timer::Custom {
            sleep: Mutex::new(backend.sleep_until(at)),
        },
    }
}
