//! Private blocks that know no pattern.

pub(crate) mod atomic;
pub(crate) mod by_hash;
pub(crate) mod caught;
pub(crate) mod deadline;
#[cfg(test)]
pub(crate) mod effort;
pub(crate) mod gated;
pub(crate) mod keyed;
pub(crate) mod label;
pub(crate) mod line;
#[cfg(test)]
mod line_tests;
pub(crate) mod lock;
pub(crate) mod look;
pub(crate) mod member;
pub(crate) mod node;
pub(crate) mod pipe;
pub(crate) mod reason;
pub(crate) mod reorder;
pub(crate) mod scope;
pub(crate) mod shutdown;
pub(crate) mod slots;
#[cfg(test)]
mod slots_tests;
pub(crate) mod timed;
pub(crate) mod timeline;
