//! The smol adapter.

use super::backend::BoxWork;
use super::{Kind, Runtime};
use std::future::Future;
use std::time::Instant;

pub(super) type NativeSleep = ::smol::Timer;

pub(super) fn spawn(task: impl Future<Output = ()> + Send + 'static) {
    ::smol::spawn(task).detach();
}

pub(super) fn spawn_blocking(work: BoxWork) {
    ::smol::unblock(work).detach();
}

pub(super) fn sleep_until(at: Instant) -> NativeSleep {
    ::smol::Timer::at(at)
}

/// smol has no context to look up: without tokio's, it is the runtime.
pub(super) fn chosen_by_default() -> Runtime {
    #[cfg(feature = "tokio")]
    {
        use std::sync::Once;
        static SAID: Once = Once::new();
        SAID.call_once(|| {
            eprintln!(
                "regatta: features `tokio` and `smol` are both on and this thread is in no tokio context, so smol was chosen. \
                 To choose yourself, and silence this: `run_on(Flavor::..)`, `Runtime::enter` or `.runtime(..)`."
            );
        });
    }
    Runtime::from(Kind::Smol)
}

/// Whether this is one of smol's own threads, which carry its name. Blocking one of them stalls the executor.
pub(super) fn on_executor_thread() -> bool {
    std::thread::current()
        .name()
        .is_some_and(|n| n.starts_with("smol-"))
}

/// Runs `future` on this thread, with smol's global executor and reactor behind it.
pub(super) fn run<F: Future>(future: F) -> F::Output {
    ::smol::block_on(Runtime::from(Kind::Smol).within(future))
}
