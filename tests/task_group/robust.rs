//! What is the user's and may go wrong: destructors that panic, wakers that come back, runtimes that end. And who gives
//! way, and leaves nothing behind.

use regatta::cancel::{self, CancelToken};
#[cfg(feature = "tokio")]
use regatta::runtime::Runtime;
use regatta::task::{self, TaskGroup, When};
use regatta::{testing, time};
use std::convert::Infallible;
use std::future::{Future, pending, poll_fn};
use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

const MS: Duration = Duration::from_millis(1);

type Group<'env> = TaskGroup<'env, Infallible>;

/// Its `Drop` panics.
struct Bomb;
impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("no goodbye");
    }
}

async fn panic_of<F: Future>(future: F) -> Option<String> {
    use futures_lite::FutureExt;
    let panic = AssertUnwindSafe(future).catch_unwind().await.err()?;
    Some(match panic.downcast::<String>() {
        Ok(text) => *text,
        Err(panic) => panic.downcast_ref::<&str>().unwrap().to_string(),
    })
}

/// A value that nobody takes panics when it is dropped: the child's panic. The sibling cleans up, all are joined, and
/// the process lives.
async fn body_of_discarded(g: Group<'_>, cleaned: &'static AtomicUsize) -> Result<(), Infallible> {
    let begun = CancelToken::new();
    let begins = begun.clone();
    drop(g.spawn(async move {
        let cleanup = async {
            time::sleep(MS).await;
            cleaned.fetch_add(1, SeqCst);
        };
        let works = async {
            begins.cancel();
            pending::<()>().await
        };
        cancel::finally(works, cleanup).await;
    }));
    begun.cancelled().await;
    drop(g.named("giver").spawn(async {
        futures_lite::future::yield_now().await;
        Ok(Bomb)
    }));
    pending().await
}

async fn a_discarded_value_that_panics_is_the_panic_of_its_child() {
    static CLEANED: AtomicUsize = AtomicUsize::new(0);
    for round in 0..10 {
        let before = CLEANED.load(SeqCst);
        let panic = if round % 2 == 0 {
            panic_of(task::task_group(|g| body_of_discarded(g, &CLEANED))).await
        } else {
            panic_of(task::scope(|g| body_of_discarded(g, &CLEANED))).await
        };
        assert_eq!(panic.unwrap(), "task `giver` panicked: no goodbye");
        assert!(CLEANED.load(SeqCst) > before, "the sibling has cleaned up");
    }
}

/// The runtime of the children ends while the group has a grace, and a time to close: no word of tokio's, but how it
/// ended.
#[cfg(feature = "tokio")]
#[test]
fn a_group_with_grace_whose_runtime_ends_says_so() {
    for close in [false, true] {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let here = Runtime::tokio(runtime.handle().clone());
        let started = Arc::new(AtomicUsize::new(0));
        let counter = started.clone();
        let host = std::thread::spawn(move || {
            let group = task::task_group(async |g: Group<'static>| {
                g.grace(MS * 50);
                if close {
                    g.close_within(MS * 100);
                }
                for _ in 0..3 {
                    let counter = counter.clone();
                    g.spawn(async move {
                        counter.fetch_add(1, SeqCst);
                        pending::<()>().await
                    });
                }
                pending::<Result<(), _>>().await
            });
            futures_lite::future::block_on(here.within(group))
        });
        while started.load(SeqCst) < 3 {
            std::thread::yield_now();
        }
        runtime.shutdown_timeout(Duration::from_secs(20));
        let end = host.join().expect("it does not panic").unwrap_err();
        assert_eq!(end.cancelled(), Some(&cancel::Reason::Shutdown));
    }
}

