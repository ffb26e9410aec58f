//! One concrete [`Runtime`] value: spawning, timers and a clock, whatever executor is below.
//!
//! Use it to choose a runtime, or to hand the current one on. Most code never names it: free functions
//! ([`sleep`](crate::time::sleep), [`task_group`](crate::task::task_group)) find it by themselves.
//!
//! | you are in | [`Runtime::current`] is |
//! |---|---|
//! | a future under [`Runtime::within`], or after [`Runtime::enter`] | that runtime |
//! | a tokio task or context (feature `tokio`) | tokio |
//! | one of smol's executor threads (feature `smol`) | smol |
//! | a plain thread of a program that is inside [`run`] or [`run_on`] | what that runs on |
//! | anywhere else, feature `smol` on | smol |
//! | anywhere else | neutral: timers work, nothing can be spawned |
//!
//! # Example
//!
//! ```
//! use regatta::{Runtime, time};
//! use std::time::Duration;
//!
//! regatta::run(async {
//!     let runtime = Runtime::current();
//!     let start = runtime.now();
//!     time::sleep(Duration::from_millis(5)).await;
//!     assert!(runtime.now() - start >= Duration::from_millis(5));
//! });
//! ```
//!
//! # How it behaves
//!
//! An object that owns tasks (a background, workers) resolves its runtime once, when it is built, and keeps it. What
//! may stand in a `static` (limiters, breakers, policies) finds clock and timers at each use. Free functions resolve at
//! their first poll. A tokio task keeps the runtime it was spawned on: tokio's own `Handle::enter` inside a task is not
//! followed, [`Runtime::enter`] is.
//!
//! Time comes from the runtime, so tokio's paused clock and virtual time stay true. Each runtime uses its own timers;
//! tokio's need a runtime built with `enable_time`, and panic with that advice otherwise. The neutral runtime's timers
//! are those of `futures-timer`: one helper thread for the process, started at the first sleep, which calls the wakers
//! of all tasks. So wakers must be able to cross threads: monoio's are only with its feature `sync`.
//!
//! # The feature must match the runtime
//!
//! regatta knows tokio only with its feature `tokio`. Under `#[tokio::main]` with feature `smol` alone, children run on
//! smol's thread, where tokio's sockets and timers panic. With no feature at all,
//! [`task_group`](crate::task::task_group) runs its children in place: concurrently, on one thread. Neither is an
//! error, because a library must not care. So an application asks to be told: [`on_notice`] calls a hook where a thread
//! looks like one of tokio's and the feature is off. regatta itself never prints.
//!
//! A `LocalSet` of tokio's that another executor polls is in no tokio context, and is on that executor's runtime. (On a
//! thread that has been in a tokio context before, this cannot be told apart cheaply; there, name the runtime with
//! [`Runtime::within`].)
//!
//! The idea of one handle over several event loops is AnyIO's and hyper's (`hyper::rt`).

mod backend;
mod clock;
pub(crate) mod coop;
mod current;
mod hold;
mod home;
mod id;
mod join;
pub(crate) mod label;
pub(crate) mod matrix;
#[cfg(feature = "net")]
pub mod net;
mod neutral;
mod notice;
mod run;
#[cfg(feature = "signal")]
pub mod signal;
mod site;
mod sleep;
#[cfg(feature = "smol")]
mod smol;
#[cfg(feature = "tokio")]
mod tokio;
pub(crate) mod unobserved;

/// A moment on the clock of a runtime: the standard library's, but in a browser, whose clock that one cannot read.
#[cfg(not(all(target_family = "wasm", target_os = "unknown")))]
pub use std::time::Instant;
#[cfg(all(target_family = "wasm", target_os = "unknown"))]
pub use web_time::Instant;

pub use backend::{Backend, BoxFuture, BoxWork};
pub use current::{Entered, Within};
pub use join::{JoinError, JoinHandle};
pub use notice::{Notice, notices, on_notice};
pub use run::{Flavor, UnknownFlavor, run, run_on};
pub use sleep::Sleep;

