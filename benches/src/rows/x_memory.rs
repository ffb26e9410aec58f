//! X: bytes and allocations of what waits, each beside its peer; and a million children asleep, in processes of their own.
//!
//! A waiter stands in a box, so that its own size counts as well as what it has allocated: some peers keep their place in the line inside
//! the waiting future, others beside it.

use super::x_asleep;
use super::x_held::{children, in_boxes, pooled, under_way};
use crate::allocations::live;
use crate::runtimes::On;
use crate::table::Table;
use regatta::cancel::CancelToken;
use regatta::queue::Queue;
use std::future::pending;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// So many that what grows by doubling is about as full as it is on average.
const WAITERS: usize = 12_000;
const LONG: Duration = Duration::from_secs(3600);

/// Waiters of one kind: what `$make` returns is kept in a box, polled once, and pending.
macro_rules! waiting {
    ($on:expr, |$s:ident| $shared:expr, $make:expr) => {
        move || {
            $on.run(async {
                let $s = $shared;
                in_boxes(WAITERS, || $make).await
            })
        }
    };
}

fn semaphore() -> Table {
    Table::bytes("a waiter of a semaphore", WAITERS)
        .ours(
            "Semaphore::acquire",
            waiting!(
                On::Current,
                |s| regatta::sync::Semaphore::new(0),
                s.acquire()
            ),
        )
        .peer(
            "tokio",
            waiting!(On::Current, |s| tokio::sync::Semaphore::new(0), s.acquire()),
        )
        .peer(
            "async-lock",
            waiting!(On::Current, |s| async_lock::Semaphore::new(0), s.acquire()),
        )
        .faster("Semaphore::acquire", &["tokio"], 1.0)
}

fn mutex() -> Table {
    Table::bytes("a waiter of a mutex", WAITERS)
        .ours("Mutex::lock", || {
            On::Current.run(async {
                let mutex = regatta::sync::Mutex::new(());
                let _held = mutex.lock().await;
                in_boxes(WAITERS, || mutex.lock()).await
            })
        })
        .peer("tokio", || {
            On::Current.run(async {
                let mutex = tokio::sync::Mutex::new(());
                let _held = mutex.lock().await;
                in_boxes(WAITERS, || mutex.lock()).await
            })
        })
        .peer("async-lock", || {
            On::Current.run(async {
                let mutex = async_lock::Mutex::new(());
                let _held = mutex.lock().await;
                in_boxes(WAITERS, || mutex.lock()).await
            })
        })
        .faster("Mutex::lock", &["tokio"], 1.0)
}

fn event() -> Table {
    Table::bytes("a waiter of an event", WAITERS)
        .ours(
            "Event::wait",
            waiting!(On::Current, |e| regatta::sync::Event::new(), e.wait()),
        )
        .peer(
            "tokio Notify",
            waiting!(On::Current, |e| tokio::sync::Notify::new(), e.notified()),
        )
        .peer(
            "event-listener",
            waiting!(On::Current, |e| event_listener::Event::new(), e.listen()),
        )
        .faster("Event::wait", &["tokio Notify"], 1.0)
}

fn takers() -> Table {
    Table::bytes("a consumer waiting at an empty queue", WAITERS)
        .ours(
            "Queue::take",
            waiting!(On::Current, |q| Queue::<u64>::bounded(1), q.take()),
        )
        .peer(
            "async-channel",
            waiting!(
                On::Current,
                |q| async_channel::bounded::<u64>(1),
                q.1.recv()
            ),
        )
        .peer(
            "flume",
            waiting!(On::Current, |q| flume::bounded::<u64>(1), q.1.recv_async()),
        )
        .faster("Queue::take", &[], 1.0)
}

fn putters() -> Table {
    Table::bytes("a producer waiting at a full queue", WAITERS)
        .ours("Queue::put", || {
            On::Current.run(async {
                let queue = Queue::bounded(1);
                queue.put(0u64).await.expect("it is open");
                in_boxes(WAITERS, || queue.put(1)).await
            })
        })
        .peer("tokio mpsc", || {
            On::Current.run(async {
                let (tx, _rx) = tokio::sync::mpsc::channel(1);
                tx.send(0u64).await.expect("it is open");
                in_boxes(WAITERS, || tx.send(1)).await
            })
        })
        .peer("async-channel", || {
            On::Current.run(async {
                let (tx, _rx) = async_channel::bounded(1);
                tx.send(0u64).await.expect("it is open");
                in_boxes(WAITERS, || tx.send(1)).await
            })
        })
        .faster("Queue::put", &["tokio mpsc"], 1.0)
}

