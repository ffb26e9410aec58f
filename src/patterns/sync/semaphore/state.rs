//! Who has permits and who waits for them, without a future in sight. `tests/loom` compiles this very file with loom's atomics.
//!
//! One word holds the free permits and a bit that says *go by the line*. While the bit is clear, permits are taken and given back by
//! one atomic operation. The bit is set and cleared under the lock only, and set whenever somebody waits, permits are owed (the size was
//! lowered below use), or the semaphore is closed. While it is set, the word changes under the lock only, so plain stores do there. Whoever
//! gives one back and sees the bit takes the lock and settles: pays what is owed, serves the line, and only what is left goes to the word.
//!
//! No wake-up is lost: a waiter sets the bit *before* it looks at the free permits for the last time, in one operation. A permit given
//! back before that is seen by the waiter; one given back after it meets the bit, and its giver settles.
//!
//! Waiters have tickets, numbered in the order they come. They are granted in that order, so one number, the first ticket that has not been
//! granted, tells every waiter how it stands, without the lock. Only those who are refused are out of order; while one of them has not seen
//! that yet, everybody looks under the lock.

use super::error::{AcquireError, ResizeError, TryAcquireError};
use crate::internal::atomic::{AtomicUsize, Ordering};
use crate::internal::caught::discard;
use crate::internal::line::{Line, Place, Spare, Wakers, wake};
use crate::internal::lock::Lock;
use std::task::{Context, Waker};

/// Most permits there can be: one bit of the word is taken.
pub(crate) const MOST: usize = usize::MAX >> 1;
const BY_THE_LINE: usize = !MOST;

pub(crate) struct State {
    word: AtomicUsize,
    /// The tickets before this one were granted, refused, or given up. Written under the lock.
    served: AtomicUsize,
    /// Waiters who were refused and have not seen it yet. Written under the lock, before `served`.
    refused: AtomicUsize,
    slow: Lock<Slow>,
}

/// A waiter's.
#[derive(Clone, Copy)]
pub(crate) struct Ticket {
    number: usize,
    place: Place,
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
    /// The number of the next ticket.
    next: usize,
}

/// Stands in the line. Who is granted what it wants is taken out of it.
struct Wait {
    ticket: usize,
    asked: usize,
    /// Out of the line, until it has been seen.
    refused: Option<Refusal>,
}

/// An [`AcquireError`], without what its waiter knows.
#[derive(Clone, Copy)]
enum Refusal {
    Closed,
    TooMany { size: usize },
}

/// What came of asking.
pub(crate) enum Entered {
    Granted,
    Waits(Ticket),
    Refused(AcquireError),
}

