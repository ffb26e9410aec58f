//! A pool in a `static`, and runtimes that come and go.

use crate::ground::{HOUR, MS};
use crate::server::{Mood, Server, until};
use regatta::pool::{ConnectError, GetError, Keyed, Manager, Pool};
use regatta::runtime::Flavor;
use regatta::{Runtime, run_on, testing, time};
use std::convert::Infallible;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

/// Five runtimes, in this order or the other way round.
fn on_five_runtimes<F: Future<Output = ()>>(forwards: bool, mut body: impl FnMut() -> F) {
    let mut order = [0, 1, 2, 3, 4];
    if !forwards {
        order.reverse();
    }
    for n in order {
        match n {
            0 | 1 => testing::run(async || body().await),
            2 => run_on(Flavor::TokioCurrent, body()),
            3 => run_on(Flavor::Tokio, body()),
            _ => run_on(Flavor::Smol, body()),
        }
    }
}

/// What is made knows where: used anywhere else, it is a dead reactor's socket.
struct Sockets {
    made: AtomicUsize,
    closed: AtomicUsize,
}

struct Socket {
    home: String,
}

fn home() -> String {
    let runtime = Runtime::current();
    match tokio::runtime::Handle::try_current() {
        Ok(handle) => format!("tokio {}", handle.id()),
        Err(_) => format!("{} {}", runtime.name(), testing::in_simulation()),
    }
}

impl Sockets {
    fn new() -> Self {
        Sockets {
            made: AtomicUsize::new(0),
            closed: AtomicUsize::new(0),
        }
    }
}

#[derive(Clone)]
struct Factory(Arc<Sockets>);

impl Manager for Factory {
    type Object = Socket;
    type Error = Infallible;

    async fn connect(&self) -> Result<Socket, Infallible> {
        time::sleep(MS).await;
        self.0.made.fetch_add(1, SeqCst);
        Ok(Socket { home: home() })
    }
    async fn close(&self, _: Socket) {
        time::sleep(MS).await;
        self.0.closed.fetch_add(1, SeqCst);
    }
}

async fn use_it(pool: &Pool<Factory>) {
    let uses = (0..6).map(|_| async {
        for _ in 0..5 {
            let guard = time::timeout(HOUR, pool.get()).await.expect("nobody hangs");
            let socket = guard.unwrap().begin();
            assert_eq!(socket.home, home(), "a socket of another runtime");
            time::sleep(MS / 10).await;
            drop(socket.done());
        }
    });
    regatta::task::gather(uses).settled().await;
}

fn five_in_a_row(forwards: bool, limits: bool) {
    let sockets = Arc::new(Sockets::new());
    let new = || {
        let mut builder = Pool::builder(Factory(sockets.clone())).max_size(2);
        if limits {
            builder = builder.idle_timeout(HOUR / 2).max_lifetime(HOUR);
            builder = builder.leak_after(HOUR).wait_timeout(HOUR).spans();
        }
        builder.build().unwrap()
    };
    let pool = LazyLock::new(new);
    on_five_runtimes(forwards, || use_it(&pool));
    let stats = pool.stats();
    assert_eq!((stats.in_use, stats.waiting, stats.connecting), (0, 0, 0));
    run_on(Flavor::TokioCurrent, async {
        assert!(pool.close(HOUR).await.is_complete());
    });
    let (made, closed) = (sockets.made.load(SeqCst), sockets.closed.load(SeqCst));
    assert_eq!(made, closed, "each was closed by its manager");
    assert!(made >= 5);
}

#[test]
fn a_pool_is_used_by_five_runtimes_in_a_row() {
    five_in_a_row(true, false);
    five_in_a_row(true, true);
}

#[test]
fn a_pool_is_used_by_five_runtimes_in_the_other_order() {
    five_in_a_row(false, false);
    five_in_a_row(false, true);
}

/// One after the other on each of two threads, side by side.
#[test]
fn a_pool_is_used_from_two_threads_each_with_its_runtimes() {
    let sockets = Arc::new(Sockets::new());
    let _any = Runtime::smol().enter();
    let pool = Pool::builder(Factory(sockets.clone())).max_size(3);
    let pool = pool.idle_timeout(HOUR).build().unwrap();
    std::thread::scope(|threads| {
        for _ in 0..2 {
            threads.spawn(|| {
                for _ in 0..10 {
                    run_on(Flavor::TokioCurrent, use_it(&pool));
                    run_on(Flavor::Tokio, use_it(&pool));
                    run_on(Flavor::Smol, use_it(&pool));
                }
            });
        }
    });
    assert_eq!(pool.stats().in_use, 0);
    run_on(Flavor::Smol, async {
        assert!(pool.close(HOUR).await.is_complete());
    });
}

/// Two simulations side by side have nothing to do with each other, as long as there is room for both.
#[test]
fn two_simulations_side_by_side_do_not_meet() {
    let sockets = Arc::new(Sockets::new());
    let _any = Runtime::smol().enter();
    let pool = Pool::builder(Factory(sockets)).max_size(500);
    let pool = pool.idle_timeout(MS * 50).build().unwrap();
    std::thread::scope(|threads| {
        for _ in 0..2 {
            threads.spawn(|| {
                for _ in 0..10 {
                    testing::run(async || {
                        use_it(&pool).await;
                        time::sleep(MS * 20).await;
                        use_it(&pool).await;
                    });
                }
            });
        }
    });
    assert_eq!(pool.stats().in_use, 0);
}

