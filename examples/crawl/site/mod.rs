//! The site that the program serves when it is not given another: a tree of files, and faults of every kind.
//!
//! | file | what is in it |
//! |---|---|
//! | `tree.rs` | what there is to serve |
//! | `faults.rs` | what goes wrong, and when |
//! | `server.rs` | the server, over sockets and in memory |

mod faults;
mod server;
pub(crate) mod tree;

pub(crate) use faults::Faults;
pub(crate) use server::{Host, serve};
pub(crate) use tree::Tree;

/// The host with the tree, and the one that is away now and then. No name server knows these names (RFC 6761), only this program does.
pub(crate) const SITE: &str = "site.test";
pub(crate) const FLAPPING: &str = "flapping.test";
