//! HTTP/2: one connection for many requests, and what is left of it when one of them goes.

use super::ground::{MS, spawn};
use super::server::{Stream, serving};
use super::tls::Authority;
use bytes::Bytes;
use futures::FutureExt;
use futures::io::AsyncWriteExt;
use h2::server::SendResponse;
use h2::{Reason, RecvStream};
use regatta::integrations::http::{Body, Builder, ErrorKind, HttpClient, Version};
use regatta::task::gather;
use regatta::{testing, time};
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;
use tokio_util::compat::FuturesAsyncReadCompatExt;

/// What the server saw.
#[derive(Default)]
struct Seen {
    connections: AtomicUsize,
    open: AtomicUsize,
    /// Requests that are answered now, and the most there were.
    running: AtomicUsize,
    peak: AtomicUsize,
    /// Requests that the client took back.
    taken_back: AtomicUsize,
    requests: Mutex<Vec<String>>,
}

struct Count<'a>(&'a AtomicUsize);

impl<'a> Count<'a> {
    fn up(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, SeqCst);
        Count(count)
    }
}

impl Drop for Count<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

/// The path says what it does.
async fn answer(
    request: http::Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    seen: Arc<Seen>,
) -> Result<(), h2::Error> {
    let _running = Count::up(&seen.running);
    seen.peak.fetch_max(seen.running.load(SeqCst), SeqCst);
    let (head, mut body) = request.into_parts();
    let line = format!(
        "{} {} {:?}",
        head.method,
        head.uri,
        head.headers.get("host")
    );
    seen.requests.lock().unwrap().push(line);
    let ok = || http::Response::new(());
    match head.uri.path() {
        "/never" => {
            let _gone = futures::future::poll_fn(|cx| respond.poll_reset(cx)).await;
            seen.taken_back.fetch_add(1, SeqCst);
        }
        "/half" => {
            let mut send = respond.send_response(ok(), false)?;
            send.send_data(Bytes::from_static(b"half"), false)?;
            let _gone = futures::future::poll_fn(|cx| send.poll_reset(cx)).await;
            seen.taken_back.fetch_add(1, SeqCst);
        }
        "/refused" => respond.send_reset(Reason::REFUSED_STREAM),
        "/heavy" => {
            let mut response = ok();
            let long = "x".repeat(200_000).try_into().unwrap();
            response.headers_mut().insert("x-long", long);
            respond.send_response(response, true)?;
        }
        "/echo" => {
            let mut send = respond.send_response(ok(), false)?;
            while let Some(part) = body.data().await {
                let part = part?;
                body.flow_control().release_capacity(part.len())?;
                send.send_data(part, false)?;
            }
            send.send_data(Bytes::new(), true)?;
        }
        path => {
            time::sleep(10 * MS).await;
            let mut send = respond.send_response(ok(), false)?;
            send.send_data(Bytes::from(path.to_owned()), true)?;
        }
    }
    Ok(())
}

/// How many requests the server takes at once.
const ROOM: u32 = 4;

/// Until the client leaves; or for as many requests as it says, and then it goes without a word.
async fn talk(stream: Stream, seen: Arc<Seen>, requests: usize) {
    seen.connections.fetch_add(1, SeqCst);
    let _open = Count::up(&seen.open);
    let handshake = h2::server::Builder::new()
        .max_concurrent_streams(ROOM)
        .handshake(stream.compat());
    let Ok(mut connection) = handshake.await else {
        return;
    };
    for n in 1.. {
        let Some(Ok((request, respond))) = connection.accept().await else {
            return;
        };
        let answered = spawn(answer(request, respond, seen.clone()).map(drop));
        if n == requests {
            // The connection moves while it is asked for more.
            let closed = futures::future::poll_fn(|cx| connection.poll_closed(cx).map(drop));
            let _ = futures_lite::future::or(closed, async {
                drop(answered.await);
                time::sleep(10 * MS).await;
            })
            .await;
            return;
        }
        drop(answered);
    }
}

/// A client of a server, which runs where this is called.
#[cfg(all(feature = "tokio", feature = "smol"))]
pub(crate) async fn builder() -> Builder {
    plain(ALL).await.0
}

