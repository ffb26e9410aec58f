//! Every operator against the plain iterator, for random sizes, widths, delays and errors.

use super::MS;
use fastrand::Rng;
use futures::{Stream, StreamExt, future, stream};
use regatta::stream::{StreamOps, generate};
use regatta::{testing, time};
use std::time::Duration;

const TRIALS: u64 = 60;

/// Items, each after a delay, which is often none.
fn source(items: Vec<u32>, mut random: Rng) -> impl Stream<Item = u32> + Send + 'static {
    generate(async move |y| {
        for item in items {
            pause(&mut random).await;
            y.put(item).await;
        }
    })
}

async fn pause(random: &mut Rng) {
    match random.u32(0..4) {
        0 => time::sleep(MS * random.u32(1..20)).await,
        1 => futures_lite::future::yield_now().await,
        _ => {}
    }
}

struct Trial {
    items: Vec<u32>,
    n: usize,
    random: Rng,
}

impl Trial {
    fn new(seed: u64) -> Self {
        let mut random = Rng::with_seed(seed);
        let items = (0..random.usize(0..40))
            .map(|_| random.u32(0..100))
            .collect();
        let n = *random.choice(&[1, 2, 3, 5, 8, 64, usize::MAX]).unwrap();
        Trial { items, n, random }
    }

    fn source(&mut self) -> impl Stream<Item = u32> + Send + 'static + use<> {
        source(self.items.clone(), self.random.fork())
    }
}

/// Runs `body` in virtual time, once for each seed.
fn trials<F: Future<Output = ()>>(body: impl Fn(Trial) -> F) {
    for seed in 0..TRIALS {
        testing::run_with(testing::Config::new(seed), || body(Trial::new(seed))).unwrap();
    }
}

async fn delayed(item: u32, mut random: Rng) -> u32 {
    pause(&mut random).await;
    item * 2
}

#[test]
fn mapped_concurrently_nothing_is_lost_and_order_is_kept() {
    trials(async |mut trial| {
        let expected: Vec<u32> = trial.items.iter().map(|n| n * 2).collect();
        let mut random = trial.random.fork();
        let ordered = trial
            .source()
            .map_concurrent(trial.n, |n| delayed(n, random.fork()));
        assert_eq!(ordered.collect::<Vec<_>>().await, expected);

        let mut random = trial.random.fork();
        let unordered = trial
            .source()
            .map_concurrent(trial.n, |n| delayed(n, random.fork()))
            .unordered();
        let mut found = unordered.collect::<Vec<_>>().await;
        let mut expected = expected;
        found.sort_unstable();
        expected.sort_unstable();
        assert_eq!(found, expected);
    });
}

#[test]
fn stages_change_nothing() {
    trials(async |mut trial| {
        let staged = trial.source().then_stage(trial.n).then_stage(1);
        assert_eq!(staged.collect::<Vec<_>>().await, trial.items);
    });
}

#[test]
fn batches_are_chunks() {
    trials(async |mut trial| {
        let chunks: Vec<Vec<u32>> = trial.items.chunks(trial.n).map(<[_]>::to_vec).collect();
        let batches = trial.source().batch(trial.n).collect::<Vec<_>>().await;
        assert_eq!(batches, chunks);
        let batches = trial.source().batch_within(trial.n, MS * 7);
        let batches = batches.collect::<Vec<_>>().await;
        assert!(batches.iter().all(|b| !b.is_empty() && b.len() <= trial.n));
        assert_eq!(batches.concat(), trial.items);
    });
}

#[test]
fn weighted_batches_stay_below_their_weight() {
    trials(async |mut trial| {
        let most = trial.random.usize(1..300);
        let batches = trial.source().batch_weighted(most, |n| *n as usize);
        let batches = batches.collect::<Vec<_>>().await;
        let weight = |batch: &[u32]| batch.iter().sum::<u32>() as usize;
        assert!(batches.iter().all(|b| b.len() == 1 || weight(b) <= most));
        // None could have taken the first of the next, unless it was full.
        for pair in batches.windows(2) {
            assert!(weight(&pair[0]) >= most || weight(&pair[0]) + pair[1][0] as usize > most);
        }
        assert_eq!(batches.concat(), trial.items);
    });
}

#[test]
fn merged_streams_keep_the_order_of_each() {
    trials(async |mut trial| {
        let left = trial.source().map(|n| (0, n));
        let right = trial.source().map(|n| (1, n));
        let merged = left.merge(right).collect::<Vec<_>>().await;
        for side in 0..2 {
            let of: Vec<u32> = merged.iter().filter(|m| m.0 == side).map(|m| m.1).collect();
            assert_eq!(of, trial.items);
        }
    });
}

