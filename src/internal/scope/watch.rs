//! Waiting for the moment a surrounding scope starts dropping.

use super::frame::Frame;
use super::stack::{chain, dropping, walk_frames};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::task::{Context, Waker};

/// Registered with every scope around a future, because each may be cancelled by itself, and because an executor in between
/// (`FuturesUnordered`, `join!`) polls only those who were woken.
#[derive(Debug, Default)]
pub(crate) struct DropWatch {
    places: Vec<(Arc<Frame>, usize)>,
    waker: Option<Waker>,
}

impl DropWatch {
    /// True when a scope around the running code is dropping; otherwise the task is woken when one starts to.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> bool {
        if dropping() {
            return true;
        }
        if self.is_current(cx.waker()) {
            return false;
        }
        self.clear();
        for frame in chain() {
            match frame.watch(cx.waker().clone()) {
                Some(key) => self.places.push((frame, key)),
                None => return true,
            }
        }
        self.waker = Some(cx.waker().clone());
        false
    }

    fn is_current(&self, waker: &Waker) -> bool {
        let (mut same, mut seen) = (true, 0);
        walk_frames(|frame| {
            same = self
                .places
                .get(seen)
                .is_some_and(|(f, _)| Arc::ptr_eq(f, frame));
            seen += 1;
            if same {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        });
        same && seen == self.places.len() && self.waker.as_ref().is_some_and(|w| w.will_wake(waker))
    }

    fn clear(&mut self) {
        for (frame, key) in self.places.drain(..) {
            frame.unwatch(key);
        }
        self.waker = None;
    }
}

impl Drop for DropWatch {
    fn drop(&mut self) {
        self.clear();
    }
}
