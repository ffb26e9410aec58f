//! What a simulation reports, and how it reads.

use crate::support::{MS, sleep, spawn};
use regatta::testing::{self, Config, Failure, Policy};
use std::sync::Arc;

#[test]
fn a_deadlock_names_the_task_and_the_line_that_spawned_it() {
    let line = line!() + 2;
    let report = testing::run_with(Config::new(0), async || {
        let stuck = spawn(async {
            testing::label("a letter from home");
            std::future::pending::<()>().await;
        });
        let _ = stuck.await;
    });
    let text = report.value.unwrap_err().to_string();
    assert!(
        text.starts_with("deadlock at virtual time 0ns, step "),
        "{text}"
    );
    let task = format!(
        "`task #1` spawned at {}:{line} (1 poll), waiting on a letter from home",
        file!()
    );
    assert!(text.contains(&task), "{text}");
    assert!(
        text.contains("2 tasks left") && text.contains("`root`"),
        "{text}"
    );
}

/// A foreign timer, a socket or a thread: virtual time cannot see whom it waits for.
#[test]
fn a_deadlock_says_who_may_wait_for_the_world_outside() {
    let report = testing::run_with(Config::new(0), async || {
        let (_kept, foreign) = futures::channel::oneshot::channel::<()>();
        foreign.await
    });
    let text = report.value.unwrap_err().to_string();
    for hint in [
        "`root` waits on nothing of regatta's",
        "a real timer",
        "a socket or a thread",
    ] {
        assert!(text.contains(hint), "{text}");
    }
}

#[test]
fn who_waits_on_something_of_regattas_is_not_suspected() {
    let report = testing::run_with(Config::new(0), async || {
        let event = regatta::sync::Event::new();
        let never = event.clone();
        let stuck = spawn(async move { never.wait().await });
        let _ = stuck.await;
    });
    let text = report.value.unwrap_err().to_string();
    assert!(
        text.contains("2 tasks left") && !text.contains("nothing of regatta's"),
        "{text}"
    );
}

#[test]
#[should_panic(expected = "replay: REGATTA_SEED=0")]
fn run_panics_with_the_report() {
    testing::run(async || std::future::pending::<()>().await);
}

#[test]
#[should_panic(expected = "the root says 42")]
fn the_roots_own_panic_keeps_its_message() {
    testing::run(async || panic!("the root says {}", 42));
}

#[test]
fn a_panic_reaches_the_handle() {
    let message = testing::run(async || {
        let task = spawn(async { panic!("boom") });
        let error: regatta::runtime::JoinError = task.await.unwrap_err();
        error.to_string()
    });
    assert_eq!(message, "the task panicked: boom");
}

#[test]
fn a_panic_that_no_handle_sees_is_a_failure() {
    let report = testing::run_with(Config::new(0), async || {
        drop(spawn(async { panic!("nobody listens") }));
        sleep(MS).await;
    });
    let failure = report.value.unwrap_err();
    assert!(matches!(failure, Failure::Panic { .. }));
    let text = failure.to_string();
    assert!(
        text.contains("`task #1`") && text.contains("nobody listens"),
        "{text}"
    );
}

#[test]
fn so_is_one_whose_handle_the_root_never_awaits() {
    let report = testing::run_with(Config::new(0), async || {
        let _task = spawn(async { panic!("nobody listens") });
        sleep(MS).await;
    });
    assert!(matches!(report.value, Err(Failure::Panic { .. })));
}

#[test]
fn a_panic_that_was_looked_at_is_none() {
    testing::check(20, async || {
        let task = spawn(async { panic!("somebody listens") });
        let _ = task.await;
    });
}

#[test]
fn a_panic_in_a_destructor_is_a_failure() {
    struct Bad;
    impl Drop for Bad {
        fn drop(&mut self) {
            panic!("dropped badly");
        }
    }
    let report = testing::run_with(Config::new(0), async || {
        let bad = Bad;
        drop(spawn(async move {
            let _bad = bad;
            std::future::pending::<()>().await
        }));
        testing::settle().await;
    });
    let text = report.value.unwrap_err().to_string();
    assert!(
        text.contains("while it was dropped: dropped badly"),
        "{text}"
    );
}

#[test]
fn a_forgotten_child_is_a_leak() {
    let root = async || {
        drop(spawn(std::future::pending::<()>()));
    };
    let report = testing::run_with(Config::new(0).forbid_leaks(true), root);
    let failure = report.value.unwrap_err();
    assert!(matches!(failure, Failure::Leaked { .. }));
    assert!(
        failure.to_string().contains("left 1 task behind"),
        "{failure}"
    );
    testing::run_with(Config::new(0), root).unwrap();
}

#[test]
fn a_forgotten_waker_is_a_leak() {
    let strict = || Config::new(0).forbid_leaks(true);
    let report = testing::run_with(strict(), async || {
        std::future::poll_fn(|cx| {
            std::mem::forget(cx.waker().clone());
            std::task::Poll::Ready(())
        })
        .await;
    });
    assert!(matches!(
        report.value,
        Err(Failure::LeakedWakers { count: 1, .. })
    ));
    // Nothing regatta does itself counts.
    let report = testing::run_with(strict(), async || {
        let task = spawn(async { sleep(MS).await });
        testing::settle().await;
        task.await.unwrap();
        regatta::Runtime::current()
    });
    assert_eq!(report.unwrap().name(), "custom");
}

