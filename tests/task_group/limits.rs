//! Bounded spawning.

use super::group;
use crate::support::{Count, MS, errors, for_ever, sleep, yield_now};
use futures::FutureExt;
use regatta::cancel::Reason;
use regatta::task::{ErrorGroup, TaskGroup};
use regatta::testing::{self, Config};
use regatta::time;
use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

type Free = TaskGroup<'static, Infallible>;

/// Watches that children keep to a limit of `n` and start in order.
#[derive(Clone)]
struct Rule {
    n: usize,
    running: Arc<AtomicUsize>,
    ended: Arc<AtomicUsize>,
}

impl Rule {
    fn new(n: usize) -> Rule {
        Rule {
            n,
            running: Arc::default(),
            ended: Arc::default(),
        }
    }

    /// The `i`-th child.
    async fn child(self, i: usize) {
        let running = self.running.fetch_add(1, SeqCst) + 1;
        assert!(running <= self.n, "{running} at once");
        // When it is its turn, all but n - 1 of those before it have ended.
        let ended = self.ended.load(SeqCst);
        assert!(ended + self.n > i, "child {i} overtook: {ended} had ended");
        match i % 3 {
            0 => {}
            1 => yield_now().await,
            _ => sleep(1).await,
        }
        self.running.fetch_sub(1, SeqCst);
        self.ended.fetch_add(1, SeqCst);
    }
}

async fn never_more_than_the_limit_and_in_order() {
    for n in [1, 2, 7] {
        let rule = Rule::new(n);
        group(async |g: Free| {
            g.limit(n);
            for i in 0..30 {
                let child = rule.clone().child(i);
                if i % 4 == 3 {
                    drop(g.spawn_when_free(child).await);
                } else {
                    drop(g.spawn(child));
                }
            }
            Ok(())
        })
        .await
        .unwrap();
        assert_eq!(rule.ended.load(SeqCst), 30);
    }
}

async fn callers_and_children_stand_in_one_line() {
    let order = Arc::new(Mutex::new(Vec::new()));
    let log = |what: &'static str| {
        let order = order.clone();
        async move { order.lock().unwrap().push(what) }
    };
    group(async |g: Free| {
        g.limit(1);
        let mut first = g.spawn(for_ever());
        drop(g.spawn(log("second")));
        let mut caller = Box::pin(g.spawn_when_free(log("third")));
        assert!(caller.as_mut().now_or_never().is_none());
        drop(g.spawn(log("fourth")));
        first.cancel();
        assert!(first.outcome().await.is_err());
        drop(caller.await);
        Ok(())
    })
    .await
    .unwrap();
    assert_eq!(*order.lock().unwrap(), ["second", "third", "fourth"]);
}

async fn a_caller_that_gives_up_leaves_its_place() {
    let ran = Count::default();
    let alive = Count::default();
    group(async |g: Free| {
        g.limit(1);
        let first = g.spawn(for_ever());
        let captured = alive.one();
        let waits = g.spawn_when_free(async move { drop(captured) });
        assert!(time::timeout(MS, waits).await.is_err());
        assert_eq!(alive.get(), 0, "dropped unstarted");
        first.cancel();
        let counted = ran.clone();
        g.spawn_when_free(async move { counted.add() }).await.await;
        Ok(())
    })
    .await
    .unwrap();
    assert_eq!(ran.get(), 1);
}

async fn a_turn_given_to_a_caller_that_is_dropped_goes_to_the_next() {
    group(async |g: Free| {
        g.limit(1);
        let mut first = g.spawn(for_ever());
        let mut granted = Box::pin(g.spawn_when_free(for_ever()));
        assert!(granted.as_mut().now_or_never().is_none());
        let second = g.spawn(async { Ok(2) });
        first.cancel();
        assert!(first.outcome().await.is_err());
        // The turn is given back after the value: let that happen.
        sleep(1).await;
        drop(granted);
        assert_eq!(second.await, 2);
        Ok(())
    })
    .await
    .unwrap();
}

