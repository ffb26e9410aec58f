//! P12: async generators. Borrowed captures, early stop, errors, odd uses.

use super::{Living, MS};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use regatta::stream::{StreamOps, generate, try_generate};
use regatta::{Runtime, testing, time};
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

async fn the_code_never_runs_ahead() {
    let reached = Arc::new(AtomicUsize::new(0));
    let seen = reached.clone();
    let mut numbers = pin!(generate(async move |y| {
        for n in 1..=3 {
            seen.store(n, Ordering::SeqCst);
            y.put(n).await;
            time::sleep(MS).await;
        }
    }));
    assert_eq!(reached.load(Ordering::SeqCst), 0);
    for n in 1..=3 {
        assert_eq!(numbers.next().await, Some(n));
        assert_eq!(reached.load(Ordering::SeqCst), n);
    }
    assert_eq!(numbers.next().await, None);
    assert_eq!(numbers.next().await, None);
}

async fn captures_and_items_may_be_borrowed() {
    let words = vec![String::from("to"), String::from("be")];
    let lengths = AtomicUsize::new(0);
    {
        let mut each = pin!(generate(async |y| {
            for word in &words {
                y.put(word.as_str()).await;
                lengths.fetch_add(word.len(), Ordering::SeqCst);
            }
        }));
        assert_eq!(each.next().await, Some("to"));
        assert_eq!(each.next().await, Some("be"));
        assert_eq!(each.next().await, None);
    }
    assert_eq!((lengths.into_inner(), words.len()), (4, 2));
}

async fn stopping_early_runs_the_destructors() {
    let living = Arc::new(AtomicUsize::new(0));
    let count = living.clone();
    let mut pages = Box::pin(generate(async move |y| {
        let _connection = Living::new(&count);
        for page in 0.. {
            y.put(page).await;
        }
    }));
    assert_eq!(pages.next().await, Some(0));
    assert_eq!(living.load(Ordering::SeqCst), 1);
    drop(pages);
    assert_eq!(living.load(Ordering::SeqCst), 0);
}

async fn an_error_is_the_last_item() {
    let parsed: Vec<Result<u32, std::num::ParseIntError>> = try_generate(async |y| {
        for text in ["1", "2", "x", "4"] {
            y.put(text.parse()?).await;
        }
        Ok(())
    })
    .collect()
    .await;
    assert_eq!(parsed.len(), 3);
    assert!(parsed[2].is_err());
}

async fn a_generator_inside_a_generator() {
    let mut outer = pin!(generate(async |y| {
        for i in 0..3 {
            let mut inner = pin!(generate(async |z| {
                for j in 0..2 {
                    z.put(i * 10 + j).await;
                }
                // Into the stream around, from inside this one.
                y.put(100 + i).await;
            }));
            while let Some(n) = inner.next().await {
                y.put(n).await;
            }
        }
    }));
    let mut all = vec![];
    while let Some(n) = outer.next().await {
        all.push(n);
    }
    assert_eq!(all, [0, 1, 100, 10, 11, 101, 20, 21, 102]);
}

/// `FuturesUnordered` polls only those who were woken.
async fn many_puts_at_once_all_arrive() {
    let many = generate(async |y| {
        let mut puts: FuturesUnordered<_> = (0..100).map(|n| y.put(n)).collect();
        while puts.next().await.is_some() {}
    });
    let mut all: Vec<_> = many.collect().await;
    all.sort_unstable();
    assert_eq!(all, (0..100).collect::<Vec<_>>());
}

async fn what_another_task_puts_wakes_the_stream() {
    let mut numbers = pin!(generate(async |y| {
        let y = Arc::new(y);
        let other = y.clone();
        let task = Runtime::current().try_spawn(async move {
            for n in 0..50 {
                time::sleep(MS / 10).await;
                other.put(n).await;
            }
        });
        task.unwrap().await.unwrap();
        y.put(50).await;
    }));
    for n in 0..=50 {
        assert_eq!(numbers.next().await, Some(n));
    }
    assert_eq!(numbers.next().await, None);
}

