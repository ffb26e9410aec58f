//! The line: order, limits, and who is dropped in it. Case 136: cancelled in `get`, in `release`, in an operation, the
//! place is back.

use crate::ground::{Hand, MS, Watch};
use crate::server::{Mood, Server, Sorry, pool_of, until};
use futures_lite::future::{poll_once, yield_now};
use regatta::cancel::CancelToken;
use regatta::pool::{GetError, Pool};
use regatta::{task, time};
use std::convert::Infallible;
use std::pin::pin;
use std::sync::Mutex;
use std::task::Poll;
use std::time::Duration;

/// Case 136. In a `get` with a timeout, in a `release`, and in an operation: another one gets the place, and there are
/// never two.
async fn a_place_is_back_wherever_its_taker_was_cancelled() {
    let server = Server::new();
    let pool = pool_of(1, &server);
    for _ in 0..3 {
        let guard = pool.get().await.unwrap();
        assert!(time::timeout(MS, pool.get()).await.is_err());
        drop(guard);

        let guard = pool.get().await.unwrap();
        server.set(|f| f.check = Mood::Hangs);
        assert!(time::timeout(MS, guard.release()).await.is_err());
        server.set(|f| f.check = Mood::Good);

        let mut guard = pool.get().await.unwrap();
        let hangs = guard.run(async |_| std::future::pending::<Result<(), Sorry>>().await);
        assert!(time::timeout(MS, hangs).await.is_err());
        drop(guard);
        let mut guard = pool.get().await.unwrap();
        assert!(guard.run(async |c| c.ask(1).await).await.is_ok());
    }
    assert_eq!(server.get(|f| f.peak), 1);
    assert_eq!(pool.stats().waiting, 0);
}

/// In the check too.
async fn a_get_that_is_dropped_in_its_check_gives_its_place_back() {
    let server = Server::new();
    let pool = pool_of(1, &server);
    drop(pool.get().await.unwrap());
    server.set(|f| f.check = Mood::Hangs);
    assert!(time::timeout(MS, pool.get()).await.is_err());
    server.set(|f| f.check = Mood::Good);
    assert!(pool.get().await.is_ok());
    assert_eq!(
        (pool.stats().closed.in_flight, server.get(|f| f.peak)),
        (1, 1)
    );
}

async fn waiters_are_served_in_the_order_of_their_arrival() {
    let pool = pool_of(1, &Server::new());
    let guard = pool.get().await.unwrap();
    let order = Mutex::new(Vec::new());
    let served = &order;
    let waiters = (0..100).map(|n| {
        let pool = pool.clone();
        async move {
            let mut guard = pool.get().await.unwrap();
            served.lock().unwrap().push(n);
            guard.run(async |c| c.ask(1).await).await.unwrap();
        }
    });
    let release = async {
        until(|| pool.stats().waiting == 100).await;
        drop(guard);
    };
    let all = async { task::gather(waiters).settled().await };
    futures_lite::future::zip(all, release).await;
    assert!(order.lock().unwrap().is_sorted());
    assert_eq!(pool.stats().taken, 101);
}

/// The connect that was started for one who gave up goes on, and its object to who came next.
async fn a_connect_outlives_who_waited_for_it() {
    let server = Server::new();
    server.set(|f| f.connect = Mood::Slow);
    let pool = pool_of(1, &server);
    let mut first = Box::pin(pool.get());
    assert!(poll_once(&mut first).await.is_none());
    let mut next = pin!(pool.get());
    assert!(poll_once(&mut next).await.is_none());
    drop(first);
    let guard = next.await.unwrap();
    assert_eq!(server.get(|f| f.made), 1);
    drop(guard);
    // Also when nobody is there any more.
    pool.get().await.unwrap().discard();
    until(|| pool.stats().size == 0).await;
    assert!(poll_once(pool.get()).await.is_none());
    until(|| pool.stats().idle == 1).await;
    assert_eq!(server.get(|f| f.made), 2);
}

async fn an_object_given_to_one_who_is_dropped_goes_to_the_next() {
    let pool = pool_of(1, &Server::new());
    let guard = pool.get().await.unwrap();
    let mut first = Box::pin(pool.get());
    let mut next = pin!(pool.get());
    assert!(poll_once(&mut first).await.is_none());
    assert!(poll_once(&mut next).await.is_none());
    drop(guard);
    // Served, and it never saw it.
    drop(first);
    drop(
        poll_once(&mut next)
            .await
            .expect("it is the first now")
            .unwrap(),
    );
    assert_eq!((pool.stats().taken, pool.stats().size), (2, 1));
}

async fn newcomers_pass_nobody() {
    let pool = pool_of(1, &Server::new());
    let guard = pool.get().await.unwrap();
    let mut waits = pin!(pool.get());
    assert!(poll_once(&mut waits).await.is_none());
    drop(guard);
    assert!(pool.try_get().is_err());
    assert!(poll_once(pool.get()).await.is_none());
    assert!(poll_once(&mut waits).await.is_some());
}

