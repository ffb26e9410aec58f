//! Dropping an operation at every await.

use crate::support::{MS, same, sleep, spawn};
use regatta::testing::{self, DropMode, Outcome};
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};

/// Takes the permit, then awaits before there is a guard.
#[derive(Clone)]
struct BadSemaphore(Arc<(AtomicUsize, event_listener::Event)>);

struct BadPermit(BadSemaphore);

impl BadSemaphore {
    fn new(permits: usize) -> Self {
        let event = event_listener::Event::new();
        BadSemaphore(Arc::new((AtomicUsize::new(permits), event)))
    }

    async fn acquire(&self) -> BadPermit {
        let (permits, event) = &*self.0;
        loop {
            let listener = event.listen();
            let taken = permits.fetch_update(SeqCst, SeqCst, |n| n.checked_sub(1));
            if taken.is_ok() {
                break;
            }
            listener.await;
        }
        testing::yield_now().await;
        BadPermit(self.clone())
    }
}

impl Drop for BadPermit {
    fn drop(&mut self) {
        let (permits, event) = &*self.0.0;
        permits.fetch_add(1, SeqCst);
        event.notify(1);
    }
}

#[test]
fn a_semaphore_that_loses_a_permit_is_found() {
    let report = testing::cancel_safety(
        0..100,
        async || {
            let semaphore = BadSemaphore::new(1);
            let rival = semaphore.clone();
            drop(spawn(async move {
                let _permit = rival.acquire().await;
                testing::yield_now().await;
            }));
            semaphore
        },
        |semaphore| async move { drop(semaphore.acquire().await) },
        |semaphore, _| async move {
            sleep(MS).await;
            same("permits", semaphore.0.0.load(SeqCst), 1)
        },
    );
    assert!(report.failed > 0, "{report}");
    assert!(
        report.to_string().contains("permits: 0 instead of 1"),
        "{report}"
    );
}

/// Hands itself to the first waiter; a waiter dropped after that takes the lock with it.
#[derive(Clone, Default)]
struct BadMutex(Arc<Mutex<BadState>>);

#[derive(Default)]
struct BadState {
    locked: bool,
    waiters: VecDeque<(u64, Waker)>,
    tickets: u64,
    handed_to: Option<u64>,
}

struct BadGuard(BadMutex);

impl BadMutex {
    fn lock(&self) -> impl Future<Output = BadGuard> + use<> {
        struct Waiter(BadMutex, u64);
        impl Drop for Waiter {
            fn drop(&mut self) {
                let mine = self.1;
                self.0.0.lock().unwrap().waiters.retain(|w| w.0 != mine);
            }
        }
        let mut waiter = Waiter(self.clone(), 0);
        poll_fn(move |cx| {
            let mutex = waiter.0.clone();
            let mut s = mutex.0.lock().unwrap();
            if s.handed_to.is_some_and(|ticket| ticket == waiter.1) {
                s.handed_to = None;
                return Poll::Ready(BadGuard(waiter.0.clone()));
            }
            if !s.locked {
                s.locked = true;
                return Poll::Ready(BadGuard(waiter.0.clone()));
            }
            let old = waiter.1;
            s.waiters.retain(|w| w.0 != old);
            s.tickets += 1;
            waiter.1 = s.tickets;
            s.waiters.push_back((waiter.1, cx.waker().clone()));
            Poll::Pending
        })
    }
}

impl Drop for BadGuard {
    fn drop(&mut self) {
        let mut s = self.0.0.lock().unwrap();
        match s.waiters.pop_front() {
            Some((ticket, waker)) => {
                s.handed_to = Some(ticket);
                drop(s);
                waker.wake();
            }
            None => s.locked = false,
        }
    }
}

async fn held_for_a_while() -> BadMutex {
    let mutex = BadMutex::default();
    let holder = mutex.clone();
    drop(spawn(async move {
        let _guard = holder.lock().await;
        sleep(MS).await;
    }));
    mutex
}

#[test]
fn a_mutex_that_loses_a_hand_off_is_found_by_drops_after_the_wake() {
    let report = testing::cancel_safety(
        0..100,
        held_for_a_while,
        |mutex| async move {
            testing::yield_now().await;
            let _guard = mutex.lock().await;
            testing::yield_now().await;
        },
        |mutex, _| async move {
            testing::label("the lock, afterwards");
            drop(mutex.lock().await);
            Ok(())
        },
    );
    assert!(report.failed > 0, "{report}");
    assert!(
        report.to_string().contains("the lock, afterwards"),
        "{report}"
    );
    let modes = report.failures.iter().filter_map(|f| f.dropped);
    assert!(
        modes.into_iter().all(|(_, mode)| mode != DropMode::Pending),
        "{report}"
    );
}

#[test]
fn trying_everything_finds_it_too() {
    let report = testing::cancel_safety_all(
        100_000,
        held_for_a_while,
        |mutex| async move { drop(mutex.lock().await) },
        |mutex, _| async move {
            drop(mutex.lock().await);
            Ok(())
        },
    );
    assert!(report.failed > 0, "{report}");
}

