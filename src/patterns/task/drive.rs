//! The host's side of a group: runs the body, waits for the children, and says how it ended.

use super::cohort::Phase;
use super::core::Core;
use super::error::{ErrorGroup, Fault};
use super::home::{Hosted, Line, Shared};
use crate::internal::caught::{discard, quietly};
use crate::internal::label;
use crate::internal::reason::Reason;
use crate::internal::scope::{self, DropWatch, Hold, Mark, Scoped, Step};
use crate::internal::slots::Slots;
use crate::runtime::{Runtime, Sleep, coop};
use pin_project_lite::pin_project;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

/// Polls the children in place that came or were woken, once.
fn poll_in_place<B: Future<Output = ()>>(
    slots: &mut Slots<B>,
    home: &(impl Hosted<B> + ?Sized),
    cx: &mut Context<'_>,
) {
    slots.collect(cx);
    for child in home.take() {
        slots.insert(child);
    }
    while slots.next_collected().is_some() {}
}

pin_project! {
    /// The future of a group call.
    pub(super) struct Drive<T, E, F, B, H>
    where
        H: Line,
        H: ?Sized,
    {
        guard: Guard<E, H>,
        #[pin]
        body: Scoped<F>,
        // Children that the host polls; `B` is a boxed child.
        in_place: Option<Slots<B>>,
        value: Option<T>,
        body_done: bool,
        // A scope around the group waits for it as for a shield.
        hold: Option<Hold>,
        watch: DropWatch,
        // A scope around the group is dropping it.
        outer: bool,
        // In boxes: few groups need either, and all are moved.
        grace: Option<Pin<Box<Sleep>>>,
        closing: Option<Pin<Box<Sleep>>>,
        // The timer of `closing` is none of the runtime's, which has ended.
        elsewhere: bool,
        // Its unit of the budget is spent, or it has given way for it.
        paid: bool,
        over: bool,
    }
}

/// Lets no child outlive a host that is dropped from outside.
struct Guard<E, H: Line + ?Sized> {
    group: Arc<Shared<E, H>>,
    /// The host's places in the group, given up when the body, and when the last ordinary child, has ended.
    among_children: bool,
    among_services: bool,
    ended: bool,
}

/// Gives up a place of the host.
fn leave<E>(core: &Core<E>, place: &mut bool, service: bool) {
    if std::mem::take(place) {
        core.leave(service);
    }
}

impl<E, H: Line + ?Sized> Drop for Guard<E, H> {
    fn drop(&mut self) {
        if !self.ended {
            self.group.core.abandon();
            self.group.home.dissolve();
            self.group.home.close();
        }
        let core = &self.group.core;
        leave(core, &mut self.among_children, false);
        leave(core, &mut self.among_services, true);
    }
}

impl<T, E, F, B, H: Line + ?Sized> Drive<T, E, F, B, H> {
    pub(super) fn new(group: Arc<Shared<E, H>>, body: F, in_place: Option<Slots<B>>) -> Self {
        Drive {
            body: Scoped::hosted(Mark::Follow(group.core.node.clone()), body),
            guard: Guard {
                group,
                among_children: true,
                among_services: true,
                ended: false,
            },
            in_place,
            value: None,
            body_done: false,
            hold: None,
            watch: DropWatch::default(),
            outer: false,
            grace: None,
            closing: None,
            elsewhere: false,
            paid: false,
            over: false,
        }
    }
}

type Ended<T, E> = Poll<Result<T, ErrorGroup<E>>>;

