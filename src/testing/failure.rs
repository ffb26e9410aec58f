//! How a simulation ends badly, and how that reads.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

/// A point in a simulation.
///
/// # Examples
///
/// ```
/// use regatta::testing::{self, Config, Failure};
///
/// let report = testing::run_with(Config::new(0), async || std::future::pending::<()>().await);
/// if let Err(Failure::Deadlock { at, .. }) = report.value {
///     assert_eq!(at.to_string(), "virtual time 0ns, step 1");
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Moment {
    /// Virtual time since the start.
    pub time: Duration,
    /// How many polls there had been.
    pub step: u64,
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "virtual time {:?}, step {}", self.time, self.step)
    }
}

/// A task, as a report shows it.
///
/// # Examples
///
/// ```
/// use regatta::testing::{self, Config, Failure};
///
/// let report = testing::run_with(Config::new(0), async || std::future::pending::<()>().await);
/// if let Err(Failure::Deadlock { pending, .. }) = report.value {
///     assert_eq!((&*pending[0].name, pending[0].polls), ("root", 1));
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TaskInfo {
    /// The name its author gave it, or `task #3`.
    pub name: Arc<str>,
    /// The line that spawned it; for the root, the line that started the simulation.
    pub at: &'static Location<'static>,
    /// How often it was polled.
    pub polls: u64,
    /// What it said it waits on, with [`label`](super::label) or through one of regatta's own primitives.
    pub waiting_on: Option<&'static str>,
    /// How many wakes went to a waker from an earlier poll and were lost ([`Config::fresh_wakers`](super::Config::fresh_wakers)).
    pub stale_wakes: u64,
}

impl fmt::Display for TaskInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (file, line) = (self.at.file(), self.at.line());
        let times = if self.polls == 1 { "poll" } else { "polls" };
        write!(
            f,
            "`{}` spawned at {file}:{line} ({} {times})",
            self.name, self.polls
        )?;
        if let Some(what) = self.waiting_on {
            write!(f, ", waiting on {what}")?;
        }
        if self.stale_wakes > 0 {
            let n = self.stale_wakes;
            write!(f, ", woken {n} times through a waker from an earlier poll")?;
        }
        Ok(())
    }
}

/// Why a simulation failed. Its text names the tasks, where they were spawned and what they wait on.
///
/// # Examples
///
/// ```
/// use regatta::testing::{self, Config, Failure};
///
/// let report = testing::run_with(Config::new(0), async || {
///     testing::label("a reply that nobody sends");
///     std::future::pending::<()>().await
/// });
/// let failure = report.value.unwrap_err();
/// assert!(matches!(failure, Failure::Deadlock { .. }));
/// assert!(failure.to_string().contains("waiting on a reply that nobody sends"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Failure {
    /// Nothing can run, no timer is set, and the root has not returned.
    #[non_exhaustive]
    Deadlock {
        /// When.
        at: Moment,
        /// Every task that is left.
        pending: Vec<TaskInfo>,
    },
    /// More polls than [`Config::max_steps`](super::Config::max_steps).
    #[non_exhaustive]
    Livelock {
        /// When.
        at: Moment,
        /// The tasks that were polled most.
        busiest: Vec<TaskInfo>,
    },
    /// Past [`Config::max_time`](super::Config::max_time) or [`Config::max_real_time`](super::Config::max_real_time).
    #[non_exhaustive]
    Timeout {
        /// When.
        at: Moment,
        /// The limit that was passed, when it was the one of real time.
        real: Option<Duration>,
        /// Every task that is left.
        pending: Vec<TaskInfo>,
    },
    /// The root panicked, or a task whose panic reached no handle.
    #[non_exhaustive]
    Panic {
        /// When.
        at: Moment,
        /// Who.
        task: TaskInfo,
        /// What it said.
        message: String,
    },
    /// The root returned and left tasks behind ([`Config::forbid_leaks`](super::Config::forbid_leaks)).
    #[non_exhaustive]
    Leaked {
        /// When.
        at: Moment,
        /// The tasks.
        tasks: Vec<TaskInfo>,
    },
    /// Something outlived every task and still holds a waker or a timer of the simulation: a reference cycle, or a
    /// `forget` ([`Config::forbid_leaks`](super::Config::forbid_leaks)).
    #[non_exhaustive]
    LeakedWakers {
        /// How many.
        count: usize,
    },
    /// Another thread woke or spawned a task while no blocking closure was running: something here waits on the world outside.
    #[non_exhaustive]
    ForeignWake {
        /// When.
        at: Moment,
        /// The task that was woken or spawned.
        task: TaskInfo,
        /// The thread that did it.
        thread: String,
    },
}

