//! Who may enter, as a plain machine: how many run, and how late the executor was when it was last measured.
//!
//! At most one measures at a time. While one does, the lag is at least as long as it has been waiting for its turn.

use super::error::Shed;
use super::policy::Rules;
use crate::internal::gated::{Account, Books, Period};
use std::time::Duration;

/// Figures of a [`LoadShed`](super::LoadShed).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// How many run.
    pub in_flight: usize,
    /// How many were let in since it was made.
    pub entered: u64,
    /// How many were not.
    pub refused: u64,
    /// How long tasks wait for their turn, as far as it is known.
    pub lag: Duration,
}

#[derive(Debug)]
pub(super) struct Machine {
    rules: Rules,
    in_flight: usize,
    entered: u64,
    refused: u64,
    /// The last measure, and when it was made.
    measured: Option<(Duration, Duration)>,
    /// Since when one measures.
    measuring: Option<Duration>,
}

impl Books for Machine {
    fn take_over(&mut self, Account { running, left }: Account) {
        self.entered += left;
        self.entered += running as u64;
        self.entered -= self.in_flight as u64;
        self.in_flight = running;
    }

    fn opens(&self) -> Option<(usize, Period)> {
        let untimed = self.rules.max_lag.is_none();
        untimed.then(|| (self.in_flight, Period::default()))
    }
}

impl Machine {
    pub(super) fn new(rules: Rules) -> Self {
        Machine {
            rules,
            in_flight: 0,
            entered: 0,
            refused: 0,
            measured: None,
            measuring: None,
        }
    }

    fn lag(&self, now: Duration) -> Duration {
        let known = match self.measured {
            Some((lag, at)) if now.saturating_sub(at) <= self.rules.every.saturating_mul(2) => lag,
            _ => Duration::ZERO,
        };
        let so_far = self.measuring.map(|since| now.saturating_sub(since));
        known.max(so_far.unwrap_or_default())
    }

    /// Whether it is time to measure; then who asks does.
    pub(super) fn begin_measure(&mut self, now: Duration) -> bool {
        let due = match self.measured {
            Some((_, at)) => now.saturating_sub(at) >= self.rules.every,
            None => true,
        };
        let begins = due && self.measuring.is_none() && self.rules.max_lag.is_some();
        if begins {
            self.measuring = Some(now);
        }
        begins
    }

    /// So much time has passed elsewhere, which does not count for the measure that goes on.
    pub(super) fn put_off(&mut self, by: Duration) {
        if let Some(since) = &mut self.measuring {
            *since += by;
        }
    }

    /// `None`: who measured was dropped, and does not know.
    pub(super) fn end_measure(&mut self, now: Option<Duration>) {
        if let (Some(since), Some(now)) = (self.measuring.take(), now) {
            self.measured = Some((now.saturating_sub(since), now));
        }
    }

    pub(super) fn enter(&mut self, now: Duration) -> Result<(), Shed> {
        let refused = match self.rules {
            Rules {
                max_in_flight: Some(limit),
                ..
            } if self.in_flight >= limit => Some(Shed::InFlight { limit }),
            Rules {
                max_lag: Some(limit),
                ..
            } if self.lag(now) > limit => Some(Shed::Late {
                lag: self.lag(now),
                limit,
            }),
            _ => None,
        };
        if let Some(shed) = refused {
            self.refused += 1;
            return Err(shed);
        }
        self.in_flight += 1;
        self.entered += 1;
        Ok(())
    }

    pub(super) fn check_age(&mut self, age: Duration) -> Result<(), Shed> {
        match self.rules.max_age {
            Some(limit) if age > limit => {
                self.refused += 1;
                Err(Shed::Old { age, limit })
            }
            _ => Ok(()),
        }
    }

    pub(super) fn leave(&mut self) {
        self.in_flight -= 1;
    }

    pub(super) fn stats(&self, now: Duration) -> Stats {
        Stats {
            in_flight: self.in_flight,
            entered: self.entered,
            refused: self.refused,
            lag: self.lag(now),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn rules() -> Rules {
        Rules {
            max_in_flight: None,
            max_lag: Some(20 * MS),
            max_age: None,
            every: 100 * MS,
        }
    }

    #[test]
    fn one_measures_at_a_time_and_as_often_as_asked_for() {
        let mut machine = Machine::new(rules());
        assert!(machine.begin_measure(5 * MS));
        assert!(!machine.begin_measure(6 * MS));
        machine.end_measure(Some(7 * MS));
        assert_eq!(machine.lag(7 * MS), 2 * MS);
        assert!(!machine.begin_measure(106 * MS));
        assert!(machine.begin_measure(107 * MS));
        // Dropped: another may measure at once.
        machine.end_measure(None);
        assert!(machine.begin_measure(107 * MS));
    }

    #[test]
    fn it_refuses_while_it_is_late_and_forgets_that_in_time() {
        let mut machine = Machine::new(rules());
        assert!(machine.begin_measure(MS) && machine.enter(21 * MS).is_ok());
        let late = machine
            .enter(22 * MS)
            .expect_err("who measures still waits");
        let limit = 20 * MS;
        assert_eq!(
            late,
            Shed::Late {
                lag: 21 * MS,
                limit
            }
        );
        machine.end_measure(Some(51 * MS));
        assert!(machine.enter(52 * MS).is_err() && machine.enter(251 * MS).is_err());
        assert!(machine.enter(252 * MS).is_ok(), "it is not known any more");
        assert!(machine.begin_measure(252 * MS));
        machine.end_measure(Some(252 * MS));
        assert!(machine.enter(252 * MS).is_ok());
        assert_eq!(machine.stats(252 * MS).refused, 3);
    }

    /// Random moments against a list of all measures there were.
    #[test]
    fn the_lag_is_that_of_the_last_measure_or_of_the_one_that_goes_on() {
        let mut rng = fastrand::Rng::with_seed(8);
        let (mut machine, mut now) = (Machine::new(rules()), Duration::ZERO);
        let (mut all, mut open) = (Vec::<(Duration, Duration)>::new(), None);
        for _ in 0..20_000 {
            now += rng.u32(0..60) * MS;
            match open {
                None => {
                    let due = all.last().is_none_or(|(_, end)| now - *end >= 100 * MS);
                    assert_eq!(machine.begin_measure(now), due);
                    open = due.then_some(now);
                }
                Some(began) if rng.bool() => {
                    machine.end_measure(Some(now));
                    all.push((began, now));
                    open = None;
                }
                Some(_) => {}
            }
            let fresh = all.iter().rfind(|(_, end)| now - *end <= 200 * MS);
            let known = fresh.map(|(began, end)| *end - *began).unwrap_or_default();
            let lag = known.max(open.map(|began| now - began).unwrap_or_default());
            assert_eq!(machine.enter(now).is_err(), lag > 20 * MS);
        }
    }

    #[test]
    fn a_clock_that_goes_back_is_not_late() {
        let mut machine = Machine::new(rules());
        assert!(machine.begin_measure(100 * MS));
        machine.end_measure(Some(50 * MS));
        assert!(machine.enter(10 * MS).is_ok() && !machine.begin_measure(10 * MS));
    }
}
