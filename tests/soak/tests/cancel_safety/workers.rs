//! Drops every operation of workers at every await, 100,000 times each: a submit that was dropped never runs and takes no place, and every job
//! ends once or comes back once.

use regatta::testing::{Outcome, cancel_safety_drops};
use regatta::workers::{Job, JobError, Report, Stats, SubmitError, Workers};
use regatta::{Runtime, time};
use regatta_soak::{DROPS, MS, passed};
use std::cell::RefCell;
use std::convert::Infallible;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

type Crew = Workers<u32, u32, Infallible>;

/// How the handles of the rivals saw their jobs end.
type Ends = Arc<Mutex<Vec<(u32, Result<u32, JobError<Infallible>>)>>>;

#[derive(Clone)]
struct World {
    workers: Crew,
    /// The jobs that began.
    began: Arc<Mutex<Vec<u32>>>,
    ends: Ends,
    /// Jobs that came back, from a submit or in a report.
    back: Arc<Mutex<Vec<u32>>>,
}

/// The job of the operation under test; those of the rivals are 1 and up.
const OURS: u32 = 9;

/// One worker, room for one, and so many rivals that submit at the same time.
async fn crowded(rivals: u32) -> World {
    let began: Arc<Mutex<Vec<u32>>> = Arc::default();
    let log = began.clone();
    let handler = move |n: u32| {
        let log = log.clone();
        async move {
            log.lock().unwrap().push(n);
            time::sleep(MS).await;
            Ok(n * 10)
        }
    };
    let world = World {
        workers: Workers::builder(1, handler).queue(1).start().unwrap(),
        began,
        ends: Arc::default(),
        back: Arc::default(),
    };
    for n in 1..=rivals {
        let world = world.clone();
        let rival = async move {
            match world.workers.submit(n).await {
                Ok(job) => {
                    let end = job.await;
                    world.ends.lock().unwrap().push((n, end));
                }
                Err(refused) => world.back.lock().unwrap().push(refused.into_inner()),
            }
        };
        drop(Runtime::current().try_spawn(rival).unwrap());
    }
    world
}

impl World {
    /// Whether ours began exactly when the submit says so, the rivals' did, and the workers are as good as new.
    async fn ran(self, ours: bool) -> Result<(), String> {
        time::sleep(MS * 20).await;
        self.workers.join().await;
        let stats = self.workers.stats();
        let mut began = self.began.lock().unwrap().clone();
        began.sort_unstable();
        let expected: &[u32] = if ours { &[1, 2, OURS] } else { &[1, 2] };
        if began != expected || (stats.running, stats.waiting) != (0, 0) {
            return Err(format!("{began:?} began, not {expected:?}: {stats:?}"));
        }
        if stats.ended.completed != expected.len() as u64 || self.ends.lock().unwrap().len() != 2 {
            return Err(format!("a job was not counted, or not told: {stats:?}"));
        }
        // The place is there again, and so is the worker.
        let next = self.workers.try_submit(4).map_err(|e| e.to_string())?;
        if next.await != Ok(40) {
            return Err("the next job did not run".into());
        }
        Ok(())
    }
}

#[test]
fn a_dropped_submit_never_runs_and_takes_no_place() {
    let op = |world: World| async move { drop(world.workers.submit(OURS).await.unwrap()) };
    let verify =
        |world: World, outcome: Outcome<()>| world.ran(matches!(outcome, Outcome::Completed(())));
    passed(&cancel_safety_drops(DROPS, || crowded(2), op, verify));
}

#[test]
fn a_submit_with_a_timeout_runs_or_hands_back() {
    for limit in [MS / 2, MS * 2] {
        let op = move |world: World| async move {
            match world.workers.submit_timeout(limit, OURS).await {
                Ok(job) => {
                    drop(job);
                    true
                }
                Err(SubmitError::Elapsed(OURS)) => false,
                Err(e) => panic!("{e:?}"),
            }
        };
        let verify = |world: World, outcome: Outcome<bool>| {
            world.ran(matches!(outcome, Outcome::Completed(true)))
        };
        passed(&cancel_safety_drops(DROPS, || crowded(2), op, verify));
    }
}

