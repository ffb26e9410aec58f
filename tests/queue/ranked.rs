//! Priorities, and what code of the user may do while the queue compares.

use regatta::queue::{Overflow, PutError, Queue, TryPutError};
use std::cmp::Ordering;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

async fn equals_come_in_the_order_in_which_they_were_put() {
    let queue = Queue::builder(200)
        .by_key(|(rank, _): &(u8, u32)| *rank)
        .build();
    for n in 0..200u32 {
        queue.put(((n * 7 % 3) as u8, n)).await.unwrap();
    }
    queue.close();
    let mut got = Vec::new();
    queue.take_many(200, &mut got).await;
    assert!(got.is_sorted(), "{got:?}");
}

async fn a_priority_that_is_nan_is_refused_with_its_item() {
    let queue = Queue::builder(4).by_number(|n: &f64| *n).build();
    for n in [2.5, f64::INFINITY, -1.0, 0.0] {
        queue.put(n).await.unwrap();
    }
    let error = queue.put(f64::NAN).await.unwrap_err();
    assert!(error.to_string().contains("NaN") && error.to_string().contains("number"));
    assert!(matches!(error, PutError::NotANumber(n) if n.is_nan()));
    let error = queue.try_put(f64::NAN).unwrap_err();
    assert!(matches!(error, TryPutError::NotANumber(n) if n.is_nan()));
    assert_eq!(queue.take().await, Some(-1.0));
    let slot = queue.reserve().await.unwrap();
    assert!(slot.put(f64::NAN).is_err());
    assert!(queue.try_put(1.0).is_ok(), "the slot gave its room back");
}

/// Compares unless it is told to misbehave.
#[derive(Debug, PartialEq, Eq)]
struct Moody(i32);
impl PartialOrd for Moody {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Moody {
    fn cmp(&self, other: &Self) -> Ordering {
        if self.0.max(other.0) == 99 {
            resume_unwind(Box::new("moody"));
        }
        self.0.cmp(&other.0)
    }
}

async fn a_comparison_that_panics_loses_nothing() {
    let queue = Queue::priority(9);
    for n in [5, 3, 4] {
        queue.put(Moody(n)).await.unwrap();
    }
    assert!(catch_unwind(AssertUnwindSafe(|| queue.try_put(Moody(99)))).is_err());
    assert_eq!((queue.len(), queue.stats().open), (3, 3));
    let mut got = Vec::new();
    queue.close();
    queue.take_many(9, &mut got).await;
    assert_eq!(got, [Moody(3), Moody(4), Moody(5)]);
    queue.join().await;
}

async fn an_item_comes_back_although_its_comparison_panics() {
    let queue = Queue::priority(9);
    queue.put(Moody(99)).await.unwrap();
    let item = queue.get().await.unwrap();
    queue.put(Moody(1)).await.unwrap();
    item.requeue();
    let mut left = queue.close_now();
    left.sort_by_key(|m| m.0);
    assert_eq!(left, [Moody(1), Moody(99)]);
}

/// Instead of a deadlock.
async fn a_comparison_that_uses_the_queue_is_told_so() {
    let handle = std::sync::Arc::new(std::sync::OnceLock::<Queue<u32>>::new());
    let seen = handle.clone();
    let queue = Queue::builder(9)
        .by_key(move |n: &u32| (seen.get().map(Queue::len), *n))
        .build();
    handle.set(queue.clone()).unwrap();
    queue.try_put(1).unwrap();
    let hook = catch_unwind(AssertUnwindSafe(|| queue.try_put(2))).unwrap_err();
    let text = hook.downcast_ref::<&str>().unwrap();
    assert!(text.contains("inside the comparison"), "{text}");
    assert_eq!(queue.close_now(), [1]);
}

#[test]
#[should_panic(
    expected = "a queue of capacity 0 holds no items that could be ordered: use at least 1"
)]
fn an_order_of_nothing_is_refused() {
    drop(Queue::<u8>::priority(0));
}

#[test]
#[should_panic(expected = "a limit of 0 would get nothing, which means the end")]
fn a_batch_of_zero_is_refused() {
    drop(Queue::<u8>::bounded(1).take_many(0, &mut Vec::new()));
}

#[test]
#[should_panic(expected = "use Overflow::Reject or Overflow::DropNewest")]
fn a_ranked_queue_knows_no_oldest() {
    let builder = Queue::<u8>::builder(1).smallest_first();
    drop(builder.overflow(Overflow::DropOldest).build());
}

regatta::matrix! {
    equals_come_in_the_order_in_which_they_were_put;
    a_priority_that_is_nan_is_refused_with_its_item;
    a_comparison_that_panics_loses_nothing;
    an_item_comes_back_although_its_comparison_panics;
    a_comparison_that_uses_the_queue_is_told_so;
}
