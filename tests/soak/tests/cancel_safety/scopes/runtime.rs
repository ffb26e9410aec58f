//! `runtime`.

use crate::ground::{Count, MS, spawn};
use crate::probe::{Probe, rival, same, survives, until};
use regatta::runtime::JoinHandle;
use regatta::testing::Outcome;
use regatta::{Runtime, time};
use std::sync::{Arc, Mutex};

/// A task, its handle, and what it has done.
#[derive(Clone)]
struct Job {
    probe: Probe,
    handle: Arc<Mutex<Option<JoinHandle<u32>>>>,
    done: Count,
}

impl Job {
    fn new(spawn: impl FnOnce(Count) -> JoinHandle<u32>) -> Self {
        let done = Count::new();
        Job {
            probe: Probe::default(),
            handle: Arc::new(Mutex::new(Some(spawn(done.clone())))),
            done,
        }
    }

    fn take(&self) -> JoinHandle<u32> {
        self.handle.lock().unwrap().take().unwrap()
    }
}

async fn job() -> Job {
    Job::new(|done| {
        spawn(async move {
            time::sleep(MS).await;
            done.up();
            7
        })
    })
}

async fn it_is_done<T>(job: Job, _: Outcome<T>) -> Result<(), String> {
    job.probe.is_alone()?;
    until(6).await;
    same("jobs done", job.done.get(), 1)
}

survives!(a_handle: job, |job: Job| async move {
    let handle = job.take();
    job.probe.watch(handle).await.unwrap()
}, it_is_done);

survives!(the_handle_of_a_blocking_closure: async || Job::new(|done| {
    let work = move || {
        done.up();
        7
    };
    Runtime::current().try_spawn_blocking(work).unwrap()
}), |job: Job| async move {
    let handle = job.take();
    job.probe.watch(handle).await.unwrap()
}, it_is_done);

survives!(a_lent_handle: job, |job: Job| async move {
    // Put back when this is dropped.
    struct Back(Job, Option<JoinHandle<u32>>);
    impl Drop for Back {
        fn drop(&mut self) {
            *self.0.handle.lock().unwrap() = self.1.take();
        }
    }
    let mut back = Back(job.clone(), Some(job.take()));
    let value = job.probe.watch(back.1.as_mut().unwrap()).await.unwrap();
    back.1 = None;
    value
}, |job: Job, outcome| async move {
    let left = job.handle.lock().unwrap().take();
    // The result is still there, for the next who asks.
    match (outcome, left) {
        (Outcome::Completed(value), None) => same("the value", value, 7)?,
        (_, Some(handle)) => same("the value, later", handle.await.ok(), Some(7))?,
        _ => return Err("the handle is gone".into()),
    }
    it_is_done(job, Outcome::Completed(())).await
});

survives!(a_cancelled_handle: job, |job: Job| async move {
    let handle = job.take();
    handle.cancel();
    job.probe.watch(handle).await.is_err_and(|e| e.is_cancelled())
}, |job: Job, outcome| async move {
    job.probe.is_alone()?;
    until(2).await;
    match outcome {
        Outcome::Completed(cancelled) => same("cancelled", (cancelled, job.done.get()), (true, 0)),
        // It ran to its end, or was cancelled: it depends on where this one was dropped.
        _ => Ok(()),
    }
});

survives!(within: async || {
    let other = rival(time::sleep(MS));
    (Probe::default(), Runtime::current(), other)
}, |(probe, runtime, _)| async move {
    let name = runtime.name();
    let works = runtime.within(async {
        time::sleep(MS).await;
        Runtime::current().name()
    });
    let outer = Runtime::neutral().within(works);
    assert_eq!(probe.watch(outer).await, name);
}, |(probe, runtime, other), _| async move {
    probe.is_alone()?;
    same("the runtime", Runtime::current().name(), runtime.name())?;
    until(1).await;
    same("rivals that woke", other.get(), 1)
});
