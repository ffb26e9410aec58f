//! Managers that fail, panic and hang, and runtimes that stop.

use crate::ground::{MS, Watch};
use crate::server::{Mood, Server, Sorry, pool_of, until};
use regatta::pool::{ConnectError, GetError, Pool};
use regatta::runtime::{Backend, BoxFuture, BoxWork, Runtime};
use regatta::task;
use std::time::Instant;

async fn a_wrong_password_is_no_timeout() {
    let server = Server::new();
    server.set(|f| f.connect = Mood::Fails);
    let pool = Pool::builder(server.clone())
        .wait_timeout(60_000 * MS)
        .build()
        .unwrap();
    let error = pool.get().await.unwrap_err();
    assert_eq!(
        error,
        GetError::Connect(ConnectError::Failed(Sorry("wrong password")))
    );
    assert_eq!((pool.stats().size, pool.stats().connect_failed), (0, 1));
    server.set(|f| f.connect = Mood::Good);
    assert!(pool.get().await.is_ok());
}

/// Each failure has its own waiter, in order; who waits for an object in use is not hurt by it.
async fn every_waiter_hears_of_one_failure() {
    let server = Server::new();
    server.set(|f| f.connect = Mood::Fails);
    let pool = pool_of(3, &server);
    let all = task::gather((0..10).map(|_| pool.get())).settled().await;
    assert!(
        all.iter()
            .all(|got| matches!(got, Err(GetError::Connect(_))))
    );
    assert_eq!(pool.stats().connect_failed, 10);
}

async fn a_timeout_tells_what_the_last_attempt_said() {
    let server = Server::new();
    let builder = Pool::builder(server.clone()).max_size(2);
    let pool = builder.wait_timeout(10 * MS).build().unwrap();
    let held = pool.get().await.unwrap();
    server.set(|f| f.connect = Mood::Fails);
    assert!(pool.get().await.is_err());
    server.set(|f| f.connect = Mood::Hangs);
    let error = pool.get().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "no object of the pool was free within 10ms: of 2, 1 in use, 1 connecting, 0 closing; 0 others wait; \
         the last attempt failed: cannot connect: wrong password"
    );
    drop(held);
}

async fn a_connect_that_hangs_has_a_limit() {
    let server = Server::new();
    server.set(|f| f.connect = Mood::Hangs);
    let pool = Pool::builder(server.clone())
        .connect_timeout(20 * MS)
        .build()
        .unwrap();
    let watch = Watch::start();
    let error = pool.get().await.unwrap_err();
    watch.shows(20 * MS);
    assert_eq!(error, GetError::Connect(ConnectError::TimedOut(20 * MS)));
    assert_eq!(pool.stats().size, 0);
}

async fn a_connect_that_panics_is_an_error() {
    let server = Server::new();
    server.set(|f| f.connect = Mood::Panics);
    let pool = pool_of(1, &server);
    for _ in 0..3 {
        let error = pool.get().await.unwrap_err();
        let panicked = ConnectError::Panicked(String::from("wrong password"));
        assert_eq!(error, GetError::Connect(panicked));
    }
    server.set(|f| f.connect = Mood::Good);
    assert!(pool.get().await.is_ok());
}

async fn a_check_that_fails_panics_or_hangs_costs_its_object_only() {
    for mood in [Mood::Fails, Mood::Panics, Mood::Hangs] {
        let server = Server::new();
        let builder = Pool::builder(server.clone()).max_size(1);
        let pool = builder.check_timeout(5 * MS).build().unwrap();
        drop(pool.get().await.unwrap());
        server.set(|f| f.check = mood);
        assert_eq!(pool.get().await.unwrap().begin().number, 2, "{mood:?}");
        assert_eq!((pool.stats().closed.check, server.get(|f| f.peak)), (1, 1));
    }
}

/// The place is taken until the object is really closed, and no longer.
async fn a_close_that_hangs_keeps_its_place_until_its_limit() {
    let server = Server::new();
    server.set(|f| f.close = Mood::Hangs);
    let builder = Pool::builder(server.clone()).max_size(1);
    let pool = builder.close_timeout(30 * MS).build().unwrap();
    pool.get().await.unwrap().discard();
    assert_eq!(pool.stats().closing, 1);
    let watch = Watch::start();
    let next = pool.get().await.unwrap();
    watch.shows(30 * MS);
    assert_eq!(server.get(|f| (f.peak, f.closed)), (1, 0));
    drop(next);
}

async fn a_close_that_panics_frees_its_place() {
    let server = Server::new();
    server.set(|f| f.close = Mood::Panics);
    let pool = pool_of(1, &server);
    for n in 1..4 {
        let object = pool.get().await.unwrap().begin();
        assert_eq!(object.number, n);
    }
    until(|| pool.stats().size == 0).await;
    assert_eq!(server.get(|f| (f.open, f.peak)), (0, 1));
}

/// Drops whatever it is given, as a runtime does that has stopped.
struct Stopped;

impl Backend for Stopped {
    fn spawn(&self, task: BoxFuture<'static, ()>) {
        drop(task);
    }
    fn spawn_blocking(&self, work: BoxWork) {
        drop(work);
    }
    fn sleep_until(&self, _: Instant) -> BoxFuture<'static, ()> {
        Box::pin(std::future::pending())
    }
    fn now(&self) -> Instant {
        Runtime::neutral().now()
    }
}

/// However many wait: one attempt that is dropped must not start the next, which would end alike, and so on down the stack.
async fn on_a_runtime_that_has_stopped_nobody_waits_for_ever() {
    let server = Server::new();
    let builder = Pool::builder(server.clone()).runtime(Runtime::custom(Stopped));
    let pool = builder.max_size(20_000).build().unwrap();
    let all = task::gather((0..20_000).map(|_| pool.get()))
        .settled()
        .await;
    let dropped = GetError::Connect(ConnectError::Dropped);
    assert!(all.iter().all(|got| got.as_ref().err() == Some(&dropped)));
    assert_eq!((pool.stats().size, pool.stats().waiting), (0, 0));
}

regatta::matrix! {
    a_wrong_password_is_no_timeout;
    every_waiter_hears_of_one_failure;
    a_timeout_tells_what_the_last_attempt_said;
    a_connect_that_hangs_has_a_limit;
    a_connect_that_panics_is_an_error;
    a_check_that_fails_panics_or_hangs_costs_its_object_only;
    a_close_that_hangs_keeps_its_place_until_its_limit;
    a_close_that_panics_frees_its_place;
    on_a_runtime_that_has_stopped_nobody_waits_for_ever;
}
