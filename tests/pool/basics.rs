//! Getting, using, giving back.

use crate::server::{Server, until};
use regatta::pool::{Pool, TryGetError};

async fn an_object_is_made_once_and_used_again() {
    let server = Server::new();
    let pool = Pool::builder(server.clone()).max_size(2).build().unwrap();
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
    let pool = Pool::builder(server.clone()).max_size(1).build().unwrap();
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

async fn try_get_takes_what_is_idle() {
    let pool = Pool::builder(Server::new()).max_size(1).build().unwrap();
    assert_eq!(
        pool.try_get().unwrap_err(),
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
}

regatta::matrix! {
    an_object_is_made_once_and_used_again;
    what_was_begun_and_not_done_is_closed;
    try_get_takes_what_is_idle;
}