fn timer(on: On) -> Table {
    let table = Table::bytes(format!("a sleeping timer, {}", on.name()), WAITERS)
        .ours("sleep", waiting!(on, |_s| (), regatta::time::sleep(LONG)));
    if on == On::Smol {
        return table
            .peer(
                "async-io Timer",
                waiting!(on, |_s| (), async_io::Timer::after(LONG)),
            )
            .faster("sleep", &[], 1.0);
    }
    table
        .peer(
            "tokio::time::sleep",
            waiting!(on, |_s| (), tokio::time::sleep(LONG)),
        )
        .faster("sleep", &[], 1.0)
}

fn timeouts() -> Table {
    Table::bytes("a timeout around a future that waits", WAITERS)
        .ours(
            "timeout",
            waiting!(
                On::Current,
                |_s| (),
                regatta::time::timeout(LONG, pending::<()>())
            ),
        )
        .peer(
            "tokio::time::timeout",
            waiting!(
                On::Current,
                |_s| (),
                tokio::time::timeout(LONG, pending::<()>())
            ),
        )
        .faster("timeout", &[], 1.0)
}

fn scopes() -> Table {
    Table::bytes("a scope of a token around a future that waits", WAITERS)
        .ours(
            "CancelToken::run",
            waiting!(On::Current, |t| CancelToken::new(), t.run(pending::<()>())),
        )
        .peer(
            "CancellationToken::run_until_cancelled",
            waiting!(
                On::Current,
                |t| CancellationToken::new(),
                t.run_until_cancelled(pending::<()>())
            ),
        )
        .faster("CancelToken::run", &[], 1.0)
}

fn tokens() -> Table {
    Table::bytes("a child of a token", WAITERS)
        .ours("CancelToken::child", || {
            let root = CancelToken::new();
            let before = live();
            let children: Vec<_> = (0..WAITERS).map(|_| root.child()).collect();
            let held = live() - before;
            drop(children);
            held
        })
        .peer("CancellationToken::child_token", || {
            let root = CancellationToken::new();
            let before = live();
            let children: Vec<_> = (0..WAITERS).map(|_| root.child_token()).collect();
            let held = live() - before;
            drop(children);
            held
        })
        .faster("CancelToken::child", &[], 1.0)
}

fn child(on: On) -> Table {
    let table = Table::bytes(format!("a pending child, {}", on.name()), WAITERS)
        .ours("task_group", move || on.run(children::group(WAITERS)));
    if on == On::Smol {
        return table
            .peer("smol::spawn, Vec", move || on.run(children::smol(WAITERS)))
            .faster("task_group", &[], 1.0);
    }
    table
        .peer("JoinSet", move || on.run(children::join_set(WAITERS)))
        .bare("tokio::spawn, Vec", move || on.run(children::raw(WAITERS)))
        .faster("task_group", &["JoinSet"], 1.0)
}

fn pool() -> Table {
    Table::bytes("an idle object (a number) of a pool", pooled::OBJECTS)
        .ours("Pool", || On::Current.run(pooled::ours()))
        .peer("deadpool", || On::Current.run(pooled::deadpool()))
        .peer("bb8", || On::Current.run(pooled::bb8()))
        .faster("Pool", &["deadpool"], 1.0)
}

fn request() -> Table {
    Table::bytes("a request under way, HTTP/1.1", under_way::REQUESTS)
        .ours("HttpClient", || On::Current.run(under_way::ours()))
        .peer("reqwest", || On::Current.run(under_way::reqwest()))
        .faster("HttpClient", &[], 1.0)
}

pub fn tables() -> Vec<Table> {
    let mut tables: Vec<_> = On::ALL.map(child).into();
    tables.extend([semaphore(), mutex(), event(), takers(), putters()]);
    tables.extend([timer(On::Current), timer(On::Smol)]);
    tables.extend([timeouts(), scopes(), tokens(), pool(), request()]);
    tables.extend(x_asleep::tables());
    tables
}
