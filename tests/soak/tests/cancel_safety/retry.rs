//! Drops retries at every await, 100,000 times, and counts what is left.

use regatta::retry::{Backoff, RetryError, retry};
use regatta::testing::{Outcome, cancel_safety_drops};
use regatta::time;
use regatta_soak::{DROPS, MS, passed};
use std::cell::Cell;
use std::rc::Rc;

#[test]
fn a_dropped_retry_leaves_no_attempt() {
    let running = || async { Rc::new(Cell::new(0)) };
    let op = |running: Rc<Cell<i32>>| async move {
        let call = || {
            let running = running.clone();
            async move {
                running.set(running.get() + 1);
                let _ends = Ends(running);
                time::sleep(3 * MS).await;
                Err::<(), _>("down")
            }
        };
        retry(Backoff::constant(MS), call)
            .attempt_timeout(2 * MS)
            .on_retry_async(|_| time::sleep(MS))
            .await
    };
    let verify = |running: Rc<Cell<i32>>, _: Outcome<Result<(), RetryError<&str>>>| async move {
        match running.get() {
            0 => Ok(()),
            n => Err(format!("{n} attempts are left")),
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
