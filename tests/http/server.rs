//! A server that misbehaves on command: in memory in virtual time, on loopback otherwise. The path says what it does.

use super::ground::spawn;
use futures::future::BoxFuture;
use futures::io::{AsyncReadExt, AsyncWriteExt};
use regatta::integrations::http::{Builder, Duplex, HttpClient};
use regatta::runtime::net::TcpListener;
use regatta::runtime::net::memory::{Listener, Network};
use regatta::{testing, time};
use std::io::{self, Write};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub(crate) type Stream = Box<dyn Duplex>;

/// What the server saw.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) accepted: AtomicUsize,
    pub(crate) open: AtomicUsize,
    /// Most open at a time.
    pub(crate) peak: AtomicUsize,
    /// First line and headers of each request.
    pub(crate) heads: Mutex<Vec<String>>,
}

struct Open(Arc<Seen>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, SeqCst);
    }
}

enum Door {
    Tcp(TcpListener),
    Memory(Listener),
}

impl Door {
    async fn accept(&self) -> Stream {
        match self {
            Door::Tcp(door) => Box::new(door.accept().await.unwrap().0),
            Door::Memory(door) => Box::new(door.accept().await.unwrap()),
        }
    }
}

/// A request as it came.
pub(crate) struct Asked {
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Asked {
    pub(crate) fn path(&self) -> &str {
        self.head.split(' ').nth(1).unwrap()
    }

    /// A number at the end of the path.
    fn number(&self) -> usize {
        let last = self.path().rsplit('/').next().unwrap();
        last.parse().unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (n, value) = line.split_once(": ")?;
            n.eq_ignore_ascii_case(name).then_some(value)
        })
    }
}

/// Reads one request; `None` when the client has gone.
pub(crate) async fn read(stream: &mut Stream) -> Option<Asked> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte).await {
            Ok(1) => head.push(byte[0]),
            _ => return None,
        }
    }
    let head = String::from_utf8(head).unwrap();
    let mut asked = Asked {
        head,
        body: Vec::new(),
    };
    if let Some(length) = asked.header("content-length") {
        asked.body = vec![0; length.parse().unwrap()];
        stream.read_exact(&mut asked.body).await.ok()?;
    } else if asked.header("transfer-encoding").is_some() {
        while !asked.body.ends_with(b"0\r\n\r\n") {
            match stream.read(&mut byte).await {
                Ok(1) => asked.body.push(byte[0]),
                _ => return None,
            }
        }
    }
    Some(asked)
}

