//! What the running task is about to wait on, in words, for the reports of the virtual-time runtime.

use std::cell::Cell;

thread_local!(static LABEL: Cell<Option<&'static str>> = const { Cell::new(None) });

/// Says what the current task is about to wait on. Called on slow paths only, when a waiter is registered.
pub(crate) fn set(what: &'static str) {
    LABEL.with(|l| l.set(Some(what)));
}

/// Takes the label set since the last call; the virtual-time runtime calls this around each poll.
pub(crate) fn take() -> Option<&'static str> {
    LABEL.with(Cell::take)
}
