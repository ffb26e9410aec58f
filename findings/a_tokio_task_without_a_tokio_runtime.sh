#!/usr/bin/env bash
# tokio 1.54.1 with smol 2.0.2: a task of tokio that is in no tokio runtime.
#
# A `LocalSet` may be polled by any executor. Its tasks then have an id of tokio (`task::try_id` is `Some`), so code that takes an id for the sign of a tokio
# runtime goes wrong: there is no handle, and timers and sockets of tokio are not to be had.
#
# Run: bash findings/a_tokio_task_without_a_tokio_runtime.sh   (needs cargo and the crate registry; exits with 1 when the behaviour has changed)
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
smol = "=2.0.2"
tokio = { version = "=1.54.1", features = ["rt", "time"] }
TOML
cat >src/main.rs <<'RUST'
use tokio::runtime::Handle;
use tokio::task::{LocalSet, spawn_local, try_id};

fn main() {
    let local = LocalSet::new();
    smol::block_on(local.run_until(async {
        let task = spawn_local(async { (try_id().is_some(), Handle::try_current().is_ok()) });
        let (has_an_id, has_a_runtime) = task.await.expect("it does not panic");
        println!("the task has an id of tokio: {has_an_id}");
        println!("it is in a runtime of tokio: {has_a_runtime}");
    }));
}
RUST
cargo run --quiet >seen.txt
cat seen.txt
cat >expected.txt <<'SEEN'
the task has an id of tokio: true
it is in a runtime of tokio: false
SEEN
diff expected.txt seen.txt || {
    echo "it behaves differently now"
    exit 1
}
