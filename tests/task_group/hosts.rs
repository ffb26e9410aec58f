//! The host of a group: dropped, moved, polled by others, without a runtime.

use crate::support::{Count, for_ever, pending, sleep, yield_now};
use futures::FutureExt;
use futures::stream::{FuturesUnordered, StreamExt};
use regatta::cancel::{self, CancelToken, Reason};
use regatta::runtime::{Backend, BoxFuture, BoxWork};
use regatta::task::{ErrorGroup, TaskGroup, scope, task_group};
use regatta::testing::{self, Config};
use regatta::{Runtime, time};
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

type Free = TaskGroup<'static, Infallible>;
type Never = Result<(), ErrorGroup<Infallible>>;

/// A body that spawns three children which live as long as they can, shielded.
async fn three(g: Free, alive: Count) -> Result<(), Infallible> {
    for _ in 0..3 {
        let counted = alive.clone();
        drop(g.spawn(cancel::shield(async move {
            let _alive = counted.one();
            for_ever().await;
        })));
    }
    pending().await
}

async fn children_in_place_die_with_a_dropped_host() {
    let alive = Count::default();
    let counted = alive.clone();
    let host = scope(async |g| three(g, counted).await);
    let mut host = Box::pin(host);
    assert!(host.as_mut().now_or_never().is_none());
    assert_eq!(alive.get(), 3);
    drop(host);
    assert_eq!(alive.get(), 0);
}

async fn spawned_children_die_at_their_next_poll_when_their_host_is_dropped() {
    let alive = Count::default();
    let counted = alive.clone();
    let mut host = Box::pin(task_group(async |g| three(g, counted).await));
    assert!(host.as_mut().now_or_never().is_none());
    alive.reaches(3).await;
    drop(host);
    // Their polls have been asked for; shields are for hosts that can wait.
    while alive.get() > 0 {
        yield_now().await;
    }
}

async fn a_group_that_was_dropped_hands_out_cancelled_handles() {
    let mut kept = None;
    let mut host = Box::pin(task_group::<(), Infallible, _, _>(async |g| {
        kept = Some(g.clone());
        pending().await
    }));
    assert!(host.as_mut().now_or_never().is_none());
    drop(host);
    let mut late = kept.unwrap().spawn(for_ever());
    let end = late.outcome().await.unwrap_err();
    assert_eq!(end.reason(), &Reason::ScopeEnded);
}

#[test]
fn a_dropped_host_leaks_nothing() {
    for seed in 0..200 {
        let config = Config::swarm(seed).forbid_leaks(true);
        let alive = Count::default();
        testing::run_with(config, async || {
            for rounds in 0..4 {
                let in_place = scope(async |g: Free| three(g, alive.clone()).await);
                let counted = alive.clone();
                let spawned = task_group(async |g: Free| {
                    g.limit(2);
                    three(g, counted).await
                });
                let mut both = Box::pin(futures::future::join(in_place, spawned));
                for _ in 0..rounds {
                    assert!(futures::poll!(both.as_mut()).is_pending());
                    yield_now().await;
                }
                drop(both);
            }
            testing::settle().await;
        })
        .unwrap();
        assert_eq!(alive.get(), 0);
    }
}

/// Polls `host` once by hand, and the rest of it in another task.
async fn moved(host: BoxFuture<'static, Never>) {
    let mut host = host;
    assert!(futures::poll!(host.as_mut()).is_pending());
    let other = Runtime::current().try_spawn(host).unwrap();
    assert_eq!(
        other.await.unwrap().unwrap_err().to_string(),
        "cancelled: moved"
    );
}

async fn a_host_may_move_between_tasks() {
    async fn body(g: Free) -> Result<(), Infallible> {
        let child = g.spawn(sleep(2));
        let canceller = g.clone();
        drop(g.spawn(async move {
            child.await;
            canceller.cancel_with("moved");
        }));
        pending().await
    }
    moved(Box::pin(task_group(body))).await;
    moved(Box::pin(scope(body))).await;
}

/// Only the waker of the group in it is ever woken.
async fn cancellation_reaches_groups_inside_combinators() {
    for _ in 0..3 {
        let token = CancelToken::new();
        let alive = Count::default();
        let groups: FuturesUnordered<BoxFuture<'static, Never>> = FuturesUnordered::new();
        for _ in 0..3 {
            let (one, other) = (alive.clone(), alive.clone());
            groups.push(Box::pin(scope(async |g| three_polite(g, one).await)));
            groups.push(Box::pin(task_group(async |g| three_polite(g, other).await)));
        }
        let all = token.run(async {
            let joined = futures::future::join(
                scope(async |g: Free| three_polite(g, alive.clone()).await),
                groups.collect::<Vec<_>>(),
            );
            joined.await
        });
        let cancel = async {
            sleep(2).await;
            token.cancel_with("now");
        };
        let (ended, ()) = futures::future::join(all, cancel).await;
        assert_eq!(ended.unwrap_err().reason(), &Reason::from("now"));
        assert_eq!(alive.get(), 0, "all were joined");
    }
}

async fn three_polite(g: Free, alive: Count) -> Result<(), Infallible> {
    for _ in 0..3 {
        let counted = alive.clone();
        drop(g.spawn(cancel::on_cancel(
            async move {
                let _alive = counted.one();
                for_ever().await;
            },
            sleep(1),
        )));
    }
    pending().await
}

