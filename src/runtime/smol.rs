//! The smol adapter.

use super::backend::BoxWork;
use super::{Kind, Runtime};
use crate::runtime::Instant;
use std::future::Future;

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

/// Whether this is one of smol's own threads, which carry its name. Blocking one of them stalls the executor.
pub(super) fn on_executor_thread() -> bool {
    thread_local!(static NAMED: bool = std::thread::current().name().is_some_and(|n| n.starts_with("smol-")));
    NAMED.try_with(|named| *named).unwrap_or(false)
}

/// Runs `future` on this thread, with smol's global executor and reactor behind it.
pub(super) fn run<F: Future>(future: F) -> F::Output {
    ::smol::block_on(Runtime::from(Kind::Smol).within(future))
}
