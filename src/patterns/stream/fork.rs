//! Several streams out of one: the part that [`broadcast`](super::StreamOps::broadcast) and [`partition`](super::StreamOps::partition) share.
//!
//! Whoever of the branches needs an item and finds the source free takes it out, polls it outside the lock, and puts it back: no task, no runtime. The source wakes
//! all branches that wait, through an [`Alarm`] that it is polled with.
//!
//! Invariants:
//! * The lock is held alone; no user code runs, no item is dropped and no waker cloned, dropped or woken under it.
//! * A branch that waits is registered before it looks whether the source is free. A wake that comes while the source is out is repeated
//!   when it is put back, so whoever polled it may be dropped.
//! * The source is polled only while the [`Rule`] says that there is room.

use super::Turn;
use crate::internal::caught::discard;
use crate::internal::label;
use crate::internal::line::{Spare, wake};
use crate::internal::lock::Lock;
use futures_core::Stream;
use slab::Slab;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker, ready};

/// How items get to the branches: a plain machine.
pub(super) trait Rule {
    /// What the source gives.
    type In;
    /// What a branch takes.
    type Out;
    /// What is to be dropped after unlocking.
    type Waste;

    fn has_room(&self) -> bool;
    fn push(&mut self, item: Self::In) -> Self::Waste;
    /// The next item of a branch, and what nobody needs any more.
    fn pop(&mut self, branch: usize) -> Option<(Self::Out, Self::Waste)>;
    fn leave(&mut self, branch: usize) -> Self::Waste;
}

/// The branches that wait, and whether they were called meanwhile.
#[derive(Default)]
struct Alarm(Lock<Calls>);

#[derive(Default)]
struct Calls {
    waiting: Slab<Option<Waker>>,
    called: bool,
}

impl Alarm {
    fn ring(&self) {
        self.ring_but(None);
    }

    /// Wakes all who wait, but for one that sees for itself.
    fn ring_but(&self, but: Option<usize>) {
        let mut calls = self.0.lock();
        calls.called = true;
        let waiting = calls.waiting.iter_mut();
        let wakers: Vec<Waker> = waiting
            .filter(|(key, _)| Some(*key) != but)
            .filter_map(|(_, waker)| waker.take())
            .collect();
        drop(calls);
        for waker in wakers {
            wake(waker);
        }
    }

    fn wait(&self, key: usize, cx: &Context<'_>) {
        let mut spare = Spare::none();
        loop {
            let mut calls = self.0.lock();
            let known = match calls.waiting.get_mut(key) {
                Some(place) => spare.renew(place, cx),
                None => true,
            };
            drop(calls);
            if known {
                return;
            }
            spare.fill(cx);
        }
    }

    fn enter(&self) -> usize {
        self.0.lock().waiting.insert(None)
    }

    fn leave(&self, key: usize) {
        let waker = self.0.lock().waiting.try_remove(key);
        discard(waker);
    }

    fn forget_calls(&self) {
        self.0.lock().called = false;
    }

    fn was_called(&self) -> bool {
        self.0.lock().called
    }
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.ring();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.ring();
    }
}

enum Source<S> {
    Here(Pin<Box<S>>),
    /// A branch polls it.
    Out,
    Ended,
    /// It panicked in one of the branches.
    Broken,
}

struct State<S, R> {
    source: Source<S>,
    rule: R,
}

/// A source and its branches.
pub(super) struct Fork<S, R> {
    state: Lock<State<S, R>>,
    alarm: Arc<Alarm>,
}

impl<S, R> Fork<S, R> {
    pub(super) fn new(source: S, rule: R) -> Arc<Self> {
        Arc::new(Fork {
            state: Lock::new(State {
                source: Source::Here(Box::pin(source)),
                rule,
            }),
            alarm: Arc::default(),
        })
    }

    /// Looks at the rule, or changes it.
    pub(super) fn with<T>(&self, f: impl FnOnce(&mut R) -> T) -> T {
        f(&mut self.state.lock().rule)
    }
}