#[test]
fn a_livelock_names_the_busiest() {
    let config = Config::new(0).max_steps(1000);
    let report = testing::run_with(config, async || {
        drop(spawn(async {
            loop {
                testing::yield_now().await;
            }
        }));
        std::future::pending::<()>().await
    });
    let failure = report.value.unwrap_err();
    assert!(matches!(failure, Failure::Livelock { .. }));
    let text = failure.to_string();
    assert!(
        text.lines().nth(1).is_some_and(|l| l.contains("task #1")),
        "{text}"
    );
}

#[test]
fn nondeterminism_is_detected() {
    // `futures::select!` draws from a generator seeded by `RandomState`.
    let root = async || {
        for _ in 0..64 {
            let (a, b) = (testing::yield_now(), testing::yield_now());
            let mut a = futures::FutureExt::fuse(a);
            let mut b = futures::FutureExt::fuse(b);
            let first = futures::select! { () = a => 0, () = b => 1 };
            if first == 1 {
                spawn(async {}).await.unwrap();
            }
        }
    };
    let checked = std::panic::catch_unwind(|| testing::check(1, root));
    let message = *checked.unwrap_err().downcast::<String>().unwrap();
    assert!(
        message.starts_with("not deterministic: two runs of seed 0 parted at step "),
        "{message}"
    );
}

#[test]
fn fastrand_replays_and_the_threads_own_generator_is_left_alone() {
    let root = async || (fastrand::u64(..), fastrand::u64(..));
    fastrand::seed(99);
    let mine = fastrand::u64(..);
    fastrand::seed(99);
    let once = testing::run_with(Config::new(3), root).unwrap();
    assert_eq!(fastrand::u64(..), mine);
    let again = testing::run_with(Config::new(3), root).unwrap();
    assert_eq!(once, again);
    assert_ne!(once, testing::run_with(Config::new(4), root).unwrap());
}

#[test]
#[should_panic(expected = "regatta::run inside a running runtime")]
fn a_nested_run_is_refused() {
    testing::run(async || regatta::run(async {}));
}

#[test]
#[should_panic(expected = "a simulation inside a simulation")]
fn a_nested_simulation_is_refused() {
    testing::run(async || testing::run(async || {}));
}

#[test]
fn children_of_children_and_destructors_may_spawn_and_wake() {
    struct SpawnsWhenDropped(u32);
    impl Drop for SpawnsWhenDropped {
        fn drop(&mut self) {
            if self.0 > 0 {
                let next = SpawnsWhenDropped(self.0 - 1);
                drop(spawn(async move {
                    let _next = next;
                    std::future::pending::<()>().await
                }));
            }
        }
    }
    testing::check(50, async || {
        let (tx, rx) = async_channel::unbounded();
        let outer = spawn(async move {
            let inner = spawn(async move { tx.send(1).await.unwrap() });
            inner.await.unwrap();
        });
        assert_eq!(rx.recv().await, Ok(1));
        outer.await.unwrap();
        let chain = SpawnsWhenDropped(5);
        let doomed = spawn(async move {
            let _chain = chain;
            std::future::pending::<()>().await
        });
        testing::settle().await;
        doomed.cancel();
        assert!(doomed.await.unwrap_err().is_cancelled());
    });
}

#[test]
fn every_task_and_the_root_see_the_simulation_as_their_runtime() {
    testing::run(|| {
        assert_eq!(regatta::Runtime::current().name(), "custom");
        async {
            let seen = spawn(async { regatta::Runtime::current().name() }).await;
            assert_eq!(seen.unwrap(), "custom");
        }
    });
    assert!(!testing::in_simulation());
}

#[test]
fn neighbours_run_unchanged() {
    let report = testing::check(200, async || {
        let (tx, rx) = async_channel::bounded::<u32>(2);
        let slots = Arc::new(async_lock::Semaphore::new(2));
        let done = Arc::new(event_listener::Event::<()>::new());
        let listener = done.listen();
        for i in 0..4 {
            let (tx, slots) = (tx.clone(), slots.clone());
            drop(spawn(async move {
                for j in 0..3 {
                    let _slot = slots.acquire().await;
                    sleep(MS * (i + 1)).await;
                    tx.send(i * 10 + j).await.unwrap();
                }
            }));
        }
        drop(tx);
        let consumer = spawn(async move {
            let mut seen = vec![];
            while let Ok(x) = rx.recv().await {
                seen.push(x);
            }
            done.notify(1);
            seen
        });
        listener.await;
        assert_eq!(consumer.await.unwrap().len(), 12);
    });
    assert!(report.distinct > 150, "{report}");
}

#[test]
fn slots_are_used_again_and_numbers_are_not() {
    let report = testing::run_with(Config::new(0).policy(Policy::Fifo), async || {
        for _ in 0..1000 {
            spawn(async {}).await.unwrap();
        }
        drop(spawn(std::future::pending::<()>()));
        std::future::pending::<()>().await
    });
    assert_eq!(report.tasks, 1002);
    assert!(report.value.unwrap_err().to_string().contains("task #1001"));
}

#[test]
fn a_crowd_is_no_trouble() {
    for seed in 0..6 {
        let report = testing::run_with(Config::swarm(seed), async || {
            let crowd: Vec<_> = (0..5_000)
                .map(|i| spawn(async move { sleep(MS * (i % 100)).await }))
                .collect();
            for one in crowd {
                one.await.unwrap();
            }
        });
        assert_eq!(report.elapsed, MS * 99);
        report.unwrap();
    }
}
