//! Streams and listeners without a network: for tests, above all in virtual time.
//!
//! # Example
//!
//! ```
//! use futures::io::{AsyncReadExt, AsyncWriteExt};
//! use regatta::{runtime::net::memory::Network, task};
//!
//! regatta::testing::run(async || {
//!     let network = Network::new();
//!     let listener = network.listen("example.com:80").expect("the address is free");
//!     let said = task::task_group(async |group| {
//!         group.spawn(async move { listener.accept().await?.write_all(b"hello").await });
//!         let mut said = String::new();
//!         network.connect("example.com:80")?.read_to_string(&mut said).await?;
//!         Ok(said)
//!     });
//!     assert_eq!(said.await.expect("nothing failed"), "hello");
//! });
//! ```

use crate::runtime::coop;
use futures_io::{AsyncRead, AsyncWrite};
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker, ready};

/// Connections that nobody has accepted yet, for one listener.
const BACKLOG: usize = 128;
/// Bytes under way in one direction of a [`Network`]'s streams.
const WINDOW: usize = 64 * 1024;

/// One direction.
#[derive(Debug, Default)]
struct Pipe {
    bytes: VecDeque<u8>,
    capacity: usize,
    /// Nothing more will be written.
    ended: bool,
    /// Nobody will read any more.
    unread: bool,
    reset: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

type Shared<T> = Arc<Mutex<T>>;

/// Nothing under these locks panics half way.
fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Changes a pipe, and wakes both sides of it, after the lock.
fn change(pipe: &Mutex<Pipe>, change: impl FnOnce(&mut Pipe)) {
    let wakers = {
        let mut pipe = lock(pipe);
        change(&mut pipe);
        [pipe.reader.take(), pipe.writer.take()]
    };
    wakers.into_iter().flatten().for_each(wake);
}

/// Wakers are code of others, which may panic, and some are woken by a destructor. Never under a lock.
fn wake(waker: Waker) {
    quietly(|| waker.wake());
}

/// What a waker panics with is its own: the panic hook has reported it.
fn quietly(call: impl FnOnce()) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(call)) {
        // Its destructor may panic as well.
        if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
            std::mem::forget(again);
        }
    }
}

/// Has `cx` woken through `slot`, with a waker from `spare`; the old one is there afterwards. False: unlock, put a
/// clone there, and look again.
fn registered(slot: &mut Option<Waker>, cx: &Context<'_>, spare: &mut Option<Waker>) -> bool {
    match slot {
        Some(old) if old.will_wake(cx.waker()) => true,
        _ if spare.is_none() => false,
        _ => {
            std::mem::swap(slot, spare);
            true
        }
    }
}

/// Looks until there is something to tell, or the caller will be woken.
fn look<S, T>(
    shared: &Mutex<S>,
    cx: &Context<'_>,
    mut look: impl FnMut(&mut S, &mut Option<Waker>) -> Look<T>,
) -> Poll<T> {
    let mut spare = None;
    let polled = loop {
        let looked = look(&mut lock(shared), &mut spare);
        match looked {
            Look::Ready(told) => break Poll::Ready(told),
            Look::Waits(true) => break Poll::Pending,
            Look::Waits(false) => spare = Some(cx.waker().clone()),
        }
    };
    quietly(|| drop(spare));
    polled
}

enum Look<T> {
    Ready(T),
    /// And whether it will be woken.
    Waits(bool),
}

/// One end of a connection in memory; made by [`pair`], [`Network::connect`] and [`Listener::accept`].
///
/// Dropping it ends what it sends, as `poll_close` does, and makes the other side's writes fail;
/// [`reset`](Stream::reset) also loses what is under way.
#[derive(Debug)]
pub struct Stream {
    incoming: Shared<Pipe>,
    outgoing: Shared<Pipe>,
    /// Let other tasks go first, and does what it can at the next poll.
    gave_way: bool,
}

/// Two ends of one connection, with room for `capacity` bytes in each direction.
///
/// # Panics
///
/// When `capacity` is 0.
pub fn pair(capacity: usize) -> (Stream, Stream) {
    assert!(
        capacity > 0,
        "memory::pair(0): no byte could ever be written; give it room for one at least"
    );
    let pipe = || {
        Arc::new(Mutex::new(Pipe {
            capacity,
            ..Pipe::default()
        }))
    };
    let (there, back) = (pipe(), pipe());
    let near = Stream {
        incoming: back.clone(),
        outgoing: there.clone(),
        gave_way: false,
    };
    let far = Stream {
        incoming: there,
        outgoing: back,
        gave_way: false,
    };
    (near, far)
}

impl Stream {
    /// Before something that can be done at once.
    fn spend(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.gave_way = !self.gave_way && coop::poll_spend(cx).is_pending();
        if self.gave_way {
            Poll::Pending
        } else {
            Poll::Ready(())
        }
    }

