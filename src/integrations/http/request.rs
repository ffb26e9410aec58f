//! [`Request`]: what is asked for.

use super::HttpClient;
use super::body::Body;
use super::error::{ErrorKind, HttpError};
use super::limits::Times;
use super::response::Response;
use super::send::{self, Job};
use crate::runtime::BoxFuture;
use http::Method;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use serde::Serialize;
use std::fmt;
use std::future::IntoFuture;
use std::time::Duration;
use url::Url;

/// Headers that follow from the body and the connection. Set by hand they would let what follows be read as another
/// request.
const OURS: [HeaderName; 5] = [
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
    header::CONNECTION,
    header::UPGRADE,
    header::TE,
];

/// A request before it is sent; made by [`HttpClient::get`] and its neighbours. [`send`](Request::send) it, or just
/// `.await` it.
///
/// A mistake in it (a header that cannot be one, a value that is no JSON) is reported when it is sent.
#[must_use = "a request does nothing until it is awaited"]
pub struct Request {
    client: HttpClient,
    method: Method,
    url: Result<Url, HttpError>,
    headers: HeaderMap,
    body: Body,
    times: Times,
    max_body: u64,
    wrong: Option<HttpError>,
}

impl Request {
    pub(super) fn new(client: &HttpClient, method: Method, url: Result<Url, HttpError>) -> Self {
        let settings = &client.inner.settings;
        let mut request = Request {
            client: client.clone(),
            method,
            url,
            headers: settings.headers.clone(),
            body: Body::default(),
            times: settings.times,
            max_body: settings.max_body,
            wrong: None,
        };
        if request.method == Method::CONNECT {
            request.fail(HttpError::bad(
                "CONNECT opens a tunnel, and there are none here: use a `Transport`",
            ));
        }
        request.take_password();
        request
    }

    /// A name and password in the address are sent as a header, not as an address.
    fn take_password(&mut self) {
        let Ok(url) = &mut self.url else { return };
        if url.username().is_empty() && url.password().is_none() {
            return;
        }
        let read = |text: &str| percent_decoded(text);
        let (name, password) = (read(url.username()), url.password().map(read));
        // Both can only fail for addresses without a host.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        let value = basic(&name, password.as_deref().unwrap_or_default());
        self.set(header::AUTHORIZATION, value);
    }

    fn fail(&mut self, error: HttpError) {
        self.wrong.get_or_insert(error);
    }

    fn set(&mut self, name: HeaderName, value: Result<HeaderValue, HttpError>) {
        match value {
            Ok(value) => {
                self.headers.insert(name, value);
            }
            Err(error) => self.fail(error),
        }
    }

    /// Sets a header, in place of one of that name.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        match header_of(name, value) {
            Ok((name, value)) => {
                self.headers.insert(name, value);
            }
            Err(error) => self.fail(error),
        }
        self
    }

    /// `Authorization: Bearer ..`. It is not sent on to another origin.
    pub fn bearer(mut self, token: &str) -> Self {
        let value = secret(format!("Bearer {token}"));
        self.set(header::AUTHORIZATION, value);
        self
    }

    /// `Authorization: Basic ..`. It is not sent on to another origin.
    pub fn basic_auth(mut self, name: &str, password: &str) -> Self {
        let value = basic(name, password);
        self.set(header::AUTHORIZATION, value);
        self
    }

    /// Adds to the query of the address, encoded as forms are.
    pub fn query<K: AsRef<str>, V: AsRef<str>>(
        mut self,
        pairs: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        if let Ok(url) = &mut self.url {
            url.query_pairs_mut().extend_pairs(pairs);
        }
        self
    }

    /// What it carries.
    pub fn body(mut self, body: impl Into<Body>) -> Self {
        self.body = body.into();
        self
    }

    /// A value as JSON, with its `Content-Type`.
    pub fn json<T: Serialize + ?Sized>(mut self, value: &T) -> Self {
        match serde_json::to_vec(value) {
            Ok(bytes) => {
                let json = HeaderValue::from_static("application/json");
                self.headers.entry(header::CONTENT_TYPE).or_insert(json);
                self.body(bytes)
            }
            Err(e) => {
                let message = format!("the value cannot be written as JSON: {e}");
                self.fail(HttpError::new(ErrorKind::Json, message).because(e));
                self
            }
        }
    }

    /// Pairs as a form, with its `Content-Type`.
    pub fn form<K: AsRef<str>, V: AsRef<str>>(
        mut self,
        pairs: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.extend_pairs(pairs);
        let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
        self.headers.entry(header::CONTENT_TYPE).or_insert(kind);
        self.body(form.finish())
    }

    /// How long this one may take, in place of the client's [`timeout`](super::Builder::timeout). [`Duration::MAX`] is
    /// for ever.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.times.total = Some(limit);
        self
    }

    /// How large the body of the answer may be, in place of the client's [`max_body`](super::Builder::max_body).
    pub fn max_body(mut self, bytes: u64) -> Self {
        self.max_body = bytes;
        self
    }

    /// Sends it, follows redirects, and gives the answer when its head has come.
    ///
    /// # Errors
    ///
    /// [`HttpError`]. A status is none: see [`error_for_status`](Response::error_for_status).
    ///
    /// # Cancel safety
    ///
    /// Dropped while it waits for a connection, it leaves the line, and what was being opened for it goes to the next.
    /// Dropped later, the connection is closed; the server may have acted on the request.
    pub async fn send(self) -> Result<Response, HttpError> {
        let Request {
            client,
            method,
            url,
            headers,
            body,
            times,
            max_body,
            wrong,
        } = self;
        let url = url?;
        if let Some(wrong) = wrong {
            return Err(wrong.at(&url));
        }
        let job = Job::new(method, url, headers, body, times, max_body);
        send::send(&client.inner, job).await
    }
}

