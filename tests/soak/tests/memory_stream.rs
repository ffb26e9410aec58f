//! Streams and pipelines hold what their bounds say, however long the input: ten million items through four stages take no more than ten thousand do. Counted by
//! the allocator, so one test.

use futures::{StreamExt, stream};
use regatta::pipeline::{Pipeline, Stage};
use regatta::runtime::Flavor;
use regatta::stream::{StreamOps, generate};
use regatta::{Runtime, run_on};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use std::alloc::System;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicIsize, AtomicU64, Ordering::Relaxed};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const FEW: u64 = 10_000;
const MANY: u64 = 10_000_000;
/// On the other runtimes, to keep the test short without optimisation.
const FEWER: u64 = MANY / 10;
const MIB: isize = 1 << 20;

/// Bytes that are allocated now.
fn held() -> isize {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated as isize - stats.bytes_deallocated as isize
}

/// The most that was held, looked at every thousandth item.
#[derive(Clone, Default)]
struct Peak(Arc<AtomicIsize>, Arc<AtomicU64>);

impl Peak {
    fn look(&self) {
        if self.1.fetch_add(1, Relaxed).is_multiple_of(1000) {
            self.0.fetch_max(held(), Relaxed);
        }
    }
}

/// generate → stage → map_concurrent → stage → batch → stage.
async fn through_operators(items: u64) -> isize {
    let peak = Peak::default();
    let looks = peak.clone();
    let source = generate(async move |y| {
        for n in 0..items {
            looks.look();
            y.put(n).await;
        }
    });
    let batches = source
        .then_stage(64)
        .map_concurrent(8, async |n| n + 1)
        .then_stage(64)
        .batch(100)
        .then_stage(4);
    let sum = batches.fold(0, async |sum, batch| sum + batch.iter().sum::<u64>());
    assert_eq!(sum.await, items * (items + 1) / 2);
    peak.0.load(Relaxed)
}

async fn through_a_pipeline(items: u64) -> isize {
    let peak = Peak::default();
    let looks = peak.clone();
    let source = stream::iter(0..items).inspect(move |_| looks.look());
    let sum = Arc::new(AtomicU64::new(0));
    let sums = sum.clone();
    let pipeline = Pipeline::from_stream("count", source)
        .stage(Stage::new("add").width(8).buffer(64), async |n| {
            Ok::<_, Infallible>(n + 1)
        })
        .stage(Stage::new("pass").width(4).unordered(), async |n| Ok(n))
        .through("batch", |numbers| numbers.batch(100))
        .sink("sum", move |batch: Vec<u64>| {
            sums.fetch_add(batch.iter().sum(), Relaxed);
            std::future::ready(Ok(()))
        });
    let report = pipeline.run().await.expect("nothing fails");
    assert_eq!(report.stats.stages[1].taken, items);
    assert_eq!(sum.load(Relaxed), items * (items + 1) / 2);
    peak.0.load(Relaxed)
}

fn flat<F: Future<Output = isize>>(what: &str, flavor: Flavor, many: u64, work: impl Fn(u64) -> F) {
    let start = Runtime::neutral().now();
    // Once around first, so that the runtime has made what it keeps.
    run_on(flavor, work(FEW));
    let few = run_on(flavor, work(FEW));
    let peak = run_on(flavor, work(many));
    let took = Runtime::neutral().now() - start;
    println!("{what} on {flavor:?}: peak {few} bytes, {peak} over {many} items, in {took:.1?}");
    assert!(
        peak <= few + MIB,
        "{what}: {few} bytes over {FEW} items, {peak} over {many}"
    );
}

#[test]
fn ten_million_items_hold_no_more_than_ten_thousand() {
    let available = Flavor::ALL.into_iter().filter(|f| f.is_available());
    for (i, flavor) in available.enumerate() {
        let many = if i == 0 { MANY } else { FEWER };
        flat("operators", flavor, many, through_operators);
        flat("a pipeline", flavor, many, through_a_pipeline);
    }
}
