//! `sync`.

use crate::world::{Entry, Held, World, entry, on_drop, same};
use futures::FutureExt;
use regatta::sync::{
    Barrier, Borrower, Condition, Event, Limiter, Mutex, OnceCell, RwLock, Semaphore,
};
use std::convert::Infallible;
use std::sync::Arc;
use std::task::Poll;

pub(super) fn entries() -> Vec<Entry> {
    vec![
        entry("sync::Semaphore::acquire", |_| {
            let seen = Semaphore::new(1);
            World::new(
                seen.clone(),
                async |s: Semaphore| s.acquire().await.map(|permit| permit.into_owned()),
                |s| s.try_acquire().expect("it is free").into_owned(),
            )
            .check(move || {
                same(
                    "permits and waiting",
                    (seen.available(), seen.waiting()),
                    (1, 0),
                )
            })
            .in_line()
        }),
        entry("sync::Semaphore::acquire_many", |_| {
            let seen = Semaphore::new(3);
            World::new(
                seen.clone(),
                async |s: Semaphore| s.acquire_many(3).await.map(|permit| permit.into_owned()),
                |s| s.try_acquire().expect("it is free").into_owned(),
            )
            .check(move || {
                same(
                    "permits and waiting",
                    (seen.available(), seen.waiting()),
                    (3, 0),
                )
            })
            .in_line()
        }),
        entry("sync::Limiter::borrow", |_| {
            let seen = Limiter::new(1);
            World::new(
                seen.clone(),
                async |l: Limiter| Ok::<_, Infallible>(l.borrow().await),
                |l| l.try_borrow().expect("it is free"),
            )
            .check(move || limiter_is_free(&seen))
            .in_line()
        }),
        entry("sync::Limiter::borrow_for", |_| {
            let seen = Limiter::new(1);
            World::new(
                seen.clone(),
                async |l: Limiter| l.borrow_for(number()).await,
                |l| l.try_borrow_for("another").expect("it is free"),
            )
            .check(move || limiter_is_free(&seen))
            .in_line()
        }),
        entry("sync::Mutex::lock", |user| {
            let seen = Mutex::new(user.value());
            World::new(
                seen.clone(),
                async |m: Mutex<_>| Ok::<_, Infallible>(m.lock().await),
                |m| m.try_lock().expect("it is free"),
            )
            .check(move || {
                same(
                    "locked and waiting",
                    (seen.is_locked(), seen.waiting()),
                    (false, 0),
                )
            })
            .in_line()
        }),
        entry("sync::RwLock::read", |user| {
            let seen = RwLock::new(user.value());
            World::new(
                seen.clone(),
                async |l: RwLock<_>| Ok::<_, Infallible>(l.read().await),
                |l| l.try_write().expect("it is free"),
            )
            .check(move || {
                same(
                    "writable and waiting",
                    (seen.try_write().is_ok(), seen.waiting()),
                    (true, 0),
                )
            })
        }),
        entry("sync::RwLock::write", |user| {
            let seen = RwLock::new(user.value());
            World::new(
                seen.clone(),
                async |l: RwLock<_>| Ok::<_, Infallible>(l.write().await),
                |l| l.try_read().expect("it is free"),
            )
            .check(move || {
                same(
                    "writable and waiting",
                    (seen.try_write().is_ok(), seen.waiting()),
                    (true, 0),
                )
            })
            .in_line()
        }),
        entry("sync::Event::wait", |_| {
            let seen = Event::new();
            seen.set();
            World::new(
                seen.clone(),
                async |e: Event| {
                    e.wait().await;
                    Ok::<_, Infallible>(())
                },
                |e| {
                    e.clear();
                    let e = e.clone();
                    on_drop(move || e.set())
                },
            )
            .check(move || same("waiting", seen.waiting(), 0))
        }),
        entry("sync::Barrier::wait", |_| {
            let seen = Barrier::new(1);
            World::new(
                seen.clone(),
                async |b: Barrier| Ok::<_, Infallible>(b.wait().await),
                |_| (),
            )
            .never_waits("a barrier for one: those for several stand in the next entry")
            .check(move || same("waiting", seen.waiting(), 0))
        }),
        // Two who meet: one of them waits until the other has come.
        entry("sync::Barrier::wait (two)", |_| {
            let seen = Barrier::new(2);
            World::new(
                seen.clone(),
                async |b: Barrier| {
                    let (a, _) = futures::join!(b.wait(), b.wait());
                    Ok::<_, Infallible>(a)
                },
                |_| (),
            )
            .never_at_once("the first is told by the second")
            .never_waits("both come in the same poll")
            .one_thread("one of each thread would make two")
            .check(move || same("waiting", seen.waiting(), 0))
        }),
        entry("sync::Condition::wait", |user| {
            let (mutex, condition) = (Mutex::new((true, user.value())), Condition::new());
            let seen = (mutex.clone(), condition.clone());
            World::new(
                (mutex, condition),
                async |(mutex, condition): (Mutex<(bool, _)>, Condition)| {
                    let mut guard = mutex.lock().await;
                    while !guard.0 {
                        guard = condition.wait(guard).await;
                    }
                    Ok::<_, Infallible>(guard)
                },
                untrue,
            )
            .one_thread("it holds the mutex")
            .check(move || same("waiting", (seen.0.waiting(), seen.1.waiting()), (0, 0)))
        })
        .covers(&["sync::Condition::wait_while"]),
        entry("sync::Condition::wait_for", |user| {
            let (mutex, condition) = (Mutex::new((true, user.value())), Condition::new());
            let seen = (mutex.clone(), condition.clone());
            let user = user.clone();
            World::new(
                (mutex, condition),
                move |(mutex, condition): (Mutex<(bool, _)>, Condition)| {
                    let user = user.clone();
                    async move {
                        let guard = mutex.lock().await;
                        let is_true = move |now: &mut (bool, _)| {
                            user.call();
                            now.0
                        };
                        Ok::<_, Infallible>(condition.wait_for(guard, is_true).await)
                    }
                },
                untrue,
            )
            .one_thread("it holds the mutex")
            .check(move || same("waiting", (seen.0.waiting(), seen.1.waiting()), (0, 0)))
        }),
        entry("sync::OnceCell::get_or_init", |_| {
            cell(async |cell: Arc<OnceCell<u32>>| {
                cell.get_or_init(async || 2).await;
                Ok(())
            })
        })
        .covers(&["sync::OnceCell::get_or_try_init"]),
        entry("sync::OnceCell::wait", |_| {
            cell(async |cell: Arc<OnceCell<u32>>| {
                cell.wait().await;
                Ok(())
            })
        }),
        entry("sync::OnceCell::set", |_| {
            cell(async |cell: Arc<OnceCell<u32>>| match cell.set(3).await {
                Ok(_) => Err("nobody had set it"),
                Err(_) => Ok(()),
            })
        }),
    ]
}

