//! Sizes, ages, idle times, leaks, hooks, the observer.

use crate::ground::{MS, panic_of};
use crate::server::{Mood, Server, pool_of, until};
use futures_lite::future::poll_once;
use regatta::pool::{BuildError, Builder, ConnectError, Event, GetError, Pool, ResizeError};
use regatta::testing::{self, advance, settle};
use regatta::{Runtime, task};
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

fn builder(server: &Server) -> Builder<Server> {
    Pool::builder(server.clone())
}

/// The observer's book: what happened, in short.
fn book(builder: Builder<Server>) -> (Builder<Server>, Arc<Mutex<Vec<String>>>) {
    let book = Arc::new(Mutex::new(Vec::new()));
    let log = book.clone();
    let builder = builder.observer(move |event| {
        let line = match event {
            Event::Connected { took, .. } => format!("connected in {took:?}"),
            Event::ConnectFailed { error, .. } => error.to_string(),
            Event::CheckFailed { error, .. } => error.to_string(),
            Event::Closing { why, uses, .. } => format!("closing: {why:?} after {uses}"),
            Event::CloseFailed { panic, .. } => format!("close: {panic:?}"),
            Event::TimedOut { error, .. } => format!("waited {:?}", error.limit),
            Event::Leaking { at, held, .. } => format!("leak at line {} for {held:?}", at.line()),
            _ => String::from("another"),
        };
        log.lock().unwrap().push(line);
    });
    (builder, book)
}

/// Nobody has to come for it to be closed, and it does not lie about beyond its time.
async fn an_idle_object_is_closed_when_its_time_is_over() {
    let server = Server::new();
    let pool = builder(&server).idle_timeout(MINUTE).build().unwrap();
    drop(pool.get().await.unwrap());
    advance(MINUTE - MS).await;
    assert_eq!(pool.stats().idle, 1);
    drop(pool.get().await.unwrap());
    advance(MINUTE - MS).await;
    assert_eq!((pool.stats().idle, server.open()), (1, 1));
    advance(MS).await;
    assert_eq!((pool.stats().size, server.open()), (0, 0));
    assert_eq!(pool.stats().closed.idle, 1);
}

/// The line of idle objects is a stack: under little load the rest ages.
async fn too_many_for_the_load_are_closed() {
    let server = Server::new();
    let pool = builder(&server)
        .max_size(8)
        .idle_timeout(MINUTE)
        .build()
        .unwrap();
    drop(task::gather((0..8).map(|_| pool.get())).settled().await);
    assert_eq!(pool.stats().idle, 8);
    for _ in 0..20 {
        drop(pool.get().await.unwrap());
        advance(MINUTE / 10).await;
    }
    assert_eq!((pool.stats().idle, pool.stats().closed.idle), (1, 7));
}

async fn an_object_is_closed_at_the_end_of_its_life() {
    let server = Server::new();
    let builder = builder(&server).max_lifetime(MINUTE).lifetime_jitter(0.0);
    let pool = builder.build().unwrap();
    for _ in 0..4 {
        drop(pool.get().await.unwrap());
        advance(MINUTE / 4).await;
    }
    assert_eq!((pool.stats().closed.lifetime, server.open()), (1, 0));
    // While it is in use it is left alone, and closed when it comes back.
    let guard = pool.get().await.unwrap();
    advance(2 * MINUTE).await;
    assert_eq!(server.open(), 1);
    drop(guard);
    settle().await;
    assert_eq!((pool.stats().closed.lifetime, server.open()), (2, 0));
}

/// Also by one who waits for it.
async fn an_object_that_is_too_old_is_not_handed_on() {
    let server = Server::new();
    let builder = builder(&server).max_size(1).max_lifetime(MINUTE);
    let pool = builder.lifetime_jitter(0.0).build().unwrap();
    let guard = pool.get().await.unwrap();
    let mut waits = pin!(pool.get());
    assert!(poll_once(&mut waits).await.is_none());
    advance(MINUTE).await;
    drop(guard);
    assert_eq!(waits.await.unwrap().begin().number, 2);
    assert_eq!(server.get(|f| f.peak), 1);
}

/// Made together, they do not go together.
async fn lives_end_at_different_times() {
    let server = Server::new();
    let builder = builder(&server).max_size(50).max_lifetime(100 * MINUTE);
    let pool = builder.lifetime_jitter(0.5).build().unwrap();
    drop(task::gather((0..50).map(|_| pool.get())).settled().await);
    let mut left = Vec::new();
    for _ in 0..10 {
        advance(10 * MINUTE).await;
        left.push(pool.stats().idle);
    }
    assert_eq!((left[3], left[9]), (50, 0));
    assert!(
        left[4..9].windows(2).all(|w| w[0] >= w[1]) && left[6] > 0 && left[6] < 50,
        "{left:?}"
    );
}

