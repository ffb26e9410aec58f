//! Drops every operation of a pool at every await, 100,000 times each: every place is free again, nothing dirty is handed out, there are never more than may be.

use crate::ground::{MS, spawn};
use crate::probe::{same, survives, until};
use regatta::pool::{GetError, Guard, Keyed, Manager, Metrics, Pool, Report};
use regatta::testing::{Outcome, yield_now};
use regatta::time;
use std::cell::RefCell;
use std::convert::Infallible;
use std::rc::Rc;
use std::sync::{Arc, Mutex};

#[derive(Default)]
struct Figures {
    open: usize,
    peak: usize,
}

/// Connects, checks and closes in a few turns.
#[derive(Clone, Default)]
struct Server(Arc<Mutex<Figures>>);

struct Connection {
    dirty: bool,
    server: Server,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.server.0.lock().unwrap().open -= 1;
    }
}

impl Manager for Server {
    type Object = Connection;
    type Error = Infallible;

    async fn connect(&self) -> Result<Connection, Infallible> {
        yield_now().await;
        let mut figures = self.0.lock().unwrap();
        figures.open += 1;
        figures.peak = figures.peak.max(figures.open);
        let server = self.clone();
        Ok(Connection {
            dirty: false,
            server,
        })
    }

    async fn check(&self, connection: &mut Connection, _: &Metrics) -> Result<(), Infallible> {
        assert!(!connection.dirty, "a dirty connection lay in the pool");
        yield_now().await;
        Ok(())
    }

    async fn close(&self, connection: Connection) {
        yield_now().await;
        drop(connection);
    }
}

async fn ask(connection: &mut Connection) -> Result<(), Infallible> {
    assert!(!connection.dirty, "the answer to somebody else's question");
    connection.dirty = true;
    yield_now().await;
    connection.dirty = false;
    Ok(())
}

#[derive(Clone)]
struct World {
    server: Server,
    pool: Pool<Server>,
}

const MOST: usize = 2;

/// Two places for three rivals.
async fn crowded() -> World {
    let server = Server::default();
    let builder = Pool::builder(server.clone()).max_size(MOST);
    let pool = builder.wait_timeout(20 * MS).build().unwrap();
    for n in 0..3 {
        let pool = pool.clone();
        drop(spawn(async move {
            let Ok(mut guard) = pool.get().await else {
                return;
            };
            guard.run(async |c| ask(c).await).await.unwrap();
            time::sleep(n * MS / 2).await;
        }));
    }
    World { server, pool }
}

impl World {
    /// Whether all of it can be had, and there were never more.
    async fn is_whole(&self) -> Result<(), String> {
        until(10).await;
        let stats = self.pool.stats();
        same("in use, waiting", (stats.in_use, stats.waiting), (0, 0))?;
        same("being made or closed", stats.connecting + stats.closing, 0)?;
        let mut all = Vec::new();
        for _ in 0..MOST {
            let mut guard = self.pool.get().await.map_err(|e| e.to_string())?;
            guard.run(async |c| ask(c).await).await.unwrap();
            all.push(guard);
        }
        let figures = self.server.0.lock().unwrap();
        same("open, at most", (figures.open, figures.peak), (MOST, MOST))
    }
}

async fn is_whole<T>(world: World, _: Outcome<T>) -> Result<(), String> {
    world.is_whole().await
}

survives! { get_leaves_no_place_taken_and_no_waiter:
    crowded,
    |world: World| async move {
        for _ in 0..2 {
            drop(world.pool.get().await.unwrap());
        }
    },
    is_whole,
}

survives! { run_leaves_nothing_dirty:
    crowded,
    |world: World| async move {
        let mut guard = world.pool.get().await.unwrap();
        for _ in 0..2 {
            guard.run(async |c| ask(c).await).await.unwrap();
        }
    },
    is_whole,
}

survives! { what_was_begun_is_done_or_closed:
    crowded,
    |world: World| async move {
        let mut object = world.pool.get().await.unwrap().begin();
        ask(&mut object).await.unwrap();
        drop(object.done());
    },
    is_whole,
}

survives! { release_leaves_no_place_taken:
    crowded,
    |world: World| async move {
        for _ in 0..2 {
            world.pool.get().await.unwrap().release().await.unwrap();
        }
    },
    is_whole,
}

