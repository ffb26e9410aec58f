//! Errors, panics, timeouts and retries, and where they are told.

use super::{HOUR, MS, until};
use regatta::sync::Event;
use regatta::time;
use regatta::workers::{Job, JobError, Restart, Shutdown, SubmitError, Workers};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Jobs that do as they are told.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Do {
    Nothing,
    Fail,
    Panic,
    PanicEarly,
    Hang,
    PanicInDrop,
}

/// Panics when it is dropped.
struct Bomb(bool);

impl Drop for Bomb {
    fn drop(&mut self) {
        if self.0 {
            panic!("the value's drop");
        }
    }
}

fn obey(what: Do) -> impl Future<Output = Result<Bomb, &'static str>> + Send {
    assert_ne!(what, Do::PanicEarly, "before the future");
    async move {
        futures_lite::future::yield_now().await;
        match what {
            Do::Fail => Err("told to"),
            Do::Panic => panic!("told to panic"),
            Do::Hang => std::future::pending().await,
            Do::PanicInDrop => Ok(Bomb(true)),
            Do::Nothing | Do::PanicEarly => Ok(Bomb(false)),
        }
    }
}

async fn end(job: Job<Bomb, &'static str>) -> Result<(), JobError<&'static str>> {
    job.await.map(drop)
}

async fn a_panic_is_the_result_of_its_job_and_the_worker_goes_on() {
    let gate = Event::new();
    let open = gate.clone();
    let work = move |what| {
        let gate = gate.clone();
        let obeyed = (what != Do::Hang).then(|| obey(what));
        async move {
            match obeyed {
                Some(obeyed) => obeyed.await,
                None => {
                    gate.wait().await;
                    Ok(Bomb(false))
                }
            }
        }
    };
    let workers = Workers::new(1, work).unwrap();
    let panicked = end(workers.submit(Do::Panic).await.unwrap()).await;
    assert_eq!(panicked, Err(JobError::Panicked("told to panic".into())));
    let early = end(workers.submit(Do::PanicEarly).await.unwrap()).await;
    assert!(matches!(early, Err(JobError::Panicked(m)) if m.contains("before the future")));
    assert_eq!(
        end(workers.submit(Do::Nothing).await.unwrap()).await,
        Ok(())
    );
    // The worker is held up until nobody has the handle of the next job: its value is dropped on the worker, and panics there.
    let held = workers.submit(Do::Hang).await.unwrap();
    drop(workers.submit(Do::PanicInDrop).await.unwrap());
    open.set();
    assert_eq!(end(held).await, Ok(()));
    assert_eq!(
        end(workers.submit(Do::Nothing).await.unwrap()).await,
        Ok(())
    );
    let report = workers.stop(HOUR).await;
    assert_eq!((report.ended.completed, report.ended.panicked), (4, 2));
    assert_eq!(report.ended.total(), 6);
}

async fn a_job_that_takes_too_long_is_cancelled_and_says_so() {
    let workers = Workers::builder(1, obey)
        .job_timeout(20 * MS)
        .start()
        .unwrap();
    let late = end(workers.submit(Do::Hang).await.unwrap()).await;
    assert_eq!(late, Err(JobError::TimedOut(20 * MS)));
    assert_eq!(
        end(workers.submit(Do::Nothing).await.unwrap()).await,
        Ok(())
    );
    assert_eq!(workers.stats().ended.timed_out, 1);
}

async fn a_failed_job_is_tried_again_as_the_hook_says() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let tried = seen.clone();
    let workers = Workers::builder(1, obey)
        .job_timeout(5 * MS)
        .retry(move |attempt| {
            let kind = match attempt.error {
                JobError::Failed(_) => 'f',
                JobError::TimedOut(_) => 't',
                JobError::Panicked(_) => 'p',
                _ => '?',
            };
            tried
                .lock()
                .unwrap()
                .push((attempt.job, attempt.number, kind));
            (attempt.number < 3).then_some(MS)
        })
        .start()
        .unwrap();
    let ends = [
        end(workers.submit(Do::Fail).await.unwrap()).await,
        end(workers.submit(Do::Hang).await.unwrap()).await,
        end(workers.submit(Do::Panic).await.unwrap()).await,
        end(workers.submit(Do::Nothing).await.unwrap()).await,
    ];
    assert_eq!(ends[0], Err(JobError::Failed("told to")));
    assert_eq!(ends[1], Err(JobError::TimedOut(5 * MS)));
    assert_eq!(ends[2], Err(JobError::Panicked("told to panic".into())));
    assert_eq!(ends[3], Ok(()));
    let expected: Vec<_> = [(0, 'f'), (1, 't'), (2, 'p')]
        .into_iter()
        .flat_map(|(job, kind)| (1..=3).map(move |number| (job, number, kind)))
        .collect();
    assert_eq!(*seen.lock().unwrap(), expected);
    let stats = workers.stats();
    assert_eq!((stats.retries, stats.ended.total()), (6, 4));
}

