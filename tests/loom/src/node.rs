//! Models of `internal::node`.

use crate::internal::node::{Node, Waiter};
use crate::internal::reason::Reason;
use crate::support::{Guarded, check, ready};
use loom::future::block_on;
use loom::thread;
use std::future::poll_fn;
use std::sync::Arc;

fn canceller(node: &Arc<Node>, guarded: &Arc<Guarded>) -> thread::JoinHandle<()> {
    let (node, guarded) = (node.clone(), guarded.clone());
    thread::spawn(move || {
        guarded.add();
        node.cancel(Reason::Requested);
    })
}

#[test]
fn the_flag_shows_what_came_before_it_and_the_reason() {
    check(|| {
        let (node, guarded) = (Node::root(), Arc::new(Guarded::new()));
        let thread = canceller(&node, &guarded);
        if node.flag() {
            assert_eq!(guarded.get(), 1);
            assert_eq!(node.reason(), Some(Reason::Requested));
        }
        thread.join().expect("no panic");
    });
}

#[test]
fn a_waiter_that_is_just_coming_is_told() {
    check(|| {
        let (node, guarded) = (Node::root(), Arc::new(Guarded::new()));
        let thread = canceller(&node, &guarded);
        let mut waiter = Waiter::new(node.clone());
        block_on(poll_fn(|cx| ready(waiter.register(cx.waker()))));
        assert_eq!(guarded.get(), 1);
        thread.join().expect("no panic");
    });
}

#[test]
fn a_waiter_that_goes_leaves_nothing_behind_for_a_canceller() {
    check(|| {
        let (node, guarded) = (Node::root(), Arc::new(Guarded::new()));
        let thread = canceller(&node, &guarded);
        let mut gone = Waiter::new(node.clone());
        let mut stays = Waiter::new(node.clone());
        block_on(poll_fn(|cx| {
            gone.register(cx.waker());
            std::task::Poll::Ready(())
        }));
        drop(gone);
        block_on(poll_fn(|cx| ready(stays.register(cx.waker()))));
        thread.join().expect("no panic");
    });
}

#[test]
fn a_child_made_while_its_parent_is_cancelled_is_cancelled_too() {
    check(|| {
        let (node, guarded) = (Node::root(), Arc::new(Guarded::new()));
        let thread = canceller(&node, &guarded);
        let child = Node::child_of(std::slice::from_ref(&node), None);
        let mut waiter = Waiter::new(child.clone());
        block_on(poll_fn(|cx| ready(waiter.register(cx.waker()))));
        assert_eq!(child.reason(), Some(Reason::Requested));
        assert_eq!(guarded.get(), 1);
        thread.join().expect("no panic");
    });
}

#[test]
fn two_cancellers_agree_on_one_reason() {
    check(|| {
        let parents = [Node::root(), Node::root()];
        let child = Node::child_of(&parents, None);
        let threads = parents.each_ref().map(|parent| {
            let parent = parent.clone();
            thread::spawn(move || parent.cancel(Reason::Requested))
        });
        let mut waiter = Waiter::new(child.clone());
        block_on(poll_fn(|cx| ready(waiter.register(cx.waker()))));
        assert_eq!(child.reason(), Some(Reason::Requested));
        drop(child);
        for thread in threads {
            assert!(thread.join().expect("no panic"));
        }
    });
}