/// Who got an object that was not fit has not lost its turn.
async fn who_comes_again_has_its_old_turn() {
    let server = Server::new();
    server.set(|f| f.connect = Mood::Slow);
    let pool = pool_of(1, &server);
    drop(pool.get().await.unwrap());
    let guard = pool.get().await.unwrap();
    let order = Mutex::new(Vec::new());
    server.set(|f| f.check = Mood::Fails);
    let waiter = async |n| {
        let guard = pool.get().await.unwrap();
        order.lock().unwrap().push(n);
        drop(guard);
    };
    let release = async {
        until(|| pool.stats().waiting == 3).await;
        drop(guard);
    };
    let (a, b, c) = (waiter(1), waiter(2), waiter(3));
    let all = async { futures_lite::future::zip(a, futures_lite::future::zip(b, c)).await };
    futures_lite::future::zip(all, release).await;
    assert_eq!(*order.lock().unwrap(), [1, 2, 3]);
    assert!(pool.stats().closed.check >= 1);
}

async fn a_wait_ends_with_its_limit_and_says_what_was_the_matter() {
    let server = Server::new();
    let builder = Pool::builder(server.clone()).max_size(1);
    let pool = builder.wait_timeout(20 * MS).build().unwrap();
    let guard = pool.get().await.unwrap();
    let watch = Watch::start();
    let Err(GetError::TimedOut(error)) = pool.get().await else {
        panic!("nobody gave it back");
    };
    watch.shows(20 * MS);
    assert_eq!((error.in_use, error.connecting, error.waiting), (1, 0, 0));
    assert_eq!(
        error.to_string(),
        "no object of the pool was free within 20ms: of 1, 1 in use, 0 connecting, 0 closing; 0 others wait"
    );
    drop(guard);
    assert!(pool.get().await.is_ok());
    assert_eq!(pool.stats().timed_out, 1);
}

/// The time is one for the whole `get`, however often it comes again.
async fn the_limit_is_for_the_whole_wait() {
    let server = Server::new();
    let builder = Pool::builder(server.clone()).max_size(1);
    let builder = builder.wait_timeout(150 * MS).close_timeout(15 * MS);
    let pool = builder.build().unwrap();
    drop(pool.get().await.unwrap());
    server.set(|f| (f.check, f.close, f.connect) = (Mood::Fails, Mood::Hangs, Mood::Hangs));
    let watch = Watch::start();
    let refused = pool.get().await.unwrap_err();
    assert!(matches!(refused, GetError::TimedOut(t) if t.connecting == 1));
    watch.shows(150 * MS);
}

async fn an_object_that_comes_in_the_moment_the_time_is_over_is_taken() {
    let pool = Pool::builder(Server::new())
        .max_size(1)
        .wait_timeout(10 * MS)
        .build()
        .unwrap();
    let guard = pool.get().await.unwrap();
    let mut waits = pin!(pool.get());
    assert!(poll_once(&mut waits).await.is_none());
    regatta::testing::advance(10 * MS).await;
    drop(guard);
    assert!(waits.await.is_ok());
    assert_eq!(pool.stats().timed_out, 0);
}

async fn a_deadline_around_a_get_ends_it() {
    let pool = pool_of(1, &Server::new());
    let guard = pool.get().await.unwrap();
    let watch = Watch::start();
    let late = time::timeout(5 * MS, pool.get()).await;
    assert!(late.is_err());
    watch.shows(5 * MS);
    assert_eq!(pool.stats().waiting, 0);
    drop(guard);
}

/// A thousand at once for four objects: never five, and all have their turn.
async fn a_crowd_is_served() {
    let server = Server::new();
    server.set(|f| f.connect = Mood::Slow);
    let pool = pool_of(4, &server);
    task::scope(async |g| {
        for _ in 0..1000 {
            g.spawn(async {
                let mut guard = pool.get().await.unwrap();
                yield_now().await;
                guard.run(async |c| c.ask(1).await).await.unwrap();
            });
        }
        Ok::<_, Infallible>(())
    })
    .await
    .unwrap();
    let stats = pool.stats();
    assert_eq!((stats.taken, stats.in_use, stats.waiting), (1000, 0, 0));
    assert!(server.get(|f| f.peak <= 4 && f.made <= 4));
}

