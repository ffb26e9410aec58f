//! The stream itself, or the pipeline, is dropped, wherever it is.

use futures::{StreamExt, stream};
use regatta::pipeline::{OnError, Pipeline, Stage};
use regatta::stream::{StreamOps, generate};
use regatta::testing::{Outcome, cancel_safety_drops, settle, yield_now};
use regatta::{cancel, time};
use regatta_soak::{DROPS, MS, passed};
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

/// Counts itself while it lives.
struct Living(Arc<AtomicU32>);

impl Living {
    fn new(count: &Arc<AtomicU32>) -> Self {
        count.fetch_add(1, SeqCst);
        Living(count.clone())
    }
}

impl Drop for Living {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

#[test]
fn a_dropped_stream_leaves_no_stage() {
    let op = |living: Arc<AtomicU32>| async move {
        let (a, b) = (Living::new(&living), Living::new(&living));
        let source = generate(async move |y| {
            let _a = a;
            for n in 0..3u32 {
                yield_now().await;
                y.put(n).await;
            }
        });
        let stages = source.then_stage(1).map(move |n| (&b, n).1).then_stage(1);
        assert_eq!(stages.count().await, 3);
    };
    let verify = |living: Arc<AtomicU32>, _| async move {
        settle().await;
        match living.load(SeqCst) {
            0 => Ok(()),
            n => Err(format!("{n} stages live on")),
        }
    };
    passed(&cancel_safety_drops(
        DROPS,
        async || Arc::default(),
        op,
        verify,
    ));
}

#[derive(Default)]
struct Ledger {
    begun: Mutex<Vec<u32>>,
    saved: Mutex<Vec<u32>>,
    failed: Mutex<Vec<u32>>,
}

type World = (Arc<Ledger>, Arc<AtomicU32>);

/// Four items through two stages; item 2 fails in the sink, whose policy this is.
async fn run((ledger, living): World, policy: OnError<u32>) -> Result<u64, ()> {
    let guard = Living::new(&living);
    let source = generate(async move |y| {
        let _guard = guard;
        for n in 0..4u32 {
            yield_now().await;
            y.put(n).await;
        }
    });
    let guard = Living::new(&living);
    let saves = ledger.clone();
    let pipeline = Pipeline::from_stream("count", source)
        .stage(Stage::new("look").width(2).buffer(1), move |n| {
            let _guard = &guard;
            async move {
                yield_now().await;
                Ok(n)
            }
        })
        .sink(Stage::new("save").buffer(1).on_error(policy), move |n| {
            let (ledger, living) = (saves.clone(), Living::new(&living));
            async move {
                let _living = living;
                ledger.begun.lock().unwrap().push(n);
                time::sleep(MS).await;
                if n == 2 {
                    return Err(n);
                }
                ledger.saved.lock().unwrap().push(n);
                Ok(())
            }
        });
    match pipeline.run().await {
        Ok(report) => Ok(report.stats.stages[2].given),
        Err(stopped) => {
            ledger.failed.lock().unwrap().extend(stopped.errors);
            Err(())
        }
    }
}

fn verdict((ledger, living): &World) -> Result<(), String> {
    let (saved, failed) = (ledger.saved.lock().unwrap(), ledger.failed.lock().unwrap());
    let both = saved.iter().any(|n| failed.contains(n));
    let ordered = saved.is_sorted() && saved.iter().all(|n| *n != 2);
    let known = ledger.begun.lock().unwrap();
    let real = saved.iter().chain(&*failed).all(|n| known.contains(n));
    if both || !ordered || !real || living.load(SeqCst) != 0 {
        let left = living.load(SeqCst);
        return Err(format!(
            "{saved:?} saved, {failed:?} failed, {left} live on"
        ));
    }
    Ok(())
}

#[test]
fn a_dropped_pipeline_leaves_no_task_and_no_item_with_two_ends() {
    let setup = async || World::default();
    let op = |world: World| run(world, OnError::Stop);
    let verify = |world: World, outcome: Outcome<Result<u64, ()>>| async move {
        settle().await;
        if let Outcome::Completed(end) = outcome {
            let saved = world.0.saved.lock().unwrap().clone();
            if end.is_ok() || saved != [0, 1] {
                return Err(format!("{end:?} with {saved:?} saved"));
            }
        }
        verdict(&world)
    };
    passed(&cancel_safety_drops(DROPS, setup, op, verify));
}

#[test]
fn a_pipeline_that_skips_saves_all_the_others() {
    let setup = async || World::default();
    let op = |world: World| async move {
        let ledger = world.0.clone();
        let policy = OnError::skip(move |n| ledger.failed.lock().unwrap().push(n));
        run(world, policy).await
    };
    let verify = |world: World, outcome: Outcome<Result<u64, ()>>| async move {
        settle().await;
        if let Outcome::Completed(end) = outcome {
            let saved = world.0.saved.lock().unwrap().clone();
            if end != Ok(3) || saved != [0, 1, 3] {
                return Err(format!("{end:?} with {saved:?} saved"));
            }
        }
        verdict(&world)
    };
    passed(&cancel_safety_drops(DROPS, setup, op, verify));
}

/// Cancelled by a scope, not dropped: it is joined, with the cleanup of its items.
#[test]
fn a_cancelled_pipeline_cleans_up_before_the_scope_ends() {
    let op = |cleaned: Arc<AtomicU32>| async move {
        let open = Arc::new(AtomicU32::new(0));
        let (opened, closed) = (open.clone(), cleaned.clone());
        let pipeline = Pipeline::from_stream("all", stream::iter(0..4u32)).sink(
            Stage::new("save").width(2),
            move |_| {
                opened.fetch_add(1, SeqCst);
                let closed = closed.clone();
                cancel::finally(time::sleep(MS * 5), async move {
                    yield_now().await;
                    closed.fetch_add(1, SeqCst);
                })
                .map_into_ok()
            },
        );
        let late = time::timeout(MS * 7, pipeline.run()).await;
        assert!(late.is_err());
        assert_eq!((open.load(SeqCst), cleaned.load(SeqCst)), (4, 4));
    };
    let verify = |_, _| async { Ok(()) };
    passed(&cancel_safety_drops(
        DROPS,
        async || Arc::default(),
        op,
        verify,
    ));
}

/// A future that cannot fail, as one that can.
trait MapIntoOk: Future<Output = ()> + Sized {
    fn map_into_ok(self) -> impl Future<Output = Result<(), u32>> {
        async {
            self.await;
            Ok(())
        }
    }
}

impl<F: Future<Output = ()>> MapIntoOk for F {}

/// A batch that is begun when the pipeline is stopped is not saved as if it were whole.
#[test]
fn batches_are_never_split_silently() {
    let op = |saved: Arc<Mutex<Vec<Vec<u32>>>>| async move {
        let sink = saved.clone();
        let numbers = generate(async |y| {
            for n in 0..5u32 {
                yield_now().await;
                y.put(n).await;
            }
        });
        let checked = Pipeline::from_stream("count", numbers).stage("check", async |n| {
            yield_now().await;
            if n == 3 { Err(n) } else { Ok(n) }
        });
        let run = checked
            .through("batch", |numbers| numbers.batch(2))
            .sink("save", move |batch: Vec<u32>| {
                sink.lock().unwrap().push(batch);
                async { Ok(()) }
            })
            .run();
        assert_eq!(run.await.unwrap_err().errors.into_first(), Some(3));
    };
    let verify = |saved: Arc<Mutex<Vec<Vec<u32>>>>, _| async move {
        settle().await;
        match &*saved.lock().unwrap() {
            saved if saved.is_empty() || *saved == [[0, 1]] => Ok(()),
            saved => Err(format!("{saved:?}")),
        }
    };
    passed(&cancel_safety_drops(
        DROPS,
        async || Arc::default(),
        op,
        verify,
    ));
}
