//! A request on its way: under the policy, along redirects, over a connection.

use super::Inner;
use super::address::{self, Origin};
use super::body::{Body, Outgoing};
use super::connection::{Answer, Lease, Sent};
use super::error::{ErrorKind, HttpError, Limit};
use super::limits::{Limits, Times};
use super::redirect::{self, Next, Trail};
use super::response::Response;
use crate::cancel;
use crate::internal::lock::Lock;
use crate::policy::{Advice, Cause, Failure, Policy};
use crate::pool::{ConnectError, GetError};
use crate::runtime::Runtime;
use http::header::{self, HeaderMap};
use http::{Method, StatusCode};
use std::future::{Future, pending, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;
use url::Url;

/// As much of a body that nobody wants is read, to use its connection again.
const DRAIN: u64 = 16 * 1024;
/// How often a request is sent again over a connection that others share. Of those that are not shared, each fails
/// once.
const RESENDS: usize = 2;
/// As much of the body of a failure is kept, while the request is tried again.
const KEEP: u64 = 64 * 1024;

/// What is to be done, as often as it takes.
pub(super) struct Job {
    method: Method,
    url: Url,
    headers: HeaderMap,
    /// A stream is taken out at the first use.
    body: Lock<Option<Body>>,
    once: bool,
    times: Times,
    max_body: u64,
}

impl Job {
    pub(super) fn new(
        method: Method,
        url: Url,
        headers: HeaderMap,
        body: Body,
        times: Times,
        max_body: u64,
    ) -> Self {
        Job {
            method,
            url,
            headers,
            once: body.again().is_none(),
            body: Lock::new(Some(body)),
            times,
            max_body,
        }
    }

    fn take_body(&self) -> Result<Body, HttpError> {
        let mut body = self.body.lock();
        let again = body.as_ref().and_then(Body::again);
        again
            .or_else(|| body.take())
            .ok_or_else(|| HttpError::bad("the body is a stream, and was sent already"))
    }

    /// The first request of an attempt.
    fn hop(&self, client: &Inner) -> Result<Hop, HttpError> {
        Ok(Hop {
            method: self.method.clone(),
            origin: client.origin(&self.url)?,
            url: self.url.clone(),
            headers: self.headers.clone(),
            body: Some(self.take_body()?),
        })
    }

    /// The same, of the only attempt.
    fn into_hop(self, client: &Inner) -> Result<Hop, HttpError> {
        let body = Some(self.take_body()?);
        Ok(Hop {
            method: self.method,
            origin: client.origin(&self.url)?,
            url: self.url,
            headers: self.headers,
            body,
        })
    }
}

/// How an attempt under a policy failed: without an answer, or with one that says so.
enum Failed {
    Error(HttpError),
    Answer(Box<Response>),
}

/// Sends under the policy, if there is one.
pub(super) async fn send(client: &Inner, job: Job) -> Result<Response, HttpError> {
    let limits = Limits::start(Runtime::current(), job.times);
    match &client.settings.policy {
        None => {
            let most = job.max_body;
            attempt(client, job.into_hop(client)?, most, limits).await
        }
        Some(policy) => {
            // In a box: with room for all layers, which most requests do not need, each would be several times as
            // large.
            let ended = Box::pin(under(policy, client, &job, limits)).await;
            ended.map_err(|e| e.at(&job.url))
        }
    }
}

async fn under(
    policy: &Policy,
    client: &Inner,
    job: &Job,
    mut limits: Limits,
) -> Result<Response, HttpError> {
    let each = limits.again();
    let call = || async {
        let hop = job.hop(client).map_err(Failed::Error)?;
        let ended = attempt(client, hop, job.max_body, each.again()).await;
        let mut response = ended.map_err(Failed::Error)?;
        if says_try_again(response.status()) {
            // The next attempt may need its connection.
            response.keep(KEEP).await;
            return Err(Failed::Answer(Box::new(response)));
        }
        Ok(response)
    };
    let may_repeat = is_idempotent(&job.method);
    let worth = |failed: &Failed| match failed {
        Failed::Error(error) => {
            let may = !job.once && (may_repeat || error.is_unsent());
            Advice::from(may && is_passing(error.kind()))
        }
        Failed::Answer(response) => match come_back(response) {
            _ if job.once || !may_repeat => Advice::GiveUp,
            None => Advice::Retry,
            // The answer that is there is worth more than an error about the time.
            Some(wait) if each.leaves_less_than(wait) => Advice::GiveUp,
            Some(wait) => Advice::RetryAfter(wait),
        },
    };
    let run = pin!(async {
        match policy.run_when(call, worth).await {
            Ok(response) => Ok(response),
            Err(failure) => answer_of(failure),
        }
    });
    limits.keep(run).await
}

fn answer_of(failure: Failure<Failed>) -> Result<Response, HttpError> {
    let text = match &failure.cause {
        Cause::Refused { layer, .. } => format!("refused by the policy's {layer}"),
        Cause::TimedOut { layer, elapsed } => format!("the policy's {layer}: {elapsed}"),
        _ => String::new(),
    };
    match failure.cause {
        Cause::Failed(Failed::Error(error)) => Err(error),
        Cause::Failed(Failed::Answer(response)) => Ok(*response),
        Cause::Refused { layer, retry_after } => Err(HttpError::new(
            ErrorKind::Refused { layer, retry_after },
            text,
        )),
        Cause::Cancelled => Err(HttpError::new(
            ErrorKind::Cancelled,
            "the request was cancelled while it waited under the policy",
        )),
        Cause::TimedOut { layer, .. } => {
            let kind = ErrorKind::TimedOut(Limit::Policy(layer));
            Err(HttpError::new(kind, text))
        }
    }
}

/// Statuses that another attempt may not have.
fn says_try_again(status: StatusCode) -> bool {
    matches!(status.as_u16(), 429 | 500 | 502 | 503 | 504)
}

/// When the server wants to be asked again. Of the statuses that are worth it, these say so (RFC 6585, 4; RFC 9110,
/// 15.6.4).
fn come_back(response: &Response) -> Option<Duration> {
    let says_when = matches!(response.status().as_u16(), 429 | 503);
    response.retry_after().filter(|_| says_when)
}

fn is_passing(kind: ErrorKind) -> bool {
    match kind {
        ErrorKind::Connect | ErrorKind::Protocol => true,
        ErrorKind::TimedOut(limit) => limit != Limit::Total,
        _ => false,
    }
}

/// RFC 9110, 9.2.2: twice is as good as once.
fn is_idempotent(method: &Method) -> bool {
    matches!(
        *method,
        Method::GET | Method::HEAD | Method::PUT | Method::DELETE | Method::OPTIONS | Method::TRACE
    )
}

/// One request of a chain of redirects.
struct Hop {
    method: Method,
    url: Url,
    origin: Origin,
    headers: HeaderMap,
    /// `None`: a stream, which is on its way.
    body: Option<Body>,
}

/// Sends, and follows redirects to an answer.
async fn attempt(
    client: &Inner,
    mut hop: Hop,
    max_body: u64,
    mut limits: Limits,
) -> Result<Response, HttpError> {
    let mut trail = Trail::new(client.settings.redirects);
    loop {
        let exchanged = exchange(client, &mut hop, &mut limits).await;
        let (answer, lease) = exchanged.map_err(|e| e.at(&hop.url))?;
        let next = trail
            .next(answer.status(), answer.headers(), &hop.method, &hop.url)
            .map_err(|e| e.at(&hop.url))?;
        let Some(next) = next else {
            let decodes = client.settings.decompress;
            let mut response = Response::new(hop.url, answer, lease, limits, max_body, decodes);
            response.settle().await;
            return Ok(response);
        };
        let then = limits.again();
        let unwanted = Response::new(hop.url.clone(), answer, lease, limits, u64::MAX, false);
        unwanted.drain(DRAIN).await?;
        nothing_new().await;
        limits = then;
        hop = follow(hop, next)?;
    }
}

/// Goes no further once the caller is cancelled: the scope that was cancelled drops this future.
async fn nothing_new() {
    if cancel::check().is_err() {
        pending::<()>().await;
    }
}

fn follow(from: Hop, next: Next) -> Result<Hop, HttpError> {
    let body = match (next.with_body, from.body) {
        (false, _) => Some(Body::default()),
        (true, Some(body)) => Some(body),
        (true, None) => {
            let why = format!(
                "redirected to {}, and the body is a stream, which can be sent once only: send bytes",
                next.url
            );
            return Err(HttpError::new(ErrorKind::Redirect, why).at(&from.url));
        }
    };
    let origin = if from.origin.covers(&next.url) {
        from.origin.clone()
    } else {
        Origin::of(&next.url)?
    };
    let mut headers = from.headers;
    redirect::strip(&mut headers, &from.origin, &origin, next.with_body);
    Ok(Hop {
        method: next.method,
        url: next.url,
        origin,
        headers,
        body,
    })
}

impl Hop {
    /// The request for hyper, if it can be made (again).
    fn request(&mut self) -> Result<http::Request<Outgoing>, HttpError> {
        let body = match self.body.as_ref().map(Body::again) {
            Some(Some(body)) => body,
            Some(None) => self.body.take().unwrap_or_default(),
            None => return Err(HttpError::bad("the body is a stream, and was sent already")),
        };
        let bodiless = body.is_empty();
        let mut request = http::Request::new(Outgoing::from(body));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = address::target(&self.url)?;
        let headers = request.headers_mut();
        *headers = self.headers.clone();
        headers
            .entry(header::HOST)
            .or_insert_with(|| self.origin.header());
        // Without it, some servers wait for a body that never comes.
        if bodiless && matches!(self.method, Method::POST | Method::PUT | Method::PATCH) {
            headers.insert(header::CONTENT_LENGTH, http::HeaderValue::from_static("0"));
        }
        Ok(request)
    }
}

/// Sends over a connection, and waits for the head of the answer. A connection that turns out to have been closed by
/// the server is replaced by another, when nothing of the request was sent, or it may be sent twice.
async fn exchange(
    client: &Inner,
    hop: &mut Hop,
    limits: &mut Limits,
) -> Result<(Answer, Lease), HttpError> {
    let mut request = hop.request()?;
    let mut resends = 0;
    loop {
        limits.server_rests();
        let pool = client.pool.pool(&hop.origin);
        let mut lease = {
            let get = pin!(async { pool.get().await.map_err(no_connection) });
            limits.keep(get).await?.begin()
        };
        let used = std::mem::replace(&mut lease.used, true);
        let sent = over(&mut lease, request, limits).await?;
        let mut failed = match sent {
            Ok(answer) if answer.status() == StatusCode::SWITCHING_PROTOCOLS => {
                let message = "the server switches to another protocol, which nobody asked for";
                return Err(HttpError::new(ErrorKind::Protocol, message));
            }
            Ok(answer) => return Ok((answer, lease)),
            Err(failed) => failed,
        };
        // A connection that others share may go on without this request, and refuse it again and again.
        resends += usize::from(lease.is_shared());
        // Nothing new is begun for a caller that is cancelled.
        let may_resend = used && resends <= RESENDS && cancel::check().is_ok();
        drop(lease);
        let unsent = failed.take_message();
        let was_unsent = unsent.is_some();
        let again = unsent.or_else(|| {
            let may = is_idempotent(&hop.method) && hop.body.is_some();
            may.then(|| hop.request().ok())?
        });
        match again.filter(|_| may_resend) {
            Some(again) => request = again,
            None => {
                let error = HttpError::protocol(failed.into_error());
                return Err(if was_unsent { error.unsent() } else { error });
            }
        }
    }
}

async fn over(
    lease: &mut Lease,
    request: http::Request<Outgoing>,
    limits: &mut Limits,
) -> Result<Sent, HttpError> {
    let upload = request.body().progress();
    let mut answer = pin!(lease.send(request));
    let mut acts = upload.is_none();
    if acts {
        limits.server_acts();
    }
    poll_fn(|cx| {
        lease.drive(cx);
        match answer.as_mut().poll(cx) {
            Poll::Ready(sent) => Poll::Ready(Ok(sent)),
            Poll::Pending => {
                // While we send, the server may well be silent.
                if !acts && upload.as_ref().is_some_and(|sent| sent.is_over()) {
                    acts = true;
                    limits.server_acts();
                }
                limits.poll(cx).map(Err)
            }
        }
    })
    .await
}

fn no_connection(error: GetError<HttpError>) -> HttpError {
    let unsent = match error {
        GetError::Connect(ConnectError::Failed(error)) => error,
        GetError::Connect(ConnectError::TimedOut(limit)) => HttpError::new(
            ErrorKind::TimedOut(Limit::Connect),
            format!("no connection within {limit:?} (connect_timeout)"),
        ),
        GetError::Closed => HttpError::new(ErrorKind::Closed, "the client was closed"),
        other => HttpError::new(ErrorKind::Connect, other.to_string()),
    };
    unsent.unsent()
}
