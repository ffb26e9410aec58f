//! What happens when nothing can run.

use super::Session;
use crate::testing::failure::Failure;
use std::sync::PoisonError;
use std::task::Waker;
use std::time::Duration;

impl Session {
    /// Nothing can run: other threads first, then who waits for just that, then the clock.
    pub(super) fn idle(&mut self) -> Result<(), Failure> {
        let grace = self.core.config.foreign_grace;
        let shared = self.shared.clone();
        let mut s = shared.lock();
        if s.stirred() {
            return Ok(());
        }
        if s.blocking > 0 {
            // In slices, so that the watchdog is heard.
            let slice = Duration::from_millis(50);
            let wait = if grace.is_zero() { slice } else { grace };
            self.watched.waiting();
            let (back, result) = shared
                .changed
                .wait_timeout(s, wait)
                .unwrap_or_else(PoisonError::into_inner);
            if grace.is_zero() || !result.timed_out() || back.stirred() {
                return Ok(());
            }
            s = back;
        }
        if let Some((_, settled)) = s.settling.pop_first() {
            drop(s);
            settled.wake();
            return Ok(());
        }
        if let Some((&(at, _), _)) = s.timers.first_key_value() {
            if at > self.max_time {
                return Err(Failure::Timeout {
                    at: self.moment(&s),
                    real: None,
                    pending: s.infos(),
                });
            }
            s.now = s.now.max(at);
            while let Some(first) = s.timers.first_entry()
                && first.key().0 <= at
            {
                self.due.push(first.remove());
            }
            drop(s);
            self.due.drain(..).for_each(Waker::wake);
            return Ok(());
        }
        if !grace.is_zero() {
            self.watched.waiting();
            let (back, result) = shared
                .changed
                .wait_timeout(s, grace)
                .unwrap_or_else(PoisonError::into_inner);
            s = back;
            if !result.timed_out() || s.stirred() {
                return Ok(());
            }
        } else if s.blocking > 0 {
            return Ok(());
        }
        Err(Failure::Deadlock {
            at: self.moment(&s),
            pending: s.infos(),
        })
    }
}