async fn plain(requests: usize) -> (Builder, Arc<Seen>) {
    let seen = Arc::new(Seen::default());
    let sees = seen.clone();
    let serve = move |stream| talk(stream, sees.clone(), requests);
    let (builder, port) = serving(&["a.example:80"], serve);
    let host = format!("a.example{port}");
    (
        builder.base_url(format!("http://{host}/")).http2_only(),
        seen,
    )
}

const ALL: usize = usize::MAX;

/// Until it is so; a report of what hangs otherwise.
async fn until(what: &str, mut so: impl FnMut() -> bool) {
    let waits = async {
        while !so() {
            time::sleep(MS).await;
        }
    };
    time::timeout(Duration::from_secs(20), waits)
        .await
        .expect(what);
}

async fn many_requests_share_a_connection() {
    let (builder, seen) = plain(ALL).await;
    let client = builder.build().unwrap();
    let pages = (0..25).map(|n| {
        let client = client.clone();
        async move {
            let page = client.get(&format!("/{n}")).await.unwrap();
            assert_eq!(page.version(), Version::HTTP_2);
            page.text().await.unwrap()
        }
    });
    let pages = gather(pages).settled().await;
    assert_eq!(pages, (0..25).map(|n| format!("/{n}")).collect::<Vec<_>>());
    assert_eq!(seen.connections.load(SeqCst), 1);
    assert!(seen.peak.load(SeqCst) > 1, "side by side");
}

/// What cannot be sent twice, and more of it at once than the server takes.
async fn who_finds_no_room_waits() {
    let (builder, seen) = plain(ALL).await;
    let client = builder.build().unwrap();
    let pages = (0..25).map(|n| {
        let client = client.clone();
        async move {
            client
                .post(&format!("/{n}"))
                .body("x")
                .await
                .unwrap()
                .text()
                .await
                .unwrap()
        }
    });
    let pages = gather(pages).settled().await;
    assert_eq!(pages, (0..25).map(|n| format!("/{n}")).collect::<Vec<_>>());
    assert_eq!(seen.connections.load(SeqCst), 1);
    assert_eq!(seen.requests.lock().unwrap().len(), 25);
    assert!(seen.peak.load(SeqCst) <= ROOM as usize);
}

async fn the_limits_are_those_of_requests() {
    let (builder, seen) = plain(ALL).await;
    let client = builder.limit_per_host(3).build().unwrap();
    let pages = (0..20).map(|n| {
        let client = client.clone();
        async move {
            client
                .get(&format!("/{n}"))
                .await
                .unwrap()
                .text()
                .await
                .unwrap()
        }
    });
    gather(pages).settled().await;
    assert_eq!(seen.peak.load(SeqCst), 3);
    assert_eq!(
        (seen.connections.load(SeqCst), client.connections()),
        (1, 3)
    );
}

async fn addresses_are_named_in_full() {
    let (builder, seen) = plain(ALL).await;
    let client = builder.build().unwrap();
    let page = client.get("/a/b?c=d").await.unwrap();
    let host = page.url().split('/').nth(2).unwrap().to_owned();
    page.bytes().await.unwrap();
    let other = client.get("/e").header("host", "other.example");
    other.await.unwrap().bytes().await.unwrap();
    let seen = seen.requests.lock().unwrap();
    assert_eq!(seen[0], format!("GET http://{host}/a/b?c=d None"));
    assert_eq!(seen[1], "GET http://other.example/e None");
}

async fn bodies_go_both_ways() {
    let (builder, _) = plain(ALL).await;
    let client = builder.build().unwrap();
    // Larger than the windows of flow control.
    let long = Bytes::from(vec![7; 300_000]);
    let page = client.post("/echo").body(long.clone()).await.unwrap();
    assert_eq!(page.bytes().await.unwrap(), long);
    let parts = futures::stream::iter((0..100).map(|_| Ok::<_, std::io::Error>("0123456789")));
    let page = client
        .post("/echo")
        .body(Body::stream(parts))
        .await
        .unwrap();
    assert_eq!(page.bytes().await.unwrap(), "0123456789".repeat(100));
}