    /// Cuts the connection: both sides' reads and writes fail with [`ConnectionReset`](io::ErrorKind::ConnectionReset),
    /// and what was under way is lost.
    pub fn reset(self) {
        for pipe in [&self.incoming, &self.outgoing] {
            change(pipe, |pipe| {
                pipe.reset = true;
                pipe.bytes.clear();
            });
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        change(&self.outgoing, |pipe| pipe.ended = true);
        change(&self.incoming, |pipe| pipe.unread = true);
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        ready!(look(&self.incoming, cx, |pipe, spare| {
            if pipe.bytes.is_empty() && !pipe.ended && !pipe.reset && !buf.is_empty() {
                Look::Waits(registered(&mut pipe.reader, cx, spare))
            } else {
                Look::Ready(())
            }
        }));
        ready!(self.spend(cx));
        let (n, writer) = {
            let mut pipe = lock(&self.incoming);
            if pipe.reset {
                return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
            }
            let n = io::Read::read(&mut pipe.bytes, buf)?;
            (n, pipe.writer.take())
        };
        writer.into_iter().for_each(wake);
        Poll::Ready(Ok(n))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(look(&self.outgoing, cx, |pipe, spare| {
            let refused = pipe.reset || pipe.unread || pipe.ended;
            let full = pipe.bytes.len() == pipe.capacity;
            if full && !refused && !buf.is_empty() {
                Look::Waits(registered(&mut pipe.writer, cx, spare))
            } else {
                Look::Ready(())
            }
        }));
        ready!(self.spend(cx));
        let (n, reader) = {
            let mut pipe = lock(&self.outgoing);
            if pipe.reset {
                return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
            }
            if pipe.unread || pipe.ended {
                return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
            }
            let n = buf.len().min(pipe.capacity - pipe.bytes.len());
            pipe.bytes.extend(&buf[..n]);
            (n, pipe.reader.take())
        };
        reader.into_iter().for_each(wake);
        Poll::Ready(Ok(n))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        change(&self.outgoing, |pipe| pipe.ended = true);
        Poll::Ready(Ok(()))
    }
}

#[derive(Debug, Default)]
struct Backlog {
    streams: VecDeque<Stream>,
    acceptor: Option<Waker>,
    closed: bool,
}

/// Names that streams can be connected to. A clone is the same network.
#[derive(Clone, Default)]
pub struct Network {
    listeners: Shared<HashMap<String, Weak<Mutex<Backlog>>>>,
}

impl Network {
    /// A network on which nobody listens.
    pub fn new() -> Self {
        Network::default()
    }

    /// Listens at `name`, any text, such as `"example.com:80"`, until the listener is dropped.
    ///
    /// # Errors
    ///
    /// [`AddrInUse`](io::ErrorKind::AddrInUse), when somebody listens there.
    pub fn listen(&self, name: impl Into<String>) -> io::Result<Listener> {
        let name = name.into();
        let mut listeners = lock(&self.listeners);
        listeners.retain(|_, backlog| backlog.strong_count() > 0);
        if listeners.contains_key(&name) {
            let why = format!("somebody listens at `{name}` already");
            return Err(io::Error::new(io::ErrorKind::AddrInUse, why));
        }
        let backlog = Arc::default();
        listeners.insert(name, Arc::downgrade(&backlog));
        Ok(Listener { backlog })
    }

    /// Connects to whoever listens at `name`; at once, also when nobody has accepted yet.
    ///
    /// # Errors
    ///
    /// [`ConnectionRefused`](io::ErrorKind::ConnectionRefused), when nobody listens there, or 128 connections wait to
    /// be accepted.
    pub fn connect(&self, name: &str) -> io::Result<Stream> {
        let backlog = lock(&self.listeners).get(name).and_then(Weak::upgrade);
        let refused =
            |why: &str| io::Error::new(io::ErrorKind::ConnectionRefused, format!("{why} `{name}`"));
        let backlog = backlog.ok_or_else(|| refused("nobody listens at"))?;
        let (near, far) = pair(WINDOW);
        let acceptor = {
            let mut backlog = lock(&backlog);
            if backlog.closed {
                return Err(refused("nobody listens any more at"));
            }
            if backlog.streams.len() >= BACKLOG {
                return Err(refused("128 connections wait to be accepted at"));
            }
            backlog.streams.push_back(far);
            backlog.acceptor.take()
        };
        acceptor.into_iter().for_each(wake);
        Ok(near)
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let listeners = lock(&self.listeners);
        let mut names: Vec<_> = listeners.keys().collect();
        names.sort();
        f.debug_tuple("Network").field(&names).finish()
    }
}

/// Takes the connections to a name; made by [`Network::listen`]. Those that nobody has accepted are closed when it is
/// dropped.
#[derive(Debug)]
pub struct Listener {
    backlog: Shared<Backlog>,
}

impl Listener {
    /// The next connection. One task at a time may wait.
    ///
    /// # Errors
    ///
    /// None so far; the type is that of the other listeners.
    ///
    /// # Cancel safety
    ///
    /// Dropping it takes no connection.
    pub async fn accept(&self) -> io::Result<Stream> {
        poll_fn(|cx| {
            look(&self.backlog, cx, |backlog, spare| {
                if backlog.streams.is_empty() {
                    Look::Waits(registered(&mut backlog.acceptor, cx, spare))
                } else {
                    Look::Ready(())
                }
            })
        })
        .await;
        // It stays in the backlog meanwhile.
        coop::spend().await;
        poll_fn(|cx| {
            look(&self.backlog, cx, |backlog, spare| {
                match backlog.streams.pop_front() {
                    Some(stream) => Look::Ready(Ok(stream)),
                    None => Look::Waits(registered(&mut backlog.acceptor, cx, spare)),
                }
            })
        })
        .await
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let unaccepted = {
            let mut backlog = lock(&self.backlog);
            backlog.closed = true;
            std::mem::take(&mut backlog.streams)
        };
        drop(unaccepted);
    }
}
