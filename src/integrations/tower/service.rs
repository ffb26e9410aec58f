//! [`Protected`]: a service behind a policy.

use super::future::ResponseFuture;
use super::judge::{EveryError, Judge};
use crate::policy::{Cause, Failure, Policy};
use std::future::poll_fn;
use std::task::{Context, Poll};
use tower_service::Service;

/// A service whose calls are protected by a [`Policy`]; made by [`PolicyLayer`](super::PolicyLayer).
#[derive(Clone, Debug)]
pub struct Protected<S, J = EveryError> {
    inner: S,
    policy: Policy,
    judge: J,
}

impl<S, J> Protected<S, J> {
    pub(super) fn new(inner: S, policy: Policy, judge: J) -> Self {
        Protected {
            inner,
            policy,
            judge,
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

impl<S, J, R> Service<R> for Protected<S, J>
where
    S: Service<R> + Clone + Send + 'static,
    S::Future: Send,
    S::Response: Send + 'static,
    S::Error: Send + Sync + 'static,
    J: Judge<S::Error> + Clone + Send + Sync + 'static,
    R: Clone + Send + 'static,
{
    type Response = S::Response;
    type Error = Failure<S::Error>;
    type Future = ResponseFuture<S::Response, S::Error>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx).map_err(|error| Failure {
            attempts: 0,
            cause: Cause::Failed(error),
        })
    }

    fn call(&mut self, request: R) -> Self::Future {
        let spare = self.inner.clone();
        // A clone is not ready: the one that is makes the first attempt.
        let mut ready = Some(std::mem::replace(&mut self.inner, spare.clone()));
        let (policy, judge) = (self.policy.clone(), self.judge.clone());
        ResponseFuture::new(Box::pin(async move {
            let call = move || {
                let (request, ready) = (request.clone(), ready.take());
                let further = ready.is_none().then(|| spare.clone());
                async move {
                    match (ready, further) {
                        (Some(mut ready), _) => ready.call(request).await,
                        (None, Some(mut further)) => {
                            poll_fn(|cx| further.poll_ready(cx)).await?;
                            further.call(request).await
                        }
                        (None, None) => unreachable!("it is one of them"),
                    }
                }
            };
            policy.run_when(call, |error| judge.judge(error)).await
        }))
    }
}
