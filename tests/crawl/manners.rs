//! How it asks: politely, patiently, and as the server understands.

use super::ask::{Answer, client};
use super::facts::{Outcome, Target, Trouble};
use super::fetch::{Fetcher, Manners};
use super::ground::{MS, Watch, now, spawn};
use super::site::{FLAPPING, Faults, Host, SITE, Tree, serve};
use super::visit::Visitor;
use super::world::{plan, whole};
use futures::io::{AsyncReadExt, AsyncWriteExt};
use regatta::blocking::CpuPool;
use regatta::integrations::http::Method;
use regatta::rate_limit::Quota;
use regatta::runtime::net::memory::{Network, Stream};
use std::sync::{Arc, Mutex};
use std::time::Instant;
use url::Url;

type Moments = Arc<Mutex<Vec<Instant>>>;

/// Between the door and the host: looks when requests come. Each of them is written at once.
fn watched(network: &Network, name: &'static str, host: Host) -> Moments {
    let moments = Moments::default();
    let inner = Network::new();
    let (outside, inside) = (network.listen(format!("{name}:80")), inner.listen("host"));
    drop(spawn(
        async move { drop(serve(host, inside.unwrap()).await) },
    ));
    let (outside, seen) = (outside.unwrap(), moments.clone());
    drop(spawn(async move {
        while let Ok(guest) = outside.accept().await {
            let (from, to) = guest.split();
            let (back, on) = inner.connect("host").unwrap().split();
            let seen = seen.clone();
            drop(spawn(async move {
                pass(from, on, || seen.lock().unwrap().push(now())).await;
            }));
            drop(spawn(pass(back, to, || {})));
        }
    }));
    moments
}

async fn pass(
    mut from: impl futures::io::AsyncRead + Unpin,
    mut to: impl futures::io::AsyncWrite + Unpin,
    mut tell: impl FnMut(),
) {
    let mut piece = [0; 16 * 1024];
    while let Ok(n @ 1..) = from.read(&mut piece).await {
        tell();
        if to.write_all(&piece[..n]).await.is_err() {
            break;
        }
    }
    let _ = to.close().await;
}

/// Each host is asked ten times a second, to the nanosecond, however many jobs there are.
async fn politeness_holds_exactly() {
    let network = Network::new();
    let Tree::Memory(mut book) = Tree::generated(4, 5) else {
        panic!("it is in memory");
    };
    let first = format!("<a href=1/><a href=2/><a href=3/><a href=http://{FLAPPING}/>");
    book.insert("index.html".into(), first.into_bytes());
    let site = watched(&network, SITE, Host::new(Tree::Memory(book), Faults::None));
    let other = Host::new(Tree::list(40), Faults::None);
    let flapping = watched(&network, FLAPPING, other);
    let mut plan = plan();
    plan.manners.rate = Quota::per_second(10).burst(1);
    let (ended, _) = whole(&network, plan).await;
    assert_eq!(ended.findings.broken, []);
    for (host, moments) in [(SITE, site), (FLAPPING, flapping)] {
        let moments = moments.lock().unwrap();
        assert!(moments.len() >= 20, "{host}: {}", moments.len());
        let mut between: Vec<_> = moments.windows(2).map(|w| w[1] - w[0]).collect();
        between.sort();
        assert_eq!(between[0], MS * 100, "{host}");
        // There was always something to ask, but between the levels.
        assert_eq!(between[between.len() - 5], MS * 100, "{host}");
    }
}

fn manners() -> Manners {
    plan().manners
}

/// A host that answers so, whatever it is asked, one answer for each request; the last one again and again.
fn says(network: &Network, answers: &'static [&'static str]) -> Moments {
    let door = network.listen(format!("{SITE}:80")).unwrap();
    let asked = Moments::default();
    let seen = asked.clone();
    drop(spawn(async move {
        while let Ok(guest) = door.accept().await {
            drop(spawn(answer_all(guest, answers, seen.clone())));
        }
    }));
    asked
}

async fn answer_all(mut guest: Stream, answers: &[&str], seen: Moments) {
    let mut piece = [0; 4096];
    while let Ok(1..) = guest.read(&mut piece).await {
        let count = {
            let mut seen = seen.lock().unwrap();
            seen.push(now());
            seen.len()
        };
        let answer = answers[(count - 1).min(answers.len() - 1)];
        if guest.write_all(answer.as_bytes()).await.is_err() || answer.contains("connection: close")
        {
            return;
        }
    }
}

fn fetcher(network: &Network) -> Fetcher {
    Fetcher::new(
        client(4).transport(network.clone()).build().unwrap(),
        manners(),
    )
}

fn url(path: &str) -> Url {
    Url::parse(&format!("http://{SITE}/{path}")).unwrap()
}

const FINE: &str = "HTTP/1.1 200 OK\r\ncontent-type: Text/HTML;x\r\ncontent-length: 2\r\n\r\nhi";

async fn a_server_that_asks_for_time_gets_it() {
    const BUSY: &[&str] = &[
        "HTTP/1.1 503 Busy\r\nretry-after: 2\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 429 Slow down\r\nretry-after: 3\r\ncontent-length: 0\r\n\r\n",
        FINE,
    ];
    let network = Network::new();
    says(&network, BUSY);
    let watch = Watch::start();
    let fetched = fetcher(&network).fetch(Method::GET, &url("")).await;
    assert!(matches!(fetched.answer, Ok(Answer::Page(_))), "{fetched:?}");
    assert_eq!(fetched.requests, 3);
    watch.shows(MS * 5000);
}

