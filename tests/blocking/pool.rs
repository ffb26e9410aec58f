//! Running jobs: order, bounds, panics, threads.

use crate::{Gate, LONG, MS};
use regatta::blocking::{CpuPool, JobError, ProcessPool, ThreadPool, TrySubmitError};
use regatta::runtime::{Flavor, run_on};
use regatta::task::gather;
use regatta::{Runtime, matrix, time};
use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Barrier, Mutex, mpsc};

async fn a_job_gives_its_value() {
    let pool = ThreadPool::new(2);
    assert_eq!(pool.run(|| 6 * 7).await.unwrap(), 42);
    let job = pool.submit(|| "submitted").await.unwrap();
    assert_eq!(job.await.unwrap(), "submitted");
}

async fn a_thousand_jobs_start_in_order() {
    let pool = ThreadPool::new(1);
    let order = Arc::new(Mutex::new(Vec::new()));
    let mut jobs = Vec::new();
    for n in 0..1000 {
        let order = order.clone();
        jobs.push(
            pool.submit(move || order.lock().unwrap().push(n))
                .await
                .unwrap(),
        );
    }
    for job in jobs {
        job.await.unwrap();
    }
    assert_eq!(*order.lock().unwrap(), (0..1000).collect::<Vec<_>>());
}

/// P20: four workers, more jobs than that.
async fn never_more_jobs_than_workers() {
    let pool = ThreadPool::new(4);
    let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let jobs = (0..200).map(|_| {
        let (running, most) = (running.clone(), most.clone());
        pool.run(move || {
            most.fetch_max(running.fetch_add(1, SeqCst) + 1, SeqCst);
            std::thread::yield_now();
            running.fetch_sub(1, SeqCst);
        })
    });
    gather(jobs).await.unwrap();
    let most = most.load(SeqCst);
    assert!((1..=4).contains(&most), "{most}");
    assert!(pool.stats().most_workers <= 4);
}

async fn a_panic_ends_its_job_only() {
    let pool = ThreadPool::new(2);
    for round in 0..20 {
        let failed = pool
            .run(move || {
                if round < 100 {
                    panic!("boom {round}");
                }
            })
            .await;
        match failed {
            Err(JobError::Panicked(panic)) => {
                assert_eq!(panic.to_string(), format!("it panicked: boom {round}"));
                let payload = panic.into_payload();
                assert!(payload.downcast::<String>().is_ok());
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(pool.run(move || round).await.unwrap(), round);
    }
    let stats = pool.stats();
    assert_eq!((stats.completed, stats.panicked), (20, 20));
}

/// A result nobody wants, whose destructor panics, takes no worker with it.
async fn a_destructor_that_panics_is_survived() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("dropped");
        }
    }
    let pool = ThreadPool::new(1);
    let (gate, wait) = Gate::new();
    drop(pool.submit(wait).await.unwrap());
    for _ in 0..5 {
        drop(pool.submit(|| Bomb).await.unwrap());
    }
    gate.open();
    assert_eq!(pool.run(|| 1).await.unwrap(), 1);
    assert_eq!(pool.stats().completed, 7);
}

/// The waker of whoever awaits a job is not our code either.
async fn a_waker_that_panics_is_survived() {
    struct Bomb;
    impl std::task::Wake for Bomb {
        fn wake(self: Arc<Self>) {
            panic!("woken");
        }
    }
    let pool = ThreadPool::new(1);
    let (gate, wait) = Gate::new();
    let mut job = pool.submit(wait).await.unwrap();
    let waker = std::task::Waker::from(Arc::new(Bomb));
    let poll = std::pin::Pin::new(&mut job).poll(&mut std::task::Context::from_waker(&waker));
    assert!(poll.is_pending());
    gate.open();
    let next = time::timeout(LONG, pool.run(|| 1)).await;
    assert_eq!(next.unwrap().unwrap(), 1);
    job.await.unwrap();
    assert_eq!(pool.stats().completed, 2);
}

/// P20: the loop is not blocked while the pool works.
async fn timers_go_on_while_every_worker_is_busy() {
    let pool = ThreadPool::new(2);
    let (gates, jobs): (Vec<_>, Vec<_>) = (0..2)
        .map(|_| {
            let (gate, wait) = Gate::new();
            (gate, pool.run(wait))
        })
        .unzip();
    let ticks = async {
        for gate in gates {
            gate.occupied().await;
            for _ in 0..5 {
                time::sleep(MS).await;
            }
            gate.open();
        }
    };
    let (_, done) = futures_lite::future::zip(ticks, gather(jobs).into_future()).await;
    done.unwrap();
}

