//! What a mock remembers, and what can be claimed of it.

use super::Mock;
use crate::runtime::Instant;
use crate::runtime::Runtime;
use std::fmt::Debug;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How a call of a [`Mock`] ended, or that it has not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CallEnd {
    /// Called, but its future was never polled.
    NotAwaited,
    /// Under way.
    Running,
    /// Returned `Ok`.
    Ok,
    /// Returned `Err`.
    Err,
    /// Panicked.
    Panicked,
    /// Dropped half way.
    Cancelled,
}

/// One call of a [`Mock`].
///
/// # Examples
///
/// ```
/// use regatta::testing::{self, CallEnd, Mock};
///
/// testing::run(async || {
///     let get = Mock::<_, u32, &str>::new("get").err("down");
///     drop(get.call("/a").await);
///     let calls = get.calls();
///     assert_eq!((calls[0].args, calls[0].end), ("/a", CallEnd::Err));
/// });
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Call<A> {
    /// What it was called with.
    pub args: A,
    /// When it was first polled, on the clock of its runtime.
    pub started: Option<Instant>,
    /// When it ended.
    pub ended: Option<Instant>,
    /// How it ended.
    pub end: CallEnd,
}

struct Record<A> {
    calls: Vec<Call<A>>,
    /// Indices of `calls`, in the order of their first poll.
    awaited: Vec<usize>,
    running: usize,
    peak: usize,
}

pub(super) struct Recorder<A>(Mutex<Record<A>>);

impl<A> Default for Recorder<A> {
    fn default() -> Self {
        Recorder(Mutex::new(Record {
            calls: Vec::new(),
            awaited: Vec::new(),
            running: 0,
            peak: 0,
        }))
    }
}

impl<A> Recorder<A> {
    fn lock(&self) -> MutexGuard<'_, Record<A>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn called(self: &Arc<Self>, args: A) -> Called<A> {
        let mut record = self.lock();
        record.calls.push(Call {
            args,
            started: None,
            ended: None,
            end: CallEnd::NotAwaited,
        });
        Called {
            index: record.calls.len() - 1,
            recorder: self.clone(),
        }
    }
}

/// A call that was made.
pub(super) struct Called<A> {
    recorder: Arc<Recorder<A>>,
    index: usize,
}

impl<A> Called<A> {
    pub(super) fn awaited(self, runtime: Runtime) -> Ending<A> {
        let now = runtime.now();
        let mut guard = self.recorder.lock();
        let record = &mut *guard;
        record.running += 1;
        record.peak = record.peak.max(record.running);
        record.awaited.push(self.index);
        let call = &mut record.calls[self.index];
        (call.started, call.end) = (Some(now), CallEnd::Running);
        drop(guard);
        Ending {
            call: self,
            runtime,
            end: CallEnd::Cancelled,
        }
    }
}

/// A call that is under way; dropping it writes down how it ended.
pub(super) struct Ending<A> {
    call: Called<A>,
    /// The drop may come outside any context.
    runtime: Runtime,
    end: CallEnd,
}

impl<A> Ending<A> {
    pub(super) fn end(&mut self, end: CallEnd) {
        self.end = end;
    }
}

impl<A> Drop for Ending<A> {
    fn drop(&mut self) {
        let now = self.runtime.now();
        let mut record = self.call.recorder.lock();
        record.running -= 1;
        let call = &mut record.calls[self.call.index];
        (call.ended, call.end) = (Some(now), self.end);
    }
}

impl<A: Clone, T, E> Mock<A, T, E> {
    /// All calls, in the order they were made.
    pub fn calls(&self) -> Vec<Call<A>> {
        self.calls.lock().calls.clone()
    }

    /// The arguments of the calls that were awaited, in the order of their first poll.
    pub fn awaited(&self) -> Vec<A> {
        let record = self.calls.lock();
        let args = record.awaited.iter().map(|i| record.calls[*i].args.clone());
        args.collect()
    }
}

impl<A, T, E> Mock<A, T, E> {
    /// How many calls are under way.
    pub fn running(&self) -> usize {
        self.calls.lock().running
    }

    /// How many calls were under way at once, at most.
    pub fn peak(&self) -> usize {
        self.calls.lock().peak
    }

    /// Claims that `times` calls were made.
    ///
    /// # Panics
    ///
    /// Unless `times` calls were made, awaited or not.
    #[track_caller]
    pub fn assert_called(&self, times: usize) {
        let n = self.calls.lock().calls.len();
        assert!(
            n == times,
            "mock `{}` was called {n} times instead of {times}",
            self.name
        );
    }

    /// Claims that `times` calls were awaited.
    ///
    /// # Panics
    ///
    /// Unless `times` calls were awaited; says so when others were made and never awaited.
    #[track_caller]
    pub fn assert_awaited(&self, times: usize) {
        let record = self.calls.lock();
        let (n, called) = (record.awaited.len(), record.calls.len());
        drop(record);
        assert!(
            n == times,
            "mock `{}` was awaited {n} times instead of {times} (and called {called} times)",
            self.name
        );
    }
}

impl<A: Clone + PartialEq + Debug, T, E> Mock<A, T, E> {
    /// Claims that the call awaited last had these arguments.
    ///
    /// # Panics
    ///
    /// Unless the call that was awaited last had these arguments.
    #[track_caller]
    pub fn assert_awaited_with(&self, args: &A) {
        let awaited = self.awaited();
        assert!(
            awaited.last() == Some(args),
            "mock `{}` was last awaited with {:?} instead of {args:?}",
            self.name,
            awaited.last()
        );
    }

    /// Claims that the awaited calls had these arguments, in this order.
    ///
    /// # Panics
    ///
    /// Unless the awaited calls had these arguments, in this order.
    #[track_caller]
    pub fn assert_awaited_each(&self, args: &[A]) {
        let awaited = self.awaited();
        assert!(
            awaited == args,
            "mock `{}` was awaited with {awaited:?} instead of {args:?}",
            self.name
        );
    }
}
