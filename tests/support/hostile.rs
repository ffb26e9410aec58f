//! Wakers that are user code at its worst: their `clone`, `wake` and `Drop` run a closure, which may call back, or
//! panic. And they are counted.
#![allow(dead_code, reason = "each test program uses its part")]

use cooked_waker::{IntoWaker, Wake, WakeRef};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::Waker;

/// What a waker is being asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum At {
    Clone,
    Wake,
    Drop,
}

type Act = dyn Fn(At) + Send + Sync;

/// `std::task::Wake` makes wakers out of an `Arc`, whose `clone` is no code of a user; this one is in a `Box`.
struct Hostile {
    to: Waker,
    act: Arc<Act>,
    live: Arc<AtomicUsize>,
}

/// Makes wakers that call `act`, and pass on to another.
#[derive(Clone)]
pub(crate) struct Wakers {
    act: Arc<Act>,
    live: Arc<AtomicUsize>,
}

impl Wakers {
    pub(crate) fn new(act: impl Fn(At) + Send + Sync + 'static) -> Self {
        Wakers {
            act: Arc::new(act),
            live: Arc::default(),
        }
    }

    pub(crate) fn waker(&self, to: &Waker) -> Waker {
        self.live.fetch_add(1, SeqCst);
        let hostile = Hostile {
            to: to.clone(),
            act: self.act.clone(),
            live: self.live.clone(),
        };
        Box::new(hostile).into_waker()
    }

    /// How many there are, with their clones.
    pub(crate) fn live(&self) -> usize {
        self.live.load(SeqCst)
    }
}

impl Clone for Hostile {
    fn clone(&self) -> Self {
        (self.act)(At::Clone);
        self.live.fetch_add(1, SeqCst);
        Hostile {
            to: self.to.clone(),
            act: self.act.clone(),
            live: self.live.clone(),
        }
    }
}

impl WakeRef for Hostile {
    fn wake_by_ref(&self) {
        self.to.wake_by_ref();
        (self.act)(At::Wake);
    }
}

impl Wake for Hostile {}

impl Drop for Hostile {
    fn drop(&mut self) {
        self.live.fetch_sub(1, SeqCst);
        // A second panic would end the process, whoever drops it.
        if !std::thread::panicking() {
            (self.act)(At::Drop);
        }
    }
}