#[test]
fn the_latest_pairs_end_with_the_last_of_both() {
    trials(async |mut trial| {
        let pairs = trial.source().zip_latest(trial.source());
        let pairs = pairs.collect::<Vec<_>>().await;
        let last = trial.items.last().copied();
        assert_eq!(pairs.last().copied(), last.map(|last| (last, last)));
        let most = (2 * trial.items.len()).saturating_sub(1);
        assert!(pairs.len() <= most && pairs.len() >= trial.items.len());
    });
}

#[test]
fn every_subscriber_gets_everything() {
    trials(async |mut trial| {
        let shared = trial.source().broadcast(trial.n);
        let readers = (0..3).map(|_| {
            let (reader, mut random) = (shared.subscribe(), trial.random.fork());
            async move {
                let mut reader = reader;
                let mut all = vec![];
                while let Some(item) = reader.next().await {
                    all.push(item);
                    pause(&mut random).await;
                }
                all
            }
        });
        let readers: Vec<_> = readers.collect();
        for all in future::join_all(readers).await {
            assert_eq!(all, trial.items);
        }
        assert_eq!((shared.queued(), shared.subscribers()), (0, 0));
    });
}

#[test]
fn each_side_gets_its_items_in_order() {
    trials(async |mut trial| {
        let even = |n: &u32| n.is_multiple_of(2);
        let (left, right) = trial.source().partition(trial.n, even);
        let both = future::join(left.collect::<Vec<_>>(), right.collect::<Vec<_>>()).await;
        assert_eq!(
            both,
            trial.items.iter().partition::<Vec<u32>, _>(|n| even(n))
        );
    });
}

#[test]
fn errors_and_values_are_all_accounted_for() {
    trials(async |mut trial| {
        let check = |n: u32| if n.is_multiple_of(3) { Err(n) } else { Ok(n) };
        let (good, bad): (Vec<u32>, Vec<u32>) = trial.items.iter().partition(|n| *n % 3 != 0);
        let mut skipped = vec![];
        let kept = trial.source().map(check).skip_errors(|e| skipped.push(e));
        assert_eq!(kept.collect::<Vec<_>>().await, good);
        assert_eq!(skipped, bad);

        let mut kept = std::pin::pin!(trial.source().map(check).collect_errors(3));
        let mut found = vec![];
        while let Some(n) = kept.next().await {
            found.push(n);
        }
        assert_eq!(found, good);
        assert_eq!(kept.errors(), &bad[..bad.len().min(3)]);
        assert_eq!(kept.missed(), bad.len().saturating_sub(3) as u64);

        let stopped = trial.source().map(check).stop_on_error();
        let stopped = stopped.collect::<Vec<_>>().await;
        let until_error = trial.items.iter().position(|n| n % 3 == 0);
        let length = until_error.map_or(trial.items.len(), |at| at + 1);
        let expected: Vec<_> = trial.items[..length].iter().map(|n| check(*n)).collect();
        assert_eq!(stopped, expected);
    });
}

#[test]
fn throttled_items_keep_their_distance() {
    trials(async |mut trial| {
        let mut slow = std::pin::pin!(trial.source().throttle(MS * 5));
        let (mut found, mut last) = (vec![], None);
        while let Some(n) = slow.next().await {
            let now = testing::now();
            assert!(last.is_none_or(|last: Duration| now - last >= MS * 5));
            last = Some(now);
            found.push(n);
        }
        assert_eq!(found, trial.items);
    });
}

#[test]
fn late_items_are_late_and_not_lost() {
    trials(async |mut trial| {
        let timed = trial.source().timeout_each(MS * 6);
        let all = timed.collect::<Vec<_>>().await;
        let values: Vec<u32> = all.into_iter().flatten().collect();
        assert_eq!(values, trial.items);
    });
}

#[test]
fn a_debounced_stream_gives_some_of_the_items_and_the_last() {
    trials(async |mut trial| {
        let items: Vec<u32> = (0..trial.items.len() as u32).collect();
        trial.items = items;
        let quiet = trial.source().debounce(MS * 6).collect::<Vec<_>>().await;
        assert!(quiet.is_sorted());
        assert_eq!(quiet.last(), trial.items.last());
    });
}

#[test]
fn all_of_them_together() {
    trials(async |mut trial| {
        let mut random = trial.random.fork();
        let expected: Vec<u32> = trial.items.iter().map(|n| n * 2).collect();
        let long = trial
            .source()
            .then_stage(2)
            .map_concurrent(3, move |n| delayed(n, random.fork()))
            .then_stage(1)
            .batch_within(4, MS * 3)
            .then_stage(1)
            .flat_map(stream::iter)
            .progress(|_| ());
        assert_eq!(long.collect::<Vec<_>>().await, expected);
    });
}
