//! What the guides do with pipelines, and order and completeness against the plain loop.

use super::MS;
use fastrand::Rng;
use futures::stream;
use regatta::pipeline::{OnError, Pipeline, Stage};
use regatta::stream::{StreamOps, generate};
use regatta::{Runtime, testing, time};
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

type Saved<T> = Arc<Mutex<Vec<T>>>;

fn save<T: Send + 'static, E>(
    saved: &Saved<T>,
) -> impl FnMut(T) -> std::future::Ready<Result<(), E>> + Send + 'static + use<T, E> {
    let saved = saved.clone();
    move |item| {
        saved.lock().unwrap().push(item);
        std::future::ready(Ok(()))
    }
}

/// P10: fetch, process, save; some pages are broken.
async fn fetch_process_save_reports_what_failed() {
    let saved = Saved::default();
    let pipeline = Pipeline::from_stream("urls", stream::iter(0..50u32))
        .stage(
            Stage::new("fetch").width(5).on_error(OnError::Collect(100)),
            async |n| {
                time::sleep(MS / 4).await;
                if n % 10 == 3 {
                    Err(format!("{n}: 404"))
                } else {
                    Ok(n)
                }
            },
        )
        .stage("process", async |n| Ok(n * 2))
        .sink("save", save(&saved));
    let report = pipeline.run().await.unwrap();
    let expected: Vec<u32> = (0..50).filter(|n| n % 10 != 3).map(|n| n * 2).collect();
    assert_eq!(*saved.lock().unwrap(), expected);
    let failed: Vec<_> = report
        .errors
        .iter()
        .map(|e| (&*e.stage, &*e.error))
        .collect();
    assert_eq!(failed.len(), 5);
    assert!(failed.contains(&("fetch", "33: 404")), "{failed:?}");
    let figures: Vec<_> = report
        .stats
        .stages
        .iter()
        .map(|s| (s.taken, s.given, s.errors))
        .collect();
    assert_eq!(
        figures,
        [(50, 50, 0), (50, 45, 5), (45, 45, 0), (45, 45, 0)]
    );
}

/// P09: total = max of the stages, not the sum.
async fn the_whole_takes_as_long_as_the_slowest_stage() {
    let source = generate(async |y| {
        for n in 0..100u32 {
            time::sleep(MS * 10).await;
            y.put(n).await;
        }
    });
    let wait = async |n: u32| {
        time::sleep(MS * 10).await;
        Ok::<_, Infallible>(n)
    };
    let pipeline = Pipeline::from_stream("read", source)
        .stage("parse", wait)
        .stage("look up", wait)
        .sink("save", async |_| {
            time::sleep(MS * 10).await;
            Ok(())
        });
    pipeline.run().await.unwrap();
    assert_eq!(testing::now(), MS * (1000 + 30));
}

/// P35: chunks of sound every 20 ms through a buffer of 50; the latency stays bounded by what the stages hold.
async fn sound_keeps_up_with_the_clock() {
    let chunks = generate(async |y| {
        for n in 0..500u32 {
            y.put((n, testing::now())).await;
            time::sleep(MS * 20).await;
        }
    });
    let worst = Arc::new(Mutex::new(Duration::ZERO));
    let latency = worst.clone();
    let pipeline = Pipeline::from_stream("microphone", chunks)
        .stage(
            Stage::new("recognise").width(2).buffer(50),
            async |chunk: (u32, _)| {
                time::sleep(MS * 35).await;
                Ok::<_, Infallible>(chunk)
            },
        )
        .sink("show", move |(_, since)| {
            let mut worst = latency.lock().unwrap();
            *worst = (*worst).max(testing::now() - since);
            async { Ok(()) }
        });
    let report = pipeline.run().await.unwrap();
    assert_eq!(*worst.lock().unwrap(), MS * 35);
    assert!(report.stats.stages[1].high_water <= 1);
}

#[test]
fn for_random_widths_buffers_delays_and_errors_it_does_what_a_loop_does() {
    for seed in 0..150 {
        testing::run_with(testing::Config::new(seed), async || {
            let mut random = Rng::with_seed(seed);
            let items: Vec<u32> = (0..random.usize(0..60))
                .map(|_| random.u32(0..50))
                .collect();
            let size = random.usize(1..10);
            let mut stage = |name: &str, ordered: bool| {
                let stage = Stage::new(name)
                    .width(random.usize(1..6))
                    .buffer(random.usize(1..6))
                    .on_error(OnError::Collect(1000));
                if ordered { stage } else { stage.unordered() }
            };
            let (read, parse) = (stage("read", true), stage("parse", seed % 2 == 0));
            let sink = stage("save", true);
            let mut delays = random.fork();
            let saved = Saved::default();
            let saves = saved.clone();
            let report = Pipeline::from_stream("items", stream::iter(items.clone()))
                .stage(read, move |n| {
                    let delay = MS * delays.u32(0..4);
                    async move {
                        time::sleep(delay).await;
                        if n % 7 == 0 { Err(n) } else { Ok(n) }
                    }
                })
                .stage(parse, async |n| {
                    testing::yield_now().await;
                    if n % 5 == 0 { Err(n) } else { Ok(n * 10) }
                })
                .through("batch", move |numbers| numbers.batch(size))
                .sink(sink, save(&saves))
                .run()
                .await
                .unwrap();
            let (bad, good): (Vec<u32>, Vec<u32>) =
                items.iter().partition(|n| *n % 7 == 0 || *n % 5 == 0);
            let batches = saved.lock().unwrap().clone();
            assert!(batches.iter().rev().skip(1).all(|b| b.len() == size));
            let (mut flat, mut good) = (batches.concat(), good);
            good.iter_mut().for_each(|n| *n *= 10);
            let (mut errors, mut bad): (Vec<u32>, _) =
                (report.errors.into_iter().map(|e| e.error).collect(), bad);
            if seed % 2 == 1 {
                flat.sort_unstable();
                good.sort_unstable();
            }
            assert_eq!(flat, good);
            errors.sort_unstable();
            bad.sort_unstable();
            assert_eq!(errors, bad);
        })
        .unwrap();
    }
}

#[test]
fn without_a_runtime_to_spawn_on_stages_take_turns() {
    let saved = Saved::default();
    let pipeline = Pipeline::from_stream("count", stream::iter(0..100u32))
        .stage(Stage::new("double").width(4), async |n| {
            Ok::<_, Infallible>(n * 2)
        })
        .sink("save", save(&saved));
    let run = Runtime::neutral().within(pipeline.run());
    assert!(futures::executor::block_on(run).is_ok());
    assert_eq!(saved.lock().unwrap().len(), 100);
}

/// Calls that compute go to the pool of processors from a stage.
async fn computing_goes_to_the_pool() {
    let pool = regatta::blocking::CpuPool::with_workers(2);
    let saved = Saved::default();
    let squares = Pipeline::from_stream("count", stream::iter(0..20u64))
        .stage(Stage::new("square").width(4), move |n| {
            let pool = pool.clone();
            async move { pool.run(move || n * n).await }
        })
        .sink("save", save(&saved));
    squares.run().await.unwrap();
    assert_eq!(saved.lock().unwrap().iter().sum::<u64>(), 2470);
}

regatta::matrix! {
    fetch_process_save_reports_what_failed;
    the_whole_takes_as_long_as_the_slowest_stage [sim];
    sound_keeps_up_with_the_clock [sim];
    computing_goes_to_the_pool [tokio_current, tokio_multi, smol];
}
