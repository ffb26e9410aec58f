//! R: finding the current runtime.

use crate::harness::time_calls;
use crate::runtimes::{On, multi};
use crate::table::Table;
use regatta::Runtime;
use regatta::runtime::{Flavor, run_on};
use std::time::Duration;
use tokio::runtime::Handle;

const ASKS: usize = 20_000;

fn current() -> Duration {
    time_calls(ASKS, Runtime::current)
}

fn try_current() -> Duration {
    time_calls(ASKS, Handle::try_current)
}

fn in_task(on: On) -> Table {
    Table::each(format!("in a task, {}", on.name()), ASKS)
        .ours("Runtime::current", move || on.run(async { current() }))
        .ours("current, then now()", move || {
            on.run(async { time_calls(ASKS, || Runtime::current().now()) })
        })
        .bare("the clock alone", move || {
            on.run(async { time_calls(ASKS, tokio::time::Instant::now) })
        })
        .peer("Handle::try_current", move || {
            on.run(async { try_current() })
        })
        .faster("Runtime::current", &[], 3.0)
}

fn in_block_on() -> Table {
    Table::each("in tokio's block_on, outside every task", ASKS)
        .ours("Runtime::current", || multi().block_on(async { current() }))
        .peer("Handle::try_current", || {
            multi().block_on(async { try_current() })
        })
}

fn in_run(flavor: Flavor) -> Table {
    Table::each(format!("in regatta::run_on({flavor})"), ASKS).ours("Runtime::current", move || {
        run_on(flavor, async { current() })
    })
}

fn in_smol() -> Table {
    Table::each("in a foreign smol task", ASKS).ours("Runtime::current", || {
        smol::block_on(smol::spawn(async { current() }))
    })
}

pub fn tables() -> Vec<Table> {
    let mut tables: Vec<_> = On::TOKIO.map(in_task).into();
    tables.push(in_block_on());
    tables.extend([Flavor::Smol, Flavor::Neutral].map(in_run));
    tables.push(in_smol());
    tables
}
