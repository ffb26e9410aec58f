//! Deadlines inside deadlines.

use crate::ground::{Count, HOUR, MS, Watch, now};
use regatta::cancel::{self, CancelToken, Reason};
use regatta::testing::{self, in_simulation};
use regatta::time::{self, Deadline};
use std::future::pending;
use std::time::{Duration, Instant};

async fn of_two_equal_deadlines_the_outer_reports() {
    // 65
    let inner = async { time::timeout(2 * MS, pending::<()>()).named("inner").await };
    let outer = time::timeout(2 * MS, inner).named("outer");
    assert_eq!(outer.await.unwrap_err().name(), Some("outer"));

    let at = now() + 2 * MS;
    let inner = async { time::timeout_at(at, pending::<()>()).named("inner").await };
    let outer = time::timeout_at(at, inner).named("outer");
    assert_eq!(outer.await.unwrap_err().name(), Some("outer"));
}

async fn of_equal_deadlines_of_any_kind_the_outer_reports() {
    // 65
    let at = now() + 2 * MS;
    let inner = || async { time::timeout_at(at, pending::<()>()).await };
    let moved = Deadline::at(at);
    assert!(moved.run(inner()).await.is_err());
    assert!(moved.has_passed());
    let token = CancelToken::new().child_until(at);
    let stopped = token.run(inner()).await.unwrap_err();
    assert!(matches!(stopped.reason(), Reason::Deadline(_)), "{stopped}");
    let shielded = cancel::shield_for(2 * MS, async {
        time::timeout(2 * MS, pending::<()>()).await
    });
    assert!(shielded.await.is_err());
}

async fn a_token_deadline_reports_before_an_inner_one_also_when_it_was_asked() {
    // 65: whether somebody looked at the scope must make no difference.
    for look in [false, true] {
        let token = CancelToken::new().child_for(2 * MS);
        let mut inner = None;
        let outer = token.run(async {
            if look {
                assert!(cancel::deadline().is_some());
            }
            inner = Some(time::timeout(2 * MS, pending::<()>()).await);
            pending::<()>().await
        });
        assert!(outer.await.is_err());
        assert_eq!(inner, None);
    }
}

async fn the_earlier_of_two_deadlines_reports() {
    // 66
    let watch = Watch::start();
    let outer = time::timeout(HOUR, async {
        let inner = time::timeout(2 * MS, pending::<()>()).await;
        assert!(inner.is_err());
        time::sleep(MS).await;
        "went on"
    });
    assert_eq!(outer.await, Ok("went on"));
    watch.shows(3 * MS);

    let (inner, mut inner_ended) = (Deadline::after(HOUR), false);
    let outer = time::timeout(2 * MS, async {
        let _ = inner.run(pending::<()>()).await;
        inner_ended = true;
    });
    assert!(outer.await.is_err());
    assert!(!inner_ended && !inner.has_passed());
}

async fn an_outer_deadline_that_passes_during_the_inner_cleanup_reports() {
    // 66, 67
    let watch = Watch::start();
    let outer = time::timeout(3 * MS, async {
        let work = cancel::finally(pending::<()>(), time::sleep(5 * MS));
        let inner = time::timeout(MS, work).named("inner").await;
        unreachable!("{inner:?}");
    });
    let outer = outer.named("outer").await;
    assert_eq!(outer.map(|()| "").unwrap_err().name(), Some("outer"));
    watch.shows(6 * MS);
}

async fn a_busy_thread_meets_the_outer_deadline_at_its_next_suspension() {
    // 67
    let outer = Deadline::after(HOUR);
    let work = outer.run(async {
        assert!(time::timeout(MS, pending::<()>()).await.is_err());
        outer.move_to_after(2 * MS).unwrap();
        let busy_until = now() + 3 * MS;
        while now() < busy_until {
            std::hint::spin_loop();
        }
        pending::<()>().await
    });
    assert!(work.await.is_err());
}

