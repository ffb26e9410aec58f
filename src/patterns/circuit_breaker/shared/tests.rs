//! The breaker as it is called, with its turnstile, beside a machine that sees every call under its lock.

use super::super::policy::{Builder, Window};
use super::*;
use crate::runtime::Runtime;
use crate::testing;
use std::sync::Mutex;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

fn builders() -> [Builder; 5] {
    let builder = || Builder::new().open_for(SECOND);
    [
        builder().consecutive_failures(3),
        builder().window(Window::Calls(20)).probes(3, 2),
        builder().window(Window::Calls(3)).failure_rate(0.6),
        builder().window(Window::Calls(10)).slow_calls(SECOND, 0.5),
        builder().window(Window::Time(5 * SECOND)).min_calls(5),
    ]
}

#[test]
fn calls_by_the_turnstile_and_by_the_lock_come_to_the_same() {
    let mut opened = 0;
    for (which, builder) in builders().into_iter().enumerate() {
        for seed in 0..200 {
            opened += testing::run(async || same(which, &builder, seed).await);
        }
    }
    assert!(opened > 2000, "{opened}");
}

/// Does the same to both for a while; gives how often they opened.
async fn same(which: usize, builder: &Builder, seed: u64) -> u64 {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let log = heard.clone();
    let observer: Arc<Observer> = Arc::new(move |event: &Event| {
        log.lock()
            .expect("nobody panics")
            .push(format!("{event:?}"));
    });
    let shared = Shared::new(TimeSource::new(None), builder.rules, Some(observer));
    let mut machine = Machine::new(builder.rules);
    let (mut expected, mut running) = (Vec::new(), Vec::new());
    let mut rng = fastrand::Rng::with_seed(seed);
    let sick = rng.u8(0..60);
    let start = shared.start;
    let passed = || (Runtime::current().now() - start).as_nanos() as u64;
    for step in 0..400 {
        let now = passed();
        let mut changed = None;
        match rng.u8(0..100) {
            0..15 => testing::advance(SECOND.mul_f64(rng.f64())).await,
            15..55 => match (Hold::enter(&shared), machine.enter(now)) {
                (Ok(hold), (Ok(ticket), event)) => {
                    changed = event;
                    running.push((hold, ticket));
                }
                (Err(refused), (Err(twin), event)) => {
                    expected.extend(event.map(|e| format!("{e:?}")));
                    assert_eq!(refused.state, twin.state);
                    assert_eq!(refused.retry_after, twin.retry_after);
                    changed = Some(Event::Refused { state: twin.state });
                }
                _ => panic!("{which} {seed} {step}: one lets it through"),
            },
            55..96 if !running.is_empty() => {
                let (hold, ticket) = running.swap_remove(rng.usize(..running.len()));
                let end = match rng.u8(0..100) {
                    0..5 => End::Dropped,
                    5..10 => End::As(Verdict::Ignore),
                    n if n < sick + 10 => End::As(Verdict::Failure),
                    90.. => {
                        hold.undo();
                        machine.undo(ticket);
                        continue;
                    }
                    _ => End::As(Verdict::Success),
                };
                match end {
                    End::Dropped => drop(hold),
                    End::As(verdict) => hold.end(verdict),
                }
                changed = machine.end(now, ticket, end);
            }
            96 => {
                let open = rng.bool();
                shared.force(open);
                changed = machine.force(open);
            }
            97 => {
                let only_forced = rng.bool();
                shared.reset(only_forced);
                changed = machine.reset(only_forced);
            }
            98.. => assert_eq!(shared.stats(), machine.stats(now), "{which} {seed} {step}"),
            _ => {}
        }
        expected.extend(changed.map(|e| format!("{e:?}")));
    }
    let now = passed();
    assert_eq!(shared.state(), machine.state(now), "{which} {seed}");
    assert_eq!(shared.stats(), machine.stats(now), "{which} {seed}");
    assert_eq!(*heard.lock().expect("nobody panics"), expected);
    machine.stats(now).opened
}
