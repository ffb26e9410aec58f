//! The runtimes that [`run`](super::run) has started, for plain threads.
//!
//! A thread of the program's own is in no context. With both features on it would find smol, while the program around
//! it runs on tokio. So such a thread finds what `run` runs on, as long as it runs: `run` and [`Runtime::current`]
//! prefer the same runtime.

use super::Runtime;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The one that was started last comes last.
static HOMES: Mutex<Vec<(u64, Runtime)>> = Mutex::new(Vec::new());
/// How many there are: most look-ups end here.
static COUNT: AtomicUsize = AtomicUsize::new(0);

fn homes() -> MutexGuard<'static, Vec<(u64, Runtime)>> {
    HOMES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The runtime stays known until this is dropped.
#[cfg_attr(
    not(any(feature = "tokio", feature = "smol")),
    expect(dead_code, reason = "nothing can be started")
)]
pub(super) struct Home(u64);

impl Home {
    #[cfg(any(feature = "tokio", feature = "smol"))]
    pub(super) fn of(runtime: Runtime) -> Self {
        let mut homes = homes();
        let number = homes.last().map_or(0, |(number, _)| number + 1);
        homes.push((number, runtime));
        COUNT.store(homes.len(), Ordering::Relaxed);
        Home(number)
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let mut homes = homes();
        let gone = homes.iter().position(|(number, _)| *number == self.0);
        let gone = gone.map(|at| homes.remove(at));
        COUNT.store(homes.len(), Ordering::Relaxed);
        drop(homes);
        drop(gone);
    }
}

/// What the last [`run`](super::run) that is still going on runs on.
pub(super) fn last() -> Option<Runtime> {
    if COUNT.load(Ordering::Relaxed) == 0 {
        return None;
    }
    homes().last().map(|(_, runtime)| runtime.clone())
}
