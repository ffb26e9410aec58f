//! Observers that panic, keys that come back.

use super::{SECOND, after};
use regatta::Runtime;
use regatta::circuit_breaker::{CircuitBreaker, Event, Keyed, State};
use regatta::runtime::{Backend, BoxFuture, BoxWork};
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, LazyLock, mpsc};
use std::thread;
use std::time::{Duration, Instant};

fn panics() -> (CircuitBreaker, Arc<AtomicUsize>) {
    let told = Arc::new(AtomicUsize::new(0));
    let count = told.clone();
    let observer = move |event: &Event| {
        count.fetch_add(1, SeqCst);
        panic!("an observer of {event:?}");
    };
    (after(1).observer(observer).build(), told)
}

/// Two panics at once would end the process.
#[test]
fn an_observer_that_panics_while_a_call_unwinds_ends_nothing() {
    let (breaker, told) = panics();
    let call = || {
        let _pass = breaker.try_enter().unwrap();
        panic!("a call");
    };
    let unwound = catch_unwind(AssertUnwindSafe(call)).expect_err("it panics");
    assert_eq!(unwound.downcast_ref::<&str>(), Some(&"a call"));
    assert_eq!((breaker.state(), breaker.stats().running), (State::Open, 0));
    assert_eq!(told.load(SeqCst), 1);
}

#[test]
fn an_observer_that_panics_costs_no_place_and_no_call() {
    let (breaker, told) = panics();
    regatta::testing::run(async || {
        breaker.try_enter().unwrap().failed();
        assert!(breaker.try_enter().is_err());
        regatta::time::sleep(5 * SECOND).await;
        // Tells that it is half open, and lets a probe through.
        let probe = breaker.try_enter().unwrap();
        assert!(breaker.try_enter().is_err());
        drop(probe);
        breaker.try_enter().unwrap().succeeded();
        breaker.force_open();
        breaker.automatic();
        breaker.reset();
    });
    assert_eq!(
        (breaker.state(), breaker.stats().running),
        (State::Closed, 0)
    );
    assert_eq!(told.load(SeqCst), 7);
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

#[test]
fn a_clock_that_panics_while_a_call_unwinds_ends_nothing() {
    let broken = Arc::new(AtomicBool::new(false));
    let clock = Runtime::custom(Breaks(broken.clone()));
    let breaker = after(1).slow_calls(SECOND, 1.0).runtime(clock).build();
    let call = || {
        let _pass = breaker.try_enter().unwrap();
        broken.store(true, SeqCst);
        panic!("a call");
    };
    assert!(catch_unwind(AssertUnwindSafe(call)).is_err());
    broken.store(false, SeqCst);
    assert_eq!((breaker.state(), breaker.stats().running), (State::Open, 0));
}

thread_local! {
    static CAME: Cell<u32> = const { Cell::new(0) };
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

static KEYS: LazyLock<Keyed<u32>> = LazyLock::new(|| {
    let never = Arc::new(AtomicBool::new(false));
    Keyed::with(2, move |key| {
        come_back();
        let clock = Runtime::custom(Asks(Breaks(never.clone())));
        after(1 + key)
            .open_for(Duration::from_nanos(1))
            .runtime(clock)
    })
});

fn come_back() {
    if !INSIDE.replace(true) {
        CAME.set(CAME.get() + 1);
        assert!(KEYS.len() <= 2);
        let _ = KEYS.get(&1000);
        INSIDE.set(false);
    }
}

/// A clock that looks a key up.
struct Asks(Breaks);

impl Backend for Asks {
    fn spawn(&self, task: BoxFuture<'static, ()>) {
        self.0.spawn(task);
    }

    fn spawn_blocking(&self, work: BoxWork) {
        self.0.spawn_blocking(work);
    }

    fn sleep_until(&self, at: Instant) -> BoxFuture<'static, ()> {
        self.0.sleep_until(at)
    }

    fn now(&self) -> Instant {
        come_back();
        self.0.now()
    }
}

#[test]
fn clocks_and_makers_may_use_the_very_set() {
    LazyLock::force(&KEYS);
    let (ended, hears) = mpsc::channel();
    let runs = thread::spawn(move || {
        for n in 0..500 {
            if let Ok(breaker) = KEYS.get(&(n % 5))
                && let Ok(pass) = breaker.try_enter()
            {
                pass.failed();
            }
        }
        assert!(CAME.get() > 500);
        let _ = ended.send(());
    });
    let hangs = hears.recv_timeout(Duration::from_secs(60)) == Err(mpsc::RecvTimeoutError::Timeout);
    assert!(!hangs, "it hangs");
    runs.join().unwrap();
}

#[test]
fn a_maker_that_panics_leaves_the_set_as_it_was() {
    let keys = Keyed::with(2, |key: &u32| {
        assert_ne!(*key, 7, "a maker");
        after(1)
    });
    assert!(keys.get(&1).is_ok());
    assert!(catch_unwind(AssertUnwindSafe(|| keys.get(&7))).is_err());
    assert!(keys.get(&2).is_ok() && keys.len() == 2);
}
