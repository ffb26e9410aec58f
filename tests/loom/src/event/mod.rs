//! Where the shared file looks for `super`, and models of it.

#[path = "../../../../src/patterns/sync/event.rs"]
mod inner;

use crate::support::{Guarded, check};
use inner::Event;
use loom::future::block_on;
use loom::thread;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

/// Waits on a thread of its own, and looks at what was there before the event was set.
fn waiter(event: &Event, guarded: &Arc<Guarded>) -> thread::JoinHandle<()> {
    let (event, guarded) = (event.clone(), guarded.clone());
    thread::spawn(move || {
        block_on(event.wait());
        assert_eq!(guarded.get(), 1);
    })
}

#[test]
fn setting_reaches_who_waits_and_who_is_just_coming() {
    check(|| {
        let (event, guarded) = (Event::new(), Arc::new(Guarded::new()));
        let threads = [waiter(&event, &guarded), waiter(&event, &guarded)];
        guarded.add();
        event.set();
        for thread in threads {
            thread.join().expect("no panic");
        }
        assert_eq!(event.waiting(), 0);
    });
}

#[test]
fn who_only_looks_sees_what_came_before() {
    check(|| {
        let (event, guarded) = (Event::new(), Arc::new(Guarded::new()));
        let thread = {
            let (event, guarded) = (event.clone(), guarded.clone());
            thread::spawn(move || {
                if event.is_set() {
                    assert_eq!(guarded.get(), 1);
                }
            })
        };
        guarded.add();
        event.set();
        thread.join().expect("no panic");
    });
}

#[test]
fn clearing_keeps_nobody_back_who_was_released() {
    check(|| {
        let event = Event::new();
        let mut first = event.wait();
        // In line before anything happens.
        block_on(async {
            std::future::poll_fn(|cx| {
                assert!(Pin::new(&mut first).poll(cx).is_pending());
                Poll::Ready(())
            })
            .await;
        });
        let thread = {
            let event = event.clone();
            thread::spawn(move || {
                event.set();
                event.clear();
                event.set();
            })
        };
        block_on(first);
        block_on(event.wait());
        thread.join().expect("no panic");
        assert!(event.is_set());
        assert_eq!(event.waiting(), 0);
    });
}

#[test]
fn a_waiter_that_gives_up_takes_nothing_with_it() {
    check(|| {
        let event = Event::new();
        let quitter = {
            let event = event.clone();
            thread::spawn(move || {
                block_on(async {
                    let mut wait = event.wait();
                    std::future::poll_fn(|cx| {
                        let _ = Pin::new(&mut wait).poll(cx);
                        Poll::Ready(())
                    })
                    .await;
                });
            })
        };
        let setter = {
            let event = event.clone();
            thread::spawn(move || event.set())
        };
        block_on(event.wait());
        quitter.join().expect("no panic");
        setter.join().expect("no panic");
        assert_eq!(event.waiting(), 0);
    });
}
