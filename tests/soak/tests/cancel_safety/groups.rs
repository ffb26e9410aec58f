//! Everything asynchronous about groups, dropped at every poll, a hundred thousand times each. Nothing may be left.

use regatta::Runtime;
use regatta::cancel;
use regatta::task::{
    Ready, Task, TaskGroup, scope, supervisor_group, supervisor_scope, task_group,
};
use regatta::testing::{self, CancelReport, Outcome, yield_now};
use regatta_soak::{DROPS, MS, passed};
use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

type Free = TaskGroup<'static, Infallible>;

/// Counts what is alive.
#[derive(Clone, Default)]
struct Count(Arc<AtomicUsize>);

struct Counted(Arc<AtomicUsize>);

impl Count {
    fn one(&self) -> Counted {
        self.0.fetch_add(1, SeqCst);
        Counted(self.0.clone())
    }

    fn get(&self) -> usize {
        self.0.load(SeqCst)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

fn check(what: &str, right: bool) -> Result<(), String> {
    if right { Ok(()) } else { Err(what.to_owned()) }
}

#[track_caller]
fn judge(report: CancelReport) {
    println!("{report}");
    passed(&report);
}

/// A body with all there is: children that end, that are shielded, that clean up, that stand in line; a service; a group inside.
async fn busy(g: Free, alive: Count) -> Result<u32, Infallible> {
    g.limit(2);
    let (a, b, c, d, e) = (
        alive.one(),
        alive.one(),
        alive.one(),
        alive.one(),
        alive.one(),
    );
    let first = g.spawn(async move {
        let _alive = a;
        yield_now().await;
        Ok(1)
    });
    drop(g.spawn(cancel::shield(async move {
        let _alive = b;
        regatta::time::sleep(MS).await;
    })));
    let counted = alive.clone();
    drop(g.spawn(async move {
        let _alive = c;
        let cleanup = async move {
            let _alive = counted.one();
            yield_now().await;
        };
        cancel::finally(yield_now(), cleanup).await;
    }));
    drop(g.service(async move {
        let _alive = d;
        std::future::pending::<()>().await;
    }));
    let inner = g.spawn_nested(task_group(async move |g: Free| {
        let child = g.spawn(async move {
            let _alive = e;
            yield_now().await;
            Ok(2)
        });
        Ok(child.await)
    }));
    Ok(first.await + inner.await)
}

#[test]
fn a_task_group_leaves_no_child() {
    judge(testing::cancel_safety_drops(
        DROPS,
        async || Count::default(),
        |alive| task_group(async move |g| busy(g, alive).await),
        |alive, outcome| async move {
            testing::settle().await;
            if let Outcome::Completed(value) = outcome {
                check("its value", value.is_ok_and(|v| v == 3))?;
            }
            check("a child is alive", alive.get() == 0)
        },
    ));
}

#[test]
fn a_scope_leaves_no_child() {
    judge(testing::cancel_safety_drops(
        DROPS,
        async || Count::default(),
        |alive| scope(async move |g| busy(g, alive).await),
        |alive, outcome| async move {
            if let Outcome::Completed(value) = outcome {
                check("its value", value.is_ok_and(|v| v == 3))?;
                return check("a child is alive", alive.get() == 0);
            }
            // All in place is gone at once; the group inside is not, its child was spawned.
            check("children in place are alive", alive.get() <= 1)?;
            testing::settle().await;
            check("a child is alive", alive.get() == 0)
        },
    ));
}

/// The value of the body is among what may be lost: it counts as alive until it is dropped.
#[test]
fn a_supervisor_leaves_neither_child_nor_value() {
    judge(testing::cancel_safety_drops(
        DROPS,
        async || Count::default(),
        |alive| {
            supervisor_group(async move |g: Free| {
                let kept = alive.one();
                Ok((busy(g, alive).await?, kept))
            })
        },
        |alive, outcome| async move {
            if let Outcome::Completed(both) = outcome {
                let both = both.map_err(|e| e.to_string())?;
                check("its value", both.value.0 == 3 && both.errors.is_none())?;
            }
            testing::settle().await;
            check("a child or the value is alive", alive.get() == 0)
        },
    ));
    judge(testing::cancel_safety_drops(
        DROPS,
        async || Count::default(),
        |alive| {
            supervisor_scope(async move |g: TaskGroup<'_, &str>| {
                for n in 0..3 {
                    let one = alive.one();
                    drop(g.spawn(async move {
                        let _one = one;
                        yield_now().await;
                        if n == 1 { Err("one") } else { Ok(()) }
                    }));
                }
                Ok(alive.one())
            })
        },
        |alive, outcome| async move {
            if let Outcome::Completed(both) = outcome {
                let both = both.map_err(|e| e.to_string())?;
                check("the value is alive", alive.get() == 1)?;
                let first = both.errors.and_then(|e| e.into_first());
                check("its errors", first == Some("one"))?;
                drop(both.value);
            }
            check("a child or the value is alive", alive.get() == 0)
        },
    ));
}

/// A group that lives as long as it is told to, in a task of its own.
#[derive(Clone)]
struct World {
    group: Arc<Mutex<Option<Free>>>,
    /// The handle under test.
    task: Arc<Mutex<Option<Task<u32>>>>,
    ended: Count,
    alive: Count,
    close: async_channel::Sender<()>,
}

impl World {
    async fn new(limit: usize) -> World {
        let (close, closed) = async_channel::bounded::<()>(1);
        let world = World {
            group: Arc::default(),
            task: Arc::default(),
            ended: Count::default(),
            alive: Count::default(),
            close,
        };
        let (mine, ended) = (world.group.clone(), world.ended.one());
        let host = Runtime::current().try_spawn(async move {
            let all = task_group(async |g: Free| {
                g.limit(limit);
                *mine.lock().unwrap() = Some(g);
                let _ = closed.recv().await;
                Ok(())
            });
            all.await.unwrap();
            drop(ended);
        });
        drop(host.unwrap());
        testing::settle().await;
        world
    }

