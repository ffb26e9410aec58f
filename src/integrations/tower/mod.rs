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
//! **Readiness.** A protected service is always ready. Every attempt takes a clone of the service, polls that ready
//! when it has its place and its permit, and calls it at once: tower's limits and
//! buffers reserve a place when they are polled ready, and a call that kept one while it waits could wait for itself.
//! An error of polling it ready is an error of the attempt, and the
//! attempt timeout spans it. So a `LoadShed` around a protected service sees no load: bound what waits with the
//! policy's own [bulkhead](Policy::bulkhead) or
//! [load shedding](Policy::load_shed).
//!
//! **Requests are cloned** for every attempt. What cannot be cloned (a body that is a stream) has to be collected
//! first, or is called [once](PolicyLayer::once).
//!
//! **What is a failure** says the service's error. A response that means one, such as 503, has to be made an error below this layer.
//!
//! **State is shared** by clones of the layer and of its services: one rate limit, one circuit breaker, as in the policy. (Clones of a limit that each count for themselves limit nothing.)

mod future;
mod judge;
mod requests;
mod service;

pub use future::ResponseFuture;
pub use judge::{EveryError, Judge, Judged};
pub use requests::{Cloned, Once, Requests};
pub use service::Protected;

use crate::policy::{Advice, Policy};
use tower_layer::Layer;

/// Puts a [`Policy`] around services; see the [module](self).
#[derive(Clone, Debug)]
pub struct PolicyLayer<J = EveryError, Q = Cloned> {
    policy: Policy,
    judge: J,
    requests: Q,
}

impl PolicyLayer {
    /// Every error is worth a retry, where the policy has any. Requests must be `Clone`; see
    /// [`once`](PolicyLayer::once).
    pub fn new(policy: Policy) -> Self {
        PolicyLayer {
            policy,
            judge: EveryError(()),
            requests: Cloned(()),
        }
    }
}

impl PolicyLayer<EveryError, Once> {
    /// For a policy that makes one attempt, such as that of a server: requests need not be `Clone`.
    ///
    /// # Panics
    ///
    /// When the policy retries or hedges, which takes a second request.
    ///
    /// # Examples
    ///
    /// ```
    /// use regatta::integrations::tower::PolicyLayer;
    /// use regatta::policy::Policy;
    /// use std::time::Duration;
    ///
    /// let layer = PolicyLayer::once(Policy::new().timeout(Duration::from_secs(10)));
    /// # drop(layer);
    /// ```
    #[track_caller]
    pub fn once(policy: Policy) -> Self {
        assert!(
            policy.calls_once(),
            "PolicyLayer::once was given a policy that retries or hedges ({policy}): use PolicyLayer::new, with requests that are Clone"
        );
        PolicyLayer {
            policy,
            judge: EveryError(()),
            requests: Once(()),
        }
    }
}

impl<J, Q> PolicyLayer<J, Q> {
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
    ) -> PolicyLayer<Judged<E>, Q> {
        PolicyLayer {
            policy: self.policy,
            judge: Judged::new(judge),
            requests: self.requests,
        }
    }
}

impl<S, J: Clone, Q: Clone> Layer<S> for PolicyLayer<J, Q> {
    type Service = Protected<S, J, Q>;

    fn layer(&self, inner: S) -> Protected<S, J, Q> {
        let (policy, judge) = (self.policy.clone(), self.judge.clone());
        Protected::new(inner, policy, judge, self.requests.clone())
    }
}
