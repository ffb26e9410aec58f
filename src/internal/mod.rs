//! Private blocks that know no pattern.

pub(crate) mod label;
