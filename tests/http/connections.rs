//! Connections: kept when they are clean, closed when they are not, and never too many.

use super::ground::{MS, spawn};
use super::server::{Server, answer, serving};
use futures::io::AsyncWriteExt;
use regatta::integrations::http::{ErrorKind, HttpClient};
use regatta::runtime::net::memory::Network;
use regatta::{task, time};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

async fn get(client: &HttpClient, path: &str) -> String {
    let page = client.get(path).await.unwrap();
    page.text().await.unwrap()
}

async fn a_clean_connection_is_used_again() {
    let server = Server::start().await;
    let client = server.client();
    for _ in 0..20 {
        assert_eq!(get(&client, "/hello").await, "hello");
        // Without a body there is nothing to read first.
        drop(client.get("/nothing").await.unwrap());
        drop(client.head("/hello").await.unwrap());
    }
    assert_eq!((server.accepted(), client.connections()), (1, 1));
}

async fn what_the_server_closes_is_not_used_again() {
    let server = Server::start().await;
    let client = server.client();
    for n in 1..5 {
        assert_eq!(get(&client, "/close").await, "bye");
        assert_eq!(server.accepted(), n);
        none_is_left(&client).await;
    }
}

/// Not even in the pool, where the next request would find out. A second is far less than they are kept idle.
async fn none_is_left(client: &HttpClient) {
    for _ in 0..1000 {
        if client.connections() == 0 {
            return;
        }
        time::sleep(MS).await;
    }
    panic!("{} connections are kept", client.connections());
}

/// The server closed it without a word. The next request finds out, and goes over another.
async fn a_half_closed_connection_costs_no_request() {
    let server = Server::start().await;
    let client = server.client();
    for n in 1..10 {
        assert_eq!(get(&client, "/leave").await, "bye");
        time::sleep(MS * 2).await;
        assert_eq!(server.accepted(), n);
    }
    // Also when many are: more than one try is needed.
    let together = (0..10).map(|_| get(&client, "/slow/5"));
    task::gather(together).settled().await;
    let together = (0..10).map(|_| get(&client, "/leave"));
    task::gather(together).settled().await;
    time::sleep(MS * 2).await;
    // Not even what may not be sent twice, for nothing of it was sent.
    for _ in 0..10 {
        let posted = client.post("/json").body("once").await.unwrap();
        assert_eq!(posted.text().await.unwrap(), "once");
    }
    let posts = server
        .heads()
        .iter()
        .filter(|h| h.starts_with("POST"))
        .count();
    assert_eq!(posts, 10);
}

/// In the middle of five handshakes, with more who wait.
async fn a_close_opens_no_connection() {
    for _ in 0..5 {
        let accepted = Arc::new(AtomicUsize::new(0));
        let counts = accepted.clone();
        // It never says a word.
        let (builder, port) = serving(&["a.example:443"], move |stream| {
            let counts = counts.clone();
            async move {
                counts.fetch_add(1, SeqCst);
                let _kept = stream;
                std::future::pending::<()>().await;
            }
        });
        let client = builder.limit(5).build().unwrap();
        let asks = (0..20).map(|_| {
            let request = client.get(&format!("https://a.example{port}/"));
            spawn(async move { request.await.map(drop).unwrap_err().kind() })
        });
        let asks: Vec<_> = asks.collect();
        while accepted.load(SeqCst) < 5 {
            time::sleep(MS).await;
        }
        assert!(client.close(Duration::from_secs(60)).await.is_complete());
        for ask in asks {
            assert_eq!(ask.await.unwrap(), ErrorKind::Closed);
        }
        time::sleep(MS * 5).await;
        assert_eq!(accepted.load(SeqCst), 5);
    }
}

async fn what_was_not_read_to_its_end_is_closed() {
    let server = Server::start().await;
    let client = server.builder().limit_per_host(1).build().unwrap();
    for _ in 0..5 {
        drop(client.get("/big/1000000").await.unwrap());
        let mut page = client.get("/big/1000000").await.unwrap();
        page.chunk().await.unwrap();
        drop(page);
    }
    assert_eq!(server.accepted(), 10);
    assert_eq!(get(&client, "/hello").await, "hello");
}