async fn a_put_that_lost_a_race_is_still_given() {
    let mut one = pin!(generate(async |y| {
        futures_lite::future::or(y.put(1), async {}).await;
    }));
    assert_eq!(one.next().await, Some(1));
    assert_eq!(one.next().await, None);
}

async fn a_panic_leaves_other_generators_alone() {
    let mut outer = pin!(generate(async |y| {
        let bad = async {
            let mut bad = pin!(generate(async |z| {
                z.put(1).await;
                panic!("inner");
            }));
            while bad.next().await.is_some() {}
        };
        let ended = futures::FutureExt::catch_unwind(std::panic::AssertUnwindSafe(bad)).await;
        y.put(ended.is_err()).await;
    }));
    assert_eq!(outer.next().await, Some(true));
    assert_eq!(outer.next().await, None);
}

async fn a_generator_moves_between_tasks() {
    let mut numbers = Box::pin(generate(async |y| {
        for n in 0..20u32 {
            futures_lite::future::yield_now().await;
            y.put(n).await;
        }
    }));
    for n in 0..20 {
        let task = Runtime::current().try_spawn(async move {
            let next = numbers.next().await;
            (next, numbers)
        });
        let (next, back) = task.unwrap().await.unwrap();
        assert_eq!(next, Some(n));
        numbers = back;
    }
}

async fn deadlines_around_the_consumer_reach_the_code() {
    let mut numbers = pin!(generate(async |y| {
        y.put(regatta::cancel::deadline().is_some()).await;
    }));
    let first = time::timeout(MS * 1000, numbers.next()).await.unwrap();
    assert_eq!(first, Some(true));
}

/// P12, as in the guides: pages of an API, with the requests running ahead of the reader.
async fn pages_are_fetched_while_entries_are_worked_on() {
    let pages = generate(async |y| {
        for page in 0..10u32 {
            time::sleep(MS * 10).await;
            y.put(page).await;
        }
    });
    let mut pages = pages.then_stage(1);
    while pages.next().await.is_some() {
        time::sleep(MS * 10).await;
    }
    assert_eq!(testing::now(), MS * 110);
}

/// As the README says it.
async fn items_are_taken_without_pinning_and_without_another_crate() {
    mod alone {
        use regatta::stream::{generate, try_generate};

        pub(super) async fn sums() -> (u32, u32) {
            let mut s = generate(async |y| {
                for n in 1..=4 {
                    y.put(n).await;
                }
            });
            let mut sum = 0;
            while let Some(x) = s.next().await {
                sum += x;
            }
            let mut s = try_generate(async |y| {
                y.put(1).await;
                Err(2)
            });
            let mut ends = 0;
            while let Some(x) = s.next().await {
                ends += x.unwrap_or_else(|error| error * 10);
            }
            (sum, ends)
        }
    }
    assert_eq!(alone::sums().await, (10, 21));
}

/// Counts the polls of a future.
struct Polls<F>(Pin<Box<F>>, Arc<AtomicUsize>);

impl<F: Future> Future for Polls<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.1.fetch_add(1, Ordering::SeqCst);
        self.0.as_mut().poll(cx)
    }
}

async fn who_puts_from_another_task_sleeps_until_the_item_is_taken() {
    let polls = Arc::new(AtomicUsize::new(0));
    let counted = polls.clone();
    let mut numbers = generate(async move |y| {
        let other = async move {
            for n in 0..4 {
                y.put(n).await;
            }
        };
        let task = Runtime::current().try_spawn(Polls(Box::pin(other), counted));
        task.unwrap().await.unwrap();
    });
    for n in 0..4 {
        time::sleep(MS * 5).await;
        assert_eq!(numbers.next().await, Some(n));
    }
    assert_eq!(numbers.next().await, None);
    let polls = polls.load(Ordering::SeqCst);
    assert!((2..=9).contains(&polls), "{polls}");
}

