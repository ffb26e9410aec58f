//! A future with a deadline, as a cancel scope. Below both `time::timeout` and `cancel::shield_for`.

use super::deadline::{DeadlineCell, Keeper};
use super::reason::Elapsed;
use super::scope::{self, Scoped, Seed, Step, is_doomed, stamp};
use crate::runtime::{Runtime, Sleep};
use pin_project_lite::pin_project;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

/// How the end is given.
#[derive(Debug)]
pub(crate) enum Limit {
    After(Duration),
    At(Instant),
    Cell(Keeper),
}

impl Limit {
    fn elapsed(&self, name: &Option<Arc<str>>) -> Elapsed {
        match self {
            Limit::After(d) => Elapsed::new(name.clone(), Some(*d)),
            Limit::At(_) => Elapsed::new(name.clone(), None),
            Limit::Cell(keeper) => keeper.cell.elapsed(),
        }
    }

    fn runtime(&self) -> Runtime {
        match self {
            Limit::After(_) | Limit::At(_) => Runtime::current(),
            Limit::Cell(keeper) => keeper.cell.runtime.clone(),
        }
    }
}

#[derive(Debug, PartialEq)]
enum Phase {
    /// Not suspended yet: no clock read, no timer made.
    Fresh,
    Waiting,
    /// The deadline has passed; the future is dropped as soon as its shields allow.
    Expired,
}

pin_project! {
    /// Polls its future first, always. The timer is made when the future is pending for the first time.
    #[derive(Debug)]
    pub(crate) struct Timed<F> {
        #[pin]
        scoped: Scoped<F>,
        #[pin]
        timer: Option<Sleep>,
        limit: Limit,
        name: Option<Arc<str>>,
        phase: Phase,
    }
}

impl<F> Timed<F> {
    pub(crate) fn new(limit: Limit, future: F) -> Self {
        let seed = match &limit {
            Limit::After(d) => Seed::After(*d),
            Limit::At(at) => Seed::at(*at, None),
            Limit::Cell(keeper) => Seed::Cell(keeper.cell.clone()),
        };
        Timed {
            scoped: Scoped::new(seed, future),
            timer: None,
            limit,
            name: None,
            phase: Phase::Fresh,
        }
    }

    pub(crate) fn name(&mut self, name: Arc<str>) {
        // What asks below learns the name from the scope.
        self.scoped.name(name.clone());
        self.name = Some(name);
    }
}

impl<F: Future> Future for Timed<F> {
    type Output = Result<F::Output, Elapsed>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let mut step = this.scoped.as_mut().step(cx, *this.phase == Phase::Expired);
        loop {
            match step {
                Step::Ready(value) => return Poll::Ready(Ok(value)),
                // Of nested deadlines the outermost that passed reports: it will drop us.
                Step::Gone if is_doomed(Runtime::current().now()) => return Poll::Pending,
                Step::Gone => return Poll::Ready(Err(this.limit.elapsed(this.name))),
                Step::Pending if *this.phase == Phase::Expired => return Poll::Pending,
                Step::Pending => {}
            }
            if *this.phase == Phase::Fresh {
                *this.phase = Phase::Waiting;
                let runtime = this.limit.runtime();
                let now = runtime.now();
                stamp(now);
                // `None`: further away than the clock can tell.
                let at = this.scoped.as_mut().stamp(now);
                this.timer
                    .set(at.map(|at| Sleep::started(runtime, at, now)));
            }
            if let Limit::Cell(keeper) = &mut *this.limit {
                keeper.keep(cx.waker());
                follow(this.timer.as_mut(), &keeper.cell);
            }
            match this.timer.as_mut().as_pin_mut() {
                Some(timer) => ready!(timer.poll(cx)),
                None => return Poll::Pending,
            }
            if let Limit::Cell(keeper) = &*this.limit
                && !keeper.cell.pass()
            {
                // Moved in the last moment. (Or a timer that was early, which must not spin here.)
                if let Some(timer) = this.timer.as_mut().as_pin_mut() {
                    timer.reset(keeper.cell.at());
                }
                step = Step::Pending;
                continue;
            }
            *this.phase = Phase::Expired;
            if let Some(frame) = this.scoped.known_frame() {
                // Who follows us and a scope further out that is cancelled too hears of that one: it comes first.
                scope::reason();
                frame.expire(this.limit.elapsed(this.name));
            }
            step = this.scoped.as_mut().cut(cx);
        }
    }
}

/// Moves the timer to where the deadline is now.
fn follow(mut timer: Pin<&mut Option<Sleep>>, cell: &DeadlineCell) {
    let at = cell.at();
    if timer.as_ref().as_pin_ref().and_then(|t| t.deadline()) == at {
        return;
    }
    let now = cell.runtime.now();
    match (timer.as_mut().as_pin_mut(), at) {
        // tokio moves its timers in place.
        (Some(t), Some(moment)) if moment > now => t.reset(at),
        // A moment that has come counts at once; a timer that was reset to it would give way first.
        _ => timer.set(at.map(|at| Sleep::started(cell.runtime.clone(), at, now))),
    }
}
