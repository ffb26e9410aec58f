//! Collecting errors, services, grace and close deadlines.

use super::group;
use crate::support::{Count, Log, MS, errors, for_ever, pending, sleep, yield_now};
use regatta::cancel::{self, Reason};
use regatta::task::{ErrorGroup, OnFailure};
use regatta::testing;
use std::convert::Infallible;

type Plain<T> = Result<T, ErrorGroup<&'static str>>;

/// Says that it has started, then waits for its end.
async fn waits(started: Count) {
    started.add();
    for_ever().await;
}

async fn collecting_lets_everybody_finish() {
    let ended = Count::default();
    let result: Plain<()> = group(async |g| {
        g.on_failure(OnFailure::Collect);
        for (i, error) in ["a", "b", "c"].into_iter().enumerate() {
            let counted = ended.clone();
            drop(g.spawn(async move {
                sleep(i as u32).await;
                counted.add();
                if error == "b" { Ok(()) } else { Err(error) }
            }));
        }
        sleep(1).await;
        Err("body")
    })
    .await;
    assert_eq!(errors(result), ["a", "body", "c"]);
    assert_eq!(ended.get(), 3);
}

async fn services_end_after_all_others() {
    let (log, started) = (Log::default(), Count::default());
    let (service, named, child) = (log.clone(), log.clone(), log.clone());
    let value = group(async |g| {
        let cleanup = async move { service.say("service") };
        drop(g.service(cancel::on_cancel(waits(started.clone()), cleanup)));
        let cleanup = async move { named.say("service") };
        drop(
            g.named("log")
                .service(cancel::on_cancel(waits(started.clone()), cleanup)),
        );
        started.reaches(2).await;
        log.say("body");
        drop(g.spawn(async move {
            sleep(3).await;
            child.say("child");
        }));
        Ok::<_, Infallible>(1)
    })
    .await;
    // They do not keep the group, and being cancelled is no failure.
    assert_eq!(value.unwrap(), 1);
    assert_eq!(log.get(), ["body", "child", "service", "service"]);
}

async fn services_outlive_the_cleanup_of_a_failed_group() {
    let (log, started) = (Log::default(), Count::default());
    let (service, child) = (log.clone(), log.clone());
    let result: Plain<()> = group(async |g| {
        let cleanup = async move { service.say("service") };
        drop(g.service(cancel::on_cancel(waits(started.clone()), cleanup)));
        let cleanup = async move {
            sleep(3).await;
            child.say("child");
        };
        drop(g.spawn(cancel::on_cancel(waits(started.clone()), cleanup)));
        // Only those that have started have anything to clean up.
        started.reaches(2).await;
        g.cancel();
        Ok(())
    })
    .await;
    assert_eq!(result.unwrap_err().cancelled(), Some(&Reason::Requested));
    assert_eq!(log.get(), ["child", "service"]);
}

async fn a_service_that_fails_fails_the_group() {
    let result: Plain<()> = group(async |g| {
        drop(g.service(async {
            sleep(1).await;
            Err::<(), _>("service")
        }));
        pending().await
    })
    .await;
    assert_eq!(errors(result), ["service"]);
}

async fn a_service_may_end_by_itself() {
    let result: Plain<u32> = group(async |g| {
        let service = g.service(async { Ok(2) });
        Ok(service.await)
    })
    .await;
    assert_eq!(result.unwrap(), 2);
}

async fn a_failed_sibling_leaves_time_of_grace() {
    let log = Log::default();
    let (willing, stubborn) = (log.clone(), log.clone());
    let result: Plain<()> = group(async |g| {
        g.grace(MS * 100);
        drop(g.spawn(async move {
            assert_eq!(cancel::cancelled().await, Reason::SiblingFailed);
            willing.say("ended by itself");
            Ok(())
        }));
        drop(g.spawn(async move {
            for_ever().await;
            stubborn.say("never");
        }));
        sleep(2).await;
        Err("body")
    })
    .await;
    assert_eq!(errors(result), ["body"]);
    assert_eq!(log.get(), ["ended by itself"]);
}

async fn the_grace_is_as_long_as_it_says() {
    for children_only in [false, true] {
        let start = testing::now();
        let result: Plain<()> = group(async |g| {
            g.grace(MS * 20);
            drop(g.spawn(for_ever()));
            yield_now().await;
            if children_only {
                g.cancel_children();
                return Ok(());
            }
            g.cancel();
            pending().await
        })
        .await;
        assert_eq!(result.is_ok(), children_only);
        assert_eq!(testing::now() - start, MS * 20);
    }
}

