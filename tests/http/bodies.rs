//! Bodies: whole, cut short, compressed, lying, without end.

use super::ground::Hand;
use super::server::{Server, text};
use futures::StreamExt;
use regatta::integrations::http::{ErrorKind, HttpClient};
use std::pin::pin;

async fn fails(client: &HttpClient, path: &str) -> ErrorKind {
    let page = match client.get(path).await {
        Ok(page) => page.bytes().await.map(drop),
        Err(error) => Err(error),
    };
    let error = page.expect_err(path);
    assert!(error.to_string().contains(path), "{error}");
    error.kind()
}

async fn hello(client: &HttpClient) {
    let page = client.get("/hello").await.unwrap();
    assert_eq!(page.text().await.unwrap(), "hello");
}

async fn chunks_become_one_body() {
    let server = Server::start().await;
    let client = server.client();
    for _ in 0..3 {
        let page = client.get("/chunks").await.unwrap();
        assert_eq!(page.text().await.unwrap(), "one two three");
    }
    assert_eq!(server.accepted(), 1, "the end of the last chunk was seen");
    let page = client.get("/until-end").await.unwrap();
    assert_eq!(page.text().await.unwrap(), "all of it");
}

async fn a_body_comes_in_parts() {
    let server = Server::start().await;
    let client = server.client();
    let mut page = client.get("/big/1000000").await.unwrap();
    let (mut length, mut parts) = (0, 0);
    while let Some(part) = page.chunk().await.unwrap() {
        length += part.len();
        parts += 1;
    }
    assert_eq!(length, 1_000_000);
    assert!(parts > 3, "it was not gathered first");
    assert!(page.chunk().await.unwrap().is_none(), "the end stays");
    let parts = client.get("/big/1000000").await.unwrap().into_stream();
    let lengths = parts.map(|part| part.unwrap().len());
    assert_eq!(lengths.fold(0, async |a, b| a + b).await, 1_000_000);
    assert_eq!(server.accepted(), 1);
}

async fn a_chunk_that_is_given_up_is_not_lost() {
    let server = Server::start().await;
    let mut page = server.client().get("/drip").await.unwrap();
    let mut all = Vec::new();
    loop {
        {
            let hand = Hand::new();
            let chunk = pin!(page.chunk());
            if let std::task::Poll::Ready(part) = hand.poll(chunk) {
                let Some(part) = part.unwrap() else { break };
                all.extend_from_slice(&part);
            }
        }
        regatta::time::sleep(super::ground::MS).await;
    }
    assert_eq!(all, b"0123456789");
}

async fn what_is_cut_short_is_an_error() {
    let server = Server::start().await;
    let client = server.client();
    for path in ["/truncated", "/half-head", "/drop", "/no-http", "/switch"] {
        assert_eq!(fails(&client, path).await, ErrorKind::Protocol, "{path}");
    }
    let mut page = client.get("/truncated").await.unwrap();
    assert_eq!(page.chunk().await.unwrap().unwrap(), "half");
    assert!(page.chunk().await.is_err());
    assert!(page.chunk().await.is_err(), "an error is no end");
    let page = client.get("/truncated").await.unwrap();
    let parts: Vec<_> = page.into_stream().collect().await;
    assert_eq!(parts.len(), 2, "a stream ends after an error");
    hello(&client).await;
}

async fn lies_about_chunks_are_found() {
    let server = Server::start().await;
    let client = server.client();
    for lie in 0..5 {
        let path = format!("/chunk-lie/{lie}");
        assert_eq!(fails(&client, &path).await, ErrorKind::Protocol, "{path}");
    }
    hello(&client).await;
}

async fn what_has_no_end_is_ended() {
    let server = Server::start().await;
    let client = server.builder().max_body(100_000).build().unwrap();
    assert_eq!(fails(&client, "/endless-body").await, ErrorKind::TooLarge);
    assert_eq!(fails(&client, "/endless-head").await, ErrorKind::Protocol);
    assert_eq!(fails(&client, "/endless-line").await, ErrorKind::Protocol);
    hello(&client).await;
}

async fn a_body_that_says_it_is_too_large_is_not_read() {
    let server = Server::start().await;
    let client = server.builder().max_body(1000).build().unwrap();
    let error = client
        .get("/big/1001")
        .await
        .unwrap()
        .bytes()
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert!(
        error
            .to_string()
            .contains("more than 1000 bytes; `max_body`"),
        "{error}"
    );
    let whole = client.get("/big/1000").await.unwrap().bytes().await;
    assert_eq!(whole.unwrap().len(), 1000);
    let more = client.get("/big/5000").max_body(5000).await.unwrap();
    assert_eq!(more.bytes().await.unwrap().len(), 5000);
}

async fn compressed_bodies_are_decompressed() {
    let server = Server::start().await;
    let client = server.client();
    for path in ["/gzip", "/deflate", "/bare"] {
        let page = client.get(path).await.unwrap();
        assert!(page.headers().get("content-encoding").is_none());
        assert!(page.content_length().is_none());
        assert!(page.bytes().await.unwrap() == text(), "{path}");
    }
    assert_eq!(server.accepted(), 1);
    let head = client.head("/nothing").await.unwrap();
    assert_eq!(head.bytes().await.unwrap(), "");
    let raw = server.builder().decompress(false).build().unwrap();
    let page = raw.get("/gzip").await.unwrap();
    assert_eq!(page.headers()["content-encoding"], "gzip");
    assert!(page.bytes().await.unwrap().starts_with(&[0x1f, 0x8b]));
    assert!(!server.heads().last().unwrap().contains("accept-encoding"));
}

async fn what_is_not_compressed_as_it_says_is_an_error() {
    let server = Server::start().await;
    let client = server.client();
    for path in ["/no-gzip", "/half-gzip", "/half-deflate"] {
        assert_eq!(fails(&client, path).await, ErrorKind::Decode, "{path}");
    }
    hello(&client).await;
}

/// 8 KiB that become 8 MiB.
async fn a_bomb_does_not_go_off() {
    let server = Server::start().await;
    let client = server.builder().max_body(1 << 20).build().unwrap();
    assert_eq!(fails(&client, "/bomb").await, ErrorKind::TooLarge);
    let mut page = client.get("/bomb").max_body(u64::MAX).await.unwrap();
    let (mut length, mut largest) = (0, 0);
    while let Some(part) = page.chunk().await.unwrap() {
        length += part.len();
        largest = largest.max(part.len());
    }
    assert_eq!(length, 8 << 20);
    assert!(largest <= 2 << 20, "{largest} at once");
}

async fn text_must_be_text() {
    let server = Server::start().await;
    let request = server.client().post("/json").body(vec![0xff, 0xfe]);
    let error = request.await.unwrap().text().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Decode);
}

regatta::matrix! {
    chunks_become_one_body;
    a_body_comes_in_parts;
    a_chunk_that_is_given_up_is_not_lost;
    what_is_cut_short_is_an_error;
    lies_about_chunks_are_found;
    what_has_no_end_is_ended;
    a_body_that_says_it_is_too_large_is_not_read;
    compressed_bodies_are_decompressed;
    what_is_not_compressed_as_it_says_is_an_error;
    a_bomb_does_not_go_off;
    text_must_be_text;
}
