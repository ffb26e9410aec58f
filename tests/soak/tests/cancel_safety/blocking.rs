//! Drops the calls of a thread pool at every await, 100,000 times each, and looks at what is left: nothing queued, nothing lost.

use regatta::blocking::{Job, PoolReport, Portal, PortalTask, ThreadPool};
use regatta::testing::{Outcome, cancel_safety_drops, settle};
use regatta::{Runtime, testing, time};
use regatta_soak::{DROPS, MS, passed};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Duration;

/// A pool of one worker with room for one, how many closures of the operation ran, and how many are alive.
#[derive(Clone)]
struct World {
    pool: ThreadPool,
    ran: Arc<AtomicU64>,
    alive: Arc<AtomicU64>,
}

struct Counted(World);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.alive.fetch_sub(1, SeqCst);
    }
}

impl World {
    fn work(&self) -> impl FnOnce() -> u64 + Send + use<> {
        self.alive.fetch_add(1, SeqCst);
        let counted = Counted(self.clone());
        move || counted.0.ran.fetch_add(1, SeqCst)
    }

    /// Two rivals, one of which fills the queue.
    async fn crowded() -> World {
        let world = World::empty().await;
        for _ in 0..2 {
            let pool = world.pool.clone();
            let rival = async move { pool.run(|| ()).await.unwrap() };
            drop(Runtime::current().try_spawn(rival).unwrap());
        }
        world
    }

    async fn empty() -> World {
        World {
            pool: ThreadPool::builder().max_workers(1).queue(1).build(),
            ran: Arc::default(),
            alive: Arc::default(),
        }
    }

    /// Everybody ends, the counts agree, and the pool is as good as new.
    async fn ended(&self) -> Result<PoolReport, String> {
        time::sleep(MS * 50).await;
        settle().await;
        let stats = self.pool.stats();
        if (stats.running, stats.queued, stats.waiting, stats.workers) != (0, 0, 0, 0) {
            return Err(format!("left behind: {stats:?}"));
        }
        self.pool.run(|| ()).await.map_err(|e| e.to_string())?;
        if self.alive.load(SeqCst) != 0 {
            return Err("a closure is still there".into());
        }
        let report = self.pool.shutdown(Duration::MAX).await;
        match report.stuck.len() {
            0 => Ok(report),
            n => Err(format!("{n} stuck")),
        }
    }
}

/// A submit that was dropped did not happen.
#[test]
fn submit_queues_its_job_or_leaves_nothing() {
    let op = |world: World| async move {
        let work = world.work();
        drop(world.pool.submit(work).await.unwrap());
    };
    let verify = |world: World, outcome: Outcome<()>| async move {
        let report = world.ended().await?;
        let expected = u64::from(matches!(outcome, Outcome::Completed(_)));
        let ran = world.ran.load(SeqCst);
        if ran != expected || report.completed != 3 + ran {
            return Err(format!("ran {ran} of {expected}: {report:?}"));
        }
        Ok(())
    };
    passed(&cancel_safety_drops(DROPS, World::crowded, op, verify));
}

/// A run that gave its value ran; one that was dropped ran at most once, and counts as either.
#[test]
fn run_happens_once_or_never() {
    let op = |world: World| async move { world.pool.run(world.work()).await.unwrap() };
    let verify = |world: World, outcome: Outcome<u64>| async move {
        let report = world.ended().await?;
        let ran = world.ran.load(SeqCst);
        let must = u64::from(matches!(outcome, Outcome::Completed(_)));
        if !(must..=1).contains(&ran) || report.completed != 3 + ran {
            return Err(format!("ran {ran}: {report:?}"));
        }
        Ok(())
    };
    passed(&cancel_safety_drops(DROPS, World::crowded, op, verify));
}

/// In abandon mode the caller may leave while the closure runs; before it starts, it never runs.
#[test]
fn an_abandonable_run_happens_once_or_never() {
    let op = |world: World| async move { world.pool.run_abandonable(world.work()).await.unwrap() };
    let verify = |world: World, outcome: Outcome<u64>| async move {
        let report = world.ended().await?;
        let ran = world.ran.load(SeqCst);
        let must = u64::from(matches!(outcome, Outcome::Completed(_)));
        if !(must..=1).contains(&ran) || report.completed != 3 + ran {
            return Err(format!("ran {ran}: {report:?}"));
        }
        Ok(())
    };
    passed(&cancel_safety_drops(DROPS, World::crowded, op, verify));
}

