//! Cases 130 and 132, and calls from many threads.

use crate::{Gate, LONG, MS};
use regatta::blocking::{Portal, PortalError, ThreadPool};
use regatta::cancel::{self, CancelToken, Reason};
use regatta::runtime::{Flavor, run_on};
use regatta::{Runtime, matrix, testing, time};
use std::future::{Future, pending};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

fn every_flavor(test: impl Fn(Portal)) {
    for flavor in Flavor::ALL.into_iter().filter(|f| f.is_available()) {
        test(Portal::start(flavor).unwrap());
    }
}

#[test]
fn a_hundred_plain_threads_call() {
    every_flavor(|portal| {
        let threads: Vec<_> = (0..100)
            .map(|n: u64| {
                let portal = portal.clone();
                thread::spawn(move || {
                    let mut sum = 0;
                    for k in 0..20 {
                        let call = move || async move {
                            if k % 5 == 0 {
                                time::sleep(MS).await;
                            }
                            n * k
                        };
                        sum += portal.call(call).unwrap();
                    }
                    sum
                })
            })
            .collect();
        for (n, thread) in threads.into_iter().enumerate() {
            assert_eq!(thread.join().unwrap(), n as u64 * 190);
        }
        portal.stop().unwrap();
    });
}

/// 132: stopping waits for the calls.
#[test]
fn a_stop_waits_for_the_calls() {
    every_flavor(|portal| {
        let (open, opened) = async_channel::bounded::<()>(1);
        let call = portal.spawn(move || async move {
            opened.recv().await.unwrap();
            time::sleep(MS * 5).await;
            "done"
        });
        portal.close();
        open.send_blocking(()).unwrap();
        portal.stop().unwrap();
        assert!(call.is_finished());
        assert_eq!(call.wait().unwrap(), "done");
    });
}

/// 132: an exit with an error cancels them, and they can clean up.
#[test]
fn cancelling_the_portal_cancels_the_calls() {
    every_flavor(|portal| {
        let cleaned = Arc::new(AtomicUsize::new(0));
        let counter = cleaned.clone();
        let (started, start) = async_channel::bounded(1);
        let call = portal.spawn(move || async move {
            started.send(()).await.unwrap();
            let tidy = async move {
                time::sleep(MS).await;
                counter.fetch_add(1, SeqCst);
            };
            cancel::finally(pending::<()>(), tidy).await
        });
        start.recv_blocking().unwrap();
        portal.cancel_with("the program failed");
        portal.stop().unwrap();
        assert_eq!(cleaned.load(SeqCst), 1);
        match call.wait() {
            Err(PortalError::Cancelled(c)) => {
                assert_eq!(c.to_string(), "cancelled: the program failed")
            }
            other => panic!("{other:?}"),
        }
    });
}

/// 132.
#[test]
fn a_call_after_the_stop_is_an_error() {
    every_flavor(|portal| {
        portal.stop().unwrap();
        let refused = portal.call(|| async { 1 });
        assert!(matches!(refused, Err(PortalError::Stopped)), "{refused:?}");
        portal.stop().unwrap();
    });
}

/// 132: from inside the loop it would wait for itself.
#[test]
fn a_call_from_the_loop_explains_itself() {
    every_flavor(|portal| {
        let inner = portal.clone();
        let refused = portal
            .call(move || async move {
                let from_body = inner.call(|| async { 1 });
                time::sleep(MS).await;
                let stop = inner.stop();
                (from_body, stop)
            })
            .unwrap();
        for refused in [refused.0.map(drop), refused.1] {
            let why = refused.unwrap_err();
            assert!(matches!(why, PortalError::OnEventLoop));
            assert!(why.to_string().contains(".await"), "{why}");
        }
    });
}

async fn the_current_loop_is_known() {
    let portal = Portal::current().unwrap();
    let refused = portal.call(|| async { 1 });
    assert!(matches!(refused, Err(PortalError::OnEventLoop)));
    assert_eq!(portal.spawn(|| async { 2 }).await.unwrap(), 2);
    portal.close();
    portal.stopped().await;
    let late = portal.spawn(|| async { 3 }).await;
    assert!(matches!(late, Err(PortalError::Stopped)));
}

