//! A [`Policy`] as a layer of [tower](https://docs.rs/tower), for axum, tonic and whatever else is built of services. Feature `tower`.
//!
//! Use it where calls are made through a `Service`: put [`PolicyLayer`] on it, in the place of tower's own retries, timeouts and limits, which need tokio and do not know
//! each other. It brings the two small crates with tower's traits, and no runtime.
//!
//! # Example
//!
//! ```
//! use regatta::integrations::tower::PolicyLayer;
//! use regatta::policy::Policy;
//! use regatta::retry::Backoff;
//! use std::future::{Ready, ready};
//! use std::task::{Context, Poll};
//! use std::time::Duration;
//! use tower_layer::Layer;
//! use tower_service::Service;
//!
//! /// Works at every second call.
//! #[derive(Clone, Default)]
//! struct Moody {
//!     calls: std::sync::Arc<std::sync::atomic::AtomicU32>,
//! }
//!
//! impl Service<u32> for Moody {
//!     type Response = u32;
//!     type Error = &'static str;
//!     type Future = Ready<Result<u32, &'static str>>;
//!
//!     fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
//!         Poll::Ready(Ok(()))
//!     }
//!
//!     fn call(&mut self, n: u32) -> Self::Future {
//!         let calls = self.calls.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
//!         ready(if calls % 2 == 0 { Err("not now") } else { Ok(n * 2) })
//!     }
//! }
//!
//! regatta::testing::run(async || {
//!     let policy = Policy::new().retry(Backoff::constant(Duration::from_secs(1))).timeout(Duration::from_secs(5));
//!     let mut service = PolicyLayer::new(policy).layer(Moody::default());
//!     assert_eq!(service.call(21).await, Ok(42));
//! });
//! ```
//!
//! In a `ServiceBuilder`, or on an axum router (which wants errors turned into responses):
//!
//! ```text
//! let client = ServiceBuilder::new().layer(PolicyLayer::new(policy)).service(hyper_client);
//!
//! let app = Router::new().route("/", get(handler)).layer(
//!     ServiceBuilder::new()
//!         .layer(HandleErrorLayer::new(|failure: Failure<BoxError>| async move {
//!             (StatusCode::SERVICE_UNAVAILABLE, failure.to_string())
//!         }))
//!         .layer(PolicyLayer::new(Policy::new().load_shed(shed).timeout(Duration::from_secs(10)))),
//! );
//! ```
//!
//! # How it behaves
//!
//! **Readiness.** The first attempt is made with the very service that was polled ready. Every further one, a retry or a hedge, takes a clone and polls that ready first, within its
//! attempt; an error of that is an error of the attempt.
//!
//! **Requests are cloned** for every attempt. What cannot be cloned (a body that is a stream) has to be collected first.
//!
//! **What is a failure** says the service's error. A response that means one, such as 503, has to be made an error below this layer.
//!
//! **State is shared** by clones of the layer and of its services: one rate limit, one circuit breaker, as in the policy. (Clones of a limit that each count for themselves limit nothing.)

mod future;
mod judge;
mod service;

pub use future::ResponseFuture;
pub use judge::{EveryError, Judge, Judged};
pub use service::Protected;

use crate::policy::{Advice, Policy};
use tower_layer::Layer;

/// Puts a [`Policy`] around services; see the [module](self).
#[derive(Clone, Debug)]
pub struct PolicyLayer<J = EveryError> {
    policy: Policy,
    judge: J,
}

impl PolicyLayer {
    /// Every error is worth a retry, where the policy has any.
    pub fn new(policy: Policy) -> Self {
        let judge = EveryError(());
        PolicyLayer { policy, judge }
    }
}

impl<J> PolicyLayer<J> {
    /// Says what an error calls for: an [`Advice`], or whether it is worth a retry. Default: all are.
    ///
    /// # Examples
    ///
    /// ```
    /// use regatta::integrations::tower::PolicyLayer;
    /// use regatta::policy::{Advice, Policy};
    /// use std::io;
    ///
    /// let layer = PolicyLayer::new(Policy::new()).judge(|error: &io::Error| match error.kind() {
    ///     io::ErrorKind::NotFound => Advice::Answer,
    ///     _ => Advice::Retry,
    /// });
    /// # drop(layer);
    /// ```
    pub fn judge<E, A: Into<Advice>>(
        self,
        judge: impl Fn(&E) -> A + Send + Sync + 'static,
    ) -> PolicyLayer<Judged<E>> {
        PolicyLayer {
            policy: self.policy,
            judge: Judged::new(judge),
        }
    }
}

impl<S, J: Clone> Layer<S> for PolicyLayer<J> {
    type Service = Protected<S, J>;

    fn layer(&self, inner: S) -> Protected<S, J> {
        Protected::new(inner, self.policy.clone(), self.judge.clone())
    }
}