async fn a_cancelled_job_is_not_tried_again_not_even_between_two_attempts() {
    let asked = Arc::new(AtomicU32::new(0));
    let count = asked.clone();
    let workers = Workers::builder(1, obey)
        .retry(move |_| {
            count.fetch_add(1, Ordering::Relaxed);
            Some(HOUR)
        })
        .start()
        .unwrap();
    let hangs = workers.submit(Do::Hang).await.unwrap();
    until(|| workers.stats().running == 1).await;
    hangs.cancel();
    assert!(matches!(end(hangs).await, Err(JobError::Cancelled(_))));
    assert_eq!(asked.load(Ordering::Relaxed), 0);
    let fails = workers.submit(Do::Fail).await.unwrap();
    until(|| asked.load(Ordering::Relaxed) == 1).await;
    fails.cancel();
    assert!(matches!(end(fails).await, Err(JobError::Cancelled(_))));
    assert_eq!(asked.load(Ordering::Relaxed), 1);
}

async fn a_hook_that_panics_is_a_panic_of_the_job() {
    let workers = Workers::builder(1, obey)
        .retry(|_| panic!("in the hook"))
        .start()
        .unwrap();
    let failed = end(workers.submit(Do::Fail).await.unwrap()).await;
    assert_eq!(failed, Err(JobError::Panicked("in the hook".into())));
    assert_eq!(
        end(workers.submit(Do::Nothing).await.unwrap()).await,
        Ok(())
    );
}

async fn errors_that_nobody_asks_for_go_to_the_sink() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let tells = told.clone();
    let workers = Workers::builder(1, obey)
        .on_unclaimed_error(move |job, error| {
            tells.lock().unwrap().push((job, error));
            assert_ne!(job, 0, "a sink that panics harms nobody");
        })
        .start()
        .unwrap();
    drop(workers.submit(Do::Fail).await.unwrap());
    let ended = workers.submit(Do::Fail).await.unwrap();
    until(|| ended.is_finished()).await;
    drop(ended); // its error is there, and was not taken
    drop(workers.submit(Do::Nothing).await.unwrap());
    let taken = end(workers.submit(Do::Fail).await.unwrap()).await;
    assert_eq!(taken, Err(JobError::Failed("told to")));
    workers.join().await;
    let expected = [
        (0, JobError::Failed("told to")),
        (1, JobError::Failed("told to")),
    ];
    assert_eq!(*told.lock().unwrap(), expected);
    assert_eq!(workers.stats().unclaimed, 2);
}

async fn a_cancellation_is_nobodys_failure() {
    let told = Arc::new(AtomicU32::new(0));
    let tells = told.clone();
    let workers = Workers::builder(1, obey)
        .queue(10)
        .on_unclaimed_error(move |_, _| {
            tells.fetch_add(1, Ordering::Relaxed);
        })
        .start()
        .unwrap();
    // One that runs and one that waits, by their drop; the same by a call.
    for drops in [true, false] {
        let running = workers.submit(Do::Hang).await.unwrap();
        until(|| workers.stats().running == 1).await;
        let waiting = workers.submit(Do::Hang).await.unwrap();
        if drops {
            drop((waiting.cancel_on_drop(), running.cancel_on_drop()));
        } else {
            waiting.cancel();
            running.cancel();
            drop((waiting, running));
        }
        workers.join().await;
    }
    // And by a stop.
    drop(workers.submit(Do::Hang).await.unwrap());
    until(|| workers.stats().running == 1).await;
    let report = workers.stop(Shutdown::now().cleanup(HOUR)).await;
    assert_eq!(report.ended.cancelled, 5);
    assert_eq!(
        (told.load(Ordering::Relaxed), workers.stats().unclaimed),
        (0, 0)
    );
}

