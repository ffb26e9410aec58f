//! [`Portal`]: from plain threads into async code.

mod call;

pub use call::{PortalError, PortalTask};

use crate::cancel::{self, CancelToken, Reason};
use crate::internal::caught::{caught, quietly};
use crate::internal::lock::Lock;
use crate::runtime::{
    Flavor, NoRuntime, Runtime, Site, in_context, on_blocking_thread, on_event_loop, run_on,
    wait_here,
};
use crate::task::{self, TaskGroup};
use call::{Call, Settle};
use pin_project_lite::pin_project;
use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll};
use std::thread::ThreadId;

/// Calls async code from plain threads, any number of them at once; see the [module](super). Clones are the same portal.
///
/// [`start`](Portal::start) gives it a thread with a runtime of its own, for programs that are not async; [`current`](Portal::current), inside async
/// code, opens the runtime that is there. A call made by a closure of a [`ThreadPool`](super::ThreadPool) runs inside the cancel scopes of whoever
/// awaits that closure.
///
/// Dropping the last clone cancels the calls. [`stop`](Portal::stop) waits for them.
///
/// # Examples
///
/// ```
/// use regatta::{blocking::Portal, runtime::Flavor, time};
/// use std::{thread, time::Duration};
///
/// let portal = Portal::start(Flavor::Neutral).expect("a thread is to be had");
/// let threads = [1, 2, 3].map(|n| {
///     let portal = portal.clone();
///     thread::spawn(move || {
///         portal.call(move || async move {
///             time::sleep(Duration::from_millis(5)).await;
///             n * n
///         })
///     })
/// });
/// let squares = threads.map(|t| t.join().expect("no panic").expect("the portal is open"));
/// assert_eq!(squares, [1, 4, 9]);
/// portal.stop().expect("this is a plain thread");
/// ```
#[derive(Clone)]
pub struct Portal {
    owner: Arc<Owner>,
}

/// Dropped with the last clone.
struct Owner(Arc<Core>);

impl Drop for Owner {
    fn drop(&mut self) {
        self.0.close();
        self.0.cancel(Reason::ScopeEnded);
    }
}

pub(super) struct Core {
    group: TaskGroup<'static, Infallible>,
    closed: AtomicBool,
    /// Cancelled: the host's body ends, and the host waits for the calls.
    closing: CancelToken,
    /// Cancelled: every call is. Keeps the reason.
    cancelled: CancelToken,
    /// Cancelled by the host when every call has ended.
    ended: CancelToken,
    /// Threads that have polled a call.
    loops: Lock<Vec<ThreadId>>,
    /// Calls go on while one of those threads has left the runtime, and is a plain one.
    has_threads: bool,
}

impl Core {
    fn new(
        group: TaskGroup<'static, Infallible>,
        closing: CancelToken,
        ended: CancelToken,
        has_threads: bool,
    ) -> Self {
        Core {
            has_threads,
            group,
            closed: AtomicBool::new(false),
            closing,
            cancelled: CancelToken::new(),
            ended,
            loops: Lock::new(vec![std::thread::current().id()]),
        }
    }

    /// Notes that this thread is a loop of the portal's.
    fn note_loop(&self) {
        let me = std::thread::current().id();
        let mut loops = self.loops.lock();
        if !loops.contains(&me) {
            loops.push(me);
        }
    }

    /// Refuses to block what the call needs to go on.
    fn check_thread(&self) -> Result<(), PortalError> {
        let own = || self.loops.lock().contains(&std::thread::current().id());
        // A loop's thread that is in no runtime any more blocks nobody, unless it alone drives the loop.
        let drives = || own() && (in_context() || !self.has_threads);
        if on_event_loop() || (!on_blocking_thread() && drives()) {
            return Err(PortalError::OnEventLoop);
        }
        Ok(())
    }

    fn close(&self) {
        self.closed.store(true, SeqCst);
        self.closing.cancel_with(Reason::Shutdown);
    }

    fn cancel(&self, reason: Reason) {
        self.cancelled.cancel_with(reason.clone());
        self.group.cancel_with(reason);
    }
}

