//! L: batches of 100, with a time limit on each, per item.

use crate::harness::time;
use crate::runtimes::On;
use crate::table::Table;
use futures::stream::{self, Stream, StreamExt};
use regatta::stream::StreamOps;
use std::hint::black_box;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

const ITEMS: u64 = 100_000;
const BATCH: usize = 100;
const LONG: Duration = Duration::from_secs(60);

/// Has nothing before every `EVERY`th item, but will have at once.
struct Numbers<const EVERY: u64> {
    next: u64,
    waited: bool,
}

impl<const EVERY: u64> Stream for Numbers<EVERY> {
    type Item = u64;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<u64>> {
        if EVERY > 0 && self.next.is_multiple_of(EVERY) && !self.waited {
            self.waited = true;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.waited = false;
        self.next += 1;
        Poll::Ready((self.next <= ITEMS).then(|| black_box(self.next)))
    }
}

fn numbers<const EVERY: u64>() -> Numbers<EVERY> {
    Numbers {
        next: 0,
        waited: false,
    }
}

async fn sum(batches: impl Stream<Item = Vec<u64>>) -> u64 {
    let mut batches = pin!(batches);
    let mut sum = 0;
    while let Some(batch) = batches.next().await {
        sum += batch.len() as u64;
    }
    sum
}

async fn ours<const EVERY: u64>() -> u64 {
    sum(numbers::<EVERY>().batch_within(BATCH, LONG)).await
}

async fn tokio_stream<const EVERY: u64>() -> u64 {
    sum(tokio_stream::StreamExt::chunks_timeout(
        numbers::<EVERY>(),
        BATCH,
        LONG,
    ))
    .await
}

async fn without_limit<const EVERY: u64>() -> u64 {
    sum(stream::StreamExt::chunks(numbers::<EVERY>(), BATCH)).await
}

fn once<Fut>(on: On, f: fn() -> Fut) -> impl FnMut() -> Duration
where
    Fut: Future<Output = u64> + Send + 'static,
{
    move || on.run(time(1, f))
}

fn batches<const EVERY: u64>(on: On) -> Table {
    let (what, times) = if EVERY == 0 {
        ("a source that is always ready", 1.2)
    } else {
        ("a source that waits before every tenth item", 1.0)
    };
    Table::each(format!("{what}, {}", on.name()), ITEMS as usize)
        .ours("batch_within", once(on, ours::<EVERY>))
        .peer(
            "tokio-stream chunks_timeout",
            once(on, tokio_stream::<EVERY>),
        )
        .bare(
            "futures chunks, no time limit",
            once(on, without_limit::<EVERY>),
        )
        .faster("batch_within", &["tokio-stream chunks_timeout"], times)
}

/// tokio-stream has no timers for smol.
fn on_smol<const EVERY: u64>() -> Table {
    let what = if EVERY == 0 {
        "a source that is always ready, smol"
    } else {
        "a source that waits before every tenth item, smol"
    };
    Table::each(what, ITEMS as usize)
        .ours("batch_within", once(On::Smol, ours::<EVERY>))
        .bare(
            "futures chunks, no time limit",
            once(On::Smol, without_limit::<EVERY>),
        )
}

pub fn tables() -> Vec<Table> {
    let ready = On::TOKIO.map(batches::<0>).into_iter();
    ready
        .chain(On::TOKIO.map(batches::<10>))
        .chain([on_smol::<0>(), on_smol::<10>()])
        .collect()
}
