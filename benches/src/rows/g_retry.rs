//! G: a retry around a call that works, and around one that fails twice without a delay.

use crate::harness::time;
use crate::runtimes::On;
use crate::table::Table;
use backon::{ConstantBuilder, ExponentialBuilder, Retryable};
use regatta::retry::{Backoff, retry};
use std::hint::black_box;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

const WORKING: usize = 10_000;
const FAILING: usize = 5;
static EXPONENTIAL: Backoff = Backoff::exponential(Duration::from_secs(1));

fn working() -> Table {
    Table::each("a call that works, tokio-ct", WORKING)
        .bare("the call alone", || {
            On::Current.run(async { time(WORKING, || async { black_box(Ok::<_, u32>(1)) }).await })
        })
        .ours("retry", || {
            On::Current.run(async {
                time(WORKING, || {
                    retry(&EXPONENTIAL, || async { black_box(Ok::<_, u32>(1)) })
                })
                .await
            })
        })
        .peer("backon", || {
            On::Current.run(async {
                let backoff = ExponentialBuilder::default();
                time(WORKING, || {
                    (|| async { black_box(Ok::<_, u32>(1)) }).retry(backoff)
                })
                .await
            })
        })
        .faster("retry", &[], 1.0)
}

/// Fails twice, then works.
fn twice(calls: &AtomicU32) -> Result<u32, u32> {
    let n = calls.load(Ordering::Relaxed) + 1;
    calls.store(n % 3, Ordering::Relaxed);
    if n == 3 { Ok(n) } else { Err(n) }
}

fn failing() -> Table {
    Table::each("a call that fails twice, no delay, tokio-ct", FAILING)
        .ours("retry", || {
            On::Current.run(async {
                time(FAILING, || async {
                    let calls = AtomicU32::new(0);
                    let backoff = Backoff::constant(Duration::ZERO);
                    retry(backoff, || async { twice(&calls) }).await
                })
                .await
            })
        })
        .peer("backon", || {
            On::Current.run(async {
                time(FAILING, || async {
                    let calls = AtomicU32::new(0);
                    let backoff = ConstantBuilder::default().with_delay(Duration::ZERO);
                    (|| async { twice(&calls) }).retry(backoff).await
                })
                .await
            })
        })
        .faster("retry", &[], 1000.0)
}

pub fn tables() -> Vec<Table> {
    vec![working(), failing()]
}
