//! Random drops, timeouts, resets, panics and hangs: never more than there may be, no place lost, nothing dirty handed
//! out. 100,000 acquisitions on each ground; over the runtimes and the four feature sets that `.ci/test` runs, a
//! million.

use crate::ground::{MS, spawn};
use crate::server::{Mood, Server, Sorry, until};
use futures_lite::future::{poll_once, yield_now};
use regatta::pool::Pool;
use regatta::{testing, time};
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

const TASKS: u64 = 16;
const MOST: usize = 5;
const ACQUISITIONS: u64 = 100_000;

/// One turn, which may panic.
async fn turn(pool: &Pool<Server>, rng: &mut fastrand::Rng, taken: &AtomicU64) {
    let fate = rng.u32(0..200);
    let got = match fate {
        // Dropped while it waits, or just when it was served.
        0..=9 => poll_once(pool.get()).await.and_then(Result::ok),
        10..=19 => {
            let mut get = Box::pin(pool.get());
            match poll_once(&mut get).await {
                Some(got) => got.ok(),
                None => {
                    yield_now().await;
                    None
                }
            }
        }
        20..=22 => time::timeout(MS / 50, pool.get())
            .await
            .ok()
            .and_then(Result::ok),
        23..=32 => pool.try_get().ok(),
        _ => pool.get().await.ok(),
    };
    let Some(mut guard) = got else {
        return yield_now().await;
    };
    taken.fetch_add(1, Relaxed);
    match fate {
        40..=49 => {
            let _ = poll_once(guard.run(async |c| c.ask(3).await)).await;
        }
        50..=51 => drop(time::timeout(MS / 50, guard.run(async |c| c.ask(9).await)).await),
        52..=56 => drop(
            guard
                .run(async |_| Err::<(), _>(Sorry("connection reset")))
                .await,
        ),
        57..=58 => {
            let panics =
                async |_: &mut _| -> Result<(), Sorry> { resume_unwind(Box::new("storm")) };
            guard.run(panics).await.unwrap();
        }
        59..=60 => guard.discard(),
        62..=66 => drop(guard.release().await),
        67..=76 => {
            let mut object = guard.begin();
            let asked = object.ask(1).await;
            assert!(asked.is_ok());
            drop(object.done());
        }
        77..=78 => {
            let mut object = guard.begin();
            assert!(poll_once(object.ask(2)).await.is_none());
        }
        _ => {
            let answer = guard
                .run(async |c| c.ask(usize::from(c.number % 3 == 0)).await)
                .await;
            assert!(answer.is_ok());
        }
    }
}

async fn a_storm() {
    let server = Server::new();
    server.set(|f| (f.connect, f.check, f.close) = (Mood::Stormy, Mood::Stormy, Mood::Stormy));
    let builder = Pool::builder(server.clone()).max_size(MOST);
    let builder = builder
        .connect_timeout(MS)
        .check_timeout(MS)
        .close_timeout(MS);
    let pool = builder.wait_timeout(200 * MS).build().unwrap();
    let taken = Arc::new(AtomicU64::new(0));
    let tasks = (0..TASKS).map(|seed| {
        let (pool, taken) = (pool.clone(), taken.clone());
        spawn(async move {
            let mut rng = fastrand::Rng::with_seed(seed);
            while taken.load(Relaxed) < ACQUISITIONS {
                let seed = rng.u64(..);
                let (pool, taken) = (pool.clone(), taken.clone());
                // Its panics are its own.
                let turns = spawn(async move {
                    let mut rng = fastrand::Rng::with_seed(seed);
                    for _ in 0..100 {
                        turn(&pool, &mut rng, &taken).await;
                    }
                });
                if let Err(panicked) = turns.await {
                    let payload = panicked.into_panic().expect("nobody cancels it");
                    let planned = payload.downcast_ref::<&str>() == Some(&"storm");
                    assert!(planned, "{:?}", payload.downcast_ref::<String>());
                }
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    server.set(|f| (f.connect, f.check, f.close) = Default::default());
    assert!(taken.load(Relaxed) >= ACQUISITIONS);
    until(|| pool.stats().in_use == 0).await;
    assert_eq!(pool.stats().waiting, 0);
    assert_eq!(server.get(|f| f.peak), MOST);
    let mut all = Vec::new();
    for _ in 0..MOST {
        all.push(pool.get().await.expect("no place is lost"));
    }
    assert!(poll_once(pool.get()).await.is_none());
    drop(all);
    assert!(pool.close(MS * 30_000).await.is_complete());
    assert_eq!(server.open(), 0);
}

/// In virtual time more steps than usual are no livelock, and one schedule of so many is enough.
#[test]
fn a_storm_in_virtual_time() {
    let config = testing::Config::swarm(2).max_steps(u64::MAX);
    testing::run_with(config.max_real_time(MS * 600_000), a_storm).unwrap();
}

regatta::matrix! {
    a_storm [tokio_current, tokio_multi, smol];
}
