//! What is asked, and how it is answered.

use super::server::Server;
use futures::stream;
use regatta::integrations::http::{Body, ErrorKind, HttpClient, Method, StatusCode};
use std::collections::HashMap;
use std::io;

async fn a_page_is_fetched() {
    let server = Server::start().await;
    let client = server.client();
    let page = client.get("/hello").await.unwrap();
    assert_eq!(page.status(), StatusCode::OK);
    assert_eq!(page.content_length(), Some(5));
    assert_eq!(page.url(), server.url("/hello").replace(":80/", "/"));
    assert_eq!(page.text().await.unwrap(), "hello");
    // In full, and without a base.
    let page = client.get(&server.url("/hello")).send().await.unwrap();
    assert_eq!(page.bytes().await.unwrap(), "hello");
}

async fn what_is_asked_arrives() {
    let server = Server::start().await;
    let client = server.builder().header("X-All", "yes").build().unwrap();
    let request = client
        .request(Method::PUT, "/echo/here?a=1")
        .query([("b", "two words"), ("c", "&")])
        .header("X-One", "1")
        .bearer("token")
        .body("the body");
    let echo = request.await.unwrap().text().await.unwrap().to_lowercase();
    let host = server.address.trim_end_matches(":80");
    for part in [
        "put /echo/here?a=1&b=two+words&c=%26 http/1.1\r\n",
        "x-all: yes\r\n",
        "x-one: 1\r\n",
        "authorization: bearer token\r\n",
        "accept-encoding: gzip, deflate\r\n",
        "content-length: 8\r\n",
        &format!("host: {host}\r\n"),
        "\r\n\r\nthe body",
    ] {
        assert!(echo.contains(part), "no {part:?} in {echo}");
    }
    let empty = client.post("/echo").await.unwrap().text().await.unwrap();
    assert!(empty.contains("content-length: 0\r\n"), "{empty}");
    assert!(empty.starts_with("POST"), "{empty}");
    let head = client.head("/echo").await.unwrap();
    assert_eq!(head.status(), StatusCode::OK);
}

async fn json_goes_both_ways() {
    let server = Server::start().await;
    let client = server.client();
    let value = HashMap::from([("a".to_owned(), vec![1, 2]), ("b".to_owned(), vec![])]);
    let back = client.post("/json").json(&value).await.unwrap();
    let back: HashMap<String, Vec<i32>> = back.json().await.unwrap();
    assert_eq!(back, value);
    let heads = server.heads();
    assert!(heads[0].contains("content-type: application/json\r\n"));
    let wrong = client.get("/hello").await.unwrap().json::<u8>().await;
    let error = wrong.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Json);
    assert!(error.to_string().contains("/hello: "), "{error}");
    // A key that is no text.
    let unwritable = HashMap::from([(vec![1], 1)]);
    let error = client.post("/json").json(&unwritable).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Json);
}

async fn forms_are_sent() {
    let server = Server::start().await;
    let request = server
        .client()
        .post("/json")
        .form([("a", "1 2"), ("b", "=")]);
    assert_eq!(request.await.unwrap().text().await.unwrap(), "a=1+2&b=%3D");
    assert!(server.heads()[0].contains("application/x-www-form-urlencoded"));
}

async fn a_stream_is_sent_in_chunks_or_with_its_length() {
    let server = Server::start().await;
    let client = server.client();
    let parts = || stream::iter(["one ", "two"].map(Ok::<_, io::Error>));
    let chunked = client.post("/json").body(Body::stream(parts()));
    let sent = chunked.await.unwrap().text().await.unwrap();
    assert_eq!(sent, "4\r\none \r\n3\r\ntwo\r\n0\r\n\r\n");
    let sized = client.post("/json").body(Body::sized_stream(7, parts()));
    assert_eq!(sized.await.unwrap().text().await.unwrap(), "one two");
    for wrong in [5, 9] {
        let body = Body::sized_stream(wrong, parts());
        assert!(client.post("/json").body(body).await.is_err(), "{wrong}");
    }
    let broken = stream::iter([Ok("one"), Err(io::Error::other("no more"))]);
    let error = client.post("/json").body(Body::stream(broken)).await;
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Protocol);
    assert_eq!(
        client.get("/hello").await.unwrap().text().await.unwrap(),
        "hello"
    );
}

async fn a_status_is_an_error_on_request() {
    let server = Server::start().await;
    let client = server.client();
    for status in [400, 404, 500, 599] {
        let page = client.get(&format!("/status/{status}")).await.unwrap();
        assert_eq!(page.status().as_u16(), status);
        let error = page.error_for_status().unwrap_err();
        assert_eq!(error.status().unwrap().as_u16(), status);
        assert!(
            error
                .to_string()
                .contains(&format!("/status/{status}: the server answered {status}"))
        );
    }
    for status in [200, 299, 304] {
        let page = client.get(&format!("/status/{status}")).await.unwrap();
        assert!(page.error_for_status().is_ok());
    }
}

