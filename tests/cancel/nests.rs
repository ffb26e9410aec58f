//! Scopes inside scopes. Watches and shields reach as far as the next owner that passes things on, and tokens as far as the next group: all
//! that is around them takes hold all the same, and also where futures move between their polls.

use crate::cleanups::Log;
use crate::ground::{Count, HOUR, MS, Watch, spawn};
use futures::poll;
use futures::stream::{FuturesUnordered, StreamExt};
use regatta::cancel::{self, CancelToken};
use regatta::task::{ErrorGroup, scope, yield_now};
use regatta::time;
use std::convert::Infallible;
use std::future::{Future, pending, ready};
use std::pin::{Pin, pin};
use std::sync::Mutex;
use std::task::Poll;
use std::time::Duration;

/// Polls a future once inside the scope of `token`, which it has left then.
async fn poll_in<F: Future + ?Sized>(token: &CancelToken, future: Pin<&mut F>) -> Poll<F::Output> {
    let polled = token.run(async { poll!(future) }).await;
    polled.expect("nothing is cancelled")
}

/// A group around `body`.
async fn group<F: Future<Output: Send> + Send>(body: F) -> F::Output {
    let ended: Result<_, ErrorGroup<Infallible>> = scope(async |_| Ok(body.await)).await;
    ended.expect("nothing can fail")
}

fn after_a_while(token: &CancelToken) {
    let token = token.clone();
    drop(spawn(async move {
        time::sleep(MS).await;
        token.cancel();
    }));
}

async fn cleanups_that_move_together_belong_to_the_scope_they_are_in() {
    let (log, one, two) = (Log::default(), CancelToken::new(), CancelToken::new());
    let inner = cancel::finally(pending::<()>(), log.cleanup("inner"));
    let mut nest = Box::pin(cancel::finally(inner, log.cleanup("outer")));
    assert!(poll_in(&one, nest.as_mut()).await.is_pending());
    let mut run = pin!(two.run(nest.as_mut()));
    assert!(poll!(run.as_mut()).is_pending());
    one.cancel();
    time::sleep(2 * MS).await;
    assert!(poll!(run.as_mut()).is_pending());
    log.says(&[]);
    after_a_while(&two);
    assert!(run.await.is_err());
    log.says(&["inner", "outer"]);
}

async fn a_cleanup_moves_out_of_another_one_and_into_a_third() {
    let (log, one, two) = (Log::default(), CancelToken::new(), CancelToken::new());
    let mut inner = Box::pin(cancel::finally(pending::<()>(), log.cleanup("inner")));
    let lent = inner.as_mut();
    // It ends without its cleanup: a started one that is dropped would be counted.
    let first = cancel::on_cancel(async { poll!(lent).is_pending() }, async {});
    assert_eq!(one.run(first).await, Ok(true));
    let run = two.run(cancel::finally(inner.as_mut(), log.cleanup("third")));
    after_a_while(&two);
    assert!(run.await.is_err());
    log.says(&["inner", "third"]);
}

async fn cleanup_is_reached_through_futures_unordered_between_cleanups() {
    // It polls only those that were woken: each owner that is told wakes those inside.
    let token = CancelToken::new();
    let (inner, middle, outer) = (Count::new(), Count::new(), Count::new());
    let cleanup = |count: &Count| {
        let count = count.clone();
        async move {
            time::sleep(MS).await;
            count.up();
        }
    };
    let crowd = || {
        let one = || cancel::finally(pending::<()>(), cleanup(&inner));
        (0..3).map(|_| one()).collect::<FuturesUnordered<_>>()
    };
    let crowds: FuturesUnordered<_> = (0..3)
        .map(|_| cancel::finally(crowd().collect::<Vec<_>>(), cleanup(&middle)))
        .collect();
    let nest = cancel::finally(crowds.collect::<Vec<_>>(), async {
        assert_eq!((inner.get(), middle.get()), (9, 3));
        cleanup(&outer).await;
    });
    let run = token.run(async {
        let mut all = FuturesUnordered::from_iter([nest]);
        all.next().await
    });
    after_a_while(&token);
    assert!(run.await.is_err());
    assert_eq!(outer.get(), 1);
}

async fn a_shield_deep_in_groups_and_cleanups_holds_all_around() {
    let (watch, log) = (Watch::start(), Log::default());
    let save = cancel::shield(time::sleep(5 * MS));
    let nest = group(cancel::finally(group(group(save)), log.cleanup("cleanup")));
    // What it has is not lost.
    let late = time::timeout(2 * MS, time::timeout(3 * MS, nest)).await;
    assert_eq!(late, Ok(Ok(())));
    log.says(&["cleanup"]);
    watch.shows(6 * MS);
}

async fn a_cleanup_that_waits_after_its_future_ended_holds_all_around() {
    for grouped in [false, true] {
        let watch = Watch::start();
        let work = async {
            let work = cancel::finally(async { 7 }, time::sleep(5 * MS));
            let work = cancel::finally(work, async {});
            time::timeout(HOUR, work).await
        };
        let work = async {
            if grouped {
                group(group(work)).await
            } else {
                work.await
            }
        };
        // Longer than the limits, but what it has is not lost.
        let token = CancelToken::new();
        let nest = time::timeout(2 * MS, time::timeout(2 * MS, token.run(work)));
        after_a_while(&token);
        assert_eq!(nest.await, Ok(Ok(Ok(Ok(7)))));
        watch.shows(5 * MS);
    }
}

