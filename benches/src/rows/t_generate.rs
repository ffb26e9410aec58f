//! T: async code that yields, per item.

use crate::harness::time;
use crate::runtimes::On;
use crate::table::Table;
use futures::stream::{self, StreamExt};
use regatta::stream::{generate, try_generate};
use std::convert::Infallible;
use std::hint::black_box;
use std::pin::pin;
use std::time::Duration;

const ITEMS: u64 = 100_000;

async fn ours() -> u64 {
    let mut items = pin!(generate(async |y| {
        for i in 0..ITEMS {
            y.put(black_box(i)).await;
        }
    }));
    let mut sum = 0;
    while let Some(i) = items.next().await {
        sum += i;
    }
    sum
}

async fn ours_that_may_fail() -> u64 {
    let mut items = pin!(try_generate(async |y| {
        for i in 0..ITEMS {
            y.put(black_box(i)).await;
        }
        Ok::<_, Infallible>(())
    }));
    let mut sum = 0;
    while let Some(Ok(i)) = items.next().await {
        sum += i;
    }
    sum
}

async fn async_stream() -> u64 {
    let mut items = pin!(async_stream::stream! {
        for i in 0..ITEMS {
            yield black_box(i);
        }
    });
    let mut sum = 0;
    while let Some(i) = items.next().await {
        sum += i;
    }
    sum
}

async fn unfold() -> u64 {
    let mut items = pin!(stream::unfold(0, async |i| {
        (i < ITEMS).then(|| (black_box(i), i + 1))
    }));
    let mut sum = 0;
    while let Some(i) = items.next().await {
        sum += i;
    }
    sum
}

fn once<Fut>(on: On, f: fn() -> Fut) -> impl FnMut() -> Duration
where
    Fut: Future<Output = u64> + Send + 'static,
{
    move || on.run(time(1, f))
}

fn per_item(on: On) -> Table {
    Table::each(format!("an item, {}", on.name()), ITEMS as usize)
        .ours("generate", once(on, ours))
        .ours("try_generate", once(on, ours_that_may_fail))
        .peer("async-stream", once(on, async_stream))
        .bare("unfold", once(on, unfold))
        .faster("generate", &["async-stream"], 0.65)
}

pub fn tables() -> Vec<Table> {
    On::ALL.map(per_item).into()
}