/// Notes a panic of the source while it is out.
struct Out<'a, S, R> {
    fork: &'a Fork<S, R>,
    back: bool,
}

impl<S, R> Out<'_, S, R> {
    /// Puts the source back, and what it gave to where it belongs, in one step: nobody polls it in between.
    fn back<T>(mut self, source: Source<S>, f: impl FnOnce(&mut R) -> T) -> T {
        self.back = true;
        let mut state = self.fork.state.lock();
        state.source = source;
        f(&mut state.rule)
    }
}

impl<S, R> Drop for Out<'_, S, R> {
    fn drop(&mut self) {
        if !self.back {
            self.fork.state.lock().source = Source::Broken;
            self.fork.alarm.ring();
        }
    }
}

/// One of the streams that a source is split into.
pub(super) struct Branch<S, R: Rule> {
    pub(super) fork: Arc<Fork<S, R>>,
    /// Its number in the rule.
    pub(super) number: usize,
    key: usize,
    turn: Turn,
}

impl<S, R: Rule> Branch<S, R> {
    pub(super) fn new(fork: Arc<Fork<S, R>>, number: usize) -> Self {
        let key = fork.alarm.enter();
        Branch {
            fork,
            number,
            key,
            turn: Turn::default(),
        }
    }
}

impl<S, R: Rule> Drop for Branch<S, R> {
    fn drop(&mut self) {
        self.fork.alarm.leave(self.key);
        let waste = self.fork.state.lock().rule.leave(self.number);
        discard(waste);
        // What it had not taken may have held up the others.
        self.fork.alarm.ring();
    }
}

impl<S, R> Branch<S, R>
where
    S: Stream,
    R: Rule<In = S::Item>,
{
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<R::Out>> {
        ready!(self.turn.poll(cx));
        let fork = &*self.fork;
        let mut budget = super::BUDGET;
        loop {
            if budget == 0 {
                ready!(super::poll_more(cx));
                budget = super::BUDGET;
            }
            budget -= 1;
            // Before looking: what changes after this wakes us.
            fork.alarm.wait(self.key, cx);
            let mut state = fork.state.lock();
            let full = !state.rule.has_room();
            if let Some((item, waste)) = state.rule.pop(self.number) {
                let roomy = full && state.rule.has_room();
                drop(state);
                drop(waste);
                if roomy {
                    fork.alarm.ring();
                }
                return Poll::Ready(Some(item));
            }
            let mut source = match &state.source {
                Source::Ended => return Poll::Ready(None),
                Source::Broken => {
                    drop(state);
                    panic!("the source of this stream panicked in another of its branches");
                }
                Source::Here(_) if !full => {
                    match std::mem::replace(&mut state.source, Source::Out) {
                        Source::Here(source) => source,
                        _ => unreachable!("it was looked at under the same lock"),
                    }
                }
                Source::Here(_) | Source::Out => {
                    label::set("another branch of a stream");
                    return Poll::Pending;
                }
            };
            drop(state);
            fork.alarm.forget_calls();
            let waker = Waker::from(fork.alarm.clone());
            let out = Out { fork, back: false };
            match source.as_mut().poll_next(&mut Context::from_waker(&waker)) {
                Poll::Ready(Some(item)) => {
                    let waste = out.back(Source::Here(source), |rule| rule.push(item));
                    drop(waste);
                    fork.alarm.ring_but(Some(self.key));
                }
                Poll::Ready(None) => {
                    drop(source);
                    out.back(Source::Ended, |_| ());
                    fork.alarm.ring_but(Some(self.key));
                }
                Poll::Pending => {
                    out.back(Source::Here(source), |_| ());
                    label::set("the source of a branch");
                    if fork.alarm.was_called() {
                        // It came while the source was out, when nobody could follow it.
                        fork.alarm.wait(self.key, cx);
                        fork.alarm.ring();
                    }
                    return Poll::Pending;
                }
            }
        }
    }
}
