//! What row W asks: a server for HTTP/1.1 and one for HTTP/2, each a thread of this process.

use bytes::Bytes;
use std::net::SocketAddr;
use std::sync::{OnceLock, mpsc};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 52\r\n\r\n{\"id\":1234,\"name\":\"a thing\",\"tags\":[\"one\",\"two\",3]}\n";
/// The body alone.
const THING: &[u8] = b"{\"id\":1234,\"name\":\"a thing\",\"tags\":[\"one\",\"two\",3]}\n";

#[derive(Clone, Copy, PartialEq)]
pub enum Version {
    One,
    Two,
}

async fn answers(mut stream: TcpStream) {
    let mut buf = [0; 4096];
    let mut seen = 0;
    // The end of a head; no request here has a body.
    let end = b"\r\n\r\n";
    while let Ok(n @ 1..) = stream.read(&mut buf).await {
        for byte in &buf[..n] {
            seen = if *byte == end[seen] {
                seen + 1
            } else {
                usize::from(*byte == b'\r')
            };
            if seen == end.len() {
                seen = 0;
                if stream.write_all(ANSWER).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// Without TLS: client and server know beforehand.
async fn answers_by_streams(stream: TcpStream) {
    let Ok(mut connection) = h2::server::handshake(stream).await else {
        return;
    };
    while let Some(Ok((_, mut respond))) = connection.accept().await {
        let head = http::Response::builder().header("content-type", "application/json");
        let head = head.body(()).expect("it is a head");
        if let Ok(mut body) = respond.send_response(head, false) {
            let _ = body.send_data(Bytes::from_static(THING), true);
        }
    }
}

/// Serves for as long as the process lives.
pub fn serve(version: Version) -> SocketAddr {
    static ADDRESSES: [OnceLock<SocketAddr>; 2] = [OnceLock::new(), OnceLock::new()];
    *ADDRESSES[usize::from(version == Version::Two)].get_or_init(|| {
        let (tell, told) = mpsc::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread();
            let runtime = { runtime }.enable_all().build().expect("tokio starts");
            runtime.block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
                let _ = tell.send(listener.local_addr().expect("it is bound"));
                while let Ok((stream, _)) = listener.accept().await {
                    let _ = stream.set_nodelay(true);
                    match version {
                        Version::One => tokio::spawn(answers(stream)),
                        Version::Two => tokio::spawn(answers_by_streams(stream)),
                    };
                }
            });
        });
        told.recv().expect("the server starts")
    })
}
