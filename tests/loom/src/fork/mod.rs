//! Where the shared file looks for `super`, and models of it. Everything is behind locks there, but of two branches on two threads one polls the source
//! and the other waits, and on one thread what they do never crosses.

#[path = "../../../../src/patterns/stream/fork.rs"]
mod inner;

use crate::internal::lock::Lock;
use crate::support::check;
use futures_core::Stream;
use inner::{Branch, Fork, Rule};
use loom::future::block_on;
use loom::thread;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

/// As the shared file looks for them. No model gives way.
const BUDGET: u32 = 128;

fn poll_more(_cx: &mut Context<'_>) -> Poll<()> {
    Poll::Ready(())
}

#[derive(Default)]
struct Turn;

impl Turn {
    fn poll(&mut self, _cx: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }
}

/// Both branches get every item, one at a time.
struct Both {
    item: Option<u32>,
    wanted: [bool; 2],
}

impl Rule for Both {
    type In = u32;
    type Out = u32;
    type Waste = ();

    fn has_room(&self) -> bool {
        self.item.is_none()
    }

    fn push(&mut self, item: u32) {
        self.item = Some(item);
        self.wanted = [true; 2];
    }

    fn pop(&mut self, branch: usize) -> Option<(u32, ())> {
        let item = self.item.filter(|_| self.wanted[branch])?;
        self.leave(branch);
        Some((item, ()))
    }

    fn leave(&mut self, branch: usize) {
        self.wanted[branch] = false;
        if self.wanted == [false; 2] {
            self.item = None;
        }
    }
}

/// Gives one item, as soon as it is fed.
#[derive(Default)]
struct Trough {
    fed: bool,
    eater: Option<Waker>,
}

struct Source(Arc<Lock<Trough>>);

impl Stream for Source {
    type Item = u32;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<u32>> {
        let mut trough = self.0.lock();
        if std::mem::take(&mut trough.fed) {
            return Poll::Ready(Some(7));
        }
        trough.eater = Some(cx.waker().clone());
        Poll::Pending
    }
}

fn feed(trough: &Lock<Trough>) {
    let mut locked = trough.lock();
    locked.fed = true;
    let eater = locked.eater.take();
    drop(locked);
    if let Some(eater) = eater {
        eater.wake();
    }
}

/// A trough, and the two branches of what comes from it.
fn forked() -> (
    Arc<Lock<Trough>>,
    Branch<Source, Both>,
    Branch<Source, Both>,
) {
    let trough = Arc::<Lock<Trough>>::default();
    let rule = Both {
        item: None,
        wanted: [false; 2],
    };
    let fork = Fork::new(Source(trough.clone()), rule);
    let (one, two) = (Branch::new(fork.clone(), 0), Branch::new(fork, 1));
    (trough, one, two)
}

fn next(mut branch: Branch<Source, Both>) -> impl FnOnce() + Send {
    move || {
        let item = block_on(poll_fn(|cx| branch.poll(cx)));
        assert_eq!(item, Some(7));
    }
}

#[test]
fn an_item_reaches_both_branches_whoever_polls_for_it() {
    check(|| {
        let (trough, one, two) = forked();
        let thread = thread::spawn(next(one));
        feed(&trough);
        next(two)();
        thread.join().expect("no panic");
    });
}

#[test]
fn food_that_comes_late_reaches_both_branches() {
    check(|| {
        let (trough, one, two) = forked();
        let threads = [thread::spawn(next(one)), thread::spawn(next(two))];
        feed(&trough);
        for thread in threads {
            thread.join().expect("no panic");
        }
    });
}
