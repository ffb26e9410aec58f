//! A connection to an origin, and how the pool makes them.
//!
//! hyper's connection for HTTP/1.1 is a future that has to be polled. The request that has the connection out of the
//! pool polls it, and then the body of the answer does. So there is no task for a connection; a request that is dropped
//! drops all of it; and an idle connection is not looked at until it is taken, when hyper reads before it writes, and
//! finds out whether the server has closed it meanwhile.

use super::address::Origin;
use super::body::Outgoing;
use super::error::{ErrorKind, HttpError};
#[cfg(feature = "http2")]
use super::http2::{self, Turn};
use super::io::{Duplex, Io};
use super::tls;
use super::transport::Transport;
use crate::pool::{InFlight, Manager, Metrics};
#[cfg(feature = "http2")]
use crate::runtime::Runtime;
use futures_rustls::TlsConnector;
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::{self, SendRequest};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Context;

/// One connection, or a turn on one.
pub(super) struct Connection {
    pub(super) talk: Talk,
    /// Had a request before, so that the server may have closed it since.
    pub(super) used: bool,
}

/// How it is spoken on.
pub(super) enum Talk {
    /// HTTP/1.1, with one request at a time.
    Alone(SendRequest<Outgoing>, Driver),
    #[cfg(feature = "http2")]
    Shared(Turn),
}

pub(super) type Answer = http::Response<Incoming>;

/// What came of a request; one that was not sent may be in the error.
pub(super) type Sent = Result<Answer, TrySendError<http::Request<Outgoing>>>;

/// The future of a connection.
pub(super) struct Driver(Option<Pin<Box<http1::Connection<Io, Outgoing>>>>);

impl Driver {
    /// Reads and writes what there is. The future is dropped when it has ended: only then does hyper give an unsent
    /// request back.
    fn drive(&mut self, cx: &mut Context<'_>) {
        if let Some(connection) = &mut self.0
            && connection.as_mut().poll(cx).is_ready()
        {
            self.0 = None;
        }
    }
}

impl Connection {
    /// Has the request sent, while the connection is [driven](Connection::drive).
    #[cfg(not(feature = "http2"))]
    pub(super) fn send(
        &mut self,
        request: http::Request<Outgoing>,
    ) -> impl Future<Output = Sent> + use<> {
        let Talk::Alone(sender, _) = &mut self.talk;
        sender.try_send_request(request)
    }

    /// Has the request sent, while the connection is [driven](Connection::drive).
    #[cfg(feature = "http2")]
    pub(super) fn send(
        &mut self,
        mut request: http::Request<Outgoing>,
    ) -> impl Future<Output = Sent> + use<> {
        use futures_util::future::Either;
        match &mut self.talk {
            Talk::Alone(sender, _) => {
                http2::name_in_short(&mut request);
                Either::Left(sender.try_send_request(request))
            }
            Talk::Shared(turn) => Either::Right(turn.send(request)),
        }
    }

    /// Reads and writes what there is, where nobody else does.
    pub(super) fn drive(&mut self, cx: &mut Context<'_>) {
        match &mut self.talk {
            Talk::Alone(_, driver) => driver.drive(cx),
            #[cfg(feature = "http2")]
            Talk::Shared(_) => {}
        }
    }

    /// After the end of an answer: whether another request may follow. Anything else that came, or was not sent, makes
    /// hyper say no.
    pub(super) fn is_clean(&mut self, cx: &mut Context<'_>) -> bool {
        match &mut self.talk {
            Talk::Alone(sender, driver) => {
                // hyper sees the end of the message when it is polled once more.
                if !sender.is_ready() {
                    driver.drive(cx);
                }
                driver.0.is_some() && sender.is_ready()
            }
            #[cfg(feature = "http2")]
            Talk::Shared(turn) => !turn.is_closed(),
        }
    }

    /// Whether others have requests on it, too.
    pub(super) fn is_shared(&self) -> bool {
        !matches!(self.talk, Talk::Alone(..))
    }

    fn is_closed(&self) -> bool {
        match &self.talk {
            Talk::Alone(sender, _) => sender.is_closed(),
            #[cfg(feature = "http2")]
            Talk::Shared(turn) => turn.is_closed(),
        }
    }
}

/// A connection in the middle of a request; dropped, it is closed.
pub(super) type Lease = InFlight<Host>;

/// What all origins' connections are made with.
pub(super) struct Maker {
    pub(super) transport: Box<dyn Transport>,
    pub(super) tls: TlsConnector,
    pub(super) max_header_bytes: usize,
    #[cfg(feature = "http2")]
    pub(super) http2: http2::Mode,
    #[cfg(feature = "http2")]
    pub(super) runtime: Option<Runtime>,
}

/// The pool's manager for one origin.
pub(super) struct Host {
    pub(super) origin: Origin,
    pub(super) maker: Arc<Maker>,
    #[cfg(feature = "http2")]
    pub(super) hub: http2::Hubs,
}

impl Host {
    pub(super) fn new(origin: Origin, maker: Arc<Maker>) -> Self {
        Host {
            origin,
            maker,
            #[cfg(feature = "http2")]
            hub: http2::Hubs::default(),
        }
    }

    /// A stream to the server, and whether it has chosen HTTP/2.
    pub(super) async fn open(&self) -> Result<(Box<dyn Duplex>, bool), HttpError> {
        let Host { origin, maker, .. } = self;
        let stream = maker.transport.connect(origin).await.map_err(|e| {
            HttpError::new(
                ErrorKind::Connect,
                format!("no connection to {origin}: {e}"),
            )
            .because(e)
        })?;
        if !origin.is_https() {
            return Ok((stream, false));
        }
        let private = tls::wrap(&maker.tls, origin, stream).await;
        private.map_err(|e| tls::failed(origin, e))
    }

    /// A connection for one request at a time.
    pub(super) async fn alone(&self, stream: Box<dyn Duplex>) -> Result<Connection, HttpError> {
        let handshake = http1::Builder::new()
            .max_buf_size(self.maker.max_header_bytes)
            .handshake(Io::new(stream));
        let (sender, driver) = handshake.await.map_err(HttpError::protocol)?;
        Ok(Connection {
            talk: Talk::Alone(sender, Driver(Some(Box::pin(driver)))),
            used: false,
        })
    }
}

impl Manager for Host {
    type Object = Connection;
    type Error = HttpError;

    async fn connect(&self) -> Result<Connection, HttpError> {
        #[cfg(feature = "http2")]
        match self.maker.http2 {
            http2::Mode::Offered if self.origin.is_https() => {
                return self.hub.here().connect(self).await;
            }
            http2::Mode::Known => return self.hub.here().connect(self).await,
            _ => {}
        }
        let (stream, _) = self.open().await?;
        self.alone(stream).await
    }

    async fn check(&self, connection: &mut Connection, _: &Metrics) -> Result<(), HttpError> {
        if connection.is_closed() {
            return Err(HttpError::new(ErrorKind::Protocol, "it was closed"));
        }
        Ok(())
    }

    /// A request that is dropped half way is taken back from the server (RFC 9113, 6.4), and the others on its
    /// connection go on.
    #[cfg(feature = "http2")]
    fn is_clean(&self, connection: &mut Connection) -> bool {
        match &connection.talk {
            Talk::Alone(..) => false,
            Talk::Shared(turn) => !turn.is_closed(),
        }
    }

    #[cfg(feature = "http2")]
    async fn close(&self, connection: Connection) {
        if let Talk::Shared(turn) = connection.talk {
            turn.close().await;
        }
    }
}
