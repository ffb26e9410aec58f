//! [`Limiter`]: one token per borrower.

mod borrower;
mod error;
mod state;

pub use borrower::Borrower;
pub use error::BorrowError;

use crate::internal::caught::discard;
use crate::internal::label;
use crate::internal::line::{Place, Spare};
use crate::internal::lock::Lock;
use crate::runtime::coop;
use state::{Look, State};
use std::fmt;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

/// Lends tokens, one to each borrower, first come, first served.
///
/// For capacity that belongs to somebody: threads, connections, licences. Unlike a [`Semaphore`](super::Semaphore) it knows its borrowers, refuses
/// a second token to the same one, and takes any total from 0 (nobody) to [`Limiter::UNLIMITED`], at any time.
///
/// A [`Token`] borrows nothing, so it can go where the work is: move it into the closure of a blocking call, and it is given back when
/// the thread really ends, not when the caller stops waiting.
///
/// A borrower without a name ([`borrow`](Limiter::borrow)) is a new one each time: there is no identity of a task that every runtime knows.
///
/// A clone is a handle to the same limiter. It is AnyIO's and Trio's `CapacityLimiter`.
///
/// # Examples
///
/// ```
/// use regatta::{Runtime, sync::Limiter};
///
/// regatta::testing::run(async || {
///     let threads = Limiter::new(2);
///     let token = threads.borrow_for("import").await.expect("`import` has none yet");
///     let work = Runtime::current().try_spawn_blocking(move || {
///         let _until_the_thread_ends = token;
///         6 * 7
///     });
///     let error = threads.borrow_for("import").await.expect_err("it has one");
///     assert!(error.to_string().starts_with("borrow_for(`import`): this borrower has a token"));
///     assert_eq!(work.expect("it can spawn").await.expect("no panic"), 42);
///     assert_eq!(threads.statistics().borrowed, 0);
/// });
/// ```
#[derive(Clone)]
pub struct Limiter {
    inner: Arc<Inner>,
}

struct Inner {
    state: Lock<State>,
}

/// The figures of a [`Limiter`] at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LimiterStats {
    /// How many tokens there are.
    pub total: usize,
    /// How many are lent; above `total` after that was lowered.
    pub borrowed: usize,
    /// How many borrowers wait.
    pub waiting: usize,
}

impl LimiterStats {
    /// How many can be lent before somebody has to wait.
    pub fn available(&self) -> usize {
        self.total.saturating_sub(self.borrowed)
    }
}

impl Limiter {
    /// A total that holds nobody back.
    pub const UNLIMITED: usize = usize::MAX;

    /// A limiter with `total` tokens. With 0 everybody waits until it is [resized](Limiter::resize).
    pub fn new(total: usize) -> Self {
        Limiter {
            inner: Arc::new(Inner {
                state: Lock::new(State::new(total)),
            }),
        }
    }

    /// Waits for a token, for a borrower without a name. It stands in line from its first poll on.
    ///
    /// # Panics
    ///
    /// When it is polled again after it has given the token.
    ///
    /// # Cancel safety
    ///
    /// Dropped while it waits it leaves the line; a token that it was lent and never saw goes to the next.
    pub fn borrow(&self) -> Borrowing {
        Borrowing {
            waiting: Waiting::new(&self.inner, None),
        }
    }

    /// Waits for a token, on behalf of `borrower`. It stands in line from its first poll on.
    ///
    /// # Errors
    ///
    /// [`BorrowError::AlreadyBorrowed`], when `borrower` has a token or waits for one: it would wait for itself.
    ///
    /// # Panics
    ///
    /// When it is polled again after it has given its answer.
    ///
    /// # Cancel safety
    ///
    /// Dropped while it waits it leaves the line; a token that it was lent and never saw goes to the next.
    pub fn borrow_for(&self, borrower: impl Into<Borrower>) -> BorrowingFor {
        BorrowingFor {
            waiting: Waiting::new(&self.inner, Some(borrower.into())),
        }
    }

    /// A token now, for a borrower without a name.
    ///
    /// # Errors
    ///
    /// [`BorrowError::NoTokens`].
    pub fn try_borrow(&self) -> Result<Token, BorrowError> {
        self.inner.state.lock().take(None)?;
        Ok(Token::new(self.inner.clone(), None))
    }

    /// A token now, on behalf of `borrower`.
    ///
    /// # Errors
    ///
    /// [`BorrowError`].
    pub fn try_borrow_for(&self, borrower: impl Into<Borrower>) -> Result<Token, BorrowError> {
        let borrower = borrower.into();
        self.inner.state.lock().take(Some(&borrower))?;
        Ok(Token::new(self.inner.clone(), Some(borrower)))
    }

    /// Changes the total. Raised, it lends to those who wait, in order; lowered below what is lent, it takes nothing away, and lends nothing
    /// until there is room.
    pub fn resize(&self, total: usize) {
        let wakers = self.inner.state.lock().resize(total);
        wakers.wake();
    }

    /// Total, borrowed and waiting, all of one moment.
    pub fn statistics(&self) -> LimiterStats {
        self.inner.state.lock().statistics()
    }

    /// Those with a name who have a token or wait for one, in the order of their names.
    pub fn borrowers(&self) -> Vec<Borrower> {
        self.inner.state.lock().known()
    }
}

