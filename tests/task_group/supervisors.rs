//! Supervisors give the value of their body and the errors of their children; with all three hosts.

use crate::support::{Count, MS, errors, for_ever, pending, sleep};
use regatta::cancel::{self, CancelToken, Reason};
use regatta::task::{ErrorGroup, OnFailure, Supervised};
use regatta::task::{local_supervisor_scope, supervisor_group, supervisor_scope};
use regatta::time;
use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

type Both<T> = Result<Supervised<T, &'static str>, ErrorGroup<&'static str>>;

#[track_caller]
fn parts<T: std::fmt::Debug>(ended: Both<T>) -> (T, Vec<&'static str>) {
    let Supervised { value, errors: all } = ended.expect("the body gave a value");
    let all = all.map_or_else(Vec::new, |all| errors(Err::<(), _>(all)));
    (value, all)
}

async fn the_value_and_the_errors_come_back_together() {
    let finished = Count::default();
    let counted = finished.clone();
    let both: Both<usize> = supervisor_group(async |g| {
        for (i, name) in ["a", "b", "c"].into_iter().enumerate() {
            let counted = counted.clone();
            g.spawn(async move {
                sleep(i as u32).await;
                counted.add();
                if name == "b" { Ok(()) } else { Err(name) }
            });
        }
        // What follows the first failure runs, too.
        sleep(5).await;
        Ok(7)
    })
    .await;
    assert_eq!(parts(both), (7, vec!["a", "c"]));
    assert_eq!(finished.get(), 3);
}

async fn in_place_it_is_the_same_and_children_borrow() {
    let seen = AtomicUsize::new(0);
    let both: Both<&str> = supervisor_scope(async |g| {
        for n in 0..3 {
            let seen = &seen;
            g.spawn(async move {
                sleep(n).await;
                seen.fetch_add(1, SeqCst);
                if n == 0 { Err("zero") } else { Ok(()) }
            });
        }
        Ok("begun")
    })
    .await;
    assert_eq!(parts(both), ("begun", vec!["zero"]));
    assert_eq!(seen.into_inner(), 3);
}

async fn a_body_that_awaits_a_failed_child_sees_its_outcome() {
    let both: Both<u32> = supervisor_group(async |g| {
        let mut bad = g.spawn(async { Err::<u32, _>("bad") });
        let good = g.spawn(async { Ok(3) });
        let none = bad.outcome().await.unwrap_or(40);
        Ok(none + good.await)
    })
    .await;
    assert_eq!(parts(both), (43, vec!["bad"]));
}

async fn without_errors_there_is_the_value_alone() {
    let both = supervisor_group(async |g| {
        let child = g.spawn(async { Ok::<_, Infallible>(1) });
        Ok(child.await + 1)
    })
    .await
    .unwrap();
    assert!(both.errors.is_none());
    assert_eq!(both.into_result().unwrap(), 2);
}

async fn as_one_result_it_is_that_of_a_group() {
    let both: Both<u8> = supervisor_group(async |g| {
        g.spawn(async { Err::<(), _>("child") });
        Ok(1)
    })
    .await;
    assert_eq!(errors(both.unwrap().into_result()), ["child"]);
}

async fn a_body_that_fails_leaves_all_errors_and_lets_the_others_finish() {
    let finished = Count::default();
    let counted = finished.clone();
    let both: Both<()> = supervisor_group(async |g| {
        g.spawn(async { Err::<(), _>("child") });
        g.spawn(async move {
            sleep(3).await;
            counted.add();
        });
        sleep(1).await;
        Err("body")
    })
    .await;
    assert_eq!(errors(both), ["body", "child"]);
    assert_eq!(finished.get(), 1);
}

async fn a_value_survives_the_cancelling_of_children() {
    let both: Both<u8> = supervisor_scope(async |g| {
        g.spawn(async move {
            sleep(1).await;
            Err::<(), _>("early")
        });
        let handle = g.clone();
        g.spawn(async move {
            sleep(2).await;
            handle.cancel();
        });
        g.spawn(for_ever());
        Ok(9)
    })
    .await;
    let Supervised { value, errors } = both.unwrap();
    let errors = errors.unwrap();
    assert_eq!(value, 9);
    assert_eq!(errors.cancelled(), Some(&Reason::Requested));
    assert_eq!(errors.into_iter().collect::<Vec<_>>(), ["early"]);
}

