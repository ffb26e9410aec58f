//! Cancellation from outside, and on request.

use super::group;
use crate::support::{Count, Log, errors, for_ever, pending, sleep, yield_now};
use regatta::cancel::{self, CancelToken, Reason};
use regatta::task::{ErrorGroup, TaskGroup};
use std::convert::Infallible;

type Never<T> = Result<T, ErrorGroup<Infallible>>;

/// Runs `work` under a token that is cancelled once `started` says so: what has not started would have nothing to clean up.
async fn cut<F: Future>(
    started: &Count,
    n: usize,
    work: F,
) -> Result<F::Output, cancel::Cancelled> {
    let token = CancelToken::new();
    let soon = async {
        started.reaches(n).await;
        token.cancel_with("outside");
    };
    futures::future::join(token.run(work), soon).await.0
}

/// For those who are shielded: they see it, and it does not touch them.
async fn until_cancelled<E: Send>(g: &TaskGroup<'static, E>) {
    while !g.is_cancelled() {
        sleep(1).await;
    }
}

// 31, 39
async fn a_cancelled_host_cancels_and_joins_its_children() {
    let alive = Count::default();
    let cancelled = cut(
        &alive,
        3,
        group::<(), Infallible, _, _>(async |g| {
            for _ in 0..3 {
                let alive = alive.clone();
                drop(g.spawn(async move {
                    let _alive = alive.one();
                    for_ever().await;
                }));
            }
            pending().await
        }),
    );
    // No error group of cancellations, but the one cancellation.
    let reason = cancelled.await.unwrap_err().into_reason();
    assert_eq!(reason, Reason::from("outside"));
    assert_eq!(alive.get(), 0);
}

// 32
async fn a_host_cancelled_at_the_end_of_its_group_still_joins() {
    let (log, started) = (Log::default(), Count::default());
    let (said, starts) = (log.clone(), started.clone());
    let cancelled = cut(&started, 1, async {
        group(async |g| {
            let work = async move {
                starts.add();
                for_ever().await;
            };
            drop(g.spawn(cancel::on_cancel(work, async move {
                sleep(5).await;
                said.say("cleaned up");
            })));
            Ok::<_, Infallible>(())
        })
        .await
        .unwrap();
        log.say("goes on");
    });
    assert!(cancelled.await.is_err());
    assert_eq!(log.get(), ["cleaned up"]);
}

// 33: errors win at the boundary of the group, and the cancellation stays pending.
async fn errors_of_children_win_over_an_outer_cancellation() {
    let (log, started) = (Log::default(), Count::default());
    let starts = started.clone();
    let cancelled = cut(&started, 1, async {
        let result: Result<(), _> = group(async |g| {
            let watched = g.clone();
            drop(g.spawn(cancel::shield(async move {
                starts.add();
                until_cancelled(&watched).await;
                Err::<(), _>("late")
            })));
            pending().await
        })
        .await;
        assert_eq!(errors(result), ["late"]);
        log.say("handled");
        yield_now().await;
        log.say("goes on");
    });
    assert!(cancelled.await.is_err());
    assert_eq!(log.get(), ["handled"]);
}

// 33, nested
async fn errors_under_cancellation_keep_their_nesting() {
    let started = Count::default();
    let (starts, ends) = (started.clone(), started.clone());
    let got = cut(
        &started,
        1,
        group::<(), &str, _, _>(async |g| {
            let inner = g.named("inner").spawn_nested(group(async move |g| {
                let watched = g.clone();
                g.named("leaf").spawn(cancel::shield(async move {
                    starts.add();
                    until_cancelled(&watched).await;
                    Err::<(), _>("late")
                }));
                Ok(())
            }));
            cancel::shield(async {
                while !inner.is_finished() {
                    sleep(1).await;
                }
            })
            .await;
            ends.add();
            Err("body")
        }),
    )
    .await;
    assert_eq!(started.get(), 2);
    let errors = got.unwrap().unwrap_err();
    assert_eq!(
        format!("{errors:#}"),
        "2 tasks failed\n├─ inner: 1 task failed\n│  └─ leaf: late\n└─ body"
    );
}