/// The result stays in the handle, however often a wait for it is dropped.
#[test]
fn a_dropped_wait_loses_no_result() {
    type Shared = (World, Arc<shared_wait::Cell<Job<u64>>>);
    let setup = async || -> Shared {
        let world = World::empty().await;
        let job = world.pool.submit(world.work()).await.unwrap();
        (world, Arc::new(shared_wait::Cell::new(job)))
    };
    let op = |(_, job): Shared| async move { job.wait().await };
    let verify = |(world, job): Shared, outcome: Outcome<u64>| async move {
        if !matches!(outcome, Outcome::Completed(0)) && job.wait().await != 0 {
            return Err("another value".into());
        }
        drop(job);
        world.ended().await.map(drop)
    };
    passed(&cancel_safety_drops(DROPS, setup, op, verify));
}

/// A job that several hands may wait for, one after the other.
mod shared_wait {
    use regatta::blocking::PortalTask;
    use std::future::poll_fn;
    use std::pin::Pin;
    use std::sync::Mutex;

    pub(crate) struct Cell<F>(Mutex<F>);

    impl<T> Cell<PortalTask<T>> {
        pub(crate) fn is_finished(&self) -> bool {
            self.0.lock().unwrap().is_finished()
        }
    }

    impl<T, E: std::fmt::Debug, F: Future<Output = Result<T, E>> + Unpin> Cell<F> {
        pub(crate) fn new(job: F) -> Self {
            Cell(Mutex::new(job))
        }

        pub(crate) async fn wait(&self) -> T {
            poll_fn(|cx| Pin::new(&mut *self.0.lock().unwrap()).poll(cx))
                .await
                .unwrap()
        }
    }
}

#[test]
fn shutdown_may_be_dropped() {
    let op = |world: World| async move { world.pool.shutdown(MS * 3).await.stuck.len() };
    let verify = |world: World, _: Outcome<usize>| async move {
        time::sleep(MS * 50).await;
        let report = world.pool.shutdown(Duration::MAX).await;
        let ended = report.completed + report.dropped;
        // A rival that still waits for room is refused, and in no count.
        if ended > 2 || !report.stuck.is_empty() || world.pool.stats().workers != 0 {
            return Err(format!("{report:?}"));
        }
        Ok(())
    };
    let setup = async || {
        let world = World::empty().await;
        for _ in 0..2 {
            drop(world.pool.try_submit(|| ()));
        }
        world
    };
    passed(&cancel_safety_drops(DROPS, setup, op, verify));
}

/// A portal on the runtime of the test, with a call that takes its time.
type Calls = (Portal, Arc<shared_wait::Cell<PortalTask<u64>>>);

async fn portal() -> Calls {
    let portal = Portal::current().unwrap();
    let call = portal.spawn(|| async {
        testing::yield_now().await;
        time::sleep(MS).await;
        7
    });
    (portal, Arc::new(shared_wait::Cell::new(call)))
}

/// The result stays in the handle of a call, however often a wait for it is dropped.
#[test]
fn a_dropped_wait_for_a_call_loses_no_result() {
    let op = |(_, call): Calls| async move { call.wait().await };
    let verify = |(portal, call): Calls, outcome: Outcome<u64>| async move {
        if !matches!(outcome, Outcome::Completed(7)) && call.wait().await != 7 {
            return Err("another value".into());
        }
        portal.close();
        portal.stopped().await;
        Ok(())
    };
    passed(&cancel_safety_drops(DROPS, portal, op, verify));
}

/// A dropped wait for the end of a portal changes nothing: the call ends, and the next wait too.
#[test]
fn a_dropped_wait_for_the_end_of_a_portal_can_be_repeated() {
    let op = |(portal, call): Calls| async move {
        portal.close();
        portal.stopped().await;
        call.is_finished()
    };
    let verify = |(portal, call): Calls, outcome: Outcome<bool>| async move {
        if matches!(outcome, Outcome::Completed(false)) {
            return Err("it ended before its call".into());
        }
        portal.close();
        portal.stopped().await;
        if !call.is_finished() || call.wait().await != 7 {
            return Err("the call was lost".into());
        }
        Ok(())
    };
    passed(&cancel_safety_drops(DROPS, portal, op, verify));
}