impl Portal {
    /// Starts a thread with a runtime of this flavor, which ends with the portal.
    ///
    /// # Errors
    ///
    /// [`PortalError::Start`], when the flavor is not compiled in, or the system refuses a thread.
    pub fn start(flavor: Flavor) -> Result<Portal, PortalError> {
        if !flavor.is_available() {
            let why = flavor
                .name()
                .parse::<Flavor>()
                .map_or_else(|e| e.to_string(), |_| String::new());
            return Err(PortalError::Start(why));
        }
        let (closing, ended) = (CancelToken::new(), CancelToken::new());
        let (give, given) = mpsc::sync_channel(1);
        let host = {
            let (closing, ended) = (closing.clone(), ended.clone());
            move || {
                let _tell = ended.clone().cancel_on_drop();
                let body = async |group: TaskGroup<'static, Infallible>| {
                    // Nobody takes it when the starter has gone; then the portal is dropped, and with it this ends.
                    let core = Core::new(group, closing.clone(), ended, false);
                    drop(give.send(core));
                    closing.cancelled().await;
                    Ok(())
                };
                // Cannot fail: its children have no error, and keep their panics.
                drop(run_on(flavor, task::task_group(body)));
            }
        };
        let thread = std::thread::Builder::new().name("regatta-portal".into());
        thread
            .spawn(host)
            .map_err(|e| PortalError::Start(e.to_string()))?;
        match given.recv() {
            Ok(core) => Ok(Portal::of(core)),
            Err(_) => Err(PortalError::Start(
                "its runtime panicked while it started".into(),
            )),
        }
    }

    /// Opens the current runtime to plain threads. The portal outlives the calling scope.
    ///
    /// # Errors
    ///
    /// [`NoRuntime`], when there is none to spawn on.
    pub fn current() -> Result<Portal, NoRuntime> {
        let runtime = Runtime::current();
        let (closing, ended) = (CancelToken::new(), CancelToken::new());
        let close = closing.cancelled();
        let (group, host) = task::detached(runtime.clone(), async move {
            close.await;
            Ok(())
        });
        let tell = ended.cancel_on_drop();
        let has_threads = runtime.has_threads();
        drop(runtime.try_spawn(async move {
            let _tell = tell;
            host.await
        })?);
        Ok(Portal::of(Core::new(group, closing, ended, has_threads)))
    }

    fn of(core: Core) -> Portal {
        Portal {
            owner: Arc::new(Owner(Arc::new(core))),
        }
    }

    fn core(&self) -> &Arc<Core> {
        &self.owner.0
    }

    /// Runs `f` on the loop and blocks the calling thread until its future is done.
    ///
    /// # Errors
    ///
    /// [`PortalError`]: the call panicked or was cancelled, the portal was stopped before it, or this thread is an event loop, which must not
    /// block: there, `.await` what [`spawn`](Portal::spawn) returns.
    #[track_caller]
    pub fn call<T, F, Fut>(&self, f: F) -> Result<T, PortalError>
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = T> + Send + 'static,
        T: Send + 'static,
    {
        self.core().check_thread()?;
        self.spawn(f).wait()
    }

    /// Starts `f` on the loop, and returns at once. Whether it was refused is in the handle.
    #[track_caller]
    pub fn spawn<T, F, Fut>(&self, f: F) -> PortalTask<T>
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = T> + Send + 'static,
        T: Send + 'static,
    {
        let core = self.core();
        let site = Site {
            name: Some("portal call".into()),
            at: Location::caller(),
        };
        // Inside a closure of a pool, the scopes of whoever awaits the closure.
        let token = cancel::current();
        let call = Call::new();
        let handle = PortalTask::new(call.clone(), token.clone(), core.clone());
        // Before the flag is looked at: a call that slips past it finds the group open, and is waited for.
        let place = core.group.reserve();
        let closed = core.closed.load(SeqCst);
        let Some(place) = place.filter(|_| !closed) else {
            call.settle(Err(PortalError::Stopped));
            return handle;
        };
        let settle = Settle::new(call, token.clone(), core.cancelled.clone());
        let core_of_call = core.clone();
        let call = async move {
            core_of_call.note_loop();
            if let Err(cancelled) = token.check() {
                return settle.with(Err(PortalError::Cancelled(cancelled)));
            }
            // Not before the first poll: a call that is cancelled by then never runs.
            let started = catch_unwind(AssertUnwindSafe(f));
            let ended = match started {
                // Shows every poll as one of an event loop, whichever worker it is on.
                Ok(future) => {
                    let here = Runtime::current();
                    caught(here.within(token.run(future))).await
                }
                Err(payload) => Err(payload),
            };
            settle.with(match ended {
                Ok(Ok(value)) => Ok(value),
                Ok(Err(cancelled)) => Err(PortalError::Cancelled(cancelled)),
                Err(payload) => Err(PortalError::panicked(payload)),
            });
        };
        // A destructor that panics, of the closure, the future or a value that nobody wants, ends its call alone.
        core.group
            .spawn_reserved(place, site, Apart { call: Some(call) });
        handle
    }

    /// Takes no more calls; those that run go on.
    pub fn close(&self) {
        self.core().close();
    }

    /// Takes no more calls, and cancels those that run. For a program that ends with an error.
    pub fn cancel(&self) {
        self.cancel_with(Reason::Requested);
    }

    /// [`cancel`](Portal::cancel) that says why.
    pub fn cancel_with(&self, reason: impl Into<Reason>) {
        self.close();
        self.core().cancel(reason.into());
    }

    /// Takes no more calls, and blocks the calling thread until those that run have ended. Async code awaits [`stopped`](Portal::stopped).
    ///
    /// # Errors
    ///
    /// [`PortalError::OnEventLoop`], when this thread is one; the portal is closed all the same.
    pub fn stop(&self) -> Result<(), PortalError> {
        self.close();
        self.core().check_thread()?;
        wait_here(self.core().ended.cancelled());
        Ok(())
    }

    /// Waits until the portal was closed and its calls have ended.
    ///
    /// # Cancel safety
    ///
    /// Dropping it leaves nothing behind.
    pub async fn stopped(&self) {
        self.core().ended.cancelled().await;
    }
}

pin_project! {
    /// A call, kept apart from the others: no panic comes out of it, not of its drop either.
    struct Apart<F> {
        #[pin]
        call: Option<F>,
    }

    impl<F> PinnedDrop for Apart<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            quietly(|| this.call.set(None));
        }
    }
}

impl<F: Future<Output = ()>> Future for Apart<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        let Some(call) = this.call.as_mut().as_pin_mut() else {
            return Poll::Ready(());
        };
        let polled = quietly(|| call.poll(cx)).unwrap_or(Poll::Ready(()));
        if polled.is_ready() {
            quietly(|| this.call.set(None));
        }
        polled
    }
}

impl fmt::Debug for Portal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Portal")
            .field("closed", &self.core().closed.load(SeqCst))
            .finish_non_exhaustive()
    }
}
