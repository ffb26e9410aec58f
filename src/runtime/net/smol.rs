//! smol's sockets, on async-io's reactor.
//!
//! async-io tries the system call at every poll. That is one call too many for each wait: who has just read all there
//! was, asks again, and hears that it would block. So "would block" is remembered until the reactor reports readiness,
//! and a read that did not fill its buffer counts as that already, as with tokio.
//!
//! `Async::poll_readable` cannot tell whether it did: it counts events by the reactor's ticks, and one that comes in
//! the tick of the question does not count. With the reactor on a thread of its own, a socket that is readable by then
//! is asked, reported and not believed, again and again (a copy of 4 MiB through a Unix socket took more than a
//! minute). Here the reactor gets a waker of ours for each direction, and a wake is the answer.

use super::socket::Native;
use ::smol::Async;
use async_io::{ReadableOwned, WritableOwned};
use futures_util::task::AtomicWaker;
use std::fmt;
use std::future::Future;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker, ready};

/// What std's streams have in common, and no trait of std says.
pub(super) trait Plain {
    fn end_of_sending(&self) -> io::Result<()>;
}

impl Plain for std::net::TcpStream {
    fn end_of_sending(&self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }
}

#[cfg(unix)]
impl Plain for std::os::unix::net::UnixStream {
    fn end_of_sending(&self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }
}

/// What the reactor wakes: remembers it, and wakes the task.
#[derive(Default)]
struct Bell {
    rung: AtomicBool,
    task: AtomicWaker,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        // Before the task, which looks at it.
        self.rung.store(true, Ordering::Release);
        self.task.wake();
    }
}

/// One direction: whether it would block, and who is told when not any more.
struct Side<F> {
    bell: Arc<Bell>,
    waker: Waker,
    /// There while the direction would block; keeps the waker in the reactor.
    wait: Option<F>,
    /// It is known to block without another try: less came than there was room for, so there was no more. What has come
    /// since, the reactor sees.
    drained: bool,
}

impl<F: Future<Output = io::Result<()>> + Unpin> Side<F> {
    fn new() -> Self {
        let bell = Arc::new(Bell::default());
        Side {
            waker: Waker::from(bell.clone()),
            bell,
            wait: None,
            drained: false,
        }
    }

    /// Calls `io` until it does not block, `wait`ing in between.
    fn poll<R>(
        &mut self,
        cx: &mut Context<'_>,
        mut io: impl FnMut() -> io::Result<R>,
        wait: impl Fn() -> F,
    ) -> Poll<io::Result<R>> {
        loop {
            if self.wait.is_some() {
                self.bell.task.register(cx.waker());
                if !self.bell.rung.swap(false, Ordering::AcqRel) {
                    return Poll::Pending;
                }
                self.wait = None;
            }
            let tried = if std::mem::take(&mut self.drained) {
                Err(io::ErrorKind::WouldBlock.into())
            } else {
                io()
            };
            match tried {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                    let mut wait = wait();
                    // The reactor looks at the socket itself: what has become ready since counts.
                    match Pin::new(&mut wait).poll(&mut Context::from_waker(&self.waker)) {
                        Poll::Ready(Ok(())) => {}
                        Poll::Ready(Err(e)) => return Poll::Ready(Err(e)),
                        Poll::Pending => self.wait = Some(wait),
                    }
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                done => return Poll::Ready(done),
            }
        }
    }
}

/// A stream in async-io's reactor.
pub(super) struct OnSmol<S> {
    pub(super) inner: Arc<Async<S>>,
    read: Side<ReadableOwned<S>>,
    write: Side<WritableOwned<S>>,
}

impl<S> OnSmol<S> {
    pub(super) fn new(inner: Async<S>) -> Self {
        OnSmol {
            inner: Arc::new(inner),
            read: Side::new(),
            write: Side::new(),
        }
    }
}

impl<S: fmt::Debug> fmt::Debug for OnSmol<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.get_ref().fmt(f)
    }
}

impl<S: Plain> Native for OnSmol<S>
where
    for<'a> &'a S: Read + Write,
{
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let Self { inner, read, .. } = self;
        let mut socket = inner.get_ref();
        let room = buf.len();
        let n = ready!(read.poll(cx, || socket.read(buf), || inner.clone().readable_owned()))?;
        read.drained = (1..room).contains(&n);
        Poll::Ready(Ok(n))
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let Self { inner, write, .. } = self;
        let mut socket = inner.get_ref();
        write.poll(cx, || socket.write(buf), || inner.clone().writable_owned())
    }

    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(match self.inner.get_ref().end_of_sending() {
            // The other side was quicker.
            Err(e) if e.kind() == io::ErrorKind::NotConnected => Ok(()),
            done => done,
        })
    }
}
