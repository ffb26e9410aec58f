//! What long-lived groups, tokens and limits hold after much work: as much as after little. Counted by the allocator, so one test at a time.

use regatta::Runtime;
use regatta::cancel::CancelToken;
use regatta::queue::Queue;
use regatta::run_on;
use regatta::runtime::Flavor;
use regatta::sync::{Barrier, Event, Limiter, Mutex, RwLock, Semaphore};
use regatta::task::{TaskGroup, scope, task_group};
use regatta::testing::yield_now;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use std::alloc::System;
use std::convert::Infallible;
use std::task::{Context, Waker};
use std::time::Instant;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

type Free = TaskGroup<'static, Infallible>;

/// Bytes that are allocated now.
fn held() -> isize {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated as isize - stats.bytes_deallocated as isize
}

/// Prints how it went, and fails when `after` is more than `before` and a little: the test harness allocates too.
#[track_caller]
fn no_more(what: &str, before: isize, after: isize, start: Instant) {
    let took = Runtime::neutral().now() - start;
    println!("{what}: {before} bytes, then {after}, in {took:.1?}");
    assert!(
        after <= before + 4096,
        "{what}: {before} bytes after a thousand, {after} after all"
    );
}

fn now() -> Instant {
    Runtime::neutral().now()
}

const FEW: usize = 1_000;
const MANY: usize = 10_000_000;
/// Where one costs more, to keep the tests short without optimisation.
const FEWER: usize = MANY / 10;

/// Runs children in rounds of 100, and says how much is held between two rounds.
async fn rounds(g: &Free, children: usize) -> isize {
    for _ in 0..children / 100 {
        for _ in 0..99 {
            drop(g.spawn(async {}));
        }
        let mut last = g.spawn(async {
            yield_now().await;
            Ok(())
        });
        let _ = last.outcome().await;
    }
    held()
}

fn a_group_in_place_that_ran_ten_million_children_holds_what_it_held_after_a_thousand() {
    let start = now();
    let measured = futures::executor::block_on(scope(async |g: Free| {
        let few = rounds(&g, FEW).await;
        Ok((few, rounds(&g, MANY).await))
    }));
    let (few, many) = measured.expect("no child fails");
    no_more("10 million in place", few, many, start);
}

/// On each runtime that is compiled in. Not in virtual time: a simulation notes its every choice.
fn on_each_runtime<F: Future<Output = ()>>(work: impl Fn() -> F) {
    for flavor in [Flavor::Tokio, Flavor::Smol] {
        if flavor.is_available() {
            run_on(flavor, work());
        }
    }
}

/// The same as tasks of a runtime; waits for all of a round, whatever the threads do.
async fn spawned_rounds(g: &Free, children: usize) -> isize {
    let mut round = Vec::with_capacity(100);
    for _ in 0..children / 100 {
        round.extend((0..100).map(|_| g.spawn(async { Ok(()) })));
        for mut task in round.drain(..) {
            let _ = task.outcome().await;
        }
    }
    held()
}

fn a_group_on_a_runtime_holds_what_it_held_after_a_thousand() {
    on_each_runtime(async || {
        let start = now();
        let measured = task_group(async |g: Free| {
            // Once around first, so that the runtime has made what it keeps.
            spawned_rounds(&g, 10 * FEW).await;
            let few = spawned_rounds(&g, FEW).await;
            Ok((few, spawned_rounds(&g, FEWER).await))
        });
        let (few, many) = measured.await.expect("no child fails");
        no_more("a million on a runtime", few, many, start);
    });
}

fn a_limit_holds_nothing_of_those_it_let_pass() {
    let start = now();
    async fn pass(g: &Free, children: usize) -> isize {
        for _ in 0..children {
            drop(g.spawn_when_free(async {}).await);
        }
        held()
    }
    let measured = futures::executor::block_on(scope(async |g: Free| {
        g.limit(16);
        let few = pass(&g, FEW).await;
        Ok((few, pass(&g, FEWER).await))
    }));
    let (few, many) = measured.expect("no child fails");
    no_more("a million under a limit", few, many, start);
}

