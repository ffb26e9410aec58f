//! [`Response`]: the head of an answer, and its body as it comes.

use super::connection::Lease;
use super::decode::Decoder;
use super::error::{ErrorKind, HttpError};
use super::limits::Limits;
use bytes::Bytes;
use futures_core::Stream;
use http::header::{self, HeaderMap};
use http::{StatusCode, Version};
use http_body::Body as _;
use hyper::body::Incoming;
use serde::de::DeserializeOwned;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use url::Url;

/// An answer whose head has come. The body is read from the connection when it is asked for.
///
/// Dropped before the end of its body, the connection is closed: what is still on its way would be the answer to the
/// next request. Read to its end, the connection goes back to the pool, at once, whether the response still lives or
/// not. (Over HTTP/2 what is still on its way is sent back, and the connection stays.)
pub struct Response {
    status: StatusCode,
    version: Version,
    headers: HeaderMap,
    url: Url,
    body: Reader,
}

/// The body on its way in.
struct Reader {
    source: Source,
    decoder: Option<Decoder>,
    /// Most bytes, and how many were handed out.
    most: u64,
    given: u64,
}

enum Source {
    Coming {
        incoming: Incoming,
        lease: Lease,
        limits: Limits,
    },
    /// Read ahead, because the connection was needed.
    Kept(Bytes),
    Ended,
    /// It failed, and was said to.
    Broken,
}

impl Response {
    pub(super) fn new(
        url: Url,
        answer: http::Response<Incoming>,
        lease: Lease,
        limits: Limits,
        most: u64,
        decodes: bool,
    ) -> Self {
        let (mut head, incoming) = answer.into_parts();
        let mut decoder = None;
        if decodes && let Some(encoding) = head.headers.get(header::CONTENT_ENCODING) {
            decoder = Decoder::for_encoding(encoding);
            if decoder.is_some() {
                // They speak of what came, not of what is handed out.
                head.headers.remove(header::CONTENT_ENCODING);
                head.headers.remove(header::CONTENT_LENGTH);
            }
        }
        Response {
            status: head.status,
            version: head.version,
            headers: head.headers,
            url,
            body: Reader {
                source: Source::Coming {
                    incoming,
                    lease,
                    limits,
                },
                decoder,
                most,
                given: 0,
            },
        }
    }

    /// The status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The version of HTTP that the server spoke.
    pub fn version(&self) -> Version {
        self.version
    }

    /// The headers. Where the body is decompressed on the way, its `Content-Encoding` and `Content-Length` are not
    /// among them.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// Where the answer came from, after redirects.
    pub fn url(&self) -> &str {
        self.url.as_str()
    }

    /// How long the body is, where the server said so and it is not decompressed on the way.
    pub fn content_length(&self) -> Option<u64> {
        self.headers
            .get(header::CONTENT_LENGTH)?
            .to_str()
            .ok()?
            .parse()
            .ok()
    }

    /// How long the server wants to be left alone: its `Retry-After`, in seconds or as a date. A date counts from the
    /// `Date` of the same answer, so the two clocks need not agree; where that one is missing, or the date cannot be
    /// read, there is no answer. A date that has passed is zero.
    ///
    /// A client with a [policy](super::Builder::policy) heeds it by itself, with the statuses 429 and 503.
    pub fn retry_after(&self) -> Option<Duration> {
        let text = |name| self.headers.get(name)?.to_str().ok().map(str::trim);
        let after = text(header::RETRY_AFTER)?;
        if !after.is_empty() && after.bytes().all(|b| b.is_ascii_digit()) {
            // More than fits is the most there is (RFC 9111, 1.2.2), not "come at once".
            let seconds = after.parse().unwrap_or(u64::MAX);
            return Some(Duration::from_secs(seconds));
        }
        let then = httpdate::parse_http_date(after).ok()?;
        let now = httpdate::parse_http_date(text(header::DATE)?).ok()?;
        Some(then.duration_since(now).unwrap_or_default())
    }

