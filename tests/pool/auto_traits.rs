//! What may cross threads. Losing one of these breaks users.

use regatta::pool::{
    BuildError, Builder, CheckError, ConnectError, Event, GetError, Guard, InFlight, Keyed,
    Manager, Metrics, Pool, Report, ResizeError, Stats, TimedOut, TryGetError, Why,
};
use std::cell::Cell;
use std::io;

/// Objects that may move to another thread, and not be looked at from two.
struct Moving;

impl Manager for Moving {
    type Object = Cell<u8>;
    type Error = io::Error;

    async fn connect(&self) -> io::Result<Cell<u8>> {
        Ok(Cell::new(0))
    }
}

fn free<T: Send + Sync + Unpin + 'static>() {}
fn error<T: std::error::Error + Send + Sync + Unpin + 'static>() {}
fn send<T: Send + Unpin + 'static>() {}

#[test]
fn handles_and_data_are_free() {
    free::<Pool<Moving>>();
    free::<Keyed<String, Moving>>();
    send::<Builder<Moving>>();
    free::<Metrics>();
    free::<Stats>();
    free::<Report>();
    free::<Why>();
    fn shown<T: std::fmt::Debug>() {}
    shown::<Event<'_, io::Error>>();
    error::<BuildError>();
    error::<ResizeError>();
    error::<TryGetError>();
    error::<TimedOut>();
    error::<GetError<io::Error>>();
    error::<ConnectError<io::Error>>();
    error::<CheckError<io::Error>>();
}

#[test]
fn guards_are_what_their_objects_are() {
    send::<Guard<Moving>>();
    send::<InFlight<Moving>>();
}

/// Each future, from a pool whose objects cannot be shared.
#[test]
fn operations_can_be_spawned() {
    fn spawnable<F: Future + Send + 'static>(future: F) -> F {
        future
    }
    let used = regatta::testing::run(async || {
        let job = spawnable(async {
            let pool = Pool::builder(Moving).min_idle(1).build().unwrap();
            pool.warm_up().await.unwrap();
            let mut guard = pool.get().await.unwrap();
            let one = async |cell: &mut Cell<u8>| -> io::Result<()> {
                cell.set(cell.get() + 1);
                Ok(())
            };
            guard.run(one).await.unwrap();
            guard.release().await.unwrap();
            let value = pool.get().await.unwrap().begin().get();
            pool.close(std::time::Duration::MAX).await;
            value
        });
        job.await
    });
    assert_eq!(used, 1);
}
