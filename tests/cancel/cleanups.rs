//! `finally` and `on_cancel`.

use crate::ground::{Count, HOUR, Hand, MS, Watch, panic_of, spawn};
use futures::FutureExt;
use regatta::cancel::{self, CancelToken};
use regatta::testing::{in_simulation, yield_now};
use regatta::time;
use std::future::pending;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Writes down what happened, in order.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<&'static str>>>);

impl Log {
    pub(crate) fn note(&self, what: &'static str) {
        self.0.lock().unwrap().push(what);
    }

    pub(crate) async fn cleanup(&self, what: &'static str) {
        time::sleep(MS).await;
        self.note(what);
    }

    #[track_caller]
    pub(crate) fn says(&self, want: &[&str]) {
        assert_eq!(*self.0.lock().unwrap(), want);
    }
}

async fn cleanup_runs_on_success_and_on_error() {
    let (watch, log) = (Watch::start(), Log::default());
    let fine = cancel::finally(
        async {
            log.note("work");
            7
        },
        log.cleanup("cleanup"),
    );
    assert_eq!(fine.await, 7);
    log.says(&["work", "cleanup"]);
    watch.shows(MS);
    let failed = async { Err::<(), _>("disk full") };
    assert_eq!(
        cancel::finally(failed, log.cleanup("again")).await,
        Err("disk full")
    );
    log.says(&["work", "cleanup", "again"]);
}

async fn cleanup_runs_on_a_panic_which_then_goes_on() {
    let log = Log::default();
    let body = async {
        yield_now().await;
        panic!("in the body");
    };
    let work = AssertUnwindSafe(cancel::finally(body, log.cleanup("cleanup")));
    let ended: Result<(), _> = work.catch_unwind().await;
    assert_eq!(ended.unwrap_err().downcast_ref(), Some(&"in the body"));
    log.says(&["cleanup"]);
}

async fn cleanup_runs_on_cancellation_and_the_scope_waits() {
    let (watch, log, token) = (Watch::start(), Log::default(), CancelToken::new());
    let work = cancel::finally(pending::<()>(), async {
        assert!(cancel::check().is_ok(), "the cleanup is shielded");
        log.cleanup("cleanup").await;
    });
    let run = token.run(async {
        work.await;
        unreachable!("nobody can swallow a cancellation");
    });
    token.cancel();
    assert!(run.await.is_err());
    log.says(&["cleanup"]);
    watch.shows(MS);
}

async fn cleanup_on_cancel_runs_only_then() {
    let log = Log::default();
    assert_eq!(
        cancel::on_cancel(async { 1 }, log.cleanup("success")).await,
        1
    );
    let failed = cancel::on_cancel(async { Err::<(), _>("no") }, log.cleanup("error"));
    assert_eq!(failed.await, Err("no"));
    let panics = async {
        yield_now().await;
        panic!("in the body");
    };
    let panics = AssertUnwindSafe(cancel::on_cancel(panics, log.cleanup("panic")));
    let ended: Result<(), _> = panics.catch_unwind().await;
    assert!(ended.is_err());
    log.says(&[]);
    let token = CancelToken::new();
    token.cancel();
    let undone = token.run(cancel::on_cancel(pending::<()>(), log.cleanup("undo")));
    assert!(undone.await.is_err());
    log.says(&["undo"]);
}

async fn nested_cleanups_run_from_the_inside_out() {
    let (watch, log, token) = (Watch::start(), Log::default(), CancelToken::new());
    let inner = cancel::finally(pending::<()>(), log.cleanup("inner"));
    let middle = cancel::on_cancel(inner, log.cleanup("middle"));
    let outer = cancel::finally(middle, log.cleanup("outer"));
    let run = token.run(outer);
    token.cancel();
    assert!(run.await.is_err());
    log.says(&["inner", "middle", "outer"]);
    watch.shows(3 * MS);
}

async fn cleanups_in_nested_scopes_run_from_the_inside_out() {
    let (log, token) = (Log::default(), CancelToken::new());
    let inner = async {
        let inner = cancel::finally(pending::<()>(), log.cleanup("inner"));
        let _ = time::timeout(HOUR, inner).await;
        unreachable!("the outer scope is dropping");
    };
    let outer = cancel::finally(inner, log.cleanup("outer"));
    let run = token.run(outer);
    token.cancel();
    assert!(run.await.is_err());
    log.says(&["inner", "outer"]);
}

async fn a_shield_in_the_body_comes_before_the_cleanup() {
    let (log, token) = (Log::default(), CancelToken::new());
    let body = async {
        cancel::shield(log.cleanup("shielded")).await;
        pending::<()>().await
    };
    let run = token.run(cancel::finally(body, log.cleanup("cleanup")));
    token.cancel();
    assert!(run.await.is_err());
    log.says(&["shielded", "cleanup"]);
}

