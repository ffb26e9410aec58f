//! Getting, using, giving back.

use crate::server::{Mood, Server, Sorry, pool_of, until};
use futures_lite::future::poll_once;
use regatta::pool::{CheckError, Pool, TryGetError};
use std::future::pending;
use std::pin::pin;

async fn an_object_is_made_once_and_used_again() {
    let server = Server::new();
    let pool = pool_of(2, &server);
    for turn in 0..5 {
        let mut guard = pool.get().await.unwrap();
        assert_eq!(guard.metrics().uses, turn + 1);
        assert_eq!(guard.run(async |c| c.ask(2).await).await, Ok(1));
    }
    let stats = pool.stats();
    assert_eq!((stats.size, stats.idle, stats.taken), (1, 1, 5));
    assert_eq!(server.get(|f| (f.made, f.checked)), (1, 4));
}

async fn what_was_begun_and_not_done_is_closed() {
    let server = Server::new();
    let pool = pool_of(1, &server);
    let object = pool.get().await.unwrap().begin();
    drop(object);
    until(|| pool.stats().size == 0).await;
    assert_eq!(pool.stats().closed.in_flight, 1);
    assert_eq!(server.get(|f| (f.open, f.closed)), (0, 1));
    let mut object = pool.get().await.unwrap().begin();
    object.ask(1).await.unwrap();
    drop(object.done());
    assert_eq!(pool.stats().idle, 1);
}

async fn an_operation_dropped_half_way_closes_the_object() {
    let server = Server::new();
    let pool = pool_of(1, &server);
    let mut guard = pool.get().await.unwrap();
    assert!(
        poll_once(guard.run(async |c| c.ask(5).await))
            .await
            .is_none()
    );
    assert!(guard.is_in_flight());
    drop(guard);
    let mut guard = pool.get().await.unwrap();
    assert_eq!(guard.run(async |c| c.ask(1).await).await, Ok(2));
    assert_eq!(server.get(|f| f.peak), 1);
}

async fn an_operation_dropped_before_its_first_poll_did_not_happen() {
    let pool = pool_of(1, &Server::new());
    let mut guard = pool.get().await.unwrap();
    drop(guard.run(async |c| c.ask(5).await));
    assert!(!guard.is_in_flight());
    drop(guard);
    assert_eq!(pool.stats().idle, 1);
}

async fn later_operations_do_not_make_it_clean() {
    let pool = pool_of(1, &Server::new());
    let mut guard = pool.get().await.unwrap();
    {
        let mut half = pin!(guard.run(async |_| pending::<Result<(), Sorry>>().await));
        assert!(poll_once(&mut half).await.is_none());
    }
    assert_eq!(guard.run(async |c| c.ask(1).await).await, Ok(1));
    assert!(guard.is_in_flight());
    drop(guard);
    assert_eq!(pool.stats().closed.in_flight, 1);
}

async fn an_operation_that_failed_closes_the_object_unless_it_is_proven_clean() {
    let server = Server::new();
    let pool = pool_of(1, &server);
    for clean in [false, true] {
        server.set(|f| f.all_clean = clean);
        let mut guard = pool.get().await.unwrap();
        let failed = guard
            .run(async |_| Err::<(), _>(Sorry("no such table")))
            .await;
        assert_eq!(failed, Err(Sorry("no such table")));
        drop(guard);
        assert_eq!(pool.stats().idle, usize::from(clean));
    }
    assert_eq!(pool.stats().closed.in_flight, 1);
}

async fn a_panic_in_an_operation_closes_the_object() {
    let pool = pool_of(1, &Server::new());
    let user = pool.clone();
    let task = crate::ground::spawn(async move {
        let mut guard = user.get().await.unwrap();
        let op = async |_: &mut _| -> Result<(), Sorry> { std::panic::resume_unwind(Box::new(())) };
        guard.run(op).await
    });
    assert!(task.await.unwrap_err().is_panic());
    assert_eq!(pool.stats().closed.in_flight, 1);
    assert!(pool.get().await.is_ok());
}

async fn try_get_takes_what_is_idle_and_checks_nothing() {
    let server = Server::new();
    let pool = pool_of(1, &server);
    let refused = pool.try_get().unwrap_err();
    assert_eq!(
        refused,
        TryGetError::NoneIdle {
            size: 0,
            waiting: 0
        }
    );
    drop(pool.get().await.unwrap());
    let guard = pool.try_get().unwrap();
    assert!(pool.try_get().is_err());
    drop(guard);
    assert!(pool.try_get().is_ok());
    assert_eq!(server.get(|f| f.checked), 0);
    pool.close(std::time::Duration::MAX).await;
    assert_eq!(pool.try_get().unwrap_err(), TryGetError::Closed);
}