/// P21: every core computes, and the timers of the loop go on.
async fn timers_go_on_while_every_core_computes() {
    let cores = CpuPool::new();
    let done = Arc::new(AtomicBool::new(false));
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let crunching = gather((0..workers).map(|_| {
        let done = done.clone();
        cores.run(move || {
            let mut rounds = 0u64;
            while !done.load(SeqCst) {
                rounds += 1;
            }
            rounds
        })
    }));
    let ticks = async {
        while cores.stats().running < workers {
            time::sleep(MS).await;
        }
        for _ in 0..20 {
            time::timeout(LONG, time::sleep(MS)).await.unwrap();
        }
        done.store(true, SeqCst);
    };
    let (rounds, ()) = futures_lite::future::zip(crunching.into_future(), ticks).await;
    assert!(rounds.unwrap().into_iter().all(|n| n > 0));
}

/// A job may wait for a later one: each has a thread of its own before it runs.
async fn jobs_may_wait_for_each_other() {
    let pool = ThreadPool::new(8);
    for _ in 0..20 {
        let barrier = Arc::new(Barrier::new(8));
        let jobs = (0..8).map(|_| {
            let barrier = barrier.clone();
            pool.run(move || barrier.wait().is_leader())
        });
        let leaders = gather(jobs).await.unwrap();
        assert_eq!(leaders.into_iter().filter(|leader| *leader).count(), 1);
    }
}

async fn submit_waits_for_room_in_order() {
    let pool = ThreadPool::builder().max_workers(1).queue(2).build();
    let (gate, wait) = Gate::new();
    let held = pool.submit(wait).await.unwrap();
    gate.occupied().await;
    let order = Arc::new(Mutex::new(Vec::new()));
    let note = |n: i32| {
        let order = order.clone();
        move || order.lock().unwrap().push(n)
    };
    let queued = [
        pool.submit(note(0)).await.unwrap(),
        pool.submit(note(1)).await.unwrap(),
    ];
    assert!(matches!(
        pool.try_submit(note(-1)),
        Err(TrySubmitError::Full(_))
    ));
    let late = gather((2..6).map(|n| {
        let (pool, work) = (pool.clone(), note(n));
        async move { pool.submit(work).await.unwrap().await }
    }));
    let opener = async {
        while pool.stats().waiting < 4 {
            time::sleep(MS).await;
        }
        assert_eq!(pool.stats().queued, 2);
        gate.open();
    };
    let (_, late) = futures_lite::future::zip(opener, late.into_future()).await;
    late.unwrap();
    held.await.unwrap();
    for job in queued {
        job.await.unwrap();
    }
    assert_eq!(*order.lock().unwrap(), [0, 1, 2, 3, 4, 5]);
    assert_eq!(pool.stats().most_queued, 2);
}

async fn a_submit_that_is_dropped_leaves_nothing() {
    let pool = ThreadPool::builder().max_workers(1).queue(1).build();
    let (gate, wait) = Gate::new();
    let held = pool.submit(wait).await.unwrap();
    gate.occupied().await;
    let queued = pool.submit(|| ()).await.unwrap();
    let ran = Arc::new(AtomicUsize::new(0));
    let counter = ran.clone();
    let late = time::timeout(MS * 2, pool.submit(move || counter.fetch_add(1, SeqCst)));
    assert!(late.await.is_err());
    assert_eq!(pool.stats().waiting, 0);
    gate.open();
    held.await.unwrap();
    queued.await.unwrap();
    assert_eq!(pool.shutdown(LONG).await.completed, 2);
    assert_eq!(ran.load(SeqCst), 0);
}

async fn the_runtime_of_the_caller_is_current_in_the_job() {
    let pool = ThreadPool::new(1);
    let here = Runtime::current().name();
    assert_eq!(pool.run(|| Runtime::current().name()).await.unwrap(), here);
    // Blocking on async code is allowed there.
    let slept = pool.run(|| regatta::run(async { time::sleep(MS).await }));
    slept.await.unwrap();
}

async fn dropping_the_pool_lets_its_jobs_end() {
    let pool = ThreadPool::new(1);
    let jobs = (0..10).map(|n| pool.try_submit(move || n).unwrap());
    let jobs: Vec<_> = jobs.collect();
    drop(pool);
    for (n, job) in jobs.into_iter().enumerate() {
        assert_eq!(job.await.unwrap(), n);
    }
}

