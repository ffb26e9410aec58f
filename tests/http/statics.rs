//! A client in a `static`, and runtimes that come and go.

use super::ground::{MS, spawn};
use futures::io::{AsyncReadExt, AsyncWriteExt};
use regatta::integrations::http::{HttpClient, Request};
use regatta::runtime::Flavor;
use regatta::runtime::net::memory::Network;
use regatta::task::gather;
use regatta::{Runtime, run_on, testing, time};
use std::io::{Read, Write};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

const HELLO: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";
const MINUTE: Duration = Duration::from_secs(60);

/// A server that has nothing to do with any runtime, and keeps its connections. Its address.
fn threads() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            std::thread::spawn(move || {
                let (mut head, mut byte) = (Vec::new(), [0]);
                while let Ok(1) = stream.read(&mut byte) {
                    head.push(byte[0]);
                    if head.ends_with(b"\r\n\r\n") {
                        head.clear();
                        let _gone = stream.write_all(HELLO);
                    }
                }
            });
        }
    });
    format!("http://{address}")
}

async fn greet(request: Request) {
    let asked = async { request.await.unwrap().text().await.unwrap() };
    let said = time::timeout(MINUTE, asked).await;
    assert_eq!(said.expect("nobody hangs"), "hello");
}

async fn use_it(client: &HttpClient) {
    for _ in 0..3 {
        greet(client.get("/")).await;
        gather((0..4).map(|_| greet(client.get("/"))))
            .settled()
            .await;
    }
}

const ROW: [Flavor; 5] = [
    Flavor::TokioCurrent,
    Flavor::TokioCurrent,
    Flavor::Tokio,
    Flavor::Smol,
    Flavor::Smol,
];

/// With a limit that lets nobody have a connection while those of the others are kept.
#[test]
fn a_client_is_used_by_several_runtimes_in_a_row() {
    for forwards in [true, false] {
        let address = threads();
        let new = || {
            let builder = HttpClient::builder().base_url(address.clone());
            builder.limit(3).build().unwrap()
        };
        let client = LazyLock::new(new);
        let mut row = ROW;
        if !forwards {
            row.reverse();
        }
        for flavor in row {
            run_on(flavor, use_it(&client));
        }
        assert!(client.connections() <= 3);
        run_on(Flavor::Smol, async {
            assert!(client.close(MINUTE).await.is_complete());
        });
    }
}

#[test]
fn a_client_is_used_from_two_threads_each_with_its_runtimes() {
    let address = threads();
    let builder = HttpClient::builder().base_url(address);
    let client = builder.built_on(Flavor::Smol);
    std::thread::scope(|threads| {
        for _ in 0..2 {
            threads.spawn(|| {
                for flavor in ROW {
                    run_on(flavor, use_it(&client));
                }
            });
        }
    });
}

/// A client is built where something can be spawned, and that may be gone when it is used.
trait Build {
    fn built_on(self, flavor: Flavor) -> HttpClient;
}

impl Build for regatta::integrations::http::Builder {
    fn built_on(self, flavor: Flavor) -> HttpClient {
        run_on(flavor, async { self.build().unwrap() })
    }
}

/// Each with a server of its own, which ends with it; and then for real.
#[test]
fn a_client_is_used_by_two_simulations_and_by_tokio() {
    let network = Network::new();
    let builder = HttpClient::builder().base_url("http://a.example");
    let client = builder.transport(network.clone()).limit(2);
    let client = client.built_on(Flavor::Smol);
    let accepted = &AtomicUsize::new(0);
    let body = async || {
        let door = network.listen("a.example:80").unwrap();
        drop(spawn(async move {
            loop {
                let mut stream = door.accept().await.unwrap();
                drop(spawn(async move {
                    let mut request = [0; 4096];
                    while stream.read(&mut request).await.is_ok_and(|n| n > 0) {
                        time::sleep(MS).await;
                        stream.write_all(HELLO).await.unwrap();
                    }
                }));
            }
        }));
        use_it(&client).await;
        accepted.fetch_add(1, SeqCst);
    };
    testing::run(async || body().await);
    testing::run(async || body().await);
    run_on(Flavor::TokioCurrent, body());
    testing::run(async || body().await);
    assert_eq!(accepted.load(SeqCst), 4);
}

/// The connection that requests share lives on the runtime that it was opened on.
#[cfg(feature = "http2")]
#[test]
fn requests_of_several_runtimes_share_no_connection() {
    let (tell, told) = std::sync::mpsc::channel();
    let (stop, stopped) = futures::channel::oneshot::channel::<()>();
    let server = std::thread::spawn(move || {
        run_on(Flavor::TokioCurrent, async {
            tell.send(super::http2::builder().await).unwrap();
            let _ = stopped.await;
        });
    });
    let client = told.recv().unwrap().built_on(Flavor::Smol);
    for flavor in ROW.into_iter().chain(ROW) {
        run_on(flavor, async {
            gather((0..5).map(|_| async {
                let asked = async { client.get("/").await.unwrap().text().await.unwrap() };
                time::timeout(MINUTE, asked).await.expect("nobody hangs")
            }))
            .settled()
            .await;
        });
    }
    drop(client);
    drop(stop);
    server.join().unwrap();
}

/// A request that waits for a connection when its runtime ends goes with it; the next runtime has all the room.
#[test]
fn a_runtime_that_ends_leaves_no_connection_taken() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("https://{}", silent.local_addr().unwrap());
    let builder = HttpClient::builder().limit(2);
    let client = builder.built_on(Flavor::Smol);
    let other = threads();
    for _ in 0..3 {
        let tokio = tokio::runtime::Runtime::new().unwrap();
        for _ in 0..5 {
            let request = client.get(&address);
            tokio.spawn(async move { request.await.map(drop) });
        }
        tokio.block_on(async { tokio::time::sleep(MS * 20).await });
        assert_eq!(client.connections(), 2);
        drop(tokio);
        run_on(Flavor::TokioCurrent, greet(client.get(&other)));
    }
    let named = tokio::runtime::Runtime::new().unwrap();
    let builder = HttpClient::builder().runtime(Runtime::tokio(named.handle().clone()));
    let named_client = builder.build().unwrap();
    run_on(Flavor::Smol, greet(named_client.get(&other)));
    drop(named);
    run_on(Flavor::Smol, async {
        let asked = time::timeout(MINUTE, async { named_client.get(&other).await.map(drop) });
        assert!(asked.await.expect("nobody hangs").is_err());
    });
}
