//! What is ready gives way now and then: nobody's time runs out over it, and nobody is starved by it.

use crate::ground::{HOUR, MS, now, spawn};
use regatta::cancel::{self, CancelToken};
use regatta::time::{self, Deadline, MissedTicks};
use std::future::{Future, poll_fn, ready};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::task::Poll;
use std::time::Duration;

const ROUNDS: u32 = 2_000;
const ZERO: Duration = Duration::ZERO;

fn cancelled() -> CancelToken {
    let token = CancelToken::new();
    token.cancel_with("there");
    token
}

async fn a_reply_that_is_there_is_kept_whatever_the_budget() {
    let (token, past) = (cancelled(), now());
    let there = Ok("there".into());
    for round in 0..ROUNDS {
        let reply = || token.cancelled();
        assert_eq!(time::timeout(ZERO, reply()).await, there, "{round}");
        assert_eq!(time::timeout_at(past, reply()).await, there, "{round}");
        let late = || "late".into();
        assert_eq!(time::timeout_or(ZERO, reply(), late).await, "there".into());
        assert_eq!(Deadline::at(past).run(reply()).await, there, "{round}");
        assert_eq!(cancel::shield_for(ZERO, reply()).await, there, "{round}");
    }
}

async fn nor_under_several_deadlines_or_with_cleanup() {
    let token = cancelled();
    for round in 0..ROUNDS {
        let inner = time::timeout(ZERO, cancel::finally(token.cancelled(), async {}));
        let outer = time::timeout(ZERO, time::timeout(HOUR, inner)).await;
        assert!(matches!(outer, Ok(Ok(Ok(_)))), "{round}: {outer:?}");
    }
}

async fn a_loop_of_what_is_ready_gets_one_poll_more_and_is_cut() {
    // Gives way each time, and never ends.
    let token = cancelled();
    let endless = async {
        loop {
            token.cancelled().await;
        }
    };
    assert!(time::timeout(ZERO, endless).await.is_err());
}

async fn loops_of_what_is_ready_end_at_their_deadlines() {
    let token = cancelled();
    let told = time::timeout(20 * MS, async {
        loop {
            token.cancelled().await;
        }
    });
    assert!(told.await.is_err());
    let within = time::timeout(20 * MS, async {
        loop {
            time::timeout(HOUR, ready(())).await.unwrap();
        }
    });
    assert!(within.await.is_err());
    let mut ticks = time::interval_at(now() - HOUR, Duration::from_nanos(10));
    ticks = ticks.missed_ticks(MissedTicks::Burst);
    let behind = time::timeout(20 * MS, async {
        loop {
            ticks.tick().await;
        }
    });
    assert!(behind.await.is_err());
    let moved = Deadline::after(20 * MS);
    let under = moved.run(async {
        loop {
            token.cancelled().await;
        }
    });
    assert!(under.await.is_err());
}

async fn loops_of_what_is_ready_are_cancelled_from_elsewhere() {
    for grace in [ZERO, 5 * MS] {
        let (told, token) = (cancelled(), CancelToken::new());
        let canceller = token.clone();
        drop(spawn(async move {
            time::sleep(5 * MS).await;
            canceller.cancel();
        }));
        let endless = token.run_graceful(grace, async {
            loop {
                told.cancelled().await;
            }
        });
        assert!(endless.await.is_err());
        let timed = CancelToken::new().child_for(5 * MS);
        let endless = timed.run_graceful(grace, async {
            loop {
                told.cancelled().await;
            }
        });
        assert!(endless.await.is_err());
    }
}

#[cfg(feature = "tokio")]
async fn the_budget_of_a_foreign_primitive_starves_no_deadline() {
    let permits = tokio::sync::Semaphore::new(1);
    for round in 0..ROUNDS {
        let permit = time::timeout(ZERO, permits.acquire()).await;
        assert!(permit.is_ok(), "{round}");
    }
    let endless = time::timeout(20 * MS, async {
        loop {
            drop(permits.acquire().await);
        }
    });
    assert!(endless.await.is_err());
}

async fn ready_timeouts_and_cancelled_tokens_let_others_run() {
    for kind in 0..3 {
        let done = Arc::new(AtomicBool::new(false));
        let other = done.clone();
        drop(spawn(async move { other.store(true, SeqCst) }));
        let token = cancelled();
        let mut ticks = time::interval_at(now() - HOUR, Duration::from_nanos(10));
        ticks = ticks.missed_ticks(MissedTicks::Burst);
        while !done.load(SeqCst) {
            match kind {
                0 => drop(time::timeout(HOUR, ready(())).await),
                1 => drop(token.cancelled().await),
                _ => drop(ticks.tick().await),
            }
        }
    }
}

async fn no_tick_is_lost_to_giving_way() {
    let (period, start) = (Duration::from_millis(2), now() - HOUR);
    let mut ticks = time::interval_at(start, period).missed_ticks(MissedTicks::Burst);
    for n in 0..ROUNDS {
        // Every wait is given up when it is not answered at once.
        let due = loop {
            let polled = {
                let mut tick = pin!(ticks.tick());
                poll_fn(|cx| Poll::Ready(tick.as_mut().poll(cx))).await
            };
            match polled {
                Poll::Ready(due) => break due,
                Poll::Pending => time::sleep(ZERO).await,
            }
        };
        assert_eq!(due, start + period * n);
    }
}

regatta::matrix! {
    a_reply_that_is_there_is_kept_whatever_the_budget;
    nor_under_several_deadlines_or_with_cleanup;
    a_loop_of_what_is_ready_gets_one_poll_more_and_is_cut;
    loops_of_what_is_ready_end_at_their_deadlines [tokio_current, tokio_multi, smol];
    loops_of_what_is_ready_are_cancelled_from_elsewhere [tokio_current, tokio_multi, smol];
    ready_timeouts_and_cancelled_tokens_let_others_run;
    no_tick_is_lost_to_giving_way;
}

#[cfg(feature = "tokio")]
regatta::matrix! {
    the_budget_of_a_foreign_primitive_starves_no_deadline [tokio_current, tokio_multi];
}