// 35
async fn a_body_may_answer_cancellation_with_its_own_error() {
    let started = Count::default();
    let got = cut(
        &started,
        1,
        group::<(), &str, _, _>(async |g| {
            drop(g.spawn(for_ever()));
            cancel::shield(async {
                started.add();
                while !g.is_cancelled() {
                    sleep(1).await;
                }
            })
            .await;
            Err("own")
        }),
    );
    assert_eq!(errors(got.await.unwrap()), ["own"]);
}

// 36: the call resolves, says why, and holds no error.
async fn a_group_cancelled_on_request_resolves() {
    let alive = Count::default();
    let got: Never<()> = group(async |g| {
        let counted = alive.clone();
        drop(g.spawn(async move {
            let _alive = counted.one();
            for_ever().await;
        }));
        drop(g.spawn_with(|g| async move {
            sleep(1).await;
            g.cancel_with("enough");
        }));
        pending().await
    })
    .await;
    let stopped = got.unwrap_err();
    assert_eq!(stopped.cancelled(), Some(&Reason::from("enough")));
    assert!(stopped.is_empty() && stopped.first().is_none());
    assert_eq!(stopped.to_string(), "cancelled: enough");
    assert_eq!(alive.get(), 0);
    yield_now().await;
}

// 36: nobody but the child itself is awake to see it.
async fn a_child_may_cancel_its_group_in_its_first_poll() {
    let got: Never<()> = group(async |g| {
        drop(g.spawn_with(|g| async move {
            g.cancel_with("at once");
            for_ever().await;
        }));
        pending().await
    })
    .await;
    assert_eq!(got.unwrap_err().to_string(), "cancelled: at once");
}

// 36: with `cancel_children` the body has the last word.
async fn cancel_children_lets_the_body_finish() {
    let got: Never<u32> = group(async |g| {
        let mut child = g.spawn(for_ever());
        sleep(1).await;
        g.cancel_children();
        assert!(child.outcome().await.is_err());
        assert!(
            g.spawn(for_ever())
                .try_outcome()
                .is_some_and(|o| o.is_err())
        );
        sleep(1).await;
        Ok(5)
    })
    .await;
    assert_eq!(got.unwrap(), 5);
}

// 37: before anything was spawned; twice; and when nothing was cut short it is no error.
async fn cancelling_is_idempotent_and_keeps_its_first_reason() {
    let got: Never<()> = group(async |g| {
        g.cancel_with("first");
        g.cancel_with("second");
        pending().await
    })
    .await;
    assert_eq!(got.unwrap_err().cancelled(), Some(&Reason::from("first")));

    let mut after = None;
    let got: Never<u32> = group(async |g| {
        after = Some(g.clone());
        g.spawn(async {}).await;
        g.cancel();
        Ok(1)
    })
    .await;
    assert_eq!(got.unwrap(), 1);
    // After the end it does nothing.
    after.unwrap().cancel();
    yield_now().await;
}

fn nest(depth: u32, alive: Count) -> futures::future::BoxFuture<'static, ()> {
    Box::pin(async move {
        let result: Never<()> = group(async |g| {
            let _alive = alive.one();
            let counted = alive.clone();
            drop(g.spawn(async move {
                let _alive = counted.one();
                for_ever().await;
            }));
            if depth > 0 {
                drop(g.spawn(nest(depth - 1, alive.clone())));
                nest(depth - 1, alive.clone()).await;
            }
            pending().await
        })
        .await;
        drop(result);
    })
}

// 38
async fn groups_inside_groups_end_with_the_outermost() {
    let alive = Count::default();
    let got: Never<()> = group(async |g| {
        drop(g.spawn(nest(4, alive.clone())));
        drop(g.spawn_with(|g| async move {
            sleep(3).await;
            g.cancel();
        }));
        Ok(())
    })
    .await;
    assert!(got.unwrap_err().cancelled().is_some());
    assert_eq!(alive.get(), 0);
}

