//! From a schedule that fails to a small one that still does.

use crate::testing::config::{Config, Policy};
use crate::testing::failure::Failure;
use crate::testing::run::simulate;
use std::future::Future;
use std::mem::discriminant;
use std::panic::Location;

/// More than this many runs are not worth a smaller schedule.
const BUDGET: u32 = 500;

/// The same for panics, each of which prints itself and perhaps a backtrace.
const PANICS: u32 = 50;

/// Sets as many choices as possible back to 0 (the task that was woken first), and cuts the zeros off the end.
pub(super) fn shrink<F, Fut>(
    config: Config,
    failure: &Failure,
    choices: Vec<u16>,
    steps: u64,
    at: &'static Location<'static>,
    root: &F,
) -> Config
where
    F: Fn() -> Fut,
    Fut: Future,
{
    let long = matches!(failure, Failure::Livelock { .. } | Failure::Timeout { .. });
    // A schedule that leads elsewhere must not run for ever.
    let limit = config
        .max_steps
        .min(steps.saturating_mul(2).saturating_add(1000));
    let with = |choices: &[u16]| config.clone().policy(Policy::Replay(choices.to_vec()));
    if long {
        return with(&choices);
    }
    let panics = matches!(failure, Failure::Panic { .. });
    let mut budget = if panics { PANICS } else { BUDGET };
    let mut fails = |choices: &[u16]| {
        if budget == 0 {
            return false;
        }
        budget -= 1;
        let report = simulate(with(choices).max_steps(limit), at, root).report;
        // The same kind of failure: a shrunk schedule must not turn one bug into another.
        report
            .value
            .is_err_and(|f| discriminant(&f) == discriminant(failure))
    };
    if fails(&[]) {
        return with(&[]);
    }
    if !fails(&choices) {
        // It does not replay, so nothing can be learned from trying.
        return with(&choices);
    }
    let mut best = choices;
    let mut block = best.len().max(1);
    loop {
        let mut start = 0;
        while start < best.len() {
            let end = (start + block).min(best.len());
            if best[start..end].iter().any(|c| *c != 0) {
                let mut smaller = best.clone();
                smaller[start..end].fill(0);
                if fails(&smaller) {
                    best = smaller;
                }
            }
            start = end;
        }
        if block == 1 {
            break;
        }
        block = block.div_ceil(2);
    }
    while best.last() == Some(&0) {
        best.pop();
    }
    with(&best)
}
