//! I: an object of a pool of 16 and back, for one task and for 256.

use crate::harness::now;
use crate::runtimes::On;
use crate::table::Table;
use futures_lite::future::yield_now;
use std::convert::Infallible;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

const OBJECTS: usize = 16;
const GETS: usize = 20_480;
/// Every so many gets the object is kept while others run.
const KEPT: usize = 8;

/// A pool whose objects come back by themselves.
trait Objects: Send + Sync + 'static {
    fn new() -> impl Future<Output = Self> + Send;
    fn get(&self) -> impl Future<Output = impl Send + '_> + Send;
}

/// Makes what every pool here holds: a number.
pub struct Numbers;

struct Ours(regatta::pool::Pool<Numbers>);

impl regatta::pool::Manager for Numbers {
    type Object = u64;
    type Error = Infallible;
    async fn connect(&self) -> Result<u64, Infallible> {
        Ok(1)
    }
}

impl Objects for Ours {
    async fn new() -> Self {
        let builder = regatta::pool::Pool::builder(Numbers).max_size(OBJECTS);
        Ours(builder.build().expect("there is a runtime"))
    }
    async fn get(&self) -> impl Send + '_ {
        self.0.get().await.expect("it is open")
    }
}

/// With all that makes it read the clock.
struct Timed(regatta::pool::Pool<Numbers>);

impl Objects for Timed {
    async fn new() -> Self {
        let builder = regatta::pool::Pool::builder(Numbers)
            .max_size(OBJECTS)
            .max_lifetime(Duration::from_secs(1800))
            .idle_timeout(Duration::from_secs(600))
            .wait_timeout(Duration::from_secs(30));
        Timed(builder.build().expect("there is a runtime"))
    }
    async fn get(&self) -> impl Send + '_ {
        self.0.get().await.expect("it is open")
    }
}

impl deadpool::managed::Manager for Numbers {
    type Type = u64;
    type Error = Infallible;
    async fn create(&self) -> Result<u64, Infallible> {
        Ok(1)
    }
    async fn recycle(
        &self,
        _: &mut u64,
        _: &deadpool::managed::Metrics,
    ) -> deadpool::managed::RecycleResult<Infallible> {
        Ok(())
    }
}

impl Objects for deadpool::managed::Pool<Numbers> {
    async fn new() -> Self {
        let builder = deadpool::managed::Pool::builder(Numbers).max_size(OBJECTS);
        builder.build().expect("it needs no runtime")
    }
    async fn get(&self) -> impl Send + '_ {
        self.get().await.expect("it is open")
    }
}

impl Objects for deadpool::unmanaged::Pool<u64> {
    async fn new() -> Self {
        deadpool::unmanaged::Pool::from(vec![1; OBJECTS])
    }
    async fn get(&self) -> impl Send + '_ {
        self.get().await.expect("it is open")
    }
}

impl bb8::ManageConnection for Numbers {
    type Connection = u64;
    type Error = Infallible;
    async fn connect(&self) -> Result<u64, Infallible> {
        Ok(1)
    }
    async fn is_valid(&self, _: &mut u64) -> Result<(), Infallible> {
        Ok(())
    }
    fn has_broken(&self, _: &mut u64) -> bool {
        false
    }
}

impl Objects for bb8::Pool<Numbers> {
    async fn new() -> Self {
        let builder = bb8::Pool::builder().max_size(OBJECTS as u32);
        builder.build(Numbers).await.expect("it connects")
    }
    async fn get(&self) -> impl Send + '_ {
        self.get().await.expect("it is open")
    }
}

fn run<P: Objects>(on: On, tasks: usize) -> impl FnMut() -> Duration {
    move || {
        on.run(async move {
            let pool = Arc::new(P::new().await);
            let turns = || {
                let pool = pool.clone();
                async move {
                    for turn in 0..GETS / tasks {
                        let object = pool.get().await;
                        black_box(&object);
                        if turn % KEPT == 0 {
                            yield_now().await;
                        }
                        drop(object);
                    }
                }
            };
            let start = now();
            if on == On::Smol {
                let tasks: Vec<_> = (0..tasks).map(|_| smol::spawn(turns())).collect();
                for task in tasks {
                    task.await;
                }
            } else {
                let tasks: Vec<_> = (0..tasks).map(|_| tokio::spawn(turns())).collect();
                for task in tasks {
                    task.await.expect("no panic");
                }
            }
            now() - start
        })
    }
}

fn table(on: On, tasks: usize, times: f64) -> Table {
    let table = Table::each(format!("16 objects, {tasks} tasks, {}", on.name()), GETS);
    let table = table
        .ours("Pool", run::<Ours>(on, tasks))
        .ours("Pool with limits in time", run::<Timed>(on, tasks))
        .peer(
            "deadpool",
            run::<deadpool::managed::Pool<Numbers>>(on, tasks),
        )
        .peer(
            "deadpool unmanaged",
            run::<deadpool::unmanaged::Pool<u64>>(on, tasks),
        )
        .faster("Pool", &["deadpool"], times)
        .faster("Pool with limits in time", &["deadpool"], times.min(1.5));
    match on {
        // It needs tokio.
        On::Smol => table,
        _ => table.peer("bb8", run::<bb8::Pool<Numbers>>(on, tasks)),
    }
}

pub fn tables() -> Vec<Table> {
    let alone = On::ALL.map(|on| table(on, 1, 2.0)).into_iter();
    alone.chain(On::ALL.map(|on| table(on, 256, 1.3))).collect()
}