/// A caller that is cancelled lives on for somebody's cleanup, or for its grace. Its turn comes, and nothing starts.
#[test]
fn a_cancelled_caller_spawns_no_more_when_its_turn_comes() {
    for graceful in [false, true] {
        for limited in [false, true] {
            testing::run(async move || {
                let started = AtomicUsize::new(0);
                let token = CancelToken::new();
                let (counter, canceller) = (&started, token.clone());
                task::scope(async |g: Group<'_>| {
                    if limited {
                        g.limit(1);
                    }
                    let work = async {
                        let spawns = async {
                            loop {
                                let child = async {
                                    counter.fetch_add(1, SeqCst);
                                    time::sleep(MS * 10).await;
                                };
                                drop(g.spawn_when_free(child).await);
                                if !limited {
                                    time::sleep(MS * 10).await;
                                }
                            }
                        };
                        let tidies = cancel::finally(pending::<()>(), time::sleep(MS * 100));
                        futures::join!(spawns, tidies).1
                    };
                    let cancels = async {
                        time::sleep(MS * 25).await;
                        canceller.cancel();
                    };
                    if graceful {
                        let run = token.run_graceful(MS * 100, work);
                        assert!(futures::join!(run, cancels).0.is_err());
                    } else {
                        assert!(futures::join!(token.run(work), cancels).0.is_err());
                    }
                    // The group is none the worse: the turn has gone to the next.
                    let next = g.spawn_when_free(async { Ok(5) }).await;
                    assert_eq!(next.await, 5);
                    Ok(())
                })
                .await
                .unwrap();
                assert_eq!(started.load(SeqCst), 3, "{graceful} {limited}");
            });
        }
    }
}

/// Who waits in line and leaves in the moment its turn comes hands it on.
async fn a_turn_that_comes_to_somebody_who_leaves_goes_to_the_next() {
    for _ in 0..50 {
        let all = task::task_group(async |g: Group<'static>| {
            g.limit(1);
            let first = g.spawn(futures_lite::future::yield_now());
            {
                let waits = g.spawn_when_free(async {});
                let mut waits = pin!(waits);
                let polled = poll_fn(|cx| Poll::Ready(waits.as_mut().poll(cx).is_ready())).await;
                drop((polled, first));
                futures_lite::future::yield_now().await;
            }
            let last = g.spawn_when_free(async { Ok(7) }).await;
            Ok(last.await)
        });
        assert_eq!(
            time::timeout(Duration::from_secs(30), all)
                .await
                .unwrap()
                .unwrap(),
            7
        );
    }
}

/// Counts how many of it there are; its clones come back to the object they wait for.
struct Nosy(Arc<dyn Fn() + Send + Sync>);
impl Wake for Nosy {
    fn wake(self: Arc<Self>) {
        (self.0)();
    }
}
impl Drop for Nosy {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// Polls once, with a waker of its own, and says how many of that are left when the future is gone.
fn left_behind<F: Future>(future: Pin<&mut F>) -> (Poll<F::Output>, std::sync::Weak<Nosy>) {
    let nosy = Arc::new(Nosy(Arc::new(|| {})));
    let weak = Arc::downgrade(&nosy);
    let waker = Waker::from(nosy);
    (future.poll(&mut Context::from_waker(&waker)), weak)
}

async fn who_stops_waiting_leaves_no_waker_behind() {
    task::task_group(async |g: Group<'static>| {
        let child = || async { pending::<Result<u8, Infallible>>().await };
        // A handle that is dropped.
        let (polled, waker) = left_behind(pin!(g.spawn(child())).as_mut());
        assert!(polled.is_pending());
        assert_eq!(waker.strong_count(), 0, "handle");
        // A wait for its end.
        let mut task = g.spawn(child());
        {
            let mut outcome = pin!(task.outcome());
            let (_, waker) = left_behind(outcome.as_mut());
            assert_eq!(waker.strong_count(), 1);
        }
        let (_, waker) = {
            let mut outcome = pin!(task.outcome());
            left_behind(outcome.as_mut())
        };
        assert_eq!(waker.strong_count(), 0, "outcome");
        // A wait for several.
        let mut tasks = vec![g.spawn(child()), g.spawn(child())];
        let (_, waker) = {
            let mut wait = pin!(task::wait(&mut tasks, When::All));
            left_behind(wait.as_mut())
        };
        assert_eq!(waker.strong_count(), 0, "wait");
        // One that got ready.
        let (_, waker) = {
            let mut start = pin!(g.start::<u8, _, _>(|_ready| pending()));
            left_behind(start.as_mut())
        };
        assert_eq!(waker.strong_count(), 0, "start");
        // A place in the line.
        g.limit(1);
        let _runs = g.spawn(child());
        let (_, waker) = {
            let mut spawn = pin!(g.spawn_when_free(child()));
            left_behind(spawn.as_mut())
        };
        assert_eq!(waker.strong_count(), 0, "spawn_when_free");
        g.cancel_children();
        Ok(())
    })
    .await
    .unwrap();
}