// 42
async fn cancelling_a_child_that_has_ended_does_nothing() {
    let got: Never<_> = group(async |g| {
        let mut child = g.spawn(async { Ok(1) });
        while !child.is_finished() {
            yield_now().await;
        }
        child.cancel();
        Ok(child.outcome().await)
    })
    .await;
    assert_eq!(got.unwrap(), Ok(1));
}

/// A group inside that was cancelled on request is a cancelled child, not a failed one.
async fn a_cancelled_group_inside_does_not_fail_the_outer_one() {
    let got: Never<_> = group(async |g: TaskGroup<'static, Infallible>| {
        let sibling = g.spawn(async {
            sleep(3).await;
            Ok(2)
        });
        let mut inner = g.spawn_nested(group::<(), _, _, _>(async |g| {
            drop(g.spawn(for_ever()));
            yield_now().await;
            g.cancel_with("inner");
            pending().await
        }));
        let end = inner.outcome().await.unwrap_err();
        assert_eq!(end.reason(), &Reason::from("inner"));
        Ok(sibling.await)
    })
    .await;
    assert_eq!(got.unwrap(), 2);
}

// A yield is a suspension, and whoever cancels itself is cut at the next one.
async fn a_body_that_cancels_itself_is_cut_at_a_yield() {
    let passed = Count::default();
    let went = passed.clone();
    let cut: Never<()> = group(async |g| {
        g.cancel_with("enough");
        yield_now().await;
        drop(went.one());
        Ok(())
    })
    .await;
    let errors = cut.unwrap_err();
    assert_eq!(errors.cancelled(), Some(&Reason::from("enough")));
    // Also after it had been suspended, and with others to wait for.
    let went = passed.clone();
    let cut: Never<()> = group(async |g| {
        drop(g.spawn(for_ever()));
        sleep(1).await;
        g.cancel_with("enough");
        yield_now().await;
        drop(went.one());
        Ok(())
    })
    .await;
    assert!(cut.unwrap_err().cancelled().is_some());
    assert_eq!(passed.get(), 0);
}

async fn a_child_that_cancels_its_group_is_cut_at_a_yield() {
    for first_poll in [true, false] {
        let passed = Count::default();
        let went = passed.clone();
        let cut: Never<()> = group(async |g| {
            let own = g.clone();
            drop(g.spawn(async move {
                if !first_poll {
                    sleep(1).await;
                }
                own.cancel_with("enough");
                yield_now().await;
                drop(went.one());
            }));
            pending().await
        })
        .await;
        assert!(cut.unwrap_err().cancelled().is_some());
        assert_eq!(passed.get(), 0);
    }
}

// Its cleanup hears of it in the same poll, and runs.
async fn what_cancels_itself_is_cleaned_up() {
    let (cleaned, passed) = (Count::default(), Count::default());
    let (clean, went) = (cleaned.clone(), passed.clone());
    let cut: Never<()> = group(async |g| {
        let work = async {
            g.cancel_with("enough");
            yield_now().await;
            drop(went.one());
        };
        let clean = async {
            yield_now().await;
            std::mem::forget(clean.one());
        };
        cancel::finally(work, clean).await;
        Ok(())
    })
    .await;
    assert!(cut.unwrap_err().cancelled().is_some());
    assert_eq!((cleaned.get(), passed.get()), (1, 0));
}

regatta::matrix! {
    a_body_that_cancels_itself_is_cut_at_a_yield;
    a_child_that_cancels_its_group_is_cut_at_a_yield;
    what_cancels_itself_is_cleaned_up;
    a_cancelled_host_cancels_and_joins_its_children;
    a_host_cancelled_at_the_end_of_its_group_still_joins;
    errors_of_children_win_over_an_outer_cancellation;
    errors_under_cancellation_keep_their_nesting;
    a_body_may_answer_cancellation_with_its_own_error;
    a_group_cancelled_on_request_resolves;
    a_child_may_cancel_its_group_in_its_first_poll;
    cancel_children_lets_the_body_finish;
    cancelling_is_idempotent_and_keeps_its_first_reason;
    groups_inside_groups_end_with_the_outermost;
    cancelling_a_child_that_has_ended_does_nothing;
    a_cancelled_group_inside_does_not_fail_the_outer_one;
}
