//! Where the shared files look for `crate::internal::scope`: the frame is the file of `src/`, and the stack of scopes, which belongs to
//! one thread, a stand-in. The models of the frame are here too, where its functions can be called.

#[path = "../../../../src/internal/scope/frame.rs"]
mod frame;
#[path = "../../../../src/internal/scope/mark.rs"]
mod mark;

pub(crate) use mark::Mark;

use super::node::Node;
use super::reason::Reason;
use crate::support::{Guarded, check, ready};
use frame::Frame;
use loom::future::block_on;
use loom::thread;
use pin_project_lite::pin_project;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// No scope is around anybody.
pub(crate) fn observe() -> Arc<Node> {
    Node::root()
}

pub(crate) fn dropping() -> bool {
    false
}

pub(crate) fn reason() -> Option<Reason> {
    None
}

pub(crate) enum Step<T> {
    Ready(T),
    Pending,
    Gone,
}

pin_project! {
    /// A future without a scope and without shields: dropped as soon as it is to be.
    pub(crate) struct Scoped<F> {
        #[pin]
        future: Option<F>,
    }
}

impl<F> Scoped<F> {
    pub(crate) fn root(_seed: Mark, future: F) -> Self {
        Scoped {
            future: Some(future),
        }
    }

    pub(crate) fn cancel(self: Pin<&mut Self>, _reason: Reason) {}

    pub(crate) fn is_gone(&self) -> bool {
        self.future.is_none()
    }

    pub(crate) fn clear(self: Pin<&mut Self>) {
        self.project().future.set(None);
    }
}

impl<F: Future> Scoped<F> {
    pub(crate) fn step(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        drop_now: bool,
    ) -> Step<F::Output> {
        let mut this = self.project();
        let polled = this.future.as_mut().as_pin_mut().map(|f| f.poll(cx));
        let step = match polled {
            Some(Poll::Ready(value)) => Step::Ready(value),
            Some(Poll::Pending) if !drop_now => return Step::Pending,
            _ => Step::Gone,
        };
        this.future.set(None);
        step
    }

    pub(crate) fn cut(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Step<F::Output> {
        self.clear();
        Step::Gone
    }
}

/// Drops the scope's future when it can, as its owner does.
async fn drops_when_it_can(frame: &Frame) {
    poll_fn(|cx| ready(frame.is_dropping() && !frame.is_shielded(cx.waker()))).await;
}

#[test]
fn the_last_shield_tells_an_owner_who_is_just_starting_to_drop() {
    check(|| {
        let frame = Frame::grow(Mark::Plain);
        let guarded = Arc::new(Guarded::new());
        frame.raise_shield();
        let shield = {
            let (frame, guarded) = (frame.clone(), guarded.clone());
            thread::spawn(move || {
                guarded.add();
                frame.lower_shield();
            })
        };
        frame.start_dropping();
        block_on(drops_when_it_can(&frame));
        // What ran under the shield is over.
        guarded.add();
        assert_eq!(guarded.get(), 2);
        shield.join().expect("no panic");
    });
}

#[test]
fn of_two_shields_only_the_last_matters() {
    check(|| {
        let frame = Frame::grow(Mark::Plain);
        frame.start_dropping();
        frame.raise_shield();
        frame.raise_shield();
        let shields = [0, 1].map(|_| {
            let frame = frame.clone();
            thread::spawn(move || frame.lower_shield())
        });
        block_on(drops_when_it_can(&frame));
        for shield in shields {
            shield.join().expect("no panic");
        }
    });
}

#[test]
fn who_watches_for_the_dropping_sees_it() {
    check(|| {
        let frame = Frame::grow(Mark::Plain);
        let guarded = Arc::new(Guarded::new());
        let dropper = {
            let (frame, guarded) = (frame.clone(), guarded.clone());
            thread::spawn(move || {
                guarded.add();
                frame.start_dropping();
            })
        };
        let mut key = None;
        block_on(poll_fn(|cx| {
            if key.is_some() {
                return ready(frame.is_dropping());
            }
            // Does not look at the flag again: it is in the list, or is told that it is too late.
            key = frame.watch(cx.waker().clone());
            ready(key.is_none())
        }));
        assert_eq!(guarded.get(), 1);
        if let Some(key) = key {
            frame.unwatch(key);
        }
        dropper.join().expect("no panic");
    });
}

#[test]
fn who_only_looks_at_the_flag_sees_what_came_before_it() {
    check(|| {
        let frame = Frame::grow(Mark::Plain);
        let guarded = Arc::new(Guarded::new());
        let dropper = {
            let (frame, guarded) = (frame.clone(), guarded.clone());
            thread::spawn(move || {
                guarded.add();
                frame.start_dropping();
            })
        };
        if frame.is_dropping() {
            assert_eq!(guarded.get(), 1);
        }
        dropper.join().expect("no panic");
    });
}