async fn a_destructor_that_panics_ends_its_job_alone() {
    let workers = Workers::builder(1, |n: u32| async move {
        match n {
            0 => Err(Bomb(true)),
            1 => Ok(Bomb(true)),
            _ => {
                let _bomb = Bomb(true);
                std::future::pending().await
            }
        }
    })
    .queue(10)
    .start()
    .unwrap();
    for n in [0, 1] {
        drop(workers.submit(n).await.unwrap());
        let ended = workers.submit(n).await.unwrap();
        until(|| ended.is_finished()).await;
        drop(ended);
    }
    let cut = workers.submit(2).await.unwrap();
    until(|| workers.stats().running == 1).await;
    cut.cancel();
    assert!(cut.await.is_err());
    workers.join().await;
    // The only worker lives.
    let last = workers.submit(1).await.unwrap().await;
    std::mem::forget(last);
    assert_eq!((workers.stats().workers, workers.stats().running), (1, 0));
}

async fn after_too_many_panics_they_give_up_and_nothing_is_lost() {
    let restart = Restart::AtMost {
        panics: 2,
        within: HOUR,
    };
    let workers = Workers::builder(1, obey)
        .queue(10)
        .restart(restart)
        .start()
        .unwrap();
    let mut jobs = Vec::new();
    for what in [
        Do::Panic,
        Do::Nothing,
        Do::Panic,
        Do::Panic,
        Do::Fail,
        Do::Nothing,
    ] {
        jobs.push(workers.submit(what).await.unwrap());
    }
    let mut ends = Vec::new();
    for job in jobs {
        ends.push(end(job).await);
    }
    assert_eq!(ends[1], Ok(()));
    assert!(matches!(ends[3], Err(JobError::Panicked(_))));
    assert_eq!(
        ends[4..],
        [Err(JobError::NeverRan), Err(JobError::NeverRan)]
    );
    let refused = workers.submit(Do::Nothing).await.unwrap_err();
    assert_eq!(refused, SubmitError::GaveUp(Do::Nothing));
    assert!(workers.stats().gave_up);
    let report = workers.stop(HOUR).await;
    assert!(report.gave_up);
    assert_eq!(report.dropped, [Do::Fail, Do::Nothing]);
    assert_eq!((report.ended.panicked, report.ended.never_ran), (3, 2));
    assert_eq!(workers.stop(HOUR).await.dropped, [], "given once");
}

async fn panics_far_apart_are_borne() {
    let restart = Restart::AtMost {
        panics: 1,
        within: Duration::from_secs(60),
    };
    let workers = Workers::builder(1, obey).restart(restart).start().unwrap();
    for _ in 0..5 {
        let end = end(workers.submit(Do::Panic).await.unwrap()).await;
        assert!(matches!(end, Err(JobError::Panicked(_))));
        time::sleep(Duration::from_secs(60)).await;
    }
    assert!(!workers.stats().gave_up);
}

regatta::matrix! {
    a_panic_is_the_result_of_its_job_and_the_worker_goes_on;
    a_job_that_takes_too_long_is_cancelled_and_says_so;
    a_failed_job_is_tried_again_as_the_hook_says;
    a_cancelled_job_is_not_tried_again_not_even_between_two_attempts;
    a_hook_that_panics_is_a_panic_of_the_job;
    errors_that_nobody_asks_for_go_to_the_sink;
    a_cancellation_is_nobodys_failure;
    a_destructor_that_panics_ends_its_job_alone;
    after_too_many_panics_they_give_up_and_nothing_is_lost;
    panics_far_apart_are_borne [sim];
}
