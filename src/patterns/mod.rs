//! One folder per pattern, the same file roles in each.

pub mod background;
pub mod blocking;
pub mod bulkhead;
pub mod cancel;
pub mod circuit_breaker;
pub mod fallback;
pub mod hedge;
pub mod load_shed;
pub mod pipeline;
pub mod policy;
pub mod pool;
pub mod queue;
pub mod rate_limit;
pub mod retry;
pub mod stream;
pub mod sync;
pub mod task;
pub mod time;
pub mod workers;
