//! Tasks that outlive their caller: nothing of them is lost.
#![allow(
    clippy::unwrap_used,
    reason = "clippy allows it in test functions, not in the bodies beside them"
)]

use regatta::background::{Background, Mishap, Report, Shutdown};
use regatta::runtime::Runtime;
use regatta::{cancel, testing, time};
use std::future::pending;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const MS: Duration = Duration::from_millis(1);

type Log = Arc<Mutex<Vec<String>>>;

fn logged() -> (Background<&'static str>, Log) {
    let log = Log::default();
    let sink = log.clone();
    let background = Background::new(move |mishap: Mishap<&'static str>| {
        sink.lock().unwrap().push(mishap.to_string())
    });
    (background.unwrap(), log)
}

async fn errors_and_panics_reach_the_sink_and_touch_nobody_else() {
    let (background, log) = logged();
    background.spawn("quiet", async { time::sleep(MS * 3).await });
    background.spawn("mail", async { Err::<(), _>("no such address") });
    background.spawn("cache", async {
        if MS > Duration::ZERO {
            panic!("cold");
        }
    });
    let report = background.shutdown(Duration::from_secs(20)).await;
    assert_eq!(
        (report.completed, report.failed, report.panicked),
        (1, 1, 1)
    );
    assert!(report.cancelled.is_empty() && report.stragglers.is_empty());
    let mut log = log.lock().unwrap().clone();
    log.sort();
    assert_eq!(
        log,
        [
            "background task `cache` panicked: cold",
            "background task `mail` failed: no such address"
        ]
    );
}

async fn what_runs_longer_than_the_grace_is_cancelled_and_named() {
    let (background, _log) = logged();
    let cleaned = Arc::new(AtomicUsize::new(0));
    let counter = cleaned.clone();
    background.spawn("endless", async move {
        let tidy = async move {
            time::sleep(MS).await;
            counter.fetch_add(1, SeqCst);
        };
        cancel::finally(pending::<()>(), tidy).await;
    });
    // On real runtimes the cleanup takes a moment.
    let how = Shutdown::after(MS * 5).cleanup(Duration::from_secs(20));
    let report = background.shutdown(how).await;
    assert_eq!(report.cancelled, ["endless".into()]);
    assert_eq!(cleaned.load(SeqCst), 1, "its cleanup ran");
    assert_eq!(background.running(), 0);
}

async fn a_task_that_will_not_go_is_left_and_named() {
    let (background, _log) = logged();
    background.spawn("stuck", cancel::shield(pending::<()>()));
    let report = background.shutdown(MS * 5).await;
    assert_eq!(report.stragglers, ["stuck".into()]);
}

async fn after_the_shutdown_tasks_are_refused_aloud() {
    let (background, log) = logged();
    background.shutdown(MS).await;
    let ran = Arc::new(AtomicUsize::new(0));
    let counter = ran.clone();
    background.spawn("late", async move {
        counter.fetch_add(1, SeqCst);
    });
    assert_eq!(
        *log.lock().unwrap(),
        ["background task `late` was spawned after the shutdown"]
    );
    assert_eq!((ran.load(SeqCst), background.running()), (0, 0));
}

async fn a_cancelled_caller_does_not_cancel_its_tasks() {
    let (background, _log) = logged();
    let handle = background.clone();
    let caller = time::timeout(MS, async move {
        handle.spawn("mail", async { time::sleep(MS * 5).await });
        pending::<()>().await
    });
    assert!(caller.await.is_err());
    assert_eq!(
        background.shutdown(Duration::from_secs(20)).await.completed,
        1
    );
}

async fn a_shutdown_that_was_dropped_can_be_repeated() {
    let (background, _log) = logged();
    background.spawn("slow", async { time::sleep(MS * 8).await });
    assert!(
        time::timeout(MS, background.shutdown(Duration::MAX))
            .await
            .is_err()
    );
    assert_eq!(background.shutdown(Duration::MAX).await.completed, 1);
}

async fn dropping_the_last_handle_cancels_the_tasks() {
    struct Flag(cancel::CancelToken);
    impl Drop for Flag {
        fn drop(&mut self) {
            self.0.cancel();
        }
    }
    let (background, _log) = logged();
    let gone = cancel::CancelToken::new();
    let flag = Flag(gone.clone());
    background.spawn("orphan", async move {
        let _flag = flag;
        pending::<()>().await
    });
    drop(background);
    gone.cancelled().await;
}

