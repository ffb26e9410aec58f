//! Waiting for the moment a surrounding scope starts dropping.

use super::ask::chain_to;
use super::flags::Flags;
use super::frame::Frame;
use super::mark::Mark;
use super::stack::{is_bare, is_dropping, walk};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::task::{Context, Waker};

/// Registered with every scope around a future, because each may be cancelled by itself, and because an executor in between
/// (`FuturesUnordered`, `join!`) polls only those that were woken. As far out as the next scope whose owner watches as well: that owner is told
/// by those further out, and tells its own scope before it polls what is inside.
#[derive(Debug, Default)]
pub(crate) struct DropWatch {
    places: Vec<(Arc<Frame>, usize)>,
    waker: Option<Waker>,
}

enum Look {
    Dropping,
    /// The same scopes and the same waker as last time.
    AsBefore,
    Changed,
}

impl DropWatch {
    /// True when a scope around the running code is dropping; otherwise the task is woken when one starts to.
    #[inline]
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> bool {
        if self.places.is_empty() && is_bare() {
            return false;
        }
        self.poll_scopes(cx)
    }

    #[inline(never)]
    fn poll_scopes(&mut self, cx: &mut Context<'_>) -> bool {
        match self.look(cx.waker()) {
            Look::Dropping => return true,
            Look::AsBefore => return false,
            Look::Changed => self.clear(),
        }
        for frame in chain_to(Flags::RELAYS) {
            match frame.watch(cx.waker().clone()) {
                Some(key) => self.places.push((frame, key)),
                None => return true,
            }
        }
        self.waker = Some(cx.waker().clone());
        false
    }

    fn look(&self, waker: &Waker) -> Look {
        let mut same = self.waker.as_ref().is_some_and(|w| w.will_wake(waker));
        let (mut dropping, mut seen) = (false, 0);
        walk(|mark, flags| {
            if is_dropping(mark, flags) {
                dropping = true;
                return ControlFlow::Break(());
            }
            same = same
                && matches!((mark, self.places.get(seen)), (Mark::Frame(f), Some((p, _))) if Arc::ptr_eq(f, p));
            seen += 1;
            if flags.has(Flags::RELAYS) {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        });
        if dropping {
            Look::Dropping
        } else if same && seen == self.places.len() {
            Look::AsBefore
        } else {
            Look::Changed
        }
    }

    #[inline(never)]
    fn clear(&mut self) {
        for (frame, key) in self.places.drain(..) {
            frame.unwatch(key);
        }
        self.waker = None;
    }
}

impl Drop for DropWatch {
    #[inline]
    fn drop(&mut self) {
        if !self.places.is_empty() {
            self.clear();
        }
    }
}
