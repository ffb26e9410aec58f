//! Sizes, widths and times that make no sense are refused where they are given, with the value and the fix; sizes without end allocate nothing.

use super::MS;
use futures::{StreamExt, stream};
use regatta::stream::StreamOps;
use regatta::testing;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

fn refusal<T>(call: impl FnOnce() -> T) -> String {
    let Err(payload) = catch_unwind(AssertUnwindSafe(call)) else {
        panic!("it was taken");
    };
    match payload.downcast_ref::<String>() {
        Some(text) => text.clone(),
        None => (*payload.downcast_ref::<&str>().unwrap()).to_owned(),
    }
}

#[test]
fn nothing_takes_zero() {
    let s = || stream::iter([1u32]);
    let r = || stream::iter([Ok::<u32, u32>(1)]);
    let none = Duration::ZERO;
    let texts = [
        (
            "map_concurrent(0",
            refusal(|| s().map_concurrent(0, async |n| n)),
        ),
        ("then_stage(0", refusal(|| s().then_stage(0))),
        ("batch(0", refusal(|| s().batch(0))),
        ("batch_within(0", refusal(|| s().batch_within(0, MS))),
        ("batch_within(.., 0s", refusal(|| s().batch_within(1, none))),
        ("batch_weighted(0", refusal(|| s().batch_weighted(0, |_| 1))),
        ("throttle(0s", refusal(|| s().throttle(none))),
        ("debounce(0s", refusal(|| s().debounce(none))),
        ("timeout_each(0s", refusal(|| s().timeout_each(none))),
        ("broadcast(0", refusal(|| s().broadcast(0))),
        ("partition(0", refusal(|| s().partition(0, |_| true))),
        ("collect_errors(0", refusal(|| r().collect_errors(0))),
    ];
    for (value, text) in texts {
        assert!(text.contains(value), "{text}");
        assert!(text.contains("use "), "no fix in: {text}");
    }
}

#[test]
fn sizes_without_end_are_fine() {
    const MOST: usize = usize::MAX;
    testing::run(async || {
        let s = || stream::iter(0..10u32);
        let all: Vec<u32> = s().collect().await;
        assert_eq!(
            s().batch(MOST).collect::<Vec<_>>().await,
            std::slice::from_ref(&all)
        );
        let within = s().batch_within(MOST, Duration::MAX);
        assert_eq!(within.collect::<Vec<_>>().await, std::slice::from_ref(&all));
        let heavy = s().batch_weighted(MOST, |_| MOST / 3);
        assert_eq!(
            heavy.map(|b| b.len()).collect::<Vec<_>>().await,
            [3, 3, 3, 1]
        );
        let overflowing = s().batch_weighted(7, |_| MOST);
        assert_eq!(overflowing.count().await, 10);
        assert_eq!(s().map_concurrent(MOST, async |n| n).count().await, 10);
        assert_eq!(s().then_stage(MOST).count().await, 10);
        assert_eq!(s().broadcast(MOST).subscribe().count().await, 10);
        assert_eq!(s().timeout_each(Duration::MAX).count().await, 10);
        assert_eq!(s().debounce(Duration::MAX).collect::<Vec<_>>().await, [9]);
        let empty = stream::iter(Vec::<u32>::new());
        assert_eq!(empty.batch(3).count().await, 0);
    });
}
