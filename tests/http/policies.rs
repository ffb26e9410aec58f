//! Policies around requests: what is tried again, and what is refused.

use super::ground::{MS, Watch};
use super::server::{Handler, Server, answer};
use futures::io::AsyncWriteExt;
use futures::stream;
use regatta::circuit_breaker::CircuitBreaker;
use regatta::integrations::http::{Body, ErrorKind, Limit, StatusCode};
use regatta::policy::{Layer, Policy};
use regatta::retry::Backoff;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

/// Fails so many times in the way the path says, then answers.
async fn flaky(times: usize) -> Server {
    let calls = Arc::new(AtomicUsize::new(0));
    let handler: Handler = Arc::new(move |asked, stream| {
        let call = calls.fetch_add(1, SeqCst);
        Box::pin(async move {
            if call >= times {
                stream.write_all(&answer("200 OK", "", b"at last")).await?;
                return Ok(true);
            }
            match asked.path() {
                "/busy" => stream.write_all(&answer("503 Busy", "", b"later")).await?,
                "/silent" => std::future::pending().await,
                _ => return Ok(false),
            }
            Ok(true)
        })
    });
    Server::with(handler).await
}

fn thrice() -> Policy {
    Policy::new().retry(Backoff::constant(MS).max_attempts(3))
}

async fn failures_that_pass_are_tried_again() {
    for path in ["/busy", "/reset"] {
        let server = flaky(2).await;
        let client = server
            .builder()
            .policy(thrice())
            .limit_per_host(1)
            .build()
            .unwrap();
        let page = client.get(path).await.unwrap();
        assert_eq!(page.text().await.unwrap(), "at last", "{path}");
        assert_eq!(server.heads().len(), 3);
    }
    let server = flaky(2).await;
    let policy = thrice().attempt_timeout(MS * 20);
    let client = server.builder().policy(policy).build().unwrap();
    let page = client.get("/silent").await.unwrap();
    assert_eq!(page.text().await.unwrap(), "at last");
}

async fn the_last_answer_is_handed_on() {
    let server = flaky(9).await;
    let client = server.builder().policy(thrice()).build().unwrap();
    let page = client.get("/busy").await.unwrap();
    assert_eq!(page.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(page.text().await.unwrap(), "later");
    assert_eq!((server.heads().len(), server.accepted()), (3, 1));
    let error = client.get("/reset").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol);
}

/// The server may have acted on it.
async fn what_may_not_be_sent_twice_is_not() {
    for path in ["/busy", "/reset"] {
        let server = flaky(1).await;
        let client = server.builder().policy(thrice()).build().unwrap();
        let posted = client.post(path).body("x").await;
        assert!(posted.is_err() || !posted.unwrap().status().is_success());
        assert_eq!(server.heads().len(), 1);
        // Nor what cannot: a stream.
        let server = flaky(1).await;
        let client = server.builder().policy(thrice()).build().unwrap();
        let parts = stream::iter([Ok::<_, io::Error>("x")]);
        let put = client.put(path).body(Body::stream(parts)).await;
        assert!(put.is_err() || !put.unwrap().status().is_success());
        assert_eq!(server.heads().len(), 1);
    }
}

async fn a_breaker_opens_and_refuses() {
    let server = flaky(usize::MAX).await;
    let breaker = CircuitBreaker::builder().min_calls(3).build();
    let policy = Policy::new().circuit_breaker(breaker);
    let client = server.builder().policy(policy).build().unwrap();
    for _ in 0..3 {
        assert_eq!(client.get("/busy").await.unwrap().status().as_u16(), 503);
    }
    let error = client.get("/busy").await.unwrap_err();
    let ErrorKind::Refused { layer, retry_after } = error.kind() else {
        panic!("{error}");
    };
    assert_eq!(layer, Layer::CircuitBreaker);
    assert!(retry_after.is_some());
    assert_eq!(server.heads().len(), 3, "nothing was sent");
}

async fn the_total_spans_all_attempts() {
    let server = flaky(usize::MAX).await;
    let endless = Policy::new().retry(Backoff::constant(MS * 5).max_attempts(1000));
    let client = server
        .builder()
        .policy(endless)
        .timeout(MS * 40)
        .build()
        .unwrap();
    let error = client.get("/reset").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut(Limit::Total));
    let short = Policy::new().timeout(MS * 20);
    let client = server.builder().policy(short).build().unwrap();
    let error = client.get("/silent").await.unwrap_err();
    assert_eq!(
        error.kind(),
        ErrorKind::TimedOut(Limit::Policy(Layer::Timeout))
    );
}