async fn credentials_in_an_address_are_a_header() {
    let server = Server::start().await;
    let url = server
        .url("/echo")
        .replace("//", "//Aladdin:open%20sesame@");
    let echo = server.client().get(&url).await.unwrap();
    assert!(!echo.url().contains("sesame"));
    let echo = echo.text().await.unwrap();
    assert!(
        echo.contains("authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n"),
        "{echo}"
    );
}

/// Nothing of these is sent.
async fn mistakes_are_named_before_anything_is_sent() {
    let server = Server::start().await;
    let client = server.client();
    let error = |url: &str| {
        let request = client.get(url);
        async move { request.await.unwrap_err().to_string() }
    };
    assert!(
        error("ftp://a.example/")
            .await
            .contains("use http or https")
    );
    assert!(error("http://").await.contains("is no address"));
    assert!(
        error("http://a.example:99999/")
            .await
            .contains("invalid port")
    );
    assert!(error("http://a b/").await.contains("is no address"));
    assert!(
        error("http://a.example/\r\nX-Evil: 1")
            .await
            .contains("percent-encode")
    );
    assert!(error("/x\0").await.contains("percent-encode"));
    let inject = client.get("/hello").header("X-One", "1\r\nX-Two: 2").await;
    assert!(
        inject
            .unwrap_err()
            .to_string()
            .contains("control characters")
    );
    let inject = client.get("/hello").header("X-One\r\nX-Two", "2").await;
    assert!(
        inject
            .unwrap_err()
            .to_string()
            .contains("no name of a header")
    );
    let length = client.post("/hello").header("content-length", "3").await;
    assert!(
        length
            .unwrap_err()
            .to_string()
            .contains("set by the client")
    );
    let secret = client.get("/hello").bearer("se\r\ncret").await;
    let secret = secret.unwrap_err();
    assert!(
        secret.is_unsent() && !secret.to_string().contains("cret"),
        "{secret}"
    );
    let tunnel = client.request(Method::CONNECT, "/hello").await;
    assert_eq!(tunnel.unwrap_err().kind(), ErrorKind::BadRequest);
    assert_eq!(server.accepted(), 0);
}

async fn settings_that_cannot_be_are_named() {
    let wrong =
        |builder: regatta::integrations::http::Builder| builder.build().unwrap_err().to_string();
    let new = HttpClient::builder;
    assert!(wrong(new().limit(0)).contains("use at least 1"));
    assert!(wrong(new().limit_per_host(0)).contains("use at least 1"));
    assert!(wrong(new().base_url("example.com")).contains("write it in full"));
    assert!(wrong(new().header("a", "\n")).contains("control characters"));
    assert!(wrong(new().max_header_bytes(10)).contains("at least 8192"));
    assert!(wrong(new().timeout(std::time::Duration::ZERO)).contains("timeout(0s)"));
    assert!(wrong(new().dns_cache(std::time::Duration::ZERO, 0)).contains("at least 1"));
    assert!(wrong(new().root_certificate(*b"no certificate")).contains("DER"));
    let relative = new().build().unwrap().get("/x").await.unwrap_err();
    assert!(relative.to_string().contains("base_url"), "{relative}");
}

#[test]
fn without_a_runtime_there_is_no_client() {
    let _entered = regatta::Runtime::neutral().enter();
    let error = HttpClient::new().unwrap_err();
    assert!(
        error.to_string().contains("no async runtime to spawn on"),
        "{error}"
    );
}

#[test]
fn requests_can_be_spawned_and_shared() {
    fn free<T: Send + Sync + Clone + 'static>(_: &T) {}
    fn spawnable<F: Future + Send + 'static>(_: F) {}
    regatta::testing::run(async || {
        let client = HttpClient::new().unwrap();
        free(&client);
        spawnable(client.get("http://a.example/").send());
        spawnable(client.get("http://a.example/").into_future());
        spawnable(async move { client.get("http://a.example/").await?.text().await });
    });
}

/// It is moved into tasks and around in them, and lies in every future that awaits it: what few requests need is in
/// boxes.
#[test]
fn a_request_under_way_is_small() {
    regatta::testing::run(async || {
        let client = HttpClient::new().unwrap();
        let size = size_of_val(&client.get("http://a.example/").send());
        assert!(size <= 4096, "{size} bytes");
    });
}

regatta::matrix! {
    a_page_is_fetched;
    what_is_asked_arrives;
    json_goes_both_ways;
    forms_are_sent;
    a_stream_is_sent_in_chunks_or_with_its_length;
    a_status_is_an_error_on_request;
    credentials_in_an_address_are_a_header;
    mistakes_are_named_before_anything_is_sent;
    settings_that_cannot_be_are_named;
}
