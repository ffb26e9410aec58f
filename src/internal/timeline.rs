//! The time of one object, over all the clocks that it meets.
//!
//! A limiter in a `static` is used by a simulation, then by another, then by tokio. Each has a clock of its own, and their moments cannot be compared. So the
//! object keeps moments of a *timeline* of its own, which goes on from where it was last seen when a new clock comes: what was left of a
//! window or of a sleep is still left. Rules:
//!
//! * The timeline never goes back.
//! * Each clock keeps its distance to the timeline from the first time it is seen, so two clocks that are used in turns (a simulation on one thread, tokio on another)
//!   take nothing from each other; the faster one leads.
//! * The clock seen first has the distance zero, so an object that knows one clock computes nothing.
//! * A clock that has gone back (tokio's, paused in one runtime and real in the next) is taken for a new one.
//!
//! Behind the owner's lock. A few clocks are remembered; one that was forgotten is new when it comes again.

use crate::runtime::{ClockId, Runtime};
use std::time::{Duration, Instant};

/// Clocks that are remembered, the last used first.
const CLOCKS: usize = 8;

/// A real clock read on two cores may differ by that much.
const TOLERANCE: Duration = Duration::from_millis(50);

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
    known: Vec<Known>,
    last: Option<Instant>,
}

impl Timeline {
    pub(crate) const fn new() -> Self {
        Timeline {
            known: Vec::new(),
            last: None,
        }
    }

    /// Now on the timeline, where the clock of `runtime` says `at`.
    pub(crate) fn now(&mut self, clock: ClockId, at: Instant) -> Instant {
        let here = self.known.iter().position(|known| known.clock == clock);
        let moment = match here.map(|i| self.known[i]) {
            Some(known) if at >= known.seen => known.stood.checked_add(at - known.seen),
            // The same moment, read on another core.
            Some(known) if known.seen - at <= TOLERANCE => Some(known.stood),
            _ => self.last,
        };
        let moment = moment.unwrap_or(at);
        let known = Known {
            clock,
            seen: at,
            stood: moment,
        };
        match here {
            Some(0) => self.known[0] = known,
            Some(i) => {
                self.known.remove(i);
                self.known.insert(0, known);
            }
            None => {
                self.known.truncate(CLOCKS - 1);
                self.known.insert(0, known);
            }
        }
        let now = self.last.map_or(moment, |last| last.max(moment));
        self.last = Some(now);
        now
    }

    /// When the clock of `runtime` will say what is `moment` on the timeline: for timers. `None`: beyond what it can name. The clock must have been
    /// [used](Timeline::now) before; otherwise it is taken to stand at the last moment seen.
    pub(crate) fn on_clock(&self, clock: ClockId, moment: Instant) -> Option<Instant> {
        let known = self.known.iter().find(|known| known.clock == clock)?;
        if moment >= known.stood {
            known.seen.checked_add(moment - known.stood)
        } else {
            known
                .seen
                .checked_sub(known.stood - moment)
                .or(Some(known.seen))
        }
    }

    /// [`now`](Timeline::now), by the clock of `runtime`, which is read here: not to be called under a lock, for the clock may be a user's.
    pub(crate) fn read(runtime: &Runtime) -> (ClockId, Instant) {
        (runtime.clock(), runtime.now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn clocks() -> (ClockId, ClockId, Instant) {
        let virtual_clock = crate::testing::run(async || Runtime::current().clock());
        (ClockId::REAL, virtual_clock, Runtime::neutral().now())
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
    fn clocks_in_turns_keep_their_distances_and_the_faster_leads() {
        let (real, other, start) = clocks();
        let mut line = Timeline::new();
        line.now(real, start);
        line.now(other, start);
        assert_eq!(
            line.now(other, start + 3_600 * SECOND),
            start + 3_600 * SECOND
        );
        // The slower one takes nothing back, and counts on by itself.
        assert_eq!(line.now(real, start + SECOND), start + 3_600 * SECOND);
        assert_eq!(
            line.on_clock(real, start + 2 * SECOND),
            Some(start + 2 * SECOND)
        );
        assert_eq!(
            line.now(real, start + 3_601 * SECOND),
            start + 3_601 * SECOND
        );
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
