//! The state of a queue behind its lock.

use super::heap::comparing;
use super::state::{Limits, State};
use super::store::Store;
use crate::internal::line;
use crate::internal::lock::{Lock, Locked};
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

type Valid<T> = Arc<dyn Fn(&T) -> bool + Send + Sync>;

pub(super) struct Shared<T> {
    state: Lock<State<T>>,
    /// Those of the state, to be read without the lock.
    pub(super) limits: Limits,
    /// Comparisons run code of the user under the lock.
    ranked: bool,
    valid: Option<Valid<T>>,
}

impl<T> fmt::Debug for Shared<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shared")
    }
}

impl<T> Shared<T> {
    pub(super) fn new(
        store: Store<T>,
        limits: Limits,
        ranked: bool,
        valid: Option<Valid<T>>,
    ) -> Self {
        Shared {
            state: Lock::new(State::new(store, limits)),
            limits,
            ranked,
            valid,
        }
    }

    /// Runs code of the user: not under the lock.
    #[inline]
    pub(super) fn is_valid(&self, item: &T) -> bool {
        self.valid.as_ref().is_none_or(|valid| valid(item))
    }

    #[inline]
    #[track_caller]
    pub(super) fn lock(&self) -> Access<'_, T> {
        // Else it would wait for itself.
        assert!(
            !(self.ranked && comparing()),
            "a queue by priority was used from inside the comparison of two items: compare without touching a queue"
        );
        Access(Some(self.state.lock()))
    }
}

/// The locked state. Unlocks, then wakes whom the state wants woken; also when a comparison panicked.
pub(super) struct Access<'a, T>(Option<Locked<'a, State<T>>>);

const HELD: &str = "it is held until it is dropped";

impl<T> Deref for Access<'_, T> {
    type Target = State<T>;
    #[inline]
    fn deref(&self) -> &State<T> {
        self.0.as_ref().expect(HELD)
    }
}

impl<T> DerefMut for Access<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut State<T> {
        self.0.as_mut().expect(HELD)
    }
}

impl<T> Drop for Access<'_, T> {
    #[inline]
    fn drop(&mut self) {
        let Some(mut state) = self.0.take() else {
            return;
        };
        match state.wakes.len() {
            0 => {}
            // The usual case keeps the list's memory for the next time.
            1 => {
                let waker = state.wakes.pop();
                drop(state);
                if let Some(waker) = waker {
                    line::wake(waker);
                }
            }
            _ => {
                let wakers = std::mem::take(&mut state.wakes);
                drop(state);
                for waker in wakers {
                    line::wake(waker);
                }
            }
        }
    }
}
