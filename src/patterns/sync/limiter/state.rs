//! Who has a token and who waits for one, without a future in sight.

use super::{BorrowError, Borrower, LimiterStats};
use crate::internal::line::{Line, Place, Spare, Wakers};
use std::collections::BTreeSet;
use std::task::{Context, Waker};

#[derive(Debug)]
pub(super) struct State {
    total: usize,
    /// May be above `total`, after that was lowered.
    borrowed: usize,
    /// Those with a name who have a token or wait for one.
    known: BTreeSet<Borrower>,
    /// True: served.
    line: Line<bool>,
}

/// What a waiter sees.
pub(super) enum Look {
    Served,
    Waits,
    /// It has to bring one, and to look again.
    NeedsWaker,
}

impl State {
    pub(super) fn new(total: usize) -> Self {
        State {
            total,
            borrowed: 0,
            known: BTreeSet::new(),
            line: Line::new(),
        }
    }

    /// A token now, or why not.
    pub(super) fn take(&mut self, borrower: Option<&Borrower>) -> Result<(), BorrowError> {
        if let Some(borrower) = borrower.filter(|b| self.known.contains(b)) {
            return Err(BorrowError::AlreadyBorrowed {
                borrower: borrower.clone(),
            });
        }
        if self.borrowed >= self.total || !self.line.is_empty() {
            return Err(BorrowError::NoTokens {
                total: self.total,
                borrowed: self.borrowed,
                waiting: self.line.len(),
            });
        }
        self.borrowed += 1;
        self.known.extend(borrower.cloned());
        Ok(())
    }

    pub(super) fn enter(&mut self, borrower: Option<&Borrower>, waker: Waker) -> Place {
        self.known.extend(borrower.cloned());
        self.line.enter(false, waker)
    }

    /// How a waiter stands; its place is gone when it was served.
    pub(super) fn look(&mut self, place: Place, cx: &Context<'_>, spare: &mut Spare) -> Look {
        if !self.line.is_waiting(place) {
            self.line.leave(place);
            Look::Served
        } else if self.line.renew(place, cx, spare) {
            Look::Waits
        } else {
            Look::NeedsWaker
        }
    }

    /// A waiter goes; its token, if it had one, goes to the next.
    pub(super) fn leave(
        &mut self,
        place: Place,
        borrower: Option<&Borrower>,
    ) -> (Option<Waker>, Wakers) {
        match self.line.leave(place) {
            Some((true, waker)) => (waker, self.give(borrower)),
            Some((false, waker)) => {
                borrower.map(|b| self.known.remove(b));
                (waker, Wakers::new())
            }
            None => (None, Wakers::new()),
        }
    }

    pub(super) fn give(&mut self, borrower: Option<&Borrower>) -> Wakers {
        borrower.map(|b| self.known.remove(b));
        self.borrowed -= 1;
        self.serve()
    }

    pub(super) fn resize(&mut self, total: usize) -> Wakers {
        self.total = total;
        self.serve()
    }

    fn serve(&mut self) -> Wakers {
        let mut wakers = Wakers::new();
        while self.borrowed < self.total {
            let Some(waker) = self.line.serve_front(|served| *served = true) else {
                break;
            };
            self.borrowed += 1;
            wakers.extend([waker]);
        }
        wakers
    }

    pub(super) fn statistics(&self) -> LimiterStats {
        LimiterStats {
            total: self.total,
            borrowed: self.borrowed,
            waiting: self.line.len(),
        }
    }

    pub(super) fn known(&self) -> Vec<Borrower> {
        self.known.iter().cloned().collect()
    }
}