async fn plain_threads_call_into_this_runtime() {
    let portal = Portal::current().unwrap();
    let here = Runtime::current().name();
    let (done, ended) = async_channel::bounded(100);
    for n in 0..100 {
        let (portal, done) = (portal.clone(), done.clone());
        thread::spawn(move || {
            let call = move || async move {
                time::sleep(MS).await;
                (n, Runtime::current().name())
            };
            done.send_blocking(portal.call(call).unwrap()).unwrap();
        });
    }
    drop(done);
    let mut seen = Vec::new();
    while let Ok((n, name)) = ended.recv().await {
        assert_eq!(name, here);
        seen.push(n);
    }
    seen.sort_unstable();
    assert_eq!(seen, (0..100).collect::<Vec<_>>());
}

/// 132: cancelled through the handle, before it starts, while it runs, and after the stop was asked for.
#[test]
fn a_handle_cancels_its_call_at_any_time() {
    every_flavor(|portal| {
        let (started, start) = async_channel::bounded(1);
        let running = portal.spawn(move || async move {
            started.send(()).await.unwrap();
            pending::<()>().await
        });
        start.recv_blocking().unwrap();
        running.cancel_with("enough");
        match running.wait() {
            Err(PortalError::Cancelled(c)) => {
                assert_eq!(*c.reason(), Reason::Other("enough".into()))
            }
            other => panic!("{other:?}"),
        }
        let late = portal.spawn(pending::<()>);
        portal.close();
        late.cancel();
        assert!(matches!(late.wait(), Err(PortalError::Cancelled(_))));
        portal.stop().unwrap();
    });
}

#[test]
fn a_call_that_is_cancelled_before_it_starts_never_runs() {
    // On a loop of one thread the call cannot start before the cancel.
    let portal = Portal::start(Flavor::Neutral).unwrap();
    let ran = Arc::new(AtomicUsize::new(0));
    let counter = ran.clone();
    let inner = portal.clone();
    portal
        .spawn(move || async move {
            let call = inner.spawn(move || async move { counter.fetch_add(1, SeqCst) });
            call.cancel();
            assert!(matches!(call.await, Err(PortalError::Cancelled(_))));
        })
        .wait()
        .unwrap();
    assert_eq!(ran.load(SeqCst), 0);
}

