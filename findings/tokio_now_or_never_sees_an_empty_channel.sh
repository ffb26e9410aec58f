#!/usr/bin/env bash
# tokio 1.54.1 with futures 0.3.34: `recv().now_or_never()` says that a channel is empty which is not.
#
# Receiving spends from the cooperative budget of the task (128 operations a poll). When it is used up, `recv` is pending although there are messages. The usual
# `.await` hides this. `now_or_never` turns it into an answer: a loop that drains a channel "until nothing is there" ends after 128 messages, and
# `try_recv` on the same channel, in the same moment, has the next one.
#
# Run: bash findings/tokio_now_or_never_sees_an_empty_channel.sh   (needs cargo and the crate registry; exits with 1 when the behaviour has changed)
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
futures = { version = "=0.3.34", default-features = false, features = ["std"] }
tokio = { version = "=1.54.1", features = ["rt", "sync"] }
TOML
cat >src/main.rs <<'RUST'
use futures::FutureExt;
use tokio::sync::mpsc;

fn drain(messages: &mut mpsc::UnboundedReceiver<u32>) -> usize {
    std::iter::from_fn(|| messages.recv().now_or_never().flatten()).count()
}

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        let (sender, mut messages) = mpsc::unbounded_channel();
        (0..200).for_each(|i| sender.send(i).expect("the receiver is there"));
        println!("drained {} of 200, {} are left", drain(&mut messages), messages.len());
        println!("try_recv: {:?}", messages.try_recv());
        tokio::task::yield_now().await;
        println!("after a yield: drained {}", drain(&mut messages));
    });
}
RUST
cargo run --quiet >seen.txt
cat seen.txt
cat >expected.txt <<'SEEN'
drained 128 of 200, 72 are left
try_recv: Ok(128)
after a yield: drained 71
SEEN
diff expected.txt seen.txt || {
    echo "it behaves differently now"
    exit 1
}