async fn patience_has_an_end() {
    let network = Network::new();
    says(
        &network,
        &["HTTP/1.1 503 Busy\r\nretry-after: 99999\r\ncontent-length: 0\r\n\r\n"],
    );
    let watch = Watch::start();
    let fetched = fetcher(&network).fetch(Method::GET, &url("")).await;
    assert_eq!(fetched.answer.unwrap_err(), Trouble::Busy(503));
    assert_eq!(fetched.requests, 4);
    watch.shows(MS * 3 * 10_000);
}

async fn a_host_that_is_not_there_is_left_alone_and_given_up() {
    let network = Network::new();
    let fetcher = fetcher(&network);
    let many = (0..40).map(|_| async {
        let fetched = fetcher.fetch(Method::GET, &url("")).await;
        (fetched.answer.unwrap_err(), fetched.requests)
    });
    let start = now();
    let all = futures::future::join_all(many).await;
    // Then its breaker lets one through every now and then: each page has had its turn.
    assert!(
        all.iter()
            .all(|(trouble, requests)| *trouble == Trouble::NoConnection && *requests >= 1)
    );
    let requests: u32 = all.iter().map(|(_, requests)| requests).sum();
    assert!((40..100).contains(&requests), "{requests}");
    assert!(now() - start <= MS * 11_000);
    let figures = fetcher.figures();
    assert!(figures.trips[SITE] > 30, "{figures:?}");
}

/// Twelve failures in a row, and the breaker opens: what was tried before counts all the same.
async fn the_tries_of_a_page_add_up_while_its_host_is_left_alone() {
    let network = Network::new();
    let fetcher = fetcher(&network);
    let start = now();
    let page = url("");
    let all = futures::future::join_all((0..4).map(|_| fetcher.fetch(Method::GET, &page))).await;
    for fetched in all {
        assert_eq!(fetched.answer.unwrap_err(), Trouble::NoConnection);
        assert_eq!(fetched.requests, 4);
    }
    assert!(fetcher.figures().trips[SITE] >= 2);
    let took = now() - start;
    assert!(took >= MS * 1400 && took < MS * 2600, "{took:?}");
}

async fn visit(network: &Network, path: &str) -> super::facts::Visit {
    let visitor = Visitor {
        fetcher: fetcher(network),
        cores: CpuPool::with_workers(1),
    };
    let target = Target {
        id: 1,
        url: url(path),
    };
    visitor.visit(target).await.unwrap()
}

/// What is no page by its name is not fetched; a server that does not know `HEAD` is asked for all of it.
async fn who_knows_no_head_is_asked_otherwise() {
    for refusal in ["405 No", "501 No"] {
        let network = Network::new();
        let refusal: &'static str =
            format!("HTTP/1.1 {refusal}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n").leak();
        let answers: &'static [&'static str] = match refusal.contains("405") {
            true => vec![refusal, FINE].leak(),
            // A fault that may pass: it is asked four times.
            false => vec![refusal, refusal, refusal, refusal, FINE].leak(),
        };
        let asked = says(&network, answers);
        let visit = visit(&network, "picture.png").await;
        // It is a page, after all.
        let page = Outcome::Page {
            bytes: 2,
            title: String::new(),
        };
        assert_eq!(visit.outcome, page);
        assert_eq!(visit.requests as usize, asked.lock().unwrap().len());
    }
}

async fn odd_answers_have_an_outcome() {
    for (answer, expected) in [
        ("HTTP/1.1 204 Nothing\r\n\r\n", Outcome::File),
        (
            "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 2\r\n\r\nhi",
            Outcome::File,
        ),
        ("HTTP/1.1 304 Same\r\n\r\n", Outcome::File),
        (
            "HTTP/1.1 301 Gone\r\nlocation: /x#y\r\ncontent-length: 0\r\n\r\n",
            Outcome::Redirect("http://site.test/x".into()),
        ),
        (
            "HTTP/1.1 301 Gone\r\nlocation: http://\r\ncontent-length: 0\r\n\r\n",
            Outcome::Failed(Trouble::Unreadable),
        ),
        (
            "HTTP/1.1 404 No\r\nlocation: /x\r\ncontent-length: 0\r\n\r\n",
            Outcome::Refused(404),
        ),
        (
            "HTTP/1.1 451 No\r\ncontent-length: 0\r\n\r\n",
            Outcome::Refused(451),
        ),
        (
            "220 mail.test ESMTP connection: close\r\n",
            Outcome::Failed(Trouble::BrokenOff),
        ),
        (
            "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 99999999\r\n\r\n",
            Outcome::Failed(Trouble::TooLarge),
        ),
        (
            "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-encoding: gzip\r\ncontent-length: 9\r\n\r\nnot gzip.",
            Outcome::Failed(Trouble::Unreadable),
        ),
    ] {
        let network = Network::new();
        says(&network, vec![answer].leak());
        assert_eq!(visit(&network, "").await.outcome, expected, "{answer}");
    }
}

regatta::matrix! {
    politeness_holds_exactly [sim];
    a_server_that_asks_for_time_gets_it [sim];
    patience_has_an_end [sim];
    a_host_that_is_not_there_is_left_alone_and_given_up [sim];
    the_tries_of_a_page_add_up_while_its_host_is_left_alone [sim];
    who_knows_no_head_is_asked_otherwise;
    odd_answers_have_an_outcome;
}
