//! The atomics of the word. A file of its own so that `tests/loom` can put loom's in their place.

pub(super) use std::sync::atomic::{AtomicUsize, Ordering};
