//! The time of one object, over all the clocks that it meets.
//!
//! A limiter in a `static` is used by a simulation, then by another, then by tokio. Each has a clock of its own, and
//! their moments cannot be compared. So the object keeps moments of a *timeline* of its own, which goes on from where
//! it was last seen when a new clock comes: what was left of a window or of a sleep is still left. Rules:
//!
//! * The timeline never goes back, and never stands still for long: whatever passes on a clock between two uses is
//!   passed on the timeline, or more.
//! * Clocks that are used in turns (a simulation on one thread, tokio on another) do not add up: the faster one leads,
//!   and the other goes on from where it has led to.
//! * A simulation counts from its beginning, also when the object is used there later: a breaker that a test before
//!   left open has slept an hour when the next test has slept an hour.
//! * The clock seen first has the distance zero, so an object that knows one clock computes nothing.
//! * A clock that has gone back (tokio's, paused in one runtime and real in the next) is taken for a new one.
//!
//! Behind the owner's lock. So many clocks are remembered; one that was forgotten is new when it comes again.

use super::caught::quietly;
use crate::runtime::Instant;
use crate::runtime::{ClockId, Runtime};
use std::time::Duration;

/// What a clock says.
pub(crate) type Reading = (ClockId, Instant);

/// Clocks that are remembered, the last used first.
const CLOCKS: usize = 64;

/// Who reads a clock before it has the lock may come later than others who read it afterwards, by as much as a busy
/// machine keeps a thread waiting.
const TOLERANCE: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, Debug)]
struct Known {
    clock: ClockId,
    /// Of the clock, the last time it was used here.
    seen: Instant,
    /// Of the timeline, at the same moment.
    stood: Instant,
}

/// See the [module](self).
#[derive(Debug, Default)]
pub(crate) struct Timeline {
    /// The clock that was used last: no allocation where there is one.
    first: Option<Known>,
    others: Vec<Known>,
    last: Option<Instant>,
}

impl Timeline {
    pub(crate) const fn new() -> Self {
        Timeline {
            first: None,
            others: Vec::new(),
            last: None,
        }
    }

    fn known(&self, clock: ClockId) -> Option<&Known> {
        let mut all = self.first.iter().chain(&self.others);
        all.find(|known| known.clock == clock)
    }

    /// Now on the timeline, where `clock` says `at`.
    pub(crate) fn now(&mut self, clock: ClockId, at: Instant) -> Instant {
        let (mut seen, mut moment) = (at, self.last);
        if let Some(known) = self.known(clock) {
            if at >= known.seen {
                moment = known.stood.checked_add(at - known.seen);
            } else if known.seen - at <= TOLERANCE {
                (seen, moment) = (known.seen, Some(known.stood));
            }
        } else if let (Some(last), Some(began)) = (self.last, clock.began()) {
            moment = last.checked_add(at.saturating_duration_since(began));
        }
        let now = moment.unwrap_or(at);
        let now = self.last.map_or(now, |last| last.max(now));
        self.last = Some(now);
        self.put_first(Known {
            clock,
            seen,
            stood: now,
        });
        now
    }

    /// The last moment that was told.
    pub(crate) fn last(&self) -> Option<Instant> {
        self.last
    }

    fn put_first(&mut self, known: Known) {
        match self.first.replace(known) {
            Some(old) if old.clock != known.clock => {
                self.others.retain(|other| other.clock != known.clock);
                self.others.truncate(CLOCKS - 2);
                self.others.insert(0, old);
            }
            _ => {}
        }
    }

    /// When the clock will say what is `moment` on the timeline: for timers. `None`: beyond what it can name. The clock
    /// must have been [used](Timeline::now) before.
    pub(crate) fn on_clock(&self, clock: ClockId, moment: Instant) -> Option<Instant> {
        let known = self.known(clock)?;
        if moment >= known.stood {
            known.seen.checked_add(moment - known.stood)
        } else {
            let ago = known.seen.checked_sub(known.stood - moment);
            ago.or(Some(known.seen))
        }
    }

    /// [`now`](Timeline::now), by the clock of `runtime`, which is read here: not to be called under a lock, for the
    /// clock may be a user's.
    pub(crate) fn read(runtime: &Runtime) -> Reading {
        (runtime.clock(), runtime.now())
    }
}

/// How many nanoseconds have passed on a [`Timeline`].
#[derive(Debug)]
pub(crate) struct Passed {
    line: Timeline,
    start: Instant,
}

impl Passed {
    /// Counts from here.
    pub(crate) fn since((clock, at): Reading) -> Self {
        let mut line = Timeline::new();
        let start = line.now(clock, at);
        Passed { line, start }
    }

    pub(crate) fn now(&mut self, (clock, at): Reading) -> u64 {
        nanos(
            self.line
                .now(clock, at)
                .saturating_duration_since(self.start),
        )
    }

    /// [`now`](Passed::now), for those to whom the clock [broke](TimeSource::read_quietly): as when it was last asked.
    pub(crate) fn now_or_last(&mut self, reading: Option<Reading>) -> u64 {
        match (reading, self.line.last) {
            (Some(reading), _) => self.now(reading),
            (None, Some(last)) => nanos(last.saturating_duration_since(self.start)),
            (None, None) => 0,
        }
    }

    /// When the clock, which has been used, will say that so much has passed. `None`: further away than it can name.
    pub(crate) fn on_clock(&self, clock: ClockId, passed: u64) -> Option<Instant> {
        let moment = self.start.checked_add(Duration::from_nanos(passed))?;
        self.line.on_clock(clock, moment)
    }