async fn bookkeeping_shrinks_as_tasks_end() {
    let (background, _log) = logged();
    for _ in 0..1000 {
        background.spawn("job", async {});
        futures_lite::future::yield_now().await;
    }
    while background.running() > 0 {
        time::sleep(MS).await;
    }
    assert_eq!(background.shutdown(MS).await.completed, 1000);
}

/// A sink that panics takes nothing with it.
async fn a_panicking_sink_is_survived() {
    let background = Background::new(|_: Mishap<&str>| panic!("the sink is broken")).unwrap();
    background.spawn("a", async { Err::<(), _>("x") });
    background.spawn("b", async { time::sleep(MS).await });
    let report = background.shutdown(Duration::from_secs(20)).await;
    assert_eq!((report.failed, report.completed), (1, 1));
}

#[test]
fn without_a_runtime_there_is_no_background() {
    let refused = Background::<()>::on(Runtime::neutral(), |_| {}).unwrap_err();
    assert!(
        refused
            .to_string()
            .starts_with("no async runtime to spawn on"),
        "{refused}"
    );
}

// 135, without a scheduler: what tasks spawn while the shutdown waits is refused, and what ran is waited for, under every schedule.
#[test]
fn a_shutdown_loses_no_task_under_any_schedule() {
    testing::explore(0..2000, || async {
        let (background, log) = logged();
        let spawner = background.clone();
        let spawning = Runtime::current()
            .try_spawn(async move {
                for _ in 0..4 {
                    spawner.spawn("job", testing::yield_now());
                    testing::yield_now().await;
                }
            })
            .unwrap();
        testing::yield_now().await;
        let report = background.shutdown(Duration::from_secs(1)).await;
        spawning.await.unwrap();
        let refused = log.lock().unwrap().len() as u64;
        assert_eq!(report.completed + refused, 4);
        assert!(report.cancelled.is_empty() && report.stragglers.is_empty());
    })
    .unwrap();
}

/// A plain thread spawns while the shutdown runs: each task runs, or is refused, and nobody panics.
async fn a_spawn_may_race_the_shutdown() {
    for _ in 0..50 {
        let (background, log) = logged();
        let spawner = background.clone();
        let thread = std::thread::spawn(move || {
            for _ in 0..20 {
                spawner.spawn("job", async {});
            }
        });
        let report = background.shutdown(Duration::from_secs(20)).await;
        thread.join().unwrap();
        let refused = log.lock().unwrap().len() as u64;
        assert_eq!(background.running(), 0, "what was let in was waited for");
        assert_eq!(report.completed + refused, 20);
    }
}

/// It can never end, so no report may say that it has: whatever the threads are doing.
async fn who_cannot_end_is_a_straggler_in_every_report() {
    for round in 0..40 {
        let (background, _log) = logged();
        let begun = cancel::CancelToken::new();
        let begins = begun.clone();
        background.spawn(
            "stuck",
            cancel::shield(async move {
                begins.cancel();
                pending::<()>().await
            }),
        );
        begun.cancelled().await;
        let how = match round % 4 {
            0 => Shutdown::within(Duration::ZERO),
            1 => Shutdown::now().cleanup(MS),
            2 => Shutdown::after(MS),
            _ => Shutdown::within(MS * 2),
        };
        let mut report = background.shutdown(how).await;
        for again in 0..2 {
            assert_eq!(report.stragglers, ["stuck".into()], "{round}, {again}");
            assert!(report.cancelled.is_empty() && report.lost.is_empty());
            report = background.shutdown(MS).await;
        }
    }
}

