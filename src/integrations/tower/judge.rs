//! [`Judge`]: what an error of a service calls for.

use crate::policy::Advice;
use std::fmt;
use std::sync::Arc;

/// Says what an error calls for. Implemented for what a [`PolicyLayer`](super::PolicyLayer) can be told, and not to be implemented elsewhere.
pub trait Judge<E> {
    /// What it calls for.
    fn judge(&self, error: &E) -> Advice;
}

/// Every error is worth a retry.
#[derive(Clone, Copy, Debug)]
pub struct EveryError(pub(super) ());

/// See [`PolicyLayer::judge`](super::PolicyLayer::judge).
// The closure without its type, which services that are named in a struct could not spell.
pub struct Judged<E>(Arc<dyn Fn(&E) -> Advice + Send + Sync>);

impl<E> Judged<E> {
    pub(super) fn new<A: Into<Advice>>(judge: impl Fn(&E) -> A + Send + Sync + 'static) -> Self {
        Judged(Arc::new(move |error| judge(error).into()))
    }
}

impl<E> Clone for Judged<E> {
    fn clone(&self) -> Self {
        Judged(self.0.clone())
    }
}

impl<E> fmt::Debug for Judged<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Judged")
    }
}

impl<E> Judge<E> for EveryError {
    fn judge(&self, _: &E) -> Advice {
        Advice::Retry
    }
}

impl<E> Judge<E> for Judged<E> {
    fn judge(&self, error: &E) -> Advice {
        (self.0)(error)
    }
}