async fn asking_in_the_first_poll_starts_every_clock_at_the_same_moment() {
    // 65: an outer deadline of the same length is never later than an inner one.
    for look in [false, true] {
        let mut moments = None;
        let inner = async {
            time::timeout(HOUR, async {
                if look {
                    assert!(cancel::check().is_ok());
                }
                moments = Some((cancel::deadline(), cancel::current()));
            })
            .await
        };
        let outer = Deadline::after(HOUR);
        outer.run(inner).await.unwrap().unwrap();
        let (inside, follower) = moments.unwrap();
        assert_eq!(inside, outer.moment());
        assert_eq!(follower.deadline(), outer.moment());
    }
}

async fn inner_timeouts_still_report_during_the_grace_of_an_outer_deadline() {
    for look in [false, true] {
        let watch = Watch::start();
        let token = CancelToken::new().child_for(MS);
        let work = token.run_graceful(HOUR, async {
            if look {
                cancel::cancelled().await;
            }
            let flush = time::timeout(3 * MS, pending::<()>()).await;
            assert!(flush.is_err());
            "ended by itself"
        });
        assert_eq!(work.await, Ok("ended by itself"));
        watch.shows(if look { 4 * MS } else { 3 * MS });
    }
}

async fn three_levels_and_the_middle_one_is_first() {
    let outer = time::timeout(HOUR, async {
        let middle = time::timeout(2 * MS, async {
            let inner = time::timeout(HOUR, pending::<()>()).named("inner").await;
            unreachable!("{inner:?}");
        });
        middle.named("middle").await
    });
    let middle: Result<(), _> = outer.await.unwrap();
    assert_eq!(middle.unwrap_err().name(), Some("middle"));
}

async fn a_token_that_follows_both_hears_of_the_outer_deadline() {
    let mut seen = None;
    let outer = time::timeout(2 * MS, async {
        let inner = time::timeout(2 * MS, async {
            seen = Some(cancel::current());
            pending::<()>().await
        });
        inner.named("inner").await
    });
    assert!(outer.named("outer").await.is_err());
    let told = seen.unwrap().reason().unwrap();
    assert_eq!(told.to_string(), "deadline `outer` of 2ms passed");
}

async fn of_equal_deadlines_around_cleanups_all_that_follow_hear_the_outermost() {
    // With cleanups inside, every scope has been asked about.
    let (mut seen, mut cleaned) = (vec![], vec![]);
    let outer = time::timeout(2 * MS, async {
        let cleanups = (Count::new(), Count::new());
        let middle = time::timeout(2 * MS, async {
            seen.push(cancel::current());
            let inner = time::timeout(2 * MS, async {
                seen.push(cancel::current());
                let work = cancel::finally(pending::<()>(), async { cleanups.0.up() });
                work.await
            });
            let ended = cancel::finally(inner.named("inner"), async {
                assert_eq!(cleanups.0.get(), 1);
                cleanups.1.up();
            });
            ended.await
        });
        let middle = cancel::finally(middle.named("middle"), async {
            cleaned.push((cleanups.0.get(), cleanups.1.get()));
        });
        unreachable!("{:?}", middle.await);
    });
    let ended: Result<(), _> = outer.named("outer").await;
    assert_eq!(ended.unwrap_err().name(), Some("outer"));
    assert_eq!(cleaned, [(1, 1)]);
    assert_eq!(seen.len(), 2);
    for token in seen {
        let told = token.reason().unwrap();
        assert_eq!(told.to_string(), "deadline `outer` of 2ms passed");
    }
}

