//! Cleanup below other libraries' combinators: the wake-up has to reach it.

use crate::cleanups::Log;
use crate::ground::{HOUR, MS, spawn};
use futures::FutureExt;
use futures::stream::{FuturesUnordered, StreamExt};
use regatta::cancel::{self, CancelToken};
use regatta::testing::yield_now;
use regatta::time;
use std::future::pending;
use std::pin::pin;

/// Cancels `token` when everything has been polled.
fn after_a_while(token: &CancelToken) {
    let token = token.clone();
    drop(spawn(async move {
        time::sleep(MS).await;
        token.cancel();
    }));
}

async fn cleanup_is_reached_through_a_join() {
    let (log, token) = (Log::default(), CancelToken::new());
    let run = token.run(async {
        let a = cancel::finally(pending::<()>(), log.cleanup("cleanup"));
        let b = cancel::finally(time::sleep(HOUR), log.cleanup("cleanup"));
        futures::join!(a, async { yield_now().await }, b)
    });
    after_a_while(&token);
    assert!(run.await.is_err());
    log.says(&["cleanup", "cleanup"]);
}

async fn cleanup_is_reached_through_a_select() {
    let (log, token) = (Log::default(), CancelToken::new());
    let run = token.run(async {
        let work = cancel::finally(pending::<()>(), log.cleanup("cleanup")).fuse();
        let mut work = pin!(work);
        let mut never = pending::<()>().fuse();
        futures::select_biased! {
            () = work => unreachable!(),
            () = &mut never => unreachable!(),
        }
    });
    after_a_while(&token);
    assert!(run.await.is_err());
    log.says(&["cleanup"]);
}

async fn cleanup_is_reached_through_futures_unordered() {
    // It polls only those who were woken, so the wake-up has to reach each of them.
    let (log, token) = (Log::default(), CancelToken::new());
    let run = token.run(async {
        let mut crowd: FuturesUnordered<_> = (0..40)
            .map(|_| cancel::finally(pending::<()>(), log.cleanup("cleanup")))
            .collect();
        crowd.next().await
    });
    after_a_while(&token);
    assert!(run.await.is_err());
    log.says(&["cleanup"; 40]);
}

async fn cleanup_is_reached_through_nested_combinators() {
    let log = Log::default();
    let nested = async {
        let mut outer = FuturesUnordered::new();
        for _ in 0..3 {
            let inner: FuturesUnordered<_> = (0..3)
                .map(|_| cancel::finally(pending::<()>(), log.cleanup("cleanup")))
                .collect();
            outer.push(futures::future::join(
                inner.collect::<Vec<_>>(),
                pending::<()>(),
            ));
        }
        outer.next().await
    };
    assert!(time::timeout(2 * MS, nested).await.is_err());
    log.says(&["cleanup"; 9]);
}

regatta::matrix! {
    cleanup_is_reached_through_a_join;
    cleanup_is_reached_through_a_select;
    cleanup_is_reached_through_futures_unordered;
    cleanup_is_reached_through_nested_combinators;
}
