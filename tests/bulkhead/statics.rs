//! Bulkheads in a `static`.

use super::in_a_row::{World, at_once, in_a_row, run_in};
use regatta::bulkhead::{Aimd, Bulkhead, Gradient};
use regatta::time;
use std::sync::LazyLock;
use std::time::Duration;

const MS: Duration = Duration::from_millis(1);

async fn calls_and_waits(bulkhead: &Bulkhead) {
    for _ in 0..3 {
        let call = bulkhead.call(async {
            time::sleep(MS).await;
            Ok::<_, &str>(())
        });
        // Somebody else may be there for longer than one may wait.
        let _ = call.await;
    }
    if let Ok(_pass) = bulkhead.enter().await {
        // The limit on the wait is kept by the timers of the runtime of who waits.
        let (limit, began) = (bulkhead.stats().limit, regatta::Runtime::current().now());
        let mut more = Vec::new();
        for _ in 0..=limit {
            more.push(bulkhead.enter().await);
        }
        if more.iter().any(Result::is_err) {
            assert!(regatta::Runtime::current().now() - began >= 20 * MS);
        }
    }
}

#[test]
fn one_with_a_fixed_limit_is_used_by_all_runtimes() {
    static FIXED: LazyLock<Bulkhead> =
        LazyLock::new(|| Bulkhead::builder(1).queue(10).max_wait(20 * MS).build());
    in_a_row(|_| calls_and_waits(&FIXED));
    at_once(|_| calls_and_waits(&FIXED));
    assert_eq!((FIXED.stats().running, FIXED.stats().waiting), (0, 0));
}

#[test]
fn those_with_adaptive_limits_are_used_by_all_runtimes() {
    static SLOW: LazyLock<Bulkhead> = LazyLock::new(|| {
        let limit = Aimd::new(1, 1, 4).too_slow(Duration::from_secs(60));
        Bulkhead::builder(limit).queue(10).max_wait(20 * MS).build()
    });
    static GRADIENT: LazyLock<Bulkhead> = LazyLock::new(|| {
        let limit = Gradient::new(1, 2, 4);
        Bulkhead::builder(limit).queue(10).max_wait(20 * MS).build()
    });
    async fn both(_: World) {
        calls_and_waits(&SLOW).await;
        calls_and_waits(&GRADIENT).await;
    }
    in_a_row(both);
    at_once(both);
    for bulkhead in [&SLOW, &GRADIENT] {
        let stats = bulkhead.stats();
        assert_eq!((stats.running, stats.waiting), (0, 0));
    }
}

/// A pass that goes from one simulation to the next, whose clock says something else.
#[test]
fn from_a_call_on_two_clocks_nothing_is_learnt() {
    let bulkhead = Bulkhead::builder(Aimd::new(1, 4, 8).too_slow(MS)).build();
    let inside = bulkhead.clone();
    let pass = run_in(
        World::Simulation,
        |_| async move { inside.try_enter().unwrap() },
    );
    run_in(World::Simulation, |_| async move {
        time::sleep(Duration::from_secs(3600)).await;
        pass.succeeded();
    });
    assert_eq!((bulkhead.stats().limit, bulkhead.stats().running), (4, 0));
}