/// Gives the yielder of a stream that has begun away.
async fn given_away<Fut>(
    end: impl Future<Output = ()>,
    f: impl FnOnce(regatta::stream::Yielder<Living>) -> Fut + Send + 'static,
) -> Fut::Output
where
    Fut: Future<Output: Send> + Send + 'static,
{
    let (give, given) = async_channel::bounded(1);
    let mut items = generate(async move |y| {
        let task = Runtime::current().try_spawn(f(y)).unwrap();
        give.send(task).await.unwrap();
        end.await;
    });
    // It takes one, if there is one.
    drop(
        futures_lite::future::or(items.next(), async {
            time::sleep(MS * 5).await;
            None
        })
        .await,
    );
    drop(items);
    let task = given.recv().await.unwrap();
    match task.await {
        Ok(output) => output,
        Err(panicked) => std::panic::resume_unwind(panicked.into_panic().unwrap()),
    }
}

async fn an_item_that_nobody_takes_comes_back() {
    for ended in [true, false] {
        let living = Arc::new(AtomicUsize::new(0));
        let count = living.clone();
        let end = async move {
            if !ended {
                std::future::pending::<()>().await;
            }
        };
        let taken = given_away(end, |y| async move {
            let mut taken = 0;
            loop {
                match y.offer(Living::new(&count)).await {
                    Ok(()) => taken += 1,
                    Err(refused) => {
                        assert!(y.is_closed());
                        assert!(refused.to_string().contains("no more items"));
                        drop(refused.0);
                        break taken;
                    }
                }
            }
        })
        .await;
        assert!(taken <= 1, "{taken}");
        assert_eq!(living.load(Ordering::SeqCst), 0);
    }
}

async fn a_put_that_nobody_takes_says_so() {
    let living = Arc::new(AtomicUsize::new(0));
    let count = living.clone();
    let puts = given_away(std::future::pending(), |y| async move {
        loop {
            y.put(Living::new(&count)).await;
        }
    });
    let ended: Result<(), _> =
        futures::FutureExt::catch_unwind(std::panic::AssertUnwindSafe(puts)).await;
    let payload = ended.unwrap_err();
    let text = payload.downcast_ref::<&str>().unwrap();
    assert!(text.contains("Yielder::offer"), "{text}");
    assert_eq!(living.load(Ordering::SeqCst), 0);
}

async fn a_put_from_another_task_that_is_dropped_did_not_happen() {
    let mut numbers = generate(async move |y| {
        let other = async move {
            let _polled = futures_lite::future::poll_once(y.put(1)).await;
            y.put(2).await;
        };
        Runtime::current().try_spawn(other).unwrap().await.unwrap();
    });
    // The first put may be taken in the moment that it has.
    let mut all = vec![];
    while let Some(n) = numbers.next().await {
        all.push(n);
    }
    assert!(all == [2] || all == [1, 2], "{all:?}");
}

regatta::matrix! {
    items_are_taken_without_pinning_and_without_another_crate;
    who_puts_from_another_task_sleeps_until_the_item_is_taken;
    an_item_that_nobody_takes_comes_back;
    a_put_that_nobody_takes_says_so;
    a_put_from_another_task_that_is_dropped_did_not_happen;
    the_code_never_runs_ahead;
    captures_and_items_may_be_borrowed;
    stopping_early_runs_the_destructors;
    an_error_is_the_last_item;
    a_generator_inside_a_generator;
    many_puts_at_once_all_arrive;
    what_another_task_puts_wakes_the_stream;
    a_put_that_lost_a_race_is_still_given;
    a_panic_leaves_other_generators_alone;
    a_generator_moves_between_tasks;
    deadlines_around_the_consumer_reach_the_code;
    pages_are_fetched_while_entries_are_worked_on [sim];
}
