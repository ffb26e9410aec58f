//! Drops requests, and the reading of their bodies, at every await, 100,000 times each, over streams in memory: every place is free again, and every answer is the one to
//! its question.

use crate::ground::{MS, spawn};
use futures_lite::{AsyncReadExt, AsyncWriteExt};
use regatta::integrations::http::{HttpClient, HttpError, Response};
use regatta::runtime::net::memory::{Listener, Network, Stream};
use regatta::testing::{Outcome, cancel_safety_drops, yield_now};
use regatta::time;
use regatta_soak::{DROPS, passed};
use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

/// Answers with the path, in two parts.
async fn answers(mut stream: Stream) {
    let mut head = Vec::new();
    let mut part = [0; 512];
    while let Ok(n @ 1..) = stream.read(&mut part).await {
        head.extend_from_slice(&part[..n]);
        if !head.ends_with(b"\r\n\r\n") {
            continue;
        }
        let asked = String::from_utf8(std::mem::take(&mut head)).unwrap();
        let path = asked.split(' ').nth(1).unwrap();
        let top = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", path.len());
        yield_now().await;
        let (first, second) = path.split_at(path.len() / 2);
        if stream
            .write_all(format!("{top}{first}").as_bytes())
            .await
            .is_err()
        {
            return;
        }
        yield_now().await;
        if stream.write_all(second.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// A client that may have one connection, and a rival who wants it too.
async fn world() -> HttpClient {
    let network = Network::new();
    let listener = network.listen("a.example:80").unwrap();
    drop(spawn(async move {
        while let Ok(stream) = listener.accept().await {
            drop(spawn(answers(stream)));
        }
    }));
    let builder = HttpClient::builder().base_url("http://a.example/");
    let client = builder.transport(network).limit(1).build().unwrap();
    let rival = client.clone();
    drop(spawn(async move {
        // Refused only where the test closes the client.
        if let Ok(answer) = ask(&rival, "/rival").await {
            assert_eq!(answer, "/rival");
        }
    }));
    client
}

async fn ask(client: &HttpClient, path: &str) -> Result<String, HttpError> {
    client.get(path).send().await?.text().await
}

/// The place is free, and what is in it is clean.
async fn as_good_as_new(client: HttpClient) -> Result<(), String> {
    for path in ["/one", "/another"] {
        let answer = ask(&client, path).await.map_err(|e| e.to_string())?;
        if answer != path {
            return Err(format!("asked for {path}, and got {answer}"));
        }
    }
    time::sleep(MS).await;
    match client.connections() {
        1 => Ok(()),
        n => Err(format!("{n} connections")),
    }
}

#[test]
fn a_dropped_request_takes_its_connection_with_it() {
    let op = |client: HttpClient| async move {
        let page = client.get("/ours").send().await.unwrap();
        page.status().as_u16()
    };
    let verify = |client: HttpClient, _: Outcome<u16>| as_good_as_new(client);
    passed(&cancel_safety_drops(DROPS, world, op, verify));
}

#[test]
fn a_dropped_body_takes_its_connection_with_it() {
    let op = |client: HttpClient| async move { ask(&client, "/ours").await.unwrap() };
    let verify = |client: HttpClient, outcome: Outcome<String>| async move {
        match outcome {
            Outcome::Completed(text) if text != "/ours" => Err(text),
            _ => as_good_as_new(client).await,
        }
    };
    passed(&cancel_safety_drops(DROPS, world, op, verify));
}

/// What a dropped `chunk` would have given, the next one gives.
#[test]
fn a_dropped_chunk_is_not_lost() {
    type Shared = (HttpClient, Rc<RefCell<(Response, Vec<u8>)>>);
    async fn chunk((_, page): Shared) -> bool {
        // A new call for every poll.
        let (part, page) = poll_fn(|cx| {
            let mut page = page.borrow_mut();
            let chunk = pin!(page.0.chunk()).poll(cx);
            chunk.map(|part| part.unwrap())
        })
        .await
        .map_or((None, page.clone()), |part| (Some(part), page.clone()));
        let Some(part) = part else { return false };
        page.borrow_mut().1.extend_from_slice(&part);
        true
    }
    let setup = async || -> Shared {
        let client = world().await;
        let page = client.get("/in-two-parts").send().await.unwrap();
        (client, Rc::new(RefCell::new((page, Vec::new()))))
    };
    let verify = |shared: Shared, _: Outcome<bool>| async move {
        while chunk(shared.clone()).await {}
        let (client, page) = shared;
        if page.borrow().1 != b"/in-two-parts" {
            return Err(format!("{:?}", page.borrow().1));
        }
        drop(page);
        as_good_as_new(client).await
    };
    passed(&cancel_safety_drops(DROPS, setup, chunk, verify));
}

#[test]
fn a_dropped_close_can_be_repeated() {
    let op = |client: HttpClient| async move {
        client.close(Duration::from_secs(1)).await.is_complete()
    };
    let setup = async || {
        let client = world().await;
        let reads = client.clone();
        drop(spawn(async move {
            if let Ok(page) = reads.get("/slow").send().await {
                time::sleep(MS).await;
                drop(page);
            }
        }));
        time::sleep(MS / 2).await;
        client
    };
    let verify = |client: HttpClient, outcome: Outcome<bool>| async move {
        if matches!(outcome, Outcome::Completed(false)) {
            return Err("a second was not enough".into());
        }
        let whole = client.close(Duration::from_secs(1)).await.is_complete();
        match client.connections() {
            0 if whole => Ok(()),
            n => Err(format!("{n} connections")),
        }
    };
    passed(&cancel_safety_drops(DROPS, setup, op, verify));
}

#[test]
fn a_dropped_accept_takes_no_connection() {
    type Shared = (Network, Rc<Listener>);
    let setup = async || -> Shared {
        let network = Network::new();
        let listener = network.listen("a").unwrap();
        let guest = network.clone();
        drop(spawn(async move {
            yield_now().await;
            let mut stream = guest.connect("a").unwrap();
            stream.write_all(b"first").await.unwrap();
        }));
        (network, Rc::new(listener))
    };
    async fn next(listener: &Listener) -> String {
        let mut said = String::new();
        let mut stream = listener.accept().await.unwrap();
        stream.read_to_string(&mut said).await.unwrap();
        said
    }
    let op = |(_, listener): Shared| async move { listener.accept().await.is_ok() };
    let verify = |(network, listener): Shared, outcome: Outcome<bool>| async move {
        if !matches!(outcome, Outcome::Completed(_)) && next(&listener).await != "first" {
            return Err("it was lost".into());
        }
        let mut stream = network.connect("a").unwrap();
        stream.write_all(b"second").await.unwrap();
        drop(stream);
        match next(&listener).await.as_str() {
            "second" => Ok(()),
            other => Err(other.into()),
        }
    };
    passed(&cancel_safety_drops(DROPS, setup, op, verify));
}
