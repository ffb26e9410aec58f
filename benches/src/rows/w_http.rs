//! W: GET over loopback, 64 at a time, per request.
//!
//! `benches/python/` does the same with aiohttp and httpx, from the server that `--serve` starts.

use super::w_server::{Version, serve};
use crate::harness::now;
use crate::runtimes::On;
use crate::table::Table;
use regatta::integrations::http::HttpClient;
use regatta::task;
use std::hint::black_box;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

pub const REQUESTS: usize = 10_000;
const AT_ONCE: usize = 64;

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

pub fn ours(on: On, version: Version) -> impl FnMut() -> Duration {
    let made = Arc::new(OnceLock::new());
    move || {
        let made = made.clone();
        on.run(async move {
            let client: &HttpClient = made.get_or_init(|| {
                let builder = HttpClient::builder().base_url(format!("http://{}/", serve(version)));
                let builder = builder.limit_per_host(AT_ONCE);
                let builder = match version {
                    Version::One => builder,
                    Version::Two => builder.http2_only(),
                };
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

fn reqwest(on: On, version: Version) -> impl FnMut() -> Duration {
    let builder = reqwest::Client::builder().pool_max_idle_per_host(AT_ONCE);
    let builder = match version {
        Version::One => builder,
        Version::Two => builder.http2_prior_knowledge(),
    };
    let client = builder.build().expect("all is in order");
    move || {
        let client = client.clone();
        on.run(async move {
            let url = format!("http://{}/x", serve(version));
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

fn on_one(on: On, version: Version) -> Table {
    let (what, times) = match (version, on) {
        (Version::One, On::Multi) => ("GET", 1.4),
        (Version::One, On::Current) => ("GET", 1.3),
        (Version::One, On::Smol) => ("GET", 1.2),
        (Version::Two, _) => ("HTTP/2 GET, 64 streams", 1.2),
    };
    let table = Table::each(format!("{what}, {}", on.name()), REQUESTS)
        .ours("HttpClient", ours(on, version));
    // It needs tokio, so smol has tokio's figure beside it.
    let (peer, theirs) = match on {
        On::Smol => ("reqwest on tokio-ct", On::Current),
        on => ("reqwest", on),
    };
    table
        .peer(peer, reqwest(theirs, version))
        .faster("HttpClient", &[], times)
}

pub fn tables() -> Vec<Table> {
    let of = |version| On::ALL.map(|on| on_one(on, version));
    [Version::One, Version::Two]
        .into_iter()
        .flat_map(of)
        .collect()
}
