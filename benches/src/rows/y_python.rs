//! Y: what Python's loops are asked to do, too, by `benches/python/`, which knows these tables by their titles. One thread, as there.

use super::w_server::Version;
use super::{a_spawn, b_fail_fast, d_queue, e_semaphore, h_timeout, k_event, n_blocking, w_http};
use crate::runtimes::On;
use crate::table::Table;
use std::time::Duration;

/// The same on tokio and on smol.
fn both<F>(title: &str, ops: usize, run: impl Fn(On) -> F) -> Table
where
    F: FnMut() -> Duration + 'static,
{
    Table::each(title, ops)
        .ours("regatta on tokio", run(On::Current))
        .ours("regatta on smol", run(On::Smol))
}

pub fn tables() -> Vec<Table> {
    vec![
        both("group of 10,000 tasks", 10_000, |on| {
            a_spawn::repeated(on, 10_000, a_spawn::group)
        }),
        both("groups of 3 tasks", a_spawn::times(3), |on| {
            a_spawn::repeated(on, 3, a_spawn::group_of_three)
        }),
        both("group of 10,000 that fails", b_fail_fast::TASKS, |on| {
            move || on.run(b_fail_fast::group())
        }),
        both("queue, 100 places", d_queue::ITEMS as usize, |on| {
            d_queue::run(on, (1, 1), d_queue::take)
        }),
        both("semaphore, 64 tasks for 4", e_semaphore::CROWD, |on| {
            e_semaphore::ours_in_a_crowd(on)
        }),
        both("event, 10,000 waiters", k_event::WAITERS, |on| {
            k_event::release::<regatta::sync::Event>(on)
        }),
        both("100,000 sleeps of 10 ms", h_timeout::SLEEPS, |on| {
            move || on.run(h_timeout::sleeps(on, regatta::time::sleep))
        }),
        both("timeout around one yield", h_timeout::CALLS, |on| {
            h_timeout::calls(on, || h_timeout::ours(h_timeout::one_yield()))
        }),
        both("executor round trip", n_blocking::TRIPS, n_blocking::ours),
        both("HTTP GET, 64 at once", w_http::REQUESTS, |on| {
            w_http::ours(on, Version::One)
        }),
    ]
}
