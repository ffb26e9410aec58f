//! [`Requests`]: how each attempt gets a request of its own.

/// How each attempt gets its request. Implemented for what a [`PolicyLayer`](super::PolicyLayer) can be, and not to
/// be implemented elsewhere.
pub trait Requests<R> {
    /// The request of the next attempt. `None`: there is none any more.
    fn next(&self, request: &mut Option<R>) -> Option<R>;
}

/// Every attempt gets a clone of the request.
#[derive(Clone, Copy, Debug)]
pub struct Cloned(pub(super) ());

/// There is one attempt, which gets the request itself.
#[derive(Clone, Copy, Debug)]
pub struct Once(pub(super) ());

impl<R: Clone> Requests<R> for Cloned {
    fn next(&self, request: &mut Option<R>) -> Option<R> {
        request.clone()
    }
}

impl<R> Requests<R> for Once {
    fn next(&self, request: &mut Option<R>) -> Option<R> {
        request.take()
    }
}
