//! Redirects: followed as browsers do, not for ever, and without secrets for strangers.

use super::ground::spawn;
use super::server::{Server, answer, read};
use futures::io::AsyncWriteExt;
use futures::stream;
use regatta::integrations::http::{Body, ErrorKind, HttpClient};
use regatta::runtime::net::memory::Network;
use std::io;
use std::sync::{Arc, Mutex};

async fn they_are_followed_over_one_connection() {
    let server = Server::start().await;
    let client = server.client();
    let page = client.get("/redirect/8").await.unwrap();
    assert!(page.url().ends_with("/hello"), "{}", page.url());
    assert_eq!(page.text().await.unwrap(), "hello");
    assert_eq!(server.accepted(), 1);
}

async fn there_is_a_limit() {
    let server = Server::start().await;
    let client = server.client();
    let error = client.get("/redirect/100000").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Redirect);
    assert!(
        error.to_string().contains("more than 10 redirects"),
        "{error}"
    );
    assert_eq!(server.heads().len(), 11);
    let patient = server.builder().redirects(50).build().unwrap();
    assert!(patient.get("/redirect/49").await.is_ok());
    let never = server.builder().redirects(0).build().unwrap();
    let page = never.get("/redirect/1").await.unwrap();
    assert_eq!(
        (page.status().as_u16(), &page.headers()["location"]),
        (302, &"/redirect/0".parse().unwrap())
    );
    assert_eq!(page.text().await.unwrap(), "over there");
}

async fn a_circle_is_seen() {
    let server = Server::start().await;
    let error = server.client().get("/circle").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Redirect);
    assert!(error.to_string().contains("in a circle"), "{error}");
    assert_eq!(server.heads().len(), 1);
}

async fn a_body_goes_along_when_the_status_says_so() {
    let server = Server::start().await;
    let client = server.client();
    let ask = |status| client.post(&format!("/to/{status}//echo")).json("x");
    for status in [307, 308] {
        let echo = ask(status).await.unwrap().text().await.unwrap();
        assert!(
            echo.starts_with("POST ") && echo.ends_with("\"x\""),
            "{echo}"
        );
    }
    for status in [301, 302, 303] {
        let echo = ask(status).await.unwrap().text().await.unwrap();
        assert!(
            echo.starts_with("GET ") && echo.ends_with("\r\n\r\n"),
            "{echo}"
        );
        assert!(!echo.contains("content-"), "{echo}");
    }
    // A stream is gone after the first time.
    let parts = stream::iter([Ok::<_, io::Error>("x")]);
    let error = client
        .post("/to/307//echo")
        .body(Body::stream(parts))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Redirect);
    assert!(error.to_string().contains("send bytes"), "{error}");
}

async fn what_is_no_address_is_not_followed() {
    let server = Server::start().await;
    for target in ["ftp://a.example/", "http://", "file:///etc/passwd"] {
        let error = server
            .client()
            .get(&format!("/to/302/{target}"))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Redirect, "{target}");
    }
}

/// The secrets of one host are not told to another, nor to another port.
async fn credentials_stay_where_they_belong() {
    let network = Network::new();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let hops = [
        ("a.example:80", "http://a.example/again"),
        ("a.example:81", "http://b.example/"),
        ("b.example:80", ""),
    ];
    for (name, next) in hops {
        let listener = network.listen(name).unwrap();
        let seen = seen.clone();
        drop(spawn(async move {
            while let Ok(stream) = listener.accept().await {
                let mut stream: super::server::Stream = Box::new(stream);
                while let Some(asked) = read(&mut stream).await {
                    let target = match asked.path() {
                        "/again" => "http://a.example:81/",
                        _ => next,
                    };
                    seen.lock()
                        .unwrap()
                        .push((name, asked.path().to_owned(), asked.head));
                    let reply = match target {
                        "" => answer("200 OK", "", b""),
                        _ => answer("302 Found", &format!("location: {target}\r\n"), b""),
                    };
                    stream.write_all(&reply).await.unwrap();
                }
            }
        }));
    }
    let client = HttpClient::builder().transport(network).build().unwrap();
    let page = client
        .get("http://a.example/")
        .bearer("secret")
        .header("Cookie", "c=1")
        .header("X-Own", "1");
    assert_eq!(page.await.unwrap().url(), "http://b.example/");
    let seen = seen.lock().unwrap();
    let knows = seen.iter().map(|(name, _, head)| {
        (
            *name,
            head.contains("secret"),
            head.contains("c=1"),
            head.contains("x-own"),
        )
    });
    let expected = [
        ("a.example:80", true, true, true),
        ("a.example:80", true, true, true),
        ("a.example:81", false, false, true),
        ("b.example:80", false, false, true),
    ];
    assert_eq!(knows.collect::<Vec<_>>(), expected);
}

regatta::matrix! {
    they_are_followed_over_one_connection;
    there_is_a_limit;
    a_circle_is_seen;
    a_body_goes_along_when_the_status_says_so;
    what_is_no_address_is_not_followed;
    credentials_stay_where_they_belong;
}
