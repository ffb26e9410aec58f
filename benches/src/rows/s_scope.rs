//! S: what a scope adds to every poll of the future inside.

use crate::harness::now;
use crate::table::Table;
use regatta::cancel::{CancelToken, finally};
use regatta::time::timeout;
use std::future::poll_fn;
use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

const POLLS: usize = 20_000;
const LONG: Duration = Duration::from_secs(60);

/// Pending so many times.
fn yields() -> impl Future<Output = ()> {
    let mut left = black_box(POLLS);
    poll_fn(move |_| {
        if left == 0 {
            return Poll::Ready(());
        }
        left = black_box(left - 1);
        Poll::Pending
    })
}

/// Polls with the same waker until it is ready, as an executor does.
fn drive(future: impl Future) -> Duration {
    let mut future = pin!(future);
    let mut cx = Context::from_waker(Waker::noop());
    let start = now();
    while future.as_mut().poll(&mut cx).is_pending() {}
    now() - start
}

tokio::task_local! {
    static SOMETHING: u64;
}

fn token_scopes() -> Table {
    let (a, b, c) = (CancelToken::new(), CancelToken::new(), CancelToken::new());
    Table::each("one poll under a token", POLLS)
        .bare("bare", || drive(yields()))
        .ours("one scope", move || drive(a.run(yields())))
        .ours("two scopes", move || drive(b.run(c.run(yields()))))
        .peer("tokio task_local! scope", || {
            drive(SOMETHING.scope(1, yields()))
        })
        .faster("one scope", &[], 1.0)
}

fn other_scopes() -> Table {
    // A clock that nobody drives will do: the deadline is far away.
    Table::each("one poll under other scopes", POLLS)
        .bare("bare", || drive(yields()))
        .ours("finally", || drive(finally(yields(), async {})))
        .ours("timeout", || drive(timeout(LONG, yields())))
        .ours("timeout in a token in a timeout", || {
            let token = CancelToken::new();
            drive(timeout(LONG, async {
                token.run(timeout(LONG, yields())).await
            }))
        })
        .peer("tokio task_local! scope", || {
            drive(SOMETHING.scope(1, yields()))
        })
        .faster("finally", &[], 1.0)
}

pub fn tables() -> Vec<Table> {
    vec![token_scopes(), other_scopes()]
}