    /// The response itself, if the status is not one of an error.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Status`], for 400 to 599. The body is not read, and the connection closed unless there is none.
    pub fn error_for_status(self) -> Result<Response, HttpError> {
        if !self.status.is_client_error() && !self.status.is_server_error() {
            return Ok(self);
        }
        let kind = ErrorKind::Status(self.status);
        Err(HttpError::new(kind, format!("the server answered {}", self.status)).at(&self.url))
    }

    /// The next part of the body, decompressed; `None` at its end.
    ///
    /// # Errors
    ///
    /// [`HttpError`]: the connection broke, the body ended too early or is too large, a limit in time was reached.
    /// After an error there is nothing more.
    ///
    /// # Cancel safety
    ///
    /// Dropping it loses nothing: the next call goes on.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, HttpError> {
        poll_fn(|cx| self.poll_chunk(cx)).await
    }

    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, HttpError>> {
        let next = ready!(self.body.poll_next(cx));
        Poll::Ready(next.map_err(|e| e.at(&self.url)))
    }

    /// The body as a stream of parts. It ends after an error.
    pub fn into_stream(self) -> Chunks {
        Chunks { response: self }
    }

    /// The whole body.
    ///
    /// # Errors
    ///
    /// As [`chunk`](Response::chunk).
    ///
    /// # Cancel safety
    ///
    /// Dropped half way, the connection is closed.
    pub async fn bytes(mut self) -> Result<Bytes, HttpError> {
        let Some(first) = self.chunk().await? else {
            return Ok(Bytes::new());
        };
        let Some(second) = self.chunk().await? else {
            return Ok(first);
        };
        let mut all = Vec::with_capacity(2 * (first.len() + second.len()));
        all.extend_from_slice(&first);
        all.extend_from_slice(&second);
        while let Some(part) = self.chunk().await? {
            all.extend_from_slice(&part);
        }
        Ok(all.into())
    }

    /// The whole body as text in UTF-8.
    ///
    /// # Errors
    ///
    /// As [`chunk`](Response::chunk); [`ErrorKind::Decode`] when it is none. For other encodings take
    /// [`bytes`](Response::bytes).
    ///
    /// # Cancel safety
    ///
    /// As [`bytes`](Response::bytes).
    pub async fn text(self) -> Result<String, HttpError> {
        let url = self.url.clone();
        String::from_utf8(self.bytes().await?.into()).map_err(|e| {
            HttpError::new(ErrorKind::Decode, format!("the body is not UTF-8: {e}"))
                .because(e)
                .at(&url)
        })
    }

    /// The whole body, read as JSON.
    ///
    /// # Errors
    ///
    /// As [`chunk`](Response::chunk); [`ErrorKind::Json`].
    ///
    /// # Cancel safety
    ///
    /// As [`bytes`](Response::bytes).
    pub async fn json<T: DeserializeOwned>(self) -> Result<T, HttpError> {
        let url = self.url.clone();
        serde_json::from_slice(&self.bytes().await?).map_err(|e| {
            let message = format!("the body is not the JSON that was asked for: {e}");
            HttpError::new(ErrorKind::Json, message).because(e).at(&url)
        })
    }

    /// Whether the connection can be given back without waiting, because there is no body; then it is.
    pub(super) async fn settle(&mut self) {
        poll_fn(|cx| {
            self.body.end_if_over(cx);
            Poll::Ready(())
        })
        .await;
    }

    /// Reads what is left, if that is at most so much, so that the connection can be used again. Otherwise it is
    /// closed.
    pub(super) async fn drain(mut self, most: u64) -> Result<(), HttpError> {
        self.body.decoder = None;
        self.body.most = self.body.most.min(self.body.given + most);
        match self.content_length() {
            Some(length) if length > most => Ok(()),
            _ => {
                while let Ok(Some(_)) = self.chunk().await {}
                Ok(())
            }
        }
    }

    /// Reads the body, up to a limit, and gives the connection back or closes it.
    pub(super) async fn keep(&mut self, most: u64) {
        let usual = std::mem::replace(&mut self.body.most, most);
        let mut all = Vec::new();
        let ended = loop {
            match self.chunk().await {
                Ok(Some(part)) => all.extend_from_slice(&part),
                Ok(None) => break true,
                Err(_) => break false,
            }
        };
        self.body = Reader {
            source: if ended {
                Source::Kept(all.into())
            } else {
                Source::Broken
            },
            decoder: None,
            most: usual,
            given: 0,
        };
    }
}