/// The result stays in the handle, however often a wait for it is dropped.
#[test]
fn a_dropped_wait_for_a_job_loses_no_result() {
    type Shared = (World, Rc<RefCell<Job<u32, Infallible>>>);
    async fn wait((_, job): Shared) -> u32 {
        std::future::poll_fn(|cx| Pin::new(&mut *job.borrow_mut()).poll(cx))
            .await
            .unwrap()
    }
    let setup = async || -> Shared {
        let world = crowded(2).await;
        let job = world.workers.submit(OURS).await.unwrap();
        (world, Rc::new(RefCell::new(job)))
    };
    let verify = |shared: Shared, outcome: Outcome<u32>| async move {
        if !matches!(outcome, Outcome::Completed(90)) && wait(shared.clone()).await != 90 {
            return Err("another value".into());
        }
        shared.0.ran(true).await
    };
    passed(&cancel_safety_drops(DROPS, setup, wait, verify));
}

/// A handle that cancels its job when it is dropped: the job is counted once, whether it ran, was cut short, or never began.
#[test]
fn a_job_that_is_cancelled_with_its_handle_is_counted_once() {
    let op = |world: World| async move {
        let job = world.workers.submit(OURS).await.unwrap();
        job.cancel_on_drop().await.unwrap()
    };
    let verify = |world: World, outcome: Outcome<u32>| async move {
        time::sleep(MS * 20).await;
        let report = world.workers.stop(Duration::MAX).await;
        let began = world.began.lock().unwrap().len() as u64;
        let ended = report.ended;
        // It may have been done, and dropped before it said so.
        let must = 2 + u64::from(matches!(outcome, Outcome::Completed(90)));
        let whole = (must..=3).contains(&ended.completed)
            && ended.completed + ended.cancelled == ended.total()
            && began <= ended.total();
        // Dropped while it waited for its place, it is no job yet.
        if !whole || ended.total() > 3 || !report.stuck.is_empty() || !report.dropped.is_empty() {
            return Err(format!("{began} began: {report:?}"));
        }
        Ok(())
    };
    passed(&cancel_safety_drops(DROPS, || crowded(2), op, verify));
}

#[test]
fn a_dropped_join_can_be_repeated() {
    let op = |world: World| async move {
        world.workers.join().await;
        world.workers.stats()
    };
    let verify = |world: World, outcome: Outcome<Stats>| async move {
        if let Outcome::Completed(stats) = outcome
            && (stats.running, stats.waiting) != (0, 0)
        {
            return Err(format!("joined too early: {stats:?}"));
        }
        world.ran(false).await
    };
    passed(&cancel_safety_drops(DROPS, || crowded(2), op, verify));
}

/// A stop that was dropped is repeated: every job has been completed, cancelled or handed back, once.
#[test]
fn after_a_dropped_stop_every_job_ends_or_comes_back_once() {
    const RIVALS: u32 = 4;
    for grace in [Duration::ZERO, MS, MS * 3] {
        let op = move |world: World| async move {
            let Report { dropped, .. } = world.workers.stop(grace).await;
            world.back.lock().unwrap().extend(dropped);
        };
        let verify = |world: World, _: Outcome<()>| async move {
            let report = world.workers.stop(Duration::MAX).await;
            time::sleep(MS).await;
            let ended = report.ended;
            if world.workers.stats().workers != 0 {
                return Err(format!("left behind: {report:?}"));
            }
            let mut back = world.back.lock().unwrap().clone();
            back.extend(&report.dropped);
            let ends = world.ends.lock().unwrap().clone();
            let (never, told): (Vec<_>, Vec<_>) = ends
                .into_iter()
                .partition(|(_, end)| *end == Err(JobError::NeverRan));
            if never.iter().any(|(n, _)| !back.contains(n)) {
                return Err(format!("{never:?} never ran, and only {back:?} came back"));
            }
            let mut all: Vec<u32> = told.iter().map(|(n, _)| *n).chain(back).collect();
            all.sort_unstable();
            // What a stop has named as still there is counted with that, whatever becomes of it.
            let counted = ended.completed + ended.cancelled + report.stuck.len() as u64;
            if all != [1, 2, 3, 4] || counted != told.len() as u64 {
                return Err(format!("{all:?}, {told:?}: {report:?}"));
            }
            Ok(())
        };
        passed(&cancel_safety_drops(DROPS, || crowded(RIVALS), op, verify));
    }
}