#[test]
fn pools_by_key_are_used_by_five_runtimes_in_a_row() {
    for forwards in [true, false] {
        let sockets = Arc::new(Sockets::new());
        let new = || {
            let sockets = sockets.clone();
            let builder = Keyed::builder(move |_: &u32| Factory(sockets.clone())).max_size(2);
            builder.idle_timeout(HOUR).build().unwrap()
        };
        let keyed = LazyLock::new(new);
        on_five_runtimes(forwards, || async {
            let uses = (0..12).map(|n| {
                let keyed = &keyed;
                async move {
                    let got = time::timeout(HOUR, keyed.get(&(n % 4))).await;
                    let socket = got.expect("nobody hangs").unwrap().begin();
                    assert_eq!(socket.home, home());
                    drop(socket.done());
                }
            });
            regatta::task::gather(uses).settled().await;
            // A close that is under way would end with its runtime.
            until(|| (0..4).all(|key| keyed.stats(&key).is_none_or(|s| s.closing == 0))).await;
        });
        run_on(Flavor::Smol, async {
            assert!(keyed.close(HOUR).await.is_complete());
        });
        assert_eq!(sockets.made.load(SeqCst), sockets.closed.load(SeqCst));
    }
}

/// What lay idle when its runtime ended grows old on the next one.
#[test]
fn idle_times_and_lifetimes_go_on_from_one_runtime_to_the_next() {
    let sockets = Arc::new(Sockets::new());
    let new = || {
        let builder = Pool::builder(Factory(sockets.clone())).max_size(5);
        builder.idle_timeout(100 * MS).build().unwrap()
    };
    let pool = LazyLock::new(new);
    testing::run(async || {
        drop(pool.get().await.unwrap());
    });
    testing::run(async || {
        // An hour of this clock is nothing to the other.
        time::sleep(HOUR).await;
        let second = pool.get().await.unwrap();
        time::sleep(60 * MS).await;
        drop(second);
        assert_eq!((pool.stats().idle, pool.stats().closed.idle), (2, 0));
        time::sleep(50 * MS).await;
        assert_eq!((pool.stats().idle, pool.stats().closed.idle), (1, 1));
        time::sleep(60 * MS).await;
        assert_eq!((pool.stats().idle, pool.stats().closed.idle), (0, 2));
    });
}

/// Those who wait there are told, and others have it to themselves.
#[test]
fn callers_on_a_runtime_that_ends_are_told_and_the_others_go_on() {
    let server = Server::new();
    let _any = Runtime::smol().enter();
    let pool = Pool::builder(server.clone()).max_size(2).build().unwrap();
    drop(_any);
    let first = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    server.set(|f| f.connect = Mood::Hangs);
    let waits: Vec<_> = (0..2)
        .map(|_| {
            let pool = pool.clone();
            first.spawn(async move { pool.get().await.err() })
        })
        .collect();
    run_on(Flavor::TokioCurrent, async {
        until(|| server.get(|f| f.begun) == 2).await;
        server.set(|f| f.connect = Mood::Good);
        // All room is theirs.
        let mut mine = pin!(pool.get());
        assert!(futures_lite::future::poll_once(&mut mine).await.is_none());
        first.shutdown_background();
        let got = time::timeout(Duration::from_secs(60), mine).await;
        assert!(got.expect("nobody hangs").is_ok());
        drop(waits);
    });
    assert_eq!(pool.stats().in_use, 0);
}

/// A runtime that was named is the only one.
#[test]
fn a_pool_whose_own_runtime_is_gone_says_so() {
    let server = Server::new();
    let gone = tokio::runtime::Runtime::new().unwrap();
    let builder = Pool::builder(server.clone()).max_size(2);
    let builder = builder.runtime(Runtime::tokio(gone.handle().clone()));
    let pool = builder.idle_timeout(HOUR).build().unwrap();
    run_on(Flavor::Smol, async {
        // Shared by all runtimes.
        drop(pool.get().await.unwrap());
        assert_eq!(pool.get().await.unwrap().metrics().uses, 2);
    });
    drop(gone);
    on_five_runtimes(true, || async {
        let held: Vec<_> = std::iter::from_fn(|| pool.try_get().ok()).collect();
        let got = time::timeout(Duration::from_secs(60), pool.get()).await;
        let got = got.expect("nobody hangs");
        assert_eq!(got.err(), Some(GetError::Connect(ConnectError::Dropped)));
        drop(held);
    });
    run_on(Flavor::Smol, async {
        assert!(pool.close(HOUR).await.is_complete());
    });
}

/// One after the other, and more than a pool remembers.
#[test]
fn a_hundred_runtimes_leave_nothing_behind() {
    let sockets = Arc::new(Sockets::new());
    let new = || {
        Pool::builder(Factory(sockets.clone()))
            .max_size(3)
            .build()
            .unwrap()
    };
    let pool = LazyLock::new(new);
    for _ in 0..100 {
        run_on(Flavor::TokioCurrent, use_it(&pool));
    }
    assert!(pool.stats().size <= 3);
}
