//! `task`: groups, scopes, and the handles of their children.

use crate::user::User;
use crate::world::{Entry, Gate, World, entry};
use regatta::task::{self, ErrorGroup, Supervised, Task, TaskGroup, When};
use std::future::Future;

const SPAWNED: &str = "its children are tasks of the runtime";
const IN_PLACE: &str = "its children are polled after its body";

type Sure<T = ()> = Result<T, &'static str>;

async fn passed(gate: Gate) -> Sure {
    gate.pass().await;
    Ok(())
}

/// What `body` does in a group on the runtime.
fn grouped<F, Fut>(body: F) -> World
where
    F: Fn(TaskGroup<'static, &'static str>, Gate) -> Fut + Send + Sync + Clone + 'static,
    Fut: Future<Output = Sure> + 'static,
{
    World::around(move |gate| {
        let body = body.clone();
        async move { task::task_group(|g| body(g, gate)).await }
    })
    .never_at_once(SPAWNED)
}

/// A scope on the caller's own task.
fn scoped<F, Fut>(body: F) -> World
where
    F: Fn(TaskGroup<'static, &'static str>, Gate) -> Fut + Send + Sync + Clone + 'static,
    Fut: Future<Output = Sure> + 'static,
{
    World::around(move |gate| {
        let body = body.clone();
        async move { task::scope(|g| body(g, gate)).await }
    })
    .never_at_once(IN_PLACE)
}

fn valued(user: &User, of: impl Fn(User, Gate) -> World) -> World {
    of(user.clone(), Gate::default())
}

/// A supervisor whose only error is that of the child that fails alone.
fn both_of(
    ended: Result<Supervised<(), &'static str>, ErrorGroup<&'static str>>,
) -> Result<(), String> {
    let Supervised { value, errors } = ended.map_err(|e| e.to_string())?;
    match errors.as_ref().map(|all| all.iter().collect::<Vec<_>>()) {
        Some(all) if all == [&"it fails alone"] => Ok(value),
        _ => Err(format!("its errors are {errors:?}")),
    }
}

pub(super) fn entries() -> Vec<Entry> {
    vec![
        entry("task::task_group", |_| {
            grouped(|g, gate| async move {
                drop(g.spawn(passed(gate)));
                Ok(())
            })
        }),
        entry("task::task_group (nothing spawned)", |_| {
            World::around(|gate| async move { task::task_group(|_| passed(gate)).await })
        }),
        entry("task::scope", |user| {
            valued(user, |user, _| {
                World::around(move |gate| {
                    let user = user.clone();
                    async move {
                        task::scope(async |g| {
                            let value = user.value();
                            // Nobody looks at what it gives.
                            drop(g.spawn(async move {
                                gate.pass().await;
                                Sure::Ok(value)
                            }));
                            Ok(())
                        })
                        .await
                    }
                })
                .never_at_once(IN_PLACE)
            })
        }),
        entry("task::local_scope", |_| {
            World::around(|gate| async move {
                task::local_scope(async |g| {
                    drop(g.spawn(passed(gate)));
                    Sure::Ok(())
                })
                .await
            })
            .never_at_once(IN_PLACE)
        }),
        entry("task::supervisor_group", |_| {
            World::around(|gate| async move {
                let both = task::supervisor_group(async |g| {
                    drop(g.spawn(async { Err::<(), _>("it fails alone") }));
                    drop(g.spawn(passed(gate)));
                    Ok(())
                });
                both_of(both.await)
            })
            .never_at_once(SPAWNED)
        }),
        entry("task::supervisor_group (nothing spawned)", |_| {
            World::around(|gate| async move { task::supervisor_group(|_| passed(gate)).await })
        }),
        entry("task::supervisor_scope", |user| {
            valued(user, |user, _| {
                World::around(move |gate| {
                    let user = user.clone();
                    async move {
                        let both = task::supervisor_scope(async |g| {
                            let value = user.value();
                            drop(g.spawn(async { Err::<(), _>("it fails alone") }));
                            // Nobody looks at what it gives.
                            drop(g.spawn(async move {
                                gate.pass().await;
                                Sure::Ok(value)
                            }));
                            Ok(())
                        });
                        both_of(both.await)
                    }
                })
                .never_at_once(IN_PLACE)
            })
        }),
        entry("task::local_supervisor_scope", |_| {
            World::around(|gate| async move {
                let both = task::local_supervisor_scope(async |g| {
                    drop(g.spawn(async { Err::<(), _>("it fails alone") }));
                    drop(g.spawn(passed(gate)));
                    Sure::Ok(())
                });
                both_of(both.await)
            })
            .never_at_once(IN_PLACE)
        }),
        entry("task::TaskGroup::spawn", |_| {
            grouped(|g, gate| async move {
                g.spawn(passed(gate)).await;
                Ok(())
            })
        })
        .covers(&[
            "task::TaskGroup::spawn_named",
            "task::TaskGroup::service",
            "task::Named::spawn",
            "task::Named::service",
        ]),
        entry("task::TaskGroup::spawn (in a scope)", |_| {
            scoped(|g, gate| async move {
                g.spawn(passed(gate)).await;
                Ok(())
            })
        }),
        entry("task::TaskGroup::spawn_with", |_| {
            grouped(|g, gate| async move {
                g.spawn_with(|g| async move {
                    g.spawn(passed(gate)).await;
                    Sure::Ok(())
                })
                .await;
                Ok(())
            })
        })
        .covers(&["task::Named::spawn_with"]),
        entry("task::TaskGroup::spawn_nested", |_| {
            grouped(|g, gate| async move {
                let inner = task::task_group(async |g| {
                    drop(g.spawn(passed(gate)));
                    Ok(())
                });
                g.spawn_nested(inner).await;
                Ok(())
            })
        })
        .covers(&["task::Named::spawn_nested"]),
        entry("task::TaskGroup::spawn_when_free", |_| {
            grouped(|g, gate| async move {
                g.limit(1);
                for _ in 0..2 {
                    drop(g.spawn_when_free(passed(gate.clone())).await);
                }
                Ok(())
            })
        })
        .covers(&["task::Named::spawn_when_free"]),
        entry("task::TaskGroup::start", |_| {
            grouped(|g, gate| async move {
                let start = g.start(|ready| async move {
                    gate.pass().await;
                    ready.set(());
                    Sure::Ok(())
                });
                start.await.map(drop).map_err(|_| "it does not get ready")
            })
        })
        .covers(&["task::Named::start"]),
        entry("task::Task::outcome", |_| {
            grouped(|g, gate| async move {
                let mut task = g.spawn(passed(gate));
                task.outcome().await.map_err(|_| "it is cancelled")
            })
        }),
        entry("task::wait", |_| {
            grouped(|g, gate| async move {
                let mut tasks: Vec<Task<()>> =
                    vec![g.spawn(passed(gate.clone())), g.spawn(passed(gate))];
                let done = task::wait(&mut tasks, When::All).await;
                match done.len() {
                    2 => Ok(()),
                    _ => Err("not all have ended"),
                }
            })
        }),
    ]
}