/// A waker's wake and drop may look at what it waits for. (Clones: `tests/operations`.)
#[test]
fn wakers_may_come_back_to_the_handle_they_wait_for() {
    testing::run(async || {
        task::scope(async |g: Group<'_>| {
            let stop = CancelToken::new();
            let stops = stop.clone();
            let task = Arc::new(Mutex::new(g.spawn(async move {
                stops.cancelled().await;
                Ok(3)
            })));
            let looks = Arc::new(AtomicUsize::new(0));
            for _ in 0..3 {
                let (handle, count) = (task.clone(), looks.clone());
                let nosy = Nosy(Arc::new(move || {
                    count.fetch_add(1, SeqCst);
                    if let Ok(task) = handle.try_lock() {
                        let _ = task.is_finished();
                    }
                }));
                let waker = Waker::from(Arc::new(nosy));
                let mut task = task.lock().unwrap();
                assert!(
                    Pin::new(&mut *task)
                        .poll(&mut Context::from_waker(&waker))
                        .is_pending()
                );
            }
            stop.cancel();
            testing::settle().await;
            assert!(looks.load(SeqCst) >= 3);
            assert_eq!(task.lock().unwrap().try_outcome().unwrap().unwrap(), 3);
            Ok(())
        })
        .await
        .unwrap();
    });
}

/// A task of tokio gives way after two thousand operations, see `runtime::coop`.
const ROUNDS: usize = 5000;

/// Runs `op` over and over in one task, beside one that counts its turns.
async fn turns_beside<Fut: Future>(mut op: impl FnMut() -> Fut) -> usize {
    let done = AtomicBool::new(false);
    let mut turns = 0;
    let busy = async {
        for _ in 0..ROUNDS {
            op().await;
        }
        done.store(true, SeqCst);
    };
    let beside = async {
        while !done.load(SeqCst) {
            turns += 1;
            futures_lite::future::yield_now().await;
        }
    };
    futures::join!(busy, beside);
    turns
}

/// Each is ready at once, each time: a loop around it still lets others run.
async fn what_is_always_ready_gives_way() {
    let ready = || std::future::ready(Ok::<u8, Infallible>(1));
    let limit = 2..;
    let turns = [
        turns_beside(|| async { task::scope(async |_: Group<'_>| Ok(())).await }).await,
        turns_beside(|| async {
            task::scope(async |g: Group<'_>| Ok(g.spawn(async { Ok(1) }).await)).await
        })
        .await,
        turns_beside(|| async { task::gather([ready(), ready()]).await }).await,
        turns_beside(|| async { task::gather([ready()]).settled().await }).await,
        turns_beside(|| async {
            futures_lite::StreamExt::next(&mut task::as_completed([ready()])).await
        })
        .await,
        turns_beside(|| async { task::wait(&mut Vec::<task::Task<u8>>::new(), When::All).await })
            .await,
    ];
    for (i, turns) in turns.iter().enumerate() {
        assert!(limit.contains(turns), "{i}: {turns} turns");
    }
    task::scope(async |g: Group<'_>| {
        let tasks: Vec<_> = (0..ROUNDS).map(|i| g.spawn(async move { Ok(i) })).collect();
        while !tasks.iter().all(task::Task::is_finished) {
            futures_lite::future::yield_now().await;
        }
        let mut tasks = tasks.into_iter();
        let turns = turns_beside(|| tasks.next().unwrap()).await;
        assert!(limit.contains(&turns), "handles: {turns} turns");
        let turns = turns_beside(|| async { drop(g.spawn_when_free(async {}).await) }).await;
        assert!(limit.contains(&turns), "spawn_when_free: {turns} turns");
        g.limit(ROUNDS * 3);
        let turns = turns_beside(|| async { drop(g.spawn_when_free(async {}).await) }).await;
        assert!(
            limit.contains(&turns),
            "spawn_when_free, limited: {turns} turns"
        );
        Ok(())
    })
    .await
    .unwrap();
}

regatta::matrix! {
    a_discarded_value_that_panics_is_the_panic_of_its_child;
    a_turn_that_comes_to_somebody_who_leaves_goes_to_the_next;
    who_stops_waiting_leaves_no_waker_behind;
    what_is_always_ready_gives_way;
}
