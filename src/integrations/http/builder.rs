//! [`Builder`]: what the user chooses.

use super::address::{self, Origin};
use super::connection::{Host, Maker};
use super::dns::{Dns, Resolver};
use super::error::HttpError;
#[cfg(feature = "http2")]
use super::http2::Mode;
use super::limits::Times;
use super::request::header_of;
use super::tls::{self, Roots};
use super::transport::{Tcp, Transport};
use super::{HttpClient, Inner};
use crate::policy::Policy;
use crate::pool::Keyed;
use crate::runtime::Runtime;
use crate::runtime::net::resolve_on;
use http::header::{self, HeaderMap, HeaderValue};
use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// What holds for every request.
pub(super) struct Settings {
    pub(super) headers: HeaderMap,
    pub(super) times: Times,
    pub(super) redirects: usize,
    pub(super) max_body: u64,
    pub(super) decompress: bool,
    pub(super) policy: Option<Policy>,
}

/// Makes an [`HttpClient`]; started by [`HttpClient::builder`].
#[must_use = "there is no client until `build`"]
pub struct Builder {
    settings: Settings,
    base: Option<String>,
    limit: usize,
    limit_per_host: usize,
    keep_alive: Duration,
    connect_timeout: Duration,
    max_header_bytes: usize,
    dns_ttl: Duration,
    dns_capacity: usize,
    resolver: Option<Box<Resolver>>,
    transport: Option<Box<dyn Transport>>,
    roots: Roots,
    runtime: Option<Runtime>,
    #[cfg(feature = "http2")]
    http2: Mode,
    wrong: Option<HttpError>,
}

impl Builder {
    pub(super) fn new() -> Self {
        let mut headers = HeaderMap::new();
        let agent = concat!("regatta/", env!("CARGO_PKG_VERSION"));
        headers.insert(header::USER_AGENT, HeaderValue::from_static(agent));
        headers.insert(header::ACCEPT, HeaderValue::from_static("*/*"));
        Builder {
            settings: Settings {
                headers,
                times: Times {
                    total: Some(Duration::from_secs(300)),
                    read: Some(Duration::from_secs(60)),
                },
                redirects: 10,
                max_body: 64 << 20,
                decompress: true,
                policy: None,
            },
            base: None,
            limit: 100,
            limit_per_host: 30,
            keep_alive: Duration::from_secs(15),
            connect_timeout: Duration::from_secs(10),
            max_header_bytes: 64 * 1024,
            dns_ttl: Duration::from_secs(10),
            dns_capacity: 1024,
            resolver: None,
            transport: None,
            roots: Roots::default(),
            runtime: None,
            #[cfg(feature = "http2")]
            http2: Mode::None,
            wrong: None,
        }
    }

    /// What the addresses of requests are read below, as links on a page at this address are: end it with a slash to
    /// keep its last part. Default: none, and requests name their addresses in full.
    pub fn base_url(mut self, url: impl Into<String>) -> Self {
        self.base = Some(url.into());
        self
    }

    /// Most connections at once, idle ones included. Default: 100.
    pub fn limit(mut self, connections: usize) -> Self {
        self.limit = connections;
        self
    }

    /// Most connections at once to one scheme, host and port. Default: 30.
    pub fn limit_per_host(mut self, connections: usize) -> Self {
        self.limit_per_host = connections;
        self
    }

    /// How long an idle connection is kept. Default: 15 s.
    pub fn keep_alive(mut self, limit: Duration) -> Self {
        self.keep_alive = limit;
        self
    }

    /// How long it may take to open a connection: name, TCP and TLS. Default: 10 s.
    pub fn connect_timeout(mut self, limit: Duration) -> Self {
        self.connect_timeout = limit;
        self
    }

    /// How long the server may send nothing while it is its turn. Default: 60 s. [`Duration::MAX`] is for ever.
    pub fn read_timeout(mut self, limit: Duration) -> Self {
        self.settings.times.read = Some(limit);
        self
    }

