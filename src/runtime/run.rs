//! From a plain thread into async code.

use super::current::{Role, entered, role};
#[cfg(feature = "smol")]
use super::home::Home;
use super::{Kind, Runtime, neutral};
use std::fmt;
use std::future::Future;
use std::str::FromStr;
use std::time::Duration;

/// Which runtime [`run_on`] starts.
///
/// All variants exist whatever features are on, so that command lines can name them; ask
/// [`is_available`](Flavor::is_available) or parse from text, which refuses what is not compiled in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Flavor {
    /// tokio with a worker thread per core. Feature `tokio`.
    Tokio,
    /// tokio on the calling thread. Feature `tokio`.
    TokioCurrent,
    /// smol's global executor (`SMOL_THREADS` sets its threads, default 1). Feature `smol`.
    Smol,
    /// No runtime: timers work, groups run their children in place, nothing can be spawned.
    Neutral,
}

impl Flavor {
    /// Every flavor, in the order [`run`] prefers them.
    pub const ALL: [Flavor; 4] = [
        Flavor::Tokio,
        Flavor::TokioCurrent,
        Flavor::Smol,
        Flavor::Neutral,
    ];

    /// Whether the feature this flavor needs is on.
    pub const fn is_available(self) -> bool {
        match self {
            Flavor::Tokio | Flavor::TokioCurrent => cfg!(feature = "tokio"),
            Flavor::Smol => cfg!(feature = "smol"),
            Flavor::Neutral => true,
        }
    }

    /// The name it is parsed from.
    pub const fn name(self) -> &'static str {
        match self {
            Flavor::Tokio => "tokio",
            Flavor::TokioCurrent => "tokio-current",
            Flavor::Smol => "smol",
            Flavor::Neutral => "neutral",
        }
    }

    const fn feature(self) -> &'static str {
        match self {
            Flavor::Smol => "smol",
            _ => "tokio",
        }
    }
}

impl fmt::Display for Flavor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A runtime name that cannot be used; says which ones can.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownFlavor {
    given: String,
    missing_feature: Option<&'static str>,
}

impl fmt::Display for UnknownFlavor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.missing_feature {
            Some(feature) => write!(
                f,
                "runtime `{}` is not compiled in: enable regatta's feature `{feature}`",
                self.given
            ),
            None => {
                write!(f, "unknown runtime `{}`: use one of", self.given)?;
                for flavor in Flavor::ALL.into_iter().filter(|f| f.is_available()) {
                    write!(f, " `{flavor}`")?;
                }
                Ok(())
            }
        }
    }
}

impl std::error::Error for UnknownFlavor {}

impl FromStr for Flavor {
    type Err = UnknownFlavor;

    /// Parses a name that can be run right now.
    fn from_str(s: &str) -> Result<Self, UnknownFlavor> {
        match Flavor::ALL.into_iter().find(|f| f.name() == s) {
            Some(f) if f.is_available() => Ok(f),
            Some(f) => Err(UnknownFlavor {
                given: s.into(),
                missing_feature: Some(f.feature()),
            }),
            None => Err(UnknownFlavor {
                given: s.into(),
                missing_feature: None,
            }),
        }
    }
}

/// Explains itself instead of blocking an event loop on itself.
#[cold]
pub(super) fn refuse_nested(why: &str) -> ! {
    panic!(
        "regatta::run inside a running runtime ({why}): it would block the event loop that must drive it. \
         Inside async code `.await` the future instead; from blocking code use `Runtime::try_spawn_blocking`, whose closure may call `run`; \
         from a thread that only entered a tokio handle use `Handle::block_on`"
    );
}

impl TryFrom<&str> for Flavor {
    type Error = UnknownFlavor;

    fn try_from(name: &str) -> Result<Self, UnknownFlavor> {
        name.parse()
    }
}

