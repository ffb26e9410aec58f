//! One background task: counted from its spawn to its end, and kept apart from all others.

use super::report::{Mishap, Report};
use crate::cancel::CancelToken;
use crate::internal::caught::{discard, quietly};
use crate::internal::lock::Lock;
use crate::runtime::panic_text;
use crate::task::{ChildOutput, ErrorGroup};
use pin_project_lite::pin_project;
use slab::Slab;
use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

pub(super) type Sink<E> = dyn Fn(Mishap<E>) + Send + Sync;

/// What the tasks and the handles share.
pub(super) struct Tally<E> {
    pub(super) sink: Box<Sink<E>>,
    pub(super) state: Lock<State>,
    /// Cancelled when nothing more is taken, and every task is gone.
    pub(super) all_gone: CancelToken,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) running: Slab<Running>,
    /// Nothing more is taken: set before the list of those that run is read.
    pub(super) closed: bool,
    /// Whoever goes without an end was told to; otherwise its runtime has ended.
    pub(super) asked: bool,
    pub(super) report: Report,
}

pub(super) struct Running {
    name: Arc<str>,
    /// A report has named it as still here, and it is counted with that, whatever becomes of it.
    left: bool,
}

impl State {
    pub(super) fn are_all_gone(&self) -> bool {
        self.closed && self.running.is_empty()
    }

    /// Names those that are still here when the time is over.
    pub(super) fn leave_behind(&mut self) {
        for (_, task) in &mut self.running {
            if !std::mem::replace(&mut task.left, true) {
                self.report.stragglers.push(task.name.clone());
            }
        }
    }
}

impl<E> Tally<E> {
    pub(super) fn new(sink: Box<Sink<E>>) -> Arc<Self> {
        Arc::new(Tally {
            sink,
            state: Lock::default(),
            all_gone: CancelToken::new(),
        })
    }

    /// A sink that panics must not take the task with it, whose mishap it is.
    pub(super) fn tell(&self, mishap: Mishap<E>) {
        quietly(|| (self.sink)(mishap));
    }

    /// Nothing more is taken.
    pub(super) fn close(&self) {
        let mut state = self.state.lock();
        state.closed = true;
        let gone = state.are_all_gone();
        drop(state);
        if gone {
            self.all_gone.cancel();
        }
    }

    /// Lets a task in; `None` after the shutdown began.
    pub(super) fn enter(self: &Arc<Self>, name: Arc<str>) -> Option<Entry<E>> {
        let mut state = self.state.lock();
        if state.closed {
            return None;
        }
        let key = state.running.insert(Running {
            name: name.clone(),
            left: false,
        });
        drop(state);
        Some(Entry {
            tally: self.clone(),
            name,
            key: Some(key),
        })
    }
}

/// Counts a task from its spawn to its end.
pub(super) struct Entry<E> {
    tally: Arc<Tally<E>>,
    name: Arc<str>,
    /// `None` when it has been counted.
    key: Option<usize>,
}

impl<E> Entry<E> {
    /// The task has ended like this; the first time counts.
    fn settle(&mut self, count: impl FnOnce(&mut State, Arc<str>)) {
        let Some(key) = self.key.take() else {
            return;
        };
        let mut state = self.tally.state.lock();
        if let Some(Running { name, left: false }) = state.running.try_remove(key) {
            count(&mut state, name);
        }
        let gone = state.are_all_gone();
        drop(state);
        if gone {
            quietly(|| self.tally.all_gone.cancel());
        }
    }

    /// It never ran, and somebody says so.
    pub(super) fn withdraw(mut self) {
        self.settle(|_, _| {});
    }

    fn ended<T>(&mut self, output: impl ChildOutput<E, Ok = T>) {
        match output.split() {
            Ok(value) => match catch_unwind(AssertUnwindSafe(|| drop(value))) {
                Ok(()) => {
                    self.settle(|s, _| s.report.completed += 1);
                }
                Err(payload) => self.panicked(payload),
            },
            Err(fault) => {
                self.settle(|s, _| s.report.failed += 1);
                for error in ErrorGroup::from_fault(fault) {
                    let task = self.name.clone();
                    self.tally.tell(Mishap::Failed { task, error });
                }
            }
        }
    }

    fn panicked(&mut self, payload: Box<dyn Any + Send>) {
        self.settle(|s, _| s.report.panicked += 1);
        let message = panic_text(&*payload).unwrap_or("(no message)").to_owned();
        discard(payload);
        let task = self.name.clone();
        self.tally.tell(Mishap::Panicked { task, message });
    }
}

impl<E> Drop for Entry<E> {
    fn drop(&mut self) {
        let mut lost = false;
        self.settle(|state, name| {
            lost = !state.asked;
            if lost {
                state.report.lost.push(name);
            } else {
                state.report.cancelled.push(name);
            }
        });
        if lost {
            let task = self.name.clone();
            self.tally.tell(Mishap::Lost { task });
        }
    }
}

pin_project! {
    /// Runs a task's future. Whatever in it panics, the future, its destructor or that of its value, ends this task
    /// alone.
    pub(super) struct Job<F, E> {
        #[pin]
        future: Option<F>,
        entry: Entry<E>,
    }

    impl<F, E> PinnedDrop for Job<F, E> {
        fn drop(this: Pin<&mut Self>) {
            this.clear();
        }
    }
}

impl<F, E> Job<F, E> {
    pub(super) fn new(future: F, entry: Entry<E>) -> Self {
        Job {
            future: Some(future),
            entry,
        }
    }

    /// Drops the future. False: that panicked, and has been told.
    fn clear(self: Pin<&mut Self>) -> bool {
        let mut this = self.project();
        match catch_unwind(AssertUnwindSafe(|| this.future.set(None))) {
            Ok(()) => true,
            Err(payload) => {
                this.entry.panicked(payload);
                false
            }
        }
    }
}

impl<F, E> Future for Job<F, E>
where
    F: Future<Output: ChildOutput<E>>,
{
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.as_mut().project();
        let Some(future) = this.future.as_pin_mut() else {
            return Poll::Ready(());
        };
        match catch_unwind(AssertUnwindSafe(|| future.poll(cx))) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(output)) => {
                if self.as_mut().clear() {
                    self.project().entry.ended(output);
                } else {
                    discard(output);
                }
            }
            Err(payload) => {
                self.as_mut().project().entry.panicked(payload);
                // What is left of it may panic again: that is told, too, and counts no second time.
                self.clear();
            }
        }
        Poll::Ready(())
    }
}