async fn a_body_that_was_cut_short_has_no_value() {
    let both: Both<u8> = supervisor_group(async |g| {
        g.cancel();
        pending().await
    })
    .await;
    assert_eq!(both.unwrap_err().cancelled(), Some(&Reason::Requested));
}

async fn a_cancelled_supervisor_waits_for_cleanup_and_does_not_return() {
    let cleaned = Count::default();
    let (counted, started) = (cleaned.clone(), Count::default());
    let (token, begun) = (CancelToken::new(), started.clone());
    let inside = async {
        let both: Both<u8> = supervisor_group(async |g| {
            g.spawn(cancel::on_cancel(
                async move {
                    begun.add();
                    for_ever().await;
                },
                async move {
                    sleep(1).await;
                    counted.add();
                },
            ));
            started.reaches(1).await;
            token.cancel();
            Ok(1)
        })
        .await;
        both.map(|both| both.value)
    };
    assert!(token.run(inside).await.is_err());
    assert_eq!(cleaned.get(), 1);
}

async fn a_supervisor_past_its_limit_ends_with_it() {
    let alive = Count::default();
    let one = alive.one();
    let work = supervisor_group::<_, Infallible, _, _>(async |g| {
        g.spawn(async move {
            let _one = one;
            for_ever().await;
        });
        Ok(())
    });
    assert!(time::timeout(MS * 5, work).await.is_err());
    assert_eq!(alive.get(), 0);
}

async fn a_stricter_mode_still_gives_both() {
    let both: Both<u8> = supervisor_group(async |g| {
        g.on_failure(OnFailure::CancelSiblings);
        g.spawn(for_ever());
        g.spawn(async {
            sleep(1).await;
            Err::<(), _>("child")
        });
        Ok(5)
    })
    .await;
    assert_eq!(parts(both), (5, vec!["child"]));
}

/// A value that must not be dropped while a panic goes on.
struct Explosive;

impl Drop for Explosive {
    fn drop(&mut self) {
        panic!("a value that nobody got");
    }
}

async fn a_panic_goes_on_and_the_value_goes_quietly() {
    let work = async {
        let both: Result<Supervised<Explosive, &str>, _> = supervisor_group(async |g| {
            g.named("bad").spawn(async {
                sleep(2).await;
                if true {
                    panic!("boom");
                }
                Ok(())
            });
            Ok(Explosive)
        })
        .await;
        std::mem::forget(both);
    };
    let caught = futures::FutureExt::catch_unwind(std::panic::AssertUnwindSafe(work)).await;
    let payload = caught.expect_err("it panics on");
    let text = payload.downcast_ref::<String>().unwrap();
    assert!(text.contains("`bad` panicked: boom"), "{text}");
}

#[test]
fn children_without_send_have_a_supervisor_too() {
    regatta::testing::run(async || {
        let done = std::cell::RefCell::new(Vec::new());
        let both: Both<usize> = local_supervisor_scope(async |g| {
            for n in [2, 1, 3] {
                let done = &done;
                g.spawn(async move {
                    sleep(n).await;
                    if n == 1 {
                        return Err("one");
                    }
                    done.borrow_mut().push(n);
                    Ok(())
                });
            }
            Ok(3)
        })
        .await;
        assert_eq!(parts(both), (3, vec!["one"]));
        assert_eq!(*done.borrow(), [2, 3]);
    });
}

regatta::matrix! {
    the_value_and_the_errors_come_back_together;
    in_place_it_is_the_same_and_children_borrow;
    a_body_that_awaits_a_failed_child_sees_its_outcome;
    without_errors_there_is_the_value_alone;
    as_one_result_it_is_that_of_a_group;
    a_body_that_fails_leaves_all_errors_and_lets_the_others_finish;
    a_value_survives_the_cancelling_of_children;
    a_body_that_was_cut_short_has_no_value;
    a_cancelled_supervisor_waits_for_cleanup_and_does_not_return;
    a_supervisor_past_its_limit_ends_with_it;
    a_stricter_mode_still_gives_both;
    a_panic_goes_on_and_the_value_goes_quietly;
}
