//! Where the shared files look for `super`.

#[path = "../../../../src/patterns/sync/semaphore/error.rs"]
mod error;
mod models;
#[path = "../../../../src/patterns/sync/semaphore/state.rs"]
mod state;

pub(crate) use error::AcquireError;
pub(crate) use state::{Entered, State, Ticket};

/// What the error messages mention.
pub(crate) struct Semaphore;

impl Semaphore {
    pub(crate) const MAX_PERMITS: usize = state::MOST;
}

#[derive(Debug)]
pub(crate) struct Permit<'a>(std::marker::PhantomData<&'a ()>);
