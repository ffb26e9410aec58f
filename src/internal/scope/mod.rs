//! Ambient cancel scopes: how code finds out about the scopes around it.
//!
//! While a scoped future is polled, its scope lies on a stack in a thread-local; the poll puts it there and takes it
//! back. So the stack always shows exactly the scopes around the running code, wherever a future has moved
//! in between, and a poll costs two moves and no reference counting.
//!
//! Most scopes are never asked about. They lie on the stack as a *seed*, a few words of plain data, and become a [`Frame`] (shared,
//! allocated) when code below wants to observe, shield or name them.
//!
//! Cancelling has two steps. The *node* of a frame is cancelled: observable, nothing is taken away. Then the owner of the
//! scope, at once or after a grace, sets the frame to *dropping*: it drops its future as soon as no shield is up in it.
//! Code with cleanup to do (`finally`, groups) watches for the second step.
//!
//! Scopes lie in each other as deep as recursion puts them, so none may visit all around it at each of its steps. Three things see to that.
//! Owners that watch (`finally`, groups) pass the dropping on, so those inside watch as far as the next of them; owners that hold (groups) are held
//! in their turn, and the node of a group is below those around it, so shields and nodes inside reach as far as the next group. And what the
//! scopes of a nest ask, one after the other, is answered once in a poll (see `flags`).

mod ask;
mod flags;
mod frame;
mod hold;
mod mark;
mod scoped;
mod stack;
mod watch;

pub(crate) use ask::{
    deadline, dropping, is_cancelled, is_doomed, observe, reason, stamp, tell_followers,
};
pub(crate) use hold::{Hold, Shield};
pub(crate) use mark::Mark;
pub(crate) use scoped::{Scoped, Step};
pub(crate) use watch::DropWatch;
