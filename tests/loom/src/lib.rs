//! The semaphore's word and line under loom. Nothing here is a copy: the modules are the files of `src/`, and only what stands for the
//! standard library's atomics and mutex is loom's.
#![cfg(test)]
#![allow(
    dead_code,
    reason = "not every function of the shared files is needed here"
)]

mod internal;
mod semaphore;
mod tests;
