//! Cancelled work that only gives way, and wakers of whoever waits for a cancellation.

use crate::ground::MS;
use regatta::cancel::{self, CancelToken};
use regatta::task::yield_now;
use regatta::time::Deadline;
use std::cell::Cell;
use std::future::{Future, pending};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Poll, Wake, Waker};

fn cancelled() -> CancelToken {
    let token = CancelToken::new();
    token.cancel();
    token
}

async fn cancelled_work_that_only_gives_way_has_its_value() {
    let (token, reply) = (cancelled(), cancelled());
    for round in 0..2_000 {
        assert!(token.run(reply.cancelled()).await.is_ok(), "{round}");
        // Whether or not it happened to give way, work that cancels its own scope comes as far as the first suspension.
        let own = CancelToken::new();
        let done = own.run(async {
            own.cancel();
            reply.cancelled().await;
        });
        assert!(done.await.is_ok(), "{round}");
    }
}

async fn work_that_cancels_itself_is_cut_at_a_yield() {
    let token = CancelToken::new();
    let passed = std::sync::atomic::AtomicBool::new(false);
    let cut = token.run(async {
        token.cancel();
        yield_now().await;
        passed.store(true, SeqCst);
    });
    assert!(cut.await.is_err());
    assert!(!passed.into_inner());
}

#[derive(Default)]
struct Alarm {
    woken: AtomicUsize,
    panics: bool,
    /// Asked when it is woken, and when it is dropped.
    token: Option<CancelToken>,
    deadline: Option<Deadline>,
}

impl Alarm {
    fn ask(&self) {
        if let Some(token) = &self.token {
            drop(token.child());
            token.reason();
        }
        if let Some(deadline) = &self.deadline {
            deadline.moment();
        }
    }
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.woken.fetch_add(1, SeqCst);
        self.ask();
        if self.panics {
            panic!("a waker of the user's");
        }
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        self.ask();
    }
}

fn poll<F: Future>(future: Pin<&mut F>, waker: &Arc<Alarm>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(&Waker::from(waker.clone())))
}

fn alarms(token: Option<&CancelToken>, deadline: Option<&Deadline>) -> [Arc<Alarm>; 3] {
    [false, true, false].map(|panics| {
        Arc::new(Alarm {
            panics,
            token: token.cloned(),
            deadline: deadline.cloned(),
            woken: AtomicUsize::new(0),
        })
    })
}

#[test]
fn a_waker_that_panics_keeps_nobody_from_hearing_of_a_cancellation() {
    let token = CancelToken::new();
    let wakers = alarms(Some(&token), None);
    let mut waits = [0; 3].map(|_| Box::pin(token.cancelled()));
    let mut runs = [0; 3].map(|_| Box::pin(token.run(pending::<()>())));
    for ((wait, run), waker) in waits.iter_mut().zip(&mut runs).zip(&wakers) {
        assert!(poll(wait.as_mut(), waker).is_pending());
        assert!(poll(run.as_mut(), waker).is_pending());
    }
    token.cancel();
    let woken = wakers.each_ref().map(|w| w.woken.load(SeqCst));
    assert_eq!(woken, [2, 2, 2]);
}

#[test]
fn nor_of_a_deadline_that_was_moved() {
    regatta::run(async {
        let deadline = Deadline::never();
        let wakers = alarms(None, Some(&deadline));
        let mut runs = [0; 3].map(|_| Box::pin(deadline.run(pending::<()>())));
        for (run, waker) in runs.iter_mut().zip(&wakers) {
            assert!(poll(run.as_mut(), waker).is_pending());
        }
        deadline.move_to_after(MS * 60_000).unwrap();
        deadline.lift().unwrap();
        let woken = wakers.each_ref().map(|w| w.woken.load(SeqCst));
        assert_eq!(woken, [1, 1, 1], "once, until they look");
        for (run, waker) in runs.iter_mut().zip(&wakers) {
            assert!(poll(run.as_mut(), waker).is_pending());
        }
        deadline.move_to_after(MS).unwrap();
        assert_eq!(wakers[2].woken.load(SeqCst), 2);
    });
}

#[test]
fn nor_of_a_scope_that_is_dropping() {
    let token = CancelToken::new();
    let wakers = alarms(None, None);
    let cleaned = Cell::new(0);
    let mut parts = [0; 3].map(|_| {
        Box::pin(cancel::finally(pending::<()>(), async {
            cleaned.set(cleaned.get() + 1);
        }))
    });
    let mut run = pin!(token.run(std::future::poll_fn(|_| {
        for (part, waker) in parts.iter_mut().zip(&wakers) {
            let _ = poll(part.as_mut(), waker);
        }
        Poll::<()>::Pending
    })));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(run.as_mut().poll(&mut cx).is_pending());
    token.cancel();
    assert!(run.as_mut().poll(&mut cx).is_ready());
    assert_eq!(cleaned.get(), 3);
    assert!(wakers.iter().all(|w| w.woken.load(SeqCst) >= 1));
}

#[test]
fn who_waited_and_is_dropped_leaves_no_waker() {
    regatta::run(async {
        let (token, deadline) = (CancelToken::new(), Deadline::never());
        let timed = CancelToken::new().child_for(MS * 60_000);
        let waker = Arc::new(Alarm::default());
        for _ in 0..100 {
            let _ = poll(pin!(token.cancelled()), &waker);
            let _ = poll(pin!(timed.cancelled()), &waker);
            let _ = poll(pin!(token.run(pending::<()>())), &waker);
            let _ = poll(pin!(timed.run(pending::<()>())), &waker);
            let _ = poll(pin!(deadline.run(pending::<()>())), &waker);
            let _ = poll(pin!(token.run(cancel::cancelled())), &waker);
            let work = cancel::finally(pending::<()>(), async {});
            let _ = poll(pin!(token.run(work)), &waker);
        }
        // smol's reactor forgets a timer that is gone in its next turn.
        for _ in 0..1_000 {
            if Arc::strong_count(&waker) == 1 {
                break;
            }
            regatta::time::sleep(MS).await;
        }
        assert_eq!(Arc::strong_count(&waker), 1);
        // Nor is one kept that was replaced.
        let mut wait = pin!(token.cancelled());
        let _ = poll(wait.as_mut(), &waker);
        let _ = poll(wait.as_mut(), &Arc::new(Alarm::default()));
        assert_eq!(Arc::strong_count(&waker), 1);
    });
}

regatta::matrix! {
    cancelled_work_that_only_gives_way_has_its_value;
    work_that_cancels_itself_is_cut_at_a_yield;
}
