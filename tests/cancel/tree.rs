//! The tree under load. How much memory it keeps is in `tests/cancel_memory.rs`.

use crate::ground::{HOUR, Hand};
use regatta::cancel::CancelToken;
use std::pin::pin;

const MANY: usize = 100_000;

fn chain(root: &CancelToken, timed: bool) -> CancelToken {
    let mut last = root.clone();
    for _ in 0..MANY {
        last = if timed {
            last.child_for(HOUR)
        } else {
            last.child()
        };
    }
    last
}

#[test]
fn a_long_chain_is_dropped_without_recursion() {
    let root = CancelToken::new();
    drop(chain(&root, false));
    drop(chain(&root, true));
    assert!(!root.is_cancelled());
}

#[test]
fn a_long_chain_is_cancelled_without_recursion() {
    let root = CancelToken::new();
    let last = chain(&root, false);
    root.cancel_with("all of it");
    assert_eq!(last.reason(), Some("all of it".into()));
}

#[test]
fn a_long_chain_of_deadlines_is_asked_without_recursion() {
    let root = CancelToken::new().child_for(HOUR);
    let last = chain(&root, false);
    assert!(!last.is_cancelled());
    assert_eq!(last.deadline(), root.deadline());
    let last = chain(&root, true);
    assert!(last.check().is_ok());
    assert_eq!(last.deadline(), root.deadline());
    let mut waits = pin!(last.cancelled());
    let hand = Hand::new();
    assert!(hand.poll(waits.as_mut()).is_pending());
    root.cancel();
    assert_eq!(hand.wakes.get(), 1);
    assert!(last.is_cancelled());
}

#[test]
fn cancelling_a_wide_tree_reaches_everyone() {
    let root = CancelToken::new();
    let children: Vec<_> = (0..MANY).map(|_| root.child()).collect();
    root.cancel_with("all of you");
    assert!(
        children
            .iter()
            .all(|c| c.reason() == Some("all of you".into()))
    );
}

#[test]
fn children_come_and_go_while_the_tree_is_cancelled() {
    for _ in 0..20 {
        let root = CancelToken::new();
        std::thread::scope(|s| {
            for _ in 0..3 {
                s.spawn(|| {
                    let mut cancelled = 0;
                    while cancelled < 100 {
                        let child = root.child().child();
                        let mut waits = pin!(child.cancelled());
                        let ready = Hand::new().poll(waits.as_mut()).is_ready();
                        assert!(!ready || child.is_cancelled());
                        cancelled += usize::from(ready);
                    }
                });
            }
            s.spawn(|| {
                std::thread::yield_now();
                root.cancel();
            });
        });
    }
}
