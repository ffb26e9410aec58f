//! Time: it stands still, it jumps, and it can be pushed.

use crate::support::{MS, sleep, spawn};
use regatta::Runtime;
use regatta::testing::{self, Config, Failure, Policy};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const DAY: Duration = Duration::from_secs(86_400);

#[test]
fn ten_virtual_years_pass_in_no_time() {
    let config = Config::new(1).max_time(Duration::MAX);
    let report = testing::run_with(config, async || {
        for _ in 0..3650 {
            sleep(DAY).await;
        }
        testing::now()
    });
    assert_eq!(report.elapsed, DAY * 3650);
    assert_eq!(report.unwrap(), DAY * 3650);
}

#[test]
fn a_year_is_the_limit_unless_told_otherwise() {
    let report = testing::run_with(Config::new(1), async || {
        testing::label("the heat death of the universe");
        sleep(DAY * 366).await;
    });
    let failure = report.value.unwrap_err();
    assert!(
        matches!(failure, Failure::Timeout { real: None, .. }),
        "{failure}"
    );
}

#[test]
fn time_stands_still_while_anything_can_run() {
    testing::check(20, async || {
        drop(spawn(async {
            for _ in 0..100 {
                testing::yield_now().await;
                assert_eq!(testing::now(), Duration::ZERO);
            }
        }));
        sleep(MS).await;
        assert_eq!(testing::now(), MS);
    });
}

#[test]
fn the_runtimes_clock_and_the_simulations_agree() {
    testing::check(5, async || {
        let start = Runtime::current().now();
        sleep(DAY).await;
        assert_eq!(Runtime::current().now() - start, DAY);
        assert_eq!(testing::now(), DAY);
        // A moment that has passed.
        Runtime::current().sleep_until(start).await;
        assert_eq!(testing::now(), DAY);
    });
}

#[test]
fn timers_wake_in_the_order_of_their_times() {
    let config = Config::new(0).policy(Policy::Fifo);
    let order = testing::run_with(config, async || {
        let order = Arc::new(Mutex::new(vec![]));
        for delay in [5, 1, 3, 3, 2] {
            let order = order.clone();
            drop(spawn(async move {
                sleep(MS * delay).await;
                order.lock().unwrap().push(delay);
            }));
        }
        sleep(DAY).await;
        order.lock().unwrap().clone()
    });
    assert_eq!(order.unwrap(), [1, 2, 3, 3, 5]);
}

#[test]
fn settling_goes_before_the_clock() {
    testing::check(100, async || {
        let sleeper = spawn(async {
            sleep(MS).await;
        });
        let worker = spawn(async {
            for _ in 0..20 {
                testing::yield_now().await;
            }
        });
        testing::settle().await;
        assert_eq!(testing::now(), Duration::ZERO);
        assert!(worker.is_finished() && !sleeper.is_finished());
        // Nothing has changed: it returns again, and time still stands.
        testing::settle().await;
        assert_eq!(testing::now(), Duration::ZERO);
    });
}

#[test]
fn those_who_settle_return_one_after_the_other() {
    testing::check(100, async || {
        let busy = Arc::new(Mutex::new(0));
        let tasks: Vec<_> = (0..3)
            .map(|_| {
                let busy = busy.clone();
                spawn(async move {
                    testing::settle().await;
                    *busy.lock().unwrap() += 1;
                    for _ in 0..5 {
                        testing::yield_now().await;
                        assert_eq!(*busy.lock().unwrap(), 1);
                    }
                    *busy.lock().unwrap() -= 1;
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
}

#[test]
fn advancing_runs_what_is_due_on_the_way_in_order() {
    testing::check(100, async || {
        let seen = Arc::new(Mutex::new(vec![]));
        for delay in [30, 10, 20, 41] {
            let seen = seen.clone();
            drop(spawn(async move {
                sleep(MS * delay).await;
                testing::yield_now().await;
                seen.lock().unwrap().push((delay, testing::now()));
            }));
        }
        testing::settle().await;
        testing::advance(MS * 20).await;
        assert_eq!(testing::now(), MS * 20);
        assert_eq!(*seen.lock().unwrap(), [(10, MS * 10), (20, MS * 20)]);
        testing::advance(MS * 20).await;
        assert_eq!(seen.lock().unwrap().last(), Some(&(30, MS * 30)));
        assert_eq!(testing::now(), MS * 40);
    });
}

#[test]
fn advancing_moves_a_clock_without_timers() {
    testing::run(async || {
        testing::advance(DAY).await;
        assert_eq!(testing::now(), DAY);
    });
}

#[test]
#[should_panic(expected = "testing::now outside a simulation")]
fn there_is_no_virtual_time_outside() {
    testing::now();
}

#[test]
#[should_panic(expected = "testing::settle outside a simulation")]
fn nothing_settles_outside() {
    regatta::run(testing::settle());
}

/// As on tokio: nobody moves its clock any more.
#[test]
fn a_sleep_of_a_simulation_that_has_ended_says_so_instead_of_waiting() {
    use futures::FutureExt;
    use std::panic::AssertUnwindSafe;
    let left = testing::run(async || {
        let mut slow = Box::pin(Runtime::current().sleep(MS));
        assert!(futures::poll!(&mut slow).is_pending());
        Some(slow)
    });
    let left = left.unwrap();
    let waited =
        std::thread::spawn(|| futures::executor::block_on(AssertUnwindSafe(left).catch_unwind()));
    let payload = waited.join().unwrap().unwrap_err();
    let text = payload.downcast_ref::<&str>().unwrap();
    assert!(text.contains("a simulation that has ended"), "{text}");
}