/// A task that only ever meets idle objects goes round its executor now and then, so that others can run. It keeps what
/// it has got meanwhile.
async fn gets_that_never_wait_give_way_now_and_then() {
    let pool = pool_of(1, &Server::new());
    drop(pool.get().await.unwrap());
    let (hand, mut rounds) = (Hand::new(), 0);
    for _ in 0..5_000 {
        let mut get = pin!(pool.get());
        if hand.poll(get.as_mut()).is_pending() {
            rounds += 1;
            assert_eq!((pool.stats().idle, pool.stats().waiting), (0, 0));
            assert!(hand.poll(get).is_ready());
            // It is to be polled again, as soon as others were.
            until(|| hand.wakes.get() == rounds).await;
        }
    }
    assert!((1..=50).contains(&rounds), "{rounds}");
    // A closed pool answers at once, too.
    pool.close(MS).await;
    let mut closed = 0;
    for _ in 0..5_000 {
        let mut get = pin!(pool.get());
        if hand.poll(get.as_mut()).is_pending() {
            closed += 1;
            let again = hand.poll(get);
            assert!(matches!(again, Poll::Ready(Err(GetError::Closed))));
            yield_now().await;
        }
    }
    assert!((1..=50).contains(&closed), "{closed}");
}

/// What it was going to have is there for others.
async fn a_get_that_is_dropped_while_it_gives_way_gives_its_object_back() {
    let pool = pool_of(1, &Server::new());
    drop(pool.get().await.unwrap());
    let hand = Hand::new();
    let mut drops = 0;
    for _ in 0..5_000 {
        let mut get = Box::pin(pool.get());
        if hand.poll(get.as_mut()).is_pending() {
            assert_eq!(pool.stats().in_use, 1);
            drop(get);
            drops += 1;
            yield_now().await;
        }
        assert_eq!(pool.stats().idle, 1);
    }
    assert!(drops > 0);
    assert_eq!(pool.stats().taken, 5_001 - drops);
}

/// A pool that is free is never refused, and never fails, because the task is to give way.
async fn an_idle_object_is_had_within_no_time_at_all() {
    let builder = Pool::builder(Server::new()).max_size(1);
    let pool = builder
        .wait_timeout(Duration::from_nanos(1))
        .build()
        .unwrap();
    while pool.get().await.is_err() {
        time::sleep(MS).await;
    }
    for n in 0..2_000 {
        assert!(pool.get().await.is_ok(), "{n}");
        let within = time::timeout(Duration::ZERO, pool.get()).await;
        assert!(within.is_ok_and(|got| got.is_ok()), "{n}");
    }
}

/// In its grace it has what is there, but nothing is begun for it.
async fn nothing_is_made_for_a_caller_that_was_cancelled_meanwhile() {
    let server = Server::new();
    let builder = Pool::builder(server.clone()).max_size(2);
    let pool = builder.check_timeout(300 * MS).build().unwrap();
    drop(pool.get().await.unwrap());
    server.set(|f| f.check = Mood::Hangs);
    let token = CancelToken::new();
    let get = token.run_graceful(500 * MS, pool.get());
    let cancels = async {
        time::sleep(5 * MS).await;
        token.cancel();
    };
    let (got, ()) = futures_lite::future::zip(get, cancels).await;
    assert!(got.is_err());
    until(|| pool.stats().size == 0).await;
    assert_eq!((server.get(|f| f.begun), pool.stats().closed.check), (1, 1));
    assert_eq!((pool.stats().waiting, pool.stats().connecting), (0, 0));
}

/// However many idle objects have to be given up on the way.
async fn the_limit_is_for_all_the_checks_together() {
    let server = Server::new();
    let builder = Pool::builder(server.clone()).max_size(10);
    let builder = builder.wait_timeout(50 * MS).check_timeout(40 * MS);
    let pool = builder.build().unwrap();
    let mut all = Vec::new();
    for _ in 0..10 {
        all.push(pool.get().await.unwrap());
    }
    drop(all);
    server.set(|f| f.check = Mood::Hangs);
    let watch = Watch::start();
    let refused = pool.get().await.unwrap_err();
    watch.shows(50 * MS);
    assert!(matches!(refused, GetError::TimedOut(t) if t.limit == 50 * MS));
    // Two were given up: one by its own limit, one by this.
    let closed = pool.stats().closed;
    assert_eq!((closed.check, closed.in_flight), (1, 1));
    assert_eq!((pool.stats().timed_out, pool.stats().in_use), (1, 0));
}

regatta::matrix! {
    a_place_is_back_wherever_its_taker_was_cancelled;
    a_get_that_is_dropped_in_its_check_gives_its_place_back;
    waiters_are_served_in_the_order_of_their_arrival;
    a_connect_outlives_who_waited_for_it;
    an_object_given_to_one_who_is_dropped_goes_to_the_next;
    newcomers_pass_nobody;
    who_comes_again_has_its_old_turn;
    a_wait_ends_with_its_limit_and_says_what_was_the_matter;
    the_limit_is_for_the_whole_wait;
    an_object_that_comes_in_the_moment_the_time_is_over_is_taken [sim];
    a_deadline_around_a_get_ends_it;
    a_crowd_is_served;
    gets_that_never_wait_give_way_now_and_then;
    a_get_that_is_dropped_while_it_gives_way_gives_its_object_back;
    an_idle_object_is_had_within_no_time_at_all;
    the_limit_is_for_all_the_checks_together;
    nothing_is_made_for_a_caller_that_was_cancelled_meanwhile;
}
