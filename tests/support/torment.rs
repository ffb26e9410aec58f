//! Three who wait with hostile wakers; and values that panic when they are dropped.
#![allow(
    dead_code,
    reason = "shared by test programs that need some of it each"
)]

#[path = "hostile.rs"]
mod hostile;

use hostile::{At, Wakers};
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Poll, Waker};

pub(crate) type Waits<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

fn poll(future: &mut Waits<'_>, waker: &Waker) -> Poll<()> {
    future.as_mut().poll(&mut Context::from_waker(waker))
}

/// Has three wait, with wakers that touch the object when they are cloned, woken and dropped, and panic: one changes
/// its waker and is served, one is dropped, and the third must be served all the same.
pub(crate) fn torment<'a>(
    what: &str,
    touch: impl Fn() + Send + Sync + 'static,
    mut wait: impl FnMut() -> Waits<'a>,
    release: impl FnOnce(),
) {
    let armed = Arc::new(AtomicBool::new(true));
    let woken = Arc::new(AtomicUsize::new(0));
    let wakers = {
        let (armed, woken) = (armed.clone(), woken.clone());
        Wakers::new(move |at| {
            touch();
            woken.fetch_add(usize::from(at == At::Wake), SeqCst);
            if armed.load(SeqCst) && at != At::Clone {
                resume_unwind(Box::new("a waker that panics"));
            }
        })
    };
    // Theirs are the last references, so that the crate drops the wakers.
    let begin = |future: &mut Waits<'a>| {
        let waker = wakers.waker(Waker::noop());
        let polled = poll(future, &waker);
        assert!(polled.is_pending(), "{what} is there at once");
        armed.store(false, SeqCst);
        drop(waker);
        armed.store(true, SeqCst);
    };
    let mut first = wait();
    begin(&mut first);
    begin(&mut first);
    let mut second = wait();
    begin(&mut second);
    let mut third = wait();
    begin(&mut third);
    let went = catch_unwind(AssertUnwindSafe(|| {
        drop(second);
        release();
        assert!(
            poll(&mut first, Waker::noop()).is_ready(),
            "{what}: the first was not served"
        );
        assert!(
            poll(&mut third, Waker::noop()).is_ready(),
            "{what}: the third was not served"
        );
        drop((first, third));
    }));
    if let Err(payload) = went {
        let text = payload.downcast_ref::<&str>().map(|text| text.to_string());
        let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
        panic!("{what}: {}", text.unwrap_or_default());
    }
    assert!(
        woken.load(SeqCst) >= 2,
        "{what}: who was served was not woken"
    );
    assert_eq!(wakers.live(), 0, "{what}: wakers are left behind");
}

/// Counts its drop, and panics in it.
#[derive(Debug)]
pub(crate) struct Bomb(pub(crate) Arc<AtomicUsize>);

impl Drop for Bomb {
    fn drop(&mut self) {
        self.0.fetch_add(1, SeqCst);
        if !std::thread::panicking() {
            resume_unwind(Box::new("a value that panics when it is dropped"));
        }
    }
}

impl Bomb {
    /// Goes without a bang.
    pub(crate) fn defuse(self) {
        std::mem::forget(self);
    }
}
