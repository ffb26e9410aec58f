//! `blocking`.

use crate::user::User;
use crate::world::{Entry, Gate, World, entry};
use regatta::blocking::{CpuPool, Portal, ThreadPool};
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);
const THREADS: &str = "its closures run on threads";
const BLOCKS: &str = "a closure that waits would block virtual time";

/// A pool of `block`, and its closures.
fn on_threads<F, T, E>(
    user: &User,
    op: impl Fn(ThreadPool, User) -> F + Send + Sync + 'static,
) -> World
where
    F: Future<Output = Result<T, E>> + 'static,
    T: 'static,
    E: std::fmt::Debug,
{
    let user = user.clone();
    World::new(
        ThreadPool::new(2),
        move |pool| op(pool, user.clone()),
        |_| (),
    )
    .never_at_once(THREADS)
    .never_waits(BLOCKS)
}

fn on_cores<F, T, E>(user: &User, op: impl Fn(CpuPool, User) -> F + Send + Sync + 'static) -> World
where
    F: Future<Output = Result<T, E>> + 'static,
    T: 'static,
    E: std::fmt::Debug,
{
    let user = user.clone();
    let pool = CpuPool::with_workers(1);
    World::new(pool, move |pool| op(pool, user.clone()), |_| ())
        .never_at_once(THREADS)
        .never_waits(BLOCKS)
}

pub(super) fn entries() -> Vec<Entry> {
    vec![
        entry("blocking::ThreadPool::submit", |user| {
            on_threads(user, |pool, user| async move {
                let job = pool
                    .submit(move || user.value())
                    .await
                    .map_err(|_| "it is closed")?;
                job.await.map_err(|_| "the job failed")
            })
        })
        .covers(&["blocking::ThreadPool::try_submit"]),
        entry("blocking::ThreadPool::run", |user| {
            on_threads(user, |pool, user| async move {
                pool.run(move || user.value()).await
            })
        }),
        entry("blocking::ThreadPool::run_abandonable", |user| {
            on_threads(user, |pool, user| async move {
                pool.run_abandonable(move || user.value()).await
            })
        }),
        entry("blocking::ThreadPool::shutdown", |user| {
            on_threads(user, |_, user| async move {
                let pool = ThreadPool::new(2);
                drop(pool.submit(move || user.value()).await);
                Ok::<_, &str>(pool.shutdown(HOUR).await)
            })
        }),
        entry("blocking::CpuPool::submit", |user| {
            on_cores(user, |pool, user| async move {
                let job = pool
                    .submit(move || user.value())
                    .await
                    .map_err(|_| "it is closed")?;
                job.await.map_err(|_| "the job failed")
            })
        })
        .covers(&["blocking::CpuPool::try_submit"]),
        entry("blocking::CpuPool::run", |user| {
            on_cores(user, |pool, user| async move {
                pool.run(move || user.value()).await
            })
        }),
        entry("blocking::CpuPool::run_abandonable", |user| {
            on_cores(user, |pool, user| async move {
                pool.run_abandonable(move || user.value()).await
            })
        }),
        entry("blocking::CpuPool::shutdown", |user| {
            on_cores(user, |_, user| async move {
                let pool = CpuPool::with_workers(1);
                drop(pool.submit(move || user.value()).await);
                Ok::<_, &str>(pool.shutdown(HOUR).await)
            })
        }),
        entry("blocking::Portal::spawn", |user| {
            let user = user.clone();
            World::around(move |gate: Gate| {
                let user = user.clone();
                async move {
                    let portal = Portal::current().map_err(|e| e.to_string())?;
                    let task = portal.spawn(move || async move {
                        gate.pass().await;
                        user.value()
                    });
                    task.await.map_err(|e| e.to_string())
                }
            })
            .never_at_once("its calls are tasks of the runtime")
        }),
        entry("blocking::Portal::stopped", |user| {
            let user = user.clone();
            World::around(move |gate: Gate| {
                let user = user.clone();
                async move {
                    let portal = Portal::current().map_err(|e| e.to_string())?;
                    let task = portal.spawn(move || async move {
                        gate.pass().await;
                        user.value()
                    });
                    portal.close();
                    portal.stopped().await;
                    task.await.map_err(|e| e.to_string())
                }
            })
            .never_at_once("its calls are tasks of the runtime")
        }),
        #[cfg(unix)]
        entry("blocking::ProcessPool::call", |_| {
            World::around(|_| async {
                let pool = processes();
                pool.call("echo", *b"hello").await
            })
            .never_at_once("its calls run in other processes")
            .never_waits(BLOCKS)
            .outside("it starts processes")
        })
        .covers(&["blocking::ProcessPool::shutdown"]),
    ]
}

/// The workers are this test binary, started again: see `process_worker`.
#[cfg(unix)]
fn processes() -> regatta::blocking::ProcessPool {
    regatta::blocking::process_entry(crate::FUNCTIONS);
    regatta::blocking::ProcessPool::builder()
        .max_workers(1)
        .args(["process_worker", "--exact", "--nocapture"])
        .output(|_, _| {})
        .build()
        .expect("it is only described")
}