async fn a_token_follows_all_that_is_around_the_groups_around_it() {
    for which in 0..5 {
        let tokens = [(); 3].map(|()| CancelToken::new());
        let told = Count::new();
        let outer: Result<(), ErrorGroup<Infallible>> = scope(async |first| {
            let inner: Result<(), ErrorGroup<Infallible>> = scope(async |second| {
                let innermost = async {
                    // One that was taken further in follows the same.
                    let seen = [cancel::current(), group(async { cancel::current() }).await];
                    match which {
                        0 => first.cancel_with("enough"),
                        1 => second.cancel_with("enough"),
                        n => tokens[n - 2].cancel_with("enough"),
                    }
                    for token in seen {
                        assert_eq!(token.reason(), Some("enough".into()));
                    }
                    told.up();
                    pending::<()>().await
                };
                let ended = tokens[0].run(tokens[1].run(group(tokens[2].run(innermost))));
                drop(ended.await);
                Ok(())
            })
            .await;
            drop(inner);
            Ok(())
        })
        .await;
        drop(outer);
        assert_eq!(told.get(), 1);
    }
}

/// Polls groups, of which `depth` are inside each other, in the scope of one token and then in that of another, where a token is taken inside.
async fn a_token_taken_after_a_move_follows(which: usize, depth: usize, tokens: &[CancelToken; 2]) {
    type Nest<'a> = futures::future::BoxFuture<'a, ()>;
    let seen = Mutex::new(None);
    let mut nest: Nest<'_> = Box::pin(async {
        yield_now().await;
        *seen.lock().unwrap() = Some(cancel::current());
        pending::<()>().await
    });
    for _ in 0..depth {
        nest = Box::pin(cancel::finally(group(nest), async {}));
    }
    assert!(poll_in(&tokens[0], nest.as_mut()).await.is_pending());
    assert!(seen.lock().unwrap().is_none());
    let mut run = pin!(tokens[1].run_graceful(MS, nest));
    assert!(poll!(run.as_mut()).is_pending());
    let taken = seen.lock().unwrap().clone().expect("it has gone on");
    assert_eq!(
        taken.deadline(),
        tokens[0].deadline().min(tokens[1].deadline())
    );
    // In its grace nothing inside is dropped yet, which would tell of itself.
    tokens[which].cancel_with("enough");
    assert_eq!(taken.reason(), Some("enough".into()));
    tokens[1].cancel();
    assert!(run.await.is_err());
}

async fn a_token_taken_in_groups_that_moved_follows_where_they_are_and_were_made() {
    for depth in 1..4 {
        for which in 0..2 {
            let tokens = [1, 2].map(|n| CancelToken::new().child_for(n * HOUR));
            a_token_taken_after_a_move_follows(which, depth, &tokens).await;
            let tokens = [2, 1].map(|n| CancelToken::new().child_for(n * HOUR));
            a_token_taken_after_a_move_follows(which, depth, &tokens).await;
        }
    }
}

async fn a_group_that_only_gave_way_before_it_moved_belongs_to_where_it_begins() {
    for more in 0..3_000 {
        // Until the budget of this poll is used up; and where it begins anew then, until the next operation is the one that gives way.
        let spend = async || poll!(pin!(time::timeout(HOUR, ready(())))).is_ready();
        while spend().await {}
        for _ in 0..more {
            spend().await;
        }
        let (one, two) = (CancelToken::new(), CancelToken::new());
        let (seen, log) = (Mutex::new(None), Log::default());
        let mut nest = pin!(group(async {
            *seen.lock().unwrap() = Some(cancel::current());
            group(cancel::finally(pending::<()>(), async {
                log.note("cleanup")
            }))
            .await;
        }));
        assert!(poll_in(&one, nest.as_mut()).await.is_pending());
        // Its body has not begun if it gave way first.
        let gave_way = seen.lock().unwrap().is_none();
        let mut run = pin!(two.run_graceful(if gave_way { MS } else { Duration::ZERO }, nest));
        assert!(poll!(run.as_mut()).is_pending());
        two.cancel_with("here");
        let token = seen.lock().unwrap().clone().expect("it has begun");
        assert_eq!(token.is_cancelled(), gave_way);
        assert!(run.await.is_err());
        log.says(&["cleanup"]);
        if gave_way {
            return;
        }
    }
    panic!("it never gave way");
}

regatta::matrix! {
    cleanups_that_move_together_belong_to_the_scope_they_are_in;
    a_cleanup_moves_out_of_another_one_and_into_a_third;
    cleanup_is_reached_through_futures_unordered_between_cleanups;
    a_shield_deep_in_groups_and_cleanups_holds_all_around;
    a_cleanup_that_waits_after_its_future_ended_holds_all_around;
    a_token_follows_all_that_is_around_the_groups_around_it;
    a_token_taken_in_groups_that_moved_follows_where_they_are_and_were_made;
    a_group_that_only_gave_way_before_it_moved_belongs_to_where_it_begins;
}