async fn as_many_as_wanted_are_kept_ready() {
    let server = Server::new();
    let builder = builder(&server)
        .max_size(4)
        .min_idle(2)
        .idle_timeout(MINUTE);
    let pool = builder.build().unwrap();
    pool.warm_up().await.unwrap();
    assert_eq!((pool.stats().idle, server.get(|f| f.made)), (2, 2));
    // Beyond those in use, as far as there is room.
    let guards = [pool.get().await.unwrap(), pool.get().await.unwrap()];
    settle().await;
    assert_eq!((pool.stats().idle, pool.stats().size), (2, 4));
    let third = pool.get().await.unwrap();
    settle().await;
    assert_eq!((pool.stats().idle, pool.stats().size), (1, 4));
    drop((guards, third));
    assert_eq!(pool.stats().idle, 4);
    // Idle times leave them; a lost one is replaced.
    advance(10 * MINUTE).await;
    assert_eq!(pool.stats().idle, 2);
    pool.get().await.unwrap().discard();
    settle().await;
    assert_eq!(pool.stats().idle, 2);
}

async fn a_server_that_is_down_is_asked_less_and_less_often() {
    let server = Server::new();
    server.set(|f| f.connect = Mood::Fails);
    let (builder, book) = book(builder(&server).min_idle(3));
    let pool = builder.build().unwrap();
    advance(10 * MINUTE).await;
    let asked = book.lock().unwrap().len();
    assert!((10..150).contains(&asked), "{asked} attempts");
    assert_eq!(pool.stats().size, 0);
    server.set(|f| f.connect = Mood::Good);
    advance(MINUTE).await;
    assert_eq!(pool.stats().idle, 3);
}

async fn a_warm_up_says_why_it_cannot() {
    let server = Server::new();
    server.set(|f| f.connect = Mood::Fails);
    let pool = builder(&server).min_idle(2).build().unwrap();
    let refused = pool.warm_up().await;
    assert!(matches!(
        refused,
        Err(GetError::Connect(ConnectError::Failed(_)))
    ));
}

async fn only_what_has_lain_long_is_checked_where_that_is_wanted() {
    let server = Server::new();
    let pool = builder(&server).check_after_idle(500 * MS).build().unwrap();
    for (pause, checked) in [(0, 0), (499, 0), (500, 1), (499, 1), (9000, 2)] {
        advance(pause * MS).await;
        drop(pool.get().await.unwrap());
        assert_eq!(server.get(|f| f.checked), checked, "{pause} ms");
    }
}

async fn a_leak_is_told_with_the_place_where_it_was_taken() {
    let (builder, book) = book(builder(&Server::new()).leak_after(MINUTE));
    let pool = builder.build().unwrap();
    let (guard, line) = (pool.get().await.unwrap(), line!());
    advance(3 * MINUTE).await;
    assert_eq!(pool.held()[0].at.line(), line);
    assert_eq!(pool.held()[0].at.file(), file!());
    drop(guard);
    drop(pool.get().await.unwrap());
    advance(3 * MINUTE).await;
    let leaks = book.lock().unwrap();
    let leaks: Vec<_> = leaks.iter().filter(|l| l.starts_with("leak")).collect();
    assert_eq!(leaks, [&format!("leak at line {line} for 60s")]);
    assert!(pool.held().is_empty());
}

async fn a_pool_grows_and_shrinks() {
    let server = Server::new();
    let pool = pool_of(1, &server);
    let first = pool.get().await.unwrap();
    let mut second = pin!(pool.get());
    assert!(poll_once(&mut second).await.is_none());
    pool.resize(3).unwrap();
    let second = second.await.unwrap();
    let third = pool.get().await.unwrap();
    pool.resize(1).unwrap();
    drop(second);
    drop(third);
    until(|| pool.stats().size == 1).await;
    assert_eq!((pool.stats().closed.surplus, server.open()), (2, 1));
    let mut next = pin!(pool.get());
    assert!(
        poll_once(&mut next).await.is_none(),
        "there is one, and it is in use"
    );
    drop(first);
    drop(next.await.unwrap());
    // What is idle goes at once.
    pool.resize(2).unwrap();
    drop([pool.get().await.unwrap(), pool.get().await.unwrap()]);
    pool.resize(1).unwrap();
    assert_eq!(pool.stats().idle, 1);
    assert_eq!(server.get(|f| f.peak), 3);
    let refused = pool.resize(0).unwrap_err();
    assert_eq!(refused, ResizeError::TooSmall { asked: 0, least: 1 });
    assert_eq!(refused.to_string(), "resize(0): use at least 1");
    pool.close(Duration::MAX).await;
    assert_eq!(pool.resize(5), Err(ResizeError::Closed));
}