fn list(f: &mut fmt::Formatter<'_>, tasks: &[TaskInfo]) -> fmt::Result {
    tasks.iter().try_for_each(|t| write!(f, "\n  {t}"))
}

fn count(tasks: &[TaskInfo]) -> String {
    match tasks.len() {
        1 => "1 task".into(),
        n => format!("{n} tasks"),
    }
}

/// All that waits in regatta says on what. So a task that waits on nothing it could name may wait for the world
/// outside.
fn may_wait_outside(f: &mut fmt::Formatter<'_>, pending: &[TaskInfo]) -> fmt::Result {
    let mut silent = pending.iter().filter(|task| task.waiting_on.is_none());
    let Some(first) = silent.next() else {
        return Ok(());
    };
    write!(f, "\n`{}`", first.name)?;
    match silent.count() {
        0 => f.write_str(" waits")?,
        n => write!(f, " and {n} more wait")?,
    }
    f.write_str(
        " on nothing of regatta's. If that is a real timer (of tokio or async-io, say), a socket or a thread: virtual time does not see those. \
         Use `regatta::time` and streams in memory, a real runtime, or `Config::foreign_grace`",
    )
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Deadlock { at, pending } => {
                let n = count(pending);
                write!(
                    f,
                    "deadlock at {at}: nothing can run, no timer is set, {n} left:"
                )?;
                list(f, pending)?;
                may_wait_outside(f, pending)
            }
            Failure::Livelock { at, busiest } => {
                write!(f, "livelock: still busy at {at}; polled most:")?;
                list(f, busiest)
            }
            Failure::Timeout { at, real, pending } => {
                match real {
                    Some(limit) => {
                        write!(f, "still running after {limit:?} of real time, at {at}:")?
                    }
                    None => write!(f, "still running at {at}, the limit of virtual time:")?,
                }
                list(f, pending)
            }
            Failure::Panic { at, task, message } => {
                write!(f, "panic in task {task} at {at}: {message}")
            }
            Failure::Leaked { at, tasks } => {
                let n = count(tasks);
                write!(f, "the root returned at {at} and left {n} behind:")?;
                list(f, tasks)
            }
            Failure::LeakedWakers { count } => write!(
                f,
                "{count} waker(s) or timer(s) outlived every task: a reference cycle, or something was forgotten"
            ),
            Failure::ForeignWake { at, task, thread } => write!(
                f,
                "task {task} was woken or spawned by thread {thread} at {at}: it waits on something outside the simulation, \
                 such as a real timer, a thread or a socket"
            ),
        }
    }
}

impl std::error::Error for Failure {}

#[cfg(test)]
mod tests {
    use crate::Runtime;
    use crate::runtime::Site;
    use crate::testing::{Config, run_with};
    use std::panic::Location;

    #[test]
    fn a_named_task_is_shown_by_its_name() {
        let here = Location::caller();
        let report = run_with(Config::new(0), async || {
            let site = Site {
                name: Some("transfer".into()),
                at: here,
            };
            let spawned = Runtime::current().spawn_at(site, std::future::pending());
            spawned.expect("a simulation can spawn");
            std::future::pending::<()>().await
        });
        let text = report.value.expect_err("it is stuck").to_string();
        let line = format!("`transfer` spawned at {}:{}", here.file(), here.line());
        assert!(text.contains(&line), "{text}");
    }

    #[test]
    fn a_bare_panic_is_caught_at_its_poll() {
        let report = run_with(Config::new(0), async || {
            let site = Site {
                name: Some("bare".into()),
                at: Location::caller(),
            };
            let spawned = Runtime::current().spawn_at(site, async { panic!("no handle at all") });
            spawned.expect("a simulation can spawn");
            std::future::pending::<()>().await
        });
        let text = report.value.expect_err("it panicked").to_string();
        assert!(
            text.contains("`bare`") && text.contains("no handle at all"),
            "{text}"
        );
    }
}
