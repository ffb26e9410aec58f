//! Unix sockets on the current runtime.

use super::error::NoNetwork;
#[cfg(not(all(feature = "tokio", feature = "smol")))]
use super::socket::Absent;
use super::socket::{Native, Socket, each, futures_io};
#[cfg(any(feature = "tokio", feature = "smol"))]
use crate::runtime::Kind;
use crate::runtime::Runtime;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};

#[cfg(feature = "tokio")]
type OnTokio = super::tokio::OnTokio<::tokio::net::UnixStream>;
#[cfg(not(feature = "tokio"))]
type OnTokio = Absent;
#[cfg(feature = "smol")]
type OnSmol = super::smol::OnSmol<std::os::unix::net::UnixStream>;
#[cfg(not(feature = "smol"))]
type OnSmol = Absent;

#[cfg(feature = "tokio")]
type ListenerOnTokio = ::tokio::net::UnixListener;
#[cfg(not(feature = "tokio"))]
type ListenerOnTokio = Absent;
#[cfg(feature = "smol")]
type ListenerOnSmol = ::smol::Async<std::os::unix::net::UnixListener>;
#[cfg(not(feature = "smol"))]
type ListenerOnSmol = Absent;

/// A connection over a Unix socket, on the current runtime's reactor; see the [module](super). On Unix only.
#[derive(Debug)]
pub struct UnixStream {
    socket: Socket<OnTokio, OnSmol>,
}

impl UnixStream {
    /// Connects on the current runtime.
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
    pub async fn connect(path: impl AsRef<Path>) -> io::Result<UnixStream> {
        let runtime = Runtime::current();
        let path = path.as_ref();
        match &*runtime.0 {
            #[cfg(feature = "tokio")]
            Kind::Tokio(handle) => {
                let connecting = ::tokio::net::UnixStream::connect(path);
                let stream = super::tokio::inside(handle, connecting).await?;
                Ok(UnixStream::on_tokio(stream))
            }
            #[cfg(feature = "smol")]
            Kind::Smol => {
                let connecting = ::smol::Async::<std::os::unix::net::UnixStream>::connect(path);
                Ok(UnixStream::on_smol(connecting.await?))
            }
            _ => {
                let _ = path;
                Err(NoNetwork::on(&runtime))
            }
        }
    }

    #[cfg(feature = "tokio")]
    fn on_tokio(stream: ::tokio::net::UnixStream) -> Self {
        UnixStream {
            socket: Socket::Tokio(super::tokio::OnTokio(stream)),
        }
    }

    #[cfg(feature = "smol")]
    fn on_smol(stream: ::smol::Async<std::os::unix::net::UnixStream>) -> Self {
        UnixStream {
            socket: Socket::Smol(super::smol::OnSmol::new(stream)),
        }
    }
}

futures_io!(UnixStream);

/// Waits for connections on a Unix socket, on the current runtime's reactor; see the [module](super). On Unix only.
///
/// Its path stays when it is dropped, as the system has it: remove the file yourself, before or after.
#[derive(Debug)]
pub struct UnixListener {
    listener: Socket<ListenerOnTokio, ListenerOnSmol>,
}

impl UnixListener {
    /// Listens on the current runtime, at a path where nothing is.
    ///
    /// # Errors
    ///
    /// What the system says; [`NoNetwork`].
    ///
    /// # Panics
    ///
    /// On a tokio runtime that was built without `enable_io`.
    pub fn bind(path: impl AsRef<Path>) -> io::Result<UnixListener> {
        let runtime = Runtime::current();
        let path = path.as_ref();
        match &*runtime.0 {
            #[cfg(feature = "tokio")]
            Kind::Tokio(handle) => {
                let _context = handle.handle().enter();
                Ok(UnixListener {
                    listener: Socket::Tokio(::tokio::net::UnixListener::bind(path)?),
                })
            }
            #[cfg(feature = "smol")]
            Kind::Smol => Ok(UnixListener {
                listener: Socket::Smol(::smol::Async::<std::os::unix::net::UnixListener>::bind(
                    path,
                )?),
            }),
            _ => {
                let _ = path;
                Err(NoNetwork::on(&runtime))
            }
        }
    }

    /// The next connection.
    ///
    /// # Errors
    ///
    /// What the system says.
    ///
    /// # Cancel safety
    ///
    /// Dropping it takes no connection.
    pub async fn accept(&self) -> io::Result<UnixStream> {
        each!(&self.listener, l => Ok(UnixStream::on_tokio(l.accept().await?.0)), Ok(UnixStream::on_smol(l.accept().await?.0)))
    }
}
