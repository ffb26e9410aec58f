//! `pool`.

use crate::user::{User, Value};
use crate::world::{Entry, Gate, World, entry, same};
use regatta::pool::{self, Guard, Manager, Metrics, Pool};
use std::convert::Infallible;
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);
const SPAWNED: &str = "its connects are tasks of the runtime";

/// Whose connects wait at a gate.
#[derive(Clone)]
struct Host(User, Gate);

impl Manager for Host {
    type Object = Value;
    type Error = Infallible;

    async fn connect(&self) -> Result<Value, Infallible> {
        self.1.pass().await;
        Ok(self.0.value())
    }

    fn is_clean(&self, _: &mut Value) -> bool {
        true
    }

    async fn check(&self, _: &mut Value, _: &Metrics) -> Result<(), Infallible> {
        Ok(())
    }

    async fn close(&self, object: Value) {
        drop(object);
    }
}

fn one(user: &User, gate: Gate) -> Pool<Host> {
    let (before, after, observer) = (user.clone(), user.clone(), user.clone());
    Pool::builder(Host(user.clone(), gate))
        .max_size(1)
        .before_take(move |_, _| {
            before.call();
            true
        })
        .after_return(move |_, _| {
            after.call();
            true
        })
        .observer(move |_| observer.call())
        .build()
        .expect("it is right")
}

fn many(user: &User, gate: Gate) -> pool::Keyed<u8, Host> {
    let user = user.clone();
    pool::Keyed::builder(move |_: &u8| Host(user.clone(), gate.clone()))
        .max_size(1)
        .build()
        .expect("it is right")
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

pub(super) fn entries() -> Vec<Entry> {
    vec![
        entry("pool::Pool::get", |user| {
            let pool = one(user, Gate::default());
            let seen = pool.clone();
            World::new(
                pool,
                async |pool: Pool<Host>| pool.get().await.map_err(text),
                taken,
            )
            .check(move || {
                let now = seen.stats();
                same("waiting and in use", (now.waiting, now.in_use), (0, 0))
            })
            .never_at_once(SPAWNED)
            .in_line()
        })
        .covers(&[
            "pool::Manager::connect",
            "pool::Manager::check",
            "pool::Manager::close",
        ]),
        entry("pool::Pool::get (connecting)", |user| {
            let user = user.clone();
            World::around(move |gate| {
                let pool = one(&user, gate);
                async move { pool.get().await.map_err(text) }
            })
            .never_at_once(SPAWNED)
        }),
        entry("pool::Pool::warm_up", |user| {
            let user = user.clone();
            World::around(move |gate| {
                let host = Host(user.clone(), gate);
                async move {
                    let pool = Pool::builder(host)
                        .max_size(2)
                        .min_idle(2)
                        .build()
                        .map_err(text)?;
                    pool.warm_up().await.map_err(text)
                }
            })
            .never_at_once(SPAWNED)
        }),
        entry("pool::Pool::close", |user| {
            let user = user.clone();
            World::around(move |gate: Gate| {
                let pool = one(&user, Gate::default());
                async move {
                    let guard = pool.get().await.map_err(text)?;
                    let returned = async {
                        gate.pass().await;
                        drop(guard);
                    };
                    let (report, ()) = futures::join!(pool.close(HOUR), returned);
                    same("complete", report.is_complete(), true)
                }
            })
            .never_at_once(SPAWNED)
        }),
        entry("pool::Guard::run", |user| {
            let user = user.clone();
            World::around(move |gate: Gate| {
                let pool = one(&user, Gate::default());
                async move {
                    let mut guard = pool.get().await.map_err(text)?;
                    let done: Result<(), Infallible> = guard
                        .run(async |_| {
                            gate.pass().await;
                            Ok(())
                        })
                        .await;
                    done.map_err(text)
                }
            })
            .never_at_once(SPAWNED)
        }),
        entry("pool::Guard::release", |user| {
            let user = user.clone();
            World::around(move |gate: Gate| {
                let pool = one(&user, Gate::default());
                async move {
                    let guard = pool.get().await.map_err(text)?;
                    gate.pass().await;
                    guard.release().await.map_err(text)
                }
            })
            .never_at_once(SPAWNED)
        }),
        entry("pool::Keyed::get", |user| {
            World::new(
                many(user, Gate::default()),
                async |pools: pool::Keyed<u8, Host>| pools.get(&1).await.map_err(text),
                |pools| pools.try_get(&1).ok(),
            )
            .never_at_once(SPAWNED)
            .in_line()
        }),
        entry("pool::Keyed::close", |user| {
            let user = user.clone();
            World::around(move |gate: Gate| {
                let pools = many(&user, Gate::default());
                async move {
                    let guard = pools.get(&1).await.map_err(text)?;
                    let returned = async {
                        gate.pass().await;
                        drop(guard);
                    };
                    let (report, ()) = futures::join!(pools.close(HOUR), returned);
                    same("complete", report.is_complete(), true)
                }
            })
            .never_at_once(SPAWNED)
        }),
    ]
}

/// The one object, when there is one by now; otherwise nobody waits for it yet.
fn taken(pool: &Pool<Host>) -> Option<Guard<Host>> {
    pool.try_get().ok()
}
