//! [`Barrier`]: all go on together.

use crate::internal::caught::discard;
use crate::internal::label;
use crate::internal::line::{Line, Place, Spare, Wakers};
use crate::internal::lock::Lock;
use crate::runtime::coop;
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

/// Holds tasks until a number of them have arrived; then all go on, and it starts anew.
///
/// Each task is told the index of its arrival, from 0 on. The last to arrive goes on at once and is the *leader* of its
/// generation: exactly one. A waiter that is dropped has not arrived, and those behind it move up (async-lock's barrier
/// counts it all the same). Once the last has arrived all are released, whichever is dropped afterwards.
///
/// When one of the tasks cannot come any more, the others would wait for ever: [`abort`](Barrier::abort) tells them,
/// and every task that comes later; [`reset`](Barrier::reset) tells them too, and starts anew. It is asyncio's barrier.
///
/// A clone is a handle to the same barrier.
///
/// # Examples
///
/// ```
/// use regatta::{sync::Barrier, task, time};
/// use std::time::Duration;
///
/// regatta::testing::run(async || {
///     let barrier = Barrier::new(3);
///     let runners = (1..=3).map(|n| {
///         let barrier = barrier.clone();
///         async move {
///             time::sleep(Duration::from_secs(n)).await;
///             let arrival = barrier.wait().await.expect("nobody aborts it");
///             (arrival.index(), arrival.is_leader(), regatta::testing::now().as_secs())
///         }
///     });
///     let ends = task::gather(runners).settled().await;
///     assert_eq!(ends, [(0, false, 3), (1, false, 3), (2, true, 3)]);
/// });
/// ```
#[derive(Clone)]
pub struct Barrier {
    inner: Arc<Inner>,
}

struct Inner {
    parties: usize,
    state: Lock<State>,
}

#[derive(Default)]
struct State {
    line: Line<Turn>,
    aborted: bool,
}

/// What a waiter was told; it is out of the line then.
#[derive(Clone, Copy)]
enum Turn {
    Waits,
    Ends(Result<Arrival, BarrierError>),
}

impl State {
    /// Tells every waiter, in order.
    fn release(&mut self, mut tell: impl FnMut(usize) -> Result<Arrival, BarrierError>) -> Wakers {
        let (mut wakers, mut index) = (Wakers::new(), 0);
        self.line.serve_each(&mut wakers, |turn| {
            *turn = Turn::Ends(tell(index));
            index += 1;
            true
        });
        wakers
    }
}

impl Barrier {
    /// A barrier for `parties` tasks.
    ///
    /// # Panics
    ///
    /// When `parties` is 0.
    pub fn new(parties: usize) -> Self {
        assert!(
            parties > 0,
            "Barrier::new(0): nobody would ever wait; use at least 1"
        );
        Barrier {
            inner: Arc::new(Inner {
                parties,
                state: Lock::default(),
            }),
        }
    }

    /// How many must arrive.
    pub fn parties(&self) -> usize {
        self.inner.parties
    }

    /// How many have arrived and wait.
    pub fn waiting(&self) -> usize {
        self.inner.state.lock().line.len()
    }

    /// Waits until all have arrived. It arrives with its first poll.
    ///
    /// # Errors
    ///
    /// [`BarrierError`], when the barrier is aborted, or is reset while the task waits.
    ///
    /// # Panics
    ///
    /// When it is polled again after it has returned.
    ///
    /// # Cancel safety
    ///
    /// Dropped while it waits it has not arrived.
    pub fn wait(&self) -> WaitBarrier {
        WaitBarrier {
            inner: Some(self.inner.clone()),
            step: Step::Fresh,
        }
    }

    /// Tells all waiters that it was reset, and starts anew, also after [`abort`](Barrier::abort).
    ///
    /// # Examples
    ///
    /// ```
    /// use regatta::sync::{Barrier, BarrierError};
    ///
    /// regatta::testing::run(async || {
    ///     let barrier = Barrier::new(2);
    ///     let resets = async { barrier.reset() };
    ///     let (waited, ()) = futures::join!(barrier.wait(), resets);
    ///     assert_eq!(waited, Err(BarrierError::Reset));
    ///     let (one, two) = futures::join!(barrier.wait(), barrier.wait());
    ///     assert!(one.is_ok() && two.is_ok());
    /// });
    /// ```
    pub fn reset(&self) {
        let mut state = self.inner.state.lock();
        state.aborted = false;
        let wakers = state.release(|_| Err(BarrierError::Reset));
        drop(state);
        wakers.wake();
    }

    /// Tells all waiters, and every task that comes until it is [reset](Barrier::reset), that not all will arrive.
    /// Aborting twice is aborting once.
    ///
    /// # Examples
    ///
    /// ```
    /// use regatta::sync::{Barrier, BarrierError};
    ///
    /// regatta::testing::run(async || {
    ///     let barrier = Barrier::new(2);
    ///     let fails = async { barrier.abort() };
    ///     let (waited, ()) = futures::join!(barrier.wait(), fails);
    ///     assert_eq!(waited, Err(BarrierError::Aborted));
    ///     assert_eq!(barrier.wait().await, Err(BarrierError::Aborted));
    /// });
    /// ```
    pub fn abort(&self) {
        let mut state = self.inner.state.lock();
        state.aborted = true;
        let wakers = state.release(|_| Err(BarrierError::Aborted));
        drop(state);
        wakers.wake();
    }