pub(crate) fn answer(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let mut all = format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n{headers}\r\n");
    let mut bytes = std::mem::take(&mut all).into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

pub(crate) fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

fn zlib(body: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

fn bare(body: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

/// What is behind `gzip`, `deflate` and `bare`.
pub(crate) fn text() -> Vec<u8> {
    (0..20_000_u32)
        .flat_map(|n| n.to_string().into_bytes())
        .collect()
}

pub(crate) type Handler =
    Arc<dyn for<'a> Fn(&'a Asked, &'a mut Stream) -> BoxFuture<'a, io::Result<bool>> + Send + Sync>;

/// Answers, and says whether the connection stays open.
async fn usual(asked: &Asked, stream: &mut Stream) -> io::Result<bool> {
    let path = asked.path().to_owned();
    let what = path.split(['/', '?']).nth(1).unwrap_or_default();
    let ok = |headers: &str, body: &[u8]| answer("200 OK", headers, body);
    match what {
        "hello" => {
            let mut page = ok("", b"hello");
            if asked.head.starts_with("HEAD") {
                page.truncate(page.len() - 5);
            }
            stream.write_all(&page).await?;
        }
        "echo" => {
            let head = asked.head.clone().into_bytes();
            stream
                .write_all(&ok("", &[head, asked.body.clone()].concat()))
                .await?;
        }
        "json" => stream.write_all(&ok("", &asked.body)).await?,
        "slow" => {
            time::sleep(Duration::from_millis(asked.number() as u64)).await;
            stream.write_all(&ok("", b"slow")).await?;
        }
        "status" => {
            let status = format!("{} Status", asked.number());
            stream.write_all(&answer(&status, "", b"so it is")).await?;
        }
        "nothing" => stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await?,
        "close" => {
            stream
                .write_all(&ok("connection: close\r\n", b"bye"))
                .await?;
            return Ok(false);
        }
        "until-end" => {
            stream
                .write_all(b"HTTP/1.1 200 OK\r\n\r\nall of it")
                .await?;
            return Ok(false);
        }
        // Closes without having said so: the next request finds out.
        "leave" => {
            stream.write_all(&ok("", b"bye")).await?;
            return Ok(false);
        }
        "drop" => return Ok(false),
        "half-head" => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nconte").await?;
            return Ok(false);
        }
        "truncated" => {
            stream
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf")
                .await?;
            return Ok(false);
        }
        "never" => std::future::pending().await,
        "stalls" => {
            stream
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf")
                .await?;
            std::future::pending::<()>().await;
        }
        "drip" => {
            stream
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n")
                .await?;
            for n in 0..10_u8 {
                time::sleep(Duration::from_millis(10)).await;
                stream.write_all(&[b'0' + n]).await?;
            }
        }
        "chunks" => {
            let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
            stream.write_all(head.as_bytes()).await?;
            for part in ["one ", "two ", "three"] {
                let chunk = format!("{:x}\r\n{part}\r\n", part.len());
                stream.write_all(chunk.as_bytes()).await?;
            }
            stream.write_all(b"0\r\nx-trailer: yes\r\n\r\n").await?;
        }
        "chunk-lie" => {
            let lie: &[u8] = match asked.number() {
                0 => b"5\r\nmore than five\r\n0\r\n\r\n",
                1 => b"zz\r\nwhat\r\n0\r\n\r\n",
                2 => b"fffffffffffffffff\r\nwhat\r\n0\r\n\r\n",
                3 => b"-1\r\nwhat\r\n0\r\n\r\n",
                _ => b"5\r\nfi",
            };
            let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
            stream.write_all(&[head.as_bytes(), lie].concat()).await?;
            return Ok(false);
        }
        "endless-head" => {
            stream.write_all(b"HTTP/1.1 200 OK\r\n").await?;
            let line = format!("x-filler: {}\r\n", "x".repeat(1000));
            loop {
                stream.write_all(line.as_bytes()).await?;
            }
        }
        "endless-line" => loop {
            stream.write_all(&[b'H'; 1000]).await?;
        },
        "endless-hints" => loop {
            stream
                .write_all(b"HTTP/1.1 103 Early Hints\r\n\r\n")
                .await?;
            time::sleep(Duration::from_millis(1)).await;
        },
        "endless-body" => {
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
            loop {
                stream.write_all(&[b'x'; 4096]).await?;
            }
        }
        "big" => {
            let body = vec![b'x'; asked.number()];
            stream.write_all(&ok("", &body)).await?;
        }
        "no-http" => {
            stream
                .write_all(b"220 mail.example ESMTP ready\r\n")
                .await?;
            return Ok(false);
        }
        "switch" => {
            let switch =
                "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n";
            stream.write_all(switch.as_bytes()).await?;
        }
        // The answer to a question that nobody asked.
        "and-more" => {
            stream
                .write_all(&[ok("", b"one"), ok("", b"two")].concat())
                .await?
        }
        "gzip" => {
            stream
                .write_all(&ok("content-encoding: gzip\r\n", &gzip(&text())))
                .await?
        }
        "deflate" => {
            stream
                .write_all(&ok("content-encoding: deflate\r\n", &zlib(&text())))
                .await?
        }
        "bare" => {
            stream
                .write_all(&ok("content-encoding: deflate\r\n", &bare(&text())))
                .await?
        }
        "half-gzip" => {
            let half = gzip(&text());
            let half = &half[..half.len() / 2];
            stream
                .write_all(&ok("content-encoding: gzip\r\n", half))
                .await?;
        }
        "half-deflate" => {
            let half = zlib(&text());
            let half = &half[..half.len() / 2];
            stream
                .write_all(&ok("content-encoding: deflate\r\n", half))
                .await?;
        }
        "no-gzip" => {
            stream
                .write_all(&ok("content-encoding: gzip\r\n", b"plain text"))
                .await?
        }
        "bomb" => {
            let bomb = gzip(&vec![0; 8 << 20]);
            stream
                .write_all(&ok("content-encoding: gzip\r\n", &bomb))
                .await?;
        }
        "redirect" => {
            let left = asked.number();
            let location = match left {
                0 => "/hello".to_owned(),
                n => format!("/redirect/{}", n - 1),
            };
            let location = format!("location: {location}\r\n");
            stream
                .write_all(&answer("302 Found", &location, b"over there"))
                .await?;
        }
        "circle" => {
            stream
                .write_all(&answer("302 Found", "location: /circle\r\n", b""))
                .await?
        }
        "to" => {
            let (status, target) = path["/to/".len()..].split_once('/').unwrap();
            let location = format!("location: {target}\r\n");
            let status = format!("{status} Redirect");
            stream.write_all(&answer(&status, &location, b"")).await?;
        }
        _ => {
            stream
                .write_all(&answer("404 Not Found", "", b"nothing here"))
                .await?
        }
    }
    Ok(true)
}

pub(crate) struct Server {
    pub(crate) address: String,
    pub(crate) seen: Arc<Seen>,
    network: Option<Network>,
}

impl Server {
    /// The usual one.
    pub(crate) async fn start() -> Server {
        Server::with(Arc::new(|asked, stream| Box::pin(usual(asked, stream)))).await
    }

    pub(crate) async fn with(handler: Handler) -> Server {
        let seen = Arc::new(Seen::default());
        let (door, address, network) = if testing::in_simulation() {
            let network = Network::new();
            let door = network.listen("test.example:80").unwrap();
            (
                Door::Memory(door),
                "test.example:80".to_owned(),
                Some(network),
            )
        } else {
            let door = TcpListener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
            let address = door.local_addr().unwrap().to_string();
            (Door::Tcp(door), address, None)
        };
        let world = seen.clone();
        drop(spawn(async move {
            loop {
                let mut stream = door.accept().await;
                let (seen, handler) = (world.clone(), handler.clone());
                seen.accepted.fetch_add(1, SeqCst);
                let open = seen.open.fetch_add(1, SeqCst) + 1;
                seen.peak.fetch_max(open, SeqCst);
                drop(spawn(async move {
                    let _open = Open(seen.clone());
                    while let Some(asked) = read(&mut stream).await {
                        seen.heads.lock().unwrap().push(asked.head.clone());
                        // The client may leave in the middle.
                        if !handler(&asked, &mut stream).await.unwrap_or(false) {
                            break;
                        }
                    }
                }));
            }
        }));
        Server {
            address,
            seen,
            network,
        }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// A client for it.
    pub(crate) fn builder(&self) -> Builder {
        let builder = HttpClient::builder().base_url(self.url("/"));
        match &self.network {
            Some(network) => builder.transport(network.clone()),
            None => builder,
        }
    }

    pub(crate) fn client(&self) -> HttpClient {
        self.builder().build().unwrap()
    }

    pub(crate) fn accepted(&self) -> usize {
        self.seen.accepted.load(SeqCst)
    }

    pub(crate) fn heads(&self) -> Vec<String> {
        self.seen.heads.lock().unwrap().clone()
    }
}

/// A server for streams that come in under these names (`host:port`), and a client that has not been built; with it,
/// what the port is called in addresses.
pub(crate) fn serving<F>(
    names: &[&str],
    serve: impl Fn(Stream) -> F + Clone + Send + 'static,
) -> (Builder, String)
where
    F: Future<Output = ()> + Send + 'static,
{
    let behind = |door: Door| {
        let serve = serve.clone();
        drop(spawn(async move {
            loop {
                let stream = door.accept().await;
                drop(spawn(serve(stream)));
            }
        }));
    };
    if testing::in_simulation() {
        let network = Network::new();
        for name in names {
            behind(Door::Memory(network.listen(*name).unwrap()));
        }
        return (HttpClient::builder().transport(network), String::new());
    }
    let listener = TcpListener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    behind(Door::Tcp(listener));
    let builder = HttpClient::builder().resolver(move |_, _| async move { Ok(vec![address]) });
    (builder, format!(":{}", address.port()))
}
