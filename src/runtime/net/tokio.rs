//! tokio's sockets.

use super::socket::Native;
use crate::runtime::tokio::TokioHandle;
use ::tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use pin_project_lite::pin_project;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// A stream of tokio's.
#[derive(Debug)]
pub(super) struct OnTokio<T>(pub(super) T);

impl<T: AsyncRead + AsyncWrite + Unpin> Native for OnTokio<T> {
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut buf = ReadBuf::new(buf);
        ready!(Pin::new(&mut self.0).poll_read(cx, &mut buf))?;
        Poll::Ready(Ok(buf.filled().len()))
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

pin_project! {
    /// A future that is polled in the context of its runtime, wherever that may be: tokio's sockets look for their
    /// reactor in it.
    pub(super) struct Inside<'a, F> {
        handle: &'a TokioHandle,
        #[pin]
        future: F,
    }
}

/// Polls `future` in the context of `handle`.
pub(super) fn inside<F>(handle: &TokioHandle, future: F) -> Inside<'_, F> {
    Inside { handle, future }
}

impl<F: Future> Future for Inside<'_, F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let _context = this.handle.handle().enter();
        this.future.poll(cx)
    }
}
