//! The task of a stage: takes items in, works on several at once, hands results on.
//!
//! Invariants:
//! * What was taken and is neither handed on nor failed (running, or ended before its turn or before there was room) is at most `width`.
//! * While there is no room below, what runs is still polled: a connection is not left alone because the sink is slow.
//! * An error counts when it happens, whoever's turn it is.

use super::meter::{Meter, count};
use super::policy::OnError;
use super::report::Collected;
use crate::internal::label;
use crate::internal::lock::Lock;
use crate::internal::pipe::{End, Flow, Inlet, Outlet};
use crate::internal::reorder::Reorder;
use crate::internal::slots::Slots;
use crate::runtime::Instant;
use crate::runtime::Runtime;
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll};

/// Items that are taken in before the task gives way to others.
const BUDGET: u32 = 128;

/// Errors that stages keep for the report.
pub(super) struct Kept<E> {
    pub(super) errors: Vec<Collected<E>>,
    pub(super) missed: u64,
}

pub(super) type Keep<E> = Arc<Lock<Kept<E>>>;

/// A stage's error policy at work.
pub(super) struct Judge<E> {
    pub(super) policy: OnError<E>,
    pub(super) meter: Arc<Meter>,
    pub(super) keep: Keep<E>,
    pub(super) kept: usize,
}

impl<E> Judge<E> {
    /// The error again, when it stops the pipeline.
    pub(super) fn take(&mut self, error: E) -> Result<(), E> {
        count(&self.meter.errors);
        match &mut self.policy {
            OnError::Stop => return Err(error),
            OnError::Skip(sink) => sink(error),
            OnError::Collect(most) => {
                let mut keep = self.keep.lock();
                if self.kept == *most {
                    keep.missed += 1;
                    drop(keep);
                    drop(error);
                } else {
                    self.kept += 1;
                    let stage = self.meter.name.clone();
                    keep.errors.push(Collected { stage, error });
                }
            }
        }
        Ok(())
    }
}

/// Results that wait to be handed on.
enum Done<U> {
    /// `None` where the item failed.
    InOrder(Reorder<Option<U>>),
    AsTheyCome(VecDeque<U>),
}

pub(super) struct Work<T, U, E, F, Fut> {
    runtime: Runtime,
    /// `None` when it has ended.
    input: Option<Outlet<T>>,
    /// The stage above was lost: the pipeline is about to be cancelled.
    lost: bool,
    f: F,
    width: usize,
    running: Slots<Fut>,
    begun: Vec<Instant>,
    /// How many have ended, in whatever way.
    ends: u64,
    done: Done<U>,
    /// `None`: this is the sink.
    output: Option<Inlet<U>>,
    judge: Judge<E>,
}

// The futures have pinned places of their own; nothing else is pinned.
impl<T, U, E, F, Fut> Unpin for Work<T, U, E, F, Fut> {}