/// Runs `future` to its end and blocks the calling thread meanwhile: the way from `main` into async code.
///
/// Uses the runtime that was [entered](super::Runtime::enter) on this thread; without one, starts tokio (multi-thread)
/// when that feature is on, otherwise smol, otherwise the neutral executor. [`run_on`] chooses by name. While it runs,
/// the program's plain threads find the same runtime as their [current](super::Runtime::current) one.
///
/// What is left over when `future` has ended: on tokio, tasks are dropped, and every blocking closure is waited for,
/// those that are still queued too. smol's executor is global: `run` returns at once, and tasks and closures run on. A
/// [task group](crate::task::task_group) leaves no task on either.
///
/// A custom runtime that was entered is not started by `run`, so its executor must live on another thread.
///
/// # Panics
///
/// * Inside a running runtime (nested use, whichever the two runtimes are), with a message that says what to do
///   instead. A thread that only entered a tokio handle counts as inside. The closures of
///   [`try_spawn_blocking`](super::Runtime::try_spawn_blocking) may block, so there it is allowed. A foreign `block_on`
///   that is not tokio's (`smol::block_on`, `futures::executor::block_on`) cannot be seen: inside it `run` runs, and
///   blocks that future meanwhile.
/// * When a custom runtime was entered that runs no task within ten seconds: its executor lives on the thread that
///   `run` blocks.
/// * When the system refuses threads.
///
/// # Examples
///
/// ```
/// let answer = regatta::run(async { 6 * 7 });
/// assert_eq!(answer, 42);
/// ```
pub fn run<F: Future>(future: F) -> F::Output {
    match entered() {
        Some(runtime) => {
            check_role();
            match *runtime.0 {
                #[cfg(feature = "tokio")]
                Kind::Tokio(ref handle) => handle.handle().block_on(runtime.within(future)),
                #[cfg(feature = "smol")]
                Kind::Smol => super::smol::run(future),
                Kind::Neutral(_) => neutral::run(future),
                Kind::Custom(_) => on_custom(&runtime, future),
            }
        }
        None => {
            let first = Flavor::ALL.into_iter().find(|f| f.is_available());
            run_on(first.unwrap_or(Flavor::Neutral), future)
        }
    }
}

/// How long a custom runtime may take until it runs its first task.
#[cfg(not(test))]
const FIRST_TASK: Duration = Duration::from_secs(10);
#[cfg(test)]
const FIRST_TASK: Duration = Duration::from_millis(20);

/// On a custom runtime whose executor lives elsewhere. One that lives on this thread would be waited for without end,
/// so a task is sent ahead, as a sign of life.
fn on_custom<F: Future>(runtime: &Runtime, future: F) -> F::Output {
    let alive = runtime.try_spawn(async {}).ok();
    let waited = neutral::park_until(
        runtime.within(future),
        || !alive.as_ref().is_some_and(|task| task.is_finished()),
        FIRST_TASK,
    );
    waited.unwrap_or_else(|| {
        panic!(
            "regatta::run: the custom runtime that was entered on this thread has not run a task for {FIRST_TASK:?}. \
             Its executor probably lives on this very thread, which `run` blocks: drive the executor itself and `.await` the future in a task of it, or run it on another thread"
        )
    })
}

/// [`run`] on a runtime of your choice: a [`Flavor`], or its name, for instance from a command line.
///
/// # Panics
///
/// As [`run`]; and when the feature that `flavor` needs is not on, or when there is no flavor of that name, with those
/// there are. Parse a name that a user typed first (`name.parse::<Flavor>()`), which gives the same message as an
/// error.
///
/// # Examples
///
/// ```
/// use regatta::runtime::{Flavor, run_on};
///
/// for flavor in Flavor::ALL.into_iter().filter(|f| f.is_available()) {
///     assert_eq!(run_on(flavor, async { 1 + 1 }), 2);
/// }
/// assert_eq!(run_on("neutral", async { regatta::Runtime::current().name() }), "neutral");
/// ```
pub fn run_on<F: Future>(
    flavor: impl TryInto<Flavor, Error: fmt::Display>,
    future: F,
) -> F::Output {
    match flavor.try_into() {
        Ok(flavor) => start(flavor, true, future),
        Err(unknown) => panic!("regatta::run_on: {unknown}"),
    }
}