pub(crate) use clock::ClockId;
pub(crate) use hold::ClockHold;
pub(crate) use id::RuntimeId;
pub(crate) use join::panic_text;
pub(crate) use run::{in_context, on_blocking_thread, on_event_loop, wait_here};
pub(crate) use site::{Site, announced};

use current::Role;
use std::fmt;
use std::future::Future;
use std::mem::ManuallyDrop;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

/// A runtime: where tasks are spawned, timers are kept and time is read.
///
/// A small value; clones are cheap and name the same runtime. See the [module](self) for which one is current.
///
/// # Examples
///
/// ```
/// use regatta::Runtime;
///
/// // In a test: no feature, virtual time.
/// regatta::testing::run(async || {
///     let task = Runtime::current().try_spawn(async { "done" }).expect("virtual time can spawn");
///     assert_eq!(task.await.expect("it does not panic"), "done");
/// });
/// ```
#[derive(Clone)]
// `drop` takes it out. With nothing left to drop after that, all of it is small enough to be inlined.
pub struct Runtime(ManuallyDrop<Kind>);

impl From<Kind> for Runtime {
    #[inline]
    fn from(kind: Kind) -> Self {
        Runtime(ManuallyDrop::new(kind))
    }
}

#[derive(Clone)]
enum Kind {
    #[cfg(feature = "tokio")]
    Tokio(tokio::TokioHandle),
    #[cfg(feature = "smol")]
    Smol,
    Neutral(Chosen),
    Custom(Arc<clock::Clocked>),
}

/// Whether somebody chose to have no runtime: that person is not to be told how to choose one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Chosen {
    OnPurpose,
    ByDefault,
}

impl Runtime {
    /// The runtime the calling code runs on; at most 2 ns in a tokio task that has looked before.
    #[inline]
    pub fn current() -> Runtime {
        current::current()
    }

    /// A given tokio runtime.
    #[cfg(feature = "tokio")]
    pub fn tokio(handle: ::tokio::runtime::Handle) -> Runtime {
        Runtime::from(Kind::Tokio(tokio::TokioHandle::new(handle)))
    }

    /// smol's global executor.
    #[cfg(feature = "smol")]
    pub fn smol() -> Runtime {
        Runtime::from(Kind::Smol)
    }

    /// An executor of your own; see [`Backend`] for an example.
    pub fn custom(backend: impl Backend) -> Runtime {
        Runtime::from(Kind::Custom(clock::Clocked::new(backend, None)))
    }

    /// One whose clock began just now.
    pub(crate) fn simulated(backend: impl Backend) -> Runtime {
        let began = Some(backend.now());
        Runtime::from(Kind::Custom(clock::Clocked::new(backend, began)))
    }

    /// No runtime: timers work on any executor, nothing can be spawned.
    pub fn neutral() -> Runtime {
        Runtime::from(Kind::Neutral(Chosen::OnPurpose))
    }