/// The answer to a question that nobody asked belongs to nobody.
async fn bytes_that_are_left_over_are_nobodys_answer() {
    let server = Server::start().await;
    let client = server.client();
    for _ in 0..20 {
        let page = client.get("/and-more").await.unwrap();
        assert_eq!(page.text().await.unwrap(), "one");
        none_is_left(&client).await;
        assert_eq!(get(&client, "/hello").await, "hello");
    }
}

/// Requests dropped at all kinds of moments, beside others: every answer is the one to its question.
async fn dropped_requests_never_mix_up_answers() {
    let server = Server::start().await;
    let client = server.builder().limit_per_host(4).build().unwrap();
    let rounds = (0..40_u32).map(|i| {
        let client = client.clone();
        async move {
            let slow = async { client.get("/slow/3").await?.bytes().await };
            let limit = Duration::from_micros(u64::from(i * 397 % 6000));
            let _ = time::timeout(limit, slow).await;
            let mine = format!("mine is {i}");
            let back = client.post("/json").body(mine.clone()).await.unwrap();
            assert_eq!(back.text().await.unwrap(), mine);
        }
    });
    task::gather(rounds).settled().await;
    assert!(client.connections() <= 4);
}

async fn the_limit_for_a_host_holds() {
    let server = Server::start().await;
    let client = server.builder().limit_per_host(3).build().unwrap();
    let together = (0..30).map(|_| get(&client, "/slow/2"));
    task::gather(together).settled().await;
    assert_eq!(server.accepted(), 3, "they were used again");
    assert_eq!(server.seen.peak.load(SeqCst), 3);
}

/// Three hosts, a total of two: idle connections make way, and nobody waits for ever.
async fn the_limit_in_all_holds() {
    let network = Network::new();
    let open = Arc::new((AtomicUsize::new(0), AtomicUsize::new(0)));
    for host in ["a", "b", "c"] {
        let listener = network.listen(format!("{host}.example:80")).unwrap();
        let open = open.clone();
        drop(spawn(async move {
            while let Ok(stream) = listener.accept().await {
                let open = open.clone();
                drop(spawn(async move {
                    open.1.fetch_max(open.0.fetch_add(1, SeqCst) + 1, SeqCst);
                    let mut stream: super::server::Stream = Box::new(stream);
                    while super::server::read(&mut stream).await.is_some() {
                        time::sleep(MS).await;
                        let page = answer("200 OK", "", b"yes");
                        stream.write_all(&page).await.unwrap();
                    }
                    open.0.fetch_sub(1, SeqCst);
                }));
            }
        }));
    }
    let client = HttpClient::builder()
        .transport(network)
        .limit(2)
        .build()
        .unwrap();
    let asks = (0..30).map(|n| {
        let url = format!("http://{}.example/", ["a", "b", "c"][n % 3]);
        let client = client.clone();
        async move { get(&client, &url).await }
    });
    let answers = task::gather(asks).settled().await;
    assert!(answers.iter().all(|a| a == "yes"));
    // The server notices a closed connection a little later than the client.
    assert!(open.1.load(SeqCst) <= 4, "{} open", open.1.load(SeqCst));
    assert!(client.connections() <= 2);
}

async fn an_idle_connection_is_closed_after_a_while() {
    let server = Server::start().await;
    let client = server.builder().keep_alive(MS * 20).build().unwrap();
    get(&client, "/hello").await;
    get(&client, "/hello").await;
    assert_eq!((server.accepted(), client.connections()), (1, 1));
    time::sleep(MS * 200).await;
    assert_eq!(client.connections(), 0);
    get(&client, "/hello").await;
    assert_eq!(server.accepted(), 2);
}

async fn a_closed_client_asks_nothing_more() {
    let server = Server::start().await;
    let client = server.client();
    get(&client, "/hello").await;
    let reading = client.get("/drip").await.unwrap();
    let ended = {
        let client = client.clone();
        spawn(async move { client.close(Duration::from_secs(10)).await.is_complete() })
    };
    time::sleep(MS).await;
    let error = client.get("/hello").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed);
    assert_eq!(reading.text().await.unwrap(), "0123456789");
    assert!(ended.await.unwrap(), "it waited for what was being read");
    assert_eq!(client.connections(), 0);
}

