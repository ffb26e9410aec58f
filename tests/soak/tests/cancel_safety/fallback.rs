//! Drops a call with a fallback at every await, 100,000 times, and counts what is left: nothing that runs.

use regatta::fallback::fallback;
use regatta::testing::{Outcome, cancel_safety_drops};
use regatta::time;
use regatta_soak::{DROPS, MS, passed};
use std::rc::Rc;

#[test]
fn a_dropped_fallback_leaves_nothing() {
    let op = |running: Rc<()>| async move {
        let (one, two) = (running.clone(), running);
        let call = async move {
            let _one = one;
            time::sleep(MS).await;
            Err::<u32, _>("down")
        };
        let other = |_| async move {
            let _two = two;
            time::sleep(MS).await;
            time::sleep(MS).await;
            Ok(7)
        };
        fallback(call, other).await
    };
    let verify = |running: Rc<()>, outcome: Outcome<Result<u32, &'static str>>| async move {
        match (Rc::strong_count(&running), outcome) {
            (1, Outcome::Completed(Ok(7)) | Outcome::Cancelled { .. }) => Ok(()),
            (n, outcome) => Err(format!("{n} are left: {outcome:?}")),
        }
    };
    let report = cancel_safety_drops(DROPS, async || Rc::new(()), op, verify);
    passed(&report);
}
