//! Streams as hyper wants them.

use futures_io::{AsyncRead, AsyncWrite};
use hyper::rt::ReadBufCursor;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// What a [`Transport`](super::Transport) gives: bytes in both directions. Implemented for all that fit.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin + 'static> Duplex for S {}

/// Enough for most answers in one read.
const SCRATCH: usize = 8 * 1024;

/// A stream for hyper. Its buffers may be uninitialised, and `futures-io` reads into initialised ones: without `unsafe`
/// that takes a copy.
pub(super) struct Io {
    stream: Box<dyn Duplex>,
    scratch: Box<[u8]>,
}

impl Io {
    pub(super) fn new(stream: Box<dyn Duplex>) -> Self {
        Io {
            stream,
            scratch: vec![0; SCRATCH].into_boxed_slice(),
        }
    }
}

impl hyper::rt::Read for Io {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let Io { stream, scratch } = self.get_mut();
        let most = buf.remaining().min(scratch.len());
        let n = ready!(Pin::new(stream).poll_read(cx, &mut scratch[..most]))?;
        buf.put_slice(&scratch[..n]);
        Poll::Ready(Ok(()))
    }
}

impl hyper::rt::Write for Io {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_close(cx)
    }
}
