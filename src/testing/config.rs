//! How a simulation runs: plain data.

use std::time::Duration;

/// How the next task is chosen among those that can run.
///
/// # Examples
///
/// ```
/// use regatta::testing::{self, Config, Policy};
///
/// let report = testing::run_with(Config::new(7).policy(Policy::Fifo), async || "done");
/// assert_eq!(report.unwrap(), "done");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Policy {
    /// Woken first, runs first: what a fair single-threaded executor does.
    Fifo,
    /// Woken last, runs first; a task that woke itself gives way to the others.
    Lifo,
    /// Any of them, drawn from the seed.
    Random,
    /// Probabilistic concurrency testing: tasks have random priorities, and the running one is demoted at `changes` random
    /// steps below `horizon`. Finds bugs that need few, but particular, switches.
    Pct {
        /// How many demotions.
        changes: u32,
        /// How many steps the program has, roughly.
        horizon: u32,
    },
    /// These choices (an index into the runnable tasks, oldest first, wherever there are two or more), then always the oldest.
    Replay(Vec<u16>),
}

/// What a blocking closure does to a simulation.
///
/// # Examples
///
/// ```
/// use regatta::{Runtime, testing::{self, Blocking, Config}};
///
/// let threads = Config::new(0).blocking(Blocking::Thread);
/// let name = testing::run_with(threads, async || {
///     let work = || std::thread::current().name().map(str::to_owned);
///     Runtime::current().try_spawn_blocking(work).expect("it can spawn").await
/// });
/// assert_eq!(name.unwrap().expect("no panic").as_deref(), Some("regatta-blocking"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Blocking {
    /// The closure runs as one step of the simulation, after a virtual latency drawn between zero and this. Replays exactly.
    /// A closure that waits for another task never returns: only the watchdog ends it.
    Inline {
        /// The longest it waits for its turn.
        max_latency: Duration,
    },
    /// The closure runs on a real thread. Tasks run on meanwhile, and the clock stands still until the closure has ended (or nothing
    /// has happened for [`Config::foreign_grace`]). When it ends depends on the machine, so such a run need not replay.
    Thread,
}

/// How a simulation runs; give it to [`run_with`](super::run_with).
///
/// | setter | default |
/// |---|---|
/// | [`policy`](Config::policy) | [`Policy::Random`] |
/// | [`max_steps`](Config::max_steps) | 1,000,000 polls |
/// | [`max_time`](Config::max_time) | a virtual year |
/// | [`max_real_time`](Config::max_real_time) | 60 real seconds |
/// | [`fresh_wakers`](Config::fresh_wakers) | off |
/// | [`spurious`](Config::spurious) | never |
/// | [`blocking`](Config::blocking) | inline, up to 5 ms |
/// | [`forbid_leaks`](Config::forbid_leaks) | off |
/// | [`foreign_grace`](Config::foreign_grace) | none |
///
/// # Examples
///
/// ```
/// use regatta::testing::{self, Config};
/// use std::time::Duration;
///
/// let config = Config::new(42).max_time(Duration::from_secs(5)).forbid_leaks(true);
/// let report = testing::run_with(config, async || 1 + 1);
/// assert_eq!((report.seed, report.unwrap()), (42, 2));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a configuration does nothing by itself"]
pub struct Config {
    pub(super) seed: u64,
    pub(super) policy: Policy,
    pub(super) max_steps: u64,
    pub(super) max_time: Duration,
    pub(super) max_real_time: Duration,
    pub(super) fresh_wakers: bool,
    pub(super) spurious: u8,
    pub(super) blocking: Blocking,
    pub(super) forbid_leaks: bool,
    pub(super) foreign_grace: Duration,
    /// Keep a list of who ran when.
    pub(super) log: bool,
}

impl Config {
    /// The defaults, with every random choice drawn from `seed`.
    pub const fn new(seed: u64) -> Self {
        Config {
            seed,
            policy: Policy::Random,
            max_steps: 1_000_000,
            max_time: Duration::from_secs(86_400 * 365),
            max_real_time: Duration::from_secs(60),
            fresh_wakers: false,
            spurious: 0,
            blocking: Blocking::Inline {
                max_latency: Duration::from_millis(5),
            },
            forbid_leaks: false,
            foreign_grace: Duration::ZERO,
            log: false,
        }
    }

    /// Draws the policy, fresh wakers and spurious polls from the seed too: a swarm of seeds meets more kinds of trouble than any one
    /// setting. What [`check`](super::check) and [`explore`](super::explore) use.
    pub fn swarm(seed: u64) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed ^ 0x5EED_5A17);
        let policy = match rng.u8(0..10) {
            0 => Policy::Fifo,
            1 => Policy::Lifo,
            2..=4 => Policy::Pct {
                changes: rng.u32(1..4),
                horizon: 64,
            },
            _ => Policy::Random,
        };
        let fresh = rng.bool();
        let spurious = if rng.u8(0..4) == 0 { 24 } else { 0 };
        Config::new(seed)
            .policy(policy)
            .fresh_wakers(fresh)
            .spurious(spurious)
    }

    /// What every random choice is drawn from.
    pub const fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Who runs next.
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// After this many polls it is a [`Livelock`](super::Failure::Livelock).
    pub const fn max_steps(mut self, steps: u64) -> Self {
        self.max_steps = steps;
        self
    }

    /// When the virtual clock would pass this it is a [`Timeout`](super::Failure::Timeout).
    pub const fn max_time(mut self, time: Duration) -> Self {
        self.max_time = time;
        self
    }

    /// The same for *real* time; [`Duration::MAX`] switches it off.
    ///
    /// A run that takes longer fails with a [`Timeout`](super::Failure::Timeout) between two polls. Nothing can end a poll that
    /// never returns, so for that a watchdog thread says which task it is, where it was spawned, and the seed, and **aborts the process**.
    pub const fn max_real_time(mut self, time: Duration) -> Self {
        self.max_real_time = time;
        self
    }

    /// Every poll gets a new waker and wakes through older ones are ignored, as a future that moves between tasks sees it.
    /// Finds futures that keep only their first waker.
    pub const fn fresh_wakers(mut self, on: bool) -> Self {
        self.fresh_wakers = on;
        self
    }

    /// How often, of 256 steps, a task that nobody woke is made runnable as well.
    pub const fn spurious(mut self, of_256: u8) -> Self {
        self.spurious = of_256;
        self
    }

    /// What a blocking closure does.
    pub const fn blocking(mut self, blocking: Blocking) -> Self {
        self.blocking = blocking;
        self
    }

    /// Whether tasks, wakers or timers that outlive the root are a failure
    /// ([`Leaked`](super::Failure::Leaked), [`LeakedWakers`](super::Failure::LeakedWakers)).
    pub const fn forbid_leaks(mut self, on: bool) -> Self {
        self.forbid_leaks = on;
        self
    }

    /// Real time to wait for another thread, before an idle simulation counts as deadlocked, or the clock moves although a blocking closure still runs.
    pub const fn foreign_grace(mut self, time: Duration) -> Self {
        self.foreign_grace = time;
        self
    }
}
