//! Fire and forget, without forgetting: tasks that outlive their caller, with names, a place for their errors, and an end.
//!
//! Use it for work that nobody waits for but that must not be lost: sending a mail after the response, refreshing a cache. For work whose
//! result the caller needs use a [task group](crate::task::task_group).
//!
//! # Example
//!
//! ```
//! use regatta::{background::Background, time};
//! use std::time::Duration;
//!
//! regatta::testing::run(async || {
//!     let background = Background::new(|mishap| eprintln!("{mishap}")).expect("virtual time can spawn");
//!     background.spawn("send mail", async {
//!         time::sleep(Duration::from_secs(2)).await;
//!         Ok::<_, std::io::Error>(())
//!     });
//!     let report = background.shutdown(Duration::from_secs(10)).await;
//!     assert_eq!(report.completed, 1);
//! });
//! ```
//!
//! # How it behaves
//!
//! Tasks are independent: an error or a panic of one goes to the sink and touches no other. They run outside the scopes of whoever spawned
//! them: a cancelled request does not cancel its mail. Bookkeeping shrinks as tasks end. Dropping the last handle
//! without a shutdown cancels them at their next poll, without cleanup. Python's set of strong references to tasks, done once.

mod report;

pub use report::{Mishap, Report};

use crate::cancel::{CancelToken, Reason};
use crate::internal::caught::caught;
use crate::internal::lock::Lock;
use crate::runtime::{JoinHandle, NoRuntime, Runtime, Site, panic_text};
use crate::task::{self, ChildOutput, ErrorGroup, TaskGroup};
use crate::time;
use slab::Slab;
use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

type Sink<E> = dyn Fn(Mishap<E>) + Send + Sync;

/// Runs tasks that nobody waits for; see the [module](self). Clones are the same.
pub struct Background<E> {
    inner: Arc<Inner<E>>,
}

impl<E> Clone for Background<E> {
    fn clone(&self) -> Self {
        Background {
            inner: self.inner.clone(),
        }
    }
}

impl<E> fmt::Debug for Background<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Background")
            .field("running", &self.running())
            .finish_non_exhaustive()
    }
}

struct Inner<E> {
    runtime: Runtime,
    group: TaskGroup<'static, Infallible>,
    host: JoinHandle<Result<(), ErrorGroup<Infallible>>>,
    /// Cancelled: the host's body ends, and the host waits for the tasks.
    closing: CancelToken,
    /// Cancelled by the host when every task is gone.
    ended: CancelToken,
    closed: AtomicBool,
    tally: Arc<Tally<E>>,
}

impl<E> Drop for Inner<E> {
    fn drop(&mut self) {
        // The host is dropped, and takes the tasks with it.
        self.host.cancel();
    }
}

struct Tally<E> {
    sink: Box<Sink<E>>,
    state: Lock<State>,
}

#[derive(Default)]
struct State {
    running: Slab<Arc<str>>,
    report: Report,
}

impl<E> Tally<E> {
    fn tell(&self, mishap: Mishap<E>) {
        // A sink that panics must not take the task with it, whose mishap it is; the panic hook has reported it.
        let told = catch_unwind(AssertUnwindSafe(|| (self.sink)(mishap)));
        drop(told);
    }
}

/// Counts a task from its spawn to its end.
struct Entry<E> {
    tally: Arc<Tally<E>>,
    name: Arc<str>,
    key: usize,
    settled: bool,
}

impl<E> Entry<E> {
    fn settle(&mut self, count: impl FnOnce(&mut Report)) {
        let mut state = self.tally.state.lock();
        state.running.try_remove(self.key);
        count(&mut state.report);
        self.settled = true;
    }
}

impl<E> Drop for Entry<E> {
    fn drop(&mut self) {
        if !self.settled {
            let name = self.name.clone();
            self.settle(|report| report.cancelled.push(name));
        }
    }
}

