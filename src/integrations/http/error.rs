//! [`HttpError`].

use crate::policy::Layer;
use http::StatusCode;
use std::error::Error;
use std::fmt;
use std::time::Duration;
use url::Url;

/// Which limit in time was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Limit {
    /// [`connect_timeout`](super::Builder::connect_timeout).
    Connect,
    /// [`read_timeout`](super::Builder::read_timeout).
    Read,
    /// [`timeout`](super::Builder::timeout).
    Total,
    /// One of the policy.
    Policy(Layer),
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Limit::Connect => f.write_str("connect_timeout"),
            Limit::Read => f.write_str("read_timeout"),
            Limit::Total => f.write_str("timeout"),
            Limit::Policy(layer) => write!(f, "the policy's {layer}"),
        }
    }
}

/// What went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The request cannot be sent as it is: its address, a header, its method or its body.
    BadRequest,
    /// No connection: nobody there, no address, no certificate that is trusted.
    Connect,
    /// A limit in time was reached.
    TimedOut(Limit),
    /// The policy refused it; nothing was sent.
    Refused {
        /// Which layer.
        layer: Layer,
        /// When it is worth another try, where the layer knows.
        retry_after: Option<Duration>,
    },
    /// The connection broke, or the server does not speak HTTP, before the end of the answer.
    Protocol,
    /// The body is larger than [`max_body`](super::Builder::max_body).
    TooLarge,
    /// The body is not in the encoding that it claims.
    Decode,
    /// The body is not the JSON that was asked for, or a value cannot be written as JSON.
    Json,
    /// Too many redirects, a loop of them, or one that cannot be followed.
    Redirect,
    /// [`error_for_status`](super::Response::error_for_status): the server said no.
    Status(StatusCode),
    /// A scope around the request was cancelled while it waited under the policy: for a layer, or for its next attempt.
    Cancelled,
    /// The client was [closed](super::HttpClient::close).
    Closed,
}

/// A request that failed. The message says what, where, and what can be done about it.
pub struct HttpError {
    inner: Box<Inner>,
}

struct Inner {
    kind: ErrorKind,
    message: String,
    url: Option<Url>,
    unsent: bool,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl HttpError {
    pub(super) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        HttpError {
            inner: Box::new(Inner {
                kind,
                message: message.into(),
                url: None,
                unsent: false,
                source: None,
            }),
        }
    }

    pub(super) fn bad(message: impl Into<String>) -> Self {
        HttpError::new(ErrorKind::BadRequest, message)
    }

    pub(super) fn because(mut self, source: impl Error + Send + Sync + 'static) -> Self {
        self.inner.source = Some(Box::new(source));
        self
    }

    /// Names the request, unless it is named already.
    pub(super) fn at(mut self, url: &Url) -> Self {
        self.inner.url.get_or_insert_with(|| {
            // Errors are logged: no password in them.
            let mut url = url.clone();
            let _ = url.set_password(None);
            url
        });
        self
    }

    /// Says that nothing of the request was sent.
    pub(super) fn unsent(mut self) -> Self {
        self.inner.unsent = true;
        self
    }

    /// Whether it is certain that nothing of the request was sent, so that the server cannot have acted on it.
    pub fn is_unsent(&self) -> bool {
        self.inner.unsent || self.inner.kind == ErrorKind::BadRequest
    }

    /// What the protocol says, in words for who reads a log.
    pub(super) fn protocol(error: hyper::Error) -> Self {
        let what = if error.is_incomplete_message() {
            "the connection ended before the answer did".to_owned()
        } else {
            match error.source() {
                Some(source) => format!("{error}: {source}"),
                None => format!("the answer is no HTTP: {error}"),
            }
        };
        HttpError::new(ErrorKind::Protocol, what).because(error)
    }

    /// What went wrong.
    pub fn kind(&self) -> ErrorKind {
        self.inner.kind
    }

    /// The address that was asked last, after redirects; without its password.
    pub fn url(&self) -> Option<&str> {
        self.inner.url.as_ref().map(Url::as_str)
    }

    /// The status that [`error_for_status`](super::Response::error_for_status) complained about.
    pub fn status(&self) -> Option<StatusCode> {
        match self.inner.kind {
            ErrorKind::Status(status) => Some(status),
            _ => None,
        }
    }

    /// Whether a limit in time was reached.
    pub fn is_timeout(&self) -> bool {
        matches!(self.inner.kind, ErrorKind::TimedOut(_))
    }
}

impl fmt::Display for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(url) = &self.inner.url {
            write!(f, "{url}: ")?;
        }
        f.write_str(&self.inner.message)
    }
}

impl fmt::Debug for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpError")
            .field("kind", &self.inner.kind)
            .field("message", &self.inner.message)
            .field("url", &self.url())
            .field("source", &self.inner.source)
            .finish()
    }
}

impl Error for HttpError {
    /// The cause, or, where the message tells it already, what lies below that.
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        let mut source: Option<&(dyn Error + 'static)> =
            self.inner.source.as_ref().map(|source| &**source as _);
        while let Some(told) = source.filter(|s| self.inner.message.contains(&s.to_string())) {
            source = told.source();
        }
        source
    }
}
