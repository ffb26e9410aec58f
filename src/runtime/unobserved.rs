//! Panics that reached no handle, for the reports of the virtual-time runtime.

use std::cell::RefCell;

thread_local!(static PANIC: RefCell<Option<String>> = const { RefCell::new(None) });

/// A task panicked, and its result is being dropped unseen. The first one stays.
pub(crate) fn put(message: &str) {
    // A task may be dropped while its thread ends.
    let _ = PANIC.try_with(|p| {
        p.borrow_mut().get_or_insert_with(|| message.to_owned());
    });
}

/// Takes it; the virtual-time runtime calls this after each poll.
pub(crate) fn take() -> Option<String> {
    PANIC.with(|p| p.borrow_mut().take())
}
