//! `integrations::http`: a client, and a server in memory that answers when its gate is open.

use crate::world::{Entry, Gate, World, entry};
use futures::StreamExt;
use futures::io::{AsyncReadExt, AsyncWriteExt};
use regatta::Runtime;
use regatta::integrations::http::{HttpClient, HttpError, Response};
use regatta::runtime::net::memory::{Network, Stream};
use std::io;
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);
const SPAWNED: &str = "its connections are tasks of the runtime";

async fn answers(mut stream: Stream, gate: Gate) -> io::Result<()> {
    let mut head = Vec::new();
    let mut part = [0; 512];
    loop {
        match stream.read(&mut part).await? {
            0 => return Ok(()),
            n => head.extend_from_slice(&part[..n]),
        }
        if !head.ends_with(b"\r\n\r\n") {
            continue;
        }
        head.clear();
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n")
            .await?;
        gate.pass().await;
        stream.write_all(b"true").await?;
    }
}

fn client(gate: Gate) -> HttpClient {
    let network = Network::new();
    let listener = network.listen("a.example:80").expect("nobody else does");
    let serve = async move {
        while let Ok(stream) = listener.accept().await {
            drop(Runtime::current().try_spawn(answers(stream, gate.clone())));
        }
    };
    drop(
        Runtime::current()
            .try_spawn(serve)
            .expect("there is a runtime"),
    );
    let builder = HttpClient::builder().base_url("http://a.example/");
    builder
        .transport(network)
        .limit(1)
        .build()
        .expect("it is right")
}

/// What is done with a response whose body waits at the gate.
fn asked<F, T>(op: impl Fn(HttpClient, Response) -> F + Send + Sync + Clone + 'static) -> World
where
    F: Future<Output = Result<T, HttpError>> + 'static,
    T: 'static,
{
    World::around(move |gate| {
        let op = op.clone();
        async move {
            let client = client(gate);
            let response = client.get("/").send().await.map_err(|e| e.to_string())?;
            op(client, response).await.map_err(|e| e.to_string())
        }
    })
    .never_at_once(SPAWNED)
}

pub(super) fn entries() -> Vec<Entry> {
    vec![
        entry("http::Request::send", |_| {
            World::around(|gate| async move {
                let client = client(gate.clone());
                gate.pass().await;
                client.get("/").send().await.map_err(|e| e.to_string())
            })
            .never_at_once(SPAWNED)
        })
        .covers(&[
            "http::HttpClient::delete",
            "http::HttpClient::get",
            "http::HttpClient::head",
            "http::HttpClient::patch",
            "http::HttpClient::post",
            "http::HttpClient::put",
            "http::HttpClient::request",
            "http::Request::basic_auth",
            "http::Request::bearer",
            "http::Request::body",
            "http::Request::form",
            "http::Request::header",
            "http::Request::json",
            "http::Request::max_body",
            "http::Request::query",
            "http::Request::timeout",
            "http::Transport::connect",
        ]),
        entry("http::Response::bytes", |_| {
            asked(|_, response| response.bytes())
        }),
        entry("http::Response::text", |_| {
            asked(|_, response| response.text())
        }),
        entry("http::Response::json", |_| {
            asked(|_, response| response.json::<bool>())
        }),
        entry("http::Response::chunk", |_| {
            asked(|_, mut response: Response| async move { response.chunk().await })
        }),
        entry("http::Response::into_stream", |_| {
            asked(|_, response| async move {
                let chunks: Vec<_> = response.into_stream().collect().await;
                chunks.into_iter().collect::<Result<Vec<_>, _>>()
            })
        }),
        entry("http::HttpClient::close", |_| {
            asked(|client, response| async move {
                let (_, text) = futures::join!(client.close(HOUR), response.text());
                text
            })
        }),
    ]
}
