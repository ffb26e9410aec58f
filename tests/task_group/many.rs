//! A thousand groups inside groups.

use crate::support::{Count, for_ever, pending, sleep, yield_now};
use futures::FutureExt;
use futures::future::BoxFuture;
use regatta::Runtime;
use regatta::cancel::CancelToken;
use regatta::task::{TaskGroup, scope, task_group};
use std::convert::Infallible;

type Free = TaskGroup<'static, Infallible>;

/// Bodies inside one another need stack: about 3.5 KiB a level with `opt-level = 1`, twice that without optimisation. 8 MiB is what main threads
/// have. Groups that are *spawned* need none.
const STACK: usize = 8 << 20;
const DEEP: u32 = 1000;

fn on_a_small_stack(work: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new().stack_size(STACK).spawn(work);
    thread.unwrap().join().unwrap();
}

/// Each body awaits the next group.
fn bodies(depth: u32, alive: Count) -> BoxFuture<'static, u32> {
    Box::pin(async move {
        let group = scope(async move |g: Free| {
            let counted = alive.one();
            let child = g.spawn(async move {
                let _alive = counted;
                yield_now().await;
                Ok(1)
            });
            let below = if depth > 0 {
                bodies(depth - 1, alive).await
            } else {
                0
            };
            Ok(below + child.await)
        });
        group.await.unwrap()
    })
}

#[test]
fn bodies_a_thousand_deep_end() {
    on_a_small_stack(|| {
        let alive = Count::default();
        let all = bodies(DEEP, alive.clone());
        let neutral = Runtime::neutral().within(all);
        assert_eq!(futures::executor::block_on(neutral), DEEP + 1);
        assert_eq!(alive.get(), 0);
    });
}

#[test]
fn bodies_a_thousand_deep_are_cancelled_and_dropped() {
    on_a_small_stack(|| {
        for cancelled in [true, false] {
            let alive = Count::default();
            let counted = alive.clone();
            let mut all = Box::pin(scope(async move |g: Free| {
                let canceller = g.clone();
                drop(g.spawn(async move {
                    yield_now().await;
                    if cancelled {
                        canceller.cancel();
                    }
                }));
                nobody_ends(DEEP, counted).await;
                Ok(())
            }));
            assert!(all.as_mut().now_or_never().is_none());
            assert_eq!(alive.get(), DEEP as usize + 1);
            if cancelled {
                assert!(
                    futures::executor::block_on(all)
                        .unwrap_err()
                        .cancelled()
                        .is_some()
                );
            } else {
                drop(all);
            }
            assert_eq!(alive.get(), 0);
        }
    });
}

fn nobody_ends(depth: u32, alive: Count) -> BoxFuture<'static, ()> {
    Box::pin(async move {
        let group = scope::<(), Infallible, _, _>(async move |g| {
            let counted = alive.one();
            drop(g.spawn(async move {
                let _alive = counted;
                for_ever().await;
            }));
            if depth > 0 {
                nobody_ends(depth - 1, alive).await;
            }
            pending().await
        });
        drop(group.await);
    })
}

/// Each child is a group with a child.
fn children(depth: u32, alive: Count) -> BoxFuture<'static, u32> {
    Box::pin(async move {
        let group = task_group(async move |g: Free| {
            let _alive = alive.one();
            if depth == 0 {
                return Ok(1);
            }
            let below = children(depth - 1, alive.clone());
            Ok(1 + g.spawn(below.map(Ok)).await)
        });
        group.await.unwrap()
    })
}

async fn groups_spawned_a_thousand_deep_end() {
    let alive = Count::default();
    assert_eq!(children(DEEP, alive.clone()).await, DEEP + 1);
    assert_eq!(alive.get(), 0);
}

fn nobody_ends_spawned(depth: u32, alive: Count) -> BoxFuture<'static, ()> {
    Box::pin(async move {
        let group = task_group::<(), Infallible, _, _>(async move |g| {
            let _alive = alive.one();
            if depth > 0 {
                drop(g.spawn(nobody_ends_spawned(depth - 1, alive.clone())));
            }
            pending().await
        });
        drop(group.await);
    })
}

async fn groups_spawned_a_thousand_deep_are_cancelled_and_dropped() {
    for cancelled in [true, false] {
        let alive = Count::default();
        let counted = alive.clone();
        let token = CancelToken::new();
        let mut all = Box::pin(token.run(task_group::<(), Infallible, _, _>(async |g| {
            drop(g.spawn(nobody_ends_spawned(DEEP, counted)));
            pending().await
        })));
        while alive.get() <= DEEP as usize {
            assert!(futures::poll!(all.as_mut()).is_pending());
            sleep(1).await;
        }
        if !cancelled {
            drop(all);
            while alive.get() > 0 {
                sleep(1).await;
            }
            continue;
        }
        token.cancel();
        assert!(all.await.is_err());
        assert_eq!(alive.get(), 0);
    }
}

regatta::matrix! {
    groups_spawned_a_thousand_deep_end;
    groups_spawned_a_thousand_deep_are_cancelled_and_dropped;
}
