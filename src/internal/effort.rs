//! Counts the work that nested scopes cause: visits of scopes and nodes, links between nodes, places in lists. For tests that a nest costs its
//! depth and not its square.

use std::cell::Cell;

thread_local! {
    static STEPS: Cell<usize> = const { Cell::new(0) };
}

pub(crate) fn note() {
    STEPS.set(STEPS.get() + 1);
}

/// What was counted on this thread so far.
pub(crate) fn steps() -> usize {
    STEPS.get()
}
