//! A million children asleep in one group: memory of the process, and time to make and to end them. Each run is a process of its own, since
//! memory that was had once is not given back.

use crate::harness::now;
use crate::runtimes::On;
use crate::table::Table;
use regatta::task::{TaskGroup, task_group};
use std::convert::Infallible;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::task::JoinSet;

const CHILDREN: usize = 1_000_000;
const LONG: Duration = Duration::from_secs(3600);

/// What a process says at its end: resident bytes of the children when all sleep, and nanoseconds of making and ending them.
struct Slept {
    bytes: usize,
    time: Duration,
}

/// Counts those that sleep.
#[derive(Clone, Default)]
struct Asleep(Arc<AtomicUsize>);

impl Asleep {
    async fn child<F: Future>(self, sleep: F) {
        self.0.fetch_add(1, Ordering::Relaxed);
        drop(self);
        sleep.await;
    }

    async fn all(&self) {
        while self.0.load(Ordering::Relaxed) < CHILDREN {
            futures_lite::future::yield_now().await;
        }
    }
}

/// Of this process, as the kernel says.
fn resident() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = pages.split(' ').nth(1).and_then(|n| n.parse().ok());
    pages.unwrap_or(0usize) * 4096
}

async fn group() -> Slept {
    let (before, start) = (resident(), now());
    let mut bytes = 0;
    let end = task_group(async |g: TaskGroup<'static, Infallible>| {
        let asleep = Asleep::default();
        for _ in 0..CHILDREN {
            g.spawn(asleep.clone().child(regatta::time::sleep(LONG)));
        }
        asleep.all().await;
        bytes = resident() - before;
        g.cancel_children();
        Ok(())
    });
    end.await.expect("no child fails");
    Slept {
        bytes,
        time: now() - start,
    }
}

async fn join_set() -> Slept {
    let (before, start) = (resident(), now());
    let mut set = JoinSet::new();
    let asleep = Asleep::default();
    for _ in 0..CHILDREN {
        set.spawn(asleep.clone().child(tokio::time::sleep(LONG)));
    }
    asleep.all().await;
    let bytes = resident() - before;
    set.shutdown().await;
    Slept {
        bytes,
        time: now() - start,
    }
}

const GROUP: &str = "task_group";
const JOIN_SET: &str = "JoinSet";

/// The part of the process that a case starts.
pub fn asleep(what: &str, on: &str) -> Result<String, String> {
    let on = On::TOKIO.into_iter().find(|o| o.name() == on);
    let on = on.ok_or("--asleep: on tokio-mt or tokio-ct")?;
    let slept = match what {
        GROUP => on.run(group()),
        JOIN_SET => on.run(join_set()),
        _ => return Err(format!("--asleep: {GROUP} or {JOIN_SET}")),
    };
    Ok(format!("{} {}", slept.bytes, slept.time.as_nanos()))
}

fn in_a_process(what: &str, on: On) -> Slept {
    let this = std::env::current_exe().expect("the program has a file");
    let mut said = Command::new(this);
    said.args(["--asleep", what, on.name()]);
    let said = said.output().expect("it starts");
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    let mut figures = said.split_whitespace().map(|n| n.parse::<usize>());
    let mut next = || figures.next().and_then(Result::ok).expect("two figures");
    Slept {
        bytes: next(),
        time: Duration::from_nanos(next() as u64),
    }
}

fn memory(on: On) -> Table {
    let title = format!("resident, a million children asleep, {}", on.name());
    Table::bytes(title, CHILDREN)
        .in_processes()
        .ours(GROUP, move || in_a_process(GROUP, on).bytes)
        .peer(JOIN_SET, move || in_a_process(JOIN_SET, on).bytes)
        // At most 1.05 times as much.
        .faster(GROUP, &[], 0.95)
}

fn time(on: On) -> Table {
    let title = format!("a million children asleep, then ended, {}", on.name());
    Table::each(title, CHILDREN)
        .in_processes()
        .ours(GROUP, move || in_a_process(GROUP, on).time)
        .peer(JOIN_SET, move || in_a_process(JOIN_SET, on).time)
        .faster(GROUP, &[], 1.0)
}

pub fn tables() -> Vec<Table> {
    let memory = On::TOKIO.map(memory).into_iter();
    memory.chain(On::TOKIO.map(time)).collect()
}
