#!/usr/bin/env bash
# async-lock 3.5.0: a barrier counts a waiter whose future was dropped.
#
# One of two parties gives up before the other comes (a timeout, a select). The other one then arrives alone, and is let through at once, as the leader:
# the dropped wait still counts. It stays counted for the current generation; only the next generation is whole again.
#
# Run: bash findings/async_lock_barrier_counts_the_dropped.sh   (needs cargo and the crate registry; exits with 1 when the behaviour has changed)
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
mkdir src
cat >Cargo.toml <<'TOML'
[package]
name = "finding"
version = "0.0.0"
edition = "2024"

[dependencies]
async-lock = "=3.5.0"
TOML
cat >src/main.rs <<'RUST'
use async_lock::Barrier;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

fn main() {
    let mut cx = Context::from_waker(Waker::noop());
    let barrier = Barrier::new(2);
    {
        let mut gives_up = pin!(barrier.wait());
        assert!(gives_up.as_mut().poll(&mut cx).is_pending());
    }
    println!("a party of two came, and was dropped");
    let mut alone = pin!(barrier.wait());
    match alone.as_mut().poll(&mut cx) {
        Poll::Pending => println!("the other one waits"),
        Poll::Ready(result) => println!("the other one goes on alone; leader: {}", result.is_leader()),
    }
    let mut next = pin!(barrier.wait());
    println!("the next one waits: {}", next.as_mut().poll(&mut cx).is_pending());
}
RUST
cargo run --quiet >seen.txt
cat seen.txt
cat >expected.txt <<'SEEN'
a party of two came, and was dropped
the other one goes on alone; leader: true
the next one waits: true
SEEN
diff expected.txt seen.txt || {
    echo "it behaves differently now"
    exit 1
}