async fn cancelled_children_have_grace_too() {
    let log = Log::default();
    let said = log.clone();
    let result: Plain<()> = group(async |g| {
        g.grace(MS * 5_000);
        drop(g.spawn(async move {
            cancel::cancelled().await;
            sleep(1).await;
            said.say("ended by itself");
        }));
        sleep(2).await;
        g.cancel_children();
        Ok(())
    })
    .await;
    result.unwrap();
    assert_eq!(log.get(), ["ended by itself"]);
}

// 135
async fn a_group_that_may_not_wait_names_its_stragglers() {
    let (alive, started) = (Count::default(), Count::default());
    let result: Plain<()> = group(async |g| {
        g.close_within(MS * 100);
        g.name("upload");
        let (counted, starts) = (alive.one(), started.clone());
        drop(g.named("stuck").spawn(cancel::shield(async move {
            let _alive = counted;
            waits(starts).await;
        })));
        drop(g.named("polite").spawn(waits(started.clone())));
        started.reaches(2).await;
        Err("body")
    })
    .await;
    let errors = result.unwrap_err();
    assert_eq!(errors.stragglers(), ["task `stuck`"]);
    assert_eq!(
        errors.to_string(),
        "upload: 1 task failed, not ended in time: task `stuck`: body"
    );
    // Its shield is ignored at its next poll, which has been asked for.
    while alive.get() > 0 {
        yield_now().await;
    }
}

async fn a_body_that_does_not_end_is_a_straggler_too() {
    let result: Plain<()> = group(async |g| {
        g.close_within(MS * 2);
        g.cancel();
        cancel::shield(pending()).await
    })
    .await;
    let errors = result.unwrap_err();
    assert_eq!(errors.stragglers(), ["the body of the group"]);
    assert_eq!(errors.cancelled(), None, "nothing had been cut short");
    assert!(errors.is_empty());
}

async fn the_close_deadline_holds_for_services_and_cancelled_children() {
    for service in [true, false] {
        let started = Count::default();
        let result: Plain<u32> = group(async |g| {
            g.close_within(MS * 2);
            let stuck = cancel::shield(waits(started.clone()));
            if service {
                drop(g.named("stuck").service(stuck));
            } else {
                drop(g.named("stuck").spawn(stuck));
            }
            started.reaches(1).await;
            g.cancel_children();
            Ok(1)
        })
        .await;
        assert_eq!(
            result.unwrap_err().to_string(),
            "not ended in time: task `stuck`"
        );
    }
}

async fn children_in_line_are_no_stragglers() {
    let (alive, started) = (Count::default(), Count::default());
    let result: Plain<()> = group(async |g| {
        g.grace(MS * 60_000);
        g.close_within(MS * 2);
        g.limit(1);
        drop(g.named("runs").spawn(waits(started.clone())));
        let counted = alive.one();
        drop(g.named("waits").spawn(async move { drop(counted) }));
        started.reaches(1).await;
        g.cancel();
        Ok(())
    })
    .await;
    assert_eq!(result.unwrap_err().stragglers(), ["task `runs`"]);
    while alive.get() > 0 {
        yield_now().await;
    }
}

async fn stragglers_of_a_group_inside_reach_the_outer_error() {
    let result: Plain<()> = group(async |g| {
        drop(
            g.named("inner")
                .spawn_nested(group::<(), _, _, _>(async |g| {
                    g.close_within(MS);
                    g.cancel();
                    drop(g.named("late").spawn(for_ever()));
                    cancel::shield(pending()).await
                })),
        );
        Ok(())
    })
    .await;
    let errors = result.unwrap_err();
    let line = "inner: not ended in time: the body of the group";
    assert_eq!(errors.to_string(), line);
    assert_eq!(format!("{errors:#}"), format!("{line}\n└─ {line}"));
}

async fn closing_in_time_says_nothing() {
    let result: Plain<u32> = group(async |g| {
        g.close_within(MS * 60_000);
        let child = g.spawn(async {
            sleep(1).await;
            Ok(3)
        });
        Ok(child.await)
    })
    .await;
    assert_eq!(result.unwrap(), 3);
}

regatta::matrix! {
    collecting_lets_everybody_finish;
    services_end_after_all_others;
    services_outlive_the_cleanup_of_a_failed_group;
    a_service_that_fails_fails_the_group;
    a_service_may_end_by_itself;
    a_failed_sibling_leaves_time_of_grace;
    the_grace_is_as_long_as_it_says [sim];
    cancelled_children_have_grace_too;
    a_group_that_may_not_wait_names_its_stragglers;
    a_body_that_does_not_end_is_a_straggler_too;
    the_close_deadline_holds_for_services_and_cancelled_children;
    children_in_line_are_no_stragglers;
    stragglers_of_a_group_inside_reach_the_outer_error;
    closing_in_time_says_nothing;
}
