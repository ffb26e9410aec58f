//! One object in a `static`, used by one runtime after another, and by two at once.
#![allow(dead_code, reason = "each test program uses its part")]

use regatta::runtime::Flavor;
use std::fmt;
use std::future::Future;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// Where an object is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum World {
    /// Virtual time: each simulation has a clock of its own.
    Simulation,
    /// A real runtime, made for this use, and shut down after it.
    Real(Flavor),
}

impl fmt::Display for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            World::Simulation => f.write_str("simulation"),
            World::Real(flavor) => flavor.fmt(f),
        }
    }
}

/// Simulation, simulation, tokio (twice, on several threads and on one), smol, neutral: those that are compiled in.
pub(crate) fn worlds() -> Vec<World> {
    let real = [
        Flavor::Tokio,
        Flavor::TokioCurrent,
        Flavor::Smol,
        Flavor::Neutral,
    ];
    let real = real.into_iter().filter(|flavor| flavor.is_available());
    let simulations = [World::Simulation; 2].into_iter();
    simulations.chain(real.map(World::Real)).collect()
}

/// Runs `test` in a world of its own. A test that hangs there fails.
pub(crate) fn run_in<T, F, Fut>(world: World, test: F) -> T
where
    T: Send + 'static,
    F: FnOnce(World) -> Fut + Send + 'static,
    Fut: Future<Output = T>,
{
    let (ended, hears) = mpsc::channel();
    let runs = thread::spawn(move || {
        let value = match world {
            World::Simulation => regatta::testing::run(async move || test(world).await),
            World::Real(flavor) => regatta::runtime::run_on(flavor, async { test(world).await }),
        };
        let _ = ended.send(());
        value
    });
    let hangs = hears.recv_timeout(Duration::from_secs(60)) == Err(mpsc::RecvTimeoutError::Timeout);
    assert!(!hangs, "it hangs in {world}");
    match runs.join() {
        Ok(value) => value,
        Err(payload) => {
            eprintln!("it failed in {world}");
            std::panic::resume_unwind(payload)
        }
    }
}

/// Runs `test` in each world after another, in both orders. It is to use the same object each time.
pub(crate) fn in_a_row<F, Fut>(test: F)
where
    F: Fn(World) -> Fut + Copy + Send + 'static,
    Fut: Future<Output = ()>,
{
    let worlds = worlds();
    for world in worlds.iter().chain(worlds.iter().rev()) {
        run_in(*world, test);
    }
}

/// Runs `test` in two worlds at once, on two threads, which use the same object; each with each of those that come one
/// after another. Nobody is to wait for the other one: in virtual time a minute is over at once.
pub(crate) fn at_once<F, Fut>(test: F)
where
    F: Fn(World) -> Fut + Copy + Send + 'static,
    Fut: Future<Output = ()>,
{
    for pair in worlds().windows(2) {
        let pair = [pair[0], pair[1]].map(|world| thread::spawn(move || run_in(world, test)));
        for runs in pair {
            if let Err(payload) = runs.join() {
                std::panic::resume_unwind(payload);
            }
        }
    }
}