impl Slow {
    /// Who has this ticket, unless it was granted: then its place may be another's.
    fn find(&self, ticket: Ticket) -> Option<&Wait> {
        let wait = self.line.get(ticket.place)?;
        (wait.ticket == ticket.number).then_some(wait)
    }

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
            served: AtomicUsize::new(0),
            refused: AtomicUsize::new(0),
            slow: Lock::new(Slow {
                line: Line::new(),
                total: permits,
                size: permits,
                owed: 0,
                closed: false,
                next: 0,
            }),
        }
    }

    /// Takes `n` permits if nobody has to be asked; `n` is not 0.
    // One try in place: so little code goes into every caller.
    #[inline(always)]
    pub(crate) fn take(&self, n: usize) -> bool {
        let word = self.word.load(Ordering::Relaxed);
        if word & BY_THE_LINE != 0 || word < n {
            return false;
        }
        let taken =
            self.word
                .compare_exchange_weak(word, word - n, Ordering::Acquire, Ordering::Relaxed);
        taken.is_ok() || self.take_again(n)
    }

    #[cold]
    fn take_again(&self, n: usize) -> bool {
        let update = |word| (word & BY_THE_LINE == 0 && word >= n).then(|| word - n);
        self.word
            .fetch_update(Ordering::Acquire, Ordering::Relaxed, update)
            .is_ok()
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

    /// Takes `n` permits, or a place in the line for them. The spare waker is filled.
    // Its one caller is out of line.
    #[inline(always)]
    pub(crate) fn enter(&self, n: usize, spare: &mut Spare) -> Entered {
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
        let number = slow.next;
        slow.next = number.wrapping_add(1);
        let wait = Wait {
            ticket: number,
            asked: n,
            refused: None,
        };
        let Some(waker) = spare.take() else {
            unreachable!("it was filled");
        };
        let place = slow.line.enter(wait, waker);
        Entered::Waits(Ticket { number, place })
    }

    /// Gives `n` permits back.
    #[inline(always)]
    pub(crate) fn give(&self, n: usize) {
        let word = self.word.load(Ordering::Relaxed);
        if word & BY_THE_LINE != 0 {
            return self.give_to_the_line(n);
        }
        let given =
            self.word
                .compare_exchange_weak(word, word + n, Ordering::Release, Ordering::Relaxed);
        if given.is_err() {
            self.give_again(n);
        }
    }

    #[cold]
    fn give_again(&self, n: usize) {
        let update = |word| (word & BY_THE_LINE == 0).then(|| word + n);
        let given = self
            .word
            .fetch_update(Ordering::Release, Ordering::Relaxed, update);
        if given.is_err() {
            self.give_to_the_line(n);
        }
    }

    #[inline(never)]
    fn give_to_the_line(&self, n: usize) {
        let mut slow = self.slow.lock();
        // From hand to hand: with none free, what the first in line takes whole leaves all as it was, as long as somebody waits behind.
        if slow.line.len() > 1
            && slow.owed == 0
            && self.word.load(Ordering::Acquire) == BY_THE_LINE
            && slow.line.front().is_some_and(|wait| wait.asked == n)
            && let Some((wait, waker)) = slow.line.take_front()
        {
            self.served
                .store(wait.ticket.wrapping_add(1), Ordering::Release);
            drop(slow);
            if let Some(waker) = waker {
                wake(waker);
            }
            return;
        }
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
            while slow.line.front().is_some_and(|wait| wait.asked <= free)
                && let Some((wait, waker)) = slow.line.take_front()
            {
                free -= wait.asked;
                let next = wait.ticket.wrapping_add(1);
                // The permit is handed over by this: what its last holder wrote is there for the next.
                self.served.store(next, Ordering::Release);
                wakers.add(waker);
            }
        }
        let done = slow.line.is_empty() && slow.owed == 0 && !slow.closed;
        let bit = if done { 0 } else { BY_THE_LINE };
        self.word.store(free | bit, Ordering::Release);
        wakers
    }

    /// How a waiter stands; its place is gone unless it still waits. The waker of `cx` is the one to wake from now on.
    #[inline]
    pub(crate) fn look(
        &self,
        ticket: Ticket,
        cx: &Context<'_>,
    ) -> Option<Result<(), AcquireError>> {
        let served = self.served.load(Ordering::Acquire);
        // Tickets wrap around; there are never half of all numbers of them at once.
        let is_served = served.wrapping_sub(ticket.number).cast_signed() > 0;
        // Whoever was refused before a later ticket was granted is seen here, as that was written first.
        if is_served && self.refused.load(Ordering::Relaxed) == 0 {
            return Some(Ok(()));
        }
        self.look_closely(ticket, cx)
    }

    #[cold]
    fn look_closely(&self, ticket: Ticket, cx: &Context<'_>) -> Option<Result<(), AcquireError>> {
        let mut spare = Spare::none();
        loop {
            let mut slow = self.slow.lock();
            match slow.find(ticket) {
                None => return Some(Ok(())),
                Some(Wait { refused: None, .. }) => {
                    if slow.line.renew(ticket.place, cx, &mut spare) {
                        return None;
                    }
                }
                Some(_) => {
                    // A waiter that was refused has been woken, so there is no waker.
                    let (wait, _) = self.leave(&mut slow, ticket)?;
                    return wait.refused.map(|why| {
                        Err(match why {
                            Refusal::Closed => AcquireError::Closed,
                            Refusal::TooMany { size } => AcquireError::TooMany {
                                asked: wait.asked,
                                size,
                            },
                        })
                    });
                }
            }
            drop(slow);
            spare.fill(cx);
        }
    }

    /// Takes out who waits or was refused.
    fn leave(&self, slow: &mut Slow, ticket: Ticket) -> Option<(Wait, Option<Waker>)> {
        slow.find(ticket)?;
        let left = slow.line.leave(ticket.place)?;
        if left.0.refused.is_some() {
            self.count_refused(|n| n - 1);
        }
        Some(left)
    }

    /// To be called under the lock.
    fn count_refused(&self, count: impl FnOnce(usize) -> usize) {
        let n = self.refused.load(Ordering::Relaxed);
        self.refused.store(count(n), Ordering::Relaxed);
    }

    /// A waiter for `n` permits goes; what it was granted goes to the next.
    pub(crate) fn abandon(&self, ticket: Ticket, n: usize) {
        let mut slow = self.slow.lock();
        let was_first = slow.line.is_first(ticket.place);
        let Some((_wait, waker)) = self.leave(&mut slow, ticket) else {
            drop(slow);
            self.give(n);
            return;
        };
        // Behind a first that wanted many there may be some who want few. Who was refused is not in the line, and never first.
        let wakers = match was_first {
            true => self.settle(&mut slow, 0),
            false => Wakers::new(),
        };
        drop(slow);
        wakers.wake();
        discard(waker);
    }

    /// Everybody who waits, and whoever comes, is refused. Permits out stay valid.
    pub(crate) fn close(&self) {
        let mut slow = self.slow.lock();
        slow.closed = true;
        self.word.fetch_or(BY_THE_LINE, Ordering::AcqRel);
        let mut wakers = Wakers::new();
        let mut refused = 0;
        slow.line.serve_each(&mut wakers, |wait| {
            wait.refused = Some(Refusal::Closed);
            refused += 1;
            true
        });
        self.count_refused(|n| n + refused);
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
        let mut refused = 0;
        line.serve_each(&mut wakers, |wait| {
            // They would stand in the way of everybody behind them, for ever.
            let is_too_much = wait.asked > size && size > 0;
            if is_too_much {
                wait.refused = Some(Refusal::TooMany { size });
                refused += 1;
            }
            is_too_much
        });
        self.count_refused(|n| n + refused);
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
