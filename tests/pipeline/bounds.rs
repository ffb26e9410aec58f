//! A slow sink slows the source, and no queue is ever longer than its bound, under every seed.

use super::MS;
use futures::{StreamExt, stream};
use regatta::pipeline::{Pipeline, Stage};
use regatta::{Runtime, testing, time};
use std::convert::Infallible;
use std::panic::catch_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::SeqCst};

#[test]
fn a_slow_sink_slows_the_source() {
    testing::check(100, async || {
        let under_way = Arc::new(AtomicI64::new(0));
        let (enters, leaves) = (under_way.clone(), under_way.clone());
        let source = stream::iter(0..60u32).map(move |n| {
            enters.fetch_add(1, SeqCst);
            n
        });
        let pipeline = Pipeline::from_stream("count", source)
            .stage(Stage::new("a").width(3).buffer(2), async |n: u32| {
                time::sleep(MS * (n % 3)).await;
                Ok::<_, Infallible>(n)
            })
            .stage(Stage::new("b").width(2).buffer(1).unordered(), async |n| {
                Ok(n)
            })
            .sink(Stage::new("save").buffer(4), move |_| {
                let leaves = leaves.clone();
                async move {
                    time::sleep(MS * 3).await;
                    leaves.fetch_sub(1, SeqCst);
                    Ok(())
                }
            });
        let watch = pipeline.watch();
        let run = pipeline.run();
        let look = async {
            let mut given = 0;
            while given < 60 {
                let stages = watch.stats().stages;
                given = stages[3].given;
                for stage in stages {
                    assert!(stage.queued <= stage.buffer, "{stage:?}");
                    assert!(stage.high_water <= stage.buffer, "{stage:?}");
                    assert!(stage.running <= stage.width, "{stage:?}");
                }
                // The widths 3, 2 and 1 and the buffers 2, 1 and 4, and one in the hand of the source.
                let most = 3 + 2 + 1 + 2 + 1 + 4 + 1;
                assert!(under_way.load(SeqCst) <= most);
                time::sleep(MS).await;
            }
        };
        futures::future::join(run, look).await.0.unwrap();
        assert_eq!(under_way.load(SeqCst), 0);
    });
}

/// What runs in a stage goes on while the stage waits for room below.
#[test]
fn work_goes_on_while_there_is_no_room_below() {
    testing::run(async || {
        let ended = Arc::new(AtomicI64::new(0));
        let ends = ended.clone();
        let pipeline = Pipeline::from_stream("count", stream::iter(0..8u64))
            .stage(Stage::new("fetch").width(8), move |n| {
                let ends = ends.clone();
                async move {
                    time::sleep(MS * 10 * (n as u32 + 1)).await;
                    ends.fetch_add(1, SeqCst);
                    Ok::<_, Infallible>(n)
                }
            })
            .sink(Stage::new("save").buffer(1), async |_| {
                time::sleep(MS * 1000).await;
                Ok(())
            });
        let look = async {
            time::sleep(MS * 500).await;
            assert_eq!(ended.load(SeqCst), 8);
        };
        futures::future::join(pipeline.run(), look).await.0.unwrap();
    });
}

#[test]
fn nothing_takes_zero() {
    let refused = |f: fn() -> Stage<()>| {
        let payload = catch_unwind(f).unwrap_err();
        payload.downcast_ref::<String>().unwrap().clone()
    };
    for (text, stage) in [
        (refused(|| Stage::new("x").width(0)), "width of 0"),
        (refused(|| Stage::new("x").buffer(0)), "buffer of 0"),
        (
            refused(|| Stage::new("x").on_error(regatta::pipeline::OnError::Collect(0))),
            "Collect(0)",
        ),
    ] {
        assert!(
            text.contains("stage \"x\"") && text.contains(stage),
            "{text}"
        );
        assert!(text.contains("use at least 1"), "{text}");
    }
}

#[test]
fn a_pipeline_that_is_not_run_does_nothing() {
    testing::run(async || {
        let touched = Arc::new(AtomicI64::new(0));
        let touches = touched.clone();
        let source = stream::iter(0..3u32).inspect(move |_| {
            touches.fetch_add(1, SeqCst);
        });
        let pipeline =
            Pipeline::from_stream("count", source).sink("save", async |_| Ok::<_, Infallible>(()));
        Runtime::current().sleep(MS).await;
        drop(pipeline);
        assert_eq!((touched.load(SeqCst), Arc::strong_count(&touched)), (0, 1));
    });
}
