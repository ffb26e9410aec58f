//! Keys, and clocks, that come back to the set they are used in.

use futures_util::FutureExt;
use regatta::Runtime;
use regatta::rate_limit::{ConcurrencyAndRate, Keyed, Quota, RateLimiter};
use regatta::runtime::{Backend, BoxFuture, BoxWork};
use std::cell::Cell;
use std::hash::{Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, LazyLock, mpsc};
use std::thread;
use std::time::{Duration, Instant};

/// Fails if it takes too long: a lock that is taken twice is never free again.
fn in_time(f: impl FnOnce() + Send + 'static) {
    let (ended, hears) = mpsc::channel();
    let runs = thread::spawn(move || {
        f();
        let _ = ended.send(());
    });
    let hangs = hears.recv_timeout(Duration::from_secs(60)) == Err(mpsc::RecvTimeoutError::Timeout);
    assert!(!hangs, "it hangs");
    runs.join().unwrap();
}

thread_local! {
    static DEPTH: Cell<u32> = const { Cell::new(0) };
    static CAME: Cell<u32> = const { Cell::new(0) };
}

/// Looks another key up, once.
fn come_back(n: u32) {
    if DEPTH.get() == 0 {
        DEPTH.set(1);
        CAME.set(CAME.get() + 1);
        let other = KEYS.get(&Key(n + 1));
        assert!(KEYS.len() <= 3);
        drop(other);
        DEPTH.set(0);
    }
}

struct Key(u32);

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        come_back(self.0);
        // Only a few, so that they collide.
        (self.0 % 2).hash(state);
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        come_back(self.0);
        self.0 == other.0
    }
}

impl Eq for Key {}

impl Clone for Key {
    fn clone(&self) -> Self {
        come_back(self.0);
        Key(self.0)
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        come_back(self.0);
    }
}

/// A clock that asks how many keys there are.
struct Asks;

impl Backend for Asks {
    fn spawn(&self, _: BoxFuture<'static, ()>) {}

    fn spawn_blocking(&self, _: BoxWork) {}

    fn sleep_until(&self, _: Instant) -> BoxFuture<'static, ()> {
        Box::pin(std::future::pending())
    }

    fn now(&self) -> Instant {
        come_back(0);
        Runtime::neutral().now()
    }
}

static KEYS: LazyLock<Keyed<Key>> = LazyLock::new(|| {
    let quota = Quota::new(1, Duration::from_millis(1));
    Keyed::new(
        3,
        RateLimiter::builder(quota).runtime(Runtime::custom(Asks)),
    )
});

#[test]
fn keys_and_clocks_may_use_the_very_set() {
    DEPTH.set(1);
    LazyLock::force(&KEYS);
    in_time(|| {
        for n in 0..1000 {
            if let Ok(limiter) = KEYS.get(&Key(n % 7)) {
                let _ = limiter.try_acquire(1);
            }
        }
        assert!(CAME.get() > 1000);
    });
    assert!((1..=3).contains(&KEYS.len()));
}

#[test]
fn keys_that_collide_are_apart() {
    #[derive(Clone, Debug, PartialEq, Eq)]
    struct Same(u32);
    impl Hash for Same {
        fn hash<H: Hasher>(&self, _: &mut H) {}
    }
    let keys = Keyed::new(50, RateLimiter::builder(Quota::per_hour(1)));
    for n in 0..50 {
        assert!(keys.get(&Same(n)).unwrap().try_acquire(1).is_ok());
    }
    for n in 0..50 {
        assert!(keys.get(&Same(n)).unwrap().try_acquire(1).is_err(), "{n}");
    }
    assert!(keys.get(&Same(50)).is_err(), "all are in use");
    assert_eq!(keys.len(), 50);
}

/// A clock that panics when it is told to.
struct Breaks(Arc<AtomicBool>);

impl Backend for Breaks {
    fn spawn(&self, _: BoxFuture<'static, ()>) {}

    fn spawn_blocking(&self, _: BoxWork) {}

    fn sleep_until(&self, _: Instant) -> BoxFuture<'static, ()> {
        Box::pin(std::future::pending())
    }

    fn now(&self) -> Instant {
        assert!(!self.0.load(SeqCst), "a clock");
        Runtime::neutral().now()
    }
}

/// Two panics at once would end the process.
#[test]
fn a_clock_that_panics_while_others_unwind_loses_no_place() {
    let broken = Arc::new(AtomicBool::new(false));
    let build = RateLimiter::builder(Quota::per_hour(10));
    let both = build
        .runtime(Runtime::custom(Breaks(broken.clone())))
        .max_in_flight(1);
    let call = || {
        let flight = both.try_acquire().unwrap();
        let mut waits = pin!(both.acquire());
        assert!(waits.as_mut().now_or_never().is_none());
        let mut next = pin!(both.acquire());
        assert!(next.as_mut().now_or_never().is_none());
        broken.store(true, SeqCst);
        // Dropped in the other order: two who wait, and one who makes room.
        let _flight = flight;
        panic!("a call");
    };
    assert!(catch_unwind(AssertUnwindSafe(call)).is_err());
    broken.store(false, SeqCst);
    assert_eq!((both.in_flight(), both.waiting()), (0, 0));
    assert!(both.try_acquire().is_ok());
}

/// Who writes down a limiter may look at it.
#[test]
fn a_writer_may_use_what_it_writes() {
    struct Looks(ConcurrencyAndRate, String);
    impl std::fmt::Write for Looks {
        fn write_str(&mut self, text: &str) -> std::fmt::Result {
            assert_eq!(self.0.in_flight(), 0);
            self.1.push_str(text);
            Ok(())
        }
    }
    in_time(|| {
        let both = ConcurrencyAndRate::new(Quota::per_hour(10), 1);
        let mut looks = Looks(both.clone(), String::new());
        std::fmt::write(&mut looks, format_args!("{both:?}")).unwrap();
        assert!(looks.1.contains("in_flight: 0"), "{}", looks.1);
    });
}

/// Those whose limiters are as good as new go as others come.
#[test]
fn a_burst_of_keys_leaves_nothing_behind() {
    regatta::testing::run(async || {
        let quota = Quota::new(1, Duration::from_secs(1));
        let keys = Keyed::new(1_000_000, RateLimiter::builder(quota));
        for n in 0..20_000 {
            assert!(keys.get(&n).unwrap().try_acquire(1).is_ok());
        }
        assert_eq!(keys.len(), 20_000, "nobody's limit goes away");
        assert!(keys.get(&7).unwrap().try_acquire(1).is_err());
        regatta::time::sleep(Duration::from_secs(1)).await;
        for n in 20_000..40_000 {
            assert!(keys.get(&n).unwrap().try_acquire(1).is_ok());
        }
        // Two go for one that comes.
        assert_eq!(keys.len(), 20_000);
        regatta::time::sleep(Duration::from_secs(1)).await;
        for n in 0..25_000 {
            keys.get(&n).unwrap();
        }
        assert!(keys.len() <= 1024, "{}", keys.len());
    });
}

/// Whichever thread is first makes it; all have the same.
#[test]
fn a_new_key_is_made_once_for_all_threads() {
    for round in 0..200 {
        let keys = Keyed::new(10, RateLimiter::builder(Quota::per_hour(3)));
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let keys = keys.clone();
                thread::spawn(move || u32::from(keys.get(&round).unwrap().try_acquire(1).is_ok()))
            })
            .collect();
        let given: u32 = threads.into_iter().map(|t| t.join().unwrap()).sum();
        assert_eq!((given, keys.len()), (3, 1));
    }
}
