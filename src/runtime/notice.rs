//! What a program should hear once, and a library must not print.

use std::fmt;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, PoisonError};

/// Something about the features or runtimes of the running program that is probably not meant. See [`on_notice`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Notice {
    /// The features `tokio` and `smol` are both on, a thread that is in no tokio context asked for its runtime, and it
    /// got smol.
    SmolByDefault,
    /// A thread that carries the name of tokio's workers asked for its runtime. The feature `tokio` is off, so it got
    /// smol: what is spawned from here runs on smol's thread, where tokio's own timers and sockets panic.
    TokioThreadOnSmol,
    /// The same without either feature: nothing can be spawned, and task groups run their children in place, on one
    /// thread.
    TokioThreadOnNeutral,
}

impl Notice {
    const fn bit(self) -> u8 {
        match self {
            Notice::SmolByDefault => 1,
            Notice::TokioThreadOnSmol => 2,
            Notice::TokioThreadOnNeutral => 4,
        }
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Notice::SmolByDefault => {
                "regatta's features `tokio` and `smol` are both on and a thread was in no tokio context, so smol was chosen; \
                 to choose yourself: `run_on(Flavor::..)`, `Runtime::enter` or `.runtime(..)`"
            }
            Notice::TokioThreadOnSmol => {
                "regatta runs on smol although this is a thread of tokio's: its feature `tokio` is off; enable it"
            }
            Notice::TokioThreadOnNeutral => {
                "regatta spawns nothing and runs task groups in place although this is a thread of tokio's: its feature `tokio` is off; enable it"
            }
        })
    }
}

type Hook = fn(Notice);

/// Those that were given, as bits.
static GIVEN: AtomicU8 = AtomicU8::new(0);
static HOOK: Mutex<Option<Hook>> = Mutex::new(None);

/// Has `hook` told of every [`Notice`], once each in the life of the process; those that came before are told at once.
/// regatta itself prints nothing.
///
/// One hook for the process, for the application to set: the last one counts. It is called on the thread that the
/// notice is about, and must not panic.
///
/// # Examples
///
/// ```
/// regatta::runtime::on_notice(|notice| eprintln!("{notice}"));
/// ```
pub fn on_notice(hook: fn(Notice)) {
    *HOOK.lock().unwrap_or_else(PoisonError::into_inner) = Some(hook);
    for notice in notices() {
        hook(notice);
    }
}

/// The notices that there have been in this process, for a look without a hook.
///
/// # Examples
///
/// ```
/// regatta::testing::run(async || ());
/// assert!(regatta::runtime::notices().is_empty(), "virtual time is chosen on purpose");
/// ```
pub fn notices() -> Vec<Notice> {
    let given = GIVEN.load(Ordering::Relaxed);
    let all = [
        Notice::SmolByDefault,
        Notice::TokioThreadOnSmol,
        Notice::TokioThreadOnNeutral,
    ];
    all.into_iter()
        .filter(|notice| given & notice.bit() != 0)
        .collect()
}

/// Tells it, if that is the first time.
pub(super) fn give(notice: Notice) {
    if GIVEN.load(Ordering::Relaxed) & notice.bit() != 0
        || GIVEN.fetch_or(notice.bit(), Ordering::Relaxed) & notice.bit() != 0
    {
        return;
    }
    let hook = *HOOK.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(hook) = hook {
        hook(notice);
    }
}

/// Whether the running thread has the name that tokio gives its workers; a custom name, and the thread of a `block_on`,
/// do not show.
pub(super) fn looks_like_tokio() -> bool {
    thread_local!(static LOOKS: bool = std::thread::current().name().is_some_and(|name| {
        name.starts_with("tokio-rt-worker") || name.starts_with("tokio-runtime-w")
    }));
    LOOKS.try_with(|looks| *looks).unwrap_or(false)
}
