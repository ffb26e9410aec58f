//! Every async operation of `cancel`, `time` and `runtime`, dropped at every await: nothing is left behind, and the rivals get theirs.
//!
//! What is left behind is seen in the wakers: an operation that is gone and whose waker is still held somewhere has left a waiter,
//! a timer or a frame there.

mod cancel;
mod runtime;
mod time;
