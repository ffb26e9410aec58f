//! Code of the user that may panic where nothing of ours may break: futures whose panic is a value, and calls that
//! swallow it.

use super::lock::assert_none_held;
use std::any::Any;
use std::future::{Future, poll_fn};
use std::ops::Deref;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

/// The output of `future`, or what it panicked with. The panic hook has reported it by then.
pub(crate) async fn caught<F: Future>(future: F) -> Result<F::Output, Box<dyn Any + Send>> {
    let mut future = pin!(future);
    poll_fn(
        |cx| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
            Ok(polled) => polled.map(Ok),
            Err(payload) => Poll::Ready(Err(payload)),
        },
    )
    .await
}

/// Runs code of the user (an observer, a hook, a waker, a destructor) in a place where a panic must end nothing else:
/// in a destructor, between two wake-ups, beside other people's work. `None`: it panicked. The panic hook has reported
/// it by then; what it panicked with is dropped, and forgotten should that panic, too.
///
/// Not under a lock of ours: no code of a user runs there.
#[inline]
#[track_caller]
pub(crate) fn quietly<R>(call: impl FnOnce() -> R) -> Option<R> {
    assert_none_held();
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(value) => Some(value),
        Err(payload) => {
            discard(payload);
            None
        }
    }
}

/// Drops something of the user's; a panic in there goes no further. Not under a lock of ours, either.
#[inline]
#[track_caller]
pub(crate) fn discard<T>(thing: T) {
    if !std::mem::needs_drop::<T>() {
        return;
    }
    assert_none_held();
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(thing))) {
        // A payload whose destructor panics as well has had its chance.
        if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
            std::mem::forget(again);
        }
    }
}

/// Something of the user's that is [discarded](discard) when it is dropped, wherever that is.
pub(crate) struct Quiet<T>(Option<T>);

impl<T> Quiet<T> {
    pub(crate) fn new(thing: T) -> Self {
        Quiet(Some(thing))
    }
}

impl<T> Deref for Quiet<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        self.0.as_ref().expect("it is there until it is dropped")
    }
}

impl<T> Drop for Quiet<T> {
    fn drop(&mut self) {
        discard(self.0.take());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            std::panic::panic_any(Bomb2);
        }
    }
    struct Bomb2;
    impl Drop for Bomb2 {
        fn drop(&mut self) {
            panic!("a destructor of a payload panics");
        }
    }

    #[test]
    fn nothing_comes_out_of_it() {
        assert_eq!(quietly(|| 1), Some(1));
        assert_eq!(quietly(|| -> u8 { std::panic::panic_any(Bomb2) }), None);
        discard(Bomb);
    }

    #[test]
    fn not_even_while_a_panic_unwinds() {
        struct Last;
        impl Drop for Last {
            fn drop(&mut self) {
                assert!(std::thread::panicking());
                assert!(quietly(|| panic!("the second")).is_none());
            }
        }
        let first = catch_unwind(|| {
            let _last = Last;
            panic!("the first");
        });
        let text = *first
            .expect_err("it panicked")
            .downcast::<&str>()
            .expect("a text");
        assert_eq!(text, "the first");
    }
}