async fn what_is_dropped_is_taken_back_and_the_others_go_on() {
    let (builder, seen) = plain(ALL).await;
    let client = builder.build().unwrap();
    let other = client.get("/other");
    let other = spawn(async move { other.await.unwrap().text().await.unwrap() });
    for path in ["/never", "/half"] {
        let asked = AtomicUsize::new(0);
        let waits = async {
            let mut page = client.get(path).await.unwrap();
            page.chunk().await.unwrap();
            asked.fetch_add(1, SeqCst);
            page.chunk().await.unwrap();
        };
        let before = seen.requests.lock().unwrap().len();
        let dropped = async {
            until("it is asked", || {
                seen.requests.lock().unwrap().len() > before
                    && (path == "/never" || asked.load(SeqCst) == 1)
            })
            .await;
        };
        futures_lite::future::or(waits, dropped).await;
    }
    until("both are taken back", || seen.taken_back.load(SeqCst) == 2).await;
    assert_eq!(other.await.unwrap(), "/other");
    let page = client.get("/after").await.unwrap();
    assert_eq!(page.text().await.unwrap(), "/after");
    assert_eq!(seen.connections.load(SeqCst), 1);
}

/// A body that is still being made goes with its request.
async fn an_upload_that_is_dropped_ends() {
    let (builder, seen) = plain(ALL).await;
    let client = builder.build().unwrap();
    let alive = Arc::new(());
    let held = alive.clone();
    let parts = futures::stream::unfold((held, 0), async |(held, n)| {
        if n > 0 {
            std::future::pending::<()>().await;
        }
        Some((Ok::<_, std::io::Error>("first"), (held, n + 1)))
    });
    let post = client.post("/never").body(Body::stream(parts)).send();
    let asked = until("it is asked", || seen.requests.lock().unwrap().len() == 1);
    let first = futures_lite::future::or(async { post.await.is_ok() }, async {
        asked.await;
        false
    });
    assert!(!first.await);
    until("the body is dropped", || Arc::strong_count(&alive) == 1).await;
    until("it is taken back", || seen.taken_back.load(SeqCst) == 1).await;
    let page = client.get("/after").await.unwrap();
    assert_eq!(page.text().await.unwrap(), "/after");
    assert_eq!(seen.connections.load(SeqCst), 1);
}

async fn a_server_that_went_is_asked_over_another_connection() {
    let (builder, seen) = plain(2).await;
    let client = builder.build().unwrap();
    for n in 0..10 {
        let page = client.get(&format!("/{n}")).await.unwrap();
        assert_eq!(page.text().await.unwrap(), format!("/{n}"));
        time::sleep(25 * MS).await;
    }
    assert_eq!(seen.connections.load(SeqCst), 5);
}

async fn what_the_server_refuses_is_an_error() {
    let (builder, seen) = plain(ALL).await;
    let client = builder.build().unwrap();
    let error = client.get("/refused").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol, "{error}");
    let error = client.get("/heavy").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol, "{error}");
    let page = client.get("/fine").await.unwrap();
    assert_eq!(page.text().await.unwrap(), "/fine");
    // Once on a connection that was new, and as often as it makes sense on one that was not.
    let error = client.get("/refused").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol, "{error}");
    let seen_of = |path: &str| {
        let seen = seen.requests.lock().unwrap();
        seen.iter().filter(|line| line.contains(path)).count()
    };
    assert_eq!((seen_of("/refused"), seen_of("/fine")), (1 + 3, 1));
}

async fn closing_waits_for_the_connection() {
    let (builder, seen) = plain(ALL).await;
    let client = builder.build().unwrap();
    client.get("/x").await.unwrap().bytes().await.unwrap();
    assert_eq!(seen.open.load(SeqCst), 1);
    let report = client.close(Duration::from_secs(20)).await;
    assert!(report.held.is_empty());
    assert_eq!(client.connections(), 0);
    until("the server has seen it", || seen.open.load(SeqCst) == 0).await;
    let error = client.get("/y").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed);
}

async fn who_is_idle_for_long_is_closed() {
    let (builder, seen) = plain(ALL).await;
    let client = builder.keep_alive(30 * MS).build().unwrap();
    client.get("/x").await.unwrap().bytes().await.unwrap();
    until("it is closed", || {
        seen.open.load(SeqCst) == 0 && client.connections() == 0
    })
    .await;
    client.get("/y").await.unwrap().bytes().await.unwrap();
    assert_eq!(seen.connections.load(SeqCst), 2);
}