    /// Whether it was aborted, and not reset since.
    pub fn is_aborted(&self) -> bool {
        self.inner.state.lock().aborted
    }
}

impl fmt::Debug for Barrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Barrier")
            .field("parties", &self.parties())
            .field("waiting", &self.waiting())
            .field("aborted", &self.is_aborted())
            .finish()
    }
}

/// What [`Barrier::wait`] gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    index: usize,
    leader: bool,
}

impl Arrival {
    /// How many had arrived before it, of the tasks that went on with it: each number below
    /// [`parties`](Barrier::parties) once in each generation.
    pub fn index(&self) -> usize {
        self.index
    }

    /// Whether it was the last to arrive: true for one of each generation.
    pub fn is_leader(&self) -> bool {
        self.leader
    }
}

/// Why [`Barrier::wait`] ended although not all had arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BarrierError {
    /// The barrier was [aborted](Barrier::abort).
    Aborted,
    /// The barrier was [reset](Barrier::reset) while the task waited.
    Reset,
}

impl fmt::Display for BarrierError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BarrierError::Aborted => {
                "wait: the barrier was aborted, as not all will arrive; `reset` lets it start anew"
            }
            BarrierError::Reset => {
                "wait: the barrier was reset before all had arrived; wait again to take part in what comes next"
            }
        })
    }
}

impl Error for BarrierError {}

/// Waits at a barrier; made by [`Barrier::wait`].
#[must_use = "futures do nothing unless polled"]
pub struct WaitBarrier {
    /// `None` once it has returned.
    inner: Option<Arc<Inner>>,
    step: Step,
}

#[derive(Clone, Copy)]
enum Step {
    Fresh,
    Waits(Place),
    /// It has its answer, and gives way to other tasks first.
    Has(Result<Arrival, BarrierError>),
}

impl Inner {
    fn poll(&self, step: &mut Step, cx: &mut Context<'_>) -> Poll<Result<Arrival, BarrierError>> {
        match *step {
            Step::Has(answer) => Poll::Ready(answer),
            Step::Waits(place) => {
                let answer = ready!(self.look(place, cx));
                *step = Step::Fresh;
                Poll::Ready(answer)
            }
            Step::Fresh => {
                // First, as it may run code of the user.
                let gives_way = coop::poll_spend(cx).is_pending();
                match self.arrive(cx) {
                    Err(place) => {
                        *step = Step::Waits(place);
                        label::set("a barrier");
                    }
                    Ok(answer) if gives_way => {
                        *step = Step::Has(answer);
                        label::set("its next turn");
                    }
                    Ok(answer) => return Poll::Ready(answer),
                }
                Poll::Pending
            }
        }
    }

    /// The last releases the others.
    fn arrive(&self, cx: &Context<'_>) -> Result<Result<Arrival, BarrierError>, Place> {
        let mut spare = Spare::none();
        loop {
            let mut state = self.state.lock();
            if state.aborted {
                return Ok(Err(BarrierError::Aborted));
            }
            let index = state.line.len();
            if index + 1 >= self.parties {
                let wakers = state.release(|index| {
                    Ok(Arrival {
                        index,
                        leader: false,
                    })
                });
                drop(state);
                wakers.wake();
                return Ok(Ok(Arrival {
                    index,
                    leader: true,
                }));
            }
            if let Some(waker) = spare.take() {
                return Err(state.line.enter(Turn::Waits, waker));
            }
            drop(state);
            spare.fill(cx);
        }
    }

    fn look(&self, place: Place, cx: &Context<'_>) -> Poll<Result<Arrival, BarrierError>> {
        let mut spare = Spare::none();
        loop {
            let mut state = self.state.lock();
            if let Some(&Turn::Ends(answer)) = state.line.get(place) {
                state.line.leave(place);
                return Poll::Ready(answer);
            }
            if state.line.renew(place, cx, &mut spare) {
                label::set("a barrier");
                return Poll::Pending;
            }
            drop(state);
            spare.fill(cx);
        }
    }
}

impl Future for WaitBarrier {
    type Output = Result<Arrival, BarrierError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let Some(inner) = &this.inner else {
            panic!("`Barrier::wait` was polled again after it had returned");
        };
        let answer = ready!(inner.poll(&mut this.step, cx));
        this.inner = None;
        Poll::Ready(answer)
    }
}

impl Drop for WaitBarrier {
    fn drop(&mut self) {
        if let (Step::Waits(place), Some(inner)) = (self.step, &self.inner) {
            let left = inner.state.lock().line.leave(place);
            discard(left.and_then(|(_, waker)| waker));
        }
    }
}

impl fmt::Debug for WaitBarrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitBarrier")
            .field("waiting", &matches!(self.step, Step::Waits(_)))
            .finish_non_exhaustive()
    }
}
