//! An HTTP client that is the same on tokio, on smol and, over streams in memory, in virtual time. Feature `http`.
//!
//! # Example
//!
//! ```
//! use futures::io::{AsyncReadExt, AsyncWriteExt};
//! use regatta::integrations::http::HttpClient;
//! use regatta::{Runtime, runtime::net::memory::Network};
//!
//! regatta::testing::run(async || {
//!     // A server in memory; without `transport`, the client asks the real world.
//!     let network = Network::new();
//!     let listener = network.listen("example.com:80").expect("the address is free");
//!     let server = async move {
//!         let mut stream = listener.accept().await.expect("somebody comes");
//!         let mut request = [0; 1024];
//!         let _ = stream.read(&mut request).await;
//!         let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello").await;
//!     };
//!     let _server = Runtime::current().try_spawn(server).expect("virtual time can spawn");
//!
//!     let client = HttpClient::builder().base_url("http://example.com").transport(network).build().expect("all is in order");
//!     let page = client.get("/greeting").await.expect("it answers");
//!     let page = page.error_for_status().expect("200 is no error");
//!     assert_eq!(page.text().await.expect("it is text"), "hello");
//! });
//! ```
//!
//! # How it behaves
//!
//! **A connection is used again only when it is clean**: the body was read to its end, the server keeps the connection
//! open, and nothing else is on it. A request or response that is dropped half way takes its connection with it.
//!
//! **Never more connections than you said**, in all and for one host; idle ones, and those being opened and closed,
//! count. Waiting requests are served in order, and a connection that was being opened for a request that left goes to
//! the next. They stand in a [`pool::Keyed`](crate::pool::Keyed).
//!
//! **Three limits in time**: to connect, for the silence of the server, for all of it. They end the request with an
//! error that names them. Deadlines of [scopes](crate::time::timeout) around the call hold besides, and report
//! themselves.
//!
//! **Sent twice only if that is safe.** A kept connection may have been closed by the server in the meantime. A request
//! that finds out so is sent again when nothing of it was sent, or its method is idempotent, and its body is no stream.
//! Everything else is for a [policy](Builder::policy) to retry.
//!
//! **Nothing that a server sends is without bound**: heads, bodies (decompressed), redirects.
//!
//! **TLS** is rustls with `ring`, and trusts the authorities that browsers trust (Mozilla's list, compiled in), and
//! your own. Nothing is installed for the whole process.
//!
//! # Several runtimes
//!
//! A client may stand in a `static`, and be used by one runtime after the other (each `#[tokio::test]` is one), or by
//! several side by side. A connection is used on the runtime it was opened on, and nowhere else, for it dies with that
//! one's reactor; the limits count those of all runtimes, and one that lies idle makes room for one on another.
//! Requests that wait for a connection when their runtime ends fail; no other request notices. [`Builder::runtime`]
//! names one runtime for all.
//!
//! HTTP/1.1 is hyper's protocol machine, without a task for each connection: the task that waits for an answer drives
//! its connection. **HTTP/2**, where the client is [told to](Builder::http2) and the server agrees, is feature `http2`.
//! There is no proxy and no cookie jar. The limits and their defaults are aiohttp's.

mod address;
mod body;
mod builder;
mod connection;
mod decode;
mod dns;
mod error;
#[cfg(feature = "http2")]
mod http2;
mod io;
mod limits;
mod redirect;
mod request;
mod response;
mod send;
mod tls;
mod transport;

pub use address::Origin;
pub use body::Body;
pub use builder::Builder;
pub use bytes::Bytes;
pub use error::{ErrorKind, HttpError, Limit};
pub use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version};
pub use io::Duplex;
pub use request::Request;
pub use response::{Chunks, Response};
pub use transport::Transport;

use crate::pool::{Keyed, Report};
use builder::Settings;
use connection::Host;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// Asks HTTP servers; see the [module](self). A clone is the same client, with the same connections.
#[derive(Clone)]
pub struct HttpClient {
    inner: Arc<Inner>,
}

struct Inner {
    settings: Settings,
    base: Option<(Url, Origin)>,
    pool: Keyed<Origin, Host>,
}

impl Inner {
    fn origin(&self, url: &Url) -> Result<Origin, HttpError> {
        match &self.base {
            Some((_, origin)) if origin.covers(url) => Ok(origin.clone()),
            _ => Origin::of(url),
        }
    }
}

impl HttpClient {
    /// A client with the defaults.
    ///
    /// # Errors
    ///
    /// [`HttpError`], when there is no runtime to open connections on.
    pub fn new() -> Result<HttpClient, HttpError> {
        HttpClient::builder().build()
    }

    /// To choose limits, addresses and trust.
    pub fn builder() -> Builder {
        Builder::new()
    }

    /// A request with any method. `url` is read below the [base](Builder::base_url), if there is one.
    pub fn request(&self, method: Method, url: &str) -> Request {
        let base = self.inner.base.as_ref().map(|(url, _)| url);
        Request::new(self, method, address::parse(url, base))
    }

    /// `GET`.
    pub fn get(&self, url: &str) -> Request {
        self.request(Method::GET, url)
    }

    /// `HEAD`.
    pub fn head(&self, url: &str) -> Request {
        self.request(Method::HEAD, url)
    }

    /// `POST`.
    pub fn post(&self, url: &str) -> Request {
        self.request(Method::POST, url)
    }

    /// `PUT`.
    pub fn put(&self, url: &str) -> Request {
        self.request(Method::PUT, url)
    }

    /// `PATCH`.
    pub fn patch(&self, url: &str) -> Request {
        self.request(Method::PATCH, url)
    }

    /// `DELETE`.
    pub fn delete(&self, url: &str) -> Request {
        self.request(Method::DELETE, url)
    }

    /// How many connections there are: in use, idle, being opened or closed. Over HTTP/2, where requests share one,
    /// each that may be under way counts.
    pub fn connections(&self) -> usize {
        self.inner.pool.size()
    }

    /// Sends no more requests, closes what is idle, waits up to `limit` for the answers that are being read, and
    /// reports.
    ///
    /// # Cancel safety
    ///
    /// Dropped half way, it stays closed, and it can be called again.
    pub async fn close(&self, limit: Duration) -> Report {
        self.inner.pool.close(limit).await
    }
}

impl fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpClient")
            .field(
                "base",
                &self.inner.base.as_ref().map(|(url, _)| url.as_str()),
            )
            .field("connections", &self.connections())
            .finish_non_exhaustive()
    }
}
