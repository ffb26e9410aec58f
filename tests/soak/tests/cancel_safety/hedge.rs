//! Drops hedged calls at every await, 100,000 times, and counts what is left: no attempt.

use regatta::hedge::hedge;
use regatta::testing::{Outcome, cancel_safety_drops};
use regatta::{cancel, time};
use regatta_soak::{DROPS, MS, passed};
use std::cell::Cell;
use std::rc::Rc;

#[test]
fn a_dropped_hedge_leaves_no_attempt() {
    let running = || async { Rc::new(Cell::new(0)) };
    let op = |running: Rc<Cell<i32>>| async move {
        let mut begun = 0;
        let call = || {
            begun += 1;
            let (n, running) = (begun, running.clone());
            running.set(running.get() + 1);
            let ends = Ends(running);
            let work = async move {
                let _ends = ends;
                time::sleep(MS * if n < 3 { 20 } else { 2 }).await;
                Ok::<_, &str>(n)
            };
            cancel::on_cancel(work, time::sleep(MS))
        };
        hedge(MS, call).max_attempts(3).await
    };
    let verify = |running: Rc<Cell<i32>>, outcome: Outcome<Result<i32, &'static str>>| async move {
        match (running.get(), outcome) {
            (0, Outcome::Completed(Ok(3)) | Outcome::Cancelled { .. }) => Ok(()),
            (n, outcome) => Err(format!("{n} attempts are left: {outcome:?}")),
        }
    };
    let report = cancel_safety_drops(DROPS, running, op, verify);
    passed(&report);
}

/// Counts an attempt down.
struct Ends(Rc<Cell<i32>>);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}
