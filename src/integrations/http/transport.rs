//! Byte streams to origins: over TCP, or wherever a test wants them.

use super::address::Origin;
use super::dns::Dns;
use super::io::Duplex;
use crate::runtime::net::TcpStream;
use crate::runtime::net::memory::Network;
use crate::runtime::{BoxFuture, Runtime};
use std::io;

/// Opens byte streams to origins; the client adds TLS and HTTP. The client's own goes over TCP; another one is given by
/// [`transport`](super::Builder::transport).
///
/// [`Network`] is one, with the names `host:port`: the same client then runs in virtual time against servers in memory.
pub trait Transport: Send + Sync + 'static {
    /// Opens a stream to `origin`. Called in a task of its own, under the client's connect timeout.
    ///
    /// # Errors
    ///
    /// Why there is none; the request fails with it.
    fn connect<'a>(&'a self, origin: &'a Origin) -> BoxFuture<'a, io::Result<Box<dyn Duplex>>>;
}

impl Transport for Network {
    fn connect<'a>(&'a self, origin: &'a Origin) -> BoxFuture<'a, io::Result<Box<dyn Duplex>>> {
        Box::pin(async move {
            let name = format!("{}:{}", origin.host(), origin.port());
            Ok(Box::new(Network::connect(self, &name)?) as Box<dyn Duplex>)
        })
    }
}

/// TCP on the runtime that was given to the client, or the one that the connection is for.
pub(super) struct Tcp {
    pub(super) runtime: Option<Runtime>,
    pub(super) dns: Dns,
}

impl Transport for Tcp {
    fn connect<'a>(&'a self, origin: &'a Origin) -> BoxFuture<'a, io::Result<Box<dyn Duplex>>> {
        Box::pin(async move {
            let runtime = self.runtime.clone().unwrap_or_else(Runtime::current);
            let addresses = self.dns.look_up(&runtime, origin.host(), origin.port());
            let mut last = None;
            for address in addresses.await? {
                match TcpStream::connect_on(&runtime, address).await {
                    Ok(stream) => {
                        // Requests are written whole: nothing is gained by gathering.
                        stream.set_nodelay(true)?;
                        return Ok(Box::new(stream) as Box<dyn Duplex>);
                    }
                    Err(error) => last = Some((address, error)),
                }
            }
            Err(match last {
                Some((address, error)) => {
                    io::Error::new(error.kind(), format!("{address}: {error}"))
                }
                None => io::Error::new(io::ErrorKind::NotFound, "it has no address"),
            })
        })
    }
}
