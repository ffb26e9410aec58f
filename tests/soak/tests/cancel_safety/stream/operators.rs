//! The reader is dropped, the stream stays.

use futures::stream::LocalBoxStream;
use futures::{Stream, StreamExt, stream};
use regatta::stream::{StreamOps, generate, try_generate};
use regatta::testing::{cancel_safety_drops, yield_now};
use regatta::time;
use regatta_soak::{DROPS, MS, passed};
use std::cell::RefCell;
use std::fmt::Debug;
use std::rc::Rc;

/// What is read from, and what was read.
struct Reading<T> {
    stream: LocalBoxStream<'static, T>,
    seen: Vec<T>,
}

/// Reads all, dropped anywhere; then reads the rest.
#[track_caller]
fn loses_nothing<T, S>(make: impl Fn() -> S, expected: &[T])
where
    T: Clone + PartialEq + Debug + 'static,
    S: Stream<Item = T> + 'static,
{
    #[expect(
        clippy::await_holding_refcell_ref,
        reason = "nobody else is there while it is held"
    )]
    async fn read<T>(reading: Rc<RefCell<Reading<T>>>) {
        let mut reading = reading.borrow_mut();
        while let Some(item) = reading.stream.next().await {
            reading.seen.push(item);
        }
    }
    let setup = async || {
        Rc::new(RefCell::new(Reading {
            stream: make().boxed_local(),
            seen: vec![],
        }))
    };
    let verify = |reading: Rc<RefCell<Reading<T>>>, _| async move {
        read(reading.clone()).await;
        match &reading.borrow().seen {
            seen if seen == expected => Ok(()),
            seen => Err(format!("{seen:?} instead of {expected:?}")),
        }
    };
    passed(&cancel_safety_drops(DROPS, setup, read, verify));
}

/// 0, 1, 2: after a wait, after a longer one, at once.
fn three() -> impl Stream<Item = u32> + Send + 'static {
    generate(async |y| {
        yield_now().await;
        y.put(0).await;
        time::sleep(MS).await;
        y.put(1).await;
        y.put(2).await;
    })
}

async fn slowly(n: u32) -> u32 {
    match n {
        0 => time::sleep(MS * 2).await,
        1 => yield_now().await,
        _ => {}
    }
    n
}

#[test]
fn generate_loses_nothing() {
    loses_nothing(three, &[0, 1, 2]);
}

#[test]
fn try_generate_loses_nothing() {
    let failing = || {
        try_generate(async |y| {
            y.put(0).await;
            yield_now().await;
            y.put(1).await;
            Err("torn")
        })
    };
    loses_nothing(failing, &[Ok(0), Ok(1), Err("torn")]);
}

#[test]
fn map_concurrent_loses_nothing() {
    loses_nothing(|| three().map_concurrent(2, slowly), &[0, 1, 2]);
}

#[test]
fn map_concurrent_unordered_loses_nothing() {
    let sorted = || {
        let mapped = three().map_concurrent(3, slowly).unordered();
        let all = async move {
            let mut all: Vec<u32> = mapped.collect().await;
            all.sort_unstable();
            all
        };
        stream::once(all)
    };
    loses_nothing(sorted, &[vec![0, 1, 2]]);
    loses_nothing(|| three().map_concurrent(1, slowly).unordered(), &[0, 1, 2]);
}

#[test]
fn then_stage_loses_nothing() {
    loses_nothing(|| three().then_stage(1), &[0, 1, 2]);
}

#[test]
fn batch_loses_nothing() {
    loses_nothing(|| three().batch(2), &[vec![0, 1], vec![2]]);
}

#[test]
fn batch_within_loses_nothing() {
    let flat = || three().batch_within(2, MS / 2).flat_map(stream::iter);
    loses_nothing(flat, &[0, 1, 2]);
}

#[test]
fn batch_weighted_loses_nothing() {
    let weighed = || three().batch_weighted(2, |n| *n as usize);
    loses_nothing(weighed, &[vec![0, 1], vec![2]]);
}

#[test]
fn throttle_loses_nothing() {
    loses_nothing(|| three().throttle(MS * 2), &[0, 1, 2]);
}

#[test]
fn debounce_keeps_the_last() {
    let last = || three().debounce(MS * 3);
    loses_nothing(last, &[2]);
}

#[test]
fn timeout_each_loses_nothing() {
    let timed = || three().timeout_each(MS / 2).filter_map(async |n| n.ok());
    loses_nothing(timed, &[0, 1, 2]);
}

#[test]
fn merge_loses_nothing() {
    let sorted = || {
        let merged = three().merge(stream::iter([10, 11]));
        stream::once(async move {
            let mut all: Vec<u32> = merged.collect().await;
            all.sort_unstable();
            all
        })
    };
    loses_nothing(sorted, &[vec![0, 1, 2, 10, 11]]);
    loses_nothing(|| three().merge(stream::empty()), &[0, 1, 2]);
}

#[test]
fn zip_latest_loses_nothing() {
    let pairs = || three().zip_latest(stream::iter([7]));
    loses_nothing(pairs, &[(0, 7), (1, 7), (2, 7)]);
}

/// A rival reads too, in its own time.
#[test]
fn broadcast_loses_nothing() {
    let shared = || {
        let shared = three().broadcast(1);
        let (ours, rival) = (shared.subscribe(), shared.subscribe());
        spawn_reader(rival);
        ours
    };
    loses_nothing(shared, &[0, 1, 2]);
}

#[test]
fn partition_loses_nothing() {
    let even = || {
        let (even, odd) = three().partition(1, |n| n % 2 == 0);
        spawn_reader(odd);
        even
    };
    loses_nothing(even, &[0, 2]);
}

fn spawn_reader<T: Send>(stream: impl Stream<Item = T> + Send + Unpin + 'static) {
    let mut stream = stream;
    let read = async move {
        while stream.next().await.is_some() {
            yield_now().await;
        }
    };
    drop(regatta::Runtime::current().try_spawn(read).unwrap());
}

#[test]
fn error_policies_lose_nothing() {
    let odd = |n: u32| if n == 1 { Err(n) } else { Ok(n) };
    loses_nothing(move || three().map(odd).stop_on_error(), &[Ok(0), Err(1)]);
    loses_nothing(move || three().map(odd).skip_errors(drop), &[0, 2]);
    loses_nothing(move || three().map(odd).collect_errors(1), &[0, 2]);
}

#[test]
fn progress_loses_nothing() {
    loses_nothing(|| three().progress(drop), &[0, 1, 2]);
}
