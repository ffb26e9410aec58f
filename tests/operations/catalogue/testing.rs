//! `testing`.

use crate::world::{Entry, Gate, World, entry};
use regatta::testing::{self, History, Mock};
use std::convert::Infallible;
use std::time::Duration;

pub(super) fn entries() -> Vec<Entry> {
    vec![
        entry("testing::Mock::call", |_| {
            World::around(|gate: Gate| async move {
                let mock = Mock::<u32, u32, ()>::new("a mock").otherwise(|n| Ok(*n));
                gate.pass().await;
                mock.call(1).await
            })
            .never_at_once("it gives way, as what it stands for may")
        }),
        entry("testing::History::record", |_| {
            World::around(|gate: Gate| async move {
                let history = History::new();
                history.record(1, gate.pass()).await;
                Ok::<_, Infallible>(())
            })
            .transparent("it is as ready as what it is around")
        }),
        entry("testing::yield_now", |_| {
            World::around(|gate: Gate| async move {
                gate.pass().await;
                testing::yield_now().await;
                Ok::<_, Infallible>(())
            })
            .never_at_once("it gives way, that is what it does")
        }),
        entry("testing::settle", |_| {
            World::around(|gate: Gate| async move {
                gate.pass().await;
                // Elsewhere it panics, and says so.
                if testing::in_simulation() {
                    testing::settle().await;
                    testing::advance(Duration::from_millis(1)).await;
                }
                Ok::<_, Infallible>(())
            })
            .never_at_once("it lets everybody else go first")
        })
        .covers(&["testing::advance"]),
    ]
}
