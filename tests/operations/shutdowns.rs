//! The runtime ends under every object: who waits, in it or elsewhere, is told, and who comes later is told; nobody
//! hangs.

use crate::ground;
use crate::user::User;
use crate::world::{Held, Op, World, poll_once, quietly};
use crate::{catalogue, failing};
use futures::executor::block_on;
use regatta::testing::{self, Config};
use std::sync::Arc;
use std::time::Duration;

/// What outlives the runtime.
struct Left {
    world: Arc<World>,
    /// Operations that wait, or are on their way.
    waiting: Vec<Op>,
    block: Option<Held>,
}

/// Inside of the runtime: two operations are left where they are.
async fn leave(build: Build, in_virtual_time: bool) -> Option<Left> {
    let world = Arc::new(build(&User::default()));
    if world.outside.is_some() && in_virtual_time {
        return None;
    }
    drop(world.op().await);
    let block = world.never_waits.is_none().then(|| world.block());
    let mut waiting: Vec<Op> = (0..2).map(|_| world.op()).collect();
    for op in &mut waiting {
        // One that is ready is over.
        if poll_once(op).is_ready() {
            *op = world.op();
        }
    }
    Some(Left {
        world,
        waiting,
        block,
    })
}

/// On no runtime: all that is left ends, with whatever answer. A panic is an answer of those that say so (`sleep` and
/// the like outside of every runtime).
fn ends(left: Left) -> Result<(), String> {
    let Left {
        world,
        waiting,
        block,
    } = left;
    drop(quietly(|| drop(block)));
    for op in waiting {
        drop(quietly(|| block_on(op).map(drop)));
    }
    drop(quietly(|| block_on(world.op()).map(drop)));
    Ok(())
}

type Build = fn(&User) -> World;

fn run(end: fn(Build) -> Result<(), String>) {
    let mut wrong = Vec::new();
    for entry in catalogue::all() {
        let build = entry.build;
        if failing::is_known("shutdowns", entry.name) {
            continue;
        }
        if let Err(why) = ground::in_time(Duration::from_secs(5), move || end(build)) {
            wrong.push((entry.name, why));
        }
    }
    failing::report(&wrong);
}

#[test]
fn a_simulation_ends_under_them() {
    run(|build| {
        let config = Config::new(0).max_real_time(Duration::MAX);
        match testing::run_with(config, || leave(build, true)).unwrap() {
            Some(left) => ends(left),
            None => Ok(()),
        }
    });
}

#[cfg(feature = "tokio")]
#[test]
fn tokio_ends_under_them() {
    run(|build| {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .map_err(|e| e.to_string())?;
        let left = runtime.block_on(leave(build, false));
        runtime.shutdown_timeout(Duration::from_secs(1));
        left.map_or(Ok(()), ends)
    });
}

/// Those that wait on another thread, while the runtime goes down.
#[cfg(feature = "tokio")]
#[test]
fn tokio_ends_while_others_wait() {
    run(|build| {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .map_err(|e| e.to_string())?;
        let world = Arc::new(runtime.block_on(async { build(&User::default()) }));
        drop(runtime.block_on(async { world.op().await }));
        let (theirs, handle) = (world.clone(), runtime.handle().clone());
        let (tell, told) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            let _entered = handle.enter();
            let mut op = theirs.op();
            let _polled = quietly(|| poll_once(&mut op));
            let _told = tell.send(());
            drop(quietly(|| block_on(op).map(drop)));
        });
        let _told = told.recv();
        runtime.shutdown_timeout(Duration::from_secs(1));
        drop(thread.join());
        Ok(())
    });
}

/// In tasks of the runtime itself, which drops them.
#[cfg(feature = "tokio")]
#[test]
fn tokio_drops_who_waits() {
    run(|build| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|e| e.to_string())?;
        let local = tokio::task::LocalSet::new();
        let left = local.block_on(&runtime, async {
            let left = leave(build, false).await?;
            for _ in 0..2 {
                let world = left.world.clone();
                tokio::task::spawn_local(async move { drop(world.op().await) });
            }
            regatta::task::yield_now().await;
            Some(left)
        });
        // The set goes first: what is in it is dropped while the runtime still is there; the rest after it.
        drop(local);
        drop(runtime);
        left.map_or(Ok(()), ends)
    });
}