#[test]
fn a_panic_is_the_calls_own() {
    every_flavor(|portal| {
        let failed = portal.call(|| async { assert_eq!(1, 2, "arithmetic") });
        match failed {
            Err(PortalError::Panicked(panic)) => {
                assert!(panic.to_string().contains("arithmetic"), "{panic}")
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(portal.call(|| async { 1 }).unwrap(), 1);
        portal.stop().unwrap();
    });
}

#[test]
fn dropping_the_last_portal_cancels_its_calls() {
    every_flavor(|portal| {
        let call = portal.spawn(pending::<()>);
        drop(portal);
        assert!(matches!(call.wait(), Err(PortalError::Cancelled(_))));
    });
}

/// 130: a call from a worker thread runs inside the scopes of whoever awaits the closure.
async fn a_call_from_a_worker_runs_in_the_callers_scopes() {
    let (pool, portal) = (ThreadPool::new(1), Portal::current().unwrap());
    let token = CancelToken::new();
    let (gate, wait) = Gate::new();
    let caller = token.run(pool.run(move || {
        portal.call(|| async {
            wait();
            pending::<()>().await
        })
    }));
    let canceller = async {
        gate.open.send(()).await.unwrap();
        gate.occupied().await;
        token.cancel_with("the request is gone");
    };
    let (ended, ()) = futures_lite::future::zip(caller, canceller).await;
    match ended.unwrap().unwrap() {
        Err(PortalError::Cancelled(c)) => {
            assert_eq!(*c.reason(), Reason::Other("the request is gone".into()))
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(pool.shutdown(LONG).await.completed, 1);
}

matrix! {
    the_current_loop_is_known;
    plain_threads_call_into_this_runtime [tokio_current, tokio_multi, smol];
    a_call_from_a_worker_runs_in_the_callers_scopes [tokio_current, tokio_multi, smol];
}

/// Where blocking closures are threads, they can call into virtual time.
#[test]
fn a_worker_calls_into_virtual_time() {
    // Without a grace the clock stands still while a closure runs.
    let config = testing::Config::new(1)
        .blocking(testing::Blocking::Thread)
        .foreign_grace(MS * 20);
    let report = testing::run_with(config, async || {
        let (pool, portal) = (ThreadPool::new(2), Portal::current().unwrap());
        let slept = pool.run(move || {
            portal.call(|| async {
                let start = Runtime::current().now();
                time::sleep(LONG * 100).await;
                Runtime::current().now() - start
            })
        });
        slept.await.unwrap().unwrap()
    });
    assert_eq!(report.unwrap(), LONG * 100);
}

#[test]
fn a_runtime_that_is_not_there_is_named() {
    for flavor in Flavor::ALL.into_iter().filter(|f| !f.is_available()) {
        let why = Portal::start(flavor).unwrap_err().to_string();
        assert!(why.contains("enable regatta's feature"), "{why}");
    }
    let none = run_on(Flavor::Neutral, async { Portal::current().unwrap_err() });
    assert!(none.to_string().contains("no async runtime"), "{none}");
}

/// Panics when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("a destructor");
    }
}

/// A future that panics when it is dropped.
struct Mine(Bomb);

impl Future for Mine {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }
}

#[test]
fn a_destructor_that_panics_ends_its_call_alone() {
    every_flavor(|portal| {
        let (open, opened) = async_channel::bounded::<()>(1);
        let bystander = portal.spawn(move || async move { opened.recv().await.is_ok() });
        // A value that nobody wants, when it comes and before.
        drop(portal.spawn(|| async { Bomb }));
        let early = portal.spawn(|| async { Bomb });
        while !early.is_finished() {
            thread::yield_now();
        }
        drop(early);
        // A future that is cut, and a closure that never runs.
        let (started, start) = async_channel::bounded(1);
        let mine = portal.spawn(move || {
            started.try_send(()).unwrap();
            Mine(Bomb)
        });
        start.recv_blocking().unwrap();
        mine.cancel();
        assert!(mine.wait().is_err());
        let bomb = Bomb;
        let never = portal.spawn(move || {
            std::mem::forget(bomb);
            async {}
        });
        never.cancel();
        drop(never.wait());
        assert!(portal.call(|| async { true }).unwrap());
        open.send_blocking(()).unwrap();
        assert!(bystander.wait().unwrap());
        portal.stop().unwrap();
    });
}

#[test]
fn a_handle_that_is_dropped_keeps_no_waker() {
    struct Wakes;
    impl Wake for Wakes {
        fn wake(self: Arc<Self>) {}
    }
    let wakes = Arc::new(Wakes);
    let waker = Waker::from(wakes.clone());
    let mut cx = Context::from_waker(&waker);
    every_flavor(|portal| {
        let mut call = portal.spawn(pending::<()>);
        assert!(Pin::new(&mut call).poll(&mut cx_of(&waker)).is_pending());
        assert_eq!(Arc::strong_count(&wakes), 3);
        drop(call);
        assert_eq!(Arc::strong_count(&wakes), 2);
        portal.cancel();
        portal.stop().unwrap();
    });
    let pool = ThreadPool::new(1);
    let (open, opened) = std::sync::mpsc::channel::<()>();
    let mut submit = pin!(pool.submit(move || opened.recv().is_ok()));
    let Poll::Ready(Ok(mut job)) = submit.as_mut().poll(&mut cx) else {
        panic!("there is room");
    };
    assert!(Pin::new(&mut job).poll(&mut cx).is_pending());
    assert_eq!(Arc::strong_count(&wakes), 3);
    drop(job);
    assert_eq!(Arc::strong_count(&wakes), 2);
    drop(open);
}

fn cx_of(waker: &Waker) -> Context<'_> {
    Context::from_waker(waker)
}

#[test]
fn a_portal_whose_runtime_has_ended_says_so() {
    for flavor in [Flavor::Tokio, Flavor::TokioCurrent] {
        if !flavor.is_available() {
            continue;
        }
        let (portal, call) = run_on(flavor, async {
            let portal = Portal::current().unwrap();
            let call = portal.spawn(pending::<()>);
            time::sleep(MS).await;
            (portal, call)
        });
        thread::spawn(move || {
            assert!(matches!(call.wait(), Err(PortalError::Cancelled(_))));
            let refused = portal.call(|| async {});
            assert!(matches!(refused, Err(PortalError::Stopped)), "{refused:?}");
            portal.stop().unwrap();
        })
        .join()
        .unwrap();
    }
}
