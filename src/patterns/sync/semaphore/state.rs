//! Who has permits and who waits for them, without a future in sight. `tests/loom` compiles this very file with loom's atomics.
//!
//! One word holds the free permits and a bit that says *go by the line*. While the bit is clear, permits are taken and given back by
//! one atomic operation. The bit is set and cleared under the lock only, and set whenever somebody waits, permits are owed (the size was
//! lowered below use), or the semaphore is closed. While it is set, the word changes under the lock only, so plain stores do there. Whoever
//! gives one back and sees the bit takes the lock and settles: pays what is owed, serves the line, and only what is left goes to the word.
//!
//! No wake-up is lost: a waiter sets the bit *before* it looks at the free permits for the last time, in one operation. A permit given
//! back before that is seen by the waiter; one given back after it meets the bit, and its giver settles.

use super::error::{AcquireError, ResizeError, TryAcquireError};
use crate::internal::atomic::{AtomicUsize, Ordering};
use crate::internal::line::{Line, Place, Wakers};
use crate::internal::lock::Lock;
use std::task::Waker;

/// Most permits there can be: one bit of the word is taken.
pub(crate) const MOST: usize = usize::MAX >> 1;
const BY_THE_LINE: usize = !MOST;

pub(crate) struct State {
    word: AtomicUsize,
    slow: Lock<Slow>,
}

struct Slow {
    line: Line<Wait>,
    /// Permits free and out, less those owed.
    total: usize,
    /// The most there have been since the size was last set: forgetting permits does not make a request impossible.
    size: usize,
    /// How many of those out are not to come back.
    owed: usize,
    closed: bool,
}

/// What a waiter wants, or was given.
pub(crate) enum Wait {
    Wants(usize),
    Granted,
    Refused(AcquireError),
}

/// What came of asking.
pub(crate) enum Entered {
    Granted,
    Waits(Place),
    Refused(AcquireError),
}

impl Slow {
    /// Why a request for `asked` permits will never be met.
    fn refuses(&self, asked: usize) -> Option<AcquireError> {
        if self.closed {
            Some(AcquireError::Closed)
        } else if asked == 0 {
            Some(AcquireError::NoneAsked)
        } else if asked > self.size && self.size > 0 {
            Some(AcquireError::TooMany {
                asked,
                size: self.size,
            })
        } else {
            None
        }
    }
}

impl State {
    pub(crate) fn new(permits: usize) -> Self {
        State {
            word: AtomicUsize::new(permits),
            slow: Lock::new(Slow {
                line: Line::new(),
                total: permits,
                size: permits,
                owed: 0,
                closed: false,
            }),
        }
    }

    /// Takes `n` permits if nobody has to be asked; `n` is not 0.
    #[inline]
    pub(crate) fn take(&self, n: usize) -> bool {
        let mut word = self.word.load(Ordering::Relaxed);
        loop {
            if word & BY_THE_LINE != 0 || word < n {
                return false;
            }
            match self.word.compare_exchange_weak(
                word,
                word - n,
                Ordering::Acquire,
                Ordering::Relaxed,
            ) {
                Ok(_) => return true,
                Err(now) => word = now,
            }
        }
    }

    /// Whether [`take`](State::take) would.
    pub(crate) fn would_take(&self, n: usize) -> bool {
        let word = self.word.load(Ordering::Relaxed);
        word & BY_THE_LINE == 0 && word >= n
    }

    pub(crate) fn try_take(&self, n: usize) -> Result<(), TryAcquireError> {
        if n > 0 && self.take(n) {
            return Ok(());
        }
        let slow = self.slow.lock();
        Err(match slow.refuses(n) {
            Some(AcquireError::Closed) => TryAcquireError::Closed,
            Some(AcquireError::NoneAsked) => TryAcquireError::NoneAsked,
            Some(AcquireError::TooMany { asked, size }) => TryAcquireError::TooMany { asked, size },
            None => TryAcquireError::NoPermits {
                asked: n,
                free: self.free(),
                waiting: slow.line.len(),
            },
        })
    }

    /// Takes `n` permits, or a place in the line for them.
    pub(crate) fn enter(&self, n: usize, waker: Waker) -> Entered {
        let mut slow = self.slow.lock();
        if let Some(error) = slow.refuses(n) {
            return Entered::Refused(error);
        }
        let mut word = self.word.load(Ordering::Acquire);
        if word & BY_THE_LINE == 0 {
            word = self.word.fetch_or(BY_THE_LINE, Ordering::AcqRel);
        }
        let free = word & MOST;
        if slow.line.is_empty() && slow.owed == 0 && free >= n {
            // Nobody can have changed it meanwhile.
            self.word.store(free - n, Ordering::Release);
            return Entered::Granted;
        }
        Entered::Waits(slow.line.enter(Wait::Wants(n), waker))
    }

    /// Gives `n` permits back.
    #[inline]
    pub(crate) fn give(&self, n: usize) {
        let mut word = self.word.load(Ordering::Relaxed);
        while word & BY_THE_LINE == 0 {
            match self.word.compare_exchange_weak(
                word,
                word + n,
                Ordering::Release,
                Ordering::Relaxed,
            ) {
                Ok(_) => return,
                Err(now) => word = now,
            }
        }
        self.give_to_the_line(n);
    }

    #[cold]
    fn give_to_the_line(&self, n: usize) {
        let mut slow = self.slow.lock();
        let wakers = self.settle(&mut slow, n);
        drop(slow);
        wakers.wake();
    }