async fn the_effective_deadline_is_the_earliest_around() {
    // 77
    assert_eq!(cancel::deadline(), None);
    let start = now();
    let at = |n: u32| start + n * HOUR;
    let (mut seen, mut record) = (vec![], vec![]);
    time::timeout_at(at(3), async {
        seen.push(cancel::deadline());
        let inner = time::timeout_at(at(2), async { cancel::deadline() }).await;
        seen.push(inner.unwrap());
        let later = time::timeout_at(at(5), async { cancel::deadline() }).await;
        seen.push(later.unwrap());
        // It stops at a shield,
        seen.push(cancel::shield(async { cancel::deadline() }).await);
        // inside which deadlines count again.
        let inside = cancel::shield(time::timeout_at(at(7), async { cancel::deadline() })).await;
        seen.push(inside.unwrap());
        let token = CancelToken::new().child_until(at(1));
        seen.push(token.run(async { cancel::deadline() }).await.unwrap());
        let never = Deadline::never();
        seen.push(never.run(async { cancel::deadline() }).await.unwrap());
        // Cancelled: now.
        let before = now();
        let cancelled = CancelToken::new();
        cancelled.cancel();
        record.push((
            before,
            cancelled.run(async { cancel::deadline() }).await.unwrap(),
        ));
    })
    .await
    .unwrap();
    let want = [
        Some(at(3)),
        Some(at(2)),
        Some(at(3)),
        None,
        Some(at(7)),
        Some(at(1)),
        Some(at(3)),
    ];
    assert_eq!(seen, want);
    let (before, cancelled) = record[0];
    assert!(cancelled.is_some_and(|at| at >= before && at <= now()));
}

async fn a_relative_deadline_can_be_asked_for_in_the_first_poll() {
    // 77
    let before = now();
    let inside = time::timeout(HOUR, async { cancel::deadline() }).await;
    let inside = inside.unwrap().unwrap();
    assert!(inside >= before + HOUR && inside <= now() + HOUR);
}

async fn depth_costs_no_more_than_its_length() {
    // Each of these observes all the scopes around it, so there are 2^60 ways up.
    fn level(n: u32) -> futures::future::BoxFuture<'static, Option<Instant>> {
        Box::pin(async move {
            if n == 0 {
                assert!(!cancel::current().is_cancelled());
                assert!(cancel::check().is_ok());
                return cancel::deadline();
            }
            let token = cancel::current();
            assert!(token.deadline().is_some());
            token.run(level(n - 1)).await.unwrap()
        })
    }
    let at = now() + HOUR;
    assert_eq!(time::timeout_at(at, level(60)).await, Ok(Some(at)));
}

#[test]
fn an_outer_deadline_moved_in_the_tick_of_both_loses_nothing() {
    // Whoever comes first: either the deadline has passed, or it was moved and the inner one reports.
    let report = testing::explore_all(200_000, || async {
        let tick = Duration::from_secs(1);
        let outer = Deadline::after(tick);
        let mover = outer.clone();
        let move_it = async move {
            time::sleep(tick).await;
            mover.move_to_after(tick)
        };
        let moved = regatta::Runtime::current().try_spawn(move_it).unwrap();
        let inner = async {
            let inner = time::timeout(tick, pending::<()>()).await;
            assert!(inner.is_err());
        };
        let ended = outer.run(inner).await;
        let moved = moved.await.unwrap();
        assert_eq!(ended.is_ok(), moved.is_ok());
        assert_eq!(testing::now(), tick);
        assert!(in_simulation());
    });
    report.unwrap();
    assert!(report.complete, "{report}");
}

regatta::matrix! {
    of_two_equal_deadlines_the_outer_reports;
    of_equal_deadlines_of_any_kind_the_outer_reports;
    a_token_deadline_reports_before_an_inner_one_also_when_it_was_asked;
    the_earlier_of_two_deadlines_reports;
    an_outer_deadline_that_passes_during_the_inner_cleanup_reports;
    a_busy_thread_meets_the_outer_deadline_at_its_next_suspension [tokio_current, tokio_multi, smol];
    asking_in_the_first_poll_starts_every_clock_at_the_same_moment;
    inner_timeouts_still_report_during_the_grace_of_an_outer_deadline [sim];
    three_levels_and_the_middle_one_is_first;
    a_token_that_follows_both_hears_of_the_outer_deadline;
    of_equal_deadlines_around_cleanups_all_that_follow_hear_the_outermost;
    the_effective_deadline_is_the_earliest_around;
    a_relative_deadline_can_be_asked_for_in_the_first_poll;
    depth_costs_no_more_than_its_length;
}