async fn hooks_see_every_object_and_may_refuse_it() {
    let server = Server::new();
    let pool = builder(&server)
        .after_connect(|c| {
            Box::pin(async move {
                c.number += 100;
                Ok(())
            })
        })
        .before_take(|c, metrics| c.number != 102 || metrics.uses < 2)
        .after_return(|c, _| c.number != 101)
        .build()
        .unwrap();
    assert_eq!(pool.get().await.unwrap().begin().done().begin().number, 101);
    assert_eq!(pool.stats().closed.in_flight, 1);
    drop(pool.get().await.unwrap());
    drop(pool.get().await.unwrap());
    assert_eq!(pool.get().await.unwrap().begin().number, 103);
    let closed = pool.stats().closed;
    assert_eq!((closed.hook, server.get(|f| f.made)), (1, 3));
}

async fn a_hook_that_fails_or_panics_costs_its_object_only() {
    let server = Server::new();
    let pool = builder(&server)
        .max_size(1)
        .after_connect(|c| {
            let number = c.number;
            Box::pin(async move {
                match number {
                    1 => Err(crate::server::Sorry("the hook")),
                    2 => std::panic::resume_unwind(Box::new("the hook")),
                    _ => Ok(()),
                }
            })
        })
        .before_take(|_, _| std::panic::resume_unwind(Box::new(())))
        .after_return(|c, _| c.number != 3 || std::panic::resume_unwind(Box::new(())))
        .observer(|_| std::panic::resume_unwind(Box::new(())))
        .build()
        .unwrap();
    let text = pool.get().await.unwrap_err().to_string();
    assert_eq!(text, "cannot connect: the hook");
    let text = pool.get().await.unwrap_err().to_string();
    assert_eq!(text, "cannot connect: the manager panicked: the hook");
    drop(pool.get().await.unwrap());
    drop(pool.get().await.unwrap());
    assert_eq!(pool.get().await.unwrap().begin().number, 5);
    assert_eq!((pool.stats().closed.hook, server.get(|f| f.peak)), (4, 1));
    // None of them was just dropped.
    assert_eq!(server.get(|f| f.closed), 4);
}

async fn the_observer_is_told_of_everything() {
    let server = Server::new();
    let (builder, book) = book(builder(&server).max_size(1).wait_timeout(5 * MS));
    let pool = builder.build().unwrap();
    let guard = pool.get().await.unwrap();
    assert!(pool.get().await.is_err());
    drop(guard.begin());
    until(|| server.get(|f| f.closed) == 1).await;
    server.set(|f| f.close = Mood::Panics);
    drop(pool.get().await.unwrap());
    server.set(|f| f.check = Mood::Fails);
    server.set(|f| f.connect = Mood::Fails);
    assert!(pool.get().await.is_err());
    let told = [
        "connected in 0ns",
        "waited 5ms",
        "closing: InFlight after 1",
        "connected in 0ns",
        "the check failed: the check",
        "closing: Check after 1",
        "close: Some(\"the close\")",
        "cannot connect: wrong password",
    ];
    assert_eq!(*book.lock().unwrap(), told);
}

/// Every way in and every way out: each use begins once, ends once, and says how long it waited and lasted.
async fn every_use_is_told_as_a_span() {
    let server = Server::new();
    let told = Arc::new(Mutex::new(Vec::new()));
    let log = told.clone();
    let pool = builder(&server)
        .max_size(1)
        .spans()
        .observer(move |event| {
            let line = match event {
                Event::Taken { span, waited, .. } => format!("{span} taken after {waited:?}"),
                Event::Returned {
                    span,
                    held,
                    in_flight,
                    ..
                } => format!("{span} held {held:?}, in flight: {in_flight}"),
                _ => return,
            };
            log.lock().unwrap().push(line);
        })
        .build()
        .unwrap();
    server.set(|f| f.connect = Mood::Slow);
    let first = pool.get().await.unwrap();
    let mut second = pin!(pool.get());
    assert!(poll_once(second.as_mut()).await.is_none());
    // Who gives up has used nothing.
    assert!(poll_once(pin!(pool.get())).await.is_none());
    advance(4 * MS).await;
    drop(first);
    let second = second.await.unwrap();
    advance(2 * MS).await;
    drop(second.begin());
    pool.get().await.unwrap().discard();
    drop(pool.get().await.unwrap().detach());
    drop(pool.get().await.unwrap());
    pool.try_get().unwrap().release().await.unwrap();
    let expected = [
        "0 taken after 1ms",
        "0 held 4ms, in flight: false",
        "1 taken after 4ms",
        "1 held 2ms, in flight: true",
        "2 taken after 1ms",
        "2 held 0ns, in flight: false",
        "3 taken after 1ms",
        "3 held 0ns, in flight: false",
        "4 taken after 1ms",
        "4 held 0ns, in flight: false",
        "5 taken after 0ns",
        "5 held 0ns, in flight: false",
    ];
    assert_eq!(*told.lock().unwrap(), expected);
}