/// A cell whose value is there, or is being made by somebody until the block is gone.
fn cell<F>(op: impl Fn(Arc<OnceCell<u32>>) -> F + Send + Sync + 'static) -> World
where
    F: Future<Output = Result<(), &'static str>> + 'static,
{
    let now = Arc::new(std::sync::Mutex::new(Arc::new(OnceCell::from(1))));
    let at = |now: &std::sync::Mutex<Arc<OnceCell<u32>>>| now.lock().expect("no panic").clone();
    World::new(
        now,
        move |now: Arc<std::sync::Mutex<Arc<OnceCell<u32>>>>| op(at(&now)),
        |now| {
            let cell = Arc::new(OnceCell::new());
            *now.lock().expect("no panic") = cell.clone();
            let mut makes = Box::pin(async move {
                cell.get_or_init(async || {
                    let mut waited = false;
                    std::future::poll_fn(|_| match std::mem::replace(&mut waited, true) {
                        true => Poll::Ready(1),
                        false => Poll::Pending,
                    })
                    .await
                })
                .await;
            });
            assert!((&mut makes).now_or_never().is_none());
            on_drop(move || {
                let _ = (&mut makes).now_or_never();
            })
        },
    )
}

fn limiter_is_free(limiter: &Limiter) -> Result<(), String> {
    let now = limiter.statistics();
    same("borrowed and waiting", (now.borrowed, now.waiting), (0, 0))
}

/// One borrower for each call: a borrower may have one token.
fn number() -> Borrower {
    use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
    static LAST: AtomicU64 = AtomicU64::new(0);
    Borrower::from(LAST.fetch_add(1, Relaxed))
}

fn untrue<T: 'static>((mutex, condition): &(Mutex<(bool, T)>, Condition)) -> Held {
    mutex.try_lock().expect("it is free").0 = false;
    let (mutex, condition) = (mutex.clone(), condition.clone());
    Box::new(on_drop(move || {
        mutex
            .try_lock()
            .expect("nobody holds it while others wait")
            .0 = true;
        condition.notify_all();
    }))
}