/// A notification goes to the first waiter; one that is dropped before it looks swallows it.
#[derive(Clone, Default)]
struct BadCondition(Arc<Mutex<Notified>>);

/// The waiters, the last number, and who has been notified.
type Notified = (VecDeque<(u64, Waker)>, u64, Vec<u64>);

impl BadCondition {
    fn notify_one(&self) {
        let mut s = self.0.lock().unwrap();
        if let Some((id, waker)) = s.0.pop_front() {
            s.2.push(id);
            drop(s);
            waker.wake();
        }
    }

    fn wait(&self) -> impl Future<Output = ()> + use<> {
        let me = self.clone();
        let mut id = 0;
        poll_fn(move |cx| {
            let mut s = me.0.lock().unwrap();
            if id == 0 {
                s.1 += 1;
                id = s.1;
            }
            if let Some(i) = s.2.iter().position(|x| *x == id) {
                s.2.remove(i);
                return Poll::Ready(());
            }
            s.0.retain(|w| w.0 != id);
            s.0.push_back((id, cx.waker().clone()));
            Poll::Pending
        })
    }
}

/// One notification and two waiters: whoever does not get it must not swallow it.
macro_rules! one_notification {
    ($condition:ty, $wait:ident, $notify:expr) => {
        testing::cancel_safety(
            0..200,
            async || {
                let condition = Arc::new(<$condition>::default());
                let released = Arc::new(AtomicUsize::new(0));
                let notifier = condition.clone();
                drop(spawn(async move {
                    sleep(MS).await;
                    testing::yield_now().await;
                    $notify(&*notifier);
                }));
                let (other, count) = (condition.clone(), released.clone());
                drop(spawn(async move {
                    other.$wait().await;
                    count.fetch_add(1, SeqCst);
                }));
                (condition, released)
            },
            |(condition, _)| async move {
                let waits = async {
                    condition.$wait().await;
                    true
                };
                let gives_up = async {
                    sleep(MS * 3).await;
                    false
                };
                futures_lite::future::or(waits, gives_up).await
            },
            |(_, released), outcome| async move {
                sleep(MS * 5).await;
                let mine = outcome == Outcome::Completed(true);
                same("released", released.load(SeqCst) + usize::from(mine), 1)
            },
        )
    };
}

#[test]
fn a_condition_that_loses_a_notification_is_found() {
    let report = one_notification!(BadCondition, wait, |c: &BadCondition| c.notify_one());
    assert!(report.failed > 0, "{report}");
}

#[test]
fn an_event_that_passes_it_on_is_not_blamed() {
    type Event = event_listener::Event;
    let report = one_notification!(Event, listen, |e: &Event| {
        e.notify(1);
    });
    report.unwrap();
    assert!(report.drops > 500, "{report}");
}

#[test]
fn a_neighbours_semaphore_survives_every_drop() {
    let report = testing::cancel_safety_drops(
        5_000,
        async || {
            let semaphore = Arc::new(async_lock::Semaphore::new(2));
            for i in 0..3 {
                let rival = semaphore.clone();
                drop(spawn(async move {
                    for _ in 0..2 {
                        let _permit = rival.acquire().await;
                        sleep(MS * i).await;
                    }
                }));
            }
            semaphore
        },
        |semaphore| async move {
            for _ in 0..2 {
                let _permit = semaphore.acquire().await;
                sleep(MS).await;
            }
        },
        |semaphore, _| async move {
            sleep(MS * 100).await;
            let _both = (semaphore.acquire().await, semaphore.acquire().await);
            same("a third", semaphore.try_acquire().is_none(), true)
        },
    );
    report.unwrap();
    assert!(report.drops >= 5_000 && report.max_polls >= 3, "{report}");
}

#[test]
fn a_channel_keeps_every_item_in_every_interleaving() {
    let report = testing::cancel_safety_all(
        2_000_000,
        async || {
            let (tx, rx) = async_channel::bounded::<u32>(1);
            for i in 0..2 {
                let tx = tx.clone();
                drop(spawn(async move { tx.send(i).await.unwrap() }));
            }
            (rx, Arc::new(Mutex::new(vec![])))
        },
        |(rx, got)| async move {
            let item = rx.recv().await.unwrap();
            got.lock().unwrap().push(item);
        },
        |(rx, got), _| async move {
            let mut items = std::mem::take(&mut *got.lock().unwrap());
            while let Ok(item) = rx.recv().await {
                items.push(item);
            }
            items.sort_unstable();
            same("items", items, vec![0, 1])
        },
    );
    report.unwrap();
    assert!(report.complete, "{report}");
}

#[test]
fn an_operation_that_fails_undisturbed_is_reported_as_that() {
    let report = testing::cancel_safety(
        0..1,
        async || (),
        |()| async {},
        |(), outcome| async move {
            match outcome {
                Outcome::Completed(()) => Err("it ends".into()),
                _ => Ok(()),
            }
        },
    );
    assert_eq!(report.failures[0].dropped, None);
    assert!(
        report.to_string().contains("not dropped: it ends"),
        "{report}"
    );
}