survives! { get_survives_resizing:
    async || {
        let world = crowded().await;
        let pool = world.pool.clone();
        drop(spawn(async move {
            for n in [1, 2, 1, MOST] {
                yield_now().await;
                pool.resize(n).unwrap();
            }
        }));
        world
    },
    |world: World| async move {
        let mut guard = world.pool.get().await.unwrap();
        guard.run(async |c| ask(c).await).await.unwrap();
    },
    is_whole,
}

survives! { warm_up_leaves_what_it_made:
    async || {
        let server = Server::default();
        let builder = Pool::builder(server.clone()).max_size(MOST);
        let pool = builder.min_idle(MOST).build().unwrap();
        let rival = pool.clone();
        drop(spawn(async move { drop(rival.get().await) }));
        World { server, pool }
    },
    |world: World| async move { world.pool.warm_up().await.unwrap() },
    |world: World, _: Outcome<()>| async move {
        until(10).await;
        same("idle", world.pool.stats().idle, MOST)?;
        world.is_whole().await
    },
}

survives! { a_dropped_close_can_be_repeated:
    crowded,
    |world: World| async move { world.pool.close(20 * MS).await },
    |world: World, outcome: Outcome<Report>| async move {
        if let Outcome::Completed(report) = outcome {
            same("complete", report.is_complete(), true)?;
        }
        // Before its first poll it did not happen.
        let report = world.pool.close(20 * MS).await;
        same("complete in the end", report.is_complete(), true)?;
        same("size", world.pool.stats().size, 0)?;
        same("open", world.server.0.lock().unwrap().open, 0)?;
        match world.pool.get().await {
            Err(GetError::Closed) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    },
}

/// A guard that is kept over the drop of an operation: what is in it is closed in the end.
#[test]
fn a_guard_outlives_its_dropped_operation() {
    type Kept = (World, Rc<RefCell<Option<Guard<Server>>>>);
    let setup = async || -> Kept {
        let world = crowded().await;
        let guard = world.pool.get().await.unwrap();
        (world, Rc::new(RefCell::new(Some(guard))))
    };
    let op = |(_, kept): Kept| async move {
        let mut guard = kept.borrow_mut().take().unwrap();
        for _ in 0..2 {
            guard.run(async |c| ask(c).await).await.unwrap();
        }
        kept.replace(Some(guard));
    };
    let verify = |(world, kept): Kept, outcome: Outcome<()>| async move {
        let guard = kept.borrow_mut().take();
        if let (Outcome::Completed(()), Some(guard)) = (outcome, &guard) {
            same("in flight", guard.is_in_flight(), false)?;
        }
        drop(guard);
        world.is_whole().await
    };
    crate::probe::drop_everywhere!(setup, op, verify);
}

type Hosts = (Server, Keyed<u32, Server>);

survives! { a_get_by_key_leaves_no_room_taken:
    async || -> Hosts {
        let server = Server::default();
        let all = server.clone();
        let builder = Keyed::builder(move |_: &u32| all.clone());
        let hosts = builder.max_size(2).max_per_key(1).wait_timeout(20 * MS).build().unwrap();
        for key in 0..4 {
            let hosts = hosts.clone();
            drop(spawn(async move {
                let mut guard = hosts.get(&(key % 3)).await.unwrap();
                guard.run(async |c| ask(c).await).await.unwrap();
            }));
        }
        (server, hosts)
    },
    |(_, hosts): Hosts| async move {
        for key in [1, 7] {
            let mut guard = hosts.get(&key).await.unwrap();
            guard.run(async |c| ask(c).await).await.unwrap();
        }
    },
    |(server, hosts): Hosts, _: Outcome<()>| async move {
        until(10).await;
        let guards = [hosts.get(&8).await, hosts.get(&9).await];
        same("both places", guards.iter().all(Result::is_ok), true)?;
        same("size", hosts.size(), 2)?;
        let figures = server.0.lock().unwrap();
        same("open, at most", (figures.open, figures.peak), (2, 2))
    },
}

survives! { a_close_by_key_can_be_repeated:
    async || -> Hosts {
        let server = Server::default();
        let all = server.clone();
        let hosts = Keyed::builder(move |_: &u32| all.clone()).max_size(2).build().unwrap();
        for key in 0..3 {
            let hosts = hosts.clone();
            drop(spawn(async move { drop(hosts.get(&key).await) }));
        }
        (server, hosts)
    },
    |(_, hosts): Hosts| async move { hosts.close(20 * MS).await },
    |(server, hosts): Hosts, _: Outcome<Report>| async move {
        same("complete", hosts.close(20 * MS).await.is_complete(), true)?;
        same("size, open", (hosts.size(), server.0.lock().unwrap().open), (0, 0))
    },
}