async fn a_value_in_the_last_poll_wins_over_the_cancellation() {
    // 60, 89
    let (log, token) = (Log::default(), CancelToken::new());
    let body = async {
        cancel::shield(yield_now()).await;
        "made it"
    };
    token.cancel();
    let run = token.run(cancel::finally(body, log.cleanup("cleanup")));
    assert_eq!(run.await, Ok("made it"));
    log.says(&["cleanup"]);
}

async fn a_cancelled_body_does_not_go_on_past_its_suspension() {
    // 57
    for limit in [Duration::ZERO, MS] {
        let log = Log::default();
        let body = async {
            if limit.is_zero() {
                yield_now().await;
            } else {
                pending::<()>().await;
            }
            log.note("past it");
        };
        let work = cancel::finally(body, log.cleanup("cleanup"));
        assert!(time::timeout(limit, work).await.is_err());
        log.says(&["cleanup"]);
    }
}

/// Cancels `token` when everything has been polled.
fn after_a_while(token: &CancelToken) {
    let token = token.clone();
    drop(spawn(async move {
        time::sleep(MS).await;
        token.cancel();
    }));
}

async fn a_timeout_waits_for_the_cleanup() {
    let (watch, log) = (Watch::start(), Log::default());
    let work = cancel::finally(pending::<()>(), log.cleanup("cleanup"));
    assert!(time::timeout(2 * MS, work).await.is_err());
    log.says(&["cleanup"]);
    watch.shows(3 * MS);
}

async fn a_timeout_inside_a_cleanup_cuts_it() {
    let (watch, token) = (Watch::start(), CancelToken::new());
    let cut = Count::new();
    let said = cut.clone();
    let work = cancel::finally(pending::<()>(), async move {
        assert!(time::timeout(2 * MS, pending::<()>()).await.is_err());
        said.up();
    });
    let run = token.run(work);
    token.cancel();
    assert!(run.await.is_err());
    assert_eq!(cut.get(), 1);
    watch.shows(2 * MS);
}

async fn the_body_is_dropped_before_its_cleanup() {
    let (log, token) = (Log::default(), CancelToken::new());
    struct Noted(Log);
    impl Drop for Noted {
        fn drop(&mut self) {
            self.0.note("dropped");
        }
    }
    let noted = Noted(log.clone());
    let body = async move {
        let _noted = noted;
        pending::<()>().await
    };
    let run = token.run(cancel::finally(body, log.cleanup("cleanup")));
    token.cancel();
    assert!(run.await.is_err());
    log.says(&["dropped", "cleanup"]);
}

async fn a_destructor_that_panics_does_not_skip_the_cleanup() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("in the destructor");
        }
    }
    let (log, token) = (Log::default(), CancelToken::new());
    let body = async {
        let _bomb = Bomb;
        pending::<()>().await
    };
    let run = token.run(cancel::finally(body, log.cleanup("cleanup")));
    token.cancel();
    let ended = AssertUnwindSafe(run).catch_unwind().await;
    assert_eq!(
        ended.unwrap_err().downcast_ref(),
        Some(&"in the destructor")
    );
    log.says(&["cleanup"]);
}

async fn cleanups_one_after_the_other_all_run() {
    let (log, token) = (Log::default(), CancelToken::new());
    let run = token.run(async {
        cancel::finally(async { log.note("one") }, log.cleanup("after one")).await;
        cancel::finally(pending::<()>(), log.cleanup("after two")).await;
        log.note("never");
    });
    after_a_while(&token);
    assert!(run.await.is_err());
    if in_simulation() {
        log.says(&["one", "after one", "after two"]);
    }
}

#[test]
fn a_cleanup_may_not_be_polled_after_its_end() {
    let mut done = pin!(cancel::finally(async {}, async {}));
    assert!(Hand::new().poll(done.as_mut()).is_ready());
    let said = panic_of(|| Hand::new().poll(done.as_mut()));
    assert!(said.contains("polled after it ended"), "{said}");
}

regatta::matrix! {
    cleanup_runs_on_success_and_on_error;
    cleanup_runs_on_a_panic_which_then_goes_on;
    cleanup_runs_on_cancellation_and_the_scope_waits;
    cleanup_on_cancel_runs_only_then;
    nested_cleanups_run_from_the_inside_out;
    cleanups_in_nested_scopes_run_from_the_inside_out;
    a_shield_in_the_body_comes_before_the_cleanup;
    a_value_in_the_last_poll_wins_over_the_cancellation;
    a_cancelled_body_does_not_go_on_past_its_suspension;
    a_timeout_waits_for_the_cleanup;
    a_timeout_inside_a_cleanup_cuts_it;
    the_body_is_dropped_before_its_cleanup;
    a_destructor_that_panics_does_not_skip_the_cleanup;
    cleanups_one_after_the_other_all_run;
}