/// Everybody who cleans up in time is cancelled, everybody who does not is a straggler, and each is in one list only.
async fn a_report_says_who_was_cancelled_and_who_was_left() {
    let (background, _log) = logged();
    for name in ["a", "b", "c"] {
        background.spawn(name, cancel::finally(pending::<()>(), time::sleep(MS)));
        background.spawn("stuck", cancel::finally(pending::<()>(), pending::<()>()));
    }
    background.spawn("quick", async {});
    // One that never begins has no cleanup.
    time::sleep(MS * 3).await;
    let report = background.shutdown(Shutdown::now().cleanup(MS * 500)).await;
    let mut cancelled = report.cancelled.clone();
    cancelled.sort();
    assert_eq!(cancelled, ["a".into(), "b".into(), "c".into()]);
    assert_eq!(
        report.stragglers,
        ["stuck".into(), "stuck".into(), "stuck".into()]
    );
    assert_eq!(report.completed, 1);
}

/// A service of endless loops: asked at once, it is gone when its cleanup is done, and nobody waits for the rest.
async fn a_service_is_asked_at_once() {
    let (background, _log) = logged();
    for _ in 0..3 {
        background.spawn("loop", async {
            let serve = async {
                loop {
                    time::sleep(MS).await;
                }
            };
            cancel::finally(serve, time::sleep(MS * 100)).await
        });
    }
    time::sleep(MS * 5).await;
    let start = Runtime::current().now();
    let report = background
        .shutdown(Shutdown::now().cleanup(Duration::from_secs(3600)))
        .await;
    assert!(Runtime::current().now() - start < Duration::from_secs(600));
    assert_eq!(report.cancelled.len(), 3);
}

#[test]
fn a_shutdown_takes_as_long_as_was_said_and_no_longer() {
    let took = |how: Shutdown, work: Duration, cleanup: Duration| -> (Duration, Report) {
        testing::run(async || {
            let (background, _log) = logged();
            background.spawn(
                "task",
                cancel::finally(time::sleep(work), time::sleep(cleanup)),
            );
            testing::yield_now().await;
            let report = background.shutdown(how).await;
            (testing::now(), report)
        })
    };
    let s = Duration::from_secs;
    let (long, never) = (s(1_000_000), Duration::MAX);
    for (how, work, cleanup, took_, left) in [
        (Shutdown::from(s(100)), long, long, s(100), true),
        (Shutdown::from(s(100)), long, s(20), s(95), false),
        (Shutdown::from(s(100)), long, s(25) + MS, s(100), true),
        (Shutdown::from(s(100)), s(50), s(25), s(75), false),
        (Shutdown::now(), never, s(1), s(0), true),
        (Shutdown::now().cleanup(s(9)), never, s(1), s(1), false),
        (Shutdown::now().cleanup(s(9)), never, never, s(9), true),
        (Shutdown::now().cleanup(never), never, long, long, false),
        (Shutdown::after(s(7)), never, s(1), s(7), true),
        (
            Shutdown::after(s(7)).cleanup(s(2)),
            never,
            s(1),
            s(8),
            false,
        ),
        (Shutdown::after(s(7)).cleanup(s(2)), never, s(3), s(9), true),
        (Shutdown::from(never), long, s(1), long + s(1), false),
    ] {
        let (time, report) = took(how, work, cleanup);
        assert_eq!(
            (time, report.stragglers.len() == 1),
            (took_, left),
            "{how:?}, {work:?}, {cleanup:?}"
        );
    }
}

/// Its `Drop` panics, and says so.
struct Bomb;
impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("no goodbye");
    }
}

/// In what a task gives, in what it holds when it ends, when it fails, when it is cancelled before and after its start,
/// and in its error.
async fn a_destructor_that_panics_ends_its_own_task_and_nothing_beside_it() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let sink = told.clone();
    let background = Background::new(move |mishap: Mishap<String>| {
        sink.lock().unwrap().push(mishap.to_string());
    })
    .unwrap();
    let bystander = Arc::new(AtomicUsize::new(0));
    let counter = bystander.clone();
    background.spawn("bystander", async move {
        time::sleep(MS * 20).await;
        counter.fetch_add(1, SeqCst);
    });
    background.spawn("value", async { Ok(Bomb) });
    let held = Bomb;
    background.spawn(
        "field",
        std::future::poll_fn(move |_| {
            let _held = &held;
            std::task::Poll::Ready(())
        }),
    );
    let held = Bomb;
    background.spawn(
        "error",
        std::future::poll_fn(move |_| {
            let _held = &held;
            std::task::Poll::Ready(Err::<(), _>("x".to_owned()))
        }),
    );
    background.spawn("cancelled", async {
        let _held = Bomb;
        pending::<()>().await
    });
    while background.running() > 2 {
        time::sleep(MS).await;
    }
    background.spawn("later", async {});
    let how = Shutdown::after(MS * 200).cleanup(Duration::from_secs(20));
    let report = background.shutdown(how).await;
    assert_eq!(bystander.load(SeqCst), 1, "{report:?}");
    assert_eq!(
        (report.completed, report.failed, report.panicked),
        (2, 0, 4)
    );
    assert!(report.cancelled.is_empty() && report.stragglers.is_empty());
    let mut told = told.lock().unwrap().clone();
    told.sort();
    assert_eq!(
        told,
        ["cancelled", "error", "field", "value"]
            .map(|t| format!("background task `{t}` panicked: no goodbye"))
    );
}

