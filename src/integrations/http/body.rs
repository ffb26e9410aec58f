//! What is sent.

use bytes::Bytes;
use futures_core::Stream;
use futures_util::TryStreamExt;
use http_body::{Frame, SizeHint};
use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

type Chunks = Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>;

/// What a request carries: bytes, or a stream of them.
///
/// Bytes can be sent again, after a redirect or a connection that turned out to be closed; a stream can only be sent
/// once.
#[derive(Default)]
pub struct Body(Kind);

enum Kind {
    Bytes(Bytes),
    Stream(Chunks, Option<u64>),
}

impl Default for Kind {
    fn default() -> Self {
        Kind::Bytes(Bytes::new())
    }
}

impl Body {
    /// A stream of chunks, sent as they come, with an unknown length. An error among them ends the request, and the
    /// connection.
    pub fn stream<S, B, E>(chunks: S) -> Self
    where
        S: Stream<Item = Result<B, E>> + Send + 'static,
        B: Into<Bytes> + 'static,
        E: Into<Box<dyn std::error::Error + Send + Sync>> + 'static,
    {
        Body(Kind::Stream(boxed(chunks), None))
    }

    /// The same with a length that is known. The connection is closed, and the request fails, when the stream has more
    /// or fewer bytes.
    pub fn sized_stream<S, B, E>(length: u64, chunks: S) -> Self
    where
        S: Stream<Item = Result<B, E>> + Send + 'static,
        B: Into<Bytes> + 'static,
        E: Into<Box<dyn std::error::Error + Send + Sync>> + 'static,
    {
        Body(Kind::Stream(boxed(chunks), Some(length)))
    }

    /// The same again, if it can be sent again.
    pub(super) fn again(&self) -> Option<Body> {
        match &self.0 {
            Kind::Bytes(bytes) => Some(Body(Kind::Bytes(bytes.clone()))),
            Kind::Stream(..) => None,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        matches!(&self.0, Kind::Bytes(bytes) if bytes.is_empty())
    }
}

fn boxed<S, B, E>(chunks: S) -> Chunks
where
    S: Stream<Item = Result<B, E>> + Send + 'static,
    B: Into<Bytes> + 'static,
    E: Into<Box<dyn std::error::Error + Send + Sync>> + 'static,
{
    Box::pin(chunks.map_ok(Into::into).map_err(io::Error::other))
}

impl<B: Into<Bytes>> From<B> for Body {
    fn from(bytes: B) -> Self {
        Body(Kind::Bytes(bytes.into()))
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Bytes(bytes) => write!(f, "Body({} bytes)", bytes.len()),
            Kind::Stream(_, Some(length)) => write!(f, "Body(a stream of {length} bytes)"),
            Kind::Stream(_, None) => f.write_str("Body(a stream)"),
        }
    }
}

/// A body on its way through hyper.
pub(super) struct Outgoing {
    kind: Kind,
    progress: Option<Progress>,
}

/// Bodies below this are sent in no time, and nobody asks how far they are.
const SMALL: usize = 16 * 1024;

/// Whether hyper has taken all of a body.
#[derive(Clone, Default)]
pub(super) struct Progress(Arc<AtomicBool>);

impl Progress {
    pub(super) fn is_over(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl From<Body> for Outgoing {
    fn from(body: Body) -> Self {
        let small = matches!(&body.0, Kind::Bytes(bytes) if bytes.len() < SMALL);
        Outgoing {
            kind: body.0,
            progress: (!small).then(Progress::default),
        }
    }
}

impl Outgoing {
    /// To follow the sending of what takes a while.
    pub(super) fn progress(&self) -> Option<Progress> {
        self.progress.clone()
    }

    fn over(&self) {
        if let Some(Progress(over)) = &self.progress {
            over.store(true, Ordering::Relaxed);
        }
    }
}

impl http_body::Body for Outgoing {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match &mut self.kind {
            Kind::Bytes(bytes) if bytes.is_empty() => Poll::Ready(None),
            Kind::Bytes(bytes) => {
                let all = std::mem::take(bytes);
                self.over();
                Poll::Ready(Some(Ok(Frame::data(all))))
            }
            Kind::Stream(chunks, left) => {
                let next = std::task::ready!(chunks.as_mut().poll_next(cx));
                let next = match (next, left) {
                    (Some(Ok(bytes)), Some(left)) => match left.checked_sub(bytes.len() as u64) {
                        Some(rest) => {
                            *left = rest;
                            Some(Ok(bytes))
                        }
                        None => Some(Err(wrong("more"))),
                    },
                    (None, Some(1..)) => Some(Err(wrong("fewer"))),
                    (next, _) => next,
                };
                if next.is_none() || matches!(self.kind, Kind::Stream(_, Some(0))) {
                    self.over();
                }
                Poll::Ready(next.map(|next| next.map(Frame::data)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Bytes(bytes) => bytes.is_empty(),
            Kind::Stream(_, left) => *left == Some(0),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Bytes(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Kind::Stream(_, Some(left)) => SizeHint::with_exact(*left),
            Kind::Stream(_, None) => SizeHint::default(),
        }
    }
}

fn wrong(how: &str) -> io::Error {
    io::Error::other(format!(
        "the body has {how} bytes than its `sized_stream` said"
    ))
}
