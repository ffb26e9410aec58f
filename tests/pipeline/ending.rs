//! Errors, panics, draining, early ends.

use super::MS;
use futures::{FutureExt, StreamExt, stream};
use regatta::cancel::{self, CancelToken};
use regatta::pipeline::{OnError, Pipeline, Stage};
use regatta::stream::generate;
use regatta::{testing, time};
use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

async fn an_error_stops_the_whole_with_the_name_of_its_stage() {
    let saved = Arc::new(AtomicU32::new(0));
    let saves = saved.clone();
    let pipeline = Pipeline::from_stream("count", stream::iter(0u32..))
        .stage("check", async |n| if n == 10 { Err("ten") } else { Ok(n) })
        .sink("save", move |_| {
            saves.fetch_add(1, SeqCst);
            async { Ok(()) }
        });
    let stopped = pipeline.run().await.unwrap_err();
    assert_eq!(
        stopped.to_string(),
        "the pipeline was stopped: 1 task failed: check: ten"
    );
    let check = stopped.report.stats.stage("check").unwrap();
    assert_eq!((check.taken, check.errors), (11, 1));
    assert!(saved.load(SeqCst) <= 10);
}

/// An error counts when it happens, not when its turn has come.
async fn an_error_overtakes_slow_items_before_it() {
    let pipeline = Pipeline::from_stream("count", stream::iter(0..10u32))
        .stage(Stage::new("check").width(10), async |n| {
            if n == 5 {
                return Err(n);
            }
            time::sleep(MS * 3_600_000).await;
            Ok(n)
        })
        .sink("save", async |_| Ok(()));
    assert_eq!(
        pipeline.run().await.unwrap_err().errors.into_first(),
        Some(5)
    );
    assert_eq!(testing::now(), Duration::ZERO);
}

async fn errors_of_the_source_go_by_its_policy() {
    let source = || stream::iter([Ok(1u32), Err("torn"), Ok(2)]);
    let sum = Arc::new(AtomicU32::new(0));
    let add = |sum: &Arc<AtomicU32>| {
        let sum = sum.clone();
        move |n| {
            sum.fetch_add(n, SeqCst);
            async { Ok(()) }
        }
    };
    let stopped = Pipeline::try_from_stream("read", source()).sink("add", add(&sum));
    assert_eq!(
        stopped.run().await.unwrap_err().errors.into_first(),
        Some("torn")
    );

    let sum = Arc::new(AtomicU32::new(0));
    let seen = Arc::new(Mutex::new(vec![]));
    let sees = seen.clone();
    let policy = OnError::skip(move |error| sees.lock().unwrap().push(error));
    let skipping = Pipeline::try_from_stream(Stage::new("read").on_error(policy), source());
    let report = skipping.sink("add", add(&sum)).run().await.unwrap();
    assert_eq!(sum.load(SeqCst), 3);
    assert_eq!(*seen.lock().unwrap(), ["torn"]);
    assert_eq!(report.stats.stages[0].errors, 1);
}

async fn what_is_collected_has_a_bound() {
    let pipeline = Pipeline::from_stream("count", stream::iter(0..100u32)).sink(
        Stage::new("fail").on_error(OnError::Collect(10)),
        async |n| Err(n),
    );
    let report = pipeline.run().await.unwrap();
    let errors: Vec<u32> = report.errors.iter().map(|e| e.error).collect();
    assert_eq!(errors, (0..10).collect::<Vec<_>>());
    assert_eq!((report.missed, report.stats.stages[1].given), (90, 0));
}

async fn a_panic_goes_on_in_the_caller_with_the_name_of_the_stage() {
    let pipeline = Pipeline::from_stream("count", stream::iter(0..10u32))
        .stage("risky", async |n| {
            assert!(n < 5, "five is too much");
            Ok::<_, Infallible>(n)
        })
        .sink("save", async |_| Ok(()));
    let payload = AssertUnwindSafe(pipeline.run())
        .catch_unwind()
        .await
        .unwrap_err();
    let text = payload.downcast_ref::<String>().unwrap();
    assert!(
        text.contains("risky") && text.contains("five is too much"),
        "{text}"
    );
}

async fn draining_ends_the_source_and_saves_what_is_under_way() {
    let token = CancelToken::new();
    let endless = generate(async |y| {
        for n in 0u32.. {
            time::sleep(MS).await;
            y.put(n).await;
        }
    });
    let saved = Arc::new(Mutex::new(vec![]));
    let saves = saved.clone();
    let pipeline = Pipeline::from_stream("read", endless)
        .stage(Stage::new("work").width(4), async |n| {
            time::sleep(MS * 3).await;
            Ok::<_, Infallible>(n)
        })
        .sink("save", move |n| {
            saves.lock().unwrap().push(n);
            async { Ok(()) }
        })
        .drain_on(&token);
    let stop = async {
        time::sleep(MS * 30).await;
        token.cancel_with("Ctrl-C");
    };
    let (report, ()) = futures::future::join(pipeline.run(), stop).await;
    let report = report.unwrap();
    let saved = saved.lock().unwrap();
    assert_eq!(report.drained, Some("Ctrl-C".into()));
    assert_eq!(saved.len() as u64, report.stats.stages[0].given);
    assert!(saved.iter().copied().eq(0..saved.len() as u32));
}

