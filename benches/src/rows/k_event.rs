//! K: release 10k waiters, each a task of its own, until the last one has run.

use crate::harness::now;
use crate::runtimes::On;
use crate::table::Table;
use futures_lite::future::yield_now;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

pub const WAITERS: usize = 10_000;

/// Something that many wait for.
pub trait Signal: Send + Sync + 'static {
    fn new() -> Self;
    /// `ready` is called when the waiter is in the line.
    fn wait(&self, ready: impl FnOnce() + Send) -> impl Future<Output = ()> + Send;
    fn release(&self);
}

/// Polls once, then says so: by then whoever waits is in the line.
async fn in_line(waits: impl Future<Output = ()> + Send, ready: impl FnOnce() + Send) {
    let mut waits = std::pin::pin!(waits);
    if futures_lite::future::poll_once(&mut waits).await.is_none() {
        ready();
        waits.await;
    }
}

impl Signal for regatta::sync::Event {
    fn new() -> Self {
        regatta::sync::Event::new()
    }
    async fn wait(&self, ready: impl FnOnce() + Send) {
        in_line(self.wait(), ready).await;
    }
    fn release(&self) {
        self.set();
    }
}

impl Signal for tokio::sync::Notify {
    fn new() -> Self {
        tokio::sync::Notify::new()
    }
    async fn wait(&self, ready: impl FnOnce() + Send) {
        in_line(self.notified(), ready).await;
    }
    fn release(&self) {
        self.notify_waiters();
    }
}

impl Signal for event_listener::Event {
    fn new() -> Self {
        event_listener::Event::new()
    }
    async fn wait(&self, ready: impl FnOnce() + Send) {
        let listener = self.listen();
        in_line(listener, ready).await;
    }
    fn release(&self) {
        self.notify(usize::MAX);
    }
}

pub fn release<S: Signal>(on: On) -> impl FnMut() -> Duration {
    move || {
        on.run(async move {
            let signal = Arc::new(S::new());
            let waiting = Arc::new(AtomicUsize::new(0));
            let waiter = || {
                let (signal, waiting) = (signal.clone(), waiting.clone());
                async move {
                    let ready = || {
                        waiting.fetch_add(1, Ordering::Release);
                    };
                    signal.wait(ready).await;
                }
            };
            let all_wait = async || {
                while waiting.load(Ordering::Acquire) < WAITERS {
                    yield_now().await;
                }
            };
            let start;
            if on == On::Smol {
                let tasks: Vec<_> = (0..WAITERS).map(|_| smol::spawn(waiter())).collect();
                all_wait().await;
                start = now();
                signal.release();
                for task in tasks {
                    task.await;
                }
            } else {
                let tasks: Vec<_> = (0..WAITERS).map(|_| tokio::spawn(waiter())).collect();
                all_wait().await;
                start = now();
                signal.release();
                for task in tasks {
                    task.await.expect("no panic");
                }
            }
            now() - start
        })
    }
}

fn table(on: On) -> Table {
    Table::whole(on.name(), WAITERS)
        .ours("Event", release::<regatta::sync::Event>(on))
        .peer("tokio Notify", release::<tokio::sync::Notify>(on))
        .peer("event-listener", release::<event_listener::Event>(on))
        .faster("Event", &["tokio Notify"], 1.0)
}

pub fn tables() -> Vec<Table> {
    On::ALL.map(table).into()
}