impl Reader {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, HttpError>> {
        let next = ready!(self.poll_decoded(cx));
        Poll::Ready(match next {
            Ok(Some(part)) => {
                self.given += part.len() as u64;
                if self.given > self.most {
                    self.source = Source::Broken;
                    Err(too_large(self.most))
                } else {
                    Ok(Some(part))
                }
            }
            Ok(None) => Ok(None),
            Err(error) => {
                self.source = Source::Broken;
                Err(error)
            }
        })
    }

    fn poll_decoded(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, HttpError>> {
        loop {
            if let Some(decoder) = &mut self.decoder
                && let Some(part) = decoder.next()?
            {
                return Poll::Ready(Ok(Some(part)));
            }
            let part = ready!(self.poll_coming(cx))?;
            let Some(decoder) = &mut self.decoder else {
                return Poll::Ready(Ok(part));
            };
            match part {
                Some(part) => decoder.feed(part),
                None => {
                    let last = decoder.finish()?;
                    self.decoder = None;
                    let last = (!last.is_empty()).then_some(last);
                    return Poll::Ready(Ok(last));
                }
            }
        }
    }

    /// As it comes.
    fn poll_coming(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, HttpError>> {
        loop {
            let (incoming, lease, limits) = match &mut self.source {
                Source::Coming {
                    incoming,
                    lease,
                    limits,
                } => (incoming, lease, limits),
                Source::Kept(bytes) => {
                    let bytes = std::mem::take(bytes);
                    self.source = Source::Ended;
                    return Poll::Ready(Ok((!bytes.is_empty()).then_some(bytes)));
                }
                Source::Ended => return Poll::Ready(Ok(None)),
                Source::Broken => {
                    let message = "the body was not read to its end";
                    return Poll::Ready(Err(HttpError::new(ErrorKind::Protocol, message)));
                }
            };
            if self.decoder.is_none() && incoming.size_hint().lower() > self.most - self.given {
                return Poll::Ready(Err(too_large(self.most)));
            }
            lease.drive(cx);
            match Pin::new(incoming).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => {
                    limits.server_acts();
                    // Trailers say nothing that is needed.
                    if let Ok(data) = frame.into_data()
                        && !data.is_empty()
                    {
                        self.end_if_over(cx);
                        return Poll::Ready(Ok(Some(data)));
                    }
                }
                Poll::Ready(Some(Err(error))) => {
                    return Poll::Ready(Err(HttpError::protocol(error)));
                }
                Poll::Ready(None) => {
                    self.give_back(cx);
                    return Poll::Ready(Ok(None));
                }
                Poll::Pending => return limits.poll(cx).map(Err),
            }
        }
    }

    fn end_if_over(&mut self, cx: &mut Context<'_>) {
        if let Source::Coming { incoming, .. } = &self.source
            && incoming.is_end_stream()
        {
            self.give_back(cx);
        }
    }

    /// The end of the answer was seen. The connection goes back if nothing else is on it.
    fn give_back(&mut self, cx: &mut Context<'_>) {
        let source = std::mem::replace(&mut self.source, Source::Ended);
        if let Source::Coming {
            incoming,
            mut lease,
            ..
        } = source
        {
            drop(incoming);
            if lease.is_clean(cx) {
                drop(lease.done());
            } else {
                lease.discard();
            }
        }
    }
}

fn too_large(most: u64) -> HttpError {
    HttpError::new(
        ErrorKind::TooLarge,
        format!("the body has more than {most} bytes; `max_body` sets how many are read"),
    )
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("url", &self.url.as_str())
            .field("status", &self.status)
            .field("headers", &self.headers)
            .finish_non_exhaustive()
    }
}

/// A body as a stream; made by [`Response::into_stream`].
#[derive(Debug)]
#[must_use = "streams do nothing unless polled"]
pub struct Chunks {
    response: Response,
}

impl Stream for Chunks {
    type Item = Result<Bytes, HttpError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Source::Broken = self.response.body.source {
            return Poll::Ready(None);
        }
        self.response.poll_chunk(cx).map(Result::transpose)
    }
}
