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
//! Tasks are independent: an error or a panic of one goes to the sink and touches no other, also a panic in the
//! destructor of what it gave or held. They run outside the scopes of whoever spawned them: a cancelled request does
//! not cancel its mail. Bookkeeping shrinks as tasks end. Dropping the last handle without a shutdown cancels them at
//! their next poll, without cleanup. When their runtime ends under them, the sink is told of each, and of each that is
//! spawned afterwards. Python's set of strong references to tasks, done once.

mod job;
mod report;

pub use crate::internal::shutdown::Shutdown;
pub use report::{Mishap, Refusal, Report};

use crate::cancel::{CancelToken, Reason};
use crate::runtime::{JoinHandle, NoRuntime, Runtime, Site};
use crate::task::{self, ChildOutput, ErrorGroup, TaskGroup};
use job::{Job, Tally};
use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::sync::Arc;

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
    group: TaskGroup<'static, Infallible>,
    host: JoinHandle<Result<(), ErrorGroup<Infallible>>>,
    /// Cancelled: the host's body ends, and the host waits for the tasks.
    closing: CancelToken,
    /// Cancelled when the host is gone: with the last task after the shutdown, or with its runtime.
    ended: CancelToken,
    tally: Arc<Tally<E>>,
}

impl<E> Drop for Inner<E> {
    fn drop(&mut self) {
        self.tally.state.lock().asked = true;
        // The host is dropped, and takes the tasks with it.
        self.host.cancel();
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
        Ok(Background {
            inner: Arc::new(Inner {
                group,
                host,
                closing,
                ended,
                tally: Tally::new(Box::new(sink)),
            }),
        })
    }

    /// Starts a task. Its error, and its panic, go to the sink; a value is dropped. After the shutdown, or the end of
    /// its runtime, it never runs, which goes to the sink too.
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
        let inner = &self.inner;
        // Before it is let in: a task that slips past the shutdown finds the group open, and is in the list that the
        // shutdown reads.
        let place = inner.group.reserve();
        let Some(entry) = inner.tally.enter(name.clone()) else {
            let why = Refusal::ShutDown;
            return inner.tally.tell(Mishap::Refused { task: name, why });
        };
        let Some(place) = place.filter(|_| !inner.ended.is_cancelled()) else {
            entry.withdraw();
            let why = Refusal::RuntimeEnded;
            return inner.tally.tell(Mishap::Refused { task: name, why });
        };
        inner
            .group
            .spawn_reserved(place, site, Job::new(future, entry));
    }

    /// Takes no more tasks, lets those that run work for a while, cancels those that are left, waits for their cleanup,
    /// and reports. What is still there when the time is over is left, and named.
    ///
    /// How long each may take is said by [`Shutdown`]. A plain [`Duration`](std::time::Duration) is the limit for all
    /// of it, and leaves the last quarter to cleanup; a service of endless loops is asked [at once](Shutdown::now). It
    /// never takes longer than was said, and returns as soon as every task is gone.
    ///
    /// # Cancel safety
    ///
    /// Dropped half way, no task is lost: those that run go on, new ones stay refused, and it can be called again.
    pub async fn shutdown(&self, how: impl Into<Shutdown>) -> Report {
        let (inner, how) = (&self.inner, how.into());
        inner.tally.close();
        inner.closing.cancel_with(Reason::Shutdown);
        let ask = || {
            inner.tally.state.lock().asked = true;
            inner.group.cancel_with(Reason::Shutdown);
        };
        let gone = inner.tally.all_gone.cancelled();
        if !how.run(gone, ask).await {
            // Named first: once the host is gone they go, too, one by one, and a report that looked then would name
            // some of them by chance.
            inner.tally.state.lock().leave_behind();
            inner.host.cancel();
        }
        inner.tally.state.lock().report.clone()
    }
}

impl<E> Background<E> {
    /// How many tasks have not ended.
    pub fn running(&self) -> usize {
        self.inner.tally.state.lock().running.len()
    }
}
