//! Statistics: numbers, times, and who holds up whom.

use super::MS;
use futures::stream;
use regatta::pipeline::{Pipeline, Stage, Stats};
use regatta::stream::generate;
use regatta::{testing, time};
use std::convert::Infallible;
use std::time::Duration;

/// A source, a stage and a sink that take so long per item; the stage has this width.
async fn run(read: Duration, work: Duration, width: usize, save: Duration) -> Stats {
    let source = generate(async move |y| {
        for n in 0..100u32 {
            time::sleep(read).await;
            y.put(n).await;
        }
    });
    let pipeline = Pipeline::from_stream("read", source)
        .stage(Stage::new("work").width(width), move |n| async move {
            time::sleep(work).await;
            Ok::<_, Infallible>(n)
        })
        .sink("save", move |_| async move {
            time::sleep(save).await;
            Ok(())
        });
    pipeline.run().await.unwrap().stats
}

#[test]
fn the_busiest_stage_is_the_bottleneck() {
    testing::run(async || {
        for (read, work, width, save, slowest) in [
            (10, 1, 1, 1, "read"),
            (1, 10, 1, 1, "work"),
            (1, 1, 1, 10, "save"),
            // Ten at once: two milliseconds an item.
            (1, 20, 10, 5, "save"),
        ] {
            let stats = run(MS * read, MS * work, width, MS * save).await;
            let bottleneck = stats.bottleneck().unwrap();
            assert_eq!(&*bottleneck.name, slowest, "{stats}");
            assert!(bottleneck.busy > 0.9, "{stats}");
        }
    });
}

#[test]
fn times_are_those_of_the_items() {
    testing::run(async || {
        let stats = run(MS, MS * 20, 4, MS * 3).await;
        let work = stats.stage("work").unwrap();
        assert!(work.p50 >= MS * 20 && work.p99 <= MS * 23, "{stats}");
        let save = stats.stage("save").unwrap();
        assert!(save.p50 >= MS * 3 && save.p50 <= MS * 4, "{stats}");
        // It waits in its buffer when it can, and the source is held up.
        assert_eq!(work.high_water, 16);
        assert!(
            stats.elapsed >= MS * 500 && stats.elapsed <= MS * 530,
            "{stats}"
        );
    });
}

#[test]
fn the_table_has_a_line_for_each_stage() {
    testing::run(async || {
        let stats = run(MS, MS, 1, MS * 2).await;
        let text = stats.to_string();
        assert_eq!(text.lines().count(), 4, "{text}");
        assert!(
            text.lines().nth(3).unwrap().ends_with("bottleneck"),
            "{text}"
        );
    });
}

#[test]
fn figures_stay_after_the_end_and_are_zero_before_the_start() {
    testing::run(async || {
        let pipeline = Pipeline::from_stream("count", stream::iter(0..3u32))
            .sink("save", async |_| Ok::<_, Infallible>(()));
        let watch = pipeline.watch();
        let before = watch.stats();
        assert_eq!(
            (before.elapsed, before.stages[1].given),
            (Duration::ZERO, 0)
        );
        assert!(before.bottleneck().is_none());
        pipeline.run().await.unwrap();
        let after = watch.stats();
        time::sleep(MS * 100).await;
        assert_eq!(watch.stats(), after);
        assert_eq!(after.stages[1].given, 3);
    });
}
