//! What the running task is about to wait on, in words. It lies below, where the handles of tasks are.

pub(crate) use crate::runtime::label::{set, take};
