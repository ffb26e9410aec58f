//! Real sockets whose futures are dropped half way: nothing stays open. Alone in its process, because descriptors are
//! counted.
#![cfg(all(
    feature = "net",
    target_os = "linux",
    any(feature = "tokio", feature = "smol")
))]

use futures_lite::future::{poll_once, yield_now};
use futures_lite::{AsyncReadExt, AsyncWriteExt};
use regatta::runtime::Flavor;
use regatta::runtime::net::{TcpListener, TcpStream, UnixListener, UnixStream, resolve};
use regatta::{Runtime, run_on, time};
use std::future::Future;
use std::pin::pin;
use std::time::Duration;

const DROPS: usize = 600;

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").expect("linux").count()
}

/// Drops a future after so many polls, or with what it gave.
async fn drop_after<F: Future>(polls: usize, future: F) {
    let mut future = pin!(future);
    for _ in 0..polls {
        if poll_once(future.as_mut()).await.is_some() {
            return;
        }
        yield_now().await;
    }
}

/// As many as before, as soon as what runs on other threads has ended.
async fn all_closed(before: usize) {
    let late = Runtime::current().now() + Duration::from_secs(20);
    while descriptors() != before {
        assert!(
            Runtime::current().now() < late,
            "{} descriptors, and {before} before",
            descriptors()
        );
        time::sleep(Duration::from_millis(1)).await;
    }
}

async fn tcp() {
    let listener = TcpListener::bind("127.0.0.1:0".parse().expect("an address")).expect("bind");
    let address = listener.local_addr().expect("it is bound");
    // The first of everything may open what the runtime keeps.
    let first = TcpStream::connect(address).await.expect("connect");
    drop(listener.accept().await.expect("accept"));
    drop(first);
    let before = descriptors();
    for n in 0..DROPS {
        drop_after(n % 3, TcpStream::connect(address)).await;
        drop_after(n / 3 % 3, listener.accept()).await;
    }
    let mut good = TcpStream::connect(address).await.expect("connect");
    good.write_all(b"!").await.expect("write");
    let mut answered = [0];
    while answered != *b"!" {
        // Those whose connect was dropped have nothing to say.
        let (mut stream, _) = listener.accept().await.expect("accept");
        drop(stream.read(&mut answered).await);
    }
    drop(good);
    all_closed(before).await;
}

async fn unix() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("socket");
    let listener = UnixListener::bind(&path).expect("bind");
    let first = UnixStream::connect(&path).await.expect("connect");
    drop(listener.accept().await.expect("accept"));
    drop(first);
    let before = descriptors();
    for n in 0..DROPS {
        drop_after(n % 3, UnixStream::connect(&path)).await;
        drop_after(n / 3 % 3, listener.accept()).await;
        // A Unix socket refuses who does not fit into its line.
        drop_after(1, listener.accept()).await;
    }
    let mut good = UnixStream::connect(&path).await.expect("connect");
    good.write_all(b"!").await.expect("write");
    let mut answered = [0];
    while answered != *b"!" {
        let mut stream = listener.accept().await.expect("accept");
        drop(stream.read(&mut answered).await);
    }
    drop(good);
    all_closed(before).await;
}

async fn names() {
    resolve("localhost", 80).await.expect("localhost");
    let before = descriptors();
    for n in 0..DROPS / 10 {
        drop_after(n % 3, resolve("localhost", 80)).await;
    }
    resolve("localhost", 80).await.expect("localhost");
    all_closed(before).await;
}

#[test]
fn dropped_half_way_nothing_stays_open() {
    let flavors = [
        #[cfg(feature = "tokio")]
        Flavor::TokioCurrent,
        #[cfg(feature = "tokio")]
        Flavor::Tokio,
        #[cfg(feature = "smol")]
        Flavor::Smol,
    ];
    for flavor in flavors {
        run_on(flavor, async {
            tcp().await;
            unix().await;
            names().await;
        });
    }
}