impl<T, E, F, B, H> Future for Drive<T, E, F, B, H>
where
    F: Future<Output = Result<T, E>>,
    B: Future<Output = ()>,
    H: Hosted<B> + ?Sized,
{
    type Output = Result<T, ErrorGroup<E>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Ended<T, E> {
        let mut this = self.project();
        if *this.over {
            // Cancelled by a scope around it, which drops it next.
            return Poll::Pending;
        }
        if !std::mem::replace(this.paid, true) {
            // Before anything has begun: a loop around groups that never wait gives way, too.
            ready!(coop::poll_spend(cx));
        }
        let guard = this.guard;
        let group = &guard.group;
        let core = &group.core;
        // First of all: whatever changes from here on wakes us.
        core.host.register(cx.waker());
        let hold = match this.hold {
            Some(hold) => {
                hold.follow();
                hold
            }
            None => this.hold.insert(Hold::take()),
        };
        let covers = hold.reaches(&core.node);
        this.body.as_mut().set_covers(covers);
        if !*this.outer && this.watch.poll(cx) {
            *this.outer = true;
            // A node that has its reason keeps it, so the scopes around are not asked.
            let reason = match core.node.flag() {
                true => core.node.reason(),
                false => scope::reason(),
            };
            let reason = reason.unwrap_or(Reason::ScopeEnded);
            core.advance(Phase::Dropping, reason);
        }
        // One pass: whatever happens in it that matters to an earlier part of it wakes the host, which gives others their turn first.
        if !*this.body_done {
            let drop_now = core.body_phase() >= Phase::Dropping;
            let stepped = catch_unwind(AssertUnwindSafe(|| {
                let step = this.body.as_mut().step(cx, drop_now);
                // Cancelled in this very poll, maybe by itself: it does not get past the point where it waits, even
                // if it only gives way there.
                let cut = !drop_now
                    && matches!(step, Step::Pending)
                    && core.body_phase() >= Phase::Dropping;
                if cut {
                    this.body.as_mut().cut(cx)
                } else {
                    step
                }
            }));
            *this.body_done = match stepped {
                Ok(Step::Pending) => false,
                Ok(Step::Ready(Ok(value))) => {
                    *this.value = Some(value);
                    true
                }
                Ok(Step::Ready(Err(error))) => {
                    core.failed(Fault::Leaf(None, error));
                    true
                }
                Ok(Step::Gone) => {
                    core.note_cut();
                    true
                }
                Err(payload) => {
                    core.panicked(None, payload);
                    quietly(|| this.body.as_mut().clear());
                    true
                }
            };
            if *this.body_done {
                leave(core, &mut guard.among_children, false);
            }
        }
        if let Some(slots) = this.in_place {
            poll_in_place(slots, &group.home, cx);
        }
        if core.body_phase() >= Phase::Dropping || core.children.phase() >= Phase::Dropping {
            group.home.dissolve();
        }
        let children_gone = *this.body_done && core.children.is_gone();
        if children_gone {
            core.cancel_services(Phase::Dropping);
            leave(core, &mut guard.among_services, true);
        }
        if children_gone && core.services.is_gone() {
            guard.ended = true;
            group.home.close();
            *this.over = true;
            *this.in_place = None;
            *this.hold = None;
            core.note_ended();
            return resolve(core, this.value.take(), Vec::new());
        }
        poll_grace(core, this.grace, cx);
        let ending = core.body_phase() != Phase::Open
            || *this.body_done && (children_gone || core.children.phase() != Phase::Open);
        if core.is_runtime_gone() && !std::mem::replace(this.elsewhere, true) {
            *this.closing = None;
        }
        if ending && poll_closing(core, this.closing, cx) {
            // Those in line have not started, so they are dropped and not named.
            core.abandon();
            group.home.dissolve();
            let mut names = core.straggler_names();
            if !*this.body_done {
                names.insert(0, "the body of the group".to_owned());
            }
            if let Err(payload) = catch_unwind(AssertUnwindSafe(|| this.body.as_mut().clear())) {
                core.panicked(None, payload);
            }
            *this.in_place = None;
            guard.ended = true;
            group.home.close();
            *this.over = true;
            *this.hold = None;
            return resolve(core, this.value.take(), names);
        }
        label::set(if *this.body_done {
            "the children of its task group"
        } else {
            "the body of its task group"
        });
        Poll::Pending
    }
}

/// Once the group was asked to end: arms the grace, and when it is over, starts dropping.
fn poll_grace<E>(core: &Core<E>, grace: &mut Option<Pin<Box<Sleep>>>, cx: &mut Context<'_>) {
    let (body, children) = (core.body_phase(), core.children.phase());
    if body != Phase::Asked && children != Phase::Asked {
        return;
    }
    if grace.is_none() {
        let limit = core.state.lock().grace;
        *grace = Some(sleep_for(core, limit));
    }
    let over = grace
        .as_mut()
        .is_some_and(|t| t.as_mut().poll_unbudgeted(cx).is_ready());
    if over {
        *grace = None;
        core.end_grace();
    }
}

/// True when a group that is ending has waited for its children as long as it may.
fn poll_closing<E>(
    core: &Core<E>,
    closing: &mut Option<Pin<Box<Sleep>>>,
    cx: &mut Context<'_>,
) -> bool {
    if closing.is_none() {
        let Some(limit) = core.state.lock().close_within else {
            return false;
        };
        *closing = Some(sleep_for(core, limit));
    }
    closing
        .as_mut()
        .is_some_and(|t| t.as_mut().poll_unbudgeted(cx).is_ready())
}

/// On the runtime of the host, as long as it lives.
fn sleep_for<E>(core: &Core<E>, limit: Duration) -> Pin<Box<Sleep>> {
    let runtime = if core.is_runtime_gone() {
        Runtime::neutral()
    } else {
        Runtime::current()
    };
    Box::pin(runtime.sleep(limit))
}

/// What the call gives, once everybody is gone or left behind.
fn resolve<T, E>(core: &Core<E>, value: Option<T>, stragglers: Vec<String>) -> Ended<T, E> {
    let mut state = core.state.lock();
    let quiet = state.faults.is_empty() && state.panic.is_none() && stragglers.is_empty();
    if quiet && !core.was_cut() {
        drop(state);
        // Without a value it is being dropped by a scope around it.
        return value.map_or(Poll::Pending, |value| Poll::Ready(Ok(value)));
    }
    let asked = state.asked.take().filter(|_| core.was_cut());
    let faults = std::mem::take(&mut state.faults);
    let panic = state.panic.take();
    let label = state.label.clone();
    drop(state);
    let errors = ErrorGroup::new(label, faults)
        .with_cancelled(asked)
        .with_stragglers(stragglers)
        .some();
    if let Some(panic) = panic {
        let lost = errors.as_ref().map_or(0, ErrorGroup::len);
        discard((value, errors));
        panic.resume(lost);
    }
    match (errors, value) {
        (Some(errors), value) => {
            discard(value);
            Poll::Ready(Err(errors))
        }
        (None, Some(value)) if !core.was_cut() => Poll::Ready(Ok(value)),
        // Cut short by a scope around the group, which drops it now.
        _ => Poll::Pending,
    }
}
