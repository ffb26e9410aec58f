//! A limit in time is kept beside work that uses up the budget of each poll: tokio's timers spend from it, too.

use crate::ground::{self, Ground};
use futures::{FutureExt, StreamExt, stream};
use regatta::Runtime;
use regatta::bulkhead::Bulkhead;
use regatta::hedge::hedge;
use regatta::pool::{Manager, Pool};
use regatta::rate_limit::{Quota, RateLimiter};
use regatta::stream::StreamOps;
use regatta::workers::Workers;
use std::convert::Infallible;
use std::future::{Future, pending, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

const LIMIT: Duration = Duration::from_millis(20);

/// Uses up the budget of each poll, for a long time.
async fn greedy() {
    let start = Runtime::current().now();
    poll_fn(|cx| {
        while pin!(tokio::task::coop::consume_budget())
            .poll(cx)
            .is_ready()
        {}
        if Runtime::current().now() - start > Duration::from_secs(5) {
            return Poll::Ready(());
        }
        Poll::Pending
    })
    .await;
}

type Op = Pin<Box<dyn Future<Output = ()>>>;

struct Nobody;

impl Manager for Nobody {
    type Object = ();
    type Error = Infallible;

    async fn connect(&self) -> Result<(), Infallible> {
        pending().await
    }
}

fn ops() -> Vec<(&'static str, Op)> {
    vec![
        (
            "bulkhead::Builder::max_wait",
            Box::pin(async {
                let bulkhead = Bulkhead::builder(1).queue(1).max_wait(LIMIT).build();
                let _taken = bulkhead.try_enter().unwrap();
                assert!(bulkhead.enter().await.is_err());
            }),
        ),
        (
            "rate_limit::RateLimiter::acquire",
            Box::pin(async {
                let limiter = RateLimiter::new(Quota::new(1, LIMIT));
                limiter.acquire(1).await.unwrap();
                limiter.acquire(1).await.unwrap();
            }),
        ),
        (
            "hedge::hedge",
            Box::pin(async {
                let mut calls = 0;
                let call = || {
                    calls += 1;
                    let first = calls == 1;
                    async move {
                        if first {
                            greedy().await;
                        }
                        Ok::<_, Infallible>(first)
                    }
                };
                assert_eq!(hedge(LIMIT, call).await, Ok(false));
            }),
        ),
        (
            "pool::Builder::wait_timeout",
            Box::pin(async {
                let pool = Pool::builder(Nobody).wait_timeout(LIMIT).build().unwrap();
                assert!(pool.get().await.is_err());
            }),
        ),
        (
            "stream::StreamOps::batch_within",
            Box::pin(async {
                let one = stream::iter([1]).chain(stream::pending());
                let mut batches = pin!(one.batch_within(2, LIMIT));
                assert_eq!(batches.next().await, Some(vec![1]));
            }),
        ),
        (
            "stream::StreamOps::debounce",
            Box::pin(async {
                let one = stream::iter([1]).chain(stream::pending());
                assert_eq!(pin!(one.debounce(LIMIT)).next().await, Some(1));
            }),
        ),
        (
            "stream::StreamOps::timeout_each",
            Box::pin(async {
                let mut none = pin!(stream::pending::<()>().timeout_each(LIMIT));
                assert!(none.next().await.unwrap().is_err());
            }),
        ),
        (
            "workers::Workers::stop",
            Box::pin(async {
                let handler = |()| pending::<Result<(), Infallible>>();
                let team = Workers::builder(1, handler).start().unwrap();
                drop(team.submit(()).await.unwrap());
                team.stop(LIMIT).await;
            }),
        ),
        #[cfg(feature = "http")]
        (
            "http::Request::timeout",
            Box::pin(async {
                let network = regatta::runtime::net::memory::Network::new();
                let _listener = network.listen("a.example:80").unwrap();
                let client = regatta::integrations::http::HttpClient::builder()
                    .transport(network)
                    .timeout(LIMIT)
                    .build()
                    .unwrap();
                let sent = client.get("http://a.example/").send().await;
                assert!(sent.is_err());
            }),
        ),
    ]
}

#[test]
fn limits_hold_beside_work_that_uses_up_each_budget() {
    for number in 0..ops().len() {
        let ended = ground::in_time(Duration::from_secs(20), move || {
            Ground::TokioCurrent.run(Box::pin(async move {
                let (name, mut op) = ops().swap_remove(number);
                let start = Runtime::current().now();
                let mut greedy = Box::pin(greedy()).fuse();
                poll_fn(|cx| {
                    // Before it, in each poll.
                    let _ = greedy.poll_unpin(cx);
                    op.as_mut().poll(cx)
                })
                .await;
                let took = Runtime::current().now() - start;
                if took > Duration::from_secs(4) {
                    return Err(format!("{name}: {took:?} instead of {LIMIT:?}"));
                }
                Ok(())
            }))
        });
        assert_eq!(ended, Ok(()));
    }
}
