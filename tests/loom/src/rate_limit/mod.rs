//! Where the shared file looks for `super`, and models of it.

#[path = "../../../../src/patterns/rate_limit/word.rs"]
mod word;

use crate::internal::lock::Lock;
use crate::support::check;
use loom::sync::Arc;
use loom::thread;
use std::time::Duration;
use word::{Anchor, Scale, Word};

/// A permit in ten nanoseconds, and three at once.
const SCALE: Scale = Scale {
    permits: 1,
    per: 10,
    burst: 30,
};

/// The clock alone is the timeline, and has just begun.
const ANCHOR: Anchor = Anchor {
    ahead: 0,
    passed: Duration::ZERO,
};

#[derive(Default)]
struct State {
    due: u128,
    granted: u64,
    /// Somebody stands in line.
    waiting: bool,
}

/// The lock behind the word, as `Shared::lock` and its guard use it.
struct Limiter {
    word: Word,
    state: Lock<State>,
}

impl Limiter {
    fn new() -> Arc<Self> {
        let limiter = Limiter {
            word: Word::new(SCALE),
            state: Lock::new(State::default()),
        };
        limiter.locked(|_| ());
        Arc::new(limiter)
    }

    fn locked<R>(&self, f: impl FnOnce(&mut State) -> R) -> R {
        let mut state = self.state.lock();
        if let Some(account) = self.word.close(ANCHOR) {
            state.due = account.due;
            state.granted += account.granted;
        }
        let result = f(&mut state);
        if !state.waiting {
            self.word.open(state.due, ANCHOR);
        }
        result
    }

    /// As `try_acquire` does.
    fn take(&self, now: u64, n: u32) -> bool {
        self.word
            .take(self.word.see(), Duration::from_nanos(now), n)
            || self.locked(|state| {
                let due = state.due.max(now.into()) + 10 * u128::from(n);
                let free = !state.waiting && due <= u128::from(now) + 30;
                if free {
                    state.due = due;
                    state.granted += u64::from(n);
                }
                free
            })
    }

    fn granted(&self) -> u64 {
        self.locked(|state| state.granted)
    }
}

fn takers(limiter: &Arc<Limiter>, tries: u32) -> Vec<thread::JoinHandle<u64>> {
    (0..2)
        .map(|_| {
            let limiter = limiter.clone();
            thread::spawn(move || (0..tries).map(|_| u64::from(limiter.take(0, 1))).sum())
        })
        .collect()
}

fn sum(threads: Vec<thread::JoinHandle<u64>>) -> u64 {
    threads
        .into_iter()
        .map(|thread| thread.join().expect("no panic"))
        .sum()
}

#[test]
fn no_permit_is_given_twice() {
    check(|| {
        let limiter = Limiter::new();
        let threads = takers(&limiter, 2);
        assert_eq!(sum(threads), 3, "as many as the burst, and all of them");
        assert_eq!(limiter.granted(), 3);
    });
}

#[test]
fn who_looks_under_the_lock_loses_nothing() {
    check(|| {
        let limiter = Limiter::new();
        let threads = takers(&limiter, 1);
        let seen = limiter.granted();
        assert!(seen <= 2 && limiter.granted() >= seen);
        let given = sum(threads);
        assert_eq!((given, limiter.granted()), (2, 2));
        assert!(limiter.take(0, 1) && !limiter.take(0, 1));
    });
}

#[test]
fn nobody_passes_who_waits() {
    check(|| {
        let limiter = Limiter::new();
        let taker = {
            let limiter = limiter.clone();
            thread::spawn(move || {
                let mut given = 0;
                for _ in 0..2 {
                    given += u64::from(limiter.take(0, 1));
                }
                given
            })
        };
        let before = limiter.locked(|state| {
            state.waiting = true;
            state.granted
        });
        let during = limiter.state.lock().granted;
        assert_eq!(during, before, "as long as somebody waits");
        // Served, at a time of its own.
        limiter.locked(|state| {
            state.due += 10;
            state.granted += 1;
            state.waiting = false;
        });
        let given = taker.join().expect("no panic");
        assert_eq!(limiter.granted(), given + 1);
    });
}

/// The base of the word moves while somebody computes with the old one, and the rest of the word is as it was: nothing
/// is due.
#[test]
fn a_moved_base_is_seen() {
    check(|| {
        let limiter = Limiter::new();
        let taker = {
            let limiter = limiter.clone();
            thread::spawn(move || {
                let word = &limiter.word;
                u128::from(word.take(word.see(), Duration::from_nanos(100), 3))
            })
        };
        let later = Anchor {
            ahead: 0,
            passed: Duration::from_nanos(100),
        };
        let before = {
            let _state = limiter.state.lock();
            let account = limiter.word.close(ANCHOR).expect("it was open");
            limiter.word.open(account.due, later);
            account
        };
        let given = taker.join().expect("no panic");
        let account = limiter.word.close(later).expect("it was open");
        // Three permits from 100 on, before or after, or none where it was closed.
        let granted = before.granted + account.granted;
        assert_eq!(
            (u128::from(granted), account.due),
            (3 * given, 100 + 30 * given)
        );
    });
}