matrix! {
    a_job_gives_its_value;
    a_thousand_jobs_start_in_order;
    never_more_jobs_than_workers;
    a_panic_ends_its_job_only;
    a_destructor_that_panics_is_survived [tokio_current, tokio_multi, smol];
    a_waker_that_panics_is_survived [tokio_current, tokio_multi, smol];
    // Closures that wait for the test need a thread of their own.
    timers_go_on_while_every_worker_is_busy [tokio_current, tokio_multi, smol];
    timers_go_on_while_every_core_computes [tokio_current, tokio_multi, smol];
    jobs_may_wait_for_each_other [tokio_current, tokio_multi, smol];
    submit_waits_for_room_in_order [tokio_current, tokio_multi, smol];
    a_submit_that_is_dropped_leaves_nothing [tokio_current, tokio_multi, smol];
    the_runtime_of_the_caller_is_current_in_the_job [tokio_current, tokio_multi, smol];
    dropping_the_pool_lets_its_jobs_end;
}

/// The threads are the pool's own: no runtime is needed.
#[test]
fn a_pool_needs_no_runtime() {
    run_on(Flavor::Neutral, async {
        jobs_may_wait_for_each_other().await;
        submit_waits_for_room_in_order().await;
        timers_go_on_while_every_worker_is_busy().await;
    });
    let pool = ThreadPool::new(1);
    let job = pool.try_submit(|| 5).unwrap();
    assert_eq!(futures_lite::future::block_on(job).unwrap(), 5);
}

#[test]
fn short_jobs_start_few_threads() {
    let pool = ThreadPool::new(64);
    let (gate, wait) = Gate::new();
    let held = pool.try_submit(wait).unwrap();
    gate.entered.recv_blocking().unwrap();
    assert_eq!(pool.stats().most_workers, 1);
    gate.open();
    regatta::run(async {
        held.await.unwrap();
        for _ in 0..100 {
            pool.run(|| ()).await.unwrap();
        }
    });
    let most = pool.stats().most_workers;
    assert!(most < 8, "{most} threads for one job at a time");
}

#[test]
fn idle_threads_leave() {
    let pool = ThreadPool::builder()
        .max_workers(2)
        .idle_lifetime(MS)
        .build();
    regatta::run(async {
        pool.run(|| ()).await.unwrap();
        while pool.stats().workers > 0 {
            time::sleep(MS).await;
        }
        assert_eq!(pool.run(|| 3).await.unwrap(), 3);
    });
}

#[test]
fn a_cpu_pool_uses_every_core() {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let pool = CpuPool::new();
    let barrier = Arc::new(Barrier::new(cores));
    let threads = regatta::run(
        gather((0..cores).map(|_| {
            let barrier = barrier.clone();
            pool.run(move || {
                barrier.wait();
                std::thread::current().id()
            })
        }))
        .into_future(),
    );
    let threads: HashSet<_> = threads.unwrap().into_iter().collect();
    assert_eq!(threads.len(), cores);
}

#[test]
fn nonsense_is_refused_in_words() {
    fn message(f: impl FnOnce() + std::panic::UnwindSafe) -> String {
        let payload = std::panic::catch_unwind(f).unwrap_err();
        let text = payload.downcast_ref::<String>().cloned();
        text.or_else(|| payload.downcast_ref::<&str>().map(|s| s.to_string()))
            .unwrap()
    }
    let zero = message(|| drop(ThreadPool::new(0)));
    assert!(zero.contains("max_workers 0"), "{zero}");
    let zero = message(|| drop(CpuPool::with_workers(0)));
    assert!(zero.contains("max_workers 0"), "{zero}");
    let zero = message(|| drop(ThreadPool::builder().queue(0)));
    assert!(zero.contains("queue of 0"), "{zero}");
    let nul = message(|| drop(ThreadPool::builder().thread_name("a\0b")));
    assert!(nul.contains("NUL"), "{nul}");
}

/// Nobody called `process_entry` here: a worker would be this program all over, starting workers.
#[test]
fn a_process_pool_needs_its_entry() {
    let refused = ProcessPool::new(1).unwrap_err();
    assert!(
        refused.to_string().contains("first line of `main`"),
        "{refused}"
    );
}

/// 100 plain threads submit to one pool.
#[test]
fn plain_threads_may_submit() {
    let pool = ThreadPool::builder().max_workers(3).queue(100_000).build();
    let (sender, receiver) = mpsc::channel();
    let threads: Vec<_> = (0..100)
        .map(|t| {
            let (pool, sender) = (pool.clone(), sender.clone());
            std::thread::spawn(move || {
                for n in 0..50 {
                    let sender = sender.clone();
                    drop(pool.try_submit(move || sender.send(t * 50 + n)).unwrap());
                }
            })
        })
        .collect();
    drop(sender);
    for thread in threads {
        thread.join().unwrap();
    }
    drop(pool);
    let mut seen: Vec<i32> = receiver.iter().collect();
    seen.sort_unstable();
    assert_eq!(seen, (0..5000).collect::<Vec<_>>());
}
