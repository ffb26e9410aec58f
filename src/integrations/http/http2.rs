//! Many requests over one connection: HTTP/2 (RFC 9113). Feature `http2`.
//!
//! What lies in the pool is a *turn*: leave to have one request at a time on a connection that all turns of a host
//! share. So the limits hold as they are, and a server sees fewer connections than turns. The connection lives as long
//! as one of its turns, and the last one to be closed waits for its end.
//!
//! No request can drive a connection that others need, so it has a task.

use super::address::Origin;
use super::body::Outgoing;
use super::connection::{Connection, Host, Maker, Sent, Talk};
use super::error::HttpError;
use super::io::{Duplex, Io};
use crate::internal::lock::Lock;
use crate::runtime::{Runtime, RuntimeId, Site};
use crate::sync::{Event, Mutex};
use http::header;
use http::uri::{Authority, Scheme, Uri};
use hyper::client::conn::http2::{self, SendRequest};
use std::future::Future;
use std::panic::Location;
use std::sync::{Arc, Weak};

/// Which servers are spoken to by HTTP/2.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Mode {
    #[default]
    None,
    /// Those that choose it in the TLS handshake.
    Offered,
    /// All.
    Known,
}

/// The hubs of one host: each runtime has its own, for a connection lives on the one that has its task.
#[derive(Default)]
pub(super) struct Hubs(Lock<Vec<(RuntimeId, Arc<Hub>)>>);

impl Hubs {
    /// The hub of the current runtime. Hubs that are no longer used are forgotten.
    pub(super) fn here(&self) -> Arc<Hub> {
        let here = Runtime::id_here();
        let mut hubs = self.0.lock();
        if let Some((_, hub)) = hubs.iter().find(|(id, _)| *id == here) {
            return hub.clone();
        }
        let unused = |(_, hub): &mut (_, Arc<Hub>)| Arc::strong_count(hub) == 1 && hub.is_over();
        let unused: Vec<_> = hubs.extract_if(.., unused).collect();
        let hub = Arc::<Hub>::default();
        hubs.push((here, hub.clone()));
        drop(hubs);
        drop(unused);
        hub
    }
}

/// What the turns of one host on one runtime have in common.
#[derive(Default)]
pub(super) struct Hub {
    /// Held while a connection is opened that others may share: a connect that begins meanwhile waits for it, instead
    /// of opening one, too.
    opening: Mutex<()>,
    state: Lock<State>,
}

#[derive(Default)]
struct State {
    shared: Weak<Shared>,
    /// The server has chosen HTTP/1.1, so connections need not wait for each other.
    chose_the_other: bool,
}

struct Shared {
    sender: SendRequest<Outgoing>,
    origin: Origin,
    ended: Event,
}

/// Leave to have one request at a time on a connection.
pub(super) struct Turn {
    shared: Arc<Shared>,
}

impl Hub {
    fn is_over(&self) -> bool {
        self.state.lock().shared.strong_count() == 0
    }

    fn turn(&self) -> Option<Turn> {
        let shared = self.state.lock().shared.upgrade()?;
        (!shared.sender.is_closed()).then_some(Turn { shared })
    }

    /// A turn on the connection that there is, or a connection.
    pub(super) async fn connect(&self, host: &Host) -> Result<Connection, HttpError> {
        let shared = |turn| Connection {
            talk: Talk::Shared(turn),
            // By others; the server may have closed it.
            used: true,
        };
        if let Some(turn) = self.turn() {
            return Ok(shared(turn));
        }
        let opening = if self.state.lock().chose_the_other {
            None
        } else {
            Some(self.opening.lock().await)
        };
        if let Some(turn) = self.turn() {
            return Ok(shared(turn));
        }
        let (stream, chosen) = host.open().await?;
        if !chosen && host.maker.http2 == Mode::Offered {
            self.state.lock().chose_the_other = true;
            drop(opening);
            return host.alone(stream).await;
        }
        let turn = open(&host.maker, &host.origin, stream).await?;
        self.state.lock().shared = Arc::downgrade(&turn.shared);
        Ok(Connection {
            talk: Talk::Shared(turn),
            used: false,
        })
    }
}

/// Sets its event when the connection has ended, and when its task is dropped.
struct Ends(Event);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.set();
    }
}

async fn open(maker: &Maker, origin: &Origin, stream: Box<dyn Duplex>) -> Result<Turn, HttpError> {
    let runtime = maker.runtime.clone();
    let spawner = Spawner(runtime.unwrap_or_else(Runtime::current));
    let most = u32::try_from(maker.max_header_bytes).unwrap_or(u32::MAX);
    let handshake = http2::Builder::new(spawner.clone())
        .max_header_list_size(most)
        // Until the server has said how many it takes: what it has to refuse before that would be an error.
        .initial_max_send_streams(1)
        .handshake(Io::new(stream));
    let (sender, connection) = handshake.await.map_err(HttpError::protocol)?;
    let ended = Event::new();
    let ends = Ends(ended.clone());
    hyper::rt::Executor::execute(&spawner, async move {
        // Its errors are those of the requests on it.
        drop(connection.await);
        drop(ends);
    });
    let shared = Arc::new(Shared {
        sender,
        origin: origin.clone(),
        ended,
    });
    Ok(Turn { shared })
}

impl Turn {
    pub(super) fn is_closed(&self) -> bool {
        self.shared.sender.is_closed()
    }

    pub(super) fn send(
        &mut self,
        mut request: http::Request<Outgoing>,
    ) -> impl Future<Output = Sent> + use<> {
        name_in_full(&mut request, &self.shared.origin);
        self.shared.sender.clone().try_send_request(request)
    }

    /// Gives the turn up. The last one waits until its connection is closed.
    pub(super) async fn close(self) {
        let ended = self.shared.ended.clone();
        if Arc::into_inner(self.shared).is_some() {
            ended.wait().await;
        }
    }
}

/// Where HTTP/1.1 has a `Host`, HTTP/2 has the whole address (RFC 9113, 8.3.1).
fn name_in_full(request: &mut http::Request<Outgoing>, origin: &Origin) {
    let named = request.headers_mut().remove(header::HOST);
    let named = named.unwrap_or_else(|| origin.header());
    let authority = Authority::try_from(named.as_bytes());
    let mut parts = std::mem::take(request.uri_mut()).into_parts();
    parts.scheme = Some(if origin.is_https() {
        Scheme::HTTPS
    } else {
        Scheme::HTTP
    });
    // What is no authority is not sent: hyper refuses the request.
    parts.authority = authority.ok();
    *request.uri_mut() = Uri::from_parts(parts).unwrap_or_default();
}

/// The other way round, for a request that comes back unsent and goes over another connection.
pub(super) fn name_in_short(request: &mut http::Request<Outgoing>) {
    // Nearly all.
    let Some(authority) = request.uri().authority() else {
        return;
    };
    let host = http::HeaderValue::from_str(authority.as_str());
    let path = request.uri().path_and_query().cloned();
    if let (Ok(host), Some(path)) = (host, path) {
        request.headers_mut().insert(header::HOST, host);
        *request.uri_mut() = Uri::from(path);
    }
}

/// Gives hyper's tasks to the client's runtime.
#[derive(Clone)]
struct Spawner(Runtime);

impl<F: Future<Output = ()> + Send + 'static> hyper::rt::Executor<F> for Spawner {
    fn execute(&self, task: F) {
        let site = Site {
            name: Some("http: an HTTP/2 connection".into()),
            at: Location::caller(),
        };
        // On a runtime that has stopped the task is dropped, and its requests say so.
        self.0.spawn_at(site, task).unwrap_or_default();
    }
}