impl<T, U, E, F, Fut> Work<T, U, E, F, Fut>
where
    F: FnMut(T) -> Fut,
    Fut: Future<Output = Result<U, E>>,
{
    pub(super) fn new(
        input: Outlet<T>,
        output: Option<Inlet<U>>,
        ordered: bool,
        judge: Judge<E>,
        f: F,
    ) -> Self {
        Work {
            runtime: Runtime::current(),
            input: Some(input),
            lost: false,
            f,
            width: judge.meter.width,
            running: Slots::default(),
            begun: Vec::new(),
            ends: 0,
            done: match ordered && output.is_some() {
                true => Done::InOrder(Reorder::default()),
                false => Done::AsTheyCome(VecDeque::new()),
            },
            output,
            judge,
        }
    }

    fn inside(&self) -> usize {
        match &self.done {
            Done::InOrder(turns) => turns.len(),
            Done::AsTheyCome(done) => done.len() + self.running.len(),
        }
    }

    fn has_result(&self) -> bool {
        match &self.done {
            Done::InOrder(turns) => turns.is_ready(),
            Done::AsTheyCome(done) => !done.is_empty(),
        }
    }

    /// Hands results on while there are some and there is room. `Ready`: nobody takes them any more.
    fn hand_on(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while self.has_result() {
            let Some(output) = &mut self.output else {
                return Poll::Pending;
            };
            match output.poll_room(cx) {
                Poll::Ready(true) => {}
                Poll::Ready(false) => return Poll::Ready(()),
                Poll::Pending => {
                    label::set("room in the next stage");
                    return Poll::Pending;
                }
            }
            let result = match &mut self.done {
                Done::InOrder(turns) => turns.pop().flatten(),
                Done::AsTheyCome(done) => done.pop_front(),
            };
            if let Some(result) = result {
                output.push(result);
                count(&self.judge.meter.given);
            }
        }
        Poll::Pending
    }

    /// Begins with what comes, as far as the width allows.
    fn take_in(&mut self, cx: &mut Context<'_>, budget: &mut u32) -> Result<(), E> {
        while self.inside() < self.width && *budget > 0 && !self.lost {
            let Some(input) = &mut self.input else {
                break;
            };
            let item = match input.poll_flow(cx) {
                Poll::Ready(Flow::Item(item)) => item,
                Poll::Ready(Flow::End(End::Done)) => {
                    self.input = None;
                    break;
                }
                Poll::Ready(Flow::End(_)) => {
                    self.lost = true;
                    break;
                }
                Poll::Pending => break,
            };
            *budget -= 1;
            count(&self.judge.meter.taken);
            let begun = self.runtime.now();
            match self.running.insert_polled(|| (self.f)(item)) {
                Ok(slot) => {
                    if slot >= self.begun.len() {
                        self.begun.resize(slot + 1, begun);
                    }
                    self.begun[slot] = begun;
                    if let Done::InOrder(turns) = &mut self.done {
                        turns.runs_in(slot);
                    }
                }
                Err(result) => self.ended(None, begun, result)?,
            }
        }
        Ok(())
    }

    /// Notes the end of an item; `slot` is where it ran, unless it never waited.
    fn ended(&mut self, slot: Option<usize>, begun: Instant, end: Result<U, E>) -> Result<(), E> {
        self.ends += 1;
        let took = self.runtime.now().saturating_duration_since(begun);
        self.judge.meter.times.add(took);
        let result = match end {
            Ok(result) => Some(result),
            Err(error) => {
                self.judge.take(error)?;
                None
            }
        };
        match (&mut self.done, slot) {
            (Done::InOrder(turns), Some(slot)) => turns.ended(slot, result),
            (Done::InOrder(turns), None) => turns.ended_at_once(result),
            (Done::AsTheyCome(_), _) if self.output.is_none() => {
                if result.is_some() {
                    count(&self.judge.meter.given);
                }
            }
            (Done::AsTheyCome(done), _) => done.extend(result),
        }
        Ok(())
    }
}

impl<T, U, E, F, Fut> Future for Work<T, U, E, F, Fut>
where
    F: FnMut(T) -> Fut,
    Fut: Future<Output = Result<U, E>>,
{
    type Output = Result<(), E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), E>> {
        let this = self.get_mut();
        let mut budget = BUDGET;
        label::set("items from the stage above");
        loop {
            let ends = this.ends;
            if this.hand_on(cx).is_ready() {
                return Poll::Ready(Ok(()));
            }
            this.take_in(cx, &mut budget)?;
            while let Poll::Ready(Some((slot, end))) = this.running.poll_next(cx) {
                this.ended(Some(slot), this.begun[slot], end)?;
            }
            this.judge.meter.running.store(this.running.len(), Relaxed);
            if this.input.is_none() && this.inside() == 0 {
                if let Some(output) = this.output.take() {
                    output.end(End::Done);
                }
                return Poll::Ready(Ok(()));
            }
            if budget == 0 {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            // What has ended is to be handed on, and makes room for others.
            if this.ends == ends {
                return Poll::Pending;
            }
        }
    }
}
