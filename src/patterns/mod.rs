//! One folder per pattern, the same file roles in each.

pub mod background;
pub mod blocking;
pub mod cancel;
pub mod pipeline;
pub mod queue;
pub mod stream;
pub mod sync;
pub mod task;
pub mod time;
pub mod workers;
