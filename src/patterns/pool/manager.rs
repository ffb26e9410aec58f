//! [`Manager`]: what a pool has to be told about its objects.

use crate::runtime::Instant;
use std::fmt;
use std::future::{Future, ready};
use std::time::Duration;

/// How the objects of a pool are made, looked after and closed.
///
/// Each call may take its time, fail, hang or panic: the pool has a limit for each, and loses nothing. Write `async fn`
/// for those that you implement.
///
/// # Examples
///
/// ```
/// use regatta::pool::{Manager, Metrics};
///
/// # #[derive(Debug)] struct Connection;
/// # impl Connection {
/// #     async fn open(_: &str) -> std::io::Result<Self> { Ok(Connection) }
/// #     async fn ping(&mut self) -> std::io::Result<()> { Ok(()) }
/// #     async fn quit(self) {}
/// # }
/// struct Database { address: String }
///
/// impl Manager for Database {
///     type Object = Connection;
///     type Error = std::io::Error;
///
///     async fn connect(&self) -> Result<Connection, std::io::Error> {
///         Connection::open(&self.address).await
///     }
///     async fn check(&self, connection: &mut Connection, _: &Metrics) -> Result<(), std::io::Error> {
///         connection.ping().await
///     }
///     async fn close(&self, connection: Connection) {
///         connection.quit().await;
///     }
/// }
/// ```
pub trait Manager: Send + Sync + 'static {
    /// What is pooled.
    type Object: Send + 'static;
    /// Why there is none.
    type Error: fmt::Debug + fmt::Display + Send + 'static;

    /// Makes an object. Runs as a task of its own, apart from the caller that waits for it: a caller that is dropped
    /// does not stop it.
    ///
    /// # Errors
    ///
    /// Goes to the first who waits for an object, or to the observer when nobody does.
    fn connect(&self) -> impl Future<Output = Result<Self::Object, Self::Error>> + Send;

    /// Whether an object that lay in the pool can be handed out; also the place to reset it. An object that was just
    /// made is not checked.
    ///
    /// Runs inside [`Pool::get`](super::Pool::get), so it should be quick. Dropped half way it counts as an operation
    /// that was: the object is closed. Default: it can.
    ///
    /// # Errors
    ///
    /// The object is closed, and `get` goes on with another.
    fn check(
        &self,
        object: &mut Self::Object,
        metrics: &Metrics,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send {
        let _ = (object, metrics);
        ready(Ok(()))
    }

    /// Whether an object is clean although the last operation on it failed, panicked or was dropped half way. Called
    /// when it comes back to the pool; `false` closes it.
    ///
    /// Only a protocol can prove that: nothing that was sent is unanswered, nothing that was answered is unread.
    /// Default: `false`. Objects without a protocol, such as buffers, may say `true`.
    fn is_clean(&self, object: &mut Self::Object) -> bool {
        let _ = object;
        false
    }

    /// Closes an object; until this has ended it counts. Runs as a task of its own. Default: drops it.
    fn close(&self, object: Self::Object) -> impl Future<Output = ()> + Send {
        drop(object);
        ready(())
    }
}

/// What a pool knows about an object; given to [`Manager::check`] and the hooks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Metrics {
    /// When it was made.
    pub created: Instant,
    /// How often it was handed out; what a guard tells counts its own time, so that 1 is the first.
    pub uses: u64,
    /// How long it has lain idle. `None` where the pool has no reason to look at the clock: without
    /// [`idle_timeout`](super::Builder::idle_timeout) and [`check_after_idle`](super::Builder::check_after_idle); and
    /// for an object that went from hand to hand.
    pub idle: Option<Duration>,
}
