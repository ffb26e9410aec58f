//! Leaves nothing behind when a simulation ends.

use super::{Session, text};
use crate::internal::caught::quietly;
use crate::runtime::unobserved;
use crate::testing::failure::{Failure, TaskInfo};
use crate::testing::shared::ROOT;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::PoisonError;
use std::time::Duration;

impl Session {
    pub(super) fn drop_task<F>(&self, info: &TaskInfo, future: F) -> Option<Failure> {
        let dropped = catch_unwind(AssertUnwindSafe(|| drop(future)));
        let payload = dropped.err()?;
        Some(self.panicked(info, format!("while it was dropped: {}", text(&*payload))))
    }

    /// Drops everything that is left, oldest first, while the thread still is the simulation's. Says what went wrong with that.
    pub(in crate::testing) fn tear_down(&mut self, drop_root: impl FnOnce()) -> Option<Failure> {
        let info = self.shared.lock().tasks[ROOT].info();
        let mut failure = self.drop_task(&info, DropWith(Some(drop_root)));
        self.core.finish(ROOT);
        loop {
            // Destructors may spawn: look again until nothing is left.
            let mut left: Vec<(u64, usize)> = Vec::new();
            let s = self.shared.lock();
            for (slot, task) in s.tasks.iter().enumerate().filter(|(_, t)| t.live) {
                left.push((task.serial, slot));
            }
            drop(s);
            if left.is_empty() {
                break;
            }
            left.sort_unstable();
            for (_, slot) in left {
                let future = self.core.slots.borrow_mut()[slot].future.take();
                let info = self.shared.lock().tasks[slot].info();
                self.core.finish(slot);
                // A panic of a spawned future's destructor is kept for its handle, or, without one, is left for us.
                let dropped = self.drop_task(&info, future).or_else(|| {
                    let message = unobserved::take()?;
                    Some(self.panicked(&info, format!("while it was dropped: {message}")))
                });
                failure = failure.or(dropped);
            }
        }
        self.wait_for_threads();
        let mut s = self.shared.lock();
        s.ended = true;
        let timers = std::mem::take(&mut s.timers);
        let settling = std::mem::take(&mut s.settling);
        let inbox = std::mem::take(&mut s.inbox);
        drop(s);
        // Who waits for this clock outside of it is told at its next poll.
        for waker in timers.into_values() {
            quietly(|| waker.wake());
        }
        let rest = self.drop_task(&info, (settling, inbox));
        failure
            .or(rest)
            .or_else(|| self.unobserved(None, ROOT).err())
    }

    /// Blocking closures that have started run to their end.
    fn wait_for_threads(&self) {
        let mut s = self.shared.lock();
        while s.blocking > 0 && !self.watched.overdue() {
            self.watched.waiting();
            let slice = Duration::from_millis(50);
            let changed = self.shared.changed.wait_timeout(s, slice);
            s = changed.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// Runs a closure when dropped.
struct DropWith<F: FnOnce()>(Option<F>);

impl<F: FnOnce()> Drop for DropWith<F> {
    fn drop(&mut self) {
        if let Some(f) = self.0.take() {
            f();
        }
    }
}