    /// `"tokio"`, `"smol"`, `"neutral"` or `"custom"`.
    pub fn name(&self) -> &'static str {
        match &*self.0 {
            #[cfg(feature = "tokio")]
            Kind::Tokio(_) => "tokio",
            #[cfg(feature = "smol")]
            Kind::Smol => "smol",
            Kind::Neutral(_) => "neutral",
            Kind::Custom(_) => "custom",
        }
    }

    /// Makes this runtime the current one on this thread until the guard is dropped. For a plain thread; async code
    /// uses [`within`](Runtime::within), which moves with the task.
    ///
    /// # Examples
    ///
    /// ```
    /// use regatta::Runtime;
    ///
    /// let _entered = Runtime::neutral().enter();
    /// assert_eq!(Runtime::current().name(), "neutral");
    /// ```
    pub fn enter(&self) -> Entered {
        current::enter(self.clone(), None)
    }

    fn enter_blocking(&self) -> Entered {
        current::enter(self.clone(), Some(Role::Blocking))
    }

    /// Wraps `future` so that this runtime is the current one during each of its polls. Where it is polled, and what it spawned before, stay where
    /// they are; [`run`] inside it is refused.
    ///
    /// # Cancel safety
    ///
    /// That of `future`.
    ///
    /// # Examples
    ///
    /// ```
    /// use regatta::Runtime;
    ///
    /// let name = Runtime::neutral().within(async { Runtime::current().name() });
    /// assert_eq!(futures::executor::block_on(name), "neutral");
    /// ```
    pub fn within<F: Future>(&self, future: F) -> Within<F> {
        Within::new(self.clone(), future)
    }

    /// Whether tasks can be spawned here.
    pub fn can_spawn(&self) -> bool {
        !matches!(*self.0, Kind::Neutral(_))
    }

    /// Spawns `future` as a task of its own, which nobody owns: dropping the handle lets it run on.
    ///
    /// A [task group](crate::task::task_group) owns what it spawns, and carries cancel scopes over; this is the tool below it.
    ///
    /// # Errors
    ///
    /// [`NoRuntime`] on the neutral runtime; `future` is dropped. On a runtime that has stopped the handle gives
    /// [`JoinError::is_cancelled`].
    ///
    /// # Examples
    ///
    /// ```
    /// use regatta::Runtime;
    ///
    /// regatta::testing::run(async || {
    ///     let task = Runtime::current().try_spawn(async { 6 * 7 }).expect("there is a runtime");
    ///     assert_eq!(task.await.expect("it does not panic"), 42);
    /// });
    /// assert!(Runtime::neutral().try_spawn(async {}).is_err());
    /// ```
    #[track_caller]
    pub fn try_spawn<F>(&self, future: F) -> Result<JoinHandle<F::Output>, NoRuntime>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let (task, handle) = join::joined(future);
        self.spawn_at(
            Site {
                name: None,
                at: Location::caller(),
            },
            task,
        )?;
        Ok(handle)
    }

    /// Runs `work` on a thread that may block, and gives its result to the handle.
    ///
    /// The runtime is current inside `work`, and [`run`] is allowed there.
    ///
    /// # Errors
    ///
    /// [`NoRuntime`] on the neutral runtime.
    ///
    /// # Cancel safety
    ///
    /// Dropping the handle lets `work` run on. [`JoinHandle::cancel`] keeps it from starting; once started it runs to its end.
    ///
    /// # Examples
    ///
    /// ```
    /// use regatta::Runtime;
    ///
    /// regatta::testing::run(async || {
    ///     let reads = || std::fs::read_to_string("Cargo.toml").map(|text| text.len());
    ///     let length = Runtime::current().try_spawn_blocking(reads).expect("there is a runtime");
    ///     assert!(length.await.expect("it does not panic").is_ok());
    /// });
    /// ```
    #[track_caller]
    pub fn try_spawn_blocking<T, F>(&self, work: F) -> Result<JoinHandle<T>, NoRuntime>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let (work, handle) = join::joined_work(self.clone(), work);
        match &*self.0 {
            #[cfg(feature = "tokio")]
            Kind::Tokio(t) => t.spawn_blocking(work),
            #[cfg(feature = "smol")]
            Kind::Smol => smol::spawn_blocking(work),
            Kind::Custom(backend) => {
                let site = Site {
                    name: Some("blocking".into()),
                    at: Location::caller(),
                };
                site::announce(site, || backend.spawn_blocking(work));
            }
            Kind::Neutral(chosen) => return Err(NoRuntime::here(*chosen)),
        }
        Ok(handle)
    }

    /// Spawns without a handle. tokio knows its own context; the others are told which runtime is current.
    pub(crate) fn spawn_at(
        &self,
        site: Site,
        task: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), NoRuntime> {
        match &*self.0 {
            #[cfg(feature = "tokio")]
            Kind::Tokio(t) => t.spawn(task),
            #[cfg(feature = "smol")]
            Kind::Smol => smol::spawn(self.within(task)),
            Kind::Custom(backend) => {
                site::announce(site, || backend.spawn(Box::pin(self.within(task))))
            }
            Kind::Neutral(chosen) => return Err(NoRuntime::here(*chosen)),
        }
        Ok(())
    }

    /// Which clock [`now`](Runtime::now) reads.
    #[inline]
    pub(crate) fn clock(&self) -> ClockId {
        match &*self.0 {
            Kind::Custom(backend) => backend.id,
            _ => ClockId::REAL,
        }
    }

    /// Which clock the current runtime reads, and what it says.
    #[inline]
    pub(crate) fn clock_here() -> (ClockId, Instant) {
        current::clock()
    }

    /// The time on this runtime's clock.
    #[inline]
    pub fn now(&self) -> Instant {
        match &*self.0 {
            #[cfg(feature = "tokio")]
            Kind::Tokio(t) => t.now(),
            Kind::Custom(backend) => backend.now(),
            // One arm for all the others: two comparisons, where a table would be jumped through.
            _ => neutral::real_now(),
        }
    }

    /// Waits for `duration`, counted from this call, on this runtime's timers. [`Duration::MAX`] never ends.
    /// ([`time::sleep`](crate::time::sleep) counts from its first poll.)
    ///
    /// # Panics
    ///
    /// At its first poll, on a tokio runtime that was built without `enable_time`.
    ///
    /// # Cancel safety
    ///
    /// Dropping it removes the timer.
    pub fn sleep(&self, duration: Duration) -> Sleep {
        let at = self.now().checked_add(duration);
        Sleep::on(self.clone(), at)
    }

    /// Waits until `at` on this runtime's clock; a moment that has come gives way once.
    ///
    /// # Panics
    ///
    /// As [`sleep`](Runtime::sleep).
    ///
    /// # Cancel safety
    ///
    /// Dropping it removes the timer.
    pub fn sleep_until(&self, at: Instant) -> Sleep {
        Sleep::on(self.clone(), Some(at))
    }
}

