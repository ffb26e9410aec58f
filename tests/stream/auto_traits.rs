//! Which streams may cross threads, and be moved after a poll. Losing one of these breaks users.

use futures::stream::{self, Iter};
use regatta::stream::{
    Batch, Broadcast, Debounce, Merge, Stage, StreamOps, Subscriber, Throttle, TimeoutEach,
    ZipLatest, generate, try_generate,
};
use std::cell::Cell;
use std::convert::Infallible;
use std::vec::IntoIter;

type Plain = Iter<IntoIter<u8>>;
/// Items that may move to another thread, and not be looked at from two.
type Moving = Iter<IntoIter<Cell<u8>>>;

fn send<T: Send>() {}
fn sync<T: Sync>() {}
fn unpin<T: Unpin>() {}
fn sendable<T: Send>(_: T) {}

#[test]
fn operators_are_what_their_streams_are() {
    fn both<T: Send + Sync + Unpin + 'static>() {}
    both::<Batch<Plain>>();
    both::<Throttle<Plain>>();
    both::<Debounce<Plain>>();
    both::<TimeoutEach<Plain>>();
    both::<Merge<Plain, Plain>>();
    both::<ZipLatest<Plain, Plain>>();
    both::<Broadcast<Plain>>();
    both::<Subscriber<Plain>>();
    send::<Batch<Moving>>();
    send::<Debounce<Moving>>();
    send::<Stage<Moving>>();
    sync::<Stage<Plain>>();
    unpin::<Stage<Moving>>();
}

#[test]
fn generators_move_between_threads_with_items_that_cannot_be_shared() {
    sendable(generate(async |y| y.put(Cell::new(1)).await));
    sendable(try_generate(async |y| {
        y.put(Cell::new(1)).await;
        Ok::<_, Infallible>(())
    }));
}

#[test]
fn everything_together_can_be_spawned() {
    let words = [String::from("a"), String::from("b")];
    let all = generate(async |y| {
        for word in &words {
            y.put(word.len()).await;
        }
    })
    .map_concurrent(2, async |n| n)
    .unordered()
    .map_concurrent(2, async |n| Ok::<_, Infallible>(n))
    .stop_on_error()
    .collect_errors(1)
    .merge(stream::empty())
    .progress(|_| ())
    .batch(2);
    sendable(all);
}
