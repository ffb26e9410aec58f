//! The atomics that order one thread's memory for another. In one place so that `tests/loom` can put loom's in theirs; counts and hints that
//! order nothing take the standard library's.

pub(crate) use futures_util::task::AtomicWaker;
pub(crate) use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};
