//! Limits in time: of the client, and of the scopes around it.

use super::ground::{MS, Watch};
use super::server::Server;
use regatta::integrations::http::{Duplex, ErrorKind, HttpClient, Limit, Origin, Transport};
use regatta::runtime::BoxFuture;
use regatta::runtime::net::memory;
use regatta::{testing, time};
use std::io;
use std::time::Duration;

const LONG: Duration = Duration::from_secs(60);

async fn a_server_that_never_answers_is_left() {
    let server = Server::start().await;
    let client = server.builder().read_timeout(MS * 30).build().unwrap();
    for path in ["/never", "/stalls"] {
        let watch = Watch::start();
        let ended = async { client.get(path).await?.bytes().await }.await;
        let error = ended.unwrap_err();
        watch.shows(MS * 30);
        assert_eq!(error.kind(), ErrorKind::TimedOut(Limit::Read));
        assert!(error.is_timeout());
        assert!(
            error
                .to_string()
                .contains("sent nothing for 30ms (read_timeout)"),
            "{error}"
        );
    }
    assert_eq!(
        client.get("/hello").await.unwrap().text().await.unwrap(),
        "hello"
    );
}

/// A byte every ten milliseconds is no silence, but takes a hundred in all.
async fn slow_is_not_silent_but_may_take_too_long() {
    let server = Server::start().await;
    let client = server.builder().read_timeout(MS * 60).build().unwrap();
    let whole = client.get("/drip").await.unwrap().text().await.unwrap();
    assert_eq!(whole, "0123456789");
    let watch = Watch::start();
    let page = client.get("/drip").timeout(MS * 55).await.unwrap();
    let error = page.bytes().await.unwrap_err();
    watch.shows(MS * 55);
    assert_eq!(error.kind(), ErrorKind::TimedOut(Limit::Total));
}

/// The clock of the total runs while somebody waits for a connection.
async fn waiting_for_a_connection_counts() {
    let server = Server::start().await;
    let client = server.builder().limit_per_host(1).build().unwrap();
    let page = client.get("/big/1000000").await.unwrap();
    let watch = Watch::start();
    let error = client.get("/hello").timeout(MS * 20).await.unwrap_err();
    watch.shows(MS * 20);
    assert_eq!(error.kind(), ErrorKind::TimedOut(Limit::Total));
    drop(page);
    assert_eq!(
        client.get("/hello").await.unwrap().text().await.unwrap(),
        "hello"
    );
}

async fn hints_without_end_end() {
    let server = Server::start().await;
    let client = server.builder().timeout(MS * 50).build().unwrap();
    let error = client.get("/endless-hints").await.unwrap_err();
    assert!(error.is_timeout(), "{error}");
}

struct Nowhere;

impl Transport for Nowhere {
    fn connect<'a>(&'a self, _: &'a Origin) -> BoxFuture<'a, io::Result<Box<dyn Duplex>>> {
        Box::pin(std::future::pending())
    }
}

async fn a_connect_that_hangs_is_given_up() {
    let builder = HttpClient::builder().transport(Nowhere);
    let client = builder.connect_timeout(MS * 30).build().unwrap();
    let watch = Watch::start();
    let error = client.get("http://a.example/").await.unwrap_err();
    watch.shows(MS * 30);
    assert_eq!(error.kind(), ErrorKind::TimedOut(Limit::Connect));
    assert!(error.is_unsent());
}

/// Of nested deadlines that have passed, the outermost reports.
async fn a_scope_around_it_reports_itself() {
    let server = Server::start().await;
    let client = server.builder().timeout(LONG).build().unwrap();
    let watch = Watch::start();
    let outer = time::timeout(MS * 30, client.get("/never").send()).named("outer");
    assert_eq!(outer.await.unwrap_err().name(), Some("outer"));
    watch.shows(MS * 30);
    // In the same moment, too; only virtual time has one.
    if testing::in_simulation() {
        let same = time::timeout(MS * 30, client.get("/never").timeout(MS * 30).send());
        assert!(same.await.is_err());
        let body = async {
            let page = client.get("/stalls").timeout(MS * 30).await.unwrap();
            page.bytes().await
        };
        assert!(time::timeout(MS * 30, body).await.is_err());
    }
    let inner = time::timeout(LONG, client.get("/never").timeout(MS * 30).send());
    assert!(inner.await.unwrap().is_err());
}

async fn for_ever_is_no_limit() {
    let server = Server::start().await;
    let client = server
        .builder()
        .timeout(Duration::MAX)
        .read_timeout(Duration::MAX);
    let client = client.build().unwrap();
    let never = time::timeout(LONG * 60 * 24, client.get("/never").send());
    assert!(never.await.is_err());
    let slow = client.get("/slow/86400000").await.unwrap();
    assert_eq!(slow.text().await.unwrap(), "slow");
}

/// Sending for longer than the server may be silent.
async fn an_upload_is_no_silence() {
    use futures::stream::{self, StreamExt};
    use regatta::integrations::http::Body;
    let server = Server::start().await;
    let client = server.builder().read_timeout(MS * 30).build().unwrap();
    let parts = stream::iter(0..10).then(async |n| {
        time::sleep(MS * 10).await;
        Ok::<_, io::Error>(n.to_string())
    });
    let page = client.post("/json").body(Body::sized_stream(10, parts));
    assert_eq!(page.await.unwrap().text().await.unwrap(), "0123456789");
}

/// A stream that takes nothing does not hang the client.
async fn a_peer_that_reads_nothing_is_left() {
    struct Deaf;
    impl Transport for Deaf {
        fn connect<'a>(&'a self, _: &'a Origin) -> BoxFuture<'a, io::Result<Box<dyn Duplex>>> {
            Box::pin(async {
                let (near, far) = memory::pair(16);
                std::mem::forget(far);
                Ok(Box::new(near) as Box<dyn Duplex>)
            })
        }
    }
    let client = HttpClient::builder()
        .transport(Deaf)
        .timeout(MS * 30)
        .build()
        .unwrap();
    let request = client.put("http://a.example/").body(vec![0; 1 << 20]);
    assert!(request.await.unwrap_err().is_timeout());
}

regatta::matrix! {
    a_server_that_never_answers_is_left;
    slow_is_not_silent_but_may_take_too_long;
    waiting_for_a_connection_counts;
    hints_without_end_end;
    a_connect_that_hangs_is_given_up;
    a_scope_around_it_reports_itself;
    for_ever_is_no_limit [sim];
    an_upload_is_no_silence;
    a_peer_that_reads_nothing_is_left;
}
