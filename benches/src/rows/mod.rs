//! The rows of the figures to beat, by their letters there.

mod a_spawn;
mod b_fail_fast;
mod c_in_place;
mod d_queue;
mod e_semaphore;
mod f_rate_limit;
mod g_retry;
mod h_timeout;
mod i_pool;
mod j_tokens;
mod k_event;
mod l_batches;
mod n_blocking;
mod p_policy;
mod r_current;
mod s_scope;
mod t_generate;
mod w_http;
mod w_server;
mod x_asleep;
mod x_held;
mod x_memory;
mod y_python;

use crate::table::Table;
pub use w_server::{Version, serve};
pub use x_asleep::asleep;

pub struct Row {
    pub name: &'static str,
    pub what: &'static str,
    pub tables: fn() -> Vec<Table>,
}

const fn row(name: &'static str, what: &'static str, tables: fn() -> Vec<Table>) -> Row {
    Row { name, what, tables }
}

pub const ROWS: &[Row] = &[
    row("A", "spawn and join trivial tasks", a_spawn::tables),
    row(
        "B",
        "fail fast: 10k pending tasks, one errors, all are gone",
        b_fail_fast::tables,
    ),
    row(
        "C",
        "bounded concurrency: 100k items, at most 64 at once",
        c_in_place::tables,
    ),
    row("D", "queues of 100 places", d_queue::tables),
    row("E", "semaphores", e_semaphore::tables),
    row("F", "rate limits", f_rate_limit::tables),
    row("G", "retries", g_retry::tables),
    row("H", "timeouts and sleeps", h_timeout::tables),
    row("I", "pools", i_pool::tables),
    row("J", "cancel tokens", j_tokens::tables),
    row("K", "release 10k waiters", k_event::tables),
    row("N", "blocking calls", n_blocking::tables),
    row("P", "policies around a call that works", p_policy::tables),
    row("L", "batches of 100 with a time limit", l_batches::tables),
    row("R", "Runtime::current()", r_current::tables),
    row("S", "cancel scopes, cost of a poll", s_scope::tables),
    row("T", "async code that yields", t_generate::tables),
    row("W", "HTTP over loopback, 64 at once", w_http::tables),
    row("X", "memory of what waits", x_memory::tables),
    row("Y", "what benches/python/ does, too", y_python::tables),
];

pub fn find(name: &str) -> Result<&'static Row, String> {
    let found = ROWS.iter().find(|r| r.name.eq_ignore_ascii_case(name));
    found.ok_or_else(|| format!("no row `{name}`.\n{}", list()))
}

pub fn list() -> String {
    let lines = ROWS.iter().map(|r| format!("\n  {}  {}", r.name, r.what));
    format!("rows:{}", lines.collect::<String>())
}