async fn a_server_that_does_not_understand_is_an_error() {
    let (builder, port) = serving(&["a.example:80"], |mut stream: Stream| async move {
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        let _ = stream.close().await;
    });
    let client = builder.http2_only().build().unwrap();
    let error = client
        .get(&format!("http://a.example{port}/"))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol, "{error}");
}

async fn the_server_chooses() {
    let authority = Authority::new("ours");
    for (offers, version, connections) in [
        (&[&b"h2"[..], b"http/1.1"][..], Version::HTTP_2, 1),
        (&[&b"http/1.1"[..]], Version::HTTP_11, 3),
        (&[], Version::HTTP_11, 3),
    ] {
        let acceptor = authority.server_of(&["a.example"], 4000, offers);
        let seen = Arc::new(Seen::default());
        let sees = seen.clone();
        let serve = move |stream| {
            let (seen, acceptor) = (sees.clone(), acceptor.clone());
            async move {
                let Ok(stream) = acceptor.accept(stream).await else {
                    return;
                };
                if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
                    return talk(Box::new(stream), seen, ALL).await;
                }
                seen.connections.fetch_add(1, SeqCst);
                super::tls::talk_in_private(Box::new(stream)).await;
            }
        };
        let (builder, port) = serving(&["a.example:443"], serve);
        let host = format!("a.example{port}");
        let builder = builder.root_certificate(authority.der.clone());
        let client = builder.http2().limit_per_host(3).build().unwrap();
        let pages = (0..9).map(|n| {
            let (client, host) = (client.clone(), host.clone());
            async move {
                let page = client.get(&format!("https://{host}/{n}")).await.unwrap();
                assert_eq!(page.version(), version);
                assert_eq!(page.text().await.unwrap(), format!("/{n}"));
            }
        });
        gather(pages).settled().await;
        // Nine requests may be over before the last of three connections is open.
        let seen = seen.connections.load(SeqCst);
        assert!((1..=connections).contains(&seen), "{version:?}: {seen}");
    }
}

regatta::matrix! {
    many_requests_share_a_connection;
    who_finds_no_room_waits;
    the_limits_are_those_of_requests;
    addresses_are_named_in_full;
    bodies_go_both_ways;
    what_is_dropped_is_taken_back_and_the_others_go_on;
    an_upload_that_is_dropped_ends;
    a_server_that_went_is_asked_over_another_connection;
    what_the_server_refuses_is_an_error;
    closing_waits_for_the_connection;
    who_is_idle_for_long_is_closed;
    a_server_that_does_not_understand_is_an_error;
    the_server_chooses;
}

/// Dropped at every await, while a rival has a request on the same connection: nobody else notices, and the connection
/// stays.
#[test]
fn a_dropped_request_harms_nobody() {
    async fn ask(client: &HttpClient, path: &str) -> String {
        client.get(path).await.unwrap().text().await.unwrap()
    }
    type World = (HttpClient, Arc<Seen>);
    let setup = async || -> World {
        let (builder, seen) = plain(ALL).await;
        let client = builder.limit(2).build().unwrap();
        let rival = client.clone();
        drop(spawn(async move {
            assert_eq!(ask(&rival, "/rival").await, "/rival")
        }));
        (client, seen)
    };
    let op = |(client, _): World| async move { ask(&client, "/ours").await };
    let verify = |(client, seen): World, outcome: testing::Outcome<String>| async move {
        if let testing::Outcome::Completed(text) = outcome
            && text != "/ours"
        {
            return Err(text);
        }
        for path in ["/one", "/another"] {
            let answer = ask(&client, path).await;
            if answer != path {
                return Err(format!("asked for {path}, and got {answer}"));
            }
        }
        time::sleep(50 * MS).await;
        match (seen.connections.load(SeqCst), seen.running.load(SeqCst)) {
            (1, 0) => Ok(()),
            (connections, running) => Err(format!(
                "{connections} connections, {running} requests that nobody waits for"
            )),
        }
    };
    let report = testing::cancel_safety_drops(2_000, setup, op, verify);
    report.unwrap();
    assert!(report.drops >= 2_000, "{report}");
}
