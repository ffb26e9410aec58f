//! When a worker is called, step by step.

use super::error::JobError;
use super::job::{Ended, Work};
use super::policy::Limits;
use super::report::PoolStats;
use super::state::{After, Call, State};
use crate::cancel::CancelToken;
use std::panic::Location;
use std::sync::Arc;

struct Nothing(CancelToken);

impl Work for Nothing {
    fn run(&self, count: &dyn Fn(Ended)) {
        count(Ended::Completed);
    }
    fn refuse(&self, _: JobError) -> bool {
        true
    }
    fn at(&self) -> &'static Location<'static> {
        Location::caller()
    }
    fn token(&self) -> &CancelToken {
        &self.0
    }
}

fn of_threads(workers: usize) -> State {
    State::new(Limits { workers, queue: 9 }, 1)
}

/// Queues a job; who is called for it.
fn submit(state: &mut State) -> Call {
    let number = state.try_grant().expect("there is room");
    let job = Arc::new(Nothing(CancelToken::new()));
    let (Ok(After { call, .. }) | Err(After { call, .. })) = state.fill(number, job);
    call
}

/// A worker takes the next job, and does it. `None`: there is none.
fn work(state: &mut State) -> Option<Call> {
    let (_, key, after) = state.take()?;
    state.done(key);
    Some(after.call)
}

#[test]
fn nobody_is_called_while_one_looks_out() {
    let mut state = of_threads(2);
    assert_eq!(submit(&mut state), Call::Start);
    state.arrived();
    assert_eq!(work(&mut state), Some(Call::Nobody));
    assert!(state.look_out(), "it has nothing to do");
    assert_eq!(submit(&mut state), Call::Nobody);
    assert_eq!(submit(&mut state), Call::Nobody);
    state.arrived();
    // Whoever takes a job has the next worker called, which may have to do what this one waits for.
    assert_eq!(work(&mut state), Some(Call::Start));
    let mut stats = PoolStats::default();
    state.add_to(&mut stats);
    assert_eq!((stats.workers, stats.idle), (2, 0));
}

#[test]
fn one_worker_looks_out_and_the_others_sleep() {
    let mut state = of_threads(2);
    assert_eq!(submit(&mut state), Call::Start);
    assert!(!state.look_out(), "one is on its way already");
    state.arrived();
    work(&mut state);
    assert!(state.look_out());
    assert!(!state.look_out());
}

#[test]
fn who_has_looked_out_in_vain_is_called_like_the_others() {
    let mut state = of_threads(1);
    assert_eq!(submit(&mut state), Call::Start);
    state.arrived();
    work(&mut state);
    assert!(state.look_out());
    state.arrived();
    state.park();
    assert_eq!(submit(&mut state), Call::Wake);
    assert!(state.noticed());
    assert_eq!(work(&mut state), Some(Call::Nobody));
}

#[test]
fn nobody_looks_out_for_a_pool_that_is_closed() {
    let mut state = of_threads(1);
    assert_eq!(submit(&mut state), Call::Start);
    state.arrived();
    work(&mut state);
    assert!(state.close().0.is_empty());
    assert!(!state.look_out());
}