/// Says 503 (or what the path says) and when to come back, so many times.
async fn busy(times: usize, headers: &'static str) -> Server {
    let calls = Arc::new(AtomicUsize::new(0));
    let handler: Handler = Arc::new(move |asked, stream| {
        let call = calls.fetch_add(1, SeqCst);
        Box::pin(async move {
            let status = format!("{} Busy", &asked.path()[1..]);
            let all = match call < times {
                true => answer(&status, headers, b"later"),
                false => answer("200 OK", "", b"at last"),
            };
            stream.write_all(&all).await?;
            Ok(true)
        })
    });
    Server::with(handler).await
}

const SECOND: &str = "retry-after: 1\r\n";
/// All three forms of a date, 90 seconds after the server's own clock; the year is not ours.
const DATES: [&str; 3] = [
    "date: Sun, 06 Nov 1994 08:48:07 GMT\r\nretry-after: Sun, 06 Nov 1994 08:49:37 GMT\r\n",
    "date: Sun, 06 Nov 1994 08:48:07 GMT\r\nretry-after: Sunday, 06-Nov-94 08:49:37 GMT\r\n",
    "date: Sun, 06 Nov 1994 08:48:07 GMT\r\nretry-after: Sun Nov  6 08:49:37 1994\r\n",
];

async fn the_server_says_when_to_come_back() {
    for path in ["/429", "/503"] {
        let server = busy(1, SECOND).await;
        let client = server.builder().policy(thrice()).build().unwrap();
        let watch = Watch::start();
        let page = client.get(path).await.unwrap();
        assert_eq!(page.text().await.unwrap(), "at last");
        watch.shows(MS * 1000);
    }
}

async fn a_date_counts_from_the_servers_own_clock() {
    for headers in DATES {
        let server = busy(2, headers).await;
        let client = server.builder().policy(thrice()).build().unwrap();
        let watch = Watch::start();
        let page = client.get("/503").await.unwrap();
        assert_eq!(page.text().await.unwrap(), "at last");
        watch.shows(MS * 180_000);
    }
}

/// The backoff decides: what a server says that does not mean it, or cannot be read, is nothing.
async fn other_answers_do_not_say_when() {
    let nothing = [
        "retry-after: soon\r\n",
        "retry-after: -1\r\n",
        "retry-after: Sun, 06 Nov 1994 08:49:37 GMT\r\n",
        "date: yesterday\r\nretry-after: Sun, 06 Nov 1994 08:49:37 GMT\r\n",
        // It has passed.
        "date: Sun, 06 Nov 1994 08:49:37 GMT\r\nretry-after: Sun, 06 Nov 1994 08:48:07 GMT\r\n",
    ];
    for (path, headers) in [("/500", SECOND), ("/504", SECOND)]
        .into_iter()
        .chain(nothing.map(|headers| ("/503", headers)))
    {
        let server = busy(1, headers).await;
        let client = server.builder().policy(thrice()).build().unwrap();
        let watch = Watch::start();
        let page = client.get(path).await.unwrap();
        assert_eq!(page.text().await.unwrap(), "at last", "{headers}");
        watch.shows(MS);
    }
}

/// Nobody waits for what can only end in an error.
async fn who_has_no_time_to_come_back_gets_the_answer() {
    let server = busy(1, "retry-after: 3600\r\n").await;
    let client = server.builder().policy(thrice()).build().unwrap();
    let page = client.get("/503").await.unwrap();
    assert_eq!(page.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(page.retry_after(), Some(MS * 3_600_000));
    assert_eq!(page.text().await.unwrap(), "later");
    assert_eq!(server.heads().len(), 1);
    // A number beyond any clock, and beyond any number.
    let beyond = [
        "retry-after: 18446744073709551615\r\n",
        "retry-after: 99999999999999999999\r\n",
    ];
    for header in beyond {
        let server = busy(1, header).await;
        let client = server.builder().policy(thrice()).build().unwrap();
        let page = client.get("/429").await.unwrap();
        assert_eq!(page.status().as_u16(), 429);
        assert_eq!(
            page.retry_after(),
            Some(std::time::Duration::from_secs(u64::MAX))
        );
        assert_eq!(server.heads().len(), 1);
    }
}

regatta::matrix! {
    the_server_says_when_to_come_back;
    a_date_counts_from_the_servers_own_clock [sim];
    other_answers_do_not_say_when [sim];
    who_has_no_time_to_come_back_gets_the_answer;
    failures_that_pass_are_tried_again;
    the_last_answer_is_handed_on;
    what_may_not_be_sent_twice_is_not;
    a_breaker_opens_and_refuses;
    the_total_spans_all_attempts;
}
