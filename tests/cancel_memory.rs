//! What the cancellation tree keeps of those who are gone. A program of its own with one test: the counter is for the whole process.

use regatta::cancel::{self, CancelToken};
use regatta::{testing, time};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Waker};
use std::time::Duration;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const MANY: usize = 100_000;

/// What the test harness may allocate beside us; a crowd that is remembered costs more than a megabyte.
const NOISE: isize = 16 * 1024;

/// Whether `f`, when it has been called before, leaves nothing on the heap.
#[track_caller]
fn keeps_next_to_nothing(mut f: impl FnMut()) {
    f();
    let region = Region::new(ALLOCATOR);
    f();
    let stats = region.change();
    let kept = stats.bytes_allocated as isize - stats.bytes_deallocated as isize;
    assert!(kept <= NOISE, "{kept} bytes kept");
}

#[test]
fn nobody_is_remembered_who_is_gone() {
    let root = CancelToken::new().child_for(Duration::from_secs(3600));
    // One after the other: no more than one.
    keeps_next_to_nothing(|| (0..MANY).for_each(|_| drop(root.child())));
    // All at once, dropped in either order: the crowd's memory is given back.
    for backwards in [false, true] {
        keeps_next_to_nothing(|| {
            let mut crowd: Vec<_> = (0..MANY).map(|_| root.child()).collect();
            if backwards {
                crowd.reverse();
            }
            drop(crowd);
        });
    }
    // Waiters too. (Without a deadline: a timer's own thread frees what it is made of in its own time.)
    let root = CancelToken::new();
    let mut cx = Context::from_waker(Waker::noop());
    keeps_next_to_nothing(|| {
        let mut crowd: Vec<_> = (0..MANY)
            .map(|_| Box::pin(root.run(std::future::pending::<()>())))
            .collect();
        for run in &mut crowd {
            assert!(run.as_mut().poll(&mut cx).is_pending());
        }
    });
    // And those who watch a scope from inside.
    let mut long = pin!(time::timeout(Duration::MAX, async {
        for round in 0..3 {
            let region = Region::new(ALLOCATOR);
            for _ in 0..MANY / 10 {
                let token = cancel::current();
                drop(cancel::shield(async { token.check() }).await);
                cancel::finally(async {}, async {}).await;
            }
            let stats = region.change();
            let kept = stats.bytes_allocated as isize - stats.bytes_deallocated as isize;
            assert!(kept <= NOISE || round == 0, "{kept} bytes kept");
        }
    }));
    assert!(long.as_mut().poll(&mut cx).is_ready());

    // A simulation gives everything back as well.
    keeps_next_to_nothing(|| {
        testing::run(async || {
            let root = CancelToken::new();
            for _ in 0..1000 {
                let _ = time::timeout(Duration::from_secs(1), root.child().cancelled()).await;
            }
        });
    });
}
