//! Every public operation that is awaited, by pattern.

mod blocking;
mod calls;
mod cancel;
mod groups;
mod guards;
#[cfg(feature = "http")]
mod http;
#[cfg(feature = "net")]
mod net;
mod pool;
mod queue;
mod runtime;
mod stream;
mod sync;
mod task;
mod testing;
mod time;
#[cfg(feature = "tower")]
mod tower;
mod workers;

use crate::world::Entry;

pub(crate) fn all() -> Vec<Entry> {
    let mut all = Vec::new();
    for mut part in [
        sync::entries(),
        queue::entries(),
        cancel::entries(),
        time::entries(),
        task::entries(),
        groups::entries(),
        stream::entries(),
        calls::entries(),
        guards::entries(),
        workers::entries(),
        blocking::entries(),
        pool::entries(),
        runtime::entries(),
        testing::entries(),
        #[cfg(feature = "net")]
        net::entries(),
        #[cfg(feature = "http")]
        http::entries(),
        #[cfg(feature = "tower")]
        tower::entries(),
    ] {
        all.append(&mut part);
    }
    all
}
