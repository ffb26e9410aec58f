//! What a pool keeps of a crowd that is gone. A program of its own with one test: the counter is for the whole process.
#![allow(
    clippy::unwrap_used,
    reason = "clippy allows it in test functions, not in the closures beside them"
)]

use regatta::pool::{Keyed, Manager, Pool};
use regatta::testing;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;
use std::convert::Infallible;
use std::future::Future;
use std::task::{Context, Waker};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const MANY: usize = 200_000;

/// What a line keeps for the next few. A crowd that is remembered costs more than four megabytes.
const NOISE: isize = 128 * 1024;

struct Numbers;

impl Manager for Numbers {
    type Object = u32;
    type Error = Infallible;

    async fn connect(&self) -> Result<u32, Infallible> {
        Ok(1)
    }
}

fn wait_and_go<F: Future>(mut one: impl FnMut(usize) -> F, backwards: bool) {
    let mut cx = Context::from_waker(Waker::noop());
    let mut crowd: Vec<_> = (0..MANY).map(|n| Box::pin(one(n))).collect();
    for waiter in &mut crowd {
        assert!(waiter.as_mut().poll(&mut cx).is_pending());
    }
    if backwards {
        crowd.reverse();
    }
    drop(crowd);
}

#[track_caller]
fn keeps_next_to_nothing(mut f: impl FnMut()) {
    let region = Region::new(ALLOCATOR);
    f();
    let stats = region.change();
    let kept = stats.bytes_allocated as isize - stats.bytes_deallocated as isize;
    assert!(kept <= NOISE, "{kept} bytes kept");
}

#[test]
fn a_crowd_that_is_gone_is_forgotten() {
    testing::run(async || {
        let pool = Pool::builder(Numbers).max_size(1).build().unwrap();
        let _guard = pool.get().await.unwrap();
        let keyed = Keyed::builder(|_: &u8| Numbers)
            .max_size(1)
            .build()
            .unwrap();
        let _other = keyed.get(&1).await.unwrap();
        for backwards in [false, true] {
            keeps_next_to_nothing(|| wait_and_go(|_| pool.get(), backwards));
            // Each of them asks for room in the total.
            keeps_next_to_nothing(|| wait_and_go(|_| keyed.get(&2), backwards));
        }
        assert_eq!(pool.stats().waiting, 0);
    });
}
