//! A lock with a turnstile before it: coming and going are one atomic operation each, as long as nobody has to be asked. `tests/loom` compiles this very file with loom's
//! atomics and mutex.
//!
//! One word holds how many are in, how many have left since it was opened, the number of the *period*, and a bit that says *closed*. Whoever takes the lock closes it,
//! and the books behind the lock take over what it holds; whoever leaves the lock opens it again, if the books allow. The bit changes under the lock only, so while it is set
//! everybody goes by the lock. Hence:
//!
//! * Who stands in a line behind the lock is passed by nobody, because books with a line stay closed.
//! * No place is lost: who leaves either did so before the bit was set, and the books know; or it finds the bit, takes the lock, and gives its place on.
//! * A word says all there is to say, so one that comes back to an old value has not changed.
//!
//! A period is what the books say it is. Who comes is told the period; who leaves with the number of another one goes by the lock.

use super::atomic::{AtomicU64, Ordering};
use super::lock::{Lock, Locked};
use std::fmt;
use std::ops::{Deref, DerefMut};

const CLOSED: u64 = 1 << 63;
const PERIOD: u64 = ((1 << 23) - 1) << 40;
const ONE_PERIOD: u64 = 1 << 40;
const LEFT: u64 = ((1 << 20) - 1) << 20;
const ONE_LEFT: u64 = 1 << 20;
const IN: u64 = ONE_LEFT - 1;

/// Tells apart who came before a change from who came after it; begins anew after eight million.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Period(u64);

impl Period {
    /// The one after it.
    pub(crate) fn next(self) -> Self {
        Period(self.0.wrapping_add(ONE_PERIOD) & PERIOD)
    }
}

/// What the turnstile held when it was closed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Account {
    /// How many are in.
    pub(crate) running: usize,
    /// How many left by the turnstile since it was opened.
    pub(crate) left: u64,
}

/// What stands behind the lock.
pub(crate) trait Books {
    /// The turnstile was closed.
    fn take_over(&mut self, account: Account);

    /// Whether the turnstile may be opened: then how many are in, and the period.
    fn opens(&self) -> Option<(usize, Period)>;
}

pub(crate) struct Gated<B> {
    word: AtomicU64,
    books: Lock<B>,
}

/// The books, under their lock. While somebody has them nobody passes the turnstile.
pub(crate) struct Guard<'a, B: Books> {
    word: &'a AtomicU64,
    books: Locked<'a, B>,
}

impl<B: Books> Gated<B> {
    pub(crate) fn new(books: B) -> Self {
        let gated = Gated {
            word: AtomicU64::new(CLOSED),
            books: Lock::new(books),
        };
        // Leaving the lock opens it.
        drop(gated.lock());
        gated
    }

    /// In by the turnstile, if it is open and fewer than `limit` are in. `None`: ask the books.
    #[inline]
    pub(crate) fn enter(&self, limit: usize) -> Option<Period> {
        let limit = (limit as u64).min(IN);
        let mut word = self.word.load(Ordering::Relaxed);
        while word & CLOSED == 0 && word & IN < limit {
            match self.word.compare_exchange_weak(
                word,
                word + 1,
                // What the one whose place it is did is there for this one.
                Ordering::Acquire,
                Ordering::Relaxed,
            ) {
                Ok(_) => return Some(Period(word & PERIOD)),
                Err(changed) => word = changed,
            }
        }
        None
    }

    /// Out by the turnstile, for one who came in this period. `false`: tell the books.
    #[inline]
    pub(crate) fn leave(&self, period: Period) -> bool {
        let mut word = self.word.load(Ordering::Relaxed);
        while word & (CLOSED | PERIOD) == period.0 && word & LEFT != LEFT {
            match self.word.compare_exchange_weak(
                word,
                word + ONE_LEFT - 1,
                Ordering::Release,
                Ordering::Relaxed,
            ) {
                Ok(_) => return true,
                Err(changed) => word = changed,
            }
        }
        false
    }

    /// Closes the turnstile, until the guard is dropped.
    pub(crate) fn lock(&self) -> Guard<'_, B> {
        let mut books = self.books.lock();
        // What is closed stays so under the lock.
        if self.word.load(Ordering::Relaxed) & CLOSED == 0 {
            let word = self.word.fetch_or(CLOSED, Ordering::Acquire);
            books.take_over(Account {
                running: (word & IN) as usize,
                left: (word & LEFT) / ONE_LEFT,
            });
        }
        Guard {
            word: &self.word,
            books,
        }
    }
}

impl<B: Books> Deref for Guard<'_, B> {
    type Target = B;

    fn deref(&self) -> &B {
        &self.books
    }
}

impl<B: Books> DerefMut for Guard<'_, B> {
    fn deref_mut(&mut self) -> &mut B {
        &mut self.books
    }
}

impl<B: Books> Drop for Guard<'_, B> {
    fn drop(&mut self) {
        if let Some((running, Period(period))) = self.books.opens()
            && let Some(running) = u64::try_from(running).ok().filter(|n| *n <= IN)
        {
            self.word.store(period | running, Ordering::Release);
        }
    }
}

impl<B> fmt::Debug for Gated<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Gated")
    }
}
