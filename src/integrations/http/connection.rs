//! A connection to an origin, and how the pool makes them.
//!
//! hyper's connection is a future that somebody has to poll. Here that is whoever has the connection out of the pool: the request, then its body. So there is no task
//! for a connection; a request that is dropped drops all of it; and an idle connection is not looked at until it is taken, when hyper reads before it writes,
//! and finds out whether the server has closed it meanwhile.

use super::address::Origin;
use super::body::Outgoing;
use super::error::{ErrorKind, HttpError};
use super::io::Io;
use super::tls;
use super::transport::Transport;
use crate::pool::{InFlight, Manager, Metrics};
use futures_rustls::TlsConnector;
use hyper::client::conn::http1::{self, SendRequest};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Context;

/// One connection.
pub(super) struct Connection {
    pub(super) sender: SendRequest<Outgoing>,
    pub(super) driver: Driver,
    /// Had a request before, so that the server may have closed it since.
    pub(super) used: bool,
}

/// The future of a connection.
pub(super) struct Driver(Option<Pin<Box<http1::Connection<Io, Outgoing>>>>);

impl Driver {
    /// Reads and writes what there is. The future is dropped when it has ended: only then does hyper give an unsent request back.
    pub(super) fn drive(&mut self, cx: &mut Context<'_>) {
        if let Some(connection) = &mut self.0
            && connection.as_mut().poll(cx).is_ready()
        {
            self.0 = None;
        }
    }
}

impl Connection {
    /// After the end of an answer: whether another request may follow. Anything else that came, or was not sent, makes hyper say no.
    pub(super) fn is_clean(&mut self, cx: &mut Context<'_>) -> bool {
        // hyper sees the end of the message when it is polled once more.
        if !self.sender.is_ready() {
            self.driver.drive(cx);
        }
        self.driver.0.is_some() && self.sender.is_ready()
    }
}

/// A connection in the middle of a request; dropped, it is closed.
pub(super) type Lease = InFlight<Host>;

/// What all origins' connections are made with.
pub(super) struct Maker {
    pub(super) transport: Box<dyn Transport>,
    pub(super) tls: TlsConnector,
    pub(super) max_header_bytes: usize,
}

/// The pool's manager for one origin.
pub(super) struct Host {
    pub(super) origin: Origin,
    pub(super) maker: Arc<Maker>,
}

impl Manager for Host {
    type Object = Connection;
    type Error = HttpError;

    async fn connect(&self) -> Result<Connection, HttpError> {
        let Host { origin, maker } = self;
        let mut stream = maker.transport.connect(origin).await.map_err(|e| {
            HttpError::new(
                ErrorKind::Connect,
                format!("no connection to {origin}: {e}"),
            )
            .because(e)
        })?;
        if origin.is_https() {
            stream = tls::wrap(&maker.tls, origin, stream)
                .await
                .map_err(|e| tls::failed(origin, e))?;
        }
        let handshake = http1::Builder::new()
            .max_buf_size(maker.max_header_bytes)
            .handshake(Io::new(stream));
        let (sender, driver) = handshake.await.map_err(HttpError::protocol)?;
        Ok(Connection {
            sender,
            driver: Driver(Some(Box::pin(driver))),
            used: false,
        })
    }

    async fn check(&self, connection: &mut Connection, _: &Metrics) -> Result<(), HttpError> {
        if connection.sender.is_closed() {
            return Err(HttpError::new(ErrorKind::Protocol, "it was closed"));
        }
        Ok(())
    }
}