    fn group(&self) -> Free {
        self.group.lock().unwrap().clone().unwrap()
    }

    /// The group ends, with nobody left.
    async fn ends(&self) -> Result<(), String> {
        self.close.close();
        *self.group.lock().unwrap() = None;
        testing::settle().await;
        check("a child is alive", self.alive.get() == 0)?;
        check("the group has not ended", self.ended.get() == 0)
    }
}

async fn with_a_child() -> World {
    let world = World::new(usize::MAX).await;
    let one = world.alive.one();
    let task = world.group().spawn(async move {
        let _one = one;
        yield_now().await;
        yield_now().await;
        Ok(7)
    });
    *world.task.lock().unwrap() = Some(task);
    world
}

/// Puts the handle back, also when the await is dropped.
struct Lent(World, Option<Task<u32>>);

impl Drop for Lent {
    fn drop(&mut self) {
        *self.0.task.lock().unwrap() = self.1.take();
    }
}

fn lend(world: &World) -> Lent {
    let task = world.task.lock().unwrap().take();
    Lent(world.clone(), task)
}

async fn the_value_is_there(world: World, outcome: Outcome<u32>) -> Result<(), String> {
    let got = match outcome {
        Outcome::Completed(value) => value,
        _ => lend(&world).1.as_mut().unwrap().await,
    };
    check("its value", got == 7)?;
    drop(world.task.lock().unwrap().take());
    world.ends().await
}

#[test]
fn awaiting_a_task_leaves_its_value() {
    judge(testing::cancel_safety_drops(
        DROPS,
        with_a_child,
        |world| async move { lend(&world).1.as_mut().unwrap().await },
        the_value_is_there,
    ));
}

#[test]
fn an_outcome_leaves_its_value() {
    judge(testing::cancel_safety_drops(
        DROPS,
        with_a_child,
        |world| async move { lend(&world).1.as_mut().unwrap().outcome().await.unwrap() },
        the_value_is_there,
    ));
}

#[test]
fn start_leaves_no_child_that_nobody_knows() {
    judge(testing::cancel_safety_drops(
        DROPS,
        async || World::new(2).await,
        |world| async move {
            let (g, alive) = (world.group(), world.alive.clone());
            let start = g.start(move |ready: Ready<u32>| {
                let one = alive.one();
                async move {
                    let _one = one;
                    yield_now().await;
                    ready.set(5);
                    yield_now().await;
                    Ok(())
                }
            });
            start.await.unwrap()
        },
        |world, outcome| async move {
            if let Outcome::Completed(value) = outcome {
                check("its value", value == 5)?;
            }
            testing::settle().await;
            check("the child is alive", world.alive.get() == 0)?;
            // Both turns are free.
            let (g, rivals) = (world.group(), world.alive.clone());
            for _ in 0..2 {
                let one = rivals.one();
                drop(g.spawn(async move {
                    let _one = one;
                    regatta::time::sleep(MS).await;
                }));
            }
            drop(g.spawn_when_free(async {}).await);
            world.ends().await
        },
    ));
}

#[test]
fn spawn_when_free_leaves_no_place_taken() {
    judge(testing::cancel_safety_drops(
        DROPS,
        async || {
            let world = World::new(1).await;
            let g = world.group();
            drop(g.spawn(yield_now()));
            // A rival behind, or before, in line.
            let (of_rival, one) = (g.clone(), world.alive.one());
            drop(g.service(async move {
                drop(of_rival.spawn_when_free(async move { drop(one) }).await);
            }));
            world
        },
        |world| async move {
            let (g, one) = (world.group(), world.alive.one());
            let child = g.spawn_when_free(async move {
                let _one = one;
                yield_now().await;
                Ok(3)
            });
            drop(child.await);
        },
        |world, _| async move {
            testing::settle().await;
            check(
                "a child is alive, or a rival has no turn",
                world.alive.get() == 0,
            )?;
            // The one turn is free, and only one.
            let g = world.group();
            drop(g.spawn_when_free(yield_now()).await);
            let mut second = Box::pin(g.spawn_when_free(async {}));
            check("two turns", futures::poll!(second.as_mut()).is_pending())?;
            drop(second.await);
            world.ends().await
        },
    ));
}
