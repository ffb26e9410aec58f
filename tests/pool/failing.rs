//! Managers that fail, panic and hang, and runtimes that stop.

use crate::ground::{MS, Watch, panic_of, spawn};
use crate::server::{Mood, Server, Sorry, pool_of, until};
use regatta::pool::{ConnectError, GetError, Manager, Metrics, Pool};
use regatta::runtime::{Backend, BoxFuture, BoxWork, Runtime};
use regatta::{task, time};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
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

/// Every way for a hook to spoil an object: it says goodbye all the same, and its place is taken until then.
async fn what_was_made_is_closed_however_its_hook_ended() {
    for mood in [Mood::Fails, Mood::Panics, Mood::Hangs] {
        let server = Server::new();
        server.set(|f| f.close = Mood::Slow);
        let builder = Pool::builder(server.clone()).connect_timeout(5 * MS);
        let pool = builder
            .after_connect(move |_| {
                Box::pin(async move {
                    match mood {
                        Mood::Fails => Err(Sorry("the hook")),
                        Mood::Panics => std::panic::resume_unwind(Box::new("the hook")),
                        _ => std::future::pending().await,
                    }
                })
            })
            .max_size(1)
            .build()
            .unwrap();
        for n in 1..5 {
            let refused = pool.get().await.unwrap_err();
            assert!(matches!(refused, GetError::Connect(_)), "{mood:?}");
            assert_eq!(pool.stats().size, 1, "{mood:?}: it is being closed");
            until(|| pool.stats().size == 0).await;
            assert_eq!(server.get(|f| (f.made, f.closed, f.open)), (n, n, 0));
        }
        assert_eq!((pool.stats().closed.hook, server.get(|f| f.peak)), (4, 1));
    }
}

/// Also when the pool is closed in the meantime.
async fn a_hook_cut_short_by_close_costs_no_goodbye() {
    let server = Server::new();
    let builder = Pool::builder(server.clone()).max_size(4);
    let pool = builder
        .after_connect(|_| Box::pin(std::future::pending()))
        .build()
        .unwrap();
    let all: Vec<_> = (0..4)
        .map(|_| {
            let pool = pool.clone();
            spawn(async move { pool.get().await.err() })
        })
        .collect();
    until(|| server.open() == 4).await;
    assert!(pool.close(60_000 * MS).await.is_complete());
    for waiter in all {
        assert_eq!(waiter.await.unwrap(), Some(GetError::Closed));
    }
    assert_eq!(server.get(|f| (f.made, f.closed, f.open)), (4, 4, 0));
    assert_eq!(pool.stats().closed.pool_closed, 4);
}

/// Makes what panics wherever it can.
struct Bombs {
    made: AtomicUsize,
    closed: AtomicUsize,
}

struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        std::panic::resume_unwind(Box::new(Payload));
    }
}

/// What panicked panics again when it is dropped.
struct Payload;

impl Drop for Payload {
    fn drop(&mut self) {
        std::panic::resume_unwind(Box::new("a payload"));
    }
}

struct LoudError;

impl fmt::Debug for LoudError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LoudError")
    }
}

impl fmt::Display for LoudError {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        std::panic::resume_unwind(Box::new(Payload));
    }
}

impl Manager for Bombs {
    type Object = Bomb;
    type Error = LoudError;

    async fn connect(&self) -> Result<Bomb, LoudError> {
        match self.made.fetch_add(1, SeqCst) % 3 {
            1 => Err(LoudError),
            2 => std::panic::resume_unwind(Box::new(Payload)),
            _ => Ok(Bomb),
        }
    }
    async fn check(&self, _: &mut Bomb, _: &Metrics) -> Result<(), LoudError> {
        std::panic::resume_unwind(Box::new(Payload));
    }
    fn is_clean(&self, _: &mut Bomb) -> bool {
        std::panic::resume_unwind(Box::new(Payload));
    }
    async fn close(&self, bomb: Bomb) {
        self.closed.fetch_add(1, SeqCst);
        drop(bomb);
    }
}

/// Objects, errors, payloads, observers and hooks that panic, also where a panic is under way: no place is lost, and
/// nobody hangs.
async fn nothing_that_panics_costs_more_than_itself() {
    let manager = Bombs {
        made: AtomicUsize::new(0),
        closed: AtomicUsize::new(0),
    };
    let pool = Pool::builder(manager)
        .max_size(2)
        .spans()
        .observer(|_| std::panic::resume_unwind(Box::new(Payload)))
        .build()
        .unwrap();
    let mut had = 0;
    for n in 0..60 {
        let got = time::timeout(60_000 * MS, pool.get()).await;
        let Ok(guard) = got.expect("nobody hangs") else {
            continue;
        };
        had += 1;
        match n % 4 {
            0 => drop(guard),
            1 => drop(guard.begin()),
            2 => guard.discard(),
            _ => {
                // In a destructor while a panic unwinds.
                let text = panic_of(move || {
                    let _guard = guard.begin();
                    std::panic::resume_unwind(Box::new("the first"));
                });
                assert_eq!(text, "the first");
            }
        }
    }
    assert!(had > 5, "{had}");
    assert_eq!((pool.stats().in_use, pool.stats().waiting), (0, 0));
    assert!(pool.close(60_000 * MS).await.is_complete());
    assert_eq!(pool.stats().size, 0);
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

/// A runtime whose clock panics while it is told to.
#[derive(Clone, Default)]
struct Breaks(Arc<AtomicBool>);

impl Backend for Breaks {
    fn spawn(&self, task: BoxFuture<'static, ()>) {
        std::thread::spawn(|| futures::executor::block_on(task));
    }
    fn spawn_blocking(&self, work: BoxWork) {
        std::thread::spawn(work);
    }
    fn sleep_until(&self, at: Instant) -> BoxFuture<'static, ()> {
        Box::pin(Runtime::neutral().sleep_until(at))
    }
    fn now(&self) -> Instant {
        assert!(!self.0.load(SeqCst), "the clock panics on purpose");
        Runtime::neutral().now()
    }
}

/// Two panics at once would end the process, and a place that is lost would never come back.
#[test]
fn a_clock_that_panics_when_an_object_comes_back_costs_no_place() {
    let (server, clock) = (Server::new(), Breaks::default());
    let builder = Pool::builder(server.clone()).runtime(Runtime::custom(clock.clone()));
    let pool = builder
        .max_size(1)
        .idle_timeout(MS * 60_000)
        .spans()
        .build()
        .unwrap();
    for _ in 0..2 {
        let guard = futures::executor::block_on(pool.get()).unwrap();
        let text = panic_of(|| {
            let _guard = guard;
            clock.0.store(true, SeqCst);
            panic!("the first");
        });
        clock.0.store(false, SeqCst);
        assert_eq!(text, "the first");
        assert_eq!((pool.stats().in_use, pool.stats().idle), (0, 1));
    }
    assert_eq!(pool.stats().taken, 2);
}

/// However many wait: one attempt that is dropped must not start the next, which would end alike, and so on down the
/// stack.
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
    what_was_made_is_closed_however_its_hook_ended;
    a_hook_cut_short_by_close_costs_no_goodbye;
    nothing_that_panics_costs_more_than_itself;
}