/// Keeps what it is given and never runs it, until it is told to.
#[derive(Clone, Default)]
struct Doomed(Arc<Mutex<Vec<BoxFuture<'static, ()>>>>);

impl Backend for Doomed {
    fn spawn(&self, task: BoxFuture<'static, ()>) {
        self.0.lock().unwrap().push(task);
    }

    fn spawn_blocking(&self, work: BoxWork) {
        drop(work);
    }

    fn sleep_until(&self, at: Instant) -> BoxFuture<'static, ()> {
        Box::pin(Runtime::neutral().sleep_until(at))
    }

    fn now(&self) -> Instant {
        Runtime::neutral().now()
    }
}

#[test]
fn a_runtime_that_stops_under_a_group_ends_it() {
    for started in [false, true] {
        let backend = Doomed::default();
        let alive = Count::default();
        let mut handle = None;
        let host = Runtime::custom(backend.clone()).within(task_group(async |g: Free| {
            let counted = alive.one();
            handle = Some(g.named("lost").spawn(async move {
                let _alive = counted;
                for_ever().await;
            }));
            pending::<Result<(), Infallible>>().await
        }));
        let mut host = Box::pin(host);
        assert!(host.as_mut().now_or_never().is_none());
        if started {
            for task in backend.0.lock().unwrap().iter_mut() {
                assert!(task.as_mut().now_or_never().is_none());
            }
        }
        // The runtime goes, and drops its tasks.
        let tasks = std::mem::take(&mut *backend.0.lock().unwrap());
        drop(tasks);
        let ended = futures::executor::block_on(host).unwrap_err();
        assert_eq!(ended.cancelled(), Some(&Reason::Shutdown));
        assert_eq!(ended.to_string(), "cancelled: shutdown");
        let end = handle.unwrap().try_outcome().unwrap().unwrap_err();
        assert_eq!(end.reason(), &Reason::Shutdown);
        assert_eq!(alive.get(), 0);
    }
}

#[test]
fn a_runtime_that_stops_under_a_group_inside_fails_the_outer_one() {
    let backend = Doomed::default();
    let stopping = backend.clone();
    let ended = futures::executor::block_on(scope::<(), Infallible, _, _>(async |g| {
        let inner = task_group(async |g: Free| {
            drop(g.spawn(for_ever()));
            Ok(())
        });
        let inner = Runtime::custom(backend).within(inner);
        drop(g.named("inner").spawn_nested(inner));
        yield_now().await;
        let tasks = std::mem::take(&mut *stopping.0.lock().unwrap());
        drop(tasks);
        pending().await
    }));
    let ended = ended.unwrap_err();
    assert_eq!(
        format!("{ended:#}").lines().last(),
        Some("└─ inner: cancelled: shutdown")
    );
    assert!(ended.is_empty());
}

#[test]
fn without_a_runtime_a_task_group_runs_in_place() {
    let neutral = Runtime::neutral();
    let sum = futures::executor::block_on(neutral.within(async {
        let here = std::thread::current().id();
        task_group(async |g: Free| {
            let one = g.spawn(async move {
                time::sleep(Duration::from_millis(2)).await;
                assert_eq!(std::thread::current().id(), here);
                Ok(1)
            });
            let two = g.spawn_with(|g| async move { Ok(g.spawn(async { Ok(2) }).await) });
            Ok(one.await + two.await)
        })
        .await
        .unwrap()
    }));
    assert_eq!(sum, 3);
}

// 147
#[test]
fn a_report_shows_whom_a_host_waits_for() {
    let report = testing::run_with(Config::new(0), async || {
        let all = task_group(async |g: Free| {
            drop(g.named("stuck").spawn(for_ever()));
            Ok(())
        });
        all.await
    });
    let text = report.value.unwrap_err().to_string();
    assert!(
        text.contains("waiting on the children of its task group"),
        "{text}"
    );
    assert!(
        text.contains("`stuck` spawned at tests/task_group/hosts.rs:"),
        "{text}"
    );
}

fn never_waits(g: Free) -> BoxFuture<'static, ()> {
    Box::pin(async move { drop(g.spawn_with(never_waits)) })
}

// 23: children that end as fast as they come do not keep their host, nor its neighbours, from running.
async fn children_that_respawn_without_awaiting_give_way_in_place() {
    let stopped: Never = scope(async |g| {
        drop(g.spawn_with(never_waits));
        for _ in 0..20 {
            yield_now().await;
        }
        g.cancel_with("enough");
        pending().await
    })
    .await;
    assert_eq!(stopped.unwrap_err().to_string(), "cancelled: enough");
    let busy = scope::<(), Infallible, _, _>(async |g| {
        drop(g.spawn_with(never_waits));
        pending().await
    });
    let neighbour = async {
        for _ in 0..20 {
            yield_now().await;
        }
    };
    futures::future::select(Box::pin(busy), Box::pin(neighbour)).await;
}

// The schedules of virtual time need not be fair, and nobody could stop such a program under those that are not.
async fn children_that_respawn_without_awaiting_give_way_on_a_runtime() {
    let stopped: Never = task_group(async |g| {
        drop(g.spawn_with(never_waits));
        sleep(2).await;
        g.cancel_with("enough");
        pending().await
    })
    .await;
    assert_eq!(stopped.unwrap_err().to_string(), "cancelled: enough");
}

regatta::matrix! {
    children_in_place_die_with_a_dropped_host;
    spawned_children_die_at_their_next_poll_when_their_host_is_dropped;
    a_group_that_was_dropped_hands_out_cancelled_handles;
    a_host_may_move_between_tasks;
    cancellation_reaches_groups_inside_combinators;
    children_that_respawn_without_awaiting_give_way_in_place;
    children_that_respawn_without_awaiting_give_way_on_a_runtime [tokio_current, tokio_multi, smol];
}