    /// How long a request may take, from its first poll to the end of its body: waiting for a connection, redirects,
    /// retries. Default: 300 s. [`Duration::MAX`] is for ever. A deadline of the caller's scopes holds besides, and
    /// reports itself.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.settings.times.total = Some(limit);
        self
    }

    /// How large the body of an answer may be, decompressed. Default: 64 MiB. [`u64::MAX`] is any size.
    pub fn max_body(mut self, bytes: u64) -> Self {
        self.settings.max_body = bytes;
        self
    }

    /// How large the head of an answer may be: status and headers. Default: 64 KiB, least: 8 KiB.
    pub fn max_header_bytes(mut self, bytes: usize) -> Self {
        self.max_header_bytes = bytes;
        self
    }

    /// How many redirects are followed. With 0 a redirect is an answer. Default: 10.
    ///
    /// Another scheme, host or port gets no `Authorization` and no `Cookie`.
    pub fn redirects(mut self, most: usize) -> Self {
        self.settings.redirects = most;
        self
    }

    /// Whether gzip and deflate are asked for and undone. Default: yes. A request that sets `Accept-Encoding` itself
    /// still gets them undone.
    pub fn decompress(mut self, does: bool) -> Self {
        self.settings.decompress = does;
        self
    }

    /// A header of every request, in place of one of that name. By default there are `user-agent: regatta/..` and
    /// `accept: */*`.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        match header_of(name, value) {
            Ok((name, value)) => {
                self.settings.headers.insert(name, value);
            }
            Err(error) => {
                self.wrong.get_or_insert(error);
            }
        }
        self
    }

    /// What every request runs under, up to the head of its answer.
    ///
    /// As failures count errors and the statuses 429, 500, 502, 503 and 504; when the policy gives up, the last such
    /// answer is handed on. Retried are requests that were not sent, and those whose method is idempotent; never a body
    /// that is a stream.
    ///
    /// With 429 and 503 the server's [`Retry-After`](super::Response::retry_after) is heeded: the next attempt is not
    /// made before, and where the total [`timeout`](Builder::timeout) would be over by then, the answer is handed on at
    /// once.
    pub fn policy(mut self, policy: Policy) -> Self {
        self.settings.policy = Some(policy);
        self
    }

    /// How long an address is kept, and how many hosts are. Default: 10 s, 1024 hosts; beyond, the one that was asked
    /// for longest ago is forgotten. One question at a time is under way for a host. A failure is kept for a second.
    pub fn dns_cache(mut self, ttl: Duration, hosts: usize) -> Self {
        self.dns_ttl = ttl;
        self.dns_capacity = hosts;
        self
    }

    /// Where addresses come from, in place of the system's resolver.
    pub fn resolver<F, Fut>(mut self, resolver: F) -> Self
    where
        F: Fn(String, u16) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'static,
    {
        self.resolver = Some(Box::new(move |host, port| Box::pin(resolver(host, port))));
        self
    }

    /// Where byte streams come from, in place of TCP: a proxy, a Unix socket, a server in memory. Names are not
    /// resolved then.
    pub fn transport(mut self, transport: impl Transport) -> Self {
        self.transport = Some(Box::new(transport));
        self
    }

    /// Trusts one more authority, given as its certificate in DER.
    pub fn root_certificate(mut self, der: impl Into<Vec<u8>>) -> Self {
        self.roots.extra.push(der.into());
        self
    }

    /// Does not trust the authorities that browsers do, only those of [`root_certificate`](Builder::root_certificate).
    pub fn only_own_roots(mut self) -> Self {
        self.roots.without_the_usual = true;
        self
    }

    /// Speaks HTTP/2 with the servers that choose it in the TLS handshake, and HTTP/1.1 with all others. Default:
    /// HTTP/1.1 with all. Feature `http2`.
    ///
    /// The requests to one host then share a connection, which has a task of its own. Each request that is under way
    /// counts as a connection in the limits, so a server sees fewer than you said; and a request or response that is
    /// dropped half way is taken back, and costs no connection.
    ///
    /// # Examples
    ///
    /// ```
    /// use regatta::integrations::http::HttpClient;
    ///
    /// regatta::testing::run(async || {
    ///     let client = HttpClient::builder().http2().limit_per_host(100).build().expect("all is in order");
    ///     assert_eq!(client.connections(), 0, "none before the first request");
    /// });
    /// ```
    #[cfg(feature = "http2")]
    pub fn http2(mut self) -> Self {
        self.http2 = Mode::Offered;
        self
    }

    /// Speaks HTTP/2 with every server, also without TLS: for services that are known to. Feature `http2`.
    ///
    /// A server that does not understand it is an error of the request. See [`http2`](Builder::http2).
    #[cfg(feature = "http2")]
    pub fn http2_only(mut self) -> Self {
        self.http2 = Mode::Known;
        self
    }

    /// One runtime for all connections, which requests on all runtimes then share; when it is gone, requests fail.
    /// Default: none, and [each runtime has its own](super#several-runtimes).
    pub fn runtime(mut self, runtime: Runtime) -> Self {
        self.runtime = Some(runtime);
        self
    }

    /// The client.
    ///
    /// # Errors
    ///
    /// [`HttpError`]: no runtime to open connections on, a limit of 0, a base address, header or certificate that is
    /// none.
    pub fn build(self) -> Result<HttpClient, HttpError> {
        if let Some(wrong) = self.wrong {
            return Err(wrong);
        }
        if self.max_header_bytes < 8192 {
            return Err(HttpError::bad(format!(
                "max_header_bytes({}) is too little for the heads that servers send: use at least 8192",
                self.max_header_bytes
            )));
        }
        if self.dns_capacity == 0 {
            return Err(HttpError::bad(
                "dns_cache(.., 0) keeps no host: use at least 1, and a time of zero to ask anew each time",
            ));
        }
        let times = self.settings.times;
        for (name, limit) in [("timeout", times.total), ("read_timeout", times.read)] {
            if limit == Some(Duration::ZERO) {
                return Err(HttpError::bad(format!(
                    "{name}(0s) leaves no time at all: use more than zero, or `Duration::MAX` for ever"
                )));
            }
        }
        let base = self.base.map(|base| address::parse(&base, None));
        let base = base.transpose()?;
        let runtime = self.runtime;
        let transport = self.transport.unwrap_or_else(|| {
            let asks = runtime.clone();
            let system: Box<Resolver> = Box::new(move |host, port| {
                let runtime = asks.clone();
                Box::pin(async move {
                    let runtime = runtime.unwrap_or_else(Runtime::current);
                    resolve_on(&runtime, &host, port).await
                })
            });
            let resolver = self.resolver.unwrap_or(system);
            Box::new(Tcp {
                runtime: runtime.clone(),
                dns: Dns::new(resolver, self.dns_ttl, self.dns_capacity),
            })
        });
        #[cfg(not(feature = "http2"))]
        let protocols: &[&[u8]] = &[tls::HTTP1];
        #[cfg(feature = "http2")]
        let protocols: &[&[u8]] = match self.http2 {
            Mode::None => &[tls::HTTP1],
            Mode::Offered => &[tls::HTTP2, tls::HTTP1],
            Mode::Known => &[tls::HTTP2],
        };
        let maker = Arc::new(Maker {
            transport,
            tls: tls::connector(&self.roots, protocols)?,
            max_header_bytes: self.max_header_bytes,
            #[cfg(feature = "http2")]
            http2: self.http2,
            #[cfg(feature = "http2")]
            runtime: runtime.clone(),
        });
        let host = move |origin: &Origin| Host::new(origin.clone(), maker.clone());
        let mut pool = Keyed::builder(host);
        if let Some(runtime) = runtime {
            pool = pool.runtime(runtime);
        }
        let pool = pool
            .max_size(self.limit)
            .max_per_key(self.limit_per_host)
            .idle_timeout(self.keep_alive)
            .connect_timeout(self.connect_timeout)
            .name("http")
            .build()
            .map_err(|e| HttpError::bad(format!("no client: {e}")).because(e))?;
        let mut settings = self.settings;
        if settings.decompress {
            let both = HeaderValue::from_static("gzip, deflate");
            settings
                .headers
                .entry(header::ACCEPT_ENCODING)
                .or_insert(both);
        }
        let base = match base {
            Some(url) => {
                let origin = Origin::of(&url)?;
                Some((url, origin))
            }
            None => None,
        };
        Ok(HttpClient {
            inner: Arc::new(Inner {
                settings,
                base,
                pool,
            }),
        })
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("base", &self.base)
            .field("limit", &self.limit)
            .field("limit_per_host", &self.limit_per_host)
            .field("keep_alive", &self.keep_alive)
            .finish_non_exhaustive()
    }
}