/// Also a source that never waits sees the token.
async fn draining_ends_a_source_that_is_always_ready() {
    let token = CancelToken::new();
    let cancels = token.clone();
    let pipeline = Pipeline::from_stream("count", stream::repeat(1u32))
        .sink("save", move |_| {
            cancels.cancel();
            async { Ok::<_, Infallible>(()) }
        })
        .drain_on(&token);
    assert!(pipeline.run().await.unwrap().drained.is_some());
}

async fn a_stage_that_has_enough_ends_those_above() {
    let saved = Arc::new(AtomicU32::new(0));
    let saves = saved.clone();
    let pipeline = Pipeline::from_stream("count", stream::iter(0u32..))
        .stage("pass", async |n| Ok::<_, Infallible>(n))
        .through("five", |numbers| numbers.take(5))
        .sink("save", move |_| {
            saves.fetch_add(1, SeqCst);
            async { Ok(()) }
        });
    pipeline.run().await.unwrap();
    assert_eq!(saved.load(SeqCst), 5);
}

/// A fold sees the end of the stage above only if that ended well.
async fn a_sum_over_part_of_the_items_is_never_saved() {
    let saved = Arc::new(AtomicU32::new(0));
    let saves = saved.clone();
    let pipeline = Pipeline::from_stream("count", stream::iter(0..10u32))
        .stage("check", async |n| if n == 7 { Err(n) } else { Ok(n) })
        .through("sum", |numbers| {
            stream::once(numbers.fold(0, async |a, b| a + b))
        })
        .sink("save", move |sum| {
            saves.store(sum, SeqCst);
            async { Ok(()) }
        });
    assert!(pipeline.run().await.is_err());
    assert_eq!(saved.load(SeqCst), 0);
}

async fn a_timeout_cancels_and_cleans_up() {
    let cleaned = Arc::new(AtomicU32::new(0));
    let cleans = cleaned.clone();
    let pipeline = Pipeline::from_stream("count", stream::iter(0..10u32)).sink(
        Stage::new("save").width(3),
        move |_| {
            let cleans = cleans.clone();
            let undo = async move {
                time::sleep(MS).await;
                cleans.fetch_add(1, SeqCst);
            };
            cancel::on_cancel(
                async {
                    time::sleep(MS * 3_600_000).await;
                    Ok::<_, Infallible>(())
                },
                undo,
            )
        },
    );
    assert!(time::timeout(MS * 20, pipeline.run()).await.is_err());
    let cleaned = cleaned.load(SeqCst);
    assert!(cleaned <= 3, "{cleaned}");
}

/// Cancelled, it never says that it has ended.
async fn a_pipeline_that_is_cancelled_is_not_one_that_has_ended() {
    for round in 0..20 {
        let saved = Arc::new(AtomicU32::new(0));
        let saves = saved.clone();
        let pipeline = Pipeline::from_stream("count", stream::iter(0..40u32))
            .stage(Stage::new("work").width(2), async |n| {
                time::sleep(MS).await;
                Ok::<_, Infallible>(n)
            })
            .through("batch", |items| regatta::stream::StreamOps::batch(items, 3))
            .sink("save", move |batch: Vec<u32>| {
                saves.fetch_add(batch.len() as u32, SeqCst);
                async { Ok(()) }
            });
        if let Ok(ended) = time::timeout(MS * round * 2, pipeline.run()).await {
            assert!(ended.is_ok());
            assert_eq!(saved.load(SeqCst), 40);
        } else {
            // No batch was torn off to be saved as if it were the last.
            assert!(saved.load(SeqCst) == 40 || saved.load(SeqCst).is_multiple_of(3));
        }
    }
}

async fn a_token_that_comes_after_the_end_has_drained_nothing() {
    let token = CancelToken::new();
    let cancels = token.clone();
    let pipeline = Pipeline::from_stream("count", stream::iter(0..3u32))
        .sink("save", move |n| {
            let cancels = cancels.clone();
            async move {
                time::sleep(MS).await;
                if n == 2 {
                    cancels.cancel();
                }
                Ok::<_, Infallible>(())
            }
        })
        .drain_on(&token);
    let report = pipeline.run().await.unwrap();
    assert!(token.is_cancelled());
    assert_eq!((report.drained, report.stats.stages[1].given), (None, 3));
}

regatta::matrix! {
    a_pipeline_that_is_cancelled_is_not_one_that_has_ended;
    a_token_that_comes_after_the_end_has_drained_nothing;
    an_error_stops_the_whole_with_the_name_of_its_stage;
    an_error_overtakes_slow_items_before_it [sim];
    errors_of_the_source_go_by_its_policy;
    what_is_collected_has_a_bound;
    a_panic_goes_on_in_the_caller_with_the_name_of_the_stage;
    draining_ends_the_source_and_saves_what_is_under_way;
    draining_ends_a_source_that_is_always_ready;
    a_stage_that_has_enough_ends_those_above;
    a_sum_over_part_of_the_items_is_never_saved;
    a_timeout_cancels_and_cleans_up;
}
