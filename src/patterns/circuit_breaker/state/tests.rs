//! The machine against a naive model, which remembers every call and counts anew each time.

use super::super::policy::{Builder, Window};
use super::super::window::SLICES;
use super::*;
use fastrand::Rng;

const SECOND: u64 = 1_000_000_000;

/// A call as the model remembers it.
struct Past {
    ended: u64,
    failed: bool,
    slow: bool,
}

struct Model {
    rules: Rules,
    state: State,
    /// Since it closed, in the order they ended.
    past: Vec<Past>,
    opened_at: u64,
    openings_in_a_row: i32,
    probes: u32,
    good_probes: u32,
    last_probe: u64,
    /// Counts the changes of the state.
    age: u64,
}

impl Model {
    fn go(&mut self, state: State) {
        self.state = state;
        self.past.clear();
        (self.probes, self.good_probes) = (0, 0);
        self.age += 1;
    }

    fn open(&mut self, now: u64) {
        self.openings_in_a_row += 1;
        self.opened_at = now;
        self.go(State::Open);
    }

    fn open_until(&self) -> u64 {
        let factor = self.rules.growth.powi(self.openings_in_a_row - 1);
        let most = self.rules.open_at_most.max(self.rules.open_for);
        let nanos = self.rules.open_for.as_nanos() as f64 * factor;
        self.opened_at + nanos.min(most.as_nanos() as f64) as u64
    }

    fn enter(&mut self, now: u64) -> Result<(u64, u64), (State, Option<u64>)> {
        if self.state == State::Open && self.open_until() <= now {
            self.go(State::HalfOpen);
        }
        match self.state {
            State::Closed | State::ForcedClosed => {}
            State::HalfOpen if self.probes < self.rules.probes => {
                self.probes += 1;
                self.last_probe = now;
            }
            State::HalfOpen
                if u128::from(now - self.last_probe) >= self.rules.max_probe.as_nanos() =>
            {
                self.open(now);
                return Err((State::Open, Some(self.open_until() - now)));
            }
            State::Open => return Err((State::Open, Some(self.open_until() - now))),
            other => return Err((other, None)),
        }
        Ok((self.age, now))
    }

    fn end(&mut self, now: u64, (age, began): (u64, u64), verdict: Verdict) {
        if age != self.age {
            return;
        }
        let failed = verdict == Verdict::Failure;
        let took = Duration::from_nanos(now - began);
        let slow = self.rules.slow.is_some_and(|(from, _)| took >= from);
        match (self.state, verdict) {
            (State::HalfOpen, Verdict::Ignore) => self.probes -= 1,
            (State::HalfOpen, _) if failed || slow => self.open(now),
            (State::HalfOpen, _) => {
                self.probes -= 1;
                self.good_probes += 1;
                if self.good_probes == self.rules.successes {
                    self.openings_in_a_row = 0;
                    self.go(State::Closed);
                }
            }
            (State::Closed, Verdict::Success | Verdict::Failure) => {
                self.past.push(Past {
                    ended: now,
                    failed,
                    slow,
                });
                let inside: Vec<&Past> = match self.rules.window {
                    Window::Calls(n) => self.past.iter().rev().take(n as usize).collect(),
                    Window::Time(length) => {
                        let slice = length.as_nanos() as u64 / SLICES;
                        let first = (now / slice + 1).saturating_sub(SLICES);
                        let counts = |p: &&Past| p.ended / slice >= first;
                        self.past.iter().filter(counts).collect()
                    }
                };
                let part = |f: &dyn Fn(&Past) -> bool| {
                    inside.iter().filter(|p| f(p)).count() as f64 / inside.len() as f64
                };
                let enough = inside.len() as u64 >= self.rules.min_calls();
                let failing = failed && part(&|p| p.failed) >= self.rules.failure_rate;
                let slowing =
                    slow && (self.rules.slow).is_some_and(|(_, rate)| part(&|p| p.slow) >= rate);
                if enough && (failing || slowing) {
                    self.open(now);
                }
            }
            _ => {}
        }
    }
}

fn builders() -> [Builder; 6] {
    let seconds = Duration::from_secs;
    [
        Builder::new().consecutive_failures(3).open_for(seconds(2)),
        Builder::new()
            .window(Window::Calls(10))
            .failure_rate(0.3)
            .open_for(seconds(3))
            .probes(3, 2),
        Builder::new()
            .window(Window::Calls(7))
            .min_calls(2)
            .slow_calls(seconds(2), 0.4)
            .growing(2.0, seconds(100)),
        Builder::new()
            .window(Window::Time(seconds(10)))
            .min_calls(4)
            .probes(1, 4)
            .open_for(seconds(1))
            .growing(3.0, seconds(20)),
        Builder::new()
            .window(Window::Time(seconds(4)))
            .min_calls(1)
            .failure_rate(0.7)
            .slow_calls(seconds(1), 1.0)
            .open_for(Duration::from_millis(700))
            .probes(2, 1)
            .max_probe(seconds(3)),
        Builder::new()
            .window(Window::Calls(1))
            .open_for(seconds(5))
            .growing(1.5, seconds(2))
            .probes(2, 3)
            .max_probe(seconds(1)),
    ]
}