    /// What the clock said when it was last used, and how much had passed then.
    pub(crate) fn seen(&self, clock: ClockId) -> Option<(Instant, u64)> {
        let known = self.line.known(clock)?;
        let passed = known.stood.saturating_duration_since(self.start);
        Some((known.seen, nanos(passed)))
    }
}

fn nanos(passed: Duration) -> u64 {
    u64::try_from(passed.as_nanos()).unwrap_or(u64::MAX)
}

/// Whose clock and timers an object uses: those of the runtime that it was given, or else of whichever is current at
/// use.
#[derive(Clone, Debug)]
pub(crate) struct TimeSource(Option<Runtime>);

impl TimeSource {
    pub(crate) fn new(given: Option<Runtime>) -> Self {
        TimeSource(given)
    }

    /// Not under a lock: the clock may be a user's.
    #[inline]
    pub(crate) fn read(&self) -> Reading {
        match &self.0 {
            None => Runtime::clock_here(),
            Some(runtime) => Timeline::read(runtime),
        }
    }

    /// [`read`](TimeSource::read), in destructors: `None` if that panics.
    pub(crate) fn read_quietly(&self) -> Option<Reading> {
        quietly(|| self.read())
    }

    /// The one that it was given.
    #[inline]
    pub(crate) fn given(&self) -> Option<&Runtime> {
        self.0.as_ref()
    }

    /// For timers, and to be read at use: not to be kept.
    pub(crate) fn runtime(&self) -> Runtime {
        self.0.clone().unwrap_or_else(Runtime::current)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::{Backend, BoxFuture, BoxWork};

    const SECOND: Duration = Duration::from_secs(1);

    /// Whose clock it is, is all that matters.
    struct Foreign;

    impl Backend for Foreign {
        fn spawn(&self, task: BoxFuture<'static, ()>) {
            drop(task);
        }
        fn spawn_blocking(&self, work: BoxWork) {
            drop(work);
        }
        fn sleep_until(&self, at: Instant) -> BoxFuture<'static, ()> {
            Box::pin(Runtime::neutral().sleep_until(at))
        }
        fn now(&self) -> Instant {
            Runtime::neutral().now()
        }
    }

    fn clocks() -> (ClockId, ClockId, Instant) {
        let foreign = Runtime::custom(Foreign).clock();
        (ClockId::REAL, foreign, Runtime::neutral().now())
    }

    #[test]
    fn a_simulation_counts_from_its_beginning() {
        let mut line = Timeline::new();
        let (first, at) = crate::testing::run(async || Timeline::read(&Runtime::current()));
        line.now(first, at + 10 * SECOND);
        let (second, at) = crate::testing::run(async || Timeline::read(&Runtime::current()));
        assert_eq!(line.now(second, at + 3_600 * SECOND), at + 3_610 * SECOND);
        assert_eq!(
            line.on_clock(second, at + 3_611 * SECOND),
            Some(at + 3_601 * SECOND)
        );
    }

    #[test]
    fn with_one_clock_it_is_that_clock() {
        let (real, _, start) = clocks();
        let mut line = Timeline::new();
        for n in [0, 1, 5] {
            let at = start + n * SECOND;
            assert_eq!(line.now(real, at), at);
            assert_eq!(line.on_clock(real, at + SECOND), Some(at + SECOND));
        }
    }

    #[test]
    fn a_new_clock_goes_on_where_the_old_one_was_left() {
        let (real, other, start) = clocks();
        let mut line = Timeline::new();
        line.now(real, start + 10 * SECOND);
        // Its own beginning lies a thousand seconds off.
        let far = start + 1_000 * SECOND;
        assert_eq!(line.now(other, far), start + 10 * SECOND);
        assert_eq!(line.now(other, far + SECOND), start + 11 * SECOND);
        let later = start + 15 * SECOND;
        assert_eq!(line.on_clock(other, later), Some(far + 5 * SECOND));
    }

    #[test]
    fn of_clocks_in_turns_the_faster_leads_and_the_other_goes_on_from_there() {
        let (real, other, start) = clocks();
        let mut line = Timeline::new();
        line.now(real, start);
        line.now(other, start);
        assert_eq!(
            line.now(other, start + 3_600 * SECOND),
            start + 3_600 * SECOND
        );
        // The slower one takes nothing back, and does not stand still.
        let far = start + 3_600 * SECOND;
        assert_eq!(line.now(real, start + SECOND), far);
        let later = line.on_clock(real, far + SECOND);
        assert_eq!(later, Some(start + 2 * SECOND));
        assert_eq!(line.now(real, start + 2 * SECOND), far + SECOND);
    }

    #[test]
    fn clocks_in_turns_do_not_add_up() {
        let (real, other, start) = clocks();
        let mut line = Timeline::new();
        for n in 0..1_000 {
            line.now(real, start + n * SECOND);
            line.now(other, start + n * SECOND);
        }
        let now = line.now(real, start + 1_000 * SECOND);
        assert_eq!(now, start + 1_000 * SECOND);
    }

    #[test]
    fn who_comes_late_with_its_reading_moves_nothing() {
        let (real, _, start) = clocks();
        let mut line = Timeline::new();
        for late in [100, 900] {
            line.now(real, start + SECOND);
            let read = start + SECOND - Duration::from_millis(late);
            assert_eq!(line.now(real, read), start + SECOND);
        }
        assert_eq!(line.now(real, start + 2 * SECOND), start + 2 * SECOND);
    }

    #[test]
    fn a_clock_that_went_back_is_a_new_one() {
        let (real, _, start) = clocks();
        let mut line = Timeline::new();
        line.now(real, start + 3_600 * SECOND);
        assert_eq!(line.now(real, start), start + 3_600 * SECOND);
        assert_eq!(line.now(real, start + SECOND), start + 3_601 * SECOND);
    }
}
