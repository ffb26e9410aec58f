//! A future with a deadline, as a cancel scope. Below both `time::timeout` and `cancel::shield_for`.

use super::deadline::{DeadlineCell, Keeper};
use super::reason::Elapsed;
use super::scope::{self, Mark, Scoped, Step, is_doomed, stamp};
use crate::runtime::Instant;
use crate::runtime::{Runtime, Sleep};
use pin_project_lite::pin_project;
use std::future::Future;
use std::mem::ManuallyDrop;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

pin_project! {
    /// Polls its future first, always. What it needs to wait is made when the future is pending for the first time, and in a box: futures
    /// are moved around before they run, and a timer in each would make that dear.
    #[derive(Debug)]
    pub(crate) struct Timed<F> {
        #[pin]
        scoped: Scoped<F>,
        wait: Waiting,
        // The deadline may be moved.
        moves: bool,
        // The deadline has passed; the future is dropped as soon as its shields allow.
        expired: bool,
    }
}

/// Dropped by `drop`, which is small enough to become part of its caller: most have nothing to drop.
#[derive(Debug)]
struct Waiting(ManuallyDrop<Option<Pin<Box<Wait>>>>);

impl Drop for Waiting {
    #[inline]
    fn drop(&mut self) {
        if self.0.is_some() {
            release(self.0.take());
        }
    }
}

#[inline(never)]
fn release(wait: Option<Pin<Box<Wait>>>) {
    drop(wait);
}

pin_project! {
    #[derive(Debug)]
    struct Wait {
        #[pin]
        timer: Sleep,
        keeper: Option<Keeper>,
    }
}

impl Wait {
    /// For a future that is pending for the first time: its clock starts.
    fn begin<F>(
        mut scoped: Pin<&mut Scoped<F>>,
        cell: Option<Arc<DeadlineCell>>,
    ) -> Pin<Box<Self>> {
        let mut start = |now| {
            stamp(now);
            scoped.as_mut().stamp(now)
        };
        let keeper = cell.map(Keeper::new);
        let alone = keeper.is_none();
        let mut wait = Box::pin(Wait {
            timer: Sleep::until(None),
            keeper,
        });
        let this = wait.as_mut().project();
        // `None`: further away than the clock can tell, so it stays as it is.
        if alone && let Some(now) = Sleep::now_in_task() {
            if let Some(at) = start(now) {
                this.timer.start_in_task(at, now);
            }
            return wait;
        }
        let runtime = match this.keeper {
            Some(keeper) => keeper.cell.runtime.clone(),
            None => Runtime::current(),
        };
        let now = runtime.now();
        if let Some(at) = start(now) {
            this.timer.start(runtime, at, now);
        }
        wait
    }
}

impl<F> Timed<F> {
    fn new(mark: Mark, moves: bool, future: F) -> Self {
        Timed {
            scoped: Scoped::new(mark, future),
            wait: Waiting(ManuallyDrop::new(None)),
            moves,
            expired: false,
        }
    }

    #[inline]
    pub(crate) fn after(limit: Duration, future: F) -> Self {
        Timed::new(Mark::after(limit), false, future)
    }

    pub(crate) fn at(at: Instant, future: F) -> Self {
        Timed::new(Mark::at(at, None), false, future)
    }

    /// Under a deadline that may be moved.
    pub(crate) fn under(cell: Arc<DeadlineCell>, future: F) -> Self {
        Timed::new(Mark::Cell(cell), true, future)
    }

    pub(crate) fn name(&mut self, name: Arc<str>) {
        self.scoped.name(name);
    }
}

impl<F: Future> Future for Timed<F> {
    type Output = Result<F::Output, Elapsed>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.as_mut().project();
        ready!(this.scoped.as_mut().poll_spend(cx));
        match this.scoped.step(cx, *this.expired) {
            Step::Ready(value) => Poll::Ready(Ok(value)),
            step => self.go_on(step, cx),
        }
    }
}

impl<F: Future> Timed<F> {
    /// After `step`: arms the timer, and drops the future when it is time.
    #[inline(never)]
    fn go_on(
        self: Pin<&mut Self>,
        mut step: Step<F::Output>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<F::Output, Elapsed>> {
        let mut this = self.project();
        loop {
            match step {
                Step::Ready(value) => return Poll::Ready(Ok(value)),
                // Of nested deadlines the outermost that passed reports: it will drop us.
                Step::Gone if is_doomed(Runtime::current().now()) => return Poll::Pending,
                Step::Gone => return Poll::Ready(Err(this.scoped.elapsed())),
                Step::Pending if *this.expired => return Poll::Pending,
                Step::Pending => {}
            }
            let wait = match &mut *this.wait.0 {
                Some(wait) => wait,
                None => {
                    let cell = if *this.moves {
                        this.scoped.cell()
                    } else {
                        None
                    };
                    this.wait.0.insert(Wait::begin(this.scoped.as_mut(), cell))
                }
            };
            let mut wait = wait.as_mut().project();
            if let Some(keeper) = &mut *wait.keeper {
                keeper.keep(cx.waker());
                follow(wait.timer.as_mut(), &keeper.cell);
            }
            // Work that has used up the budget of this poll is cut in time all the same.
            ready!(wait.timer.as_mut().poll_unbudgeted(cx));
            if let Some(keeper) = &*wait.keeper
                && !keeper.cell.pass()
            {
                // Moved in the last moment. (Or a timer that was early, which must not spin here.)
                wait.timer.as_mut().reset(keeper.cell.at());
                step = Step::Pending;
                continue;
            }
            *this.expired = true;
            if let Some(frame) = this.scoped.known_frame() {
                // What follows us and a scope further out that is cancelled too hears of that one: it comes first.
                scope::tell_followers();
                frame.expire(this.scoped.elapsed());
            }
            step = this.scoped.as_mut().cut(cx);
        }
    }
}

/// Moves the timer to where the deadline is now.
fn follow(timer: Pin<&mut Sleep>, cell: &DeadlineCell) {
    let at = cell.at();
    if timer.deadline() == at {
        return;
    }
    let now = cell.runtime.now();
    match at {
        // A moment that has come counts at once; a timer that was reset to it would give way first.
        Some(moment) if moment <= now => timer.start(cell.runtime.clone(), moment, now),
        // On its runtime also when it never was started. tokio moves its timers in place.
        _ => timer.move_to(&cell.runtime, at),
    }
}