impl Drop for Runtime {
    #[inline]
    fn drop(&mut self) {
        let none = ManuallyDrop::new(Kind::Neutral(Chosen::ByDefault));
        match ManuallyDrop::into_inner(std::mem::replace(&mut self.0, none)) {
            #[cfg(feature = "tokio")]
            Kind::Tokio(handle) => handle.put_back(),
            #[cfg(feature = "smol")]
            Kind::Smol => {}
            Kind::Neutral(_) => {}
            Kind::Custom(backend) => release(backend),
        }
    }
}

#[inline(never)]
fn release(backend: Arc<clock::Clocked>) {
    drop(backend);
}

// A panic leaves no half-done change in a handle; what a `Backend` keeps is behind its own locks.
impl std::panic::UnwindSafe for Runtime {}
impl std::panic::RefUnwindSafe for Runtime {}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Runtime").field(&self.name()).finish()
    }
}

/// Something had to outlive its caller, and there is no runtime to spawn it on.
///
/// The message says what to enable or enter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoRuntime(Why);

/// So that nobody is advised to do what was done already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    NoFeature,
    /// The same, on a thread that is tokio's by its name.
    NoFeatureOnTokio,
    NoContext,
    OnPurpose,
}

impl NoRuntime {
    fn here(chosen: Chosen) -> Self {
        NoRuntime(if !cfg!(any(feature = "tokio", feature = "smol")) {
            if notice::looks_like_tokio() {
                Why::NoFeatureOnTokio
            } else {
                Why::NoFeature
            }
        } else if chosen == Chosen::OnPurpose {
            Why::OnPurpose
        } else {
            Why::NoContext
        })
    }
}

impl fmt::Display for NoRuntime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no async runtime to spawn on: ")?;
        f.write_str(match self.0 {
            Why::NoFeature => {
                "regatta is built without the features `tokio` and `smol`; the application enables one of them, \
                 or brings its own executor: `Runtime::custom`"
            }
            Why::NoFeatureOnTokio => {
                "this is a thread of tokio's, but regatta is built without its feature `tokio`; the application enables it"
            }
            Why::NoContext => {
                "this thread is in no tokio context; call this inside `regatta::run` or a tokio task, \
                 or hand in a runtime: `Runtime::tokio(handle)` with `enter` or `within`"
            }
            Why::OnPurpose => {
                "the neutral runtime was chosen here (`Flavor::Neutral`, or `Runtime::neutral()` with `enter`, `within` or `.runtime(..)`), \
                 and it cannot spawn; choose another one"
            }
        })
    }
}

impl std::error::Error for NoRuntime {}
