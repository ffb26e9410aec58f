//! TCP on the current runtime.

use super::error::NoNetwork;
#[cfg(not(all(feature = "tokio", feature = "smol")))]
use super::socket::Absent;
use super::socket::{Native, Socket, each, futures_io};
#[cfg(any(feature = "tokio", feature = "smol"))]
use crate::runtime::Kind;
use crate::runtime::Runtime;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

#[cfg(feature = "tokio")]
type OnTokio = super::tokio::OnTokio<::tokio::net::TcpStream>;
#[cfg(not(feature = "tokio"))]
type OnTokio = Absent;
#[cfg(feature = "smol")]
type OnSmol = super::smol::OnSmol<std::net::TcpStream>;
#[cfg(not(feature = "smol"))]
type OnSmol = Absent;

#[cfg(feature = "tokio")]
type ListenerOnTokio = ::tokio::net::TcpListener;
#[cfg(not(feature = "tokio"))]
type ListenerOnTokio = Absent;
#[cfg(feature = "smol")]
type ListenerOnSmol = ::smol::Async<std::net::TcpListener>;
#[cfg(not(feature = "smol"))]
type ListenerOnSmol = Absent;

/// A TCP connection on the current runtime's reactor; see the [module](super).
#[derive(Debug)]
pub struct TcpStream {
    socket: Socket<OnTokio, OnSmol>,
}

impl TcpStream {
    /// Connects on the current runtime. For a name, [`resolve`](super::resolve) it first.
    ///
    /// # Errors
    ///
    /// What the system says; [`NoNetwork`].
    ///
    /// # Panics
    ///
    /// On a tokio runtime that was built without `enable_io`.
    ///
    /// # Cancel safety
    ///
    /// Dropping it closes the socket.
    pub async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
        TcpStream::connect_on(&Runtime::current(), address).await
    }

    /// The same on a given runtime.
    pub(crate) async fn connect_on(runtime: &Runtime, address: SocketAddr) -> io::Result<Self> {
        match &*runtime.0 {
            #[cfg(feature = "tokio")]
            Kind::Tokio(handle) => {
                let connecting = ::tokio::net::TcpStream::connect(address);
                let stream = super::tokio::inside(handle, connecting).await?;
                Ok(TcpStream::on_tokio(stream))
            }
            #[cfg(feature = "smol")]
            Kind::Smol => {
                let connecting = ::smol::Async::<std::net::TcpStream>::connect(address);
                Ok(TcpStream::on_smol(connecting.await?))
            }
            _ => {
                let _ = address;
                Err(NoNetwork::on(runtime))
            }
        }
    }

    #[cfg(feature = "tokio")]
    fn on_tokio(stream: ::tokio::net::TcpStream) -> Self {
        TcpStream {
            socket: Socket::Tokio(super::tokio::OnTokio(stream)),
        }
    }

    #[cfg(feature = "smol")]
    fn on_smol(stream: ::smol::Async<std::net::TcpStream>) -> Self {
        TcpStream {
            socket: Socket::Smol(super::smol::OnSmol::new(stream)),
        }
    }

    /// The address of the other side.
    ///
    /// # Errors
    ///
    /// What the system says, as when the other side is gone.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        each!(&self.socket, s => s.0.peer_addr(), s.inner.get_ref().peer_addr())
    }

    /// The address of this side.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        each!(&self.socket, s => s.0.local_addr(), s.inner.get_ref().local_addr())
    }

    /// Whether small writes are sent at once (`true`), or gathered for a while (Nagle's algorithm, which is on in a new
    /// socket).
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn set_nodelay(&self, at_once: bool) -> io::Result<()> {
        #[cfg(not(any(feature = "tokio", feature = "smol")))]
        let _ = at_once;
        each!(&self.socket, s => s.0.set_nodelay(at_once), s.inner.get_ref().set_nodelay(at_once))
    }
}

futures_io!(TcpStream);

/// Waits for TCP connections on the current runtime's reactor; see the [module](super).
#[derive(Debug)]
pub struct TcpListener {
    listener: Socket<ListenerOnTokio, ListenerOnSmol>,
}

impl TcpListener {
    /// Listens on the current runtime. Port 0 takes a free one: see [`local_addr`](TcpListener::local_addr).
    ///
    /// # Errors
    ///
    /// What the system says; [`NoNetwork`].
    ///
    /// # Panics
    ///
    /// On a tokio runtime that was built without `enable_io`.
    pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
        let runtime = Runtime::current();
        match &*runtime.0 {
            #[cfg(feature = "tokio")]
            Kind::Tokio(handle) => {
                let listener = std::net::TcpListener::bind(address)?;
                listener.set_nonblocking(true)?;
                let _context = handle.handle().enter();
                let listener = ::tokio::net::TcpListener::from_std(listener)?;
                Ok(TcpListener {
                    listener: Socket::Tokio(listener),
                })
            }
            #[cfg(feature = "smol")]
            Kind::Smol => Ok(TcpListener {
                listener: Socket::Smol(::smol::Async::<std::net::TcpListener>::bind(address)?),
            }),
            _ => {
                let _ = address;
                Err(NoNetwork::on(&runtime))
            }
        }
    }

    /// The next connection, and who it is from.
    ///
    /// # Errors
    ///
    /// What the system says. Most errors (too many open files, a guest who left at once) pass: wait a little, and go
    /// on.
    ///
    /// # Cancel safety
    ///
    /// Dropping it takes no connection.
    pub async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        each!(&self.listener, l => {
            let (stream, from) = l.accept().await?;
            Ok((TcpStream::on_tokio(stream), from))
        }, {
            let (stream, from) = l.accept().await?;
            Ok((TcpStream::on_smol(stream), from))
        })
    }

    /// Where it listens.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        each!(&self.listener, l => l.local_addr(), l.get_ref().local_addr())
    }
}
