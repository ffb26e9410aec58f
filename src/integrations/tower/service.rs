//! [`Protected`]: a service behind a policy.

use super::future::ResponseFuture;
use super::judge::{EveryError, Judge};
use super::requests::{Cloned, Requests};
use crate::policy::{Failure, Policy};
use std::future::poll_fn;
use std::task::{Context, Poll};
use tower_service::Service;

/// A service whose calls are protected by a [`Policy`]; made by [`PolicyLayer`](super::PolicyLayer).
#[derive(Clone, Debug)]
pub struct Protected<S, J = EveryError, Q = Cloned> {
    // Never polled ready itself, so that it never holds a reservation.
    inner: S,
    policy: Policy,
    judge: J,
    requests: Q,
}

impl<S, J, Q> Protected<S, J, Q> {
    pub(super) fn new(inner: S, policy: Policy, judge: J, requests: Q) -> Self {
        Protected {
            inner,
            policy,
            judge,
            requests,
        }
    }

    /// The policy.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The service itself.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The service itself, without its protection.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S, J, Q, R> Service<R> for Protected<S, J, Q>
where
    S: Service<R> + Clone + Send + 'static,
    S::Future: Send,
    S::Response: Send + 'static,
    S::Error: Send + Sync + 'static,
    J: Judge<S::Error> + Clone + Send + Sync + 'static,
    Q: Requests<R> + Clone + Send + 'static,
    R: Send + 'static,
{
    type Response = S::Response;
    type Error = Failure<S::Error>;
    type Future = ResponseFuture<S::Response, S::Error>;

    /// Always ready: what would be reserved here would be kept while the call waits for its place, and by callers that
    /// poll many services and call one.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: R) -> Self::Future {
        let inner = self.inner.clone();
        let (policy, judge) = (self.policy.clone(), self.judge.clone());
        let requests = self.requests.clone();
        let mut request = Some(request);
        ResponseFuture::new(Box::pin(async move {
            let call = move || {
                let mut service = inner.clone();
                let request = requests.next(&mut request);
                async move {
                    let Some(request) = request else {
                        unreachable!("a policy for one attempt makes one")
                    };
                    // Reserved and used in one breath.
                    poll_fn(|cx| service.poll_ready(cx)).await?;
                    let answer = service.call(request);
                    drop(service);
                    answer.await
                }
            };
            policy.run_when(call, |error| judge.judge(error)).await
        }))
    }
}
