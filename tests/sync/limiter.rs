//! `Limiter`: 119, and the same promises as a semaphore's.

use super::support::{Crowd, Order, others, poll, spawn, until, yield_now};
use regatta::Runtime;
use regatta::sync::{BorrowError, Borrower, Limiter};
use regatta::testing;
use std::task::Poll;

// 119
async fn one_token_per_borrower() {
    let limiter = Limiter::new(3);
    let token = limiter.borrow_for("alice").await.unwrap();
    assert_eq!(token.borrower(), Some(&Borrower::from("alice")));
    let again = BorrowError::AlreadyBorrowed {
        borrower: "alice".into(),
    };
    assert_eq!(limiter.borrow_for("alice").await.unwrap_err(), again);
    assert_eq!(limiter.try_borrow_for("alice").unwrap_err(), again);
    assert!(again.to_string().contains("borrow_for(`alice`)"));
    // On behalf of another, and of nobody.
    let _bob = limiter.borrow_for(String::from("bob")).await.unwrap();
    let _seven = limiter.borrow_for(7).await.unwrap();
    assert_eq!(
        limiter.borrowers(),
        [7.into(), "alice".into(), "bob".into()]
    );
    let full = limiter.try_borrow().unwrap_err();
    assert_eq!(
        full.to_string(),
        "try_borrow: 3 of 3 tokens are lent, 0 waiting; `borrow` waits for its turn"
    );
    // Who waits has asked, too.
    let mut waiting = limiter.borrow_for("carol");
    assert!(poll(&mut waiting).is_pending());
    assert!(matches!(
        poll(&mut limiter.borrow_for("carol")),
        Poll::Ready(Err(BorrowError::AlreadyBorrowed { .. }))
    ));
    drop(waiting);
    drop(token);
    drop(limiter.borrow_for("carol").await.unwrap());
    drop(limiter.borrow_for("alice").await.unwrap());
    assert!(limiter.borrow().await.borrower().is_none());
}

// 119
async fn a_higher_total_wakes_as_many_in_order() {
    let limiter = Limiter::new(0);
    let order = Order::default();
    for who in 0..5 {
        let (mine, order) = (limiter.clone(), order.clone());
        drop(spawn(async move {
            let token = mine.borrow().await;
            order.note(who);
            std::mem::forget(token);
        }));
        until(|| limiter.statistics().waiting == who + 1).await;
    }
    for (total, woken) in [(1, 1), (3, 3)] {
        limiter.resize(total);
        until(|| order.seen().len() == woken).await;
        others().await;
        let mut seen = order.seen();
        seen.sort_unstable();
        assert_eq!(seen, (0..woken).collect::<Vec<_>>());
    }
    // ∞
    limiter.resize(Limiter::UNLIMITED);
    until(|| order.seen().len() == 5).await;
    let now = limiter.statistics();
    assert_eq!((now.borrowed, now.waiting), (5, 0));
    assert_eq!(now.available(), usize::MAX - 5);
}

// 119
async fn a_total_below_use_revokes_nothing_and_lends_nothing() {
    let limiter = Limiter::new(3);
    let mut tokens = vec![
        limiter.borrow().await,
        limiter.borrow().await,
        limiter.borrow().await,
    ];
    limiter.resize(1);
    let now = limiter.statistics();
    assert_eq!((now.total, now.borrowed, now.available()), (1, 3, 0));
    let mut waiter = limiter.borrow();
    for _ in 0..3 {
        assert!(poll(&mut waiter).is_pending());
        tokens.pop();
    }
    assert!(poll(&mut waiter).is_ready());
    limiter.resize(0);
    assert!(limiter.try_borrow().is_err());
}

// 113 to 115
async fn a_lent_token_that_nobody_saw_goes_to_the_next() {
    let limiter = Limiter::new(1);
    let token = limiter.borrow().await;
    let (mut first, mut second) = (limiter.borrow_for("a"), limiter.borrow_for("b"));
    assert!(poll(&mut first).is_pending() && poll(&mut second).is_pending());
    drop(token);
    assert!(limiter.try_borrow().is_err());
    drop(first);
    assert!(poll(&mut second).is_ready());
    let now = limiter.statistics();
    assert_eq!((now.borrowed, now.waiting), (0, 0));
    assert!(limiter.borrowers().is_empty());
}

async fn never_more_than_the_total_are_lent() {
    let (limiter, crowd) = (Limiter::new(3), Crowd::default());
    let tasks: Vec<_> = (0..30u64)
        .map(|n| {
            let (limiter, crowd) = (limiter.clone(), crowd.clone());
            spawn(async move {
                let _token = limiter.borrow_for(n).await.unwrap();
                let _inside = crowd.enter(1);
                yield_now().await;
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert!(crowd.most() <= 3);
    assert_eq!(limiter.statistics().borrowed, 0);
}

/// The caller stops waiting; the thread keeps the token until it ends.
async fn a_token_is_kept_until_the_work_ends() {
    let limiter = Limiter::new(1);
    let token = limiter.borrow().await;
    let (send, receive) = std::sync::mpsc::channel::<()>();
    let (ended, end) = async_channel::bounded(1);
    let thread = std::thread::spawn(move || {
        let _token = token;
        let _ = receive.recv();
    });
    assert!(limiter.try_borrow().is_err());
    drop(send);
    let join = std::thread::spawn(move || {
        thread.join().unwrap();
        ended.send_blocking(()).unwrap();
    });
    end.recv().await.unwrap();
    join.join().unwrap();
    assert!(limiter.try_borrow().is_ok());
    let token = limiter.borrow().await;
    let work = Runtime::current().try_spawn_blocking(move || drop(token));
    work.unwrap().await.unwrap();
    assert!(limiter.try_borrow().is_ok());
}

regatta::matrix! {
    one_token_per_borrower;
    a_higher_total_wakes_as_many_in_order;
    a_total_below_use_revokes_nothing_and_lends_nothing;
    a_lent_token_that_nobody_saw_goes_to_the_next;
    never_more_than_the_total_are_lent;
    a_token_is_kept_until_the_work_ends [tokio_current, tokio_multi, smol];
}

#[test]
fn tokens_follow_arrivals_under_every_seed() {
    testing::check(3_000, async || {
        let limiter = Limiter::new(1);
        let (arrived, granted) = (Order::default(), Order::default());
        let tasks: Vec<_> = (0..5)
            .map(|who| {
                let (limiter, arrived, granted) =
                    (limiter.clone(), arrived.clone(), granted.clone());
                spawn(async move {
                    for turn in 0..3 {
                        arrived.note(who * 10 + turn);
                        let _token = limiter.borrow_for(who as u64).await.unwrap();
                        granted.note(who * 10 + turn);
                        yield_now().await;
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(arrived.seen(), granted.seen());
    });
}
