//! Small programs under every interleaving.

use crate::ground::{HOUR, spawn};
use regatta::cancel::{self, CancelToken, Reason};
use regatta::testing::{self, yield_now};
use regatta::time;
use std::future::{Future, pending};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// Runs `program` under every schedule there is.
#[track_caller]
fn always<Fut: Future<Output = ()>>(program: impl Fn() -> Fut) {
    let report = testing::explore_all(300_000, program);
    report.unwrap();
    assert!(report.complete && report.runs > 1, "{report}");
    println!("{report}");
}

#[test]
fn cancelling_races_with_completion() {
    always(|| async {
        let token = CancelToken::new();
        let (tx, rx) = async_channel::bounded(1);
        let canceller = token.clone();
        let cancels = spawn(async move { canceller.cancel() });
        let sends = spawn(async move { tx.send(5).await.is_ok() });
        let outcome = token.run(async { rx.recv().await }).await;
        sends.await.unwrap();
        cancels.await.unwrap();
        // Either the value came, or it is still there.
        match outcome {
            Ok(value) => assert_eq!(value, Ok(5)),
            Err(why) => {
                assert_eq!(why.reason(), &Reason::Requested);
                assert_eq!(rx.try_recv(), Ok(5));
            }
        }
    });
}

#[test]
fn cancelling_races_with_registering() {
    always(|| async {
        let token = CancelToken::new();
        let tasks = [
            spawn({
                let token = token.clone();
                async move { drop(token.cancelled().await) }
            }),
            spawn({
                let token = token.child();
                async move { drop(token.run(pending::<()>()).await) }
            }),
            spawn({
                let token = token.clone();
                async move {
                    let follow = token.run_graceful(HOUR, async { cancel::current() }).await;
                    drop(follow.unwrap().cancelled().await);
                }
            }),
            spawn(async move { token.cancel() }),
        ];
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(testing::now(), Duration::ZERO);
    });
}

#[test]
fn the_end_of_a_shield_races_with_the_cancellation() {
    always(|| async {
        let token = CancelToken::new();
        let canceller = token.clone();
        let cancels = spawn(async move {
            yield_now().await;
            canceller.cancel();
        });
        let mut saved = false;
        let ended = token
            .run(async {
                cancel::shield(async {
                    yield_now().await;
                    yield_now().await;
                    saved = true;
                })
                .await;
                pending::<()>().await
            })
            .await;
        assert!(ended.is_err() && saved);
        cancels.await.unwrap();
    });
}

#[test]
fn the_end_of_a_body_races_with_the_cancellation_and_its_cleanup() {
    always(|| async {
        let token = CancelToken::new();
        let canceller = token.clone();
        let cancels = spawn(async move {
            yield_now().await;
            canceller.cancel();
        });
        let (mut body, mut cleanups) = (false, 0);
        let work = cancel::finally(
            async {
                yield_now().await;
                body = true;
            },
            async {
                yield_now().await;
                cleanups += 1;
            },
        );
        let ended = token.run(work).await;
        assert_eq!(cleanups, 1);
        assert!(ended.is_err() || body);
        cancels.await.unwrap();
    });
}

#[test]
fn a_grace_ends_once() {
    always(|| async {
        let token = CancelToken::new().child_for(SECOND);
        let canceller = token.clone();
        let cancels = spawn(async move {
            time::sleep(SECOND).await;
            canceller.cancel_with("by hand");
        });
        let ended = token
            .run_graceful(SECOND, async {
                let why = cancel::cancelled().await;
                time::sleep(SECOND).await;
                why
            })
            .await;
        // The last tick of the grace: the work is polled first.
        assert_eq!(ended.unwrap(), token.reason().unwrap());
        assert_eq!(testing::now(), 2 * SECOND);
        cancels.await.unwrap();
    });
}

#[test]
fn two_cancellers_and_one_reason() {
    always(|| async {
        let (root, token) = {
            let root = CancelToken::new();
            (root.clone(), root.child())
        };
        let below = token.clone();
        let one = spawn(async move { below.cancel_with("one") });
        let two = spawn(async move { root.cancel_with("two") });
        let told = token.cancelled().await;
        one.await.unwrap();
        two.await.unwrap();
        assert_eq!(Some(told), token.reason());
    });
}
