//! Drops entering and calls at every await, 100,000 times, and counts what is left: nothing in flight, and no measure that nobody ends.

use regatta::load_shed::LoadShed;
use regatta::testing::{Outcome, cancel_safety_drops};
use regatta::{Runtime, time};
use regatta_soak::{DROPS, MS, passed};

#[test]
fn a_dropped_call_counts_no_more() {
    let setup = || async {
        let shed = LoadShed::builder()
            .max_in_flight(2)
            .max_lag(5 * MS)
            .measure_every(MS)
            .build();
        let rival = shed.clone();
        let enters = async move {
            for _ in 0..4 {
                let _pass = rival.enter().await;
                time::sleep(MS).await;
            }
        };
        drop(Runtime::current().try_spawn(enters));
        shed
    };
    let op = |shed: LoadShed| async move {
        for _ in 0..3 {
            let call = async {
                time::sleep(MS).await;
                Ok::<_, &str>(())
            };
            let _ = shed.call(call).await;
        }
    };
    let verify = |shed: LoadShed, _: Outcome<()>| async move {
        time::sleep(20 * MS).await;
        let stats = shed.stats();
        if stats.in_flight != 0 || stats.lag > 5 * MS {
            return Err(format!("{stats:?}"));
        }
        match (shed.enter().await, shed.try_enter()) {
            (Ok(_), Ok(_)) => Ok(()),
            places => Err(format!("{places:?}")),
        }
    };
    let report = cancel_safety_drops(DROPS, setup, op, verify);
    passed(&report);
}