impl<E: Send + 'static> Background<E> {
    /// Background tasks on the current runtime. `sink` gets what goes wrong; it is called from the tasks, and should be quick.
    ///
    /// # Errors
    ///
    /// [`NoRuntime`], when there is none to spawn on.
    pub fn new(sink: impl Fn(Mishap<E>) + Send + Sync + 'static) -> Result<Self, NoRuntime> {
        Background::on(Runtime::current(), sink)
    }

    /// Background tasks on a given runtime.
    ///
    /// # Errors
    ///
    /// [`NoRuntime`], when it cannot spawn.
    pub fn on(
        runtime: Runtime,
        sink: impl Fn(Mishap<E>) + Send + Sync + 'static,
    ) -> Result<Self, NoRuntime> {
        let (closing, ended) = (CancelToken::new(), CancelToken::new());
        let close = closing.cancelled();
        let (group, host) = task::detached(runtime.clone(), async move {
            close.await;
            Ok(())
        });
        let tell = ended.cancel_on_drop();
        let host = runtime.try_spawn(async move {
            let _tell = tell;
            host.await
        })?;
        let tally = Arc::new(Tally {
            sink: Box::new(sink),
            state: Lock::default(),
        });
        let closed = AtomicBool::new(false);
        Ok(Background {
            inner: Arc::new(Inner {
                runtime,
                group,
                host,
                closing,
                ended,
                closed,
                tally,
            }),
        })
    }

    /// Starts a task. Its error, and its panic, go to the sink; a value is dropped. After the shutdown it never runs, which goes to the sink too.
    #[track_caller]
    pub fn spawn<F>(&self, name: impl Into<Arc<str>>, future: F)
    where
        F: Future<Output: ChildOutput<E>> + Send + 'static,
    {
        let name = name.into();
        let site = Site {
            name: Some(name.clone()),
            at: Location::caller(),
        };
        let tally = self.inner.tally.clone();
        // Both before the flag is looked at: a task that slips past it finds the group open, and is in the list that the shutdown reads.
        let place = self.inner.group.reserve();
        let key = tally.state.lock().running.insert(name.clone());
        let mut entry = Entry {
            tally,
            name,
            key,
            settled: false,
        };
        let closed = self.inner.closed.load(Ordering::SeqCst);
        let Some(place) = place.filter(|_| !closed) else {
            entry.settle(|_| {});
            let task = entry.name.clone();
            return entry.tally.tell(Mishap::Refused { task });
        };
        self.inner.group.spawn_reserved(place, site, async move {
            let task = entry.name.clone();
            match caught(future).await.map(ChildOutput::split) {
                Ok(Ok(_value)) => entry.settle(|r| r.completed += 1),
                Ok(Err(fault)) => {
                    entry.settle(|r| r.failed += 1);
                    for error in ErrorGroup::from_fault(fault) {
                        entry.tally.tell(Mishap::Failed {
                            task: task.clone(),
                            error,
                        });
                    }
                }
                Err(payload) => {
                    entry.settle(|r| r.panicked += 1);
                    let message = panic_text(&*payload).unwrap_or("(no message)").to_owned();
                    entry.tally.tell(Mishap::Panicked { task, message });
                }
            }
        });
    }

    /// Takes no more tasks; waits up to `grace` for those that run; then cancels them, and waits up to `grace` again
    /// for their cleanup; leaves what is still there, and reports. [`Duration::MAX`] waits for ever.
    ///
    /// # Cancel safety
    ///
    /// Dropped half way, no task is lost: those that run go on, new ones stay refused, and it can be called again.
    pub async fn shutdown(&self, grace: Duration) -> Report {
        let inner = &self.inner;
        inner.closed.store(true, Ordering::SeqCst);
        inner.closing.cancel_with(Reason::Shutdown);
        let ended = async || {
            inner
                .runtime
                .within(time::timeout(grace, inner.ended.cancelled()))
                .await
                .is_ok()
        };
        if !ended().await {
            inner.group.cancel_with(Reason::Shutdown);
            if !ended().await {
                inner.host.cancel();
            }
        }
        let state = inner.tally.state.lock();
        let stragglers = state.running.iter().map(|(_, name)| name.clone()).collect();
        Report {
            stragglers,
            ..state.report.clone()
        }
    }
}

impl<E> Background<E> {
    /// How many tasks have not ended.
    pub fn running(&self) -> usize {
        self.inner.tally.state.lock().running.len()
    }
}
