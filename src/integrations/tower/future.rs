//! [`ResponseFuture`].

use crate::policy::Failure;
use crate::runtime::BoxFuture;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// A call of a [`Protected`](super::Protected) service.
///
/// # Cancel safety
///
/// Dropping it drops the attempts that are running; what they held in the layers of the policy is free.
#[must_use = "nothing is called until it is awaited"]
pub struct ResponseFuture<T, E> {
    run: BoxFuture<'static, Result<T, Failure<E>>>,
}

impl<T, E> ResponseFuture<T, E> {
    pub(super) fn new(run: BoxFuture<'static, Result<T, Failure<E>>>) -> Self {
        ResponseFuture { run }
    }
}

impl<T, E> Future for ResponseFuture<T, E> {
    type Output = Result<T, Failure<E>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.run.as_mut().poll(cx)
    }
}

impl<T, E> fmt::Debug for ResponseFuture<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ResponseFuture")
    }
}