impl fmt::Debug for Limiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let now = self.statistics();
        f.debug_struct("Limiter")
            .field("total", &now.total)
            .field("borrowed", &now.borrowed)
            .field("waiting", &now.waiting)
            .finish()
    }
}

/// A token of a [`Limiter`]; given back when it is dropped.
#[must_use = "the token is given back when it is dropped: bind it to a name"]
pub struct Token {
    inner: Arc<Inner>,
    borrower: Option<Borrower>,
}

impl Token {
    fn new(inner: Arc<Inner>, borrower: Option<Borrower>) -> Self {
        Token { inner, borrower }
    }

    /// On whose behalf it was borrowed, if that one has a name.
    pub fn borrower(&self) -> Option<&Borrower> {
        self.borrower.as_ref()
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        let wakers = self.inner.state.lock().give(self.borrower.as_ref());
        wakers.wake();
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token")
            .field("borrower", &self.borrower)
            .finish_non_exhaustive()
    }
}

/// What both ways of waiting have in common.
struct Waiting {
    /// Goes into the token; `None` once it has answered.
    inner: Option<Arc<Inner>>,
    borrower: Option<Borrower>,
    step: Step,
}

enum Step {
    Fresh,
    Waits(Place),
    /// It gives way to other tasks first.
    Has(Result<(), BorrowError>),
}

impl Waiting {
    fn new(inner: &Arc<Inner>, borrower: Option<Borrower>) -> Self {
        Waiting {
            inner: Some(inner.clone()),
            borrower,
            step: Step::Fresh,
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Token, BorrowError>> {
        let Some(inner) = &self.inner else {
            panic!("a `Limiter` was asked again after it had given its answer");
        };
        let answer = ready!(inner.poll(self.borrower.as_ref(), &mut self.step, cx));
        match (answer, self.inner.take()) {
            (Ok(()), Some(inner)) => Poll::Ready(Ok(Token::new(inner, self.borrower.take()))),
            (Err(error), _) => Poll::Ready(Err(error)),
            (Ok(()), None) => unreachable!("it was there a moment ago"),
        }
    }
}

impl Inner {
    fn poll(
        &self,
        borrower: Option<&Borrower>,
        step: &mut Step,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), BorrowError>> {
        match mem::replace(step, Step::Fresh) {
            Step::Fresh => self.first_poll(borrower, step, cx),
            Step::Has(answer) => Poll::Ready(answer),
            Step::Waits(place) => {
                *step = Step::Waits(place);
                let mut spare = Spare::none();
                loop {
                    match self.state.lock().look(place, cx, &mut spare) {
                        Look::Served => break,
                        Look::Waits => {
                            label::set("a token");
                            return Poll::Pending;
                        }
                        Look::NeedsWaker => {}
                    }
                    spare.fill(cx);
                }
                *step = Step::Fresh;
                Poll::Ready(Ok(()))
            }
        }
    }

    fn first_poll(
        &self,
        borrower: Option<&Borrower>,
        step: &mut Step,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), BorrowError>> {
        // First, as it may run code of the user.
        let gives_way = coop::poll_spend(cx).is_pending();
        let mut spare = Spare::none();
        let answer = loop {
            let mut state = self.state.lock();
            let taken = state.take(borrower);
            if !matches!(taken, Err(BorrowError::NoTokens { .. })) {
                break taken;
            }
            if let Some(waker) = spare.take() {
                *step = Step::Waits(state.enter(borrower, waker));
                drop(state);
                label::set("a token");
                return Poll::Pending;
            }
            drop(state);
            spare.fill(cx);
        };
        if !gives_way {
            return Poll::Ready(answer);
        }
        *step = Step::Has(answer);
        label::set("its next turn");
        Poll::Pending
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let Some(inner) = &self.inner else {
            return;
        };
        let borrower = self.borrower.as_ref();
        match mem::replace(&mut self.step, Step::Fresh) {
            Step::Fresh | Step::Has(Err(_)) => {}
            Step::Has(Ok(())) => {
                let wakers = inner.state.lock().give(borrower);
                wakers.wake();
            }
            Step::Waits(place) => {
                let (waker, wakers) = inner.state.lock().leave(place, borrower);
                wakers.wake();
                discard(waker);
            }
        }
    }
}

/// Waits for a token; made by [`Limiter::borrow`].
#[must_use = "futures do nothing unless polled"]
pub struct Borrowing {
    waiting: Waiting,
}

impl Future for Borrowing {
    type Output = Token;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Token> {
        self.get_mut().waiting.poll(cx).map(|token| match token {
            Ok(token) => token,
            Err(error) => unreachable!("who has no name cannot ask twice: {error}"),
        })
    }
}

/// Waits for a token for somebody; made by [`Limiter::borrow_for`].
#[must_use = "futures do nothing unless polled"]
pub struct BorrowingFor {
    waiting: Waiting,
}

impl Future for BorrowingFor {
    type Output = Result<Token, BorrowError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.get_mut().waiting.poll(cx)
    }
}

impl fmt::Debug for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiting")
            .field("borrower", &self.borrower)
            .field("waiting", &matches!(self.step, Step::Waits(_)))
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Borrowing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Borrowing").field(&self.waiting).finish()
    }
}

impl fmt::Debug for BorrowingFor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("BorrowingFor").field(&self.waiting).finish()
    }
}
