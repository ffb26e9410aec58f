//! A child as the runtime, or the host, sees it.

use super::cohort::{Key, Phase};
use super::core::Core;
use super::error::{ErrorGroup, Fault};
use super::handle::Slot;
use crate::internal::atomic::Ordering;
use crate::internal::caught::quietly;
use crate::internal::reason::Reason;
use crate::internal::scope::{Scoped, Step};
use pin_project_lite::pin_project;
use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

/// What a child may end with: `Result<T, E>` with the group's error type, `()`, or nothing at all (`async { loop { .. } }`).
#[diagnostic::on_unimplemented(
    message = "a child of this group must end with `Result<_, {E}>` or `()`, not with `{Self}`",
    label = "this future ends with `{Self}`",
    note = "wrap a plain value: `async {{ Ok(value) }}`; convert an error with `?` or `map_err`"
)]
pub trait ChildOutput<E>: Sized {
    /// What its handle gives.
    type Ok;

    // Names a type that nobody outside can name, so nobody outside implements the trait.
    #[doc(hidden)]
    fn split(self) -> Result<Self::Ok, Fault<E>>;
}

impl<T, E> ChildOutput<E> for Result<T, E> {
    type Ok = T;
    fn split(self) -> Result<T, Fault<E>> {
        self.map_err(|e| Fault::Leaf(None, e))
    }
}

impl<E> ChildOutput<E> for () {
    type Ok = ();
    fn split(self) -> Result<(), Fault<E>> {
        Ok(())
    }
}

/// Gives a name to `!`, which has none on stable Rust.
pub trait Returns {
    /// What the function returns.
    type Output;
}

impl<T> Returns for fn() -> T {
    type Output = T;
}

// `async { loop { .. } }`: a child that ends only by being cancelled.
// Not listed in messages, where it would show the trick.
#[diagnostic::do_not_recommend]
impl<E> ChildOutput<E> for <fn() -> ! as Returns>::Output {
    type Ok = Self;
    fn split(self) -> Result<Self, Fault<E>> {
        self
    }
}

/// The result of a group inside a group.
pub(super) struct Nested<T, E>(pub(super) Result<T, ErrorGroup<E>>);

impl<T, E> ChildOutput<E> for Nested<T, E> {
    type Ok = T;
    fn split(self) -> Result<T, Fault<E>> {
        self.0.map_err(Fault::Group)
    }
}

/// What a child holds of its group.
pub(super) trait Seat {
    type Error;

    fn core(&self) -> &Core<Self::Error>;

    /// The child's turn under the limit goes to the next.
    fn give_back_turn(&self);
}

/// How a child lives in its group.
#[derive(Clone, Copy)]
pub(super) struct Terms {
    pub(super) service: bool,
    /// It counts under the limit.
    pub(super) limited: bool,
}

/// A child's place in its group; given up after its future is gone.
struct Place<T, S: Seat> {
    /// `None` only at the very end.
    slot: Option<Arc<Slot<T>>>,
    seat: S,
    key: Option<Key>,
    terms: Terms,
    started: bool,
    settled: bool,
}

impl<T, S: Seat> Drop for Place<T, S> {
    fn drop(&mut self) {
        if self.terms.limited {
            self.seat.give_back_turn();
        }
        if !self.settled {
            self.lost();
        }
        let core = self.seat.core();
        if let Some(slot) = self.slot.take().and_then(Arc::into_inner) {
            // Nobody has kept the handle, so the value goes here, where a panic of its destructor would be the
            // runtime's. It is the child's.
            if let Err(payload) = catch_unwind(AssertUnwindSafe(|| slot.discard())) {
                core.panicked(Some(&slot.site), payload);
            }
        }
        core.cohort(self.terms.service).unregister(self.key.take());
        core.leave(self.terms.service);
    }
}

impl<T, S: Seat> Place<T, S> {
    #[inline]
    fn slot(&self) -> &Slot<T> {
        match &self.slot {
            Some(slot) => slot,
            None => unreachable!("it is taken out when this is dropped"),
        }
    }

    /// The child was dropped by somebody else: its host, with the line of those that had not started, or its runtime, which stopped.
    #[cold]
    fn lost(&mut self) {
        let core = self.seat.core();
        let service = self.terms.service;
        let mut reason = core.reason(service);
        if core.cohort(service).phase() == Phase::Open {
            core.state.lock().asked.get_or_insert(Reason::Shutdown);
            core.note_cut();
            core.note_runtime_gone();
            // No time of grace: the timers have gone with the runtime.
            core.advance(Phase::Dropping, Reason::Shutdown);
            reason = Some(Reason::Shutdown);
        } else if core.body_phase() >= Phase::Asked && !service {
            core.note_cut();
        }
        self.slot().end(Err(reason.unwrap_or(Reason::ScopeEnded)));
    }
}

