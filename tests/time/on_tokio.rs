//! What only tokio has: a clock that can be paused, and runtimes without timers.

use crate::ground::{HOUR, MS, now, panic_of, spawn};
use regatta::cancel::CancelToken;
use regatta::time::{self, Deadline};
use regatta::{Runtime, cancel};
use std::future::{Future, pending};
use std::pin::{Pin, pin};
use std::task::{Context, Waker};
use tokio::runtime::Builder;

fn without_time<F: Future>(future: F) -> String {
    let runtime = Builder::new_current_thread().build().unwrap();
    panic_of(|| runtime.block_on(async { drop(future.await) }))
}

#[test]
fn a_runtime_without_timers_is_told_to_enable_time() {
    for text in [
        without_time(time::sleep(MS)),
        without_time(time::timeout(MS, pending::<()>())),
        without_time(async { time::timeout_at(now() + MS, pending::<()>()).await }),
        without_time(time::timeout_or(MS, pending::<()>(), || ())),
        without_time(async { Deadline::after(MS).run(pending::<()>()).await }),
        without_time(async { time::interval_at(now() + MS, MS).tick().await }),
        without_time(async { CancelToken::new().child_for(MS).cancelled().await }),
        without_time(async { CancelToken::new().child_for(MS).run(pending::<()>()).await }),
        without_time(cancel::shield_for(MS, pending::<()>())),
    ] {
        assert!(text.contains("enable_time"), "{text}");
    }
}

#[test]
fn what_needs_no_timer_needs_no_enable_time() {
    let runtime = Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        time::sleep(std::time::Duration::ZERO).await;
        assert_eq!(time::timeout(MS, async { 1 }).await, Ok(1));
        time::interval(HOUR).tick().await;
        let token = CancelToken::new();
        token.cancel();
        assert!(token.run(pending::<()>()).await.is_err());
    });
}

#[test]
fn a_moment_at_the_end_of_the_clock_can_be_taken_back() {
    let runtime = Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        const YEAR: u64 = 365 * 86_400;
        for years in [0, 1, 20, 40, 1_000] {
            for end in [i64::MAX as u64, (last_moment() - now()).as_secs()] {
                let far = std::time::Duration::from_secs(end - years * YEAR);
                let mut sleep = pin!(time::sleep(far));
                let polled = |s: &mut Pin<&mut time::Sleep>| {
                    let mut cx = Context::from_waker(Waker::noop());
                    s.as_mut().poll(&mut cx).is_pending()
                };
                assert!(polled(&mut sleep));
                sleep.as_mut().reset(None);
                assert!(polled(&mut sleep));
                sleep.as_mut().reset(now().checked_add(far));
                assert!(polled(&mut sleep));
                sleep.as_mut().reset(Some(now()));
                sleep.await;
                let deadline = Deadline::after(far);
                let mut work = pin!(deadline.run(pending::<()>()));
                let mut cx = Context::from_waker(Waker::noop());
                assert!(work.as_mut().poll(&mut cx).is_pending());
                deadline.lift().unwrap();
                assert!(work.as_mut().poll(&mut cx).is_pending());
                deadline.move_to_after(far).unwrap();
                assert!(work.as_mut().poll(&mut cx).is_pending());
                deadline.move_to(now()).unwrap();
                assert!(work.await.is_err());
            }
        }
    });
}

/// The last one that the clock can name.
fn last_moment() -> std::time::Instant {
    let mut step = std::time::Duration::from_secs(1 << 62);
    let mut last = now();
    while step > std::time::Duration::ZERO {
        match last.checked_add(step) {
            Some(later) => last = later,
            None => step /= 2,
        }
    }
    last
}

#[test]
fn the_last_moment_of_the_clock_is_no_panic() {
    let last = last_moment();
    let runtime = Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let mut cx = Context::from_waker(Waker::noop());
        let mut sleep = pin!(time::sleep_until(last));
        assert!(sleep.as_mut().poll(&mut cx).is_pending());
        sleep.as_mut().reset(None);
        assert!(sleep.as_mut().poll(&mut cx).is_pending());
        let mut work = pin!(time::timeout_at(last, pending::<()>()));
        assert!(work.as_mut().poll(&mut cx).is_pending());
    });
}

fn paused<F: Future>(future: F) -> F::Output {
    let mut builder = Builder::new_current_thread();
    let runtime = builder.enable_time().start_paused(true).build().unwrap();
    runtime.block_on(future)
}

#[test]
fn a_paused_clock_stays_true() {
    paused(async {
        let start = now();
        assert_eq!(start, tokio::time::Instant::now().into_std());
        time::sleep(HOUR).await;
        assert_eq!(now() - start, HOUR);
        assert!(time::timeout(HOUR, pending::<()>()).await.is_err());
        assert_eq!(now() - start, 2 * HOUR);
        let mut ticks = time::interval(HOUR);
        for n in 0..3 {
            assert_eq!(ticks.tick().await - start, HOUR * (2 + n));
        }
        let token = CancelToken::new().child_for(HOUR);
        tokio::time::advance(HOUR).await;
        assert!(token.is_cancelled());
        assert_eq!(now() - start, 5 * HOUR);
    });
}

#[test]
fn a_paused_clock_is_read_from_another_thread_too() {
    paused(async {
        let (rt, start) = (Runtime::current(), now());
        tokio::time::advance(HOUR).await;
        let there = std::thread::spawn(move || rt.now());
        assert_eq!(there.join().unwrap() - start, HOUR);
    });
}

#[test]
fn a_token_is_waited_for_on_the_clock_of_its_deadline() {
    // Made on a paused clock; a wait on another runtime's timers would end too early, find nothing, and wait again.
    paused(async {
        let token = CancelToken::new().child_for(HOUR);
        let waiter = token.clone();
        let elsewhere = Runtime::neutral().within(async move { waiter.cancelled().await });
        let waits = spawn(elsewhere);
        tokio::time::advance(HOUR / 2).await;
        assert!(!waits.is_finished());
        tokio::time::advance(HOUR / 2).await;
        assert_eq!(waits.await.unwrap().to_string(), "deadline of 3600s passed");
    });
}
