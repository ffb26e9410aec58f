//! B: 10k tasks are pending, one errors; measured from the error until the futures of all are dropped.

use crate::harness::now;
use crate::runtimes::On;
use crate::table::Table;
use futures::stream::{FuturesUnordered, StreamExt};
use regatta::task::{TaskGroup, task_group};
use std::future::pending;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub const TASKS: usize = 10_000;

#[derive(Default)]
struct Shared {
    started: AtomicUsize,
    alive: AtomicUsize,
    fire: Notify,
}

struct Alive(Arc<Shared>);

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.alive.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Shared {
    /// The first task fails when it is told to, with the moment it did.
    fn task(
        self: &Arc<Self>,
        i: usize,
    ) -> impl Future<Output = Result<(), Instant>> + Send + 'static {
        self.alive.fetch_add(1, Ordering::SeqCst);
        let alive = Alive(self.clone());
        async move {
            alive.0.started.fetch_add(1, Ordering::SeqCst);
            if i == 0 {
                alive.0.fire.notified().await;
                return Err(now());
            }
            pending::<()>().await;
            Ok(())
        }
    }

    async fn fire_when_all_wait(&self) {
        while self.started.load(Ordering::SeqCst) < TASKS {
            futures_lite::future::yield_now().await;
        }
        self.fire.notify_one();
    }

    fn since(&self, failed: Instant) -> Duration {
        let time = now() - failed;
        assert_eq!(
            self.alive.load(Ordering::SeqCst),
            0,
            "every future is dropped"
        );
        time
    }
}

pub async fn group() -> Duration {
    let shared = Arc::<Shared>::default();
    let s = shared.clone();
    let errors = task_group(async move |g: TaskGroup<'static, Instant>| {
        for i in 0..TASKS {
            g.spawn(s.task(i));
        }
        s.fire_when_all_wait().await;
        pending::<Result<(), Instant>>().await
    });
    let failed = *errors
        .await
        .expect_err("one fails")
        .iter()
        .next()
        .expect("one failed");
    shared.since(failed)
}

async fn join_set() -> Duration {
    let shared = Arc::<Shared>::default();
    let mut set = JoinSet::new();
    for i in 0..TASKS {
        set.spawn(shared.task(i));
    }
    shared.fire_when_all_wait().await;
    let mut failed = None;
    while let Some(end) = set.join_next().await {
        if let Ok(Err(at)) = end {
            failed = Some(at);
            set.abort_all();
        }
    }
    shared.since(failed.expect("one failed"))
}

async fn token_and_tracker(on: On) -> Duration {
    let shared = Arc::<Shared>::default();
    let (token, tracker) = (CancellationToken::new(), TaskTracker::new());
    let failed = Arc::new(Mutex::new(None));
    for i in 0..TASKS {
        let (token, failed, task) = (token.clone(), failed.clone(), shared.task(i));
        let task = async move {
            tokio::select! {
                () = token.cancelled() => {}
                end = task => if let Err(at) = end {
                    *failed.lock().expect("no panic") = Some(at);
                    token.cancel();
                }
            }
        };
        if on == On::Smol {
            smol::spawn(tracker.track_future(task)).detach();
        } else {
            tracker.spawn(task);
        }
    }
    tracker.close();
    shared.fire_when_all_wait().await;
    tracker.wait().await;
    let failed = failed.lock().expect("no panic").take();
    shared.since(failed.expect("one failed"))
}

async fn smol_cancel_all() -> Duration {
    let shared = Arc::<Shared>::default();
    let mut tasks: FuturesUnordered<_> = (0..TASKS).map(|i| smol::spawn(shared.task(i))).collect();
    shared.fire_when_all_wait().await;
    let failed = tasks
        .next()
        .await
        .expect("there are tasks")
        .expect_err("the first to end fails");
    let cancels: FuturesUnordered<_> = tasks.into_iter().map(|t| t.cancel()).collect();
    cancels.for_each(async |_| {}).await;
    shared.since(failed)
}

pub fn tables() -> Vec<Table> {
    let table = |on: On| {
        let table = Table::whole(on.name(), TASKS)
            .ours("task_group", move || on.run(group()))
            .peer("CancellationToken + TaskTracker", move || {
                on.run(token_and_tracker(on))
            });
        let table = if on == On::Smol {
            table.peer("FuturesUnordered<smol::Task>, cancel", move || {
                on.run(smol_cancel_all())
            })
        } else {
            table.peer("JoinSet, abort_all, drain", move || on.run(join_set()))
        };
        table.faster("task_group", &[], 1.5)
    };
    On::ALL.map(table).into()
}