/// Starts it; `known`: plain threads find it meanwhile.
#[cfg_attr(
    not(any(feature = "tokio", feature = "smol")),
    expect(unused_variables, reason = "there is nothing to find")
)]
pub(super) fn start<F: Future>(flavor: Flavor, known: bool, future: F) -> F::Output {
    check_role();
    match flavor {
        #[cfg(feature = "tokio")]
        Flavor::Tokio | Flavor::TokioCurrent => super::tokio::run(flavor, known, future),
        #[cfg(feature = "smol")]
        Flavor::Smol => {
            let _home = known.then(|| Home::of(Runtime::smol()));
            super::smol::run(future)
        }
        Flavor::Neutral => neutral::run(future),
        #[cfg(not(all(feature = "tokio", feature = "smol")))]
        missing => panic!(
            "regatta::run_on({missing}): enable regatta's feature `{}`",
            missing.feature()
        ),
    }
}

/// Blocking is for plain threads, and for those that were made for it.
/// Whether this thread drives a runtime right now, as far as regatta can tell; blocking it may block what it waits for. tokio's tasks do not show.
pub(crate) fn on_event_loop() -> bool {
    match role() {
        Role::Polling => true,
        Role::Blocking => false,
        #[cfg(feature = "smol")]
        Role::Plain => super::smol::on_executor_thread(),
        #[cfg(not(feature = "smol"))]
        Role::Plain => false,
    }
}

/// Whether this thread is in the context of a runtime that does not show its polls: inside a `block_on`, or a task, of
/// tokio's.
pub(crate) fn in_context() -> bool {
    #[cfg(feature = "tokio")]
    return super::tokio::in_context();
    #[cfg(not(feature = "tokio"))]
    false
}

/// Whether this thread was lent by a runtime for blocking work.
pub(crate) fn on_blocking_thread() -> bool {
    role() == Role::Blocking
}

/// Blocks this thread, which is no event loop, until `future` is ready. A worker of tokio's gives its tasks to another thread first.
pub(crate) fn wait_here<F: Future>(future: F) -> F::Output {
    let wait = || neutral::run(future);
    #[cfg(feature = "tokio")]
    return super::tokio::handing_over(wait);
    #[cfg(not(feature = "tokio"))]
    wait()
}

fn check_role() {
    match role() {
        Role::Polling => refuse_nested("called from inside a future that regatta polls"),
        // Such a thread is in tokio's context as well, and may block all the same.
        Role::Blocking => {}
        Role::Plain => {
            #[cfg(feature = "tokio")]
            if super::tokio::in_context() {
                refuse_nested("this thread is inside a tokio runtime");
            }
            #[cfg(feature = "smol")]
            if super::smol::on_executor_thread() {
                refuse_nested("this thread is one of smol's executor threads");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::Instant;
    use crate::runtime::{Backend, BoxFuture, BoxWork};
    use std::sync::Mutex;

    /// Its executor would run on the thread that made it, if that thread came round to it.
    struct Here(Mutex<Vec<BoxFuture<'static, ()>>>);

    impl Backend for Here {
        fn spawn(&self, task: BoxFuture<'static, ()>) {
            self.0.lock().expect("nobody panics under it").push(task);
        }
        fn spawn_blocking(&self, work: BoxWork) {
            std::thread::spawn(work);
        }
        fn sleep_until(&self, at: Instant) -> BoxFuture<'static, ()> {
            Box::pin(neutral::sleep_until(at))
        }
        fn now(&self) -> Instant {
            neutral::real_now()
        }
    }

    #[test]
    #[should_panic(expected = "Its executor probably lives on this very thread")]
    fn an_executor_on_the_thread_that_run_blocks_is_told_of() {
        let _entered = Runtime::custom(Here(Mutex::default())).enter();
        run(async {
            let task = Runtime::current()
                .try_spawn(async {})
                .expect("it takes tasks");
            task.await
        })
        .expect("it never ends");
    }
}
