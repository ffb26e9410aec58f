//! Private blocks that know no pattern.

pub(crate) mod label;
pub(crate) mod unobserved;