async fn nobody_there_is_said_with_the_address() {
    let server = Server::start().await;
    let client = server.client();
    // Nothing listens on a discard port of a loopback, and in no network of ours.
    let error = client.get("http://127.0.0.1:9/").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connect);
    assert!(error.is_unsent());
    let text = error.to_string();
    assert!(
        text.contains("no connection to http://127.0.0.1:9"),
        "{text}"
    );
}

/// A resolver that counts, and knows every host below `.example` to be this one.
fn counting(
    port: u16,
) -> (
    Arc<AtomicUsize>,
    impl Fn(String, u16) -> Lookup + Send + Sync,
) {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let resolver = move |host: String, _| -> Lookup {
        let count = count.clone();
        Box::pin(async move {
            count.fetch_add(1, SeqCst);
            time::sleep(MS * 5).await;
            if host.ends_with(".example") {
                Ok(vec![format!("127.0.0.1:{port}").parse().unwrap()])
            } else {
                Err(io::Error::new(io::ErrorKind::NotFound, "no such host"))
            }
        })
    };
    (asked, resolver)
}

type Lookup = std::pin::Pin<Box<dyn Future<Output = io::Result<Vec<std::net::SocketAddr>>> + Send>>;

fn port(server: &Server) -> u16 {
    server.address.rsplit(':').next().unwrap().parse().unwrap()
}

async fn an_address_is_asked_for_once_and_kept() {
    let server = Server::start().await;
    let (asked, resolver) = counting(port(&server));
    let builder = HttpClient::builder().resolver(resolver);
    let client = builder.dns_cache(MS * 300, 10).build().unwrap();
    let together = (0..20).map(|_| get(&client, "http://a.example/slow/5"));
    task::gather(together).settled().await;
    assert_eq!(
        asked.load(SeqCst),
        1,
        "twenty wanted to know at the same time"
    );
    assert!(server.accepted() > 1);
    time::sleep(MS * 310).await;
    // All connections are in use, so that another is needed.
    let together = (0..30).map(|_| get(&client, "http://a.example/slow/5"));
    task::gather(together).settled().await;
    assert_eq!(asked.load(SeqCst), 2, "it had grown old");
    get(&client, &server.url("/hello")).await;
    assert_eq!(asked.load(SeqCst), 2, "digits are not asked for");
}

async fn more_hosts_than_the_cache_holds() {
    let server = Server::start().await;
    let (asked, resolver) = counting(port(&server));
    let builder = HttpClient::builder().resolver(resolver);
    let client = builder
        .dns_cache(Duration::from_secs(60), 5)
        .build()
        .unwrap();
    for n in 0..50 {
        get(&client, &format!("http://h{n}.example/close")).await;
    }
    assert_eq!(asked.load(SeqCst), 50);
    get(&client, "http://h49.example/close").await;
    assert_eq!(asked.load(SeqCst), 50, "the last ones are known");
    get(&client, "http://h0.example/close").await;
    assert_eq!(asked.load(SeqCst), 51, "the first one was forgotten");
}

async fn a_name_without_address_fails_at_once_for_all() {
    let server = Server::start().await;
    let (asked, resolver) = counting(port(&server));
    let client = HttpClient::builder().resolver(resolver).build().unwrap();
    let fails = || async {
        let error = client.get("http://nowhere.invalid/").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Connect);
        assert!(error.to_string().contains("no such host"), "{error}");
    };
    task::gather((0..10).map(|_| fails())).settled().await;
    assert_eq!(asked.load(SeqCst), 1);
}

regatta::matrix! {
    a_close_opens_no_connection;
    a_clean_connection_is_used_again;
    what_the_server_closes_is_not_used_again;
    a_half_closed_connection_costs_no_request;
    what_was_not_read_to_its_end_is_closed;
    bytes_that_are_left_over_are_nobodys_answer;
    dropped_requests_never_mix_up_answers;
    the_limit_for_a_host_holds;
    the_limit_in_all_holds;
    an_idle_connection_is_closed_after_a_while;
    a_closed_client_asks_nothing_more;
    nobody_there_is_said_with_the_address;
    an_address_is_asked_for_once_and_kept [tokio_current, tokio_multi, smol];
    more_hosts_than_the_cache_holds [tokio_current, tokio_multi, smol];
    a_name_without_address_fails_at_once_for_all [tokio_current, tokio_multi, smol];
}