pin_project! {
    /// The future of a child, with its place in the group `S`.
    pub(super) struct Child<F, T, S>
    where
        S: Seat,
    {
        // Dropped in this order: the future, its place.
        #[pin]
        scoped: Scoped<F>,
        place: Place<T, S>,
        waker: Option<Waker>,
    }

    impl<F, T, S> PinnedDrop for Child<F, T, S>
    where
        S: Seat,
    {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            if this.scoped.is_gone() {
                return;
            }
            // Dropped by its host or its runtime, maybe with many others, maybe while they unwind: a destructor that
            // panics must neither abort the process nor keep the others from being dropped. The host gets the panic.
            if let Err(payload) = catch_unwind(AssertUnwindSafe(|| this.scoped.as_mut().clear())) {
                let place = &this.place;
                let site = &place.slot().site;
                place.seat.core().panicked(Some(site), payload);
            }
        }
    }
}

impl<F, T, S: Seat> Child<F, T, S> {
    /// The caller has taken a place for it among the living of its cohort.
    pub(super) fn new(future: F, slot: Arc<Slot<T>>, seat: S, terms: Terms) -> Self {
        let core = seat.core();
        let scoped = Scoped::root(core.scope(terms.service), future);
        let tracked = core.tracked.load(Ordering::Acquire);
        let key = tracked.then(|| core.cohort(terms.service).track(&slot.site));
        Child {
            scoped,
            place: Place {
                slot: Some(slot),
                seat,
                key,
                terms,
                started: false,
                settled: false,
            },
            waker: None,
        }
    }
}

enum End<T, E> {
    Value(T),
    Fault(Fault<E>),
    Panic(Box<dyn Any + Send>),
    /// By itself for this reason, or because it was told to.
    Cancelled(Option<Reason>),
}

impl<F, T, S> Future for Child<F, T, S>
where
    S: Seat,
    F: Future<Output: ChildOutput<S::Error, Ok = T>>,
{
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        let core = this.place.seat.core();
        let service = this.place.terms.service;
        let cohort = core.cohort(service);
        // It was polled in this poll, and waits.
        let mut waits = false;
        let end = loop {
            let phase = if this.place.started {
                cohort.phase()
            } else {
                core.phase(service)
            };
            let alone = this.place.slot().is_cancelled()
                || !this.place.started && !this.place.slot().start();
            let drop_now = alone || phase >= Phase::Dropping;
            if drop_now && (!this.place.started || phase == Phase::Abandoned) {
                // Cancelled before it began: it never runs. Abandoned: nobody waits for its shields any more.
                break match catch_unwind(AssertUnwindSafe(|| this.scoped.as_mut().clear())) {
                    Ok(()) => End::Cancelled(None),
                    Err(payload) => End::Panic(payload),
                };
            }
            this.place.started = true;
            if alone && let Some(reason) = this.place.slot().asked() {
                this.scoped.as_mut().cancel(reason);
            }
            if waits && !drop_now {
                return Poll::Pending;
            }
            match catch_unwind(AssertUnwindSafe(|| match waits {
                // Cancelled in this very poll, maybe by itself: it does not get past the point where it waits, even
                // if it only gives way there.
                true => this.scoped.as_mut().cut(cx),
                false => this.scoped.as_mut().step(cx, drop_now),
            })) {
                Ok(Step::Ready(output)) => {
                    break match output.split() {
                        Ok(value) => End::Value(value),
                        Err(fault) => match fault.into_cancellation() {
                            Ok(reason) => End::Cancelled(Some(reason)),
                            Err(fault) => End::Fault(fault),
                        },
                    };
                }
                Ok(Step::Gone) => break End::Cancelled(None),
                Err(payload) => {
                    // What is left of the future may panic again; the first panic is the one that counts.
                    quietly(|| this.scoped.as_mut().clear());
                    break End::Panic(payload);
                }
                Ok(Step::Pending) => {}
            }
            if !this.waker.as_ref().is_some_and(|w| w.will_wake(cx.waker())) {
                // Whoever cancels raises the flag first and wakes second; this registers first and looks second.
                if let Some(slot) = &this.place.slot {
                    cohort.register(&mut this.place.key, cx.waker().clone(), &slot.site);
                    slot.watch(cx.waker().clone());
                }
                *this.waker = Some(cx.waker().clone());
            }
            if drop_now && cohort.phase() != Phase::Abandoned {
                return Poll::Pending;
            }
            waits = true;
        };
        this.place.settled = true;
        settle(end, this.place.slot(), core, service);
        Poll::Ready(())
    }
}

fn settle<T, E>(end: End<T, E>, slot: &Slot<T>, core: &Core<E>, service: bool) {
    let result = match end {
        End::Value(value) => Ok(value),
        End::Fault(fault) => {
            core.failed(match fault {
                Fault::Leaf(_, e) => Fault::Leaf(slot.site.name.clone(), e),
                group => group,
            });
            Err(Reason::Failed)
        }
        End::Panic(payload) => {
            core.panicked(Some(&slot.site), payload);
            Err(Reason::Panicked)
        }
        End::Cancelled(own) => {
            if !service && core.body_phase() >= Phase::Asked {
                core.note_cut();
            }
            Err(own
                .or_else(|| slot.asked())
                .or_else(|| core.reason(service))
                .unwrap_or(Reason::ScopeEnded))
        }
    };
    slot.end(result);
}