#[test]
fn a_breaker_does_what_the_model_does() {
    for (which, builder) in builders().into_iter().enumerate() {
        let mut seen = std::collections::HashSet::new();
        for seed in 0..300 {
            let mut rng = Rng::with_seed(seed);
            let (rules, mut now) = (builder.rules, 0);
            let mut machine = Machine::new(rules);
            let mut model = Model {
                rules,
                state: State::Closed,
                past: Vec::new(),
                opened_at: 0,
                openings_in_a_row: 0,
                probes: 0,
                good_probes: 0,
                last_probe: 0,
                age: 0,
            };
            let sick = rng.u8(1..9);
            let mut running = Vec::new();
            for step in 0..400 {
                match rng.u8(0..20) {
                    0..6 => now += rng.u64(0..SECOND),
                    6..13 => {
                        let (entered, _) = machine.enter(now);
                        match (entered, model.enter(now)) {
                            (Ok(ticket), Ok(twin)) => running.push((ticket, twin)),
                            (Err(refused), Err((state, left))) => {
                                let left = left.map(Duration::from_nanos);
                                assert_eq!((refused.state, refused.retry_after), (state, left));
                            }
                            (got, want) => panic!("{which} {seed} {step}: {got:?}, {want:?}"),
                        }
                    }
                    13..19 if !running.is_empty() => {
                        let (ticket, twin) = running.swap_remove(rng.usize(..running.len()));
                        let end = match rng.u8(0..10) {
                            0 => End::Dropped,
                            1 => End::As(Verdict::Ignore),
                            n if n < sick => End::As(Verdict::Failure),
                            _ => End::As(Verdict::Success),
                        };
                        machine.end(now, ticket, end);
                        let verdict = match end {
                            End::As(verdict) => verdict,
                            End::Dropped => Verdict::Ignore,
                        };
                        model.end(now, twin, verdict);
                    }
                    19 if rng.u8(0..20) == 0 => {
                        let state = match rng.u8(0..3) {
                            0 => (State::ForcedOpen, machine.force(true)),
                            1 => (State::ForcedClosed, machine.force(false)),
                            _ => (State::Closed, machine.reset(false)),
                        };
                        if model.state != state.0 || state.0 == State::Closed {
                            model.go(state.0);
                        }
                        if state.0 == State::Closed {
                            model.openings_in_a_row = 0;
                        }
                    }
                    _ => {}
                }
                assert_eq!(
                    machine.recorded(),
                    model.state,
                    "rules {which}, seed {seed}, step {step}"
                );
                assert_eq!(machine.stats(now).running, running.len());
                seen.insert(model.state);
            }
        }
        assert_eq!(seen.len(), 5, "rules {which} reached {seen:?}");
    }
}

fn fail(machine: &mut Machine, now: u64) {
    let ticket = machine.enter(now).0.expect("it lets calls through");
    machine.end(now, ticket, End::As(Verdict::Failure));
}

#[test]
fn a_clock_that_goes_back_counts_as_one_that_stands_still() {
    let rules = Builder::new()
        .window(Window::Time(Duration::from_secs(10)))
        .min_calls(3)
        .open_for(Duration::from_secs(5))
        .rules;
    let mut machine = Machine::new(rules);
    fail(&mut machine, 100 * SECOND);
    fail(&mut machine, 3 * SECOND);
    assert_eq!(machine.stats(0).window.failed, 2);
    fail(&mut machine, 50 * SECOND);
    let refused = machine.enter(0).0.expect_err("it is open");
    assert_eq!(refused.retry_after, Some(Duration::from_secs(5)));
    assert_eq!(machine.state(104 * SECOND), State::Open);
    assert_eq!(machine.state(105 * SECOND), State::HalfOpen);
}

#[test]
fn without_end_is_without_end() {
    let rules = Builder::new()
        .window(Window::Time(Duration::MAX))
        .min_calls(2)
        .slow_calls(Duration::MAX, 1.0)
        .open_for(Duration::MAX)
        .growing(1e300, Duration::MAX)
        .rules;
    let mut machine = Machine::new(rules);
    fail(&mut machine, 0);
    fail(&mut machine, u64::MAX / 2);
    let refused = machine.enter(u64::MAX).0.expect_err("it is open for ever");
    assert_eq!((refused.retry_after, refused.state), (None, State::Open));
    machine.reset(false);
    assert!(machine.enter(u64::MAX).0.is_ok());
}

#[test]
fn a_window_of_time_keeps_nine_to_ten_tenths() {
    let mut log = Log::new(Window::Time(Duration::from_nanos(100)));
    log.add(9, One::default());
    assert_eq!(log.counts(99).calls, 1);
    assert_eq!(log.counts(100).calls, 0);
    log.add(100, One::default());
    assert_eq!(log.counts(199).calls, 1);
    log.add(1_000, One::default());
    assert_eq!(log.counts(1_000).calls, 1);
}
