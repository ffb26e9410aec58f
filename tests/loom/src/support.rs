//! Words that all models share.

use loom::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::Poll;

pub(crate) fn check(program: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    // Most bugs need two switches; more only repeat them, a hundred times slower.
    builder.preemption_bound = Some(3);
    builder.check(program);
}

/// Something that only one thread at a time may touch: read and written apart and without any ordering of its own, so that loom shows an
/// old value wherever what is being tested does not order the threads' memory.
pub(crate) struct Guarded(AtomicUsize);

impl Guarded {
    pub(crate) fn new() -> Self {
        Guarded(AtomicUsize::new(0))
    }

    pub(crate) fn add(&self) {
        let old = self.0.load(Relaxed);
        self.0.store(old + 1, Relaxed);
    }

    pub(crate) fn get(&self) -> usize {
        self.0.load(Relaxed)
    }
}

/// `Ready` when it is so.
pub(crate) fn ready(is: bool) -> Poll<()> {
    if is { Poll::Ready(()) } else { Poll::Pending }
}
