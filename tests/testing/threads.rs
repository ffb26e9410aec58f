//! Other threads: blocking closures, foreign wakes, and the watchdog.

use crate::support::{MS, sleep, spawn};
use regatta::Runtime;
use regatta::testing::{self, Blocking, Config, Failure};
use std::process::Command;
use std::time::Duration;

const GRACE: Duration = Duration::from_millis(500);

#[test]
fn a_blocking_closure_gives_its_result_either_way() {
    let inline = Blocking::Inline {
        max_latency: MS * 5,
    };
    for blocking in [inline, Blocking::Thread] {
        let config = Config::new(7).blocking(blocking);
        let report = testing::run_with(config, async || {
            let work = || {
                assert_eq!(Runtime::current().name(), "custom");
                42
            };
            let task = Runtime::current().try_spawn_blocking(work).unwrap();
            let answer = task.await.unwrap();
            assert!(testing::now() <= MS * 5);
            answer
        });
        assert_eq!(report.unwrap(), 42);
    }
}

#[test]
fn the_clock_waits_for_a_blocking_thread() {
    let config = Config::new(0).blocking(Blocking::Thread);
    let report = testing::run_with(config, async || {
        let (tx, rx) = std::sync::mpsc::channel();
        let task = Runtime::current()
            .try_spawn_blocking(move || rx.recv())
            .unwrap();
        for _ in 0..10 {
            testing::yield_now().await;
        }
        tx.send(5).unwrap();
        let got = task.await.unwrap();
        assert_eq!(testing::now(), Duration::ZERO);
        got
    });
    assert_eq!(report.unwrap(), Ok(5));
}

#[test]
fn a_blocking_thread_may_spawn_and_run_async_code() {
    let config = Config::new(0).blocking(Blocking::Thread);
    let report = testing::run_with(config, async || {
        let work = || {
            let runtime = Runtime::current();
            let task = runtime
                .try_spawn(async { testing::in_simulation() })
                .unwrap();
            regatta::run(task)
        };
        Runtime::current()
            .try_spawn_blocking(work)
            .unwrap()
            .await
            .unwrap()
    });
    assert!(report.unwrap().unwrap());
}

#[test]
fn the_clock_moves_on_when_a_blocking_thread_waits_for_it() {
    let config = Config::new(0)
        .blocking(Blocking::Thread)
        .foreign_grace(MS * 20);
    let hour = Duration::from_secs(3600);
    let report = testing::run_with(config, async || {
        let work = move || regatta::run(sleep(hour));
        Runtime::current()
            .try_spawn_blocking(work)
            .unwrap()
            .await
            .unwrap();
        testing::now()
    });
    assert_eq!(report.unwrap(), hour);
}

#[test]
fn a_panic_in_a_blocking_closure_reaches_the_handle() {
    for blocking in [Blocking::Inline { max_latency: MS }, Blocking::Thread] {
        let config = Config::new(0).blocking(blocking);
        let report = testing::run_with(config, async || {
            let work = || panic!("too heavy");
            let task = Runtime::current().try_spawn_blocking(work).unwrap();
            task.await.unwrap_err().to_string()
        });
        assert_eq!(report.unwrap(), "the task panicked: too heavy");
    }
}

async fn waits_on_a_real_timer() {
    let task = spawn(futures_timer::Delay::new(MS * 10));
    task.await.unwrap();
}

#[test]
fn a_real_timer_is_caught_when_it_fires() {
    let config = Config::new(0).foreign_grace(GRACE);
    let report = testing::run_with(config, waits_on_a_real_timer);
    let failure = report.value.unwrap_err();
    assert!(matches!(failure, Failure::ForeignWake { .. }), "{failure}");
    let text = failure.to_string();
    assert!(
        text.contains("`task #1`") && text.contains("futures-timer"),
        "{text}"
    );
}

#[test]
fn a_real_timer_is_a_deadlock_without_grace() {
    let report = testing::run_with(Config::new(0), waits_on_a_real_timer);
    assert!(matches!(report.value, Err(Failure::Deadlock { .. })));
}

#[test]
fn a_spawn_from_a_foreign_thread_is_caught() {
    let report = testing::run_with(Config::new(0), async || {
        let runtime = Runtime::current();
        let spawned = std::thread::spawn(move || runtime.try_spawn(async {}).is_ok());
        spawned.join().unwrap();
        sleep(MS).await;
    });
    let failure = report.value.unwrap_err();
    assert!(matches!(failure, Failure::ForeignWake { .. }), "{failure}");
}

#[test]
fn a_run_that_takes_too_long_in_real_time_ends_between_two_polls() {
    let config = Config::new(0).max_real_time(MS * 100).max_steps(u64::MAX);
    let report = testing::run_with(config, async || {
        loop {
            testing::yield_now().await;
        }
    });
    assert!(matches!(
        report.value,
        Err(Failure::Timeout { real: Some(_), .. })
    ));
}

/// Aborts the process, so it does its work only in a process of its own, which the next test starts.
#[test]
fn a_poll_that_never_returns() {
    if std::env::var_os("REGATTA_TEST_MAY_ABORT").is_none() {
        return;
    }
    let config = Config::new(77).max_real_time(MS * 200);
    let _ = testing::run_with(config, async || {
        let spins = spawn(async {
            loop {
                std::hint::spin_loop();
            }
        });
        spins.await.unwrap_err();
    });
}

#[test]
fn the_watchdog_says_which_poll_is_stuck_and_aborts() {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["threads::a_poll_that_never_returns", "--exact"])
        .env("REGATTA_TEST_MAY_ABORT", "1")
        .output()
        .unwrap();
    assert!(!output.status.success());
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("a poll has not returned for 200ms"), "{text}");
    assert!(
        text.contains("`task #1` spawned at") && text.contains("threads.rs:"),
        "{text}"
    );
    assert!(text.contains("REGATTA_SEED=77"), "{text}");
}

#[test]
fn a_bad_seed_is_refused_by_name() {
    let output = Command::new(std::env::current_exe().unwrap())
        .args([
            "failures::the_roots_own_panic_keeps_its_message",
            "--exact",
            "--nocapture",
        ])
        .env("REGATTA_SEED", "0x2a")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(
        text.contains(r#"REGATTA_SEED="0x2a" is no number"#),
        "{text}"
    );
}