async fn a_detached_object_is_no_longer_the_pools() {
    let server = Server::new();
    let pool = pool_of(1, &server);
    let mine = pool.get().await.unwrap().detach();
    assert_eq!(pool.stats().size, 0);
    let other = pool.get().await.unwrap().begin();
    assert_eq!((mine.number, other.number), (1, 2));
    let theirs = other.detach();
    drop((mine, theirs));
    assert_eq!(server.get(|f| (f.open, f.closed)), (0, 0));
}

async fn a_discarded_object_is_closed() {
    let server = Server::new();
    let pool = pool_of(1, &server);
    pool.get().await.unwrap().discard();
    pool.get().await.unwrap().begin().discard();
    until(|| pool.stats().size == 0).await;
    assert_eq!(pool.stats().closed.discarded, 2);
    assert_eq!(server.get(|f| (f.open, f.closed)), (0, 2));
}

async fn release_checks_at_once() {
    let server = Server::new();
    let pool = pool_of(1, &server);
    assert_eq!(pool.get().await.unwrap().release().await, Ok(()));
    assert_eq!((pool.stats().idle, server.get(|f| f.checked)), (1, 1));
    let guard = pool.get().await.unwrap();
    server.set(|f| f.check = Mood::Fails);
    assert_eq!(
        guard.release().await,
        Err(CheckError::Failed(Sorry("the check")))
    );
    assert_eq!(pool.stats().closed.check, 1);
    // What is in flight is beyond a check.
    let mut guard = pool.get().await.unwrap();
    assert!(
        poll_once(guard.run(async |c| c.ask(5).await))
            .await
            .is_none()
    );
    assert_eq!(guard.release().await, Ok(()));
    assert_eq!(pool.stats().closed.in_flight, 1);
}

async fn the_one_used_last_goes_first() {
    let pool = pool_of(3, &Server::new());
    let guards = [pool.get().await, pool.get().await, pool.get().await];
    let [a, b, c] = guards.map(|guard| guard.unwrap().begin());
    let last = b.number;
    drop((a.done(), c.done()));
    drop(b.done());
    assert_eq!(pool.get().await.unwrap().begin().number, last);
}

async fn clones_are_the_same_pool_and_guards_borrow_nothing() {
    let pool = pool_of(1, &Server::new());
    let guard = pool.clone().get().await.unwrap();
    let task = crate::ground::spawn(async move { drop(guard) });
    task.await.unwrap();
    assert_eq!(pool.stats().idle, 1);
}

/// In the shapes in which libraries call it, inside futures that must be `Send`.
async fn operations_can_be_spawned() {
    fn spawnable<F: Future + Send + 'static>(future: F) -> F {
        future
    }
    async fn ask(pool: &Pool<Server>, text: &str) -> usize {
        let mut guard = pool.get().await.unwrap();
        let run = guard.run(async |c| Ok::<_, Sorry>(c.ask(1).await? + text.len()));
        run.await.unwrap()
    }
    async fn generic<T: Clone + Send + Sync>(pool: &Pool<Server>, value: &T) -> T {
        let mut guard = pool.get().await.unwrap();
        let run = guard.run(async |c| c.ask(1).await.map(|_| value.clone()));
        run.await.unwrap()
    }
    fn boxed<'a>(pool: &'a Pool<Server>, text: &'a str) -> regatta::runtime::BoxFuture<'a, usize> {
        Box::pin(ask(pool, text))
    }
    let pool = pool_of(1, &Server::new());
    let job = spawnable(async move {
        let text = String::from("four");
        (
            ask(&pool, &text).await,
            generic(&pool, &text).await,
            boxed(&pool, &text).await,
        )
    });
    assert_eq!(job.await, (5, String::from("four"), 5));
}

regatta::matrix! {
    an_object_is_made_once_and_used_again;
    what_was_begun_and_not_done_is_closed;
    an_operation_dropped_half_way_closes_the_object;
    an_operation_dropped_before_its_first_poll_did_not_happen;
    later_operations_do_not_make_it_clean;
    an_operation_that_failed_closes_the_object_unless_it_is_proven_clean;
    a_panic_in_an_operation_closes_the_object;
    try_get_takes_what_is_idle_and_checks_nothing;
    a_detached_object_is_no_longer_the_pools;
    a_discarded_object_is_closed;
    release_checks_at_once;
    the_one_used_last_goes_first;
    clones_are_the_same_pool_and_guards_borrow_nothing;
    operations_can_be_spawned;
}