fn a_token_holds_nothing_of_children_that_are_gone() {
    let start = now();
    let token = CancelToken::new();
    let children = |n: usize| {
        for _ in 0..n {
            let child = token.child();
            drop(child.child());
            drop(child);
        }
        held()
    };
    let few = children(FEW);
    no_more("a million children of a token", few, children(FEWER), start);
    drop(token);
}

fn a_million_children_at_once_give_their_memory_back() {
    for limit in [usize::MAX, 100] {
        let start = now();
        let before = held();
        let all = scope(async |g: Free| {
            g.limit(limit);
            for _ in 0..1_000_000 {
                drop(g.spawn(yield_now()));
            }
            Ok(())
        });
        futures::executor::block_on(all).expect("no child fails");
        no_more("a million at once, in place", before, held(), start);
    }
    on_each_runtime(async || {
        for limit in [usize::MAX, 100] {
            let mut before = 0;
            for _ in 0..2 {
                let start = now();
                task_group(async |g: Free| {
                    g.limit(limit);
                    for _ in 0..100_000 {
                        drop(g.spawn(yield_now()));
                    }
                    Ok(())
                })
                .await
                .expect("no child fails");
                // What the runtime keeps after the first time is the runtime's.
                let after = held();
                println!(
                    "100,000 at once, on a runtime: {after} bytes, in {:.1?}",
                    now() - start
                );
                before = if before == 0 { after } else { before };
                assert!(
                    after <= before + before / 4 + 65_536,
                    "{before} bytes, then {after}"
                );
            }
        }
    });
}

/// Waits two hundred thousand times, and gives up.
fn burst<F: Future>(what: &str, wait: impl Fn() -> F) {
    let start = now();
    let before = held();
    let mut waits: Vec<_> = (0..200_000).map(|_| Box::pin(wait())).collect();
    let mut cx = Context::from_waker(Waker::noop());
    for wait in &mut waits {
        assert!(wait.as_mut().poll(&mut cx).is_pending(), "{what}");
    }
    drop(waits);
    no_more(what, before, held(), start);
}

fn a_burst_of_waiters_gives_its_memory_back() {
    let (mutex, lock) = (Mutex::new(()), RwLock::new(()));
    let held_by_us = (mutex.try_lock(), lock.try_write());
    burst("a mutex", || mutex.lock());
    burst("a lock to read", || lock.read());
    burst("a lock to write", || lock.write());
    let (semaphore, limiter) = (Semaphore::new(0), Limiter::new(0));
    burst("a semaphore", || semaphore.acquire());
    burst("a limiter", || limiter.borrow());
    let (event, barrier) = (Event::new(), Barrier::new(usize::MAX));
    burst("an event", || event.wait());
    burst("a barrier", || barrier.wait());
    let (empty, full, hands) = (
        Queue::<u8>::bounded(1),
        Queue::bounded(1),
        Queue::rendezvous(),
    );
    full.try_put(0).expect("there is room");
    burst("gets", || empty.take());
    burst("puts", || full.put(1));
    burst("joins", || full.join());
    burst("puts to a hand", || hands.put(1));
    drop(held_by_us);
}

fn a_drained_queue_gives_its_memory_back() {
    let (fifo, ranked) = (Queue::unbounded(), Queue::priority(usize::MAX));
    for (queue, what) in [(fifo, "first in, first out"), (ranked, "by priority")] {
        let before = held();
        for n in 0..500_000_u64 {
            queue.try_put(n).expect("it has no bound");
        }
        while queue.try_take().is_some() {}
        let after = held();
        println!("a drained queue, {what}: {before} bytes, then {after}");
        assert!(
            after <= before + 65_536,
            "{what}: {before} bytes, then {after}"
        );
    }
}

/// One test, not seven: the allocator counts for the whole process, and the harness starts a thread for each test.
#[test]
fn nothing_grows_with_the_work_that_was_done() {
    a_group_in_place_that_ran_ten_million_children_holds_what_it_held_after_a_thousand();
    a_group_on_a_runtime_holds_what_it_held_after_a_thousand();
    a_limit_holds_nothing_of_those_it_let_pass();
    a_token_holds_nothing_of_children_that_are_gone();
    a_million_children_at_once_give_their_memory_back();
    a_burst_of_waiters_gives_its_memory_back();
    a_drained_queue_gives_its_memory_back();
}