impl IntoFuture for Request {
    type Output = Result<Response, HttpError>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("url", &self.url.as_ref().map(Url::as_str))
            .field("headers", &self.headers)
            .field("body", &self.body)
            .finish_non_exhaustive()
    }
}

pub(super) fn header_of(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), HttpError> {
    let known = HeaderName::from_bytes(name.as_bytes())
        .map_err(|e| HttpError::bad(format!("{name:?} is no name of a header")).because(e))?;
    if OURS.contains(&known) {
        return Err(HttpError::bad(format!(
            "the header `{name}` is set by the client, from the body and the connection: leave it out"
        )));
    }
    let value = HeaderValue::from_str(value).map_err(|e| {
        HttpError::bad(format!(
            "the value {value:?} of the header `{name}` cannot be sent: line breaks and other control characters would end it"
        ))
        .because(e)
    })?;
    Ok((known, value))
}

fn secret(text: String) -> Result<HeaderValue, HttpError> {
    let mut value = HeaderValue::from_str(&text).map_err(|e| {
        // Not the value: it is a secret.
        HttpError::bad("the credentials cannot be sent: they contain control characters").because(e)
    })?;
    value.set_sensitive(true);
    Ok(value)
}

fn basic(name: &str, password: &str) -> Result<HeaderValue, HttpError> {
    secret(format!(
        "Basic {}",
        base64(format!("{name}:{password}").as_bytes())
    ))
}

/// RFC 4648, section 4. Three lines are no dependency.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let group = |three: &[u8]| -> [char; 4] {
        let word = (0..3).fold(0, |word, i| {
            word << 8 | usize::from(three.get(i).copied().unwrap_or(0))
        });
        std::array::from_fn(|i| {
            if i > three.len() {
                '='
            } else {
                char::from(LETTERS[word >> (18 - 6 * i) & 63])
            }
        })
    };
    bytes.chunks(3).flat_map(group).collect()
}

fn percent_decoded(text: &str) -> String {
    // A form is the one decoder that `url` hands on; a plus is no space here.
    let text = text.replace('+', "%2B");
    url::form_urlencoded::parse(text.as_bytes())
        .map(|(key, _)| key.into_owned())
        .next()
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_standard() {
        let pairs = [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foobar", "Zm9vYmFy"),
        ];
        for (plain, coded) in pairs {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
    }

    #[test]
    fn headers_that_would_break_out_are_refused() {
        for (name, value) in [
            ("a b", "x"),
            ("a\r\nb", "x"),
            ("a", "x\r\nb: y"),
            ("a", "x\0"),
            ("", "x"),
        ] {
            assert!(header_of(name, value).is_err(), "{name:?}: {value:?}");
        }
        let error = header_of("Content-Length", "5").unwrap_err();
        assert!(error.to_string().contains("leave it out"), "{error}");
    }
}