/// Ends a runtime under a `Background`: every task is told of, later ones are refused, a shutdown returns.
#[cfg(feature = "tokio")]
fn outlives(runtime: tokio::runtime::Runtime) {
    let sink = Log::default();
    let log = sink.clone();
    let background = Background::on(
        Runtime::tokio(runtime.handle().clone()),
        move |m: Mishap<&str>| {
            sink.lock().unwrap().push(m.to_string());
        },
    )
    .unwrap();
    runtime.block_on(async {
        background.spawn("done", async {});
        background.spawn("half way", pending::<()>());
        background.spawn("shielded", cancel::shield(pending::<()>()));
        while background.running() > 2 {
            tokio::time::sleep(MS).await;
        }
    });
    // A shutdown that is waiting, from elsewhere, when it happens.
    let waiting = background.clone();
    let waiting =
        std::thread::spawn(move || futures_lite::future::block_on(waiting.shutdown(Duration::MAX)));
    #[expect(
        clippy::disallowed_methods,
        reason = "a thread without a runtime waits for another"
    )]
    std::thread::sleep(MS * 20);
    runtime.shutdown_timeout(Duration::from_secs(20));
    let report = waiting.join().unwrap();
    assert_eq!(report.completed, 1);
    assert_eq!(report.lost.len(), 2);
    let again = futures_lite::future::block_on(background.shutdown(Duration::from_secs(3600)));
    assert_eq!(again, report);
    let mut log = log.lock().unwrap().clone();
    log.sort();
    assert_eq!(
        log,
        ["half way", "shielded"]
            .map(|t| format!("background task `{t}` was lost: its runtime ended before it did"))
    );
}

#[cfg(feature = "tokio")]
#[test]
fn tasks_whose_runtime_ends_are_told_of_and_a_shutdown_returns() {
    outlives(
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap(),
    );
    outlives(
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap(),
    );
}

#[test]
fn what_is_spawned_after_the_end_of_the_runtime_is_refused_aloud() {
    let log = Log::default();
    let sink = log.clone();
    let background = testing::run(async || {
        Background::new(move |m: Mishap<&str>| sink.lock().unwrap().push(m.to_string())).unwrap()
    });
    for _ in 0..2 {
        background.spawn("late", async {});
    }
    assert_eq!(background.running(), 0);
    assert_eq!(
        *log.lock().unwrap(),
        ["background task `late` was spawned after its runtime had ended"; 2]
    );
    let report = testing::run(async || background.shutdown(Duration::MAX).await);
    assert_eq!(report, Report::default());
}

regatta::matrix! {
    a_spawn_may_race_the_shutdown [tokio_current, tokio_multi, smol];
    errors_and_panics_reach_the_sink_and_touch_nobody_else;
    what_runs_longer_than_the_grace_is_cancelled_and_named;
    a_task_that_will_not_go_is_left_and_named;
    after_the_shutdown_tasks_are_refused_aloud;
    a_cancelled_caller_does_not_cancel_its_tasks;
    a_shutdown_that_was_dropped_can_be_repeated;
    dropping_the_last_handle_cancels_the_tasks;
    bookkeeping_shrinks_as_tasks_end;
    a_panicking_sink_is_survived;
    who_cannot_end_is_a_straggler_in_every_report;
    a_report_says_who_was_cancelled_and_who_was_left;
    a_service_is_asked_at_once;
    a_destructor_that_panics_ends_its_own_task_and_nothing_beside_it;
}
