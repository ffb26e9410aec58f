//! What every socket of every runtime can do, and the choice between runtimes.

use std::io;
use std::task::{Context, Poll};

/// A stream on one runtime's reactor. The same four as in `futures-io`, without the pin that no socket needs.
pub(super) trait Native {
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>>;
    fn poll_write(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>>;
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
}

/// A socket of a runtime that is not compiled in.
#[cfg(not(all(feature = "tokio", feature = "smol")))]
#[derive(Debug)]
pub(super) enum Absent {}

#[cfg(not(all(feature = "tokio", feature = "smol")))]
impl Native for Absent {
    fn poll_read(&mut self, _: &mut Context<'_>, _: &mut [u8]) -> Poll<io::Result<usize>> {
        match *self {}
    }

    fn poll_write(&mut self, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
        match *self {}
    }

    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        match *self {}
    }

    fn poll_close(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        match *self {}
    }
}

/// A socket on the runtime it was made on.
#[derive(Debug)]
#[cfg_attr(
    not(all(feature = "tokio", feature = "smol")),
    expect(
        dead_code,
        reason = "a runtime that is not compiled in makes no sockets"
    )
)]
pub(super) enum Socket<T, S> {
    Tokio(T),
    Smol(S),
}

impl<T: Native, S: Native> Native for Socket<T, S> {
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        match self {
            Socket::Tokio(s) => s.poll_read(cx, buf),
            Socket::Smol(s) => s.poll_read(cx, buf),
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            Socket::Tokio(s) => s.poll_write(cx, buf),
            Socket::Smol(s) => s.poll_write(cx, buf),
        }
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Socket::Tokio(s) => s.poll_flush(cx),
            Socket::Smol(s) => s.poll_flush(cx),
        }
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Socket::Tokio(s) => s.poll_close(cx),
            Socket::Smol(s) => s.poll_close(cx),
        }
    }
}

/// Asks a socket in the words of its runtime: `each!(socket, s => on tokio, on smol)`.
macro_rules! each {
    ($socket:expr, $s:ident => $tokio:expr, $smol:expr) => {
        match $socket {
            #[cfg(feature = "tokio")]
            Socket::Tokio($s) => $tokio,
            #[cfg(not(feature = "tokio"))]
            Socket::Tokio(absent) => match *absent {},
            #[cfg(feature = "smol")]
            Socket::Smol($s) => $smol,
            #[cfg(not(feature = "smol"))]
            Socket::Smol(absent) => match *absent {},
        }
    };
}

/// Gives a public stream the traits of `futures-io`, by its field `socket`.
macro_rules! futures_io {
    ($stream:ty) => {
        impl futures_io::AsyncRead for $stream {
            fn poll_read(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &mut [u8],
            ) -> Poll<io::Result<usize>> {
                self.get_mut().socket.poll_read(cx, buf)
            }
        }

        impl futures_io::AsyncWrite for $stream {
            fn poll_write(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &[u8],
            ) -> Poll<io::Result<usize>> {
                self.get_mut().socket.poll_write(cx, buf)
            }

            fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                self.get_mut().socket.poll_flush(cx)
            }

            fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                self.get_mut().socket.poll_close(cx)
            }
        }
    };
}

pub(super) use {each, futures_io};