#[test]
fn what_makes_no_sense_is_refused() {
    let refused = |change: fn(Builder<Server>) -> Builder<Server>| {
        testing::run(async move || change(builder(&Server::new())).build().unwrap_err())
    };
    assert_eq!(refused(|b| b.max_size(0)), BuildError::Empty);
    let text = refused(|b| b.max_size(0)).to_string();
    assert_eq!(
        text,
        "a pool for 0 objects could never give one: use at least 1"
    );
    let text = refused(|b| b.max_size(2).min_idle(3)).to_string();
    assert_eq!(text, "min_idle(3) is above max_size(2): use at most 2");
    let text = refused(|b| b.lifetime_jitter(f64::NAN)).to_string();
    assert_eq!(text, "lifetime_jitter(NaN): use a part from 0.0 to 1.0");
    for (setting, zero) in [
        ("max_lifetime", refused(|b| b.max_lifetime(Duration::ZERO))),
        ("idle_timeout", refused(|b| b.idle_timeout(Duration::ZERO))),
        ("wait_timeout", refused(|b| b.wait_timeout(Duration::ZERO))),
        (
            "connect_timeout",
            refused(|b| b.connect_timeout(Duration::ZERO)),
        ),
        (
            "check_timeout",
            refused(|b| b.check_timeout(Duration::ZERO)),
        ),
        (
            "close_timeout",
            refused(|b| b.close_timeout(Duration::ZERO)),
        ),
        ("leak_after", refused(|b| b.leak_after(Duration::ZERO))),
    ] {
        assert_eq!(zero, BuildError::ZeroDuration { setting });
        assert!(
            zero.to_string()
                .starts_with(&format!("{setting}(0s) leaves no time"))
        );
    }
    let nowhere = builder(&Server::new()).runtime(Runtime::neutral()).build();
    assert!(matches!(nowhere, Err(BuildError::NoRuntime(_))));
}

/// Durations that no clock can name are for ever.
async fn endless_limits_never_pass() {
    let builder = builder(&Server::new()).idle_timeout(Duration::MAX);
    let builder = builder
        .leak_after(Duration::MAX)
        .wait_timeout(Duration::MAX);
    let builder = builder
        .max_lifetime(Duration::MAX)
        .lifetime_jitter(0.0)
        .connect_timeout(Duration::MAX);
    let builder = builder
        .check_timeout(Duration::MAX)
        .close_timeout(Duration::MAX);
    let pool = builder.build().unwrap();
    drop(pool.get().await.unwrap());
    advance(MINUTE * 60 * 24 * 300).await;
    assert!(pool.get().await.is_ok());
    assert_eq!(panic_of(|| drop(pool)), "(it did not panic)");
}

regatta::matrix! {
    an_idle_object_is_closed_when_its_time_is_over [sim];
    too_many_for_the_load_are_closed [sim];
    an_object_is_closed_at_the_end_of_its_life [sim];
    an_object_that_is_too_old_is_not_handed_on [sim];
    lives_end_at_different_times [sim];
    as_many_as_wanted_are_kept_ready [sim];
    a_server_that_is_down_is_asked_less_and_less_often [sim];
    a_warm_up_says_why_it_cannot;
    only_what_has_lain_long_is_checked_where_that_is_wanted [sim];
    a_leak_is_told_with_the_place_where_it_was_taken [sim];
    a_pool_grows_and_shrinks;
    hooks_see_every_object_and_may_refuse_it;
    a_hook_that_fails_or_panics_costs_its_object_only;
    the_observer_is_told_of_everything [sim];
    every_use_is_told_as_a_span [sim];
    endless_limits_never_pass [sim];
}