    /// Pays what is owed, serves the line as far as the free permits and `more` go, and clears the bit when nothing is left to do.
    fn settle(&self, slow: &mut Slow, more: usize) -> Wakers {
        let mut wakers = Wakers::new();
        let word = self.word.load(Ordering::Acquire);
        if word & BY_THE_LINE == 0 {
            // It was cleared before we had the lock, so there is nothing to do; from here on others may change the word.
            self.word.fetch_add(more, Ordering::Release);
            return wakers;
        }
        let mut free = (word & MOST) + more;
        let paid = slow.owed.min(free);
        slow.owed -= paid;
        free -= paid;
        if slow.owed == 0 {
            while let Some(&Wait::Wants(n)) = slow.line.front() {
                if n > free {
                    break;
                }
                free -= n;
                wakers.extend(slow.line.serve_front(|wait| *wait = Wait::Granted));
            }
        }
        let done = slow.line.is_empty() && slow.owed == 0 && !slow.closed;
        let bit = if done { 0 } else { BY_THE_LINE };
        self.word.store(free | bit, Ordering::Release);
        wakers
    }

    /// How a waiter stands; its place is gone unless it still waits. The waker is the one to wake from now on.
    pub(crate) fn look(&self, place: Place, waker: &Waker) -> Option<Result<(), AcquireError>> {
        let mut slow = self.slow.lock();
        if slow.line.is_waiting(place) {
            let old = slow.line.set_waker(place, waker);
            drop(slow);
            drop(old);
            return None;
        }
        let left = slow.line.leave(place);
        drop(slow);
        match left {
            Some((Wait::Refused(error), _)) => Some(Err(error)),
            // Served, and not refused.
            _ => Some(Ok(())),
        }
    }

    /// A waiter for `n` permits goes; what it was granted goes to the next.
    pub(crate) fn abandon(&self, place: Place, n: usize) {
        let mut slow = self.slow.lock();
        let was_first = slow.line.is_first(place);
        let Some((wait, waker)) = slow.line.leave(place) else {
            return;
        };
        // Behind a first that wanted many there may be some who want few.
        let wakers = match wait {
            Wait::Wants(_) if was_first => self.settle(&mut slow, 0),
            _ => Wakers::new(),
        };
        drop(slow);
        drop(waker);
        wakers.wake();
        if matches!(wait, Wait::Granted) {
            self.give(n);
        }
    }

    /// Everybody who waits, and whoever comes, is refused. Permits out stay valid.
    pub(crate) fn close(&self) {
        let mut slow = self.slow.lock();
        slow.closed = true;
        self.word.fetch_or(BY_THE_LINE, Ordering::AcqRel);
        let mut wakers = Wakers::new();
        slow.line.serve_each(&mut wakers, |wait| {
            *wait = Wait::Refused(AcquireError::Closed);
            true
        });
        drop(slow);
        wakers.wake();
    }

    /// There are `n` permits from now on.
    pub(crate) fn resize(&self, n: usize) -> Result<(), ResizeError> {
        self.change(|_| Ok((n, n)))
    }

    /// There are `n` permits more.
    pub(crate) fn add(&self, n: usize) -> Result<(), ResizeError> {
        self.change(|slow| match slow.total.checked_add(n) {
            Some(total) => Ok((total, slow.size.max(total))),
            None => Err(ResizeError::Overflow {
                asked: n,
                total: slow.total,
            }),
        })
    }

    fn change(
        &self,
        target: impl FnOnce(&Slow) -> Result<(usize, usize), ResizeError>,
    ) -> Result<(), ResizeError> {
        let mut slow = self.slow.lock();
        if slow.closed {
            return Err(ResizeError::Closed);
        }
        let (total, size) = target(&slow)?;
        if total > MOST {
            return Err(ResizeError::Overflow {
                asked: total - slow.total,
                total: slow.total,
            });
        }
        // From here on nobody else changes the word, until it is settled.
        let free = self.word.fetch_or(BY_THE_LINE, Ordering::AcqRel) & MOST;
        if total >= slow.total {
            let more = total - slow.total;
            let paid = slow.owed.min(more);
            slow.owed -= paid;
            self.word.fetch_add(more - paid, Ordering::Release);
        } else {
            let less = slow.total - total;
            let taken = free.min(less);
            self.word.fetch_sub(taken, Ordering::Acquire);
            slow.owed += less - taken;
        }
        (slow.total, slow.size) = (total, size);
        let mut wakers = Wakers::new();
        let Slow { line, .. } = &mut *slow;
        line.serve_each(&mut wakers, |wait| match *wait {
            // They would stand in the way of everybody behind them, for ever.
            Wait::Wants(asked) if asked > size && size > 0 => {
                *wait = Wait::Refused(AcquireError::TooMany { asked, size });
                true
            }
            _ => false,
        });
        let more = self.settle(&mut slow, 0);
        drop(slow);
        wakers.wake();
        more.wake();
        Ok(())
    }

    /// `n` permits that are out do not come back.
    pub(crate) fn forget(&self, n: usize) {
        let mut slow = self.slow.lock();
        let paid = slow.owed.min(n);
        slow.owed -= paid;
        slow.total -= n - paid;
        let wakers = self.settle(&mut slow, 0);
        drop(slow);
        wakers.wake();
    }

    pub(crate) fn free(&self) -> usize {
        self.word.load(Ordering::Acquire) & MOST
    }

    pub(crate) fn waiting(&self) -> usize {
        self.slow.lock().line.len()
    }

    pub(crate) fn total(&self) -> usize {
        self.slow.lock().total
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.slow.lock().closed
    }
}
