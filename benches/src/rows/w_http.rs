//! W: GET over loopback, 64 at a time, per request. The server is a thread of this process.
//!
//! `benches/aiohttp_get.py` does the same with aiohttp and uvloop: `cargo run --release -p regatta-benches -- --serve` is its server.

use crate::harness::now;
use crate::runtimes::On;
use crate::table::Table;
use regatta::integrations::http::HttpClient;
use regatta::task;
use std::hint::black_box;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, OnceLock, mpsc};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const REQUESTS: usize = 10_000;
const AT_ONCE: usize = 64;

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 52\r\n\r\n{\"id\":1234,\"name\":\"a thing\",\"tags\":[\"one\",\"two\",3]}\n";

async fn answers(mut stream: TcpStream) {
    let _ = stream.set_nodelay(true);
    let mut buf = [0; 4096];
    let mut seen = 0;
    // The end of a head; no request here has a body.
    let end = b"\r\n\r\n";
    while let Ok(n @ 1..) = stream.read(&mut buf).await {
        for byte in &buf[..n] {
            seen = if *byte == end[seen] {
                seen + 1
            } else {
                usize::from(*byte == b'\r')
            };
            if seen == end.len() {
                seen = 0;
                if stream.write_all(ANSWER).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// Serves for as long as the process lives.
pub fn serve() -> SocketAddr {
    static ADDRESS: OnceLock<SocketAddr> = OnceLock::new();
    *ADDRESS.get_or_init(|| {
        let (tell, told) = mpsc::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread();
            let runtime = { runtime }.enable_all().build().expect("tokio starts");
            runtime.block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
                let _ = tell.send(listener.local_addr().expect("it is bound"));
                while let Ok((stream, _)) = listener.accept().await {
                    tokio::spawn(answers(stream));
                }
            });
        });
        told.recv().expect("the server starts")
    })
}

/// So many workers, which share the requests.
async fn storm<F, Fut>(get: F) -> Duration
where
    F: Fn() -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = usize> + Send + 'static,
{
    let left = Arc::new(AtomicUsize::new(REQUESTS));
    let start = now();
    let all = task::task_group(async |group| {
        for _ in 0..AT_ONCE {
            let (left, get) = (left.clone(), get.clone());
            group.spawn(async move {
                while left
                    .fetch_update(Relaxed, Relaxed, |n| n.checked_sub(1))
                    .is_ok()
                {
                    black_box(get().await);
                }
            });
        }
        Ok::<_, std::convert::Infallible>(())
    });
    all.await.expect("nothing fails");
    now() - start
}

fn ours(on: On) -> impl FnMut() -> Duration {
    let made = Arc::new(OnceLock::new());
    move || {
        let made = made.clone();
        on.run(async move {
            let client: &HttpClient = made.get_or_init(|| {
                let builder = HttpClient::builder().base_url(format!("http://{}/", serve()));
                let builder = builder.limit_per_host(AT_ONCE);
                builder.build().expect("all is in order")
            });
            let client = client.clone();
            storm(move || {
                let client = client.clone();
                async move {
                    let page = client.get("/x").send().await.expect("it answers");
                    page.bytes().await.expect("it is whole").len()
                }
            })
            .await
        })
    }
}

fn reqwest(on: On) -> impl FnMut() -> Duration {
    let client = reqwest::Client::builder()
        .pool_max_idle_per_host(AT_ONCE)
        .build()
        .expect("all is in order");
    move || {
        let client = client.clone();
        on.run(async move {
            let url = format!("http://{}/x", serve());
            storm(move || {
                let request = client.get(&url);
                async move {
                    let page = request.send().await.expect("it answers");
                    page.bytes().await.expect("it is whole").len()
                }
            })
            .await
        })
    }
}

fn on_tokio(on: On) -> Table {
    Table::each(format!("GET, {}", on.name()), REQUESTS)
        .ours("HttpClient", ours(on))
        .peer("reqwest", reqwest(on))
        .faster("HttpClient", &["reqwest"], 1.2)
}

pub fn tables() -> Vec<Table> {
    let smol = Table::each("GET, smol", REQUESTS).ours("HttpClient", ours(On::Smol));
    On::TOKIO.map(on_tokio).into_iter().chain([smol]).collect()
}
