//! Tasks that outlive their caller: nothing of them is lost.
#![allow(
    clippy::unwrap_used,
    reason = "clippy allows it in test functions, not in the bodies beside them"
)]

use regatta::background::{Background, Mishap};
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
    // On real runtimes the cleanup takes a moment; it has as long as the grace.
    let report = background.shutdown(MS * 50).await;
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
        // A task that was let in before the door closed may end after the report was made.
        while background.running() > 0 {
            time::sleep(MS).await;
        }
        let done = background.shutdown(Duration::ZERO).await;
        assert!(done.completed >= report.completed);
        assert_eq!(done.completed + done.cancelled.len() as u64 + refused, 20);
    }
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
}
