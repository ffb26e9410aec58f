//! Pools in a `static`: a job runs where it is submitted, whoever used the pool before.

use crate::{Gate, LONG};
use regatta::blocking::{CpuPool, JobError, ThreadPool};
use regatta::runtime::{Backend, BoxFuture, BoxWork};
use regatta::{Runtime, testing, time};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, LazyLock};
use std::thread;
use std::time::{Duration, Instant};

static POOL: LazyLock<ThreadPool> = LazyLock::new(|| ThreadPool::new(2));
static CORES: LazyLock<CpuPool> = LazyLock::new(|| CpuPool::with_workers(1));

/// A step of the simulation, on its thread and by its clock.
fn simulated() {
    testing::run(async || {
        let here = thread::current().id();
        for _ in 0..3 {
            let place = || (thread::current().id(), Runtime::current().name());
            assert_eq!(POOL.run(place).await.unwrap(), (here, "custom"));
            assert_eq!(CORES.run(place).await.unwrap(), (here, "custom"));
            time::sleep(Duration::from_secs(3600)).await;
        }
        // Closures take a while in virtual time, too.
        assert!(testing::now() < Duration::from_secs(3 * 3600 + 1));
    });
}

async fn on_threads() {
    let here = thread::current().id();
    for _ in 0..3 {
        let place = || thread::current().id();
        assert_ne!(POOL.run(place).await.unwrap(), here);
        assert_ne!(CORES.run(place).await.unwrap(), here);
    }
}

#[test]
fn each_job_runs_where_it_is_submitted() {
    for _ in 0..2 {
        simulated();
        simulated();
        #[cfg(feature = "tokio")]
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
            .block_on(on_threads());
        futures_lite::future::block_on(on_threads());
    }
}

#[test]
fn simulations_and_threads_use_a_pool_at_the_same_time() {
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| (0..50).for_each(|_| simulated()));
            scope.spawn(|| {
                futures_lite::future::block_on(async {
                    for _ in 0..50 {
                        on_threads().await;
                    }
                });
            });
        }
    });
}

/// What was done anywhere counts, and a shutdown is one for all.
#[test]
fn a_shutdown_ends_the_jobs_of_all_runtimes() {
    let pool = ThreadPool::new(1);
    let alive = Arc::new(AtomicUsize::new(1));
    let runtime = Runtime::custom(Counted(alive));
    futures_lite::future::block_on(async {
        pool.run(|| ()).await.unwrap();
        while pool.stats().running > 0 {
            // The worker is not quite done with it.
            futures_lite::future::yield_now().await;
        }
        let (gate, waits) = Gate::new();
        let runs = runtime.within(pool.submit(waits)).await.unwrap();
        gate.occupied().await;
        let queued = runtime.within(pool.submit(|| ())).await.unwrap();
        let now = pool.stats();
        assert_eq!((now.completed, now.running, now.queued), (1, 1, 1));
        let report = pool.shutdown(Duration::ZERO).await;
        assert_eq!((report.stuck.len(), report.dropped), (1, 1));
        assert!(matches!(queued.await, Err(JobError::Closed)));
        let refused = runtime.within(pool.run(|| ())).await;
        assert!(matches!(refused, Err(JobError::Closed)));
        gate.open();
        runs.await.unwrap();
        let report = pool.shutdown(Duration::MAX).await;
        assert_eq!((report.completed, report.stuck.len()), (2, 0));
    });
    testing::run(async || {
        assert!(matches!(pool.run(|| ()).await, Err(JobError::Closed)));
        assert!(pool.try_submit(|| ()).is_err());
    });
}

#[test]
fn a_runtime_that_is_named_runs_all_jobs() {
    testing::run(async || {
        let here = Runtime::current();
        let pool = ThreadPool::builder().runtime(here.clone()).build();
        let job = Runtime::neutral().within(pool.submit(|| thread::current().id()));
        let job = job.await.unwrap();
        assert_eq!(job.await.unwrap(), thread::current().id());
    });
    let threads = ThreadPool::builder().runtime(Runtime::neutral()).build();
    let name = || thread::current().name().map(str::to_owned);
    let names = testing::run(async || threads.try_submit(name).unwrap());
    let name = futures_lite::future::block_on(names).unwrap();
    assert_eq!(name.as_deref(), Some("regatta-pool"));
}

/// A custom runtime that runs closures at once, and is counted.
struct Counted(Arc<AtomicUsize>);

impl Backend for Counted {
    fn spawn(&self, _: BoxFuture<'static, ()>) {}

    fn spawn_blocking(&self, work: BoxWork) {
        drop(thread::spawn(work));
    }

    fn sleep_until(&self, at: Instant) -> BoxFuture<'static, ()> {
        Box::pin(Runtime::neutral().sleep_until(at))
    }

    fn now(&self) -> Instant {
        Runtime::neutral().now()
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

#[test]
fn runtimes_that_are_gone_are_forgotten() {
    let alive = Arc::new(AtomicUsize::new(0));
    let pool = ThreadPool::new(1);
    for n in 0..100 {
        alive.fetch_add(1, SeqCst);
        let runtime = Runtime::custom(Counted(alive.clone()));
        let number = futures_lite::future::block_on(runtime.within(pool.run(move || n)));
        assert_eq!(number.unwrap(), n);
    }
    let clock = Runtime::neutral();
    let start = clock.now();
    // The worker of the one before may still be on its way out.
    while alive.load(SeqCst) > 5 && clock.now() - start < LONG {
        let simulation = async || pool.run(|| ()).await;
        testing::run(simulation).unwrap();
    }
    assert!(alive.load(SeqCst) <= 5, "{}", alive.load(SeqCst));
}