async fn a_raised_limit_starts_those_in_line_and_a_lowered_one_stops_nobody() {
    let running = Count::default();
    group(async |g: Free| {
        g.limit(1);
        for _ in 0..6 {
            let counted = running.clone();
            drop(g.spawn(async move {
                let _one = counted.one();
                for_ever().await;
            }));
        }
        for (n, expected) in [(1, 1), (4, 4), (2, 4), (5, 5), (usize::MAX, 6)] {
            g.limit(n);
            while running.get() < expected {
                yield_now().await;
            }
            sleep(1).await;
            assert_eq!(running.get(), expected, "limit {n}");
        }
        g.cancel_children();
        Ok(())
    })
    .await
    .unwrap();
    assert_eq!(running.get(), 0);
}

async fn services_and_children_from_before_do_not_count() {
    group(async |g: Free| {
        drop(g.spawn(for_ever()));
        g.limit(1);
        drop(g.service(for_ever()));
        assert_eq!(g.spawn(async { Ok(1) }).await, 1);
        assert_eq!(g.named("s").service(async { Ok(2) }).await, 2);
        g.cancel_children();
        Ok(())
    })
    .await
    .unwrap();
}

async fn an_error_dissolves_the_line() {
    let (ran, alive) = (Count::default(), Count::default());
    let result: Result<(), ErrorGroup<&str>> = group(async |g| {
        g.limit(1);
        drop(g.spawn(async {
            sleep(1).await;
            Err::<(), _>("first")
        }));
        for _ in 0..5 {
            let (ran, captured) = (ran.clone(), alive.one());
            drop(g.spawn(async move {
                ran.add();
                drop(captured);
            }));
        }
        for_ever().await;
        Ok(())
    })
    .await;
    assert_eq!(errors(result), ["first"]);
    assert_eq!((ran.get(), alive.get()), (0, 0));
}

async fn waiting_for_a_turn_in_a_group_that_ends_gives_a_cancelled_handle() {
    group(async |g: Free| {
        g.limit(1);
        drop(g.spawn(for_ever()));
        let canceller = g.clone();
        drop(g.service(async move {
            sleep(1).await;
            canceller.cancel_children();
        }));
        let mut refused = g.spawn_when_free(for_ever()).await;
        let end = refused.outcome().await.unwrap_err();
        assert_eq!(end.reason(), &Reason::Requested);
        // And at once from now on.
        let mut refused = g.spawn_when_free(for_ever()).await;
        assert!(refused.outcome().await.is_err());
        Ok(())
    })
    .await
    .unwrap();
}

async fn a_limit_of_zero_is_refused() {
    group(async |g: Free| {
        let refused = catch_unwind(AssertUnwindSafe(|| g.limit(0))).unwrap_err();
        assert_eq!(
            refused.downcast_ref::<&str>(),
            Some(&"TaskGroup::limit(0): no child would ever run; use at least 1, or `usize::MAX` for no limit")
        );
        Ok(())
    })
    .await
    .unwrap();
}

async fn a_hundred_thousand_children_exist_a_few_at_a_time() {
    let (alive, ended) = (Count::default(), Count::default());
    group(async |g: Free| {
        g.limit(8);
        for i in 0..100_000 {
            let (one, ended) = (alive.one(), ended.clone());
            assert!(alive.get() <= 9, "{} futures at child {i}", alive.get());
            let child = async move {
                if i % 16 == 0 {
                    yield_now().await;
                }
                ended.add();
                drop(one);
            };
            drop(g.spawn_when_free(child).await);
        }
        Ok(())
    })
    .await
    .unwrap();
    assert_eq!((alive.get(), ended.get()), (0, 100_000));
}

#[test]
fn a_hundred_thousand_in_virtual_time_too() {
    let config = Config::new(0).max_steps(u64::MAX);
    testing::run_with(config, a_hundred_thousand_children_exist_a_few_at_a_time).unwrap();
}

regatta::matrix! {
    never_more_than_the_limit_and_in_order;
    callers_and_children_stand_in_one_line;
    a_caller_that_gives_up_leaves_its_place;
    a_turn_given_to_a_caller_that_is_dropped_goes_to_the_next;
    a_raised_limit_starts_those_in_line_and_a_lowered_one_stops_nobody;
    services_and_children_from_before_do_not_count;
    an_error_dissolves_the_line;
    waiting_for_a_turn_in_a_group_that_ends_gives_a_cancelled_handle;
    a_limit_of_zero_is_refused;
    a_hundred_thousand_children_exist_a_few_at_a_time [tokio_current, tokio_multi, smol];
}
